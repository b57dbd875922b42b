//! Groups of boxes on the venue's LANs, as the technician laid them into `lan/`.
//! Invariant: what does not read, or does not go together, is passed over and named; the bundle is made all the same.
//! Not here: what a group is (`domain::lan`), who writes the files (`provision lan group`).
use domain::{
    bundle::{BundleBody, BundleSection},
    lan::LanGroup,
    wire::from_canonical_cbor,
};

use crate::hub::Hub;

/// Longest file.
const GROUP_MAX: u64 = 64 << 10;

impl Hub {
    /// The bundle's section of groups; nothing where there are none.
    pub(crate) fn lan_section(&self) -> Option<BundleSection> {
        Some(self.lan_groups()).filter(|groups| !groups.is_empty()).map(|groups| BundleBody::lan_section(&groups))
    }

    /// The groups that lie in `lan/`.
    pub(crate) fn lan_groups(&self) -> Vec<LanGroup> {
        let Ok(files) = std::fs::read_dir(self.dir.join("lan")) else { return Vec::new() };
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "cbor"));
        paths.sort();
        let mut groups: Vec<LanGroup> = Vec::new();
        for path in paths {
            let short = std::fs::metadata(&path).is_ok_and(|file| file.len() <= GROUP_MAX);
            let read = if short { std::fs::read(&path).ok() } else { None };
            let group = read.and_then(|bytes| from_canonical_cbor::<LanGroup>(&bytes).ok());
            groups.extend(group.iter().cloned());
            if group.is_none() || LanGroup::check_all(&groups).is_err() {
                tracing::warn!(file = %path.display(), "not a group of boxes that goes with the others; passed over");
                if group.is_some() {
                    groups.pop();
                }
            }
        }
        groups
    }
}
