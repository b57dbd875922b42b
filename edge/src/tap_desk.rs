//! What the next wristband is for: at most one sale, top-up, refund, closing read or pairing waits for a tap.
//! Invariant: one request at a time; the same id with the same content is the same request, with other content an
//! error; an answer once given is given again. The screen names what became of a request that was left only once no tap
//! can pay it any more.
//! Not here: the tap itself (`tapping`), money rules (`domain::till`).
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use domain::{
    id::{EntryRef, TicketUid},
    journal::{Means, Terms},
    money::Cents,
    till::Priced,
    wire::hex,
};
use screens::view::{About, Args, Phase, TapResult};
use tokio::sync::watch;

/// How long a repeated request waits for what its tap is about to tell, look by look.
const TOLD_LOOKS: u32 = 50;
const TOLD_LOOK: Duration = Duration::from_millis(2);
/// Code of a request that may have been paid.
const IN_DOUBT: &str = "till.in_doubt";
/// Answers remembered for repeated requests; older ones are answered from the journal.
const REMEMBERED: usize = 512;

/// A ticket waits so long for its band: whoever walked on without one keeps nobody waiting.
const PAIRING_WAITS: Duration = Duration::from_secs(30);

/// Idempotency key, made by the screen before the tap.
pub(crate) type RequestId = [u8; 16];

/// Money onto a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopUpOrder {
    /// What is put on.
    pub amount: Cents,
    /// Kept beside it.
    pub fee: Cents,
    /// How the guest pays both.
    pub means: Means,
}

/// What a tap is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Goods.
    Sale(Priced),
    /// Money onto the band.
    TopUp(TopUpOrder),
    /// What is left, back in cash.
    Refund,
    /// A record of price 0 that settles what is in doubt.
    ClosingRead,
    /// The band is to stand for this ticket.
    Pairing(ForTicket),
    /// Only looked at, for that screen.
    Look(Screen),
    /// What is owed to its guest, in cash.
    PayOut,
}

/// The ticket that a band is to stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForTicket {
    /// Which.
    pub ticket: TicketUid,
    /// What it may do, where this box has read it.
    pub terms: Option<Terms>,
    /// The supervisor on whose word another band than the ticket's own is taken.
    pub replaced_by: Option<u32>,
}

impl ForTicket {
    /// A ticket of which nothing else is known.
    pub(crate) const fn of(ticket: TicketUid) -> Self {
        Self { ticket, terms: None, replaced_by: None }
    }
}

/// Whose screen a request belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Screen {
    /// Nobody's yet.
    #[default]
    None,
    /// The till's.
    Till,
    /// The top-up desk's.
    Desk,
    /// The gate's.
    Gate,
}

impl Purpose {
    /// Whose screen shows it, unless another one asks.
    pub(crate) fn screen(&self) -> Screen {
        match self {
            Self::Sale(_) => Screen::Till,
            Self::TopUp(_) | Self::Refund | Self::ClosingRead | Self::PayOut => Screen::Desk,
            Self::Pairing(_) => Screen::Gate,
            Self::Look(screen) => *screen,
        }
    }

    /// What its screen says it is about.
    pub(crate) fn about(&self) -> About {
        match self {
            Self::Sale(_) => About::Sale,
            Self::TopUp(_) => About::TopUp,
            Self::Refund | Self::PayOut => About::Refund,
            Self::ClosingRead | Self::Pairing(_) | Self::Look(_) => About::Other,
        }
    }

    /// How much was asked for, where that was said.
    pub(crate) fn amount(&self) -> Option<Cents> {
        match self {
            Self::Sale(priced) => Some(priced.amount),
            Self::TopUp(order) => Some(order.amount),
            Self::Refund | Self::ClosingRead | Self::Pairing(_) | Self::Look(_) | Self::PayOut => None,
        }
    }
}

/// A request that waits for its band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Idempotency key.
    pub id: RequestId,
    /// What for.
    pub purpose: Purpose,
    /// The intent left in doubt by an earlier tap for this very request.
    pub retry_of: Option<EntryRef>,
    /// A supervisor stands by: unfinished taps in a row do not stop it.
    pub supervised: bool,
    /// Since when.
    pub since: Instant,
}

