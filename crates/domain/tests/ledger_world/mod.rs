//! A wristband, its chip and the boxes that write about it, for tests of the ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::collections::BTreeMap;

use domain::{
    id::{DeviceId, EntryRef, WalletId},
    journal::{Block, BlockedKind, ChipSeen, Detail, Effect, Entry, Intent, IntentPurpose, Kind, Sale, TopUp},
    ledger::{Conflict, Standing, Verdict, WalletEntry, credit_id, verdicts},
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CREDIT_RECORD_LEN, CreditId, RecordId},
};

pub(crate) const WALLET: WalletId = WalletId([0xaa; 16]);
pub(crate) const BAR_A: u8 = 1;
pub(crate) const BAR_B: u8 = 2;
pub(crate) const DESK: u8 = 3;

pub(crate) fn cents(amount: u32) -> Cents {
    Cents::new(amount).unwrap()
}

pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId([n; 16])
}

pub(crate) fn entry(kind: Kind, effect: Effect, amount: u32) -> Entry {
    let part = if kind == Kind::TOP_UP { top_up(false) } else { vec![] };
    Entry { subject: WALLET.into(), amount: cents(amount), part, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) }
}

pub(crate) fn sale_part(goods: u32, out: u32, back: u32) -> Vec<u8> {
    let line = domain::journal::SaleLine { product: 1, quantity: 1, unit_price: cents(goods) };
    Detail::Sale(Some(Sale {
        deposit_out: cents(out),
        deposit_back: cents(back),
        lines: vec![line],
        ..Sale::default()
    }))
    .to_bytes()
}

/// What is on the chip, and what was there before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chip {
    pub(crate) counter: u16,
    pub(crate) base: RecordId,
    pub(crate) before: RecordId,
    pub(crate) before2: Option<RecordId>,
    pub(crate) credits: u32,
    pub(crate) spent: u32,
    pub(crate) credit_seq: u8,
    pub(crate) credit: CreditId,
}

impl Chip {
    pub(crate) fn balance(&self) -> Cents {
        cents(self.credits - self.spent)
    }

    pub(crate) fn seen(&self) -> ChipSeen {
        ChipSeen {
            base: self.base,
            before: self.before,
            before2: self.before2,
            credit_seq: self.credit_seq,
            credit_id: self.credit,
            credits: cents(self.credits),
            spent: cents(self.spent),
        }
    }
}

/// What a tap came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Written and committed.
    Committed,
    /// Never sent.
    Void,
    /// Written, but its box does not know.
    Written,
    /// Not written, but its box does not know.
    Lost,
    /// Its C is written, its S is not, and its box does not know.
    CreditOnly,
}

/// Journals of some boxes, and one band.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) entries: Vec<WalletEntry>,
    pub(crate) chip: Chip,
    next: BTreeMap<u8, u32>,
    pub(crate) records: u32,
}

impl World {
    /// A band with a genesis record and no money.
    pub(crate) fn new() -> Self {
        let chip = Chip {
            counter: 0,
            base: RecordId([0xff; 4]),
            before: RecordId::default(),
            before2: None,
            credits: 0,
            spent: 0,
            credit_seq: 0,
            credit: CreditId::default(),
        };
        Self { entries: Vec::new(), chip, next: BTreeMap::new(), records: 0 }
    }

    pub(crate) fn push(&mut self, by: u8, entry: Entry) -> EntryRef {
        let seq = self.next.entry(by).or_default();
        let at = EntryRef { device: device(by), epoch: 0, seq: *seq };
        *seq += 1;
        self.entries.push(WalletEntry::new(at, entry, Standing::InForce));
        at
    }

    pub(crate) fn refer(&mut self, by: u8, kind: Kind, effect: Effect, to: EntryRef) -> EntryRef {
        let amount = self.entries.iter().find(|e| e.at == to).unwrap().entry.amount.get();
        self.push(by, Entry { refers_to: Some(to), ..entry(kind, effect, amount) })
    }

    pub(crate) fn give_up(&mut self, by: u8, intent: EntryRef) -> EntryRef {
        self.refer(by, Kind::GAVE_UP, Effect::None, intent)
    }

    /// One tap: the intent, what it does to the chip, and its end. Gives the intent's place.
    pub(crate) fn tap(&mut self, by: u8, purpose: IntentPurpose, amount: u32, deposit: u32, end: End) -> EntryRef {
        let raises = matches!(purpose, IntentPurpose::TopUp | IntentPurpose::Carry);
        let new_credit = raises.then(|| self.credit_record(amount));
        self.tap_with(by, purpose, (amount, deposit), new_credit, end)
    }

