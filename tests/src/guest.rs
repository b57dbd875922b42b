//! A guest: a ticket, a wristband, and what they saw with their own eyes.
//! Invariant: the witness is filled from lights and screens at the moment they show, never from a box's later words.
use crate::{band::Band, ticket::Paper};

/// What a green light was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Came in.
    Admitted,
    /// The band belongs to the ticket.
    Paired,
    /// Cash put on the band.
    ToppedUp,
    /// Bought something.
    Paid,
    /// Got cash back.
    Refunded,
}

/// A green light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light {
    /// What for.
    pub what: Seen,
    /// How much, in cents.
    pub cents: i64,
    /// The entry as it was shown; a pairing shows none.
    pub entry: Option<String>,
    /// Where.
    pub place: &'static str,
}

/// One guest.
#[derive(Debug)]
pub struct Guest {
    /// For the log.
    pub number: usize,
    /// What they bought.
    pub paper: Paper,
    /// Their wristband.
    pub band: Band,
    /// Their green lights, in order.
    pub lights: Vec<Light>,
    /// Reason codes of every refusal they met.
    pub refusals: Vec<String>,
    /// A tap of theirs was left unfinished for good: their own count and the band's may differ.
    pub left_in_doubt: bool,
    /// Cups in their hands.
    pub cups: u32,
}

impl Guest {
    /// With nothing seen yet.
    pub fn new(number: usize, paper: Paper, band: Band) -> Self {
        Self { number, paper, band, lights: Vec::new(), refusals: Vec::new(), left_in_doubt: false, cups: 0 }
    }

    /// A green light.
    pub fn saw(&mut self, what: Seen, cents: i64, entry: Option<String>, place: &'static str) {
        self.lights.push(Light { what, cents, entry: entry.filter(|entry| !entry.is_empty()), place });
    }

    /// A refusal.
    pub fn was_refused(&mut self, code: &str) {
        self.refusals.push(code.to_owned());
    }

    /// Whether they are in.
    pub fn is_in(&self) -> bool {
        self.lights.iter().any(|light| light.what == Seen::Admitted)
    }

    /// What they should have left, by their own lights.
    pub fn expects_cents(&self) -> i64 {
        self.lights.iter().fold(0, |sum: i64, light| match light.what {
            Seen::ToppedUp => sum.saturating_add(light.cents),
            Seen::Paid | Seen::Refunded => sum.saturating_sub(light.cents),
            Seen::Admitted | Seen::Paired => sum,
        })
    }
}
