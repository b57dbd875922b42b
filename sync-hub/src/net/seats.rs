//! One session and one quota for each box.
//! Invariant: the newest session of a box that proved who it is has its seat; the one before it ends and spends nothing
//! more. What is left of a quota outlives the sessions.
//! Not here: who is a box (`sync::session::hub_side`), what ends with a session (`net`).
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::id::DeviceId;
use sync::session::Quota;
use tokio::sync::Notify;

#[derive(Debug)]
struct Seat {
    session: u64,
    quota: Quota,
    gone: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<DeviceId, Seat>,
    sessions: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

/// What a session holds of its seat.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    device: DeviceId,
    session: u64,
    gone: Arc<Notify>,
}

impl Ticket {
    /// Waits until a newer session has the seat.
    pub(super) async fn replaced(&self) {
        self.gone.notified().await;
    }
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the box's seat to a new session, with what is left of the quota; whoever had it is told.
    pub(super) fn take(&self, device: DeviceId) -> (Ticket, Quota) {
        let mut taken = self.lock();
        taken.sessions = taken.sessions.saturating_add(1);
        let (session, gone) = (taken.sessions, Arc::new(Notify::new()));
        let ticket = Ticket { device, session, gone: gone.clone() };
        let before = taken.seats.remove(&device);
        let quota = before.as_ref().map_or_else(Quota::default, |before| before.quota);
        taken.seats.insert(device, Seat { session, quota, gone });
        if let Some(before) = before {
            before.gone.notify_one();
        }
        (ticket, quota)
    }

    /// What is left of the quota; `false` where a newer session has the seat.
    pub(super) fn keep(&self, ticket: &Ticket, quota: Quota) -> bool {
        let mut taken = self.lock();
        let seat = taken.seats.get_mut(&ticket.device).filter(|seat| seat.session == ticket.session);
        seat.map(|seat| seat.quota = quota).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_session_has_the_seat_and_what_is_left_of_the_quota() {
        let (seats, one, other) = (Seats::default(), DeviceId([1; 16]), DeviceId([2; 16]));
        let (first, mut quota) = seats.take(one);
        assert!(quota.take(90_000, 1, 5_000) && seats.keep(&first, quota));
        let (second, left) = seats.take(one);
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), first.replaced());
        assert!(told.await.is_ok());
        let mut spent = left;
        assert!(!spent.take(20_000, 1, 5_000), "10,000 of 100,000 are left");
        assert!(!seats.keep(&first, Quota::default()), "it is not filled again by whoever was replaced");
        assert!(seats.keep(&second, left));
        let (_, mut others) = seats.take(other);
        assert!(others.take(90_000, 1, 5_000), "everybody has their own");
        assert_eq!(seats.take(one).1, left);
    }
}
