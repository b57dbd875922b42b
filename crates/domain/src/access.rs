//! May this ticket enter here, now? The checks in their order, each with a reason of its own.
//! Invariant: a refusal names one reason; what was refused moves nothing.
//! Not here: reading and signatures (`ticket`), recording (`journal`).
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use thiserror::Error;

mod knowledge;

pub use knowledge::{FromBundle, barred, check_age, check_key, is_too_uncertain};

use crate::{
    bundle::{Bundle, Policy},
    id::BoxNumber,
    ticket::{Product, Ticket},
    time::{Hlc, TrustedTime},
};

/// What a gate knows of a ticket, from the hub's state and its own entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KnownTicket {
    /// Revoked: reissued, cancelled or refunded.
    pub revoked: bool,
    /// Blocked for the time being.
    pub blocked: bool,
    /// On disputed ground: a supervisor decides.
    pub disputed: bool,
    /// Touched by an entry that this software cannot read.
    pub frozen: bool,
    /// Its first admission.
    pub first_use: Option<FirstUse>,
}

/// Where and when a ticket was used first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstUse {
    /// Which box.
    pub box_number: BoxNumber,
    /// When, for display.
    pub at: Hlc,
}

/// A yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admit {
    /// What was bought, for the screen.
    pub product: ProductName,
    /// Whether the validity window could not be checked, and the policy admits all the same.
    pub time_uncertain: bool,
}

/// Name of what was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// A no, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GateRefusal {
    /// Revoked.
    #[error("the ticket was revoked")]
    Revoked,
    /// Blocked.
    #[error("the ticket is blocked")]
    Blocked,
    /// Frozen.
    #[error("newer software is needed to judge this ticket")]
    NewerSoftware,
    /// Disputed.
    #[error("the ticket's admissions are disputed")]
    Disputed,
    /// Too early.
    #[error("the ticket is valid from {0}")]
    NotYetValid(u64),
    /// Too late.
    #[error("the ticket was valid until {0}")]
    Expired(u64),
    /// The clock is too uncertain for its window.
    #[error("the clock may be off by {0} seconds, too much for this ticket's window")]
    TimeUncertain(u32),
    /// Signed with a key that is not in force yet.
    #[error("the ticket's key is in force from {0}")]
    KeyNotYetValid(u64),
    /// Signed with a key that is no longer in force.
    #[error("the ticket's key was in force until {0}")]
    KeyExpired(u64),
    /// What is known of tickets is too old.
    #[error("what is known of tickets is {0} seconds old")]
    StaleKnowledge(u64),
    /// Not a product that opens gates.
    #[error("this product does not open a gate")]
    ProductNotAllowed,
    /// Not in this zone.
    #[error("the ticket does not open zone {0}")]
    ZoneNotAllowed(u16),
    /// Used before.
    #[error("the ticket was used before")]
    AlreadyUsed(FirstUse),
}

impl GateRefusal {
    /// Stable code, as on screens and in the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Revoked => "ticket.revoked",
            Self::Blocked => "ticket.blocked",
            Self::NewerSoftware => "ticket.newer_software",
            Self::Disputed => "ticket.disputed",
            Self::NotYetValid(_) => "ticket.not_yet_valid",
            Self::Expired(_) => "ticket.expired",
            Self::TimeUncertain(_) => "gate.time_uncertain",
            Self::KeyNotYetValid(_) => "ticket.key_not_yet_valid",
            Self::KeyExpired(_) => "ticket.key_expired",
            Self::StaleKnowledge(_) => "gate.stale_knowledge",
            Self::ProductNotAllowed => "ticket.product_not_allowed",
            Self::ZoneNotAllowed(_) => "ticket.zone_not_allowed",
            Self::AlreadyUsed(_) => "ticket.already_used",
        }
    }

    /// What goes into the code's text: name and value (times as unix milliseconds, places by name).
    pub fn arguments(&self, bundle: &Bundle) -> Vec<(&'static str, String)> {
        let ms = |s: u64| s.saturating_mul(1000).to_string();
        match self {
            Self::NotYetValid(time) | Self::Expired(time) => Vec::from([("time", ms(*time))]),
            Self::StaleKnowledge(seconds) => Vec::from([("age", (seconds / 60).to_string())]),
            Self::TimeUncertain(seconds) => Vec::from([("seconds", seconds.to_string())]),
            Self::ZoneNotAllowed(zone) => Vec::from([("zone", zone.to_string())]),
            Self::AlreadyUsed(first) => {
                Vec::from([("place", bundle.place(first.box_number)), ("time", first.at.unix_ms().to_string())])
            }
            Self::Revoked
            | Self::Blocked
            | Self::NewerSoftware
            | Self::Disputed
            | Self::KeyNotYetValid(_)
            | Self::KeyExpired(_)
            | Self::ProductNotAllowed => Vec::new(),
        }
    }
}

