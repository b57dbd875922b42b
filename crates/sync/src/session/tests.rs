use std::collections::{BTreeMap, VecDeque};

use domain::{
    bundle::BlobRef,
    id::{DeviceId, device_id},
    journal::EntryHash,
    trust::{Purpose, Roles},
};

use super::{
    CloseReason, Quota,
    box_side::{BoxAction, BoxSide, BoxStart, KnownHead},
    hub_side::{BoxStanding, HubAction, HubSide, HubStart, Standing, Stored},
};
use crate::{
    delta::{Delta, DeltaProgress, Section, SignedDelta},
    frame::{BlobPart, BundlePart, Frame, HaveDelta, RefuseCode, SectionHeld},
    sample::{self, Journal, public},
    segment::Segment,
    vector::{Branch, JournalHeads, VersionVector, hash16},
};

mod blobs;
mod forwarding;
mod silence;

const BOX: u8 = 20;
const HUB: u8 = 30;
const BUNDLE_KEY: u8 = 40;

/// A box with its journals on a disk that keeps everything at once.
struct BoxShell {
    side: BoxSide,
    journals: Vec<Journal>,
    applied: Vec<(Section, u64, u16)>,
    bundle: Option<(u64, Vec<u8>)>,
    /// Blobs that its bundles name.
    needs: Vec<BlobRef>,
    /// What is on its disk of each blob.
    blobs: BTreeMap<[u8; 32], Vec<u8>>,
    newer_self: Vec<(u32, KnownHead)>,
    refused: Vec<u16>,
    /// How long ago it was told all, each time.
    told_all: Vec<u64>,
    closed: Option<CloseReason>,
}

fn heads_of(journal: &Journal) -> JournalHeads {
    let branch = Branch::up_to(journal.len(), hash16(&journal.heads.last().unwrap().hash));
    JournalHeads { device: journal.device, epoch: journal.epoch, branches: vec![branch] }
}

impl BoxShell {
    fn start_with(journals: &[Journal]) -> BoxStart {
        BoxStart {
            founding: sample::founding(),
            public_key: public(BOX),
            chain: sample::chain(BOX, Purpose::Device, 1).to_bytes(),
            epoch: 0,
            roles: Roles::BAR,
            software: "0.1.0".into(),
            held: VersionVector::new(journals.iter().map(heads_of).collect()),
            acked: vec![],
            sections: vec![SectionHeld { section: Section::Wallets, term: 0, number: 0 }],
            bundle: 0,
            bundle_keys: vec![public(BUNDLE_KEY)],
        }
    }

    fn start(&self) -> BoxStart {
        Self::start_with(&self.journals)
    }

    fn new(journals: Vec<Journal>) -> Self {
        let start = Self::start_with(&journals);
        let (applied, newer_self, refused, told_all) = (vec![], vec![], vec![], vec![]);
        let (needs, blobs) = (vec![], BTreeMap::new());
        Self {
            side: BoxSide::new(start),
            journals,
            applied,
            bundle: None,
            needs,
            blobs,
            newer_self,
            refused,
            told_all,
            closed: None,
        }
    }

