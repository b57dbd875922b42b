//! What became of each intent, as a function of the merged set alone.
//! Invariant: a verdict once given is not turned round by honest entries that arrive later, in whatever order.
//! The rules are those of the exhaustively searched purse model; change them only with it.
//! Not here: what a verdict does to the sums (`wallet`), the tap itself (`wristband`).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    accounts,
    journals::{Reason, Standing},
    judged::{Extent, judged},
};
use crate::{
    id::EntryRef,
    journal::{BandProfile, ChipSeen, Detail, Effect, Entry, Flags, Intent, IntentPurpose, Kind, OnlineCredit},
    wristband::{CREDIT_RECORD_LEN, CreditId, RecordId},
};

/// One entry that concerns a wallet, with its part read and its standing judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletEntry {
    /// Where it stands.
    pub at: EntryRef,
    /// What it says.
    pub entry: Entry,
    /// Its part, typed.
    pub detail: Detail,
    /// Whether it counts.
    pub standing: Standing,
}

impl WalletEntry {
    /// Reads the part; an entry in force whose part is not of its kind's layout is set aside.
    pub fn new(at: EntryRef, entry: Entry, standing: Standing) -> Self {
        match Detail::of(&entry) {
            Ok(detail) => Self { at, entry, detail, standing },
            Err(_) => {
                let detail = Detail::Other(entry.part.clone());
                Self { at, entry, detail, standing: Standing::SetAside(Reason::Malformed) }
            }
        }
    }

    pub(super) fn is_training(&self) -> bool {
        self.entry.flags.has(Flags::TRAINING)
    }

    /// Whether it may prove something about other entries.
    pub(super) fn is_evidence(&self) -> bool {
        !self.is_training() && matches!(self.standing, Standing::InForce | Standing::Disputed)
    }

    pub(super) fn intent(&self) -> Option<&Intent> {
        if let Detail::Intent(intent) = &self.detail { Some(intent) } else { None }
    }

    pub(super) fn online_credit(&self) -> Option<&OnlineCredit> {
        if let Detail::OnlineCredit(credit) = &self.detail { Some(credit) } else { None }
    }

    /// What it read on the chip.
    pub(super) fn seen(&self) -> Option<&ChipSeen> {
        match (self.intent(), &self.detail) {
            (Some(intent), _) => Some(&intent.seen),
            (None, Detail::Seen(seen)) => seen.as_ref(),
            _ => None,
        }
    }
}

/// How the ledger sees one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Its box committed it.
    Committed,
    /// Its box knows that it was never sent.
    Void,
    /// Its record stands in a chain that somebody read.
    Applied,
    /// Another record stands where its own would be.
    NotApplied,
    /// Not known yet.
    Doubt,
}

/// One intent and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub intent: EntryRef,
    /// What became of it.
    pub verdict: Verdict,
    /// Its amount, in minor units.
    pub amount: i64,
    /// What it was for.
    pub purpose: IntentPurpose,
    /// Whether it raises credits (top-up, carried C′) and is settled by C records.
    pub credit: bool,
    /// Whether goods or cash were handed over without a green light.
    pub handed_over: bool,
    /// Whether its box will never write or serve it again (given up, its journal closed behind it, or the hub has written
    /// it off, which it does besides for a box that is revoked: whatever that box still writes counts nothing).
    pub given_up: bool,
    /// Whether the hub wrote it off; a read of the band, earlier or later, settles it all the same.
    pub written_off: bool,
    /// Whether its verdict moves or holds any money: of what a revoked box wrote beyond its revocation only what the chip
    /// proves does.
    pub counts: bool,
}

/// What a verdict means in money, beside what the entries themselves move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Consequence {
    /// Spent (or credited, for a credit intent) without a commit.
    pub applied: i64,
    /// Owed to the guest: paid on the chip, not served.
    pub owed: i64,
    /// Served, not paid: a loss to name to the operator.
    pub loss: i64,
    /// May or may not have happened.
    pub in_doubt: i64,
}