/// Judges a ticket whose signature holds, at a gate of `zone` (0 to 31; 0 is the site).
/// Order: revoked, blocked, frozen or disputed, window, product and zone, used.
pub fn admit(
    ticket: &Ticket,
    known: &KnownTicket,
    bundle: &Bundle,
    zone: u16,
    now: TrustedTime,
) -> Result<Admit, GateRefusal> {
    if known.revoked {
        return Err(GateRefusal::Revoked);
    }
    if known.blocked {
        return Err(GateRefusal::Blocked);
    }
    if known.frozen {
        return Err(GateRefusal::NewerSoftware);
    }
    if known.disputed {
        return Err(GateRefusal::Disputed);
    }
    let time_uncertain = check_window(ticket, &bundle.body.policy, now)?;
    let product = check_product(ticket, bundle, zone)?;
    match known.first_use {
        Some(first) => Err(GateRefusal::AlreadyUsed(first)),
        None => Ok(Admit { product, time_uncertain }),
    }
}

/// Whether the window could not be checked. A window that even the clock's uncertainty cannot save is a plain no.
fn check_window(ticket: &Ticket, policy: &Policy, now: TrustedTime) -> Result<bool, GateRefusal> {
    if ticket.valid_from.is_none() && ticket.valid_until.is_none() {
        return Ok(false);
    }
    if is_too_uncertain(policy, now) {
        return if policy.admit_when_time_uncertain {
            Ok(true)
        } else {
            Err(GateRefusal::TimeUncertain(now.uncertainty_s))
        };
    }
    if let Some(from) = ticket.valid_from.filter(|from| now.unix_s < *from) {
        return Err(GateRefusal::NotYetValid(from));
    }
    if let Some(until) = ticket.valid_until.filter(|until| now.unix_s > *until) {
        return Err(GateRefusal::Expired(until));
    }
    Ok(false)
}