    /// Does what the machine asks, until it asks for nothing more; gives what is to be sent.
    fn work(&mut self) -> Vec<Frame> {
        let mut out = vec![];
        while let Some(action) = self.side.next_action() {
            match action {
                BoxAction::Send(frame) => out.push(frame),
                BoxAction::ReadSegment { device, epoch, from, max } => {
                    let journal = self.journals.iter().find(|j| (j.device, j.epoch) == (device, epoch));
                    // Few entries a segment, so that there are many of them.
                    self.side.segment_read(journal.and_then(|journal| journal.segment(from, max.min(3))));
                }
                BoxAction::ApplyDelta(parts) => {
                    for signed in parts {
                        let delta = Delta::from_bytes(&signed.body).unwrap();
                        self.applied.push((delta.section, delta.number, delta.part));
                        let next_part = (delta.part + 1 < delta.parts).then_some(delta.part + 1);
                        let (section, term, number) = (delta.section, delta.term, delta.number);
                        self.side.delta_stored(HaveDelta { section, term, number, next_part, own: None });
                    }
                }
                BoxAction::StoreBundle { number, bytes } => {
                    let held = |blob: &BlobRef| self.blobs.get(&blob.hash).map_or(0, |held| held.len() as u64);
                    let lacks = |blob: &&BlobRef| held(blob) < blob.length;
                    let lacking: Vec<_> = self.needs.iter().filter(lacks).map(|blob| (*blob, held(blob))).collect();
                    if lacking.is_empty() {
                        self.bundle = Some((number, bytes));
                        self.side.bundle_stored(Some((number, vec![public(BUNDLE_KEY)])));
                    } else {
                        self.side.needs_blobs(lacking);
                    }
                }
                BoxAction::StoreBlobPart { blob, offset, bytes } => {
                    let held = self.blobs.entry(blob.hash).or_default();
                    assert_eq!(held.len() as u64, offset, "pieces come in order");
                    held.extend(bytes);
                    let length = held.len() as u64;
                    let wrong = length == blob.length && blob.check(held).is_err();
                    if wrong {
                        self.blobs.remove(&blob.hash);
                    }
                    self.side.blob_stored(&blob.hash, (!wrong).then_some(length));
                }
                BoxAction::NewerSelf { epoch, head } => self.newer_self.push((epoch, head)),
                BoxAction::Refused { code, .. } => self.refused.push(code),
                BoxAction::ToldAll { ago_ms } => self.told_all.push(ago_ms),
                BoxAction::Close(reason) => self.closed = Some(reason),
                BoxAction::MarkAcked(_)
                | BoxAction::StoreChain(_)
                | BoxAction::EditAnswered(_)
                | BoxAction::Online { .. }
                | BoxAction::HubTime { .. } => {}
            }
        }
        out
    }
}

/// A hub node with a store in memory: every entry by place and hash.
struct HubShell {
    side: HubSide,
    entries: BTreeMap<(DeviceId, u32, u32, EntryHash), EntryHash>,
    stored_twice: usize,
    standing: Standing,
    quota: Quota,
    deltas: Vec<SignedDelta>,
    bundle: (u64, Vec<u8>),
    blobs: Vec<(BlobRef, Vec<u8>)>,
    /// Bytes of blobs read for boxes.
    blob_bytes: usize,
    closed: Option<CloseReason>,
    box_knows: Option<SectionHeld>,
    not_taken: Vec<(DeviceId, u32)>,
    too_many_branches: Vec<DeviceId>,
}

impl HubShell {
    fn new(term: u32) -> Self {
        let chain = sample::chain(HUB, Purpose::Hub, 1).to_bytes();
        Self {
            side: HubSide::new(HubStart { founding: sample::founding(), chain, term }),
            entries: BTreeMap::new(),
            stored_twice: 0,
            standing: Standing::Good,
            quota: Quota::default(),
            deltas: vec![],
            bundle: (0, vec![]),
            blobs: vec![],
            blob_bytes: 0,
            closed: None,
            box_knows: None,
            not_taken: vec![],
            too_many_branches: vec![],
        }
    }

    /// Branches of a journal: walked from the genesis along the hashes.
    fn heads(&self, device: DeviceId) -> Vec<JournalHeads> {
        let epochs: std::collections::BTreeSet<u32> =
            self.entries.keys().filter(|key| key.0 == device).map(|key| key.1).collect();
        epochs.into_iter().map(|epoch| JournalHeads { device, epoch, branches: self.branches(device, epoch) }).collect()
    }

    fn branches(&self, device: DeviceId, epoch: u32) -> Vec<Branch> {
        let mut out = vec![];
        let mut ends = vec![(0u32, [0u8; 32])];
        while let Some((next, prev)) = ends.pop() {
            let after: Vec<EntryHash> = self
                .entries
                .iter()
                .filter(|(key, before)| (key.0, key.1, key.2) == (device, epoch, next) && **before == prev)
                .map(|(key, _)| key.3)
                .collect();
            match after.is_empty() {
                true => out.push(Branch::up_to(next, if next == 0 { [0; 16] } else { hash16(&prev) })),
                false => ends.extend(after.into_iter().map(|hash| (next + 1, hash))),
            }
        }
        out
    }

