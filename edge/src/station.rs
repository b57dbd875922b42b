//! The box at work: its store, its knowledge, its desk, and what its screens must be told.
//! Invariant: the newest bundle ever verified is the one in use.
//! Not here: what happens at the gate (`gate`), at a tap (`tapping`), on the wire (`hub_link`).
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use box_store::{Blobs, Committed, Decision, Store, StoreError, View};
use domain::{
    id::{BoxNumber, DeviceId, EntryRef},
    journal::{Effect, Entry, Kind},
    money::Cents,
    secrets::BandSecrets,
    time::TrustedTime,
    trust::{Purpose as KeyPurpose, Roles},
    wristband::tap::{CreditKey, TapContext},
};
use ed25519_dalek::SigningKey;
use hardware::signal::{Signal, SignalLight};
use screens::{
    Lang,
    view::{Args, HubLink, ScannedVoucher, TapResult},
};
use serde::Serialize;
use sync::{Section, frame::RefuseCode};
use tokio::sync::watch;

use crate::{
    alerts::Alerts,
    chips::ReadBefore,
    clock::TrustedClock,
    config::Enrolled,
    correction::LastSale,
    edits::Edits,
    escrow::Dealt,
    gate::{shown::Shown, twice::JustPassed},
    lan::Lan,
    loaded::Loaded,
    managers::Managers,
    metrics::Counter,
    parked::Parked,
    printing::Printing,
    rules::Rules,
    staff_session::StaffDesk,
    tap_desk::{Purpose, RequestId, TapDesk},
    turnstile::Door,
    watchdog::Watchdog,
};

/// One box.
pub(crate) struct Station {
    enrolled: Enrolled,
    /// Its journal and projections.
    pub store: Store,
    /// What the next band is for.
    pub desk: TapDesk,
    /// Who works here.
    pub staff: StaffDesk,
    /// What can be taken back with one touch.
    pub last_sale: LastSale,
    /// Baskets put aside.
    pub parked: Parked,
    /// The voucher that the scanner read last, for the till's screen.
    pub scanned: Mutex<Option<ScannedVoucher>>,
    /// What is wrong with its devices, and the like.
    pub alerts: Alerts,
    /// The way to the printer of receipts.
    pub printing: Printing,
    /// Who waits for the turnstile.
    pub door: Door,
    training: AtomicBool,
    /// Trusted time.
    pub clock: TrustedClock,
    /// Blobs of bundles, on disk.
    pub blobs: Blobs,
    taking: Mutex<()>,
    started: Instant,
    loaded: RwLock<Arc<Loaded>>,
    rules: RwLock<Arc<Rules>>,
    /// Shared documents and what was edited here.
    pub edits: Mutex<Edits>,
    /// Who may edit them at present.
    pub managers: Managers,
    /// What its gate's screen shows.
    pub gate: Mutex<Shown>,
    /// Who has just passed its gate.
    pub just_passed: JustPassed,
    /// Held while names are searched: one search at a time opens the sealed names.
    pub searching: Mutex<()>,
    hub: Mutex<HubLink>,
    /// When the hub had told all that this box wants to know, Unix ms; 0 = not in this run.
    told_all_ms: AtomicU64,
    /// Up to where this run has told the hub its journal.
    pub told: Mutex<Option<EntryRef>>,
    /// Under which keys it has read bands.
    pub read_before: ReadBefore,
    /// Its neighbours on the venue's LAN.
    pub lan: Lan,
    /// Wakes whoever waits for a share of an account.
    pub dealt: Dealt,
    light: Mutex<Box<dyn SignalLight>>,
    seen_green: Mutex<Vec<EntryRef>>,
    /// What the hub said was forgotten, and a session under way does not know it yet.
    is_forgotten: AtomicBool,
    /// Whether the wristband reader answers.
    pub reader_answers: AtomicBool,
    changes: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    change: AtomicU64,
    /// Refused tickets and taps, torn taps, sessions with the hub.
    pub refused_scans: Counter,
    /// Taps refused.
    pub refused_taps: Counter,
    /// Taps that did not end in one go.
    pub torn_taps: Counter,
    /// Sessions opened with the hub.
    pub hub_sessions: Counter,
    /// Times that a device which had answered failed.
    pub device_failures: Counter,
    /// What starts the box again when taps are not served any more.
    pub watchdog: Watchdog,
}

