//! The real festival: chips, boxes with a journal in memory each, what the hub has of them.
//! Invariant: entries are kept as the store would keep them; a box knows nothing but its own and what the hub told it.
//! Not here: what it is compared with (`compare`).
use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, WalletId, key_id},
    journal::{Correction, Detail, Effect, Entry, IntentPurpose, Kind, OnlineCredit, Sale, SaleLine},
    ledger::{Standing, Verdict, WalletEntry, WalletState, closes, fold_wallet, owed},
    money::{Cents, Currency},
    secrets::{BandSecrets, MasterSecret},
    till::Pending,
    time::Hlc,
    wristband::{
        BandKeys, CREDIT_RECORD_LEN, ChipKind, CreditId, CreditKey, CreditRecord, IssueStep, Issuing, PursePages,
        RecordId,
        tap::{
            ChipFault, KnownCredit, KnownWallet, OpenIntent, PurseChip, Tap, TapContext, TapOutcome, TapRequest,
            TapStep,
        },
    },
};
use ed25519_dalek::SigningKey;
use hardware::chip::{Chip, Ntag21x, NtagType, Reply, UltralightAes};

use crate::purse::{
    Config,
    state::{BOXES, Chip as Profile, DESK, HUB, State},
};

const FESTIVAL: FestivalId = FestivalId(*b"open air by lake");
/// Who made the bands and put the first credit on them.
const MAKER: usize = BOXES + 1;
const INCR_CNT: u8 = 0xa5;

/// One unit of the model.
pub(super) fn cents(units: u8) -> Cents {
    Cents::new(u32::from(units) * 100).unwrap_or(Cents::ZERO)
}

pub(super) fn is_write(command: &[u8]) -> bool {
    command.first() == Some(&0xa2)
}

/// How a command ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Away {
    /// The band stays.
    No,
    /// Gone before the chip heard it.
    Before,
    /// In the middle of the page.
    Torn,
    /// The answer is lost.
    After,
}

/// A box.
pub(super) struct Real {
    ctx: Arc<TapContext>,
    pub(super) key: SigningKey,
    pub(super) journal: Vec<Entry>,
    /// Places of the model's intents.
    pub(super) intents: HashMap<usize, usize>,
    tap: Option<(Tap, usize)>,
}

/// Everything.
pub(super) struct Festival {
    pub(super) chips: Vec<Chip>,
    pub(super) boxes: Vec<Real>,
    /// Entries of each journal that the hub has.
    pub(super) heard: [usize; BOXES],
    hub: Vec<Entry>,
    /// What each desk was told of the first band, and how many of its entries that contains.
    told: [(WalletState, usize); 2],
    /// The model's C records.
    pub(super) credits: HashMap<u8, [u8; CREDIT_RECORD_LEN]>,
    /// The model's S records.
    pub(super) records: HashMap<u8, RecordId>,
    pub(super) profile: Profile,
    taps: u8,
}

fn secrets() -> BandSecrets {
    MasterSecret([22; 32]).band_secrets(&FESTIVAL)
}

pub(super) fn uid(band: usize) -> [u8; 7] {
    [4, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80 + band as u8]
}

pub(super) fn wallet(band: usize) -> WalletId {
    secrets().wallet(&uid(band))
}

pub(super) fn band_keys(band: usize) -> BandKeys {
    BandKeys::new(&secrets(), &FESTIVAL, &uid(band))
}

fn key(by: usize) -> SigningKey {
    SigningKey::from_bytes(&[40 + by as u8; 32])
}

pub(super) fn credit_keys() -> Vec<CreditKey> {
    let keys = (0..=MAKER).map(|by| key(by).verifying_key().to_bytes());
    keys.map(|public| CreditKey { id: key_id(&public), public, revoked: false }).collect()
}

pub(super) fn sale(units: u8, retry_of: Option<EntryRef>) -> TapRequest {
    let lines = vec![SaleLine { product: 3, quantity: 1, unit_price: cents(units) }];
    TapRequest::Sale { sale: Sale { lines, ..Sale::default() }, amount: cents(units), price_revision: 4, retry_of }
}