    fn store(&mut self, segment: &Segment, heads: &[domain::journal::Head]) -> Stored {
        let mut prev = segment.prev;
        for head in heads {
            let known = self.entries.insert((segment.device, segment.epoch, head.seq, head.hash), prev).is_some();
            self.stored_twice += usize::from(known);
            prev = head.hash;
        }
        let branches = self.branches(segment.device, segment.epoch);
        let on_it = |branch: &&Branch| {
            // The branch whose walk passes through this segment's last entry.
            let mut at = (segment.last(), prev);
            loop {
                if (at.0 + 1, hash16(&at.1)) == (branch.contiguous, branch.hash) {
                    return true;
                }
                let next = self.entries.iter().find(|(key, before)| {
                    (key.0, key.1, key.2) == (segment.device, segment.epoch, at.0 + 1) && **before == at.1
                });
                match next {
                    Some((key, _)) => at = (key.2, key.3),
                    None => return false,
                }
            }
        };
        let branch = branches.iter().find(on_it).cloned();
        let contiguous = branches.iter().map(|branch| branch.contiguous).min().unwrap_or(0);
        let beyond = Branch {
            contiguous,
            hash: branches.first().map_or([0; 16], |b| b.hash),
            ranges: vec![(segment.first, segment.last())],
        };
        Stored {
            device: segment.device,
            epoch: segment.epoch,
            last: segment.last(),
            branch: branch.unwrap_or(beyond),
            branches: branches.len(),
            beyond: false,
        }
    }

    fn work(&mut self) -> Vec<Frame> {
        let mut out = vec![];
        while let Some(action) = self.side.next_action() {
            match action {
                HubAction::Send(frame) => out.push(frame),
                HubAction::LookUpBox { device, .. } => self.side.box_known(BoxStanding {
                    standing: self.standing,
                    heads: VersionVector::new(self.heads(device)),
                    quota: self.quota,
                    hub_time_ms: 5,
                    bundle: self.bundle.0,
                    renewal: None,
                }),
                HubAction::ReadHeads(devices) => {
                    let heads = devices.into_iter().flat_map(|device| self.heads(device)).collect();
                    // The key of a journal is known once its genesis is.
                    let known = |key: &[u8; 32]| self.entries.keys().any(|entry| entry.0 == device_id(key));
                    let keys: Vec<[u8; 32]> = [public(BOX), public(21)].into_iter().filter(known).collect();
                    self.side.heads_read(VersionVector::new(heads), &keys);
                }
                HubAction::StoreSegment { segment, heads } => {
                    let stored = self.store(&segment, &heads);
                    self.side.stored(stored);
                }
                HubAction::ReadDelta { section, term, number, resume } => {
                    let read = |signed: &&SignedDelta| {
                        let delta = Delta::from_bytes(&signed.body).unwrap();
                        match resume {
                            Some((number, part)) => (delta.number, delta.part) == (number, part),
                            None => delta.part == 0 && DeltaProgress::at(term, number).take(&delta).is_ok(),
                        }
                    };
                    let delta = self.deltas.iter().find(read).cloned();
                    self.side.delta_read(section, delta);
                }
                HubAction::ReadBundlePart { number, offset, .. } => {
                    let (newest, bytes) = &self.bundle;
                    assert_eq!(number, *newest);
                    let piece = bytes[offset as usize..].iter().take(7).copied().collect();
                    let total = bytes.len() as u32;
                    self.side.bundle_read(Some(BundlePart { number, offset, total, bytes: piece }));
                }
                HubAction::ReadBlobPart { hash, offset, .. } => {
                    let blob = self.blobs.iter().find(|(blob, _)| blob.hash == hash);
                    let rest = blob.and_then(|(_, bytes)| bytes.get(offset as usize..)).unwrap_or_default();
                    let bytes: Vec<u8> = rest.iter().take(7).copied().collect();
                    self.blob_bytes += bytes.len();
                    self.side.blob_read(BlobPart { hash, offset, bytes });
                }
                HubAction::BoxKnows { held, .. } => self.box_knows = Some(held),
                HubAction::Close(reason) => self.closed = Some(reason),
                HubAction::NotTaken { device, epoch, .. } => self.not_taken.push((device, epoch)),
                HubAction::TooManyBranches { device, .. } => self.too_many_branches.push(device),
                HubAction::JudgeEdit(_) | HubAction::BoxHasBundle(_) => {}
            }
        }
        out
    }
}

