//! What the next wristband is for: at most one sale, top-up, refund, closing read or pairing waits for a tap.
//! Invariant: one request at a time; the same id with the same content is the same request, with other content an
//! error; an answer once given is given again.
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
};
use screens::view::{Phase, TapResult};
use tokio::sync::watch;

/// How long a repeated request waits for what its tap is about to tell, look by look.
const TOLD_LOOKS: u32 = 50;
const TOLD_LOOK: Duration = Duration::from_millis(2);
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
    /// Whose screen shows it.
    pub(crate) fn screen(&self) -> Screen {
        match self {
            Self::Sale(_) => Screen::Till,
            Self::TopUp(_) | Self::Refund | Self::ClosingRead | Self::PayOut => Screen::Desk,
            Self::Pairing(_) => Screen::Gate,
            Self::Look(screen) => *screen,
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
    answered: HashMap<RequestId, (Purpose, TapResult)>,
    order: VecDeque<RequestId>,
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
        self.ask_again(id, purpose, None, false)
    }

    /// The same for a request that an earlier run of this box has left in doubt with that intent, or that a supervisor
    /// stands by.
    pub(crate) fn ask_again(
        &self,
        id: RequestId,
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
        let screen = purpose.screen();
        desk.waiting = Some(Waiting { id, purpose, retry_of, supervised, since: Instant::now() });
        drop(desk);
        self.progress.send_replace(Progress { id, screen, phase: Phase::WaitingForBand, result: None });
        Ok(None)
    }

    /// What the band now in the field is for.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        self.lock().waiting.clone()
    }

    /// The tap has begun.
    pub(crate) fn writing(&self, id: RequestId) {
        self.show(id, Phase::Writing, None);
    }

    /// The tap left an intent in doubt: the same band must come again.
    pub(crate) fn tap_again(&self, id: RequestId, intent: Option<EntryRef>, phase: Phase, result: TapResult) {
        if let Some(waiting) = self.lock().waiting.as_mut().filter(|waiting| waiting.id == id) {
            waiting.retry_of = intent.or(waiting.retry_of);
        }
        self.show(id, phase, Some(result));
    }

    /// The intent that an earlier tap for this request left in doubt is settled: any band of the guest may come now.
    pub(crate) fn settled(&self, id: RequestId) {
        if let Some(waiting) = self.lock().waiting.as_mut().filter(|waiting| waiting.id == id) {
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
        if let Some(waiting) = desk.waiting.take_if(|waiting| waiting.id == id) {
            desk.answered.insert(id, (waiting.purpose, result.clone()));
            desk.order.push_back(id);
            if desk.order.len() > REMEMBERED
                && let Some(oldest) = desk.order.pop_front()
            {
                desk.answered.remove(&oldest);
            }
        }
        drop(desk);
        self.show(id, phase, Some(result));
    }

    /// Leaves the present request; what it left in doubt stays in doubt. Gives its id.
    pub(crate) fn cancel(&self) -> Option<RequestId> {
        let cancelled = self.lock().waiting.take()?;
        self.show(cancelled.id, Phase::Idle, None);
        Some(cancelled.id)
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
mod tests {
    use super::*;

    fn top_up(cents: u32) -> Purpose {
        Purpose::TopUp(TopUpOrder { amount: Cents::new(cents).unwrap(), fee: Cents::ZERO, means: Means::Cash })
    }

    fn done() -> TapResult {
        TapResult { ok: true, entry: "x".into(), ..TapResult::default() }
    }

    #[test]
    fn the_same_request_posted_twice_gets_the_same_answer_and_one_tap() {
        let desk = TapDesk::default();
        assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
        assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
        desk.answer([1; 16], Phase::Paid, done());
        assert_eq!(desk.waiting(), None);
        assert_eq!(desk.ask([1; 16], top_up(500)), Ok(Some(done())));
        assert_eq!(desk.waiting(), None);
    }

    #[test]
    fn the_same_id_with_other_content_is_an_error_and_another_request_is_told_to_wait() {
        let desk = TapDesk::default();
        assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
        assert_eq!(desk.ask([1; 16], top_up(600)), Err(NotTaken::OtherContent));
        assert_eq!(desk.ask([2; 16], top_up(500)), Err(NotTaken::Busy));
        desk.answer([1; 16], Phase::Paid, done());
        assert_eq!(desk.ask([1; 16], top_up(600)), Err(NotTaken::OtherContent));
    }

    #[test]
    fn a_sale_may_begin_while_a_gate_waits_for_a_band_to_pair() {
        let desk = TapDesk::default();
        assert_eq!(desk.ask([1; 16], Purpose::Pairing(ForTicket::of(TicketUid([7; 16])))), Ok(None));
        assert_eq!(desk.ask([2; 16], top_up(500)), Ok(None));
        assert_eq!(desk.waiting().unwrap().id, [2; 16]);
    }

    #[test]
    fn a_cancelled_request_leaves_the_desk_free() {
        let desk = TapDesk::default();
        assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
        assert_eq!(desk.cancel(), Some([1; 16]));
        assert_eq!(desk.cancel(), None);
        assert_eq!(desk.progress().phase, Phase::Idle);
    }

    #[test]
    fn nothing_is_given_up_while_a_band_is_being_served() {
        let desk = TapDesk::default();
        let tap = desk.begin_tap();
        assert!(desk.between_taps().is_none());
        drop(tap);
        assert!(desk.between_taps().is_some());
    }

    #[test]
    fn the_list_of_answers_is_bounded() {
        let desk = TapDesk::default();
        for n in 0..1000u16 {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&n.to_le_bytes());
            desk.ask(id, top_up(500)).unwrap();
            desk.answer(id, Phase::Paid, done());
        }
        assert_eq!(desk.lock().answered.len(), REMEMBERED);
    }
}
