use domain::{
    id::{EntryRef, WalletId},
    journal::{ChipSeen, Detail, Effect, Entry, Intent, IntentPurpose, Kind, TopUp},
    ledger::{CreditItem, credit_id},
    money::Cents,
    trust::Roles,
    wire::Reader,
    wristband::{CREDIT_RECORD_LEN, CreditId, CreditRecord, RecordId},
};
use sync::Section;

use super::*;
use crate::{
    deltas::feed::Next,
    sample::{self, SampleBox, wallet},
    totals,
};

fn cents(amount: u32) -> Cents {
    Cents::new(amount).unwrap()
}

fn paid(wallet: WalletId, amount: u32, key: u8) -> Paid {
    Paid { wallet, amount: cents(amount), key: [key; 16], reference: format!("payment {key}") }
}

/// A chip and the boxes that write it, as far as their journals tell.
#[derive(Clone)]
pub(crate) struct Purse {
    pub(crate) wallet: WalletId,
    counter: u16,
    base: RecordId,
    credits: u32,
    spent: u32,
    seq: u8,
    pub(crate) credit: CreditId,
    /// Distinguishes the records of a copy from those of the chip that it is of.
    copy: u8,
}

impl Purse {
    pub(crate) fn new(wallet: WalletId) -> Self {
        let (base, credit) = (RecordId([255; 4]), CreditId([9; 4]));
        Self { wallet, counter: 0, base, credits: 0, spent: 0, seq: 0, credit, copy: 1 }
    }

    /// The same chip once more, from a dump: what it writes from now on is other than what this one writes.
    pub(crate) fn copied(&self, copy: u8) -> Self {
        Self { copy, ..self.clone() }
    }

    /// One whole tap: intent and commit.
    pub(crate) fn tap(
        &mut self,
        by: &mut SampleBox,
        purpose: IntentPurpose,
        amount: u32,
        record: Option<[u8; CREDIT_RECORD_LEN]>,
    ) -> EntryRef {
        let (intent, own) = self.intent(by, purpose, amount, record);
        let (kind, effect, part) = match purpose {
            IntentPurpose::Sale => (Kind::SALE, Effect::Debit, Vec::new()),
            IntentPurpose::TopUp => (Kind::TOP_UP, Effect::Credit, top_up()),
            IntentPurpose::Carry => (Kind::TOP_UP, Effect::Repay, top_up()),
            IntentPurpose::Refund => (Kind::REFUND, Effect::Debit, Vec::new()),
            IntentPurpose::ClosingRead => (Kind::CLOSING_READ, Effect::None, Vec::new()),
        };
        self.written(own, purpose, amount, record);
        let counter = self.counter;
        let entry = by.entry(kind, effect, amount);
        by.commit(Entry { subject: self.wallet.into(), refers_to: Some(intent), tap_counter: counter, part, ..entry })
    }

    /// The intent alone.
    pub(crate) fn intent(
        &mut self,
        by: &mut SampleBox,
        purpose: IntentPurpose,
        amount: u32,
        record: Option<[u8; CREDIT_RECORD_LEN]>,
    ) -> (EntryRef, RecordId) {
        let [low, high] = (self.counter + 1).to_be_bytes();
        let own = RecordId([self.wallet.0[0], self.copy, low, high]);
        let seen = ChipSeen {
            base: self.base,
            before: RecordId([self.wallet.0[0], 1, low, high.wrapping_sub(2)]),
            before2: None,
            credit_seq: self.seq,
            credit_id: self.credit,
            credits: cents(self.credits),
            spent: cents(self.spent),
        };
        let raises = record.is_some();
        let intent = Intent {
            purpose,
            seen,
            own,
            spent_after: cents(self.spent + if raises { 0 } else { amount }),
            new_credit: record,
            old_credit: None,
            sale: (purpose == IntentPurpose::Sale).then(Default::default),
            fee: Cents::ZERO,
            means: domain::journal::Means::None,
        };
        let effect = match purpose {
            IntentPurpose::Sale | IntentPurpose::Refund => Effect::Hold,
            IntentPurpose::TopUp | IntentPurpose::Carry => Effect::HoldCredit,
            IntentPurpose::ClosingRead => Effect::None,
        };
        let entry = by.entry(Kind::INTENT, effect, amount);
        let (subject, tap_counter) = (self.wallet.into(), self.counter + 1);
        let at = by.commit(Entry { subject, tap_counter, part: Detail::Intent(intent).to_bytes(), ..entry });
        (at, own)
    }