impl Settled {
    /// The verdict in money.
    pub fn consequence(&self) -> Consequence {
        let none = Consequence::default();
        let charges = matches!(self.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
        match self.verdict {
            Verdict::Committed => none,
            Verdict::Applied if charges && !self.handed_over => {
                Consequence { applied: self.amount, owed: self.amount, ..none }
            }
            Verdict::Applied => Consequence { applied: self.amount, ..none },
            Verdict::Void | Verdict::NotApplied if charges && self.handed_over => {
                Consequence { loss: self.amount, ..none }
            }
            Verdict::Void | Verdict::NotApplied => none,
            Verdict::Doubt if self.written_off && charges && self.handed_over => {
                Consequence { applied: self.amount, ..none }
            }
            Verdict::Doubt if self.written_off && self.purpose == IntentPurpose::TopUp => {
                Consequence { applied: self.amount, owed: self.amount, ..none }
            }
            Verdict::Doubt if self.written_off => none,
            Verdict::Doubt => Consequence { in_doubt: self.amount, ..none },
        }
    }
}

/// What the set says about each intent, found once and asked often.
pub(super) struct Evidence<'a> {
    entries: Vec<&'a WalletEntry>,
    /// The same by their tap counters.
    by_counter: BTreeMap<u16, Vec<&'a WalletEntry>>,
    committed: BTreeMap<EntryRef, bool>, // intent -> only its C stands on the chip
    void: BTreeSet<EntryRef>,
    given_up: BTreeSet<EntryRef>,
    handed_over: BTreeSet<EntryRef>,
    written_off: BTreeSet<EntryRef>,
    closures: Vec<EntryRef>,
    credit_links: BTreeMap<CreditId, CreditId>,
}

impl<'a> Evidence<'a> {
    pub(super) fn of(entries: impl IntoIterator<Item = &'a WalletEntry>) -> Self {
        let mut found = Self {
            entries: Vec::new(),
            by_counter: BTreeMap::new(),
            committed: BTreeMap::new(),
            void: BTreeSet::new(),
            given_up: BTreeSet::new(),
            handed_over: BTreeSet::new(),
            written_off: BTreeSet::new(),
            closures: Vec::new(),
            credit_links: BTreeMap::new(),
        };
        for entry in entries {
            found.note(entry);
        }
        found
    }

    fn note(&mut self, e: &'a WalletEntry) {
        if e.is_training() || matches!(e.standing, Standing::SetAside(_)) {
            return;
        }
        let trusted = e.is_evidence();
        let own = e.entry.refers_to.filter(|intent| intent.device == e.at.device);
        if let (Kind::HANDED_OVER, Some(intent)) = (e.entry.kind, own) {
            self.handed_over.insert(intent);
        }
        if let Some(intent) = accounts::closes(&e.entry).and(own) {
            if !trusted {
                self.handed_over.insert(intent); // a commit that no longer counts still says that somebody was served
            } else if is_void(&e.entry) {
                self.void.insert(intent);
            } else {
                let c_only = matches!(&e.detail, Detail::TopUp(top_up) if top_up.c_only);
                self.committed.entry(intent).and_modify(|only| *only &= c_only).or_insert(c_only);
            }
        }
        if !trusted {
            return;
        }
        if let (Kind::GAVE_UP, Some(intent)) = (e.entry.kind, own) {
            self.given_up.insert(intent);
        }
        if let (Kind::WRITTEN_OFF, Some(intent)) = (e.entry.kind, e.entry.refers_to) {
            self.written_off.insert(intent);
        }
        if let Some(record) = e.online_credit().and_then(|credit| credit.record.as_ref()) {
            self.credit_links.insert(credit_id(record), credit_link(record));
        }
        if matches!(&e.detail, Detail::Closure(closure) if closure.is_final) {
            self.closures.push(e.at);
        }
        if let Some(intent) = e.intent() {
            for record in [&intent.new_credit, &intent.old_credit].into_iter().flatten() {
                self.credit_links.insert(credit_id(record), credit_link(record));
            }
        }
        self.entries.push(e);
        self.by_counter.entry(e.entry.tap_counter).or_default().push(e);
    }

