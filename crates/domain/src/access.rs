//! May this ticket, or this badge, pass here, now? The checks in their order, each with a reason of its own.
//! Invariant: a refusal names one reason; what was refused moves nothing; an exit is never refused.
//! Not here: reading and signatures (`ticket`), recording (`journal`), presence (`ledger`).
mod badge;
mod knowledge;
mod refusal;
mod share;
mod window;

use alloc::string::String;

pub use badge::{BADGE_SCHEME, uid_of_badge};
pub use knowledge::{FromBundle, barred, check_age, check_key, is_too_uncertain};
pub use refusal::GateRefusal;
pub use share::{Deal, Holder, Places, Share, deal};

use crate::{
    bundle::Bundle,
    id::BoxNumber,
    journal::{Effect, Marks},
    ledger::{TicketFlags, TicketState, zone_bit},
    staff::Member,
    ticket::{Product, Ticket},
    time::{Hlc, TrustedTime},
    zones::{PassageMode, ZoneRules},
};

/// What a gate knows of a ticket in its zone, from the hub's state and its own entries.
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
    /// Whether it was ever admitted to this zone.
    pub used: bool,
    /// Whether it is inside this zone.
    pub inside: bool,
    /// Its first admission to this zone, where that is known.
    pub first: Option<FirstUse>,
    /// Its last admission to this zone, where that is known.
    pub last: Option<FirstUse>,
}

/// Where and when a ticket was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstUse {
    /// Which box.
    pub box_number: BoxNumber,
    /// When, for display.
    pub at: Hlc,
}

impl KnownTicket {
    /// What a state says of one zone. It keeps the ticket's first and last admission anywhere: of a third zone it knows
    /// that, but not where and when.
    pub fn of(state: &TicketState, zone: u16) -> Self {
        let first = FirstUse { box_number: state.first_box, at: state.first_use };
        let last = FirstUse { box_number: state.last_box, at: state.last_use };
        let first_here = Some(first).filter(|_| state.uses > 0 && state.first_zone == zone);
        let last_here = Some(last).filter(|_| state.uses > 0 && state.last_zone == zone);
        Self {
            revoked: state.flags.has(TicketFlags::REVOKED),
            blocked: state.flags.has(TicketFlags::BLOCKED),
            disputed: state.flags.has(TicketFlags::DISPUTED),
            frozen: state.flags.has(TicketFlags::FROZEN),
            used: state.was_in(zone),
            inside: state.is_inside(zone),
            first: first_here.or(last_here),
            last: last_here.or(first_here),
        }
    }
}

/// Name of what was bought, or of whose badge it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProductName {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// Which way somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// In.
    In,
    /// Out.
    Out,
}

/// Which ways a gate is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Ways {
    /// In only.
    #[default]
    In,
    /// Out only.
    Out,
    /// Both: who is known to be inside goes out.
    Both,
}

impl Ways {
    /// Which way this ticket goes.
    pub fn direction(self, known: &KnownTicket) -> Direction {
        match self {
            Self::In => Direction::In,
            Self::Out => Direction::Out,
            Self::Both if known.inside => Direction::Out,
            Self::Both => Direction::In,
        }
    }
}

/// Who stands at the gate.
#[derive(Clone, Copy, Debug)]
pub enum Person<'a> {
    /// With a ticket whose signature holds, or the band that stands for it.
    Ticket(&'a Ticket),
    /// With a staff badge.
    Staff(&'a Member),
}

/// A gate, and what holds there now.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// Products, policy, names.
    pub bundle: &'a Bundle,
    /// Rules of the zones.
    pub zones: &'a ZoneRules,
    /// The zone behind it, 0 to 31; 0 is the site. Zones are independent of each other.
    pub zone: u16,
    /// Trusted time.
    pub now: TrustedTime,
    /// Age in seconds of what is known of tickets.
    pub age_s: u64,
    /// What is known of the zone's places; `None` where it has no bound.
    pub places: Option<Places>,
}

/// A yes, and what to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What was bought, for the screen.
    pub product: ProductName,
    /// In or out.
    pub direction: Direction,
    /// How it came about.
    pub marks: Marks,
}

impl Direction {
    /// What a passage moves.
    pub fn effect(self) -> Effect {
        match self {
            Self::In => Effect::In,
            Self::Out => Effect::Out,
        }
    }
}