/// Runs one connection until nobody has anything to say or `cut` frames were carried; gives how many were.
fn run(a: &mut BoxShell, hub: &mut HubShell, cut: usize) -> usize {
    run_as(a, hub, cut, public(BOX), public(HUB))
}

fn run_as(a: &mut BoxShell, hub: &mut HubShell, cut: usize, box_key: [u8; 32], hub_key: [u8; 32]) -> usize {
    (a.closed, hub.closed) = (None, None);
    hub.side.connected(box_key, 1_000);
    a.side.connected(hub_key, 1_000);
    let (mut up, mut down) = (VecDeque::from(a.work()), VecDeque::new());
    let mut carried = 0;
    while carried < cut {
        // Every frame goes through its bytes.
        let through = |frame: Frame| {
            let mut reader = crate::FrameReader::new();
            reader.push(&frame.encode().unwrap());
            reader.next_frame().unwrap().unwrap()
        };
        if let Some(frame) = up.pop_front() {
            hub.side.frame(through(frame), 1_000);
            down.extend(hub.work());
        } else if let Some(frame) = down.pop_front() {
            a.side.frame(through(frame), 1_000);
            up.extend(a.work());
        } else {
            break;
        }
        carried += 1;
    }
    a.work();
    a.side.closed();
    hub.side.closed();
    carried
}

fn journal(n: u8, epoch: u32, notes: usize) -> Journal {
    let mut journal = Journal::open(n, epoch);
    (0..notes).for_each(|n| {
        journal.note(&format!("note {n}"));
    });
    journal
}

fn delta(prev: u64, number: u64, part: u16, parts: u16) -> SignedDelta {
    let delta = Delta {
        festival: sample::founding().festival(),
        section: Section::Wallets,
        term: 1,
        prev,
        number,
        part,
        parts,
        snapshot: prev == 0,
        vector: vec![],
        hub_time_ms: 7,
        items: vec![part as u8],
    };
    delta.sign(&sample::key(BUNDLE_KEY))
}

fn whole_hub() -> HubShell {
    let mut hub = HubShell::new(1);
    hub.deltas = vec![delta(0, 4, 0, 3), delta(0, 4, 1, 3), delta(0, 4, 2, 3), delta(4, 5, 0, 1)];
    hub.bundle = (3, (0..40).collect());
    hub
}

fn assert_all_is_delivered(a: &BoxShell, hub: &HubShell) {
    for journal in &a.journals {
        for head in &journal.heads {
            assert!(
                hub.entries.contains_key(&(journal.device, journal.epoch, head.seq, head.hash)),
                "entry {}",
                head.seq
            );
        }
    }
    assert_eq!(a.side.unacknowledged(), 0);
    assert_eq!(a.side.section(Section::Wallets).map(|progress| (progress.term, progress.number)), Some((1, 5)));
    assert_eq!(a.bundle, Some((3, (0..40).collect())));
    assert_eq!(hub.box_knows, Some(SectionHeld { section: Section::Wallets, term: 1, number: 5 }));
}

mod edits;

#[test]
fn everything_is_delivered_in_one_connection() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 40), journal(21, 0, 7)]), whole_hub());
    run(&mut a, &mut hub, usize::MAX);
    assert_all_is_delivered(&a, &hub);
    assert_eq!((a.closed, hub.closed, hub.stored_twice), (None, None, 0));
    let wallets = Section::Wallets;
    assert_eq!(a.applied, [(wallets, 4, 0), (wallets, 4, 1), (wallets, 4, 2), (wallets, 5, 0)]);
}