fn check_product(ticket: &Ticket, bundle: &Bundle, zone: u16) -> Result<ProductName, GateRefusal> {
    let (name, opened) = match &ticket.product {
        Product::Category(number) => {
            let category = bundle.category(*number).ok_or(GateRefusal::ProductNotAllowed)?;
            let name = ProductName { fr: category.name_fr.clone(), en: category.name_en.clone() };
            (name, ticket.zones.unwrap_or(category.zones) & category.zones)
        }
        Product::Pretix { event, item, .. } => {
            let product = bundle.pretix_product(*event, *item).ok_or(GateRefusal::ProductNotAllowed)?;
            (ProductName { fr: product.name.clone(), en: product.name.clone() }, product.zones)
        }
    };
    if opened == 0 {
        return Err(GateRefusal::ProductNotAllowed);
    }
    let bit = 1u32.checked_shl(u32::from(zone)).unwrap_or(0);
    if opened & bit == 0 { Err(GateRefusal::ZoneNotAllowed(zone)) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bundle::tests::bundle, id::TicketUid, ticket::Scheme, time::TimeSource};

    fn ticket() -> Ticket {
        Ticket {
            scheme: Scheme::Own,
            uid: TicketUid([1; 16]),
            display_id: "1".into(),
            product: Product::Category(1),
            valid_from: None,
            valid_until: None,
            zones: Some(1),
            holder_check: None,
        }
    }

    fn at(unix_s: u64) -> TrustedTime {
        TrustedTime { unix_s, uncertainty_s: 2, source: TimeSource::Hub }
    }

    fn verdict(ticket: &Ticket, known: &KnownTicket, now: TrustedTime) -> Result<Admit, GateRefusal> {
        admit(ticket, known, &bundle(), 0, now)
    }

    #[test]
    fn a_good_ticket_enters_once_and_its_repeat_names_the_first_place_and_time() {
        let name = ProductName { fr: "Festival entier".into(), en: "Full festival".into() };
        assert_eq!(
            verdict(&ticket(), &KnownTicket::default(), at(10)),
            Ok(Admit { product: name, time_uncertain: false })
        );
        let first = FirstUse { box_number: BoxNumber(4), at: Hlc(5 << 16) };
        let used = KnownTicket { first_use: Some(first), ..KnownTicket::default() };
        let refusal = verdict(&ticket(), &used, at(10)).unwrap_err();
        assert_eq!(refusal, GateRefusal::AlreadyUsed(first));
        assert_eq!(refusal.arguments(&bundle()), [("place", "#4".to_string()), ("time", "5".to_string())]);
    }

    #[test]
    fn a_revoked_ticket_says_so_even_when_it_was_used() {
        let first_use = Some(FirstUse { box_number: BoxNumber(4), at: Hlc(5) });
        let known = KnownTicket { revoked: true, first_use, ..KnownTicket::default() };
        assert_eq!(verdict(&ticket(), &known, at(10)), Err(GateRefusal::Revoked));
        let known = KnownTicket { blocked: true, ..KnownTicket::default() };
        assert_eq!(verdict(&ticket(), &known, at(10)), Err(GateRefusal::Blocked));
        let known = KnownTicket { frozen: true, ..KnownTicket::default() };
        assert_eq!(verdict(&ticket(), &known, at(10)), Err(GateRefusal::NewerSoftware));
        let known = KnownTicket { disputed: true, ..KnownTicket::default() };
        assert_eq!(verdict(&ticket(), &known, at(10)), Err(GateRefusal::Disputed));
    }

    #[test]
    fn a_window_holds_to_the_second() {
        let ticket = Ticket { valid_from: Some(100), valid_until: Some(200), ..ticket() };
        let known = KnownTicket::default();
        assert_eq!(verdict(&ticket, &known, at(99)), Err(GateRefusal::NotYetValid(100)));
        assert!(verdict(&ticket, &known, at(100)).is_ok());
        assert!(verdict(&ticket, &known, at(200)).is_ok());
        assert_eq!(verdict(&ticket, &known, at(201)), Err(GateRefusal::Expired(200)));
    }

    #[test]
    fn an_uncertain_clock_asks_a_supervisor_or_marks_as_the_festival_decided() {
        let ticket = Ticket { valid_until: Some(200), ..ticket() };
        let now = TrustedTime { unix_s: 100, uncertainty_s: 301, source: TimeSource::OwnEntry };
        let known = KnownTicket::default();
        assert_eq!(verdict(&ticket, &known, now), Err(GateRefusal::TimeUncertain(301)));
        let mut lenient = bundle();
        lenient.body.policy.admit_when_time_uncertain = true;
        assert!(admit(&ticket, &known, &lenient, 0, now).unwrap().time_uncertain);
    }

    #[test]
    fn a_ticket_opens_only_the_zones_of_its_category() {
        let known = KnownTicket::default();
        assert_eq!(admit(&ticket(), &known, &bundle(), 3, at(1)), Err(GateRefusal::ZoneNotAllowed(3)));
        let wider = Ticket { zones: Some(0b1001), ..ticket() };
        assert_eq!(admit(&wider, &known, &bundle(), 3, at(1)), Err(GateRefusal::ZoneNotAllowed(3)));
        assert_eq!(admit(&ticket(), &known, &bundle(), 99, at(1)), Err(GateRefusal::ZoneNotAllowed(99)));
    }

    #[test]
    fn a_product_that_was_not_imported_or_is_an_add_on_opens_nothing() {
        let known = KnownTicket::default();
        for item in [4, 5] {
            let product = Product::Pretix { event: 1, item, variation: 0, subevent: 0 };
            let ticket = Ticket { product, scheme: Scheme::PretixSig1, ..ticket() };
            assert_eq!(verdict(&ticket, &known, at(1)), Err(GateRefusal::ProductNotAllowed));
        }
    }
}