/// Where the present request stands, for screens and for callers that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Of which request.
    pub id: RequestId,
    /// Whose screen shows it.
    pub screen: Screen,
    /// What it is about.
    pub about: About,
    /// How far it is.
    pub phase: Phase,
    /// Its outcome, once there is one.
    pub result: Option<TapResult>,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Another one waits for its band.
    Busy,
    /// The same id came with other content.
    OtherContent,
}

#[derive(Default)]
struct Desk {
    waiting: Option<Waiting>,
    /// Whose tap is under way.
    served: Option<RequestId>,
    /// What was left last, where it had an intent in doubt that nothing has settled since.
    left_in_doubt: Option<RequestId>,
    answered: HashMap<RequestId, (Purpose, TapResult)>,
    order: VecDeque<RequestId>,
}

impl Desk {
    /// What the screen is told of a tap that did not pay: a request that was left in doubt while it went on is in doubt still,
    /// whatever else that tap met.
    fn unpaid(&self, id: RequestId, phase: Phase, result: TapResult) -> (Phase, TapResult) {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.id == id) || self.left_in_doubt != Some(id) {
            return (phase, result);
        }
        (Phase::Idle, TapResult { code: Some(IN_DOUBT.into()), args: Args::new(), ..result })
    }
}

/// The desk of one reader.
pub(crate) struct TapDesk {
    desk: Mutex<Desk>,
    tapping: Mutex<()>,
    progress: watch::Sender<Progress>,
}

impl Default for TapDesk {
    fn default() -> Self {
        Self { desk: Mutex::default(), tapping: Mutex::default(), progress: watch::channel(Progress::default()).0 }
    }
}

impl TapDesk {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A band is being served until the guard is dropped.
    pub(crate) fn begin_tap(&self) -> MutexGuard<'_, ()> {
        self.tapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps bands waiting until the guard is dropped; `None` while one is being served: what is given up now, that
    /// tap might still write.
    pub(crate) fn between_taps(&self) -> Option<MutexGuard<'_, ()>> {
        match self.tapping.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes a request. `Ok(Some(result))`: it was answered before, and this was the answer.
    pub(crate) fn ask(&self, id: RequestId, purpose: Purpose) -> Result<Option<TapResult>, NotTaken> {
        self.ask_again(id, purpose.screen(), purpose, None, false)
    }

    /// The same for this screen, for a request that an earlier run of this box has left in doubt with that intent, or that
    /// a supervisor stands by.
    pub(crate) fn ask_again(
        &self,
        id: RequestId,
        screen: Screen,
        purpose: Purpose,
        retry_of: Option<EntryRef>,
        supervised: bool,
    ) -> Result<Option<TapResult>, NotTaken> {
        let mut desk = self.lock();
        if let Some((asked, result)) = desk.answered.get(&id) {
            return if *asked == purpose { Ok(Some(result.clone())) } else { Err(NotTaken::OtherContent) };
        }
        match &desk.waiting {
            Some(waiting) if waiting.id == id && waiting.purpose == purpose => return Ok(None),
            Some(waiting) if waiting.id == id => return Err(NotTaken::OtherContent),
            Some(Waiting { purpose: Purpose::Pairing(_), .. }) | None => {}
            Some(_) => return Err(NotTaken::Busy),
        }
        // its request may be left, its tap goes on: what comes of it must be seen; a gate's next ticket waits for nothing
        let is_pairing = matches!(purpose, Purpose::Pairing(_));
        if !is_pairing && desk.served.is_some() && self.between_taps().is_none() {
            return Err(NotTaken::Busy);
        }
        let about = purpose.about();
        desk.waiting = Some(Waiting { id, purpose, retry_of, supervised, since: Instant::now() });
        drop(desk);
        self.progress.send_replace(Progress { id, screen, about, phase: Phase::WaitingForBand, result: None });
        Ok(None)
    }