#[test]
fn batches_that_came_together_are_applied_together_and_answered_each() {
    let (mut a, mut hub) = (BoxShell::new(vec![]), whole_hub());
    run(&mut a, &mut hub, usize::MAX);
    hub.side.connected(public(BOX), 0);
    a.side.connected(public(HUB), 0);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work().into_iter().for_each(|frame| a.side.frame(frame, 0));
    a.work();
    for signed in [delta(5, 6, 0, 1), delta(6, 7, 0, 1), delta(7, 8, 0, 1)] {
        a.side.frame(Frame::Delta(signed), 0);
    }
    assert!(matches!(a.side.next_action(), Some(BoxAction::HubTime { unix_ms: 7 })));
    let Some(BoxAction::ApplyDelta(parts)) = a.side.next_action() else { panic!("nothing to apply") };
    assert_eq!((parts.len(), a.side.next_action().is_none()), (3, true));
    a.side.frame(Frame::Delta(delta(8, 9, 0, 1)), 0);
    let answers = a.work();
    assert!(matches!(answers[..], [Frame::HaveDelta(HaveDelta { number: 9, .. })]), "{answers:?}");
}

#[test]
fn a_connection_lost_at_any_frame_loses_and_doubles_nothing() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20), journal(21, 0, 7)]), whole_hub());
    let frames = run(&mut a, &mut hub, usize::MAX);
    assert!(frames > 30);
    for cut in 0..=frames {
        let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20), journal(21, 0, 7)]), whole_hub());
        run(&mut a, &mut hub, cut);
        run(&mut a, &mut hub, usize::MAX);
        assert_all_is_delivered(&a, &hub);
        // What was on its way when the connection broke is told by the hub's heads, not sent again.
        assert_eq!(hub.stored_twice, 0, "cut at {cut}");
        assert_eq!(hub.entries.len(), 21 + 8);
    }
}

#[test]
fn a_connection_that_breaks_all_the_time_still_delivers() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20), journal(21, 0, 7)]), whole_hub());
    let mut connections = 0;
    while run(&mut a, &mut hub, 14) == 14 {
        connections += 1;
        assert!(connections < 200, "no progress");
    }
    assert_all_is_delivered(&a, &hub);
    assert!(connections > 3);
}

#[test]
fn what_is_sold_during_a_session_follows_at_once() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 2)]), HubShell::new(1));
    hub.side.connected(public(BOX), 0);
    a.side.connected(public(HUB), 0);
    let mut carry = |a: &mut BoxShell| {
        loop {
            let up = a.work();
            up.into_iter().for_each(|frame| hub.side.frame(frame, 0));
            let down = hub.work();
            if down.is_empty() {
                return hub.entries.len();
            }
            down.into_iter().for_each(|frame| a.side.frame(frame, 0));
        }
    };
    assert_eq!(carry(&mut a), 3);
    let head = a.journals[0].note("sold now");
    a.side.local_commit(0, head);
    assert_eq!(carry(&mut a), 4);
    assert_eq!(a.side.unacknowledged(), 0);
}

#[test]
fn a_new_term_is_resent_what_the_hub_lost() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), whole_hub());
    run(&mut a, &mut hub, usize::MAX);
    let mut restored = whole_hub();
    restored.side = HubSide::new(HubStart { term: 2, ..HubShell::new(2).start() });
    // Its backup held the first five entries.
    restored.entries = hub.entries.iter().filter(|(key, _)| key.2 < 5).map(|(key, prev)| (*key, *prev)).collect();
    run(&mut a, &mut restored, usize::MAX);
    assert_eq!(restored.entries, hub.entries);
    assert_eq!(restored.stored_twice, 0);
}

impl HubShell {
    fn start(&self) -> HubStart {
        HubStart { founding: sample::founding(), chain: sample::chain(HUB, Purpose::Hub, 1).to_bytes(), term: 1 }
    }
}

#[test]
fn a_box_restored_from_an_old_image_learns_of_its_own_newer_head() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), HubShell::new(1));
    run(&mut a, &mut hub, usize::MAX);
    let head = a.journals[0].heads[20];
    let mut restored = BoxShell::new(vec![journal(BOX, 0, 4)]);
    run(&mut restored, &mut hub, usize::MAX);
    assert_eq!(restored.newer_self, [(0, KnownHead { seq: 20, hash: hash16(&head.hash) })]);
    assert_eq!(hub.entries.len(), 21);
}