    fn written(&mut self, own: RecordId, purpose: IntentPurpose, amount: u32, record: Option<[u8; CREDIT_RECORD_LEN]>) {
        (self.counter, self.base) = (self.counter + 1, own);
        match record {
            Some(record) => {
                self.credits += amount;
                self.seq = record[3];
                self.credit = credit_id(&record);
            }
            None if matches!(purpose, IntentPurpose::Sale | IntentPurpose::Refund) => self.spent += amount,
            None => {}
        }
    }

    /// A tap whose record is on the chip and whose box does not know it: the intent.
    pub(crate) fn torn(&mut self, by: &mut SampleBox, purpose: IntentPurpose, amount: u32) -> EntryRef {
        let record = (purpose == IntentPurpose::TopUp).then(|| self.next_credit(amount));
        let (intent, own) = self.intent(by, purpose, amount, record);
        self.written(own, purpose, amount, record);
        intent
    }

    pub(crate) fn top_up(&mut self, desk: &mut SampleBox, amount: u32) -> EntryRef {
        let record = self.next_credit(amount);
        self.tap(desk, IntentPurpose::TopUp, amount, Some(record))
    }

    fn next_credit(&self, amount: u32) -> [u8; CREDIT_RECORD_LEN] {
        let mut record = [0; CREDIT_RECORD_LEN];
        record[..3].copy_from_slice(&(self.credits + amount).to_le_bytes()[..3]);
        record[3] = self.seq + 1;
        record[8..12].copy_from_slice(&self.credit.0);
        record
    }
}

fn top_up() -> Vec<u8> {
    Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: domain::journal::Means::Cash }).to_bytes()
}

/// The credits that a box would be told from `held` on.
fn told(hub: &Hub, held: u64) -> Vec<CreditItem> {
    let mut items = Vec::new();
    let mut at = held;
    while let Next::Part(part) = hub.feeds().next(Section::Credits, hub.term(), at, None) {
        let delta = sync::Delta::from_bytes(&part.body).unwrap();
        at = delta.number;
        let mut input = Reader::new(&delta.items);
        while !input.rest().is_empty() {
            items.push(CreditItem::read(&mut input).unwrap());
        }
    }
    items
}

#[test]
fn an_online_payment_counts_once_by_its_key() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let first = hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap();
    assert!(!first.known && first.pending);
    let again = hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap();
    assert_eq!(again, ToppedUp { known: true, ..first.clone() });
    for other in [paid(wallet(1), 2_100, 7), paid(wallet(2), 2_000, 7)] {
        assert!(matches!(hub.online_top_up(&other), Err(HubError::Refused("hub.other_content"))));
    }
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap().entry, first.entry, "after a restart too");
    assert_eq!(hub.wallet_view(wallet(1)).unwrap().pending_cents, 2_000);
}