fn answer(reply: Reply) -> Result<Vec<u8>, ChipFault> {
    match reply {
        Reply::Data(bytes) => Ok(bytes),
        Reply::Ack => Ok(Vec::new()),
        Reply::Nak(_) => Err(ChipFault::Nak),
        Reply::Silent => Err(ChipFault::Gone),
    }
}

fn device(by: usize) -> DeviceId {
    DeviceId([by as u8 + 1; 16])
}

fn place(by: usize, seq: usize) -> EntryRef {
    EntryRef { device: device(by), epoch: 1, seq: seq as u32 }
}

fn in_force(at: EntryRef, entry: &Entry) -> WalletEntry {
    WalletEntry::new(at, entry.clone(), Standing::InForce)
}

fn entry(kind: Kind, effect: Effect, amount: Cents) -> Entry {
    let new = Entry::new(kind, effect, Currency::EUR, Hlc::default());
    Entry { subject: wallet(0).into(), amount, ..new }
}

impl Real {
    fn new(by: usize) -> Self {
        let ctx = TapContext {
            festival: FESTIVAL,
            currency: Currency::EUR,
            box_number: BoxNumber(by as u16 + 1),
            secrets: secrets(),
            retired_epochs: Vec::new(),
            credit_keys: credit_keys(),
            maximum_balance: cents(250),
            operator: 7,
            own_device: device(by),
        };
        Self { ctx: Arc::new(ctx), key: key(by), journal: Vec::new(), intents: HashMap::new(), tap: None }
    }

    pub(super) fn intent_ref(&self, k: usize) -> Result<EntryRef> {
        let seq = *self.intents.get(&k).context("the intent is not in the journal")?;
        Ok(EntryRef { device: self.ctx.own_device, epoch: 1, seq: seq as u32 })
    }

    /// What the tap waits for.
    pub(super) fn step(&self) -> Result<TapStep> {
        Ok(self.tap.as_ref().context("no tap is under way")?.0.step().clone())
    }

    fn asks_to_store(&self) -> Result<Vec<Entry>> {
        match self.step()? {
            TapStep::Store(entries) => Ok(entries),
            other @ (TapStep::Chip(_) | TapStep::Finished(_)) => bail!("it stores nothing: {other:?}"),
        }
    }

    pub(super) fn expect_entry(&self, kind: Kind) -> Result<()> {
        let entries = self.asks_to_store()?;
        let found = entries.first().map(|entry| entry.kind);
        ensure!(found == Some(kind), "it stores {found:?}, not {kind:?}");
        Ok(())
    }

    /// It is about to commit this intent.
    pub(super) fn expect_commit(&self, k: usize) -> Result<()> {
        let entries = self.asks_to_store()?;
        let first = entries.first().context("an empty commit")?;
        ensure!(closes(first) == Some(self.intent_ref(k)?) && first.kind != Kind::VOID, "it stores {:?}", first.kind);
        Ok(())
    }

    /// Endings of the intent at this place.
    pub(super) fn endings(&self, seq: usize) -> Vec<&Entry> {
        let at = EntryRef { device: self.ctx.own_device, epoch: 1, seq: seq as u32 };
        let ends = |e: &&Entry| closes(e) == Some(at) || e.kind == Kind::GAVE_UP && e.refers_to == Some(at);
        self.journal.iter().filter(ends).collect()
    }

    fn opened(&self, seq: usize) -> Option<OpenIntent> {
        let entry = self.journal.get(seq).filter(|entry| entry.kind == Kind::INTENT)?;
        let at = EntryRef { device: self.ctx.own_device, epoch: 1, seq: seq as u32 };
        let handed_over = self.journal.iter().any(|e| e.kind == Kind::HANDED_OVER && e.refers_to == Some(at));
        OpenIntent::of(at, entry, handed_over)
    }

    fn on_band(&self, band: usize) -> impl Iterator<Item = (usize, OpenIntent, Vec<Kind>)> + '_ {
        let about = move |(_, entry): &(usize, &Entry)| entry.subject == wallet(band).into();
        self.journal.iter().enumerate().filter(about).filter_map(|(seq, _)| {
            let endings = self.endings(seq).iter().map(|entry| entry.kind).collect();
            Some((seq, self.opened(seq)?, endings))
        })
    }
}