#[test]
fn a_newer_head_of_its_own_is_told_in_each_session_until_the_next_epoch_is_open() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), HubShell::new(1));
    run(&mut a, &mut hub, usize::MAX);
    let mut restored = BoxShell::new(vec![journal(BOX, 0, 4)]);
    for session in 1..=3 {
        // the disk is full: no epoch can be opened
        run(&mut restored, &mut hub, usize::MAX);
        assert_eq!(restored.newer_self.len(), session);
    }
    let next = journal(BOX, 1, 2);
    restored.side.local_commit(1, *next.heads.last().unwrap());
    restored.journals.push(next);
    run(&mut restored, &mut hub, usize::MAX);
    assert_eq!((restored.newer_self.len(), hub.entries.len()), (3, 21 + 3));
    // what waits for the shell is not said to it twice
    let mut slow = BoxShell::new(vec![journal(BOX, 0, 4)]);
    slow.side.connected(public(HUB), 0);
    hub.side.connected(public(BOX), 0);
    slow.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work().into_iter().for_each(|frame| slow.side.frame(frame, 0));
    slow.side.closed();
    run(&mut slow, &mut hub, usize::MAX);
    assert_eq!(slow.newer_self.iter().filter(|(epoch, _)| *epoch == 0).count(), 1);
}

#[test]
fn an_epoch_that_is_opened_while_the_hub_still_looks_for_neighbours_goes_up_in_the_same_session() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), HubShell::new(1));
    run(&mut a, &mut hub, usize::MAX);
    let mut restored = BoxShell::new(vec![journal(BOX, 0, 4), journal(21, 0, 7)]);
    hub.side.connected(public(BOX), 0);
    restored.side.connected(public(HUB), 0);
    let mut down = VecDeque::new();
    let mut opened = false;
    loop {
        restored.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
        if !restored.newer_self.is_empty() && !opened {
            // before the hub's answer about the neighbour
            opened = true;
            let next = journal(BOX, 1, 2);
            restored.side.held(heads_of(&next));
            restored.journals.push(next);
        }
        down.extend(hub.work());
        let Some(frame) = down.pop_front() else { break };
        restored.side.frame(frame, 0);
    }
    let of_next = hub.entries.keys().filter(|key| (key.0, key.1) == (device_id(&public(BOX)), 1)).count();
    assert_eq!((opened, of_next, hub.closed), (true, 3, None));
}

#[test]
fn a_fork_delivers_both_branches_and_is_told_to_the_box() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), HubShell::new(1));
    run(&mut a, &mut hub, usize::MAX);
    let mut fork = journal(BOX, 0, 4);
    (0..30).for_each(|n| {
        fork.note(&format!("other {n}"));
    });
    let mut forked = BoxShell::new(vec![fork]);
    run(&mut forked, &mut hub, usize::MAX);
    assert_eq!(forked.newer_self.len(), 1);
    assert_eq!(hub.branches(device_id(&public(BOX)), 0).len(), 2);
    assert_eq!(hub.entries.len(), 21 + 30);
    assert_eq!(forked.side.unacknowledged(), 0);
}

#[test]
fn a_fork_that_is_shorter_than_what_the_hub_holds_is_delivered_too() {
    for acked in [None, Some(5)] {
        let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), HubShell::new(1));
        run(&mut a, &mut hub, usize::MAX);
        let mut fork = journal(BOX, 0, 4);
        let (device, hash) = (fork.device, hash16(&fork.heads.last().unwrap().hash));
        (0..2).for_each(|n| {
            fork.note(&format!("other {n}"));
        });
        let mut forked = BoxShell::new(vec![fork]);
        if let Some(contiguous) = acked {
            let mut start = forked.start();
            start.acked = vec![super::box_side::Acked { device, epoch: 0, contiguous, hash, term: 1 }];
            forked.side = BoxSide::new(start);
        }
        run(&mut forked, &mut hub, usize::MAX);
        assert_eq!(forked.newer_self.len(), 1, "{acked:?}");
        assert_eq!(hub.branches(device_id(&public(BOX)), 0).len(), 2, "{acked:?}");
        assert_eq!(forked.side.unacknowledged(), 0);
    }
}

#[test]
fn a_journal_of_nine_branches_is_refused() {
    let mut hub = HubShell::new(1);
    for branch in 0..9 {
        let mut fork = journal(BOX, 0, 4);
        fork.note(&format!("branch {branch}"));
        let mut a = BoxShell::new(vec![fork]);
        run(&mut a, &mut hub, usize::MAX);
        let refused = if branch < 8 { vec![] } else { vec![RefuseCode::Forked.number()] };
        assert_eq!(a.refused, refused, "branch {branch}");
    }
}