    pub(super) fn is_committed(&self, intent: &EntryRef) -> bool {
        self.committed.contains_key(intent)
    }

    /// Whether its S record was committed on the chip.
    pub(super) fn has_record(&self, intent: &EntryRef) -> bool {
        self.committed.get(intent) == Some(&false)
    }

    pub(super) fn readers(&self) -> impl Iterator<Item = &'a WalletEntry> + '_ {
        self.entries.iter().copied()
    }

    /// Readers that may say something of the records of this tap counter and the one below: a reader tells of the three
    /// records before its own.
    fn around(&self, counter: u16) -> impl Iterator<Item = &'a WalletEntry> + '_ {
        let near = self.by_counter.range(counter.saturating_sub(1)..=counter.saturating_add(3));
        near.flat_map(|(_, entries)| entries.iter().copied())
    }

    fn is_given_up(&self, intent: &EntryRef) -> bool {
        let behind = |closure: &EntryRef| {
            closure.device == intent.device && (closure.epoch, closure.seq) > (intent.epoch, intent.seq)
        };
        self.given_up.contains(intent) || self.written_off.contains(intent) || self.closures.iter().any(behind)
    }

    pub(super) fn settle(&self, e: &WalletEntry, intent: &Intent) -> Settled {
        let revoked = e.standing == Standing::BeyondRevocation;
        let given_up = revoked || self.is_given_up(&e.at);
        let credit = intent.new_credit.is_some();
        let verdict = if self.is_committed(&e.at) && !revoked {
            Verdict::Committed
        } else if self.void.contains(&e.at) && !revoked {
            Verdict::Void
        } else if !given_up {
            Verdict::Doubt
        } else if let Some(record) = &intent.new_credit {
            if self.credit_was_seen(e, credit_id(record)) { Verdict::Applied } else { Verdict::Doubt }
        } else {
            self.of_record(e, intent)
        };
        Settled {
            intent: e.at,
            verdict,
            amount: e.entry.amount.as_i64(),
            purpose: intent.purpose,
            credit,
            handed_over: self.handed_over.contains(&e.at),
            given_up,
            written_off: self.written_off.contains(&e.at),
            counts: !revoked || verdict == Verdict::Applied,
        }
    }

    /// Applied if its record stands in a chain; not applied, which wins, if another one replaced it or its base.
    fn of_record(&self, e: &WalletEntry, intent: &Intent) -> Verdict {
        let (mut yes, mut no) = (false, false);
        let (counter, under) = (e.entry.tap_counter, intent.seen.base);
        let built_on_a_record = !is_none(intent.seen.before);
        for other in self.around(counter).filter(|other| other.at != e.at) {
            match stands_in(other, intent.own, counter) {
                Some(true) => yes = true,
                Some(false) => no = true,
                None => {}
            }
            let theirs = other.intent();
            if built_on_a_record && theirs.is_none_or(|theirs| theirs.own != under) {
                no |= counter.checked_sub(1).is_some_and(|below| {
                    stands_in(other, under, below) == Some(false)
                        || theirs.is_some_and(|theirs| {
                            self.has_record(&other.at)
                                && other.entry.tap_counter == below
                                && theirs.seen.base == intent.seen.before
                        })
                });
            }
            no |= theirs.is_some_and(|theirs| {
                self.has_record(&other.at)
                    && other.entry.tap_counter == counter
                    && theirs.seen.base == intent.seen.base
                    && theirs.own != intent.own
            });
        }
        match (no, yes) {
            (true, _) => Verdict::NotApplied,
            (false, true) => Verdict::Applied,
            (false, false) => Verdict::Doubt,
        }
    }

    /// Every C′ that a hub node has signed.
    pub(super) fn signed_credits(&self) -> BTreeSet<CreditId> {
        self.readers().filter_map(|e| e.online_credit()?.record.as_ref().map(credit_id)).collect()
    }

