//! The hub's own journal: its acts are entries like everybody's, signed with the hub's key.
//! Invariant: each term writes an epoch of its own, since a restored database may lack what the last one wrote.
//! Not here: which acts there are (`boxes`, `tickets`, `wallets`).
use domain::{
    id::{BoxNumber, EntryRef},
    journal::{
        Block, BlockedKind, ChainCursor, Countersignature, Detail, Effect, Entry, Flags, Genesis, Kind, PreviousHead,
        RulingAction, Subject,
    },
    ledger::unlifted,
};
use sync::Segment;

use crate::{
    hub::{Hub, HubError},
    ingest::VerifiedSegment,
};

/// Reason of the blocks that rulings write.
pub(crate) const RULED: &str = "band.ruled";

/// A block that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldBlock {
    /// Its entry.
    pub(crate) at: EntryRef,
    /// Whether a ruling wrote it: the ruling on the same matter that lifts it leaves all others.
    pub(crate) by_ruling: bool,
}

/// A journal's head is confirmed again after so many entries.
const COUNTERSIGN_EVERY: u32 = 500;

impl Hub {
    /// An entry of the hub's, with everything else empty.
    pub(crate) fn entry(&mut self, kind: Kind, effect: Effect, subject: Subject) -> Entry {
        self.hlc = self.hlc.tick(self.now_ms());
        Entry { subject, ..Entry::new(kind, effect, self.identity.founding.currency, self.hlc) }
    }

    /// Writes entries as one signed commit and folds them like any other.
    pub fn act(&mut self, entries: Vec<Entry>) -> Result<Vec<EntryRef>, HubError> {
        // onto what is on disk: a head of a commit that failed would leave a gap behind it for ever
        self.as_on_disk()?;
        let (device, epoch) = (self.identity.device(), self.store.term());
        let head = self.journals.get(device, epoch).and_then(|journal| journal.tree.head());
        let mut all = Vec::new();
        let mut cursor = match head {
            Some(head) => ChainCursor::after(self.identity.festival, device, epoch, head),
            None => {
                all.push(self.genesis(epoch));
                ChainCursor::start(self.identity.festival, device, epoch)
            }
        };
        let count = entries.len();
        all.extend(entries);
        let Some(last) = all.last_mut() else { return Ok(Vec::new()) };
        last.flags = last.flags.with(Flags::END_OF_COMMIT);
        let (first, prev) = (cursor.next_seq, cursor.prev);
        let bodies: Vec<Vec<u8>> = all.iter().map(Entry::to_bytes).collect();
        let heads = bodies.iter().map(|body| cursor.append(body)).collect::<Vec<_>>();
        let Some(mark) = cursor.sign(&self.identity.hub.key) else { return Ok(Vec::new()) };
        let segment = Segment { device, epoch, first, prev, bodies, signature: mark.signature };
        let skip = heads.len().saturating_sub(count);
        let refs = heads.iter().skip(skip).map(|head| EntryRef { device, epoch, seq: head.seq }).collect();
        self.ingest(&[VerifiedSegment::from_session(segment, heads)])?;
        Ok(refs)
    }

    fn genesis(&mut self, epoch: u32) -> Entry {
        let device = self.identity.device();
        let before =
            self.journals.of_device(device).filter(|journal| journal.epoch < epoch).max_by_key(|journal| journal.epoch);
        let previous = before.and_then(|journal| {
            journal.tree.head().map(|head| PreviousHead { epoch: journal.epoch, seq: head.seq, hash: head.hash })
        });
        let genesis = Genesis {
            festival: self.identity.festival,
            public_key: self.identity.hub.key.verifying_key().to_bytes(),
            box_number: BoxNumber(0),
            epoch,
            chain: self.identity.hub.chain.to_bytes(),
            previous,
            software: env!("CARGO_PKG_VERSION").into(),
        };
        let part = Detail::Genesis(genesis).to_bytes();
        Entry { part, ..self.entry(Kind::GENESIS, Effect::None, Subject::NONE) }
    }

