//! Groups of boxes on the venue's LANs, as the technician laid them into `lan/`.
//! Invariant: what does not read, or does not go together, is passed over and named; the bundle is made all the same. A
//! list that was published never gives way to another one of its version or a lower one.
//! Not here: what a group is (`domain::lan`), who writes the files (`provision lan group`).
use domain::{
    bundle::{Bundle, BundleBody, BundleSection},
    lan::LanGroup,
    wire::from_canonical_cbor,
};

use crate::{
    bundle::TERM_STEP,
    hub::{Hub, HubError},
};

/// Longest file.
const GROUP_MAX: u64 = 64 << 10;

/// The groups that the next bundle carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LanGroups {
    /// By number.
    pub(crate) groups: Vec<InForce>,
    /// Names of files that are no group, or do not go with the others.
    pub(crate) passed_over: Vec<String>,
}

/// A group as the boxes get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) group: LanGroup,
    /// Reason code where the file's list was refused, and this is the one that the boxes have.
    pub(crate) refused: Option<&'static str>,
    /// Whether boxes may have it already.
    is_published: bool,
}

impl Hub {
    /// The bundle's section of groups; nothing where there are none.
    pub(crate) fn lan_section(&self) -> Result<Option<BundleSection>, HubError> {
        let LanGroups { groups, passed_over } = self.lan_groups()?;
        for file in passed_over {
            tracing::warn!(%file, "not a group of boxes that goes with the others; passed over");
        }
        for InForce { group, refused, .. } in groups.iter().filter(|one| one.refused.is_some()) {
            tracing::error!(
                group = group.number,
                code = refused.unwrap_or_default(),
                version = group.list.version,
                "the file's list of this group was not taken; its boxes keep the list that was published"
            );
        }
        let groups: Vec<LanGroup> = groups.into_iter().map(|one| one.group).collect();
        Ok(Some(groups).filter(|groups| !groups.is_empty()).map(|groups| BundleBody::lan_section(&groups)))
    }

    /// What lies in `lan/`, after what was published.
    pub(crate) fn lan_groups(&self) -> Result<LanGroups, HubError> {
        let (files, mut passed_over) = self.lan_files();
        let mut found = Vec::new();
        for (file, group) in files {
            found.push((file, self.after_what_was_published(group)?));
        }
        // a list that boxes have goes before a new one that claims one of them
        found.sort_by_key(|(_, one)| !one.is_published);
        let (mut kept, mut groups) = (Vec::new(), Vec::new());
        for (file, one) in found {
            kept.push(one.group.clone());
            if LanGroup::check_all(&kept).is_ok() {
                groups.push(one);
            } else {
                kept.pop();
                passed_over.push(file);
            }
        }
        groups.sort_by_key(|one| one.group.number);
        Ok(LanGroups { groups, passed_over })
    }

    /// A list hands over to the next only where a box ever had it: the one before is what was published, not what was
    /// only written to the file. A box that has a list takes no other one of its version, and a new box would begin it
    /// at once: two majorities. A restored hub does not know all that was published: it believes the file about a group
    /// that it does not know, and changes none that it knows from before.
    fn after_what_was_published(&self, file: LanGroup) -> Result<InForce, HubError> {
        let Some(published) = self.published(file.number, u64::MAX)? else {
            let previous = file.previous.clone().filter(|_| self.term() > 1);
            return Ok(InForce { group: LanGroup { previous, ..file }, refused: None, is_published: false });
        };
        let kept = |published, code| InForce { group: published, refused: Some(code), is_published: true };
        if published.list == file.list {
            let group = LanGroup { previous: published.previous, ..file };
            return Ok(InForce { group, refused: None, is_published: true });
        }
        let before = u64::from(self.term()).saturating_mul(TERM_STEP);
        if self.term() > 1 && self.published(file.number, before)?.is_some() {
            return Ok(kept(published, "hub.lan_restored"));
        }
        if published.list.version >= file.list.version {
            return Ok(kept(published, "hub.lan_version"));
        }
        let group = LanGroup { previous: Some(published.list), ..file };
        Ok(InForce { group, refused: None, is_published: false })
    }

    /// The group of this number in the newest bundle up to `number` that has it.
    fn published(&self, group: u16, number: u64) -> Result<Option<LanGroup>, HubError> {
        let found = self.store.search_bundles(number, |published| {
            let bundle = Bundle::verify(&published.bytes, Some(self.identity().festival)).ok()?;
            bundle.lan_groups().into_iter().find(|published| published.number == group)
        });
        Ok(found?)
    }

