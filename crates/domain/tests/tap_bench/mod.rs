//! Chips, boxes and faults for the tap tests: an NTAG215's pages, an Ultralight AES, journals in memory, and one fault at
//! a chosen moment.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program has no outside, and a failed test should panic"
)]
pub mod aes;

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, key_id},
    journal::{Effect, Entry, Kind, Sale, SaleLine},
    money::{Cents, Currency},
    secrets::{BandSecrets, MasterSecret},
    wristband::{
        BandKeys, ChipKind, CreditId, CreditKey, CreditRecord, PurseFault, PurseImage, PursePages, RecordId,
        SpentRecord, initial_pages,
        tap::{
            ChipFault, KnownWallet, OpenIntent, PurseChip, StoreFailed, Tap, TapContext, TapOutcome, TapRequest,
            TapStep,
        },
    },
};
use ed25519_dalek::SigningKey;

pub use aes::AesChip;

pub const FESTIVAL: FestivalId = FestivalId(*b"open air by lake");
pub const UID: [u8; 7] = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
const CONFIG: usize = 0x83;

pub fn cents(amount: u32) -> Cents {
    Cents::new(amount).unwrap()
}

pub fn credit_key() -> SigningKey {
    SigningKey::from_bytes(&[21; 32])
}

pub fn secrets() -> BandSecrets {
    MasterSecret([22; 32]).band_secrets(&FESTIVAL)
}

pub fn band() -> BandKeys {
    BandKeys::new(&secrets(), &FESTIVAL, &UID)
}

pub fn trusted(key: &SigningKey) -> CreditKey {
    let public = key.verifying_key().to_bytes();
    CreditKey { id: key_id(&public), public, revoked: false }
}

/// When the band leaves, or the power fails, in one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The chip never hears the command.
    Before,
    /// It stores this many bytes of the page.
    Torn(usize),
    /// It carries the command out, the answer is lost.
    After,
}

pub const MOMENTS: [Moment; 5] = [Moment::Before, Moment::Torn(1), Moment::Torn(2), Moment::Torn(3), Moment::After];

/// One thing that goes wrong in a tap; commands and stores are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The band is pulled away in this command and stays away.
    Pulled(usize, Moment),
    /// The box loses power in this command.
    PowerCut(usize, Moment),
    /// The box loses power in this store, before or after it is durable.
    PowerCutStoring(usize, bool),
    /// This store fails.
    DiskFull(usize),
    /// The chip refuses this command.
    Refused(usize),
}

/// A chip that a tap can be tried on.
pub trait Card: Clone + std::panic::UnwindSafe + 'static {
    /// A new band.
    fn issued() -> Self;
    /// What `Tap::new` is told of it. `random` is different in every tap; `epoch` is what its box has read before.
    fn purse(random: u8, epoch: Option<u8>) -> PurseChip;
    /// It comes into the field.
    fn enters(&mut self);
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChipFault>;
    fn transmit_broken(&mut self, command: &[u8], moment: Moment);
    /// The memory of its purse as it stands there, and its counter.
    fn memory(&self) -> Memory;
    /// The same as the purse's pages.
    fn pages(&self) -> PursePages;

    fn image_under(&self, keys: &[CreditKey]) -> Result<PurseImage, PurseFault> {
        self.pages().judge(&band(), keys)
    }

    /// What is in force under the desk's key. One memory is judged once: its verdict depends on nothing else, and
    /// signatures were four fifths of what these tests cost.
    fn judged(&self) -> Result<PurseImage, PurseFault> {
        let judge = || self.image_under(&[trusted(&credit_key())]);
        JUDGED.with_borrow_mut(|judged| judged.entry(self.memory()).or_insert_with(judge).clone())
    }

    fn image(&self) -> PurseImage {
        self.judged().unwrap()
    }
}

/// Bytes of a purse and what its chip's counter says.
pub type Memory = (Vec<u8>, Option<Cents>);