    /// Confirms the heads of journals that have grown much since the last time: one commit for all of them.
    pub fn countersign(&mut self, all: bool) -> Result<usize, HubError> {
        let own = self.identity.device();
        let term = self.store.term();
        let mut due = Vec::new();
        for journal in self.journals.all().iter().filter(|journal| journal.device != own && journal.forked_at.is_none())
        {
            let Some(head) = journal.tree.head().filter(|_| journal.tree.gaps().is_empty()) else { continue };
            let held = head.seq.saturating_add(1);
            let signed = self.countersigned.get(&(journal.device, journal.epoch)).copied().unwrap_or(0);
            let grown = held.saturating_sub(signed);
            if grown >= COUNTERSIGN_EVERY || all && grown > 0 {
                let detail =
                    Countersignature { epoch: journal.epoch, seq: head.seq, hash: head.hash, term, archived: false };
                due.push((journal.device, journal.epoch, held, detail));
            }
        }
        let entries = due
            .iter()
            .map(|(device, _, _, detail)| {
                let part = Detail::Countersignature(detail.clone()).to_bytes();
                Entry { part, ..self.entry(Kind::COUNTERSIGNATURE, Effect::None, (*device).into()) }
            })
            .collect::<Vec<_>>();
        // A segment holds at most 500 entries.
        for chunk in entries.chunks(400) {
            self.act(chunk.to_vec())?;
        }
        let count = due.len();
        self.countersigned.extend(due.into_iter().map(|(device, epoch, held, _)| ((device, epoch), held)));
        Ok(count)
    }

    /// An entry that blocks a subject until another one lifts it.
    pub(crate) fn block_entry(&mut self, of: BlockedKind, subject: Subject, reason: &str) -> Entry {
        let part = Detail::Block(Block { of, reason: reason.into() }).to_bytes();
        Entry { part, ..self.entry(Kind::BLOCK, Effect::Block, subject) }
    }

    /// Entries that lift every block on a subject; a revocation is for ever.
    pub(crate) fn lifting(&mut self, of: BlockedKind, subject: Subject) -> Result<Vec<Entry>, HubError> {
        let blocks = self.blocks_on(of, subject)?;
        Ok(self.lifting_of(of, subject, blocks))
    }

    /// Entries that lift these blocks on a subject.
    pub(crate) fn lifting_of(
        &mut self,
        of: BlockedKind,
        subject: Subject,
        blocks: impl IntoIterator<Item = HeldBlock>,
    ) -> Vec<Entry> {
        let part = Detail::Block(Block { of, reason: String::new() }).to_bytes();
        let lift = |block: HeldBlock| {
            let entry = self.entry(Kind::UNBLOCK, Effect::Unblock, subject);
            Entry { refers_to: Some(block.at), part: part.clone(), ..entry }
        };
        blocks.into_iter().map(lift).collect()
    }

    /// Every block on a subject that holds, without revocations.
    pub(crate) fn blocks_on(&mut self, of: BlockedKind, subject: Subject) -> Result<Vec<HeldBlock>, HubError> {
        self.project()?;
        let currency = self.identity.founding.currency;
        let about = self.journals.entries_about(&subject.0, &self.store, currency)?;
        let about: Vec<(EntryRef, Entry)> = about
            .into_iter()
            .map(|(at, place, body)| (self.journals.at(at).entry_ref(place.seq), body.entry().clone()))
            .collect();
        let rules_behind = |at: EntryRef| {
            let next = EntryRef { seq: at.seq.saturating_add(1), ..at };
            about.iter().any(|(other, entry)| *other == next && rules_to_block(entry))
        };
        let mut found = Vec::new();
        for at in unlifted(of, about.iter().map(|(at, entry)| (*at, entry))) {
            let mut there = about.iter().filter(|(other, entry)| *other == at && entry.kind != Kind::REVOCATION);
            if let Some((_, entry)) = there.next() {
                found.push(HeldBlock { at, by_ruling: is_ruled(entry) || !entry.ends_commit() && rules_behind(at) });
            }
        }
        Ok(found)
    }
}

/// Whether a block says that a ruling wrote it.
fn is_ruled(entry: &Entry) -> bool {
    matches!(Detail::of(entry), Ok(Detail::Block(block)) if block.reason == RULED)
}

/// Whether an entry is a ruling that blocks: before blocks of rulings had a reason of their own, the one in front of it in
/// its commit was its own.
fn rules_to_block(entry: &Entry) -> bool {
    matches!(Detail::of(entry), Ok(Detail::Ruling(ruling)) if ruling.action == RulingAction::Block)
}
