//! What is known of one wallet, compact: carried in state deltas and kept by every box.
//! Invariant: 45 bytes, the same everywhere for the same set of entries.
//! Not here: how it is folded (`wallet`, `fast`).
use alloc::vec::Vec;

use super::{
    accounts::{self, Accounts},
    judged::{Extent, judged},
    settle::WalletEntry,
    wallet,
};
use crate::{
    id::{EntryRef, WalletId},
    journal::{BandProfile, BlockedKind, Detail, Effect, Intent, IntentPurpose, Kind},
    money::Cents,
    wire::{Malformed, Reader, Writer},
    wristband::{
        RecordId,
        tap::{KnownCredit, KnownWallet, OpenIntent},
    },
};

/// What is wrong with a wallet, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct WalletFlags(pub u8);

impl WalletFlags {
    /// The hub blocked it.
    pub const BLOCKED: Self = Self(1);
    /// It has entries newer than this software.
    pub const FROZEN: Self = Self(2);
    /// More was spent than it held.
    pub const OVERSPENT: Self = Self(4);
    /// Its chip forked, or a box reported something on it that does not fit.
    pub const SUSPECT: Self = Self(8);
    /// Some of its entries are on forked ground.
    pub const DISPUTED: Self = Self(16);
    /// Its money was given out without the band: swapped for another band, or refunded.
    pub const EMPTIED: Self = Self(32);

    const KNOWN: u8 = 63;

    /// Whether all of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set as well, if `set`.
    #[must_use]
    pub const fn with_if(self, other: Self, set: bool) -> Self {
        if set { Self(self.0 | other.0) } else { self }
    }
}

/// What is known of one wallet.
///
/// 45 bytes, little-endian: wallet 16 · balance i64 · spent u32 · pending u32 · in doubt u32 · head tap counter u16 ·
/// head record 4 · credit sequence u8 · profile u8 · flags u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletState {
    /// Which.
    pub wallet: WalletId,
    /// Credits less debits, less what may have been taken (in doubt), in minor units. Negative: overspent. Without credits
    /// of which there is no more than somebody's word that a chip showed them.
    pub balance: i64,
    /// Highest *spent* of a chip record that was committed or settled as applied; 0 without a purse.
    pub spent: u32,
    /// Owed to the guest, and known not to be on the chip or paid out yet. 0 while a desk whose journal is missing may
    /// have paid it out; without what written-off top-ups left owed, which is given back in C′ only.
    pub pending: u32,
    /// May have been taken or credited.
    pub in_doubt: u32,
    /// Tap counter of the newest chip record known; 0 without a purse.
    pub head_counter: u16,
    /// The newest chip record known.
    pub head_record: RecordId,
    /// Highest credit sequence known.
    pub credit_seq: u8,
    /// What kind of band, once a pairing said so.
    pub profile: Option<BandProfile>,
    /// What is wrong with it.
    pub flags: WalletFlags,
}

impl WalletState {
    /// Length in bytes.
    pub const LEN: usize = 45;

    /// A wallet of which nothing is known.
    pub fn empty(wallet: WalletId) -> Self {
        Self {
            wallet,
            balance: 0,
            spent: 0,
            pending: 0,
            in_doubt: 0,
            head_counter: 0,
            head_record: RecordId::default(),
            credit_seq: 0,
            profile: None,
            flags: WalletFlags::default(),
        }
    }

    /// The 45 bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = Writer::new();
        self.wallet.write(&mut out);
        out.bytes(&self.balance.to_le_bytes());
        out.u32(self.spent);
        out.u32(self.pending);
        out.u32(self.in_doubt);
        out.u16(self.head_counter);
        out.bytes(&self.head_record.0);
        out.u8(self.credit_seq);
        out.u8(self.profile.map_or(0, BandProfile::byte));
        out.u8(self.flags.0);
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(out.finish()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads exactly 45 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let state = Self {
            wallet: WalletId::read(&mut input)?,
            balance: i64::from_le_bytes(input.array()?),
            spent: input.u32()?,
            pending: input.u32()?,
            in_doubt: input.u32()?,
            head_counter: input.u16()?,
            head_record: RecordId(input.array()?),
            credit_seq: input.u8()?,
            profile: match input.u8()? {
                0 => None,
                byte => Some(BandProfile::from_byte(byte).ok_or(Malformed::Value("band profile"))?),
            },
            flags: WalletFlags(input.u8()?),
        };
        input.end()?;
        if state.flags.0 & !WalletFlags::KNOWN != 0 {
            return Err(Malformed::Value("wallet flags"));
        }
        Ok(state)
    }