impl Festival {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let mut festival = Self {
            chips: Vec::new(),
            boxes: (0..=MAKER).map(Real::new).collect(),
            heard: [0; BOXES],
            hub: Vec::new(),
            told: [(WalletState::empty(wallet(0)), 0); 2],
            credits: HashMap::new(),
            records: HashMap::new(),
            profile: config.chip,
            taps: 0,
        };
        for band in 0..config.bands {
            festival.chips.push(issued(config.chip, band)?);
            let request = TapRequest::TopUp {
                amount: cents(config.first_credit),
                key: key(MAKER),
                fee: Cents::ZERO,
                means: domain::journal::Means::Cash,
                retry_of: None,
            };
            festival.begin(MAKER, band, request, false)?;
            festival.store(MAKER, Vec::new())?;
            festival.write_pages(MAKER, 24)?;
            festival.read_on(MAKER, Away::No)?;
            festival.store(MAKER, Vec::new())?;
            festival.leave(MAKER);
            let image = festival.pages(band).judge(&band_keys(band), &credit_keys())?;
            festival.credits.insert(band as u8, image.credit_bytes());
            if band == 0 {
                festival.records.insert(0, image.base());
            }
        }
        let state = festival.hub_state(0);
        festival.told = [(state, 0); 2];
        Ok(festival)
    }

    pub(super) fn pages(&self, band: usize) -> PursePages {
        let chip = &self.chips[band];
        let found = match chip {
            Chip::UltralightAes(aes) => {
                let counter = Cents::new(aes.counters()[2]).unwrap_or(Cents::ZERO);
                PursePages::ultralight_aes(&aes.memory()[16..144], counter)
            }
            Chip::Ntag21x(_) | Chip::UidOnly(_) => PursePages::ntag21x(&chip.memory()[16..224]),
        };
        found.unwrap_or_else(|| unreachable!("the length is right"))
    }

    pub(super) fn credit_bytes(&self, credit: u8) -> Result<[u8; CREDIT_RECORD_LEN]> {
        self.credits.get(&credit).copied().context("a C that was never written")
    }

    /// Holds a band to a box and reads it, until it wants to store or to write.
    pub(super) fn begin(&mut self, by: usize, band: usize, request: TapRequest, closes: bool) -> Result<()> {
        let known = self.known(by, band, closes);
        self.taps = self.taps.wrapping_add(1);
        let chip = match self.profile {
            Profile::Ntag => PurseChip::Ntag21x,
            Profile::Aes => PurseChip::UltralightAes { random: [self.taps; 16], epoch: None },
        };
        self.chips[band].leave_field();
        self.chips[band].enter_field();
        let tap = Tap::new(self.boxes[by].ctx.clone(), known, &uid(band), chip, request);
        self.boxes[by].tap = Some((tap, band));
        if closes {
            // a half-written C is completed on the way
            while self.goes_on(by, |_| true, Away::No)? {}
            return Ok(());
        }
        self.read_on(by, Away::No)
    }

    /// One command, if the tap wants one of this sort. `true` if it did.
    fn goes_on(&mut self, by: usize, wanted: impl Fn(&[u8]) -> bool, away: Away) -> Result<bool> {
        let Some((tap, band)) = self.boxes[by].tap.as_mut() else { bail!("no tap is under way") };
        let TapStep::Chip(command) = tap.step().clone() else { return Ok(false) };
        if !wanted(&command) {
            return Ok(false);
        }
        let chip = &mut self.chips[*band];
        match away {
            Away::No => {
                let answer = answer(chip.transmit(&command));
                tap.reply(answer.as_deref().map_err(|fault| *fault));
                return Ok(true);
            }
            Away::Before => {}
            Away::Torn => {
                let mut torn = chip.clone();
                torn.transmit_torn(&command, 2);
                // where the bytes that differ come later in the page, all of it is to the record the same as a part
                if torn.memory() == chip.memory() {
                    drop(chip.transmit(&command));
                } else {
                    *chip = torn;
                }
            }
            Away::After => drop(chip.transmit(&command)),
        }
        tap.reply(Err(ChipFault::Gone));
        Ok(true)
    }

    /// All reads that come now; or the first of them unanswered.
    pub(super) fn read_on(&mut self, by: usize, away: Away) -> Result<()> {
        let reads = |command: &[u8]| !is_write(command) && command.first() != Some(&INCR_CNT);
        while self.goes_on(by, reads, away)? {
            if away != Away::No {
                return Ok(());
            }
        }
        ensure!(away == Away::No, "nothing was to be read back");
        Ok(())
    }

    pub(super) fn write_page(&mut self, by: usize, away: Away) -> Result<()> {
        self.read_on(by, Away::No)?;
        ensure!(self.goes_on(by, is_write, away)?, "it writes no page: {:?}", self.boxes[by].step()?);
        Ok(())
    }

    pub(super) fn write_pages(&mut self, by: usize, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.write_page(by, Away::No))
    }

    pub(super) fn increment(&mut self, by: usize, away: Away) -> Result<()> {
        let counts = |command: &[u8]| command.first() == Some(&INCR_CNT);
        ensure!(self.goes_on(by, counts, away)?, "it counts nothing");
        Ok(())
    }

    /// What the tap wants stored, and `beside` in the same commit. Gives the place of the first.
    pub(super) fn store(&mut self, by: usize, beside: Vec<Entry>) -> Result<usize> {
        let entries = self.boxes[by].asks_to_store()?;
        let real = &mut self.boxes[by];
        let first = real.journal.len();
        let count = entries.len();
        real.journal.extend(entries);
        real.journal.extend(beside);
        let refs: Vec<EntryRef> = (first..first + count).map(|seq| place(by, seq)).collect();
        if let Some((tap, _)) = real.tap.as_mut() {
            tap.stored(Ok(&refs));
        }
        Ok(first)
    }

    /// The band is gone or the power is: the tap is no more.
    pub(super) fn leave(&mut self, by: usize) {
        if let Some((_, band)) = self.boxes[by].tap.take() {
            self.chips[band].leave_field();
        }
    }

    /// The band is gone, and the box notices: it voids what was never sent.
    pub(super) fn pulled(&mut self, by: usize) -> Result<()> {
        while self.goes_on(by, |_| true, Away::Before)? {}
        if matches!(self.boxes[by].step()?, TapStep::Store(_)) {
            self.boxes[by].expect_entry(Kind::VOID)?;
            self.store(by, Vec::new())?;
        }
        let end = self.boxes[by].step()?;
        let fits = matches!(&end, TapStep::Finished(TapOutcome::TapAgain { .. } | TapOutcome::NothingHappened { .. }));
        ensure!(fits, "a band that left ends as {end:?}");
        self.leave(by);
        Ok(())
    }

    /// Notes which real intent and records are the model's.
    pub(super) fn note_intent(&mut self, after: &State, by: usize, k: usize, seq: usize) -> Result<()> {
        self.boxes[by].intents.insert(k, seq);
        let open = self.boxes[by].opened(seq).context("no intent is stored")?;
        let modelled = &after.intents[by][k];
        let known = self.records.entry(modelled.own).or_insert(open.intent.own);
        ensure!(*known == open.intent.own, "the model takes two records for the same");
        if modelled.new_c != crate::purse::state::NONE {
            let record = open.intent.new_credit.context("an intent without its C")?;
            let known = self.credits.entry(modelled.new_c).or_insert(record);
            ensure!(*known == record, "the model takes two C for the same");
        } else {
            ensure!(open.intent.new_credit.is_none(), "a C that the model does not know of");
        }
        Ok(())
    }

    fn uncovered(&self, by: usize) -> (WalletState, Vec<WalletEntry>) {
        let (base, covered) =
            if (DESK..BOXES).contains(&by) { self.told[by - DESK] } else { (WalletState::empty(wallet(0)), 0) };
        let own = self.boxes[by].journal.iter().enumerate().skip(covered);
        (base, own.map(|(seq, entry)| in_force(place(by, seq), entry)).collect())
    }

    /// What the box believes of a band: the hub's word and its own entries beyond it.
    fn believed(&self, by: usize, band: usize) -> WalletState {
        let (base, own) = self.uncovered(by);
        let base = if band == 0 { base } else { WalletState::empty(wallet(band)) };
        let mut own: Vec<WalletEntry> = own.into_iter().filter(|e| e.entry.subject == wallet(band).into()).collect();
        let missing: Vec<EntryRef> = own.iter().filter_map(|e| closes(&e.entry)).collect();
        for at in missing {
            if own.iter().any(|e| e.at == at) {
                continue;
            }
            if let Some(hold) = self.boxes[by].journal.get(at.seq as usize) {
                own.push(in_force(at, hold));
            }
        }
        base.with_local(&own)
    }

    pub(super) fn known_head(&self, by: usize, band: usize) -> (u16, RecordId) {
        let (base, own) = self.uncovered(by);
        let base = if band == 0 { base } else { WalletState::empty(wallet(band)) };
        let commits = own.iter().filter_map(|e| {
            let c_only = matches!(&e.detail, Detail::TopUp(top_up) if top_up.c_only);
            let at = closes(&e.entry).filter(|_| !c_only && e.entry.kind != Kind::VOID)?;
            Some((e.entry.tap_counter, self.boxes[by].opened(at.seq as usize)?.intent))
        });
        base.known_head(&commits.collect::<Vec<_>>())
    }

    fn known(&self, by: usize, band: usize, closes: bool) -> KnownWallet {
        let state = self.believed(by, band);
        let mut known = KnownWallet {
            ledger_spent: Cents::new(state.spent).unwrap_or(Cents::MAX),
            credit_seq: state.credit_seq,
            ..KnownWallet::default()
        };
        for (_, open, endings) in self.boxes[by].on_band(band) {
            match endings.as_slice() {
                [] => known.open.push(open),
                [Kind::GAVE_UP] => {
                    if matches!(open.intent.purpose, IntentPurpose::Sale | IntentPurpose::Refund) {
                        known.given_up.push(open.intent.own);
                    }
                    if let (Some(record), true) = (open.intent.new_credit, closes) {
                        known.credits.push(KnownCredit { record, replaced: open.intent.old_credit });
                    }
                }
                _ => {}
            }
        }
        known
    }

    /// What the desk pays out, decided in the transaction of the commit: without it.
    pub(super) fn payout(&self, by: usize) -> Option<Entry> {
        let pending = Pending { believed: i64::from(self.believed(by, 0).pending), own: 0 };
        let amount = pending.payable(false);
        pending.may_pay_out(amount, false).ok().map(|()| entry(Kind::REFUND, Effect::Repay, amount))
    }

    pub(super) fn give_up(&mut self, by: usize, k: usize) -> Result<()> {
        let reply = self.reply(by, k, Kind::GAVE_UP)?;
        self.boxes[by].journal.push(reply);
        Ok(())
    }

    pub(super) fn hand_over(&mut self, by: usize, k: usize) -> Result<()> {
        let part = Detail::Correction(Correction { supervisor: 0, reason: "served".into() }).to_bytes();
        let reply = Entry { part, ..self.reply(by, k, Kind::HANDED_OVER)? };
        self.boxes[by].journal.push(reply);
        Ok(())
    }

    /// As `hand_over` of the box writes it.
    fn reply(&self, by: usize, k: usize, kind: Kind) -> Result<Entry> {
        let at = self.boxes[by].intent_ref(k)?;
        let asked = &self.boxes[by].journal[at.seq as usize];
        let new = Entry::new(kind, Effect::None, Currency::EUR, Hlc::default());
        Ok(Entry { subject: asked.subject, amount: asked.amount, refers_to: Some(at), ..new })
    }

    /// As the hub does it, at the close or one by one (`sync_hub::closing`).
    pub(super) fn write_off(&mut self, by: usize, k: usize, band: usize, is_revoked: bool) -> Result<()> {
        let (fold, at) = (fold_wallet(wallet(band), &self.merged(band)), self.boxes[by].intent_ref(k)?);
        let settled =
            fold.settled.iter().find(|settled| settled.intent == at).context("the hub knows no such intent")?;
        let stays = settled.verdict == Verdict::Doubt && settled.consequence().in_doubt != 0;
        ensure!(stays && (settled.given_up || is_revoked), "the hub writes it off no more, or not yet: {settled:?}");
        let reply = self.reply(by, k, Kind::WRITTEN_OFF)?;
        self.hub.push(reply);
        Ok(())
    }

    pub(super) fn owe(&mut self, by: usize) {
        self.boxes[by].journal.push(entry(Kind::PENDING_CREDIT, Effect::Owe, cents(1)));
    }

    pub(super) fn sync(&mut self, by: usize) {
        self.heard[by] = self.boxes[by].journal.len();
    }

    pub(super) fn hear(&mut self, desk: usize) {
        self.told[desk - DESK] = (self.hub_state(0), self.heard[desk]);
    }

    fn hub_state(&self, band: usize) -> WalletState {
        fold_wallet(wallet(band), &self.merged(band)).state
    }

    /// What the hub has about a band.
    pub(super) fn merged(&self, band: usize) -> Vec<WalletEntry> {
        let hub = self.hub.iter().enumerate().map(|(seq, entry)| in_force(place(usize::from(HUB), seq), entry));
        let maker = self.boxes[MAKER].journal.iter().enumerate();
        let maker = maker.map(|(seq, entry)| in_force(place(MAKER, seq), entry));
        let boxes = (0..BOXES).flat_map(|by| {
            let heard = self.boxes[by].journal.iter().enumerate().take(self.heard[by]);
            heard.map(move |(seq, entry)| in_force(place(by, seq), entry))
        });
        hub.chain(maker).chain(boxes).filter(|e| e.entry.subject == wallet(band).into()).collect()
    }

    pub(super) fn sign(&mut self, band: usize, credit: u8, amount: u8) -> Result<()> {
        let merged = self.merged(band);
        let owed = owed(&fold_wallet(wallet(band), &merged), &merged, cents(250));
        let due = owed.due.map_err(|not_due| anyhow::anyhow!("the hub signs nothing: {not_due:?}"))?;
        ensure!(due.amount == cents(amount), "the hub signs {}", due.amount);
        let credits = due.head.credits.plus(due.amount).context("too much")?;
        let (key, keys) = (key(usize::from(HUB)), band_keys(band));
        let record = CreditRecord::sign(credits, due.seq, due.head.id, &key, keys.festival(), keys.wallet());
        let part = Detail::OnlineCredit(OnlineCredit { record: Some(record), covers: due.covers }).to_bytes();
        let signed = entry(Kind::ONLINE_CREDIT, Effect::None, due.amount);
        self.hub.push(Entry { subject: wallet(band).into(), part, ..signed });
        let known = self.credits.entry(credit).or_insert(record);
        ensure!(CreditId::of(known) == CreditId::of(&record), "the model takes two C′ for the same");
        Ok(())
    }
}

fn issued(profile: Profile, band: usize) -> Result<Chip> {
    let (mut chip, kind) = match profile {
        Profile::Ntag => (Chip::from(Ntag21x::new(NtagType::Ntag215, uid(band))), ChipKind::Ntag215),
        Profile::Aes => (Chip::from(UltralightAes::new(uid(band), [3; 16])), ChipKind::UltralightAes),
    };
    let mut issuing =
        Issuing::new(kind, BandKeys::new(&secrets(), &FESTIVAL, &uid(band)), &key(MAKER), [[1; 16], [2; 16]]);
    chip.enter_field();
    loop {
        match issuing.step().clone() {
            IssueStep::Finished(end) => {
                end.map_err(|refusal| anyhow::anyhow!("the band is not made: {refusal}"))?;
                chip.leave_field();
                return Ok(chip);
            }
            IssueStep::Reselect => {
                chip.leave_field();
                chip.enter_field();
                issuing.reselected();
            }
            IssueStep::Chip(command) => {
                let answer = answer(chip.transmit(&command));
                issuing.reply(answer.as_deref().map_err(|fault| *fault));
            }
        }
    }
}