    /// The groups that lie in `lan/`, with their files, and the names of files that are none.
    fn lan_files(&self) -> (Vec<(String, LanGroup)>, Vec<String>) {
        let Ok(files) = std::fs::read_dir(self.dir.join("lan")) else { return Default::default() };
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "cbor"));
        paths.sort();
        let (mut groups, mut passed_over) = (Vec::new(), Vec::new());
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let short = std::fs::metadata(&path).is_ok_and(|file| file.len() <= GROUP_MAX);
            let read = if short { std::fs::read(&path).ok() } else { None };
            let group = read.and_then(|bytes| from_canonical_cbor::<LanGroup>(&bytes).ok());
            match group.filter(|group| LanGroup::check_all(std::slice::from_ref(group)).is_ok()) {
                Some(group) => groups.push((name, group)),
                None => passed_over.push(name),
            }
        }
        (groups, passed_over)
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

    /// A hub in whose `lan/` files are laid, one after the other.
    struct Bench {
        dir: tempfile::TempDir,
        hub: Hub,
    }

    impl Bench {
        fn new() -> Self {
            let dir = sample::hub_dir();
            std::fs::create_dir_all(dir.path().join("lan")).unwrap();
            Self { hub: sample::open(dir.path()), dir }
        }

        /// What the boxes get of group `number`, where its file says this.
        fn published(&mut self, number: u16, list: VoterList, previous: Option<VoterList>) -> Option<LanGroup> {
            let group = LanGroup { number, broker: "10.0.0.5:1883".into(), copies: 1, list, previous };
            std::fs::write(self.dir.path().join(format!("lan/{number}.cbor")), to_cbor(&group)).unwrap();
            let bundle = Bundle::verify(&self.hub.current_bundle().unwrap().bytes, None).unwrap();
            bundle.lan_groups().into_iter().find(|group| group.number == number)
        }

        fn refused(&self, number: u16) -> Option<&'static str> {
            let groups = self.hub.lan_groups().unwrap().groups;
            groups.into_iter().find(|one| one.group.number == number).unwrap().refused
        }
    }

    #[test]
    fn a_list_hands_over_to_the_next_only_where_it_was_ever_published() {
        let mut bench = Bench::new();
        let mut published = |list, previous| bench.published(1, list, previous).unwrap().previous;
        // the technician noticed a missing box before anybody had the first list
        assert_eq!(published(list(2, &[1, 2, 3]), Some(list(1, &[1, 2]))), None);
        assert_eq!(published(list(2, &[1, 2, 3]), Some(list(1, &[1, 2]))), None, "nor later");
        assert_eq!(published(list(3, &[1, 2]), Some(list(2, &[1, 2, 3]))), Some(list(2, &[1, 2, 3])));
        assert_eq!(published(list(5, &[1, 4]), Some(list(4, &[1, 2, 4]))), Some(list(3, &[1, 2])));
        assert_eq!(published(list(5, &[1, 4]), Some(list(4, &[1, 2, 4]))), Some(list(3, &[1, 2])));
    }

    #[test]
    fn another_list_of_a_published_version_or_a_lower_one_never_reaches_a_box() {
        let mut bench = Bench::new();
        let first = bench.published(1, list(1, &[1, 2]), None).unwrap();
        assert_eq!(bench.refused(1), None);
        // the technician's file was lost: the tool began again with version 1
        assert_eq!(bench.published(1, list(1, &[1, 2, 3]), None), Some(first.clone()));
        assert_eq!(bench.refused(1), Some("hub.lan_version"));
        assert_eq!(bench.published(2, list(1, &[2, 4]), None), None, "a box of the list that holds is in no other");
        assert_eq!(bench.hub.lan_groups().unwrap().passed_over, ["2.cbor"]);
        let second = bench.published(1, list(2, &[1, 3]), Some(list(1, &[1, 2]))).unwrap();
        assert_eq!((second.list.version, second.previous, bench.refused(1)), (2, Some(first.list), None));
        let kept = bench.published(1, list(1, &[1, 2]), None).unwrap();
        assert_eq!((kept.list, bench.refused(1)), (list(2, &[1, 3]), Some("hub.lan_version")), "an older file");
    }

    #[test]
    fn a_restored_hub_changes_no_group_that_it_knows_from_before() {
        let mut bench = Bench::new();
        bench.published(1, list(1, &[1, 2]), None).unwrap();
        bench.hub.raise_term(1).unwrap();
        // whether boxes have another second list nobody knows here
        let kept = bench.published(1, list(2, &[1, 2, 3]), Some(list(1, &[1, 2]))).unwrap();
        assert_eq!((kept.list, bench.refused(1)), (list(1, &[1, 2]), Some("hub.lan_restored")));
        assert_eq!(bench.published(1, list(1, &[1, 2]), None).map(|group| group.list), Some(list(1, &[1, 2])));
        assert_eq!(bench.refused(1), None);
        // a group that it hears of now is as the file says, and changes from then on as everywhere
        let unknown = bench.published(2, list(3, &[4, 5]), Some(list(2, &[4]))).unwrap();
        assert_eq!(unknown.previous, Some(list(2, &[4])));
        let next = bench.published(2, list(4, &[4, 6]), Some(list(3, &[4, 5]))).unwrap();
        assert_eq!((next.previous, bench.refused(2)), (Some(list(3, &[4, 5])), None));
    }
}
