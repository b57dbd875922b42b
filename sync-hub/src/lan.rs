//! Groups of boxes on the venue's LANs, as the technician laid them into `lan/`.
//! Invariant: what does not read, or does not go together, is passed over and named; the bundle is made all the same.
//! Not here: what a group is (`domain::lan`), who writes the files (`provision lan group`).
use domain::{
    bundle::{Bundle, BundleBody, BundleSection},
    lan::LanGroup,
    wire::from_canonical_cbor,
};

use crate::{hub::Hub, store::StoredBundle};

/// Longest file.
const GROUP_MAX: u64 = 64 << 10;

impl Hub {
    /// The bundle's section of groups; nothing where there are none.
    pub(crate) fn lan_section(&self) -> Option<BundleSection> {
        let groups: Vec<LanGroup> =
            self.lan_groups().into_iter().map(|group| self.after_what_was_published(group)).collect();
        Some(groups).filter(|groups| !groups.is_empty()).map(|groups| BundleBody::lan_section(&groups))
    }

    /// A list hands over to the next only where a box ever had it: the one before is what was published, not what was
    /// only written to the file. A restored hub does not know all that was published, and believes the file.
    fn after_what_was_published(&self, group: LanGroup) -> LanGroup {
        if self.term() > 1 {
            return group;
        }
        let same = |published: StoredBundle| {
            let bundle = Bundle::verify(&published.bytes, Some(self.identity().festival)).ok()?;
            bundle.lan_groups().into_iter().find(|published| published.number == group.number)
        };
        let published = match self.store.search_bundles(same) {
            Ok(published) => published,
            Err(error) => {
                tracing::warn!(%error, group = group.number, "what was published of this group was not read");
                return group;
            }
        };
        let previous = match published {
            None => None,
            Some(published) if published.list == group.list => published.previous,
            Some(published) if published.list.version < group.list.version => Some(published.list),
            Some(_) => return group,
        };
        LanGroup { previous, ..group }
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

#[cfg(test)]
mod tests {
    use domain::{
        id::DeviceId,
        lan::{Voter, VoterList},
        wire::to_cbor,
    };

    use super::*;
    use crate::sample;

    fn list(version: u32, boxes: &[u8]) -> VoterList {
        let voter = |n: &u8| Voter { device: DeviceId([*n; 16]), votes: 1 };
        VoterList { version, voters: boxes.iter().map(voter).collect() }
    }

    #[test]
    fn a_list_hands_over_to_the_next_only_where_it_was_ever_published() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        std::fs::create_dir_all(dir.path().join("lan")).unwrap();
        let mut published = |list: VoterList, previous: Option<VoterList>| {
            let group = LanGroup { number: 1, broker: "10.0.0.5:1883".into(), copies: 1, list, previous };
            std::fs::write(dir.path().join("lan/1.cbor"), to_cbor(&group)).unwrap();
            let bundle = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
            bundle.lan_groups().pop().unwrap().previous
        };
        // the technician noticed a missing box before anybody had the first list
        assert_eq!(published(list(2, &[1, 2, 3]), Some(list(1, &[1, 2]))), None);
        assert_eq!(published(list(2, &[1, 2, 3]), Some(list(1, &[1, 2]))), None, "nor later");
        assert_eq!(published(list(3, &[1, 2]), Some(list(2, &[1, 2, 3]))), Some(list(2, &[1, 2, 3])));
        assert_eq!(published(list(5, &[1, 4]), Some(list(4, &[1, 2, 4]))), Some(list(3, &[1, 2])));
        assert_eq!(published(list(5, &[1, 4]), Some(list(4, &[1, 2, 4]))), Some(list(3, &[1, 2])));
    }
}
