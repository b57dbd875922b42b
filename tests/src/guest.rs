//! A guest: a ticket, a wristband, and what they saw with their own eyes.
//! Invariant: the witness is filled from lights and screens at the moment they show, never from a box's later words.
use domain::id::WalletId;

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
    /// Went out.
    Left,
    /// Paid online: the hub owes it.
    PaidOnline,
    /// Paid for what was not handed over: the festival owes it.
    Promised,
    /// What was owed came onto the band.
    Arrived,
    /// The band is lost: what was on it is owed instead.
    MovedOff,
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
    /// The account of the band that they wore then.
    pub wallet: WalletId,
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
    /// Bands that they have lost, this one perhaps among them.
    pub lost: Vec<Band>,
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
        Self {
            number,
            paper,
            band,
            lost: Vec::new(),
            lights: Vec::new(),
            refusals: Vec::new(),
            left_in_doubt: false,
            cups: 0,
        }
    }

    /// A green light.
    pub fn saw(&mut self, what: Seen, cents: i64, entry: Option<String>, place: &'static str) {
        let entry = entry.filter(|entry| !entry.is_empty());
        self.lights.push(Light { what, cents, entry, place, wallet: self.band.wallet() });
    }

    /// A refusal.
    pub fn was_refused(&mut self, code: &str) {
        self.refusals.push(code.to_owned());
    }

    /// Whether they are in.
    pub fn is_in(&self) -> bool {
        self.lights.iter().any(|light| light.what == Seen::Admitted)
    }

    /// Whether the band is gone.
    pub fn has_lost_band(&self) -> bool {
        self.lost.iter().any(|lost| lost.wallet() == self.band.wallet())
    }

    /// Whether they are in, with a purse of which nothing is in doubt or owed.
    pub fn has_sound_purse(&self) -> bool {
        let is_sound = !self.left_in_doubt && !self.has_lost_band() && self.is_owed_cents() == 0;
        is_sound && self.is_in() && self.band.has_purse()
    }

    /// What should be left on the band, by their own lights.
    pub fn expects_cents(&self) -> i64 {
        self.sum(|what| match what {
            Seen::ToppedUp | Seen::Arrived => 1,
            Seen::Paid | Seen::Refunded | Seen::MovedOff => -1,
            Seen::Admitted | Seen::Paired | Seen::Left | Seen::PaidOnline | Seen::Promised => 0,
        })
    }

    /// What they are owed beside it.
    pub fn is_owed_cents(&self) -> i64 {
        self.sum(|what| match what {
            Seen::PaidOnline | Seen::Promised | Seen::MovedOff => 1,
            Seen::Arrived => -1,
            Seen::Admitted | Seen::Paired | Seen::Left | Seen::ToppedUp | Seen::Paid | Seen::Refunded => 0,
        })
    }

    /// How often they came in less how often they went out.
    pub fn is_inside(&self) -> i64 {
        let count = |what| self.lights.iter().filter(|light| light.what == what).fold(0i64, |n, _| n.saturating_add(1));
        count(Seen::Admitted).saturating_sub(count(Seen::Left))
    }

    fn sum(&self, sign: impl Fn(Seen) -> i64) -> i64 {
        let signed = self.lights.iter().map(|light| sign(light.what).saturating_mul(light.cents));
        signed.fold(0, i64::saturating_add)
    }
}