#[test]
fn a_hub_of_another_authority_is_told_nothing() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 4)]), HubShell::new(1));
    let chain = sample::chain(HUB, Purpose::Hub, 77).to_bytes();
    hub.side = HubSide::new(HubStart { chain, ..hub.start() });
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(a.closed, Some(CloseReason::Refusing(RefuseCode::Chain)));
    assert!(hub.entries.is_empty());
}

#[test]
fn a_box_certificate_does_not_make_a_hub_nor_a_hub_certificate_a_box() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 4)]), HubShell::new(1));
    let chain = sample::chain(HUB, Purpose::Device, 1).to_bytes();
    hub.side = HubSide::new(HubStart { chain, ..hub.start() });
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(a.closed, Some(CloseReason::Refusing(RefuseCode::Purpose)));

    let mut hub = HubShell::new(1);
    hub.side.connected(public(BOX), 0);
    let mut a = BoxShell::new(vec![journal(BOX, 0, 4)]);
    a.side.connected(public(HUB), 0);
    let Some(Frame::Hello(mut hello)) = a.work().pop() else { panic!("no hello") };
    hello.chain = sample::chain(BOX, Purpose::Hub, 1).to_bytes();
    hub.side.frame(Frame::Hello(hello), 0);
    hub.work();
    assert_eq!(hub.closed, Some(CloseReason::Refusing(RefuseCode::Purpose)));
}

#[test]
fn a_certificate_stolen_from_another_key_is_refused_on_both_sides() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 4)]), HubShell::new(1));
    run_as(&mut a, &mut hub, usize::MAX, public(66), public(HUB));
    assert_eq!(hub.closed, Some(CloseReason::Refusing(RefuseCode::Key)));
    run_as(&mut a, &mut hub, usize::MAX, public(BOX), public(66));
    assert_eq!(a.closed, Some(CloseReason::Refusing(RefuseCode::Key)));
    assert!(hub.entries.is_empty());
}

#[test]
fn a_revoked_box_delivers_what_it_has_and_gets_nothing() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 20)]), whole_hub());
    hub.standing = Standing::Revoked;
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(a.refused, [RefuseCode::Revoked.number()]);
    assert_eq!(hub.entries.len(), 21);
    assert_eq!((a.bundle, a.applied), (None, vec![]));
}

#[test]
fn poison_ends_the_session_of_its_box() {
    for spoil in [0, 10, 20] {
        let mut bad = journal(BOX, 0, 20);
        bad.bodies[spoil][80] ^= 1;
        let (mut a, mut hub) = (BoxShell::new(vec![bad]), HubShell::new(1));
        run(&mut a, &mut hub, usize::MAX);
        assert_eq!(hub.closed, Some(CloseReason::Refusing(RefuseCode::Poison)), "entry {spoil}");
        assert!(hub.entries.keys().all(|key| key.2 < spoil as u32));
        let mut good = BoxShell::new(vec![journal(BOX, 0, 20)]);
        run(&mut good, &mut hub, usize::MAX);
        assert_eq!(hub.closed, None);
    }
}

#[test]
fn a_flood_is_refused_and_the_rest_comes_when_the_bucket_is_full_again() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 40)]), HubShell::new(1));
    hub.quota = Quota::new(1, 1_000_000, 12, 1_000_000);
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(a.refused, [RefuseCode::Quota.number()]);
    assert_eq!(hub.entries.len(), 12);
    hub.quota = Quota::default();
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(hub.entries.len(), 41);
    assert_eq!(hub.stored_twice, 0);
}

#[test]
fn a_delta_of_an_unknown_key_waits_for_the_bundle_that_brings_it() {
    let mut hub = whole_hub();
    hub.deltas = vec![delta(0, 5, 0, 1)];
    let mut a = BoxShell::new(vec![journal(BOX, 0, 1)]);
    a.side.bundle_stored(Some((0, vec![])));
    run(&mut a, &mut hub, usize::MAX);
    assert_eq!(a.applied, [(Section::Wallets, 5, 0)]);
    assert_eq!(a.closed, None);
}