    /// Whether somebody else saw this C on the chip, or a later one whose known ancestry includes it.
    fn credit_was_seen(&self, e: &WalletEntry, wanted: CreditId) -> bool {
        self.readers().filter(|other| other.at != e.at).any(|other| self.shows(other, wanted))
    }

    /// The same, of a C that no entry but the hub's own is behind.
    pub(super) fn credit_is_on_chip(&self, wanted: CreditId) -> bool {
        self.readers().any(|reader| self.shows(reader, wanted))
    }

    fn shows(&self, reader: &WalletEntry, wanted: CreditId) -> bool {
        let seen = reader.seen().map(|seen| seen.credit_id);
        let committed = self.written_credit(reader).map(credit_id);
        [seen, committed].into_iter().flatten().any(|credit| self.descends(credit, wanted))
    }

    /// The C that this intent's box knows to stand on the chip.
    pub(super) fn written_credit<'b>(&self, intent: &'b WalletEntry) -> Option<&'b [u8; CREDIT_RECORD_LEN]> {
        intent.intent().filter(|_| self.is_committed(&intent.at)).and_then(|intent| intent.new_credit.as_ref())
    }

    /// The C that it names as the one before, as far as its bytes are known.
    pub(super) fn link_of(&self, credit: CreditId) -> Option<CreditId> {
        self.credit_links.get(&credit).copied()
    }

    /// Whether it is known of each C from `newest` down to the band's first what its signer booked with it: a desk's own
    /// commit or giving up, or the hub's entry. Until then one of them may have stood in front of a payout in cash.
    pub(super) fn accounts_for_every_credit(&self, newest: CreditId) -> bool {
        let mut accounted: BTreeSet<CreditId> = BTreeSet::new();
        let mut firsts: BTreeSet<CreditId> = BTreeSet::new();
        for e in self.readers() {
            accounted.extend(e.online_credit().and_then(|credit| credit.record.as_ref()).map(credit_id));
            firsts.extend(e.seen().filter(|seen| seen.credit_seq == 0).map(|seen| seen.credit_id));
            let record = e.intent().and_then(|intent| intent.new_credit.as_ref());
            let ended = self.is_committed(&e.at) || self.is_given_up(&e.at);
            accounted.extend(record.filter(|_| ended).map(credit_id));
        }
        let (mut at, mut walked) = (newest, BTreeSet::new());
        while !firsts.contains(&at) {
            match self.link_of(at).filter(|_| accounted.contains(&at) && walked.insert(at)) {
                Some(link) => at = link,
                None => return false,
            }
        }
        true
    }

    /// Credits that the chip proves, less those whose entries are here: what a desk that is cut off has put on.
    pub(super) fn unreported(&self, intents: &[(&WalletEntry, Settled)], sums: &accounts::Accounts) -> i64 {
        let seen = self.readers().filter_map(|e| e.seen().map(|seen| seen.credits.as_i64()));
        let mut proven = seen.max().unwrap_or(0);
        let (mut heard, mut named) = (0i64, BTreeSet::new());
        for (e, settled) in intents {
            let Some(record) = e.intent().and_then(|intent| intent.new_credit.as_ref()) else { continue };
            let stands = match settled.verdict {
                Verdict::Committed | Verdict::Applied => true,
                Verdict::Doubt => self.credit_is_on_chip(credit_id(record)),
                Verdict::Void | Verdict::NotApplied => false,
            };
            if stands && e.is_evidence() && named.insert(credit_id(record)) {
                heard = heard.saturating_add(settled.amount);
                proven = proven.max(credits_of(record));
            }
        }
        for e in self.readers() {
            let record = e.online_credit().and_then(|credit| credit.record.as_ref());
            if record.is_some_and(|record| self.credit_is_on_chip(credit_id(record)) && named.insert(credit_id(record)))
            {
                heard = heard.saturating_add(e.entry.amount.as_i64());
            }
        }
        let known = intents.iter().map(|(e, _)| e.at).collect::<BTreeSet<_>>();
        for e in self.readers().filter(|e| matches!(e.entry.effect, Effect::Credit | Effect::Repay)) {
            // a commit whose intent is missing still says what it put on
            if e.entry.kind == Kind::TOP_UP && e.entry.refers_to.is_none_or(|intent| !known.contains(&intent)) {
                heard = heard.saturating_add(e.entry.amount.as_i64());
            }
        }
        proven.saturating_sub(heard).saturating_sub(sums.disputed).max(0)
    }

    fn descends(&self, mut credit: CreditId, from: CreditId) -> bool {
        let mut walked = BTreeSet::new();
        loop {
            if credit == from {
                return true;
            }
            if !walked.insert(credit) {
                return false;
            }
            match self.credit_links.get(&credit) {
                Some(link) => credit = *link,
                None => return false,
            }
        }
    }
}