#[test]
fn an_account_has_the_payment_at_once_and_one_met_later_has_it_then() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    desk.top_up(wallet(1), 500);
    hub.ingest(&desk.segments(10)).unwrap();
    assert!(!hub.online_top_up(&paid(wallet(1), 2_000, 1)).unwrap().pending);
    assert!(hub.online_top_up(&paid(wallet(2), 300, 2)).unwrap().pending, "nobody has met this band");
    hub.publish().unwrap();
    let view = |hub: &mut Hub, n| {
        let view = hub.wallet_view(wallet(n)).unwrap();
        (view.balance_cents, view.pending_cents)
    };
    assert_eq!((view(&mut hub, 1), view(&mut hub, 2)), ((2_500, 0), (0, 300)));
    desk.sale(wallet(2), 100);
    hub.ingest(&[desk.segment(2, 3)]).unwrap();
    hub.publish().unwrap();
    assert_eq!(view(&mut hub, 2), (200, 0));
    let books = totals::books(&hub.reading().unwrap()).unwrap();
    assert!(books.money.balances(), "{books:?}");
    assert_eq!((books.money.top_up, books.money.spent, books.money.balance), (2_800, 100, 2_700));
}

#[test]
fn what_a_purse_is_owed_is_signed_for_the_newest_c_told_to_boxes_and_taken_back_once_carried() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(2)));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap();
    hub.publish().unwrap();
    let items = told(&hub, 1);
    let [CreditItem { offer: Some((record, amount)), .. }] = items[..] else { panic!("{items:?}") };
    let signed =
        CreditRecord::verify(&record, &sample::key(5).verifying_key().to_bytes(), &sample::festival(), wallet(1));
    let signed = signed.unwrap();
    assert_eq!((signed.credits, signed.link, amount), (cents(3_000), purse.credit, cents(2_000)));
    assert_eq!(hub.publish().unwrap(), vec![], "signed once");
    drop(hub);
    let mut hub = sample::open(dir.path());
    hub.publish().unwrap();
    assert_eq!(hub.offers.len(), 1, "kept over a restart");

    purse.tap(&mut bar, IntentPurpose::Carry, 2_000, Some(record));
    purse.tap(&mut bar, IntentPurpose::Sale, 2_500, None);
    hub.ingest(&bar.segments(10)).unwrap();
    hub.publish().unwrap();
    assert_eq!(told(&hub, hub.numbers[&Section::Credits] - 1), [CreditItem { wallet: wallet(1), offer: None }]);
    let view = hub.wallet_view(wallet(1)).unwrap();
    assert_eq!((view.balance_cents, view.pending_cents), (500, 0));
    let books = totals::books(&hub.reading().unwrap()).unwrap();
    assert!(books.money.balances());
    assert_eq!((books.money.top_up, books.money.spent, books.money.unreported), (3_000, 2_500, 0));
}

#[test]
fn a_c_that_moved_on_gets_a_new_one_and_a_blocked_band_none() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap();
    hub.publish().unwrap();
    let first = hub.offers[&wallet(1)].offer.unwrap().0;
    purse.top_up(&mut desk, 500);
    hub.ingest(&[desk.segment(3, 5)]).unwrap();
    hub.publish().unwrap();
    let second = hub.offers[&wallet(1)].offer.unwrap().0;
    assert_ne!(first, second);
    assert_eq!(CreditRecord::read(&second).link, purse.credit);
    assert!(CreditRecord::read(&second).seq > CreditRecord::read(&first).seq);
    hub.block_wallet(wallet(1)).unwrap();
    hub.publish().unwrap();
    assert!(hub.offers.is_empty(), "no box would carry it");
    assert!(matches!(hub.online_top_up(&paid(wallet(1), 100, 8)), Err(HubError::Refused("band.blocked"))));
    hub.unblock_wallet(wallet(1)).unwrap();
    hub.publish().unwrap();
    assert_eq!(hub.offers[&wallet(1)].offer.unwrap().0, second, "the same one again");
}

#[test]
fn a_new_term_tells_every_credit_on_offer_again() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    Purse::new(wallet(1)).top_up(&mut desk, 1_000);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.online_top_up(&paid(wallet(1), 2_000, 7)).unwrap();
    hub.publish().unwrap();
    let offer = hub.offers[&wallet(1)];
    hub.raise_term(5).unwrap();
    hub.publish().unwrap();
    assert_eq!(told(&hub, 1).last(), Some(&offer));
}
