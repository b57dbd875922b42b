//! Why somebody may not enter: one reason each, with a code of its own and what its text needs.
//! Invariant: a code never changes its meaning.
//! Not here: the texts (`screens`).
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use thiserror::Error;

use super::FirstUse;
use crate::bundle::Bundle;

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
    /// A voucher for goods.
    #[error("this is a voucher for goods")]
    Voucher,
    /// The gate's journal was closed for the event.
    #[error("the journal of this gate is closed")]
    JournalClosed,
    /// Not in this zone.
    #[error("the ticket does not open zone {0}")]
    ZoneNotAllowed(u16),
    /// Its category may enter here later.
    #[error("zone {zone} opens for this ticket at {from}")]
    ZoneNotYetOpen {
        /// Which zone.
        zone: u16,
        /// Unix seconds.
        from: u64,
    },
    /// Its category may no longer enter here.
    #[error("zone {zone} closed for this ticket at {until}")]
    ZoneClosed {
        /// Which zone.
        zone: u16,
        /// Unix seconds.
        until: u64,
    },
    /// Used before; where and when, as far as it is known here.
    #[error("the ticket was used before")]
    AlreadyUsed(Option<FirstUse>),
    /// Inside already, and nobody saw it leave.
    #[error("the ticket is inside already")]
    AlreadyInside(Option<FirstUse>),
    /// As many people inside as may be.
    #[error("zone {zone} is full: {capacity} people")]
    ZoneFull {
        /// Which zone.
        zone: u16,
        /// How many may be inside.
        capacity: u32,
    },
    /// This gate has used its share of the places.
    #[error("this gate has used its share of zone {zone}; {left} places may be left elsewhere")]
    ZoneFullHere {
        /// Which zone.
        zone: u16,
        /// Places that other gates may still have.
        left: u32,
    },
    /// This gate was never dealt a share of the places, and cannot ask for one now.
    #[error("this gate has no share of zone {0}")]
    ZoneNoShare(u16),
    /// Another gate of the group has claimed it at this moment.
    #[error("another gate is deciding on this ticket")]
    ClaimedElsewhere,
    /// The band is blocked.
    #[error("the wristband is blocked")]
    BandBlocked,
    /// No ticket is known for this band.
    #[error("no ticket is known for this wristband")]
    BandNoTicket,
    /// Somebody without anything to show.
    #[error("there is no ticket")]
    NoTicket,
    /// A staff badge of somebody who does not work here at present.
    #[error("this badge is not active")]
    StaffInactive,
    /// A staff badge that does not open this zone.
    #[error("this badge does not open zone {0}")]
    StaffZoneNotAllowed(u16),
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
            Self::Voucher => "ticket.is_a_voucher",
            Self::JournalClosed => "gate.journal_closed",
            Self::ZoneNotAllowed(_) => "ticket.zone_not_allowed",
            Self::ZoneNotYetOpen { .. } => "zone.not_yet_open",
            Self::ZoneClosed { .. } => "zone.closed",
            Self::AlreadyUsed(_) => "ticket.already_used",
            Self::AlreadyInside(_) => "ticket.already_inside",
            Self::ZoneFull { .. } => "zone.full",
            Self::ZoneFullHere { .. } => "zone.full_here",
            Self::ZoneNoShare(_) => "zone.no_share",
            Self::ClaimedElsewhere => "gate.claimed_elsewhere",
            Self::BandBlocked => "band.blocked",
            Self::BandNoTicket => "band.no_ticket",
            Self::NoTicket => "ticket.missing",
            Self::StaffInactive => "staff.inactive",
            Self::StaffZoneNotAllowed(_) => "staff.zone_not_allowed",
        }
    }

    /// What goes into the code's text: name and value (times as unix milliseconds, places by name).
    pub fn arguments(&self, bundle: &Bundle) -> Vec<(&'static str, String)> {
        let ms = |s: u64| s.saturating_mul(1000).to_string();
        match self {
            Self::NotYetValid(time) | Self::Expired(time) => Vec::from([("time", ms(*time))]),
            Self::StaleKnowledge(seconds) => Vec::from([("age", (seconds / 60).to_string())]),
            Self::TimeUncertain(seconds) => Vec::from([("seconds", seconds.to_string())]),
            Self::ZoneNotAllowed(zone) | Self::ZoneNoShare(zone) | Self::StaffZoneNotAllowed(zone) => {
                Vec::from([("number", zone.to_string())])
            }
            Self::ZoneNotYetOpen { zone, from: time } | Self::ZoneClosed { zone, until: time } => {
                Vec::from([("number", zone.to_string()), ("time", ms(*time))])
            }
            Self::ZoneFull { zone, capacity } => {
                Vec::from([("number", zone.to_string()), ("count", capacity.to_string())])
            }
            Self::ZoneFullHere { zone, left } => Vec::from([("number", zone.to_string()), ("count", left.to_string())]),
            Self::AlreadyUsed(seen) | Self::AlreadyInside(seen) => seen.map_or_else(Vec::new, |seen| {
                Vec::from([("place", bundle.place(seen.box_number)), ("time", seen.at.unix_ms().to_string())])
            }),
            Self::Revoked
            | Self::Blocked
            | Self::NewerSoftware
            | Self::Disputed
            | Self::ClaimedElsewhere
            | Self::KeyNotYetValid(_)
            | Self::KeyExpired(_)
            | Self::ProductNotAllowed
            | Self::Voucher
            | Self::JournalClosed
            | Self::BandBlocked
            | Self::BandNoTicket
            | Self::NoTicket
            | Self::StaffInactive => Vec::new(),
        }
    }

    /// Where and when the ticket was seen before, if that is why.
    pub fn seen_before(&self) -> Option<FirstUse> {
        if let Self::AlreadyUsed(seen) | Self::AlreadyInside(seen) = self { *seen } else { None }
    }
}