/// Whom the hub takes entries from and tells nothing, and what the screens say of it.
const BARRED: [(RefuseCode, &str); 2] = [(RefuseCode::Revoked, "box.revoked"), (RefuseCode::Expired, "box.expired")];

/// What tells how old a box's knowledge of tickets is.
#[derive(Clone, Copy)]
pub(crate) struct TicketKnowledge {
    now_ms: u64,
    /// The hub had told all, or it signed the bundle.
    heard_ms: u64,
}

impl TicketKnowledge {
    /// Its age in seconds.
    pub(crate) fn age_s(&self, view: &View<'_>) -> u64 {
        let told_ms = view.knowledge(Section::Tickets).map_or(0, |known| known.hub_time_ms);
        crate::view::age_s(self.now_ms, told_ms, self.heard_ms)
    }
}

/// What the journal says about a request of a screen.
pub(crate) enum KnownRequest {
    /// It was done, with this outcome.
    Answered(TapResult),
    /// It was begun, and nobody knows whether the band paid.
    InDoubt {
        /// What was begun.
        intent: EntryRef,
        /// For how much.
        amount: Cents,
    },
    /// It was begun and given up: the ledger decides, and this box never serves it again.
    GivenUp,
}

/// What this box believes, to be compared with the hub at the same vector (design, section 7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Agreement {
    /// Hub term.
    pub term: u32,
    /// Number of the wallets section.
    pub wallets: u64,
    /// Number of the tickets section.
    pub tickets: u64,
    /// Number of the credits section.
    pub credits: u64,
    /// BLAKE3 over sorted wallets and used tickets.
    pub digest: String,
    /// Own entries that the hub has not acknowledged.
    pub unsent: u64,
}