thread_local! {
    static JUDGED: RefCell<HashMap<Memory, Result<PurseImage, PurseFault>>> = RefCell::default();
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    pub pages: [[u8; 4]; 135],
    authenticated: bool,
}

impl Chip {
    pub fn blank() -> Self {
        let mut pages = [[0; 4]; 135];
        pages[CONFIG] = [4, 0, 0, 0xff];
        pages[CONFIG + 2] = [0xff; 4];
        Self { pages, authenticated: false }
    }
}

impl Card for Chip {
    fn issued() -> Self {
        let mut chip = Self::blank();
        for (page, bytes) in initial_pages(ChipKind::Ntag215, &band(), &credit_key()).unwrap() {
            chip.transmit(&[0xa2, page, bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
        }
        chip
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChipFault> {
        match *command {
            [0x1b, ref password @ ..] if *password == self.pages[CONFIG + 2] => {
                self.authenticated = true;
                Ok(self.pages[CONFIG + 3][..2].to_vec())
            }
            [0x3a, first, last] => Ok(self.pages[usize::from(first)..=usize::from(last)].concat()),
            [0xa2, page, ref bytes @ ..] if self.authenticated || page < self.pages[CONFIG][3] => {
                self.pages[usize::from(page)].copy_from_slice(bytes);
                Ok(Vec::new())
            }
            _ => Err(ChipFault::Nak),
        }
    }

    fn transmit_broken(&mut self, command: &[u8], moment: Moment) {
        match (moment, command) {
            (Moment::Before, _) => {}
            (Moment::After, _) => drop(self.transmit(command)),
            (Moment::Torn(count), [0xa2, page, bytes @ ..]) => {
                self.pages[usize::from(*page)][..count].copy_from_slice(&bytes[..count]);
            }
            (Moment::Torn(_), _) => {}
        }
    }

    fn memory(&self) -> Memory {
        (self.pages[4..56].concat(), None)
    }

    fn pages(&self) -> PursePages {
        PursePages::ntag21x(&self.memory().0).unwrap()
    }

    fn purse(_: u8, _: Option<u8>) -> PurseChip {
        PurseChip::Ntag21x
    }

    fn enters(&mut self) {
        self.authenticated = false;
    }
}

/// One box and its journal.
#[derive(Clone)]
pub struct Till {
    pub ctx: Arc<TapContext>,
    pub journal: Vec<Entry>,
    /// The epoch of the band's keys, where an earlier tap has read it.
    pub read_before: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Outcome(TapOutcome),
    PowerCut,
}

pub struct Ran {
    pub end: End,
    pub commands: Vec<Vec<u8>>,
    pub stores: usize,
    pub tap: Tap,
}

impl Till {
    pub fn new(number: u16) -> Self {
        let ctx = TapContext {
            festival: FESTIVAL,
            currency: Currency::EUR,
            box_number: BoxNumber(number),
            secrets: secrets(),
            retired_epochs: Vec::new(),
            credit_keys: vec![trusted(&credit_key())],
            maximum_balance: cents(25_000),
            operator: 7,
            own_device: DeviceId([number as u8; 16]),
        };
        Self { ctx: Arc::new(ctx), journal: Vec::new(), read_before: None }
    }

    pub fn entry_ref(&self, seq: usize) -> EntryRef {
        EntryRef { device: self.ctx.own_device, epoch: 1, seq: seq as u32 }
    }

    /// Closing entries of the intent at `seq`.
    pub fn closings(&self, seq: usize) -> Vec<&Entry> {
        let intent = Some(self.entry_ref(seq));
        self.journal.iter().filter(|e| e.refers_to == intent && e.kind != Kind::SUSPICION).collect()
    }

    /// What a restarted box knows of the wallet: its own journal, nothing else.
    pub fn known(&self) -> KnownWallet {
        let spent = self.journal.iter().filter(|e| e.effect == Effect::Debit).map(|e| e.amount.get()).sum();
        KnownWallet { ledger_spent: cents(spent), open: self.open(), ..KnownWallet::default() }
    }

    pub fn open(&self) -> Vec<OpenIntent> {
        let intents =
            self.journal.iter().enumerate().filter(|(seq, e)| e.kind == Kind::INTENT && self.closings(*seq).is_empty());
        intents.map(|(seq, entry)| self.open_intent(seq, entry)).collect()
    }

    pub fn open_intent(&self, seq: usize, entry: &Entry) -> OpenIntent {
        OpenIntent::of(self.entry_ref(seq), entry, false).expect("an intent entry has an intent")
    }

    pub fn tap<C: Card>(&mut self, chip: &mut C, request: TapRequest, fault: Fault) -> Ran {
        let known = self.known();
        self.tap_knowing(known, chip, request, fault, &mut |_| {})
    }

    /// Runs one tap with at most one fault; `watch` sees the chip after every command.
    pub fn tap_knowing<C: Card>(
        &mut self,
        known: KnownWallet,
        chip: &mut C,
        request: TapRequest,
        fault: Fault,
        watch: &mut dyn FnMut(&C),
    ) -> Ran {
        chip.enters();
        let random = (self.journal.len() % 251) as u8;
        let mut tap = Tap::new(self.ctx.clone(), known, &UID, C::purse(random, self.read_before), request);
        let (mut commands, mut stores, mut away) = (Vec::new(), 0, false);
        let end = loop {
            match tap.step().clone() {
                TapStep::Finished(outcome) => break End::Outcome(outcome),
                TapStep::Chip(command) => {
                    let at = commands.len();
                    assert!(at < 200, "the tap does not end");
                    commands.push(command.clone());
                    match fault {
                        Fault::PowerCut(n, moment) if n == at => {
                            chip.transmit_broken(&command, moment);
                            watch(chip);
                            break End::PowerCut;
                        }
                        Fault::Pulled(n, moment) if n == at => {
                            chip.transmit_broken(&command, moment);
                            away = true;
                        }
                        Fault::Refused(n) if n == at => {
                            tap.reply(Err(ChipFault::Nak));
                            continue;
                        }
                        _ => {}
                    }
                    let answer = if away { Err(ChipFault::Gone) } else { chip.transmit(&command) };
                    watch(chip);
                    tap.reply(answer.as_deref().map_err(|fault| *fault));
                }
                TapStep::Store(entries) => {
                    let at = stores;
                    stores += 1;
                    if fault == Fault::PowerCutStoring(at, false) {
                        break End::PowerCut;
                    }
                    if fault == Fault::DiskFull(at) {
                        tap.stored(Err(StoreFailed));
                        continue;
                    }
                    let first = self.journal.len();
                    self.journal.extend(entries);
                    let refs: Vec<_> = (first..self.journal.len()).map(|seq| self.entry_ref(seq)).collect();
                    if fault == Fault::PowerCutStoring(at, true) {
                        break End::PowerCut;
                    }
                    tap.stored(Ok(&refs));
                }
            }
        };
        Ran { end, commands, stores, tap }
    }
}

pub fn sale(amount: u32, retry_of: Option<EntryRef>) -> TapRequest {
    let lines = vec![SaleLine { product: 3, quantity: 1, unit_price: cents(amount) }];
    TapRequest::Sale { sale: Sale { lines, ..Sale::default() }, amount: cents(amount), price_revision: 4, retry_of }
}

pub fn top_up(amount: u32, retry_of: Option<EntryRef>) -> TapRequest {
    TapRequest::TopUp {
        amount: cents(amount),
        key: credit_key(),
        fee: Cents::ZERO,
        means: domain::journal::Means::Cash,
        retry_of,
    }
}

pub fn done(ran: &Ran) -> (EntryRef, Cents) {
    match &ran.end {
        End::Outcome(TapOutcome::Done { entry: Some(entry), balance_after, .. }) => (*entry, *balance_after),
        other => panic!("the tap should be done: {other:?}"),
    }
}

/// A band with both slots of both records used, at box 1 (bar) and box 9 (desk), balance 8,500.
pub fn used_band() -> (Chip, Till, Till) {
    used()
}

/// The same, of any chip.
pub fn used<C: Card>() -> (C, Till, Till) {
    let (mut chip, mut bar, mut desk) = (C::issued(), Till::new(1), Till::new(9));
    done(&desk.tap(&mut chip, top_up(6_000, None), Fault::None));
    done(&bar.tap(&mut chip, sale(500, None), Fault::None));
    done(&bar.tap(&mut chip, sale(1_000, None), Fault::None));
    done(&desk.tap(&mut chip, top_up(4_000, None), Fault::None));
    (chip, bar, desk)
}

/// Every record that was ever in force on the chip, by its name: what the chip really went through.
#[derive(Clone, Default)]
pub struct Truth {
    last: Option<PursePages>,
    spent: HashMap<RecordId, SpentRecord>,
    credits: HashMap<CreditId, CreditRecord>,
}

impl Truth {
    pub fn watch(&mut self, chip: &impl Card) {
        let pages = chip.pages();
        if self.last.as_ref() == Some(&pages) {
            return;
        }
        self.last = Some(pages);
        if let Ok(image) = chip.judged() {
            self.spent.insert(image.base(), *image.record());
            self.credits.insert(image.credit_id(), *image.credit());
        }
    }

    /// Records in the chain that ends with the ones in force now.
    pub fn applied(&self, chip: &impl Card) -> (Vec<RecordId>, Vec<CreditId>) {
        let image = chip.image();
        let spent = std::iter::successors(Some(image.base()), |id| self.spent.get(id).map(|record| record.link));
        let credits =
            std::iter::successors(Some(image.credit_id()), |id| self.credits.get(id).map(|record| record.link));
        (spent.collect(), credits.collect())
    }

    /// The chip, the journals and what really happened must agree; open intents must be gone.
    pub fn agrees(&self, chip: &impl Card, tills: &[&Till]) {
        let (image, (spent, credits)) = (chip.image(), self.applied(chip));
        let (mut debits, mut topped_up, mut given_up_spent, mut given_up_credit) = (0, 0, 0, 0);
        for till in tills {
            for (seq, entry) in till.journal.iter().enumerate().filter(|(_, e)| e.kind == Kind::INTENT) {
                let open = till.open_intent(seq, entry);
                let closings = till.closings(seq);
                assert_eq!(closings.len(), 1, "one ending of intent {seq}: {closings:?}");
                let ending = closings[0];
                let credit = open.intent.new_credit.map(|bytes| CreditId::of(&bytes));
                let applied = credit.map_or(spent.contains(&open.intent.own), |id| credits.contains(&id));
                match ending.kind {
                    // A sale voided at once and made again from the same base has the same bytes: one of them counts.
                    Kind::VOID => {
                        let again = till.journal.iter().enumerate().any(|(at, e)| {
                            e.kind == Kind::INTENT && at > seq && till.open_intent(at, e).intent.own == open.intent.own
                        });
                        assert!(!applied || again, "void, but on the chip: intent {seq} of {:?}", till.ctx.box_number);
                    }
                    Kind::GAVE_UP if applied && credit.is_some() => given_up_credit += entry.amount.get(),
                    Kind::GAVE_UP if applied => given_up_spent += entry.amount.get(),
                    Kind::GAVE_UP => {}
                    _ => {
                        assert!(applied, "committed, but not on the chip: {ending:?}");
                        assert_eq!(ending.amount, entry.amount);
                        match ending.effect {
                            Effect::Debit => debits += entry.amount.get(),
                            Effect::Credit => topped_up += entry.amount.get(),
                            _ => assert_eq!(entry.amount, Cents::ZERO),
                        }
                    }
                }
            }
        }
        assert_eq!(image.record().spent.get(), debits + given_up_spent, "spent on the chip and in the journals");
        assert_eq!(
            image.credit().credits.get(),
            topped_up + given_up_credit,
            "credits on the chip and in the journals"
        );
    }
}