    /// What a tap is told, from what the box believes of the wallet (this) and its own intents, open and given up.
    /// `closes`: at the end of the event, when what it gave up may be completed. The offer, the taps that did not
    /// finish and the offline limit are the caller's.
    pub fn for_tap(&self, open: Vec<OpenIntent>, given_up: &[OpenIntent], closes: bool) -> KnownWallet {
        let charges = |open: &&OpenIntent| matches!(open.intent.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
        let credits = given_up
            .iter()
            .filter(|_| closes)
            .filter_map(|open| Some(KnownCredit { record: open.intent.new_credit?, replaced: open.intent.old_credit }));
        KnownWallet {
            blocked: self.flags.has(WalletFlags::BLOCKED),
            frozen: self.flags.has(WalletFlags::FROZEN),
            ledger_spent: Cents::new(self.spent).unwrap_or(Cents::MAX),
            credit_seq: self.credit_seq,
            offer: None,
            credits: credits.collect(),
            open,
            given_up: given_up.iter().filter(charges).map(|open| open.intent.own).collect(),
            unfinished_in_a_row: 0,
            offline: None,
        }
    }

    /// What a box believes: this state at the vector it was folded at, and every entry the box holds beyond it.
    /// A release whose hold is not among them leaves the balance as it is until the hub's next state.
    #[must_use]
    pub fn with_local(&self, own_uncovered: &[WalletEntry]) -> Self {
        let mut state = *self;
        let judged = judged(own_uncovered, Extent::Own);
        let entries = wallet::distinct(&judged);
        let held = |at: EntryRef| entries.iter().find(|e| e.at == at && accounts::opens(&e.entry)).copied();
        let is_void = |at| entries.iter().any(|e| super::settle::is_void(&e.entry) && e.entry.refers_to == Some(at));
        let mut sums = Accounts::default();
        for e in entries.iter().filter(|e| e.is_evidence()) {
            let intent = accounts::closes(&e.entry).and_then(held);
            if let Some(record) = e.intent().and_then(|intent| intent.new_credit.as_ref()).filter(|_| !is_void(e.at)) {
                // whatever becomes of it, this box signs no second C of its sequence
                state.credit_seq = state.credit_seq.max(super::settle::credit_seq(record));
            }
            if e.entry.subject == self.wallet.into() {
                sums.add_closing(&e.entry, intent.map(|i| &i.entry));
                state.note(e, intent);
            } else if wallet::concerns(self.wallet, e) {
                sums.add_received(&e.entry);
            }
        }
        state.balance = state.balance.saturating_add(sums.balance()).saturating_sub(sums.hold_debit);
        state.pending = plus(state.pending, sums.pending);
        state.in_doubt = plus(state.in_doubt, sums.in_doubt());
        state.flags = state
            .flags
            .with_if(WalletFlags::FROZEN, sums.unknown > 0)
            // what is in doubt is off the balance already, and may yet turn out not to have been taken
            .with_if(WalletFlags::OVERSPENT, state.balance.saturating_add(i64::from(state.in_doubt)) < 0);
        state
    }

    /// The newest chip record of which a box knows every one before it: the hub's, and on from there its own `commits`
    /// (tap counter and intent) as long as each was built on the one before. Where another box wrote in between, it
    /// stays behind, and a payout is refused.
    pub fn known_head(&self, commits: &[(u16, Intent)]) -> (u16, RecordId) {
        let mut own: Vec<&(u16, Intent)> = commits.iter().collect();
        own.sort_by_key(|(counter, _)| *counter);
        own.into_iter().fold((self.head_counter, self.head_record), |head, (counter, intent)| {
            let follows = counter.checked_sub(1) == Some(head.0) && (head.0 == 0 || intent.seen.base == head.1);
            if follows { (*counter, intent.own) } else { head }
        })
    }

    fn note(&mut self, e: &WalletEntry, intent: Option<&WalletEntry>) {
        let flags = self.flags.with_if(WalletFlags::SUSPECT, e.entry.kind == Kind::SUSPICION);
        let blocked = e.entry.effect == Effect::Block && super::journals::is_about(&e.entry, BlockedKind::Wallet);
        self.flags = flags.with_if(WalletFlags::BLOCKED, blocked);
        if let Detail::Pairing(pairing) = &e.detail {
            self.profile = self.profile.max(Some(pairing.profile));
        }
        let c_only = matches!(&e.detail, Detail::TopUp(top_up) if top_up.c_only);
        let wrote = !c_only && !super::settle::is_void(&e.entry);
        if let (Some(i), true) = (intent.and_then(WalletEntry::intent), wrote) {
            self.wrote(i, e.entry.tap_counter);
        }
    }

    /// A record known to be, or to have been, in force on the chip; the newest is the head.
    pub(super) fn saw(&mut self, counter: u16, record: RecordId) {
        if (counter, record) > (self.head_counter, self.head_record) {
            (self.head_counter, self.head_record) = (counter, record);
        }
    }

    /// The amounts that follow from the sums.
    pub(super) fn with_sums(self, sums: &Accounts) -> Self {
        Self {
            balance: surely(sums).saturating_sub(sums.hold_debit),
            pending: to_u32(sums.pending),
            in_doubt: to_u32(sums.in_doubt()),
            ..self
        }
    }

    fn wrote(&mut self, intent: &Intent, counter: u16) {
        self.spent = self.spent.max(intent.spent_after.get());
        self.saw(counter, intent.own);
        let written = intent.new_credit.as_ref().map_or(0, super::settle::credit_seq);
        self.credit_seq = self.credit_seq.max(intent.seen.credit_seq).max(written);
    }
}

/// The balance without what is not reported yet: that buys nothing where a till goes by it, and moves to no other band.
fn surely(sums: &Accounts) -> i64 {
    let balance = sums.balance();
    balance.min(balance.saturating_sub(sums.unreported).max(0))
}

fn plus(known: u32, change: i64) -> u32 {
    to_u32(i64::from(known).saturating_add(change))
}

/// As far as it fits: below 0 is 0.
pub(super) fn to_u32(amount: i64) -> u32 {
    u32::try_from(amount.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_anything_else_is_refused() {
        let state = WalletState { balance: -5, flags: WalletFlags::OVERSPENT, ..WalletState::empty(WalletId([9; 16])) };
        let bytes = state.to_bytes();
        assert_eq!(WalletState::from_bytes(&bytes), Ok(state));
        for cut in 0..bytes.len() {
            assert!(WalletState::from_bytes(&bytes[..cut]).is_err());
        }
        let mut unknown_flag = bytes;
        unknown_flag[44] = 64;
        assert_eq!(WalletState::from_bytes(&unknown_flag), Err(Malformed::Value("wallet flags")));
        let mut unknown_profile = bytes;
        unknown_profile[43] = 9;
        assert_eq!(WalletState::from_bytes(&unknown_profile), Err(Malformed::Value("band profile")));
    }

    /// An open intent of `purpose`, with a C of sequence `seq` where it raises credits.
    fn open(purpose: IntentPurpose, seq: Option<u8>) -> OpenIntent {
        let new_credit = seq.map(|seq| {
            let mut record = [9; crate::wristband::CREDIT_RECORD_LEN];
            record[3] = seq;
            record
        });
        let seen = crate::journal::ChipSeen {
            base: RecordId([1; 4]),
            before: RecordId::default(),
            before2: None,
            credit_seq: 1,
            credit_id: crate::wristband::CreditId::default(),
            credits: Cents::ZERO,
            spent: Cents::ZERO,
        };
        let intent = Intent {
            purpose,
            seen,
            own: RecordId([2; 4]),
            spent_after: Cents::ZERO,
            new_credit,
            old_credit: None,
            sale: None,
            fee: Cents::ZERO,
            means: crate::journal::Means::None,
        };
        OpenIntent {
            entry: EntryRef { device: crate::id::DeviceId([3; 16]), epoch: 0, seq: 4 },
            intent,
            amount: Cents::ZERO,
            tap_counter: 2,
            handed_over: false,
            price_revision: 0,
            operator: 0,
        }
    }

    #[test]
    fn a_tap_is_told_what_the_box_believes_and_what_it_may_complete_at_the_close() {
        let flags = WalletFlags::BLOCKED;
        let state = WalletState { spent: 70, credit_seq: 5, flags, ..WalletState::empty(WalletId([9; 16])) };
        let (sale, top_up) = (open(IntentPurpose::Sale, None), open(IntentPurpose::TopUp, Some(6)));
        let given_up = [sale.clone(), top_up.clone()];
        let told = state.for_tap(vec![sale.clone()], &given_up, false);
        assert_eq!((told.blocked, told.frozen, told.ledger_spent.get(), told.credit_seq), (true, false, 70, 5));
        assert_eq!((told.open, told.given_up, told.credits.len()), (vec![sale.clone()], vec![sale.intent.own], 0));
        let frozen = WalletState { flags: WalletFlags::FROZEN, ..state };
        let told = frozen.for_tap(Vec::new(), &given_up, true);
        assert_eq!((told.blocked, told.frozen), (false, true));
        let records: Vec<_> = told.credits.iter().map(|credit| Some(credit.record)).collect();
        assert_eq!(records, [top_up.intent.new_credit]);
    }

    #[test]
    fn a_box_signs_no_second_credit_of_a_sequence_unless_the_first_is_void() {
        use crate::{journal::Entry, ledger::Standing, money::Currency, time::Hlc};
        let wallet = WalletId([9; 16]);
        let top_up = open(IntentPurpose::TopUp, Some(6));
        let entry = |kind, effect| Entry { subject: wallet.into(), ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) };
        let part = Detail::Intent(top_up.intent).to_bytes();
        let at = |seq| EntryRef { seq, ..top_up.entry };
        let new = |seq, entry| WalletEntry::new(at(seq), entry, Standing::InForce);
        let hold = new(4, Entry { part, ..entry(Kind::INTENT, Effect::HoldCredit) });
        let void = |of| new(5, Entry { refers_to: Some(at(of)), ..entry(Kind::VOID, Effect::Release) });
        let part = Detail::TopUp(crate::journal::TopUp {
            c_only: false,
            fee: Cents::ZERO,
            means: crate::journal::Means::Cash,
        });
        let refers_to = Some(at(4));
        let commit = new(5, Entry { refers_to, part: part.to_bytes(), ..entry(Kind::TOP_UP, Effect::Credit) });
        let sequence = |more: &[WalletEntry]| {
            let entries: Vec<WalletEntry> = [&hold].into_iter().chain(more).cloned().collect();
            let state = WalletState::empty(wallet).with_local(&entries);
            (state.credit_seq, state.head_counter)
        };
        assert_eq!(sequence(&[]), (6, 0));
        assert_eq!(sequence(&[void(3)]), (6, 0), "another one is void");
        assert_eq!(sequence(&[void(4)]), (0, 0));
        assert_eq!(sequence(std::slice::from_ref(&commit)).0, 6);
        let mut c_only = commit;
        let Detail::TopUp(top_up) = &mut c_only.detail else { panic!("a top-up") };
        top_up.c_only = true;
        c_only.entry.tap_counter = 2;
        assert_eq!(sequence(&[c_only.clone()]), (6, 0), "its S record was not written");
        let Detail::TopUp(top_up) = &mut c_only.detail else { panic!("a top-up") };
        top_up.c_only = false;
        assert_eq!(sequence(&[c_only]), (6, 2));
    }

    #[test]
    fn a_box_knows_the_newest_record_only_as_far_as_nobody_wrote_in_between() {
        let record = |n: u8| RecordId([n; 4]);
        let own = |counter: u16, base: RecordId, own: RecordId| {
            let seen = crate::journal::ChipSeen {
                base,
                before: RecordId::default(),
                before2: None,
                credit_seq: 1,
                credit_id: crate::wristband::CreditId::default(),
                credits: crate::money::Cents::ZERO,
                spent: crate::money::Cents::ZERO,
            };
            let intent = Intent {
                purpose: crate::journal::IntentPurpose::Sale,
                seen,
                own,
                spent_after: crate::money::Cents::ZERO,
                new_credit: None,
                old_credit: None,
                sale: None,
                fee: crate::money::Cents::ZERO,
                means: crate::journal::Means::None,
            };
            (counter, intent)
        };
        let hub = WalletState { head_counter: 4, head_record: record(4), ..WalletState::empty(WalletId([9; 16])) };
        let (fifth, sixth) = (own(5, record(4), record(5)), own(6, record(5), record(6)));
        assert_eq!(hub.known_head(&[]), (4, record(4)));
        assert_eq!(hub.known_head(&[sixth.clone(), fifth.clone()]), (6, record(6)));
        assert_eq!(hub.known_head(&[sixth]), (4, record(4)), "somebody wrote the fifth");
        assert_eq!(hub.known_head(&[own(5, record(3), record(5))]), (4, record(4)), "another fourth was read");
        let untouched = WalletState::empty(WalletId([9; 16]));
        assert_eq!(untouched.known_head(&[own(1, record(7), record(1))]), (1, record(1)));
    }
}