    /// As [`Self::tap`], with the C record that is written.
    pub(crate) fn tap_with(
        &mut self,
        by: u8,
        purpose: IntentPurpose,
        (amount, deposit): (u32, u32),
        new_credit: Option<[u8; CREDIT_RECORD_LEN]>,
        end: End,
    ) -> EntryRef {
        self.records += 1;
        let own = RecordId(self.records.to_be_bytes());
        let raises = new_credit.is_some();
        let spent = self.chip.spent + if raises { 0 } else { amount };
        let sale = (purpose == IntentPurpose::Sale).then(|| Sale {
            deposit_out: cents(deposit),
            deposit_back: Cents::ZERO,
            ..Sale::default()
        });
        let intent = Intent {
            purpose,
            seen: self.chip.seen(),
            own,
            spent_after: cents(spent),
            new_credit,
            old_credit: None,
            sale: sale.clone(),
            fee: Cents::ZERO,
            means: domain::journal::Means::Cash,
        };
        let effect = match purpose {
            IntentPurpose::Sale | IntentPurpose::Refund => Effect::Hold,
            IntentPurpose::TopUp | IntentPurpose::Carry => Effect::HoldCredit,
            IntentPurpose::ClosingRead => Effect::None,
        };
        let counter = self.chip.counter + 1;
        let part = Detail::Intent(intent).to_bytes();
        let at = self.push(by, Entry { tap_counter: counter, part, ..entry(Kind::INTENT, effect, amount) });
        if matches!(end, End::Committed | End::Written) {
            self.write(own, spent, new_credit, if raises { amount } else { 0 });
        }
        let (kind, effect, part) = match (end, purpose) {
            (End::CreditOnly, _) => {
                self.write_credit(new_credit, amount);
                return at;
            }
            (End::Written | End::Lost, _) => return at,
            (End::Void, IntentPurpose::ClosingRead) => (Kind::VOID, Effect::None, vec![]),
            (End::Void, _) => (Kind::VOID, Effect::Release, vec![]),
            (_, IntentPurpose::Sale) => (Kind::SALE, Effect::Debit, Detail::Sale(sale).to_bytes()),
            (_, IntentPurpose::Refund) => (Kind::REFUND, Effect::Debit, vec![]),
            (_, IntentPurpose::ClosingRead) => (Kind::CLOSING_READ, Effect::None, vec![]),
            (_, IntentPurpose::TopUp) => (Kind::TOP_UP, Effect::Credit, top_up(false)),
            (_, IntentPurpose::Carry) => (Kind::TOP_UP, Effect::Repay, top_up(false)),
        };
        self.push(by, Entry { refers_to: Some(at), tap_counter: counter, part, ..entry(kind, effect, amount) });
        at
    }

    fn write(&mut self, own: RecordId, spent: u32, credit: Option<[u8; CREDIT_RECORD_LEN]>, raised: u32) {
        let chip = &mut self.chip;
        (chip.before2, chip.before, chip.base) = (Some(chip.before), chip.base, own);
        chip.counter += 1;
        chip.spent = spent;
        self.write_credit(credit, raised);
    }

    /// Only the C of a top-up or carried C′ reaches the chip.
    pub(crate) fn write_credit(&mut self, credit: Option<[u8; CREDIT_RECORD_LEN]>, raised: u32) {
        if let Some(record) = credit {
            self.chip.credits += raised;
            self.chip.credit_seq = record[3];
            self.chip.credit = credit_id(&record);
        }
    }

    /// A C record with what the ledger reads of it; its signature is not the ledger's business.
    pub(crate) fn credit_record(&self, amount: u32) -> [u8; CREDIT_RECORD_LEN] {
        let mut record = [0; CREDIT_RECORD_LEN];
        record[..3].copy_from_slice(&(self.chip.credits + amount).to_le_bytes()[..3]);
        record[3] = self.chip.credit_seq + 1;
        record[8..12].copy_from_slice(&self.chip.credit.0);
        record[12..16].copy_from_slice(&self.records.to_le_bytes());
        record
    }

    pub(crate) fn sale(&mut self, by: u8, amount: u32, end: End) -> EntryRef {
        self.tap(by, IntentPurpose::Sale, amount, 0, end)
    }

    pub(crate) fn top_up(&mut self, amount: u32) -> EntryRef {
        self.tap(DESK, IntentPurpose::TopUp, amount, 0, End::Committed)
    }

    pub(crate) fn closing_read(&mut self) -> EntryRef {
        self.tap(DESK, IntentPurpose::ClosingRead, 0, 0, End::Committed)
    }

    pub(crate) fn mark(&mut self, at: EntryRef, standing: Standing) {
        self.entries.iter_mut().filter(|e| e.at == at).for_each(|e| e.standing = standing);
    }

    pub(crate) fn mark_all(&mut self, by: u8, standing: Standing) {
        self.entries.iter_mut().filter(|e| e.at.device == device(by)).for_each(|e| e.standing = standing);
    }
}

pub(crate) fn top_up(c_only: bool) -> Vec<u8> {
    Detail::TopUp(TopUp { c_only, fee: Cents::ZERO, means: domain::journal::Means::Cash }).to_bytes()
}

/// What became of an intent.
pub(crate) fn verdict(world: &World, intent: EntryRef) -> Verdict {
    verdicts(&world.entries).into_iter().find(|s| s.intent == intent).unwrap().verdict
}

/// A band with 10.00 on it.
pub(crate) fn funded() -> World {
    let mut world = World::new();
    world.top_up(1000);
    world
}

/// A block of the band or ticket that it is put on.
pub(crate) fn block(of: BlockedKind) -> Entry {
    let part = Detail::Block(Block { of, reason: "code".into() }).to_bytes();
    Entry { part, ..entry(Kind::BLOCK, Effect::Block, 0) }
}

/// What lifts it.
pub(crate) fn lift(of: BlockedKind, block: EntryRef) -> Entry {
    let part = Detail::Block(Block { of, reason: "".into() }).to_bytes();
    Entry { part, refers_to: Some(block), ..entry(Kind::UNBLOCK, Effect::Unblock, 0) }
}

/// What conflicts are called.
pub(crate) fn codes(conflicts: &[Conflict]) -> Vec<&'static str> {
    conflicts.iter().map(Conflict::code).collect()
}