impl Gate<'_> {
    /// How often one may come into this zone.
    pub fn mode(&self) -> PassageMode {
        self.zones.zone(self.zone).map(|zone| zone.mode).unwrap_or_default()
    }

    /// Judges somebody. Order: revoked, blocked, frozen or disputed, window, product and zone, used, capacity, and
    /// last whether what is known is too old: what is known to be wrong is the better reason.
    pub fn judge(&self, person: Person<'_>, known: &KnownTicket, direction: Direction) -> Result<Passage, GateRefusal> {
        match direction {
            Direction::In => self.enter(person, known),
            Direction::Out => Ok(self.leave(person, known)),
        }
    }

    /// Nobody is kept inside: whoever is not known to be there is counted out and marked.
    fn leave(&self, person: Person<'_>, known: &KnownTicket) -> Passage {
        let product = match person {
            Person::Ticket(ticket) => name_of(ticket, self.bundle).map(|(name, _)| name).unwrap_or_default(),
            Person::Staff(member) => ProductName { fr: member.name.clone(), en: member.name.clone() },
        };
        let marks = Marks::default().with_if(Marks::NOT_INSIDE, !known.inside);
        Passage { product, direction: Direction::Out, marks }
    }

    fn enter(&self, person: Person<'_>, known: &KnownTicket) -> Result<Passage, GateRefusal> {
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
        let (product, uncertain, mode) = match person {
            Person::Ticket(ticket) => {
                let (product, uncertain) = self.check_ticket(ticket)?;
                (product, uncertain, self.mode())
            }
            // who works here comes and goes, once in without out like everybody
            Person::Staff(member) => match self.mode() {
                PassageMode::Free => (badge::check(member, self.zone)?, false, PassageMode::Free),
                PassageMode::Once | PassageMode::ReEntry => {
                    (badge::check(member, self.zone)?, false, PassageMode::ReEntry)
                }
            },
        };
        match mode {
            PassageMode::Once if known.used => return Err(GateRefusal::AlreadyUsed(known.first)),
            PassageMode::ReEntry if known.inside => return Err(GateRefusal::AlreadyInside(known.last)),
            PassageMode::Once | PassageMode::ReEntry | PassageMode::Free => {}
        }
        if let Some(places) = &self.places {
            places.check(self.zone)?;
        }
        let stale = check_age(self.age_s, &self.bundle.body.policy)?;
        let marks = Marks::default()
            .with_if(Marks::TIME_UNCERTAIN, uncertain)
            .with_if(Marks::STALE, stale)
            .with_if(Marks::COUNTED, mode == PassageMode::Free)
            .with_if(Marks::ONCE, mode == PassageMode::Once);
        Ok(Passage { product, direction: Direction::In, marks })
    }

    /// Whether it is a voucher, windows, then product and zone. `true`: a window could not be checked.
    fn check_ticket(&self, ticket: &Ticket) -> Result<(ProductName, bool), GateRefusal> {
        let policy = &self.bundle.body.policy;
        let category = match ticket.product {
            Product::Category(number) => number,
            Product::Pretix { .. } => 0,
        };
        if self.bundle.category(category).is_some_and(|sold| sold.voucher_product.is_some()) {
            return Err(GateRefusal::Voucher);
        }
        let uncertain = window::of_ticket(ticket, policy, self.now)?;
        let (name, opened) = name_of(ticket, self.bundle).ok_or(GateRefusal::ProductNotAllowed)?;
        if opened == 0 {
            return Err(GateRefusal::ProductNotAllowed);
        }
        if opened & zone_bit(self.zone) == 0 {
            return Err(GateRefusal::ZoneNotAllowed(self.zone));
        }
        let zone = self.zones.zone(self.zone);
        let closed = zone.map_or(Ok(false), |zone| window::of_zone(zone, category, policy, self.now))?;
        Ok((name, uncertain || closed))
    }
}

/// Name of what was bought, and the zones that it opens; `None` for what was not imported.
pub fn name_of(ticket: &Ticket, bundle: &Bundle) -> Option<(ProductName, u32)> {
    match &ticket.product {
        Product::Category(number) => {
            let category = bundle.category(*number)?;
            let name = ProductName { fr: category.name_fr.clone(), en: category.name_en.clone() };
            Some((name, ticket.zones.unwrap_or(category.zones) & category.zones))
        }
        Product::Pretix { event, item, .. } => {
            let product = bundle.pretix_product(*event, *item)?;
            Some((ProductName { fr: product.name.clone(), en: product.name.clone() }, product.zones))
        }
    }
}

#[cfg(test)]
mod tests;