/// Is `record`, of tap counter `counter`, in the chain that `reader` read? `Some(false)`: another one stands there.
fn stands_in(reader: &WalletEntry, record: RecordId, counter: u16) -> Option<bool> {
    let seen = reader.seen()?;
    let chain = [Some(seen.base), Some(seen.before), seen.before2];
    let top = counter_of_base(reader)?;
    let depth = usize::from(top.checked_sub(counter)?);
    let at = (*chain.get(depth)?).filter(|id| !is_none(*id))?;
    Some(at == record)
}

/// Tap counter of the record in force that the entry read: the one below its own.
pub(super) fn counter_of_base(reader: &WalletEntry) -> Option<u16> {
    reader.seen().and(reader.entry.tap_counter.checked_sub(1))
}

pub(super) fn is_void(entry: &Entry) -> bool {
    entry.kind == Kind::VOID || entry.effect == Effect::Release && entry.kind != Kind::CLOSING_READ
}

pub(super) fn is_none(record: RecordId) -> bool {
    record == RecordId::default()
}

/// Name of a C record: the first 4 bytes of the BLAKE3 hash of its 76 bytes.
pub fn credit_id(record: &[u8; CREDIT_RECORD_LEN]) -> CreditId {
    let [a, b, c, d, ..] = *blake3::hash(record).as_bytes();
    CreditId([a, b, c, d])
}

/// The C record before it: bytes 8 to 11.
pub(super) fn credit_link(record: &[u8; CREDIT_RECORD_LEN]) -> CreditId {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *record;
    CreditId([a, b, c, d])
}

/// The verdict on every intent of one wallet, in the order of their places.
///
/// Beside the wallet's own entries the slice may hold `CLOSURE` entries of the boxes that wrote its intents.
pub fn verdicts(entries: &[WalletEntry]) -> Vec<Settled> {
    let judged = judged(entries, Extent::Whole);
    let distinct = super::wallet::distinct(&judged);
    let evidence = Evidence::of(distinct.iter().copied());
    settle_all(&evidence, &distinct).into_iter().map(|(_, settled)| settled).collect()
}

pub(super) fn settle_all<'a>(evidence: &Evidence<'_>, distinct: &[&'a WalletEntry]) -> Vec<(&'a WalletEntry, Settled)> {
    distinct
        .iter()
        .filter(|e| !e.is_training() && !matches!(e.standing, Standing::SetAside(_)))
        .filter_map(|e| e.intent().map(|intent| (*e, evidence.settle(e, intent))))
        .collect()
}

/// Credits in a C record: bytes 0 to 2.
pub(super) fn credits_of(record: &[u8; CREDIT_RECORD_LEN]) -> i64 {
    let [a, b, c, ..] = *record;
    i64::from(u32::from_le_bytes([a, b, c, 0]))
}

/// C sequence in a C record: byte 3.
pub(super) fn credit_seq(record: &[u8; CREDIT_RECORD_LEN]) -> u8 {
    let [_, _, _, seq, ..] = *record;
    seq
}

/// The band's profile as its pairing says.
pub(super) fn profile_of(e: &WalletEntry) -> Option<BandProfile> {
    if let Detail::Pairing(pairing) = &e.detail { Some(pairing.profile) } else { None }
}