    /// What the band now in the field is for.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        self.lock().waiting.clone()
    }

    /// The tap has begun.
    pub(crate) fn writing(&self, id: RequestId) {
        self.lock().served = Some(id);
        self.show(id, Phase::Writing, None);
    }

    /// The tap left an intent in doubt: the same band must come again, unless the request was left meanwhile.
    pub(crate) fn tap_again(&self, id: RequestId, intent: Option<EntryRef>, phase: Phase, result: TapResult) {
        let mut desk = self.lock();
        desk.served = None;
        let waiting = desk.waiting.as_mut().filter(|waiting| waiting.id == id);
        let phase = if waiting.is_some() { phase } else { Phase::Idle };
        if let Some(waiting) = waiting {
            waiting.retry_of = intent.or(waiting.retry_of);
        }
        let (phase, result) = desk.unpaid(id, phase, result);
        self.show(id, phase, Some(result));
    }

    /// The intent that an earlier tap for this request left in doubt is settled: any band of the guest may come now.
    pub(crate) fn settled(&self, id: RequestId) {
        let mut desk = self.lock();
        desk.left_in_doubt.take_if(|left| *left == id);
        if let Some(waiting) = desk.waiting.as_mut().filter(|waiting| waiting.id == id) {
            waiting.retry_of = None;
        }
    }

    /// What was answered to a request of this run, with all that its screen was told. Its tap may be on disk and about to
    /// be told of: a moment's wait, on a thread that may block.
    pub(crate) fn answered_soon(&self, id: &RequestId) -> Option<TapResult> {
        for _ in 0..TOLD_LOOKS {
            let desk = self.lock();
            let told = desk.answered.get(id).map(|(_, result)| result.clone());
            if told.is_some() || desk.waiting.as_ref().is_none_or(|waiting| waiting.id != *id) {
                return told;
            }
            drop(desk);
            std::thread::sleep(TOLD_LOOK);
        }
        None
    }

    /// The request is over.
    pub(crate) fn answer(&self, id: RequestId, phase: Phase, result: TapResult) {
        let mut desk = self.lock();
        desk.served = None;
        let (phase, result) = if result.ok { (phase, result) } else { desk.unpaid(id, phase, result) };
        if let Some(waiting) = desk.waiting.take_if(|waiting| waiting.id == id) {
            desk.answered.insert(id, (waiting.purpose, result.clone()));
            desk.order.push_back(id);
            if desk.order.len() > REMEMBERED
                && let Some(oldest) = desk.order.pop_front()
            {
                desk.answered.remove(&oldest);
            }
        }
        self.show(id, phase, Some(result));
    }

    /// Leaves the present request; what it left in doubt stays in doubt. Gives its id.
    pub(crate) fn cancel(&self) -> Option<RequestId> {
        let between_taps = self.between_taps();
        self.leave(between_taps.is_some())
    }

    /// The same for who keeps bands waiting meanwhile.
    pub(crate) fn cancel_between(&self, _taps: &MutexGuard<'_, ()>) -> Option<RequestId> {
        self.leave(true)
    }

    fn leave(&self, is_between_taps: bool) -> Option<RequestId> {
        let mut desk = self.lock();
        let Some(Waiting { id, retry_of, .. }) = desk.waiting.take() else {
            drop(desk);
            self.leave_what_is_shown();
            return None;
        };
        // a tap of it may still be under way
        desk.left_in_doubt = retry_of.map(|_| id);
        let code = match retry_of {
            Some(_) => Some(IN_DOUBT),
            None => is_between_taps.then_some("till.cancelled"),
        };
        let left = |code: &str| TapResult { id: hex(&id), code: Some(code.into()), ..TapResult::default() };
        // before the desk is let go: what its tap tells comes after this
        self.show(id, Phase::Idle, code.map(left));
        Some(id)
    }

    /// Nothing waits: nor does the screen, whatever a tap has told it since.
    fn leave_what_is_shown(&self) {
        self.progress.send_modify(|progress| {
            if !matches!(progress.phase, Phase::Paid | Phase::Refused) {
                progress.phase = Phase::Idle;
            }
        });
    }

    fn show(&self, id: RequestId, phase: Phase, result: Option<TapResult>) {
        self.progress.send_modify(|progress| {
            if progress.id == id {
                (progress.phase, progress.result) = (phase, result);
            }
        });
    }

    /// A gate waits for one band at a time: the ticket before no longer does.
    pub(crate) fn cancel_pairing(&self) {
        self.lock().waiting.take_if(|waiting| matches!(waiting.purpose, Purpose::Pairing(_)));
    }

    /// The same for a ticket that has waited too long at `now`. Whether one had.
    pub(crate) fn end_pairing(&self, now: Instant) -> bool {
        let is_over = |waiting: &mut Waiting| {
            let waited = now.saturating_duration_since(waiting.since);
            matches!(waiting.purpose, Purpose::Pairing(_)) && waited >= PAIRING_WAITS
        };
        self.lock().waiting.take_if(is_over).is_some()
    }

    /// Where the present request stands.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Follows it.
    pub(crate) fn follow(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

#[cfg(test)]
mod tests;