/// A key that may sign credits.
pub(crate) fn credit_key(public: [u8; 32]) -> CreditKey {
    CreditKey { id: domain::id::key_id(&public), public, revoked: false }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key for a request that the box itself makes.
pub(crate) fn fresh_id() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut id = [0; 16];
    id[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    id
}

/// Reads what [`EntryRef`] prints.
pub(crate) fn entry_ref(text: &str) -> Option<EntryRef> {
    let mut parts = text.split('/');
    let (device, epoch, seq) = (parts.next()?, parts.next()?, parts.next()?);
    let entry = EntryRef { device: DeviceId::from_hex(device)?, epoch: epoch.parse().ok()?, seq: seq.parse().ok()? };
    parts.next().is_none().then_some(entry)
}

impl Station {
    /// Puts the parts together.
    pub(crate) fn new(
        enrolled: Enrolled,
        store: Store,
        blobs: Blobs,
        loaded: Loaded,
        clock: TrustedClock,
        light: Box<dyn SignalLight>,
    ) -> Self {
        Self {
            edits: Mutex::new(Edits::new(&enrolled.founding)),
            managers: Managers::default(),
            enrolled,
            store,
            desk: TapDesk::default(),
            staff: StaffDesk::default(),
            last_sale: LastSale::default(),
            parked: Parked::default(),
            scanned: Mutex::default(),
            alerts: Alerts::default(),
            printing: Printing::default(),
            door: Door::default(),
            training: AtomicBool::new(false),
            clock,
            started: Instant::now(),
            rules: RwLock::new(Arc::new(Rules::of_bundle(&loaded.bundle.body))),
            blobs,
            taking: Mutex::default(),
            loaded: RwLock::new(Arc::new(loaded)),
            gate: Mutex::default(),
            just_passed: JustPassed::default(),
            searching: Mutex::default(),
            hub: Mutex::default(),
            told_all_ms: AtomicU64::new(0),
            told: Mutex::default(),
            read_before: ReadBefore::default(),
            lan: Lan::default(),
            dealt: Dealt::default(),
            light: Mutex::new(light),
            seen_green: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
            reader_answers: AtomicBool::new(false),
            changes: watch::channel(0).0,
            stop: watch::channel(false).0,
            change: AtomicU64::new(0),
            refused_scans: Counter::default(),
            refused_taps: Counter::default(),
            torn_taps: Counter::default(),
            hub_sessions: Counter::default(),
            device_failures: Counter::default(),
            watchdog: Watchdog::of_systemd(),
        }
    }

    // --- who and where ------------------------------------------------------------------------------------------

    /// What the technician gave this box.
    pub(crate) fn enrolled(&self) -> &Enrolled {
        &self.enrolled
    }

    /// Its device id.
    pub(crate) fn device(&self) -> DeviceId {
        self.enrolled.device()
    }

    /// Number that its present epoch writes on chips.
    pub(crate) fn box_number(&self) -> BoxNumber {
        let head = self.store.read(|view| view.head()).ok().flatten();
        head.map_or(self.enrolled.box_number(), |head| head.box_number)
    }

    /// What it may do.
    pub(crate) fn roles(&self) -> Roles {
        self.enrolled.config.roles
    }

    /// The zone behind this gate.
    pub(crate) fn zone(&self) -> u16 {
        self.enrolled.config.zone
    }

    /// Whether this gate pairs a wristband to each ticket.
    pub(crate) fn pairs(&self) -> bool {
        self.enrolled.config.pairs_bands
    }

    /// Key that opens the screens.
    pub(crate) fn screen_key(&self) -> &str {
        &self.enrolled.config.screen_key
    }

    /// Language of the place.
    pub(crate) fn lang(&self) -> Lang {
        Lang::from_tag(&self.enrolled.config.language).unwrap_or_default()
    }

    /// A name in the language of the place.
    pub(crate) fn in_its_language(&self, name: &domain::access::ProductName) -> String {
        match self.lang() {
            Lang::Fr => name.fr.clone(),
            Lang::En => name.en.clone(),
        }
    }

    /// Its private key.
    pub(crate) fn identity(&self) -> &SigningKey {
        &self.enrolled.identity
    }

    /// Symmetric keys of the bands, as they came with the enrolment; a bundle may bring later epochs'.
    pub(crate) fn secrets(&self) -> &BandSecrets {
        &self.enrolled.config.band
    }

    /// The key that signs credits: the box's own, where a certificate says so.
    pub(crate) fn credit_key(&self) -> Option<SigningKey> {
        self.enrolled.may(KeyPurpose::Credit).then(|| self.enrolled.identity.clone())
    }

    /// What the tap's state machine needs to know of this box.
    pub(crate) fn tap_context(&self) -> Arc<TapContext> {
        let loaded = self.bundle();
        let mut credit_keys = loaded.credit_keys.clone();
        if let Some(own) = self.credit_key() {
            let own = credit_key(own.verifying_key().to_bytes());
            if !credit_keys.contains(&own) {
                credit_keys.push(own);
            }
        }
        Arc::new(TapContext {
            festival: loaded.bundle.festival,
            currency: loaded.bundle.currency(),
            box_number: self.box_number(),
            secrets: loaded.band_keys.iter().cloned().fold(self.secrets().clone(), BandSecrets::with),
            retired_epochs: loaded.retired_epochs.clone(),
            credit_keys,
            maximum_balance: loaded.bundle.body.policy.maximum_balance,
            operator: self.operator(),
            own_device: self.device(),
        })
    }

    // --- knowledge ----------------------------------------------------------------------------------------------

    /// The bundle in use.
    pub(crate) fn bundle(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the till trains: entries are marked, and nothing moves.
    pub(crate) fn is_training(&self) -> bool {
        self.training.load(Ordering::Relaxed)
    }

    /// Begins or ends training.
    pub(crate) fn set_training(&self, on: bool) {
        self.training.store(on, Ordering::Relaxed);
        self.changed();
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`Self::go_by`].
    #[cfg(test)]
    pub(crate) fn set_rules(&self, rules: Rules) {
        self.go_by(rules);
    }

    /// From now on these rules are in force.
    pub(crate) fn go_by(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.changed();
    }

    /// A newer bundle is in use from now on (`loaded`).
    pub(crate) fn use_bundle(&self, loaded: Arc<Loaded>) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.read_rules();
        self.changed();
    }

    /// Held while a bundle is taken: they come from the hub and from files.
    pub(crate) fn taking(&self) -> MutexGuard<'_, ()> {
        lock(&self.taking)
    }

    /// Trusted time.
    pub(crate) fn trusted_time(&self) -> TrustedTime {
        self.clock.trusted(Instant::now())
    }

    /// Milliseconds since the start, by a clock that only runs forward.
    pub(crate) fn up_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Unix milliseconds of trusted time.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.unix_ms(Instant::now())
    }

    /// How old what this box knows of tickets is.
    pub(crate) fn ticket_knowledge(&self) -> TicketKnowledge {
        let issued_ms = self.bundle().bundle.body.issued.saturating_mul(1000);
        let heard_ms = self.told_all_ms().max(issued_ms);
        TicketKnowledge { now_ms: self.now_ms(), heard_ms }
    }

    /// The link to the hub.
    pub(crate) fn hub(&self) -> HubLink {
        *lock(&self.hub)
    }

    /// Whether this box decides alone at present.
    pub(crate) fn is_alone(&self) -> bool {
        !self.hub().connected
    }

    /// The link came or went.
    pub(crate) fn hub_is(&self, connected: bool) {
        let mut hub = lock(&self.hub);
        hub.connected = connected;
        if connected {
            hub.last_seen_unix_ms = Some(self.now_ms());
        }
        drop(hub);
        self.changed();
    }

    /// What the hub said is not held any more: the session asks for it again.
    pub(crate) fn hub_is_to_tell_again(&self) {
        self.is_forgotten.store(true, Ordering::Relaxed);
        self.changed();
    }

    /// Whether the session must ask again; said once.
    pub(crate) fn must_ask_again(&self) -> bool {
        self.is_forgotten.swap(false, Ordering::Relaxed)
    }

    /// The hub was heard.
    pub(crate) fn hub_heard(&self) {
        lock(&self.hub).last_seen_unix_ms = Some(self.now_ms());
    }

    /// The hub had told all that this box wants to know, so long ago. A frame of it, or a welcome, says nothing of the kind.
    pub(crate) fn hub_told_all(&self, ago_ms: u64) {
        self.told_all_ms.fetch_max(self.now_ms().saturating_sub(ago_ms), Ordering::Relaxed);
        BARRED.into_iter().for_each(|(_, code)| self.is_over(code));
    }

    /// When the hub had told all, Unix ms; 0 = not in this run.
    pub(crate) fn told_all_ms(&self) -> u64 {
        self.told_all_ms.load(Ordering::Relaxed)
    }

    /// The hub said no. A box to which it tells nothing more decides alone, and its screens say why.
    pub(crate) fn hub_refused(&self, code: u16) {
        if let Some((_, alert)) = BARRED.into_iter().find(|(barred, _)| barred.number() == code) {
            self.hub_is(false);
            self.alert(alert, Args::new());
        }
    }

    /// What this box believes, as a digest.
    pub(crate) fn agreement(&self) -> Result<Agreement, StoreError> {
        self.store.read(|view| {
            let (wallets, tickets) = (view.knowledge(Section::Wallets), view.knowledge(Section::Tickets));
            Agreement {
                term: wallets.map_or(0, |known| known.term),
                wallets: wallets.map_or(0, |known| known.number),
                tickets: tickets.map_or(0, |known| known.number),
                credits: view.knowledge(Section::Credits).map_or(0, |known| known.number),
                digest: domain::wire::hex(&view.digest()),
                unsent: view.unsent(),
            }
        })
    }

    // --- writing ------------------------------------------------------------------------------------------------

    /// As [`Store::transact`], with the green lights seen since written along.
    pub(crate) fn transact<R: Send + 'static>(
        &self,
        decide: impl FnOnce(&View<'_>) -> Decision<R> + Send + 'static,
    ) -> Result<Committed<R>, StoreError> {
        // on the list until they are on disk: in between nobody is asked about them
        let seen = self.seen_green();
        let written = seen.clone();
        self.store.set_wall_ms(self.now_ms());
        let committed = self.store.transact(move |view| decide(view).confirming(seen));
        if committed.is_ok() {
            lock(&self.seen_green).retain(|entry| !written.contains(entry));
        }
        self.disk_answered(committed.as_ref().err());
        self.changed();
        committed
    }

    /// What an earlier run of this box has put in its journal about a request.
    pub(crate) fn request_in_journal(&self, id: RequestId, purpose: &Purpose) -> Option<KnownRequest> {
        let (at, entry, since) = self
            .store
            .read(move |view| {
                let at = view.answer(&id)?;
                let entry = view.entry(at)?;
                let since = if entry.kind == Kind::INTENT { view.referring(at) } else { Vec::new() };
                Some((at, entry, since))
            })
            .ok()??;
        let mut answer = (at, entry);
        if answer.1.kind == Kind::INTENT {
            // another request of the same band may have settled it on its way
            let (intent, amount) = (at, answer.1.amount);
            let commits = |entry: &Entry| matches!(entry.effect, Effect::Debit | Effect::Credit | Effect::Repay);
            match since.into_iter().find(|(_, entry)| {
                commits(entry) || matches!(entry.kind, Kind::VOID | Kind::GAVE_UP | Kind::CLOSING_READ)
            }) {
                None => return Some(KnownRequest::InDoubt { intent, amount }),
                Some((_, entry)) if entry.kind == Kind::GAVE_UP => return Some(KnownRequest::GivenUp),
                Some((_, entry)) if entry.kind == Kind::VOID => return None,
                Some(commit) => answer = commit,
            }
        }
        let (at, entry) = answer;
        // what arrived with it and what is left on the band stand in no entry of this request
        let told = self.desk.answered_soon(&id).filter(|told| told.ok && told.entry == at.to_string());
        if let Some(told) = told {
            return Some(KnownRequest::Answered(told));
        }
        let gives = matches!(entry.effect, Effect::Credit | Effect::Owe);
        let charged = match purpose {
            Purpose::ClosingRead | Purpose::Pairing(_) | Purpose::Look(_) => 0,
            // a top-up, or a sale with more deposit back than goods
            Purpose::Sale(_) | Purpose::TopUp(_) | Purpose::Refund | Purpose::PayOut if gives => {
                0i64.saturating_sub(entry.amount.as_i64())
            }
            Purpose::Sale(_) | Purpose::TopUp(_) | Purpose::Refund | Purpose::PayOut => entry.amount.as_i64(),
        };
        Some(KnownRequest::Answered(TapResult {
            id: domain::wire::hex(&id),
            ok: true,
            charged_cents: charged,
            entry: at.to_string(),
            ..TapResult::default()
        }))
    }

    // --- lights and screens -------------------------------------------------------------------------------------

    /// The green light of this commit was shown; it is written along with the next transaction.
    pub(crate) fn green_seen(&self, entry: Option<EntryRef>) {
        lock(&self.seen_green).extend(entry);
    }

    /// Commits whose green light was shown in this run and is not written yet: nobody need be asked about them.
    pub(crate) fn seen_green(&self) -> Vec<EntryRef> {
        lock(&self.seen_green).clone()
    }

    /// Writes what is left of them, before the box stops.
    pub(crate) fn write_green_lights(&self) -> Result<(), StoreError> {
        if lock(&self.seen_green).is_empty() {
            return Ok(());
        }
        self.transact(|_| Decision::nothing(())).map(|_| ())
    }

    /// Lights the gate's post.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Err(error) = lock(&self.light).show(signal) {
            tracing::warn!(%error, "the gate's light did not show");
        }
    }

    /// These lamps show the signals from now on.
    pub(crate) fn use_light(&self, light: Box<dyn SignalLight>) {
        *lock(&self.light) = light;
    }

    /// Something that a screen shows has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_replace(self.change.fetch_add(1, Ordering::Relaxed));
    }

    /// Follows changes.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the box can take money and people now; else the reason code.
    pub(crate) fn readiness(&self) -> Result<(), &'static str> {
        self.store.degraded().map_or(Ok(()), |degraded| Err(degraded.code()))
    }

    // --- end ----------------------------------------------------------------------------------------------------

    /// Tells every part to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether the box is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns once the box is stopping.
    pub(crate) async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // the sender lives as long as `self`
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_as_it_prints() {
        let entry = EntryRef { device: DeviceId([0xab; 16]), epoch: 3, seq: 77 };
        assert_eq!(entry_ref(&entry.to_string()), Some(entry));
        for bad in ["", "ab/1/2", "zz/1/2", &format!("{entry}/1"), "abababababababababababababababab/1/-2"] {
            assert_eq!(entry_ref(bad), None, "{bad}");
        }
    }
}
