//! One passage: judged on what is known in the transaction that records it.
//! Invariant: check and record are one; what is refused writes nothing.
//! Not here: the rules (`domain::access`), what the screen shows (`gate`).
use box_store::{Decision, StoreError, View};
use domain::{
    access::{self, BADGE_SCHEME, Direction, Gate, GateRefusal, KnownTicket, Passage, Person, Places, ProductName},
    id::{EntryRef, FestivalId, TicketUid, WalletId},
    journal::{Admission, Detail, Entry, Flags, Kind, Marks, Subject, Terms},
    ledger::WalletFlags,
    money::Currency,
    staff::Member,
    ticket::{Product, Scheme, Ticket},
    time::{Hlc, TrustedTime},
};
use screens::view::GateVerdict;
use sync::Section;

use super::{
    claim::{self, By},
    repeated,
};
use crate::{
    loaded::Loaded,
    rules::Rules,
    station::Station,
    tap_desk::{ForTicket, RequestId},
};

/// Who wants to pass.
#[derive(Clone, Debug)]
pub(crate) struct Passer {
    who: Who,
    /// The band that was shown.
    wallet: Option<WalletId>,
}

#[derive(Clone, Debug)]
enum Who {
    /// With a ticket; and whether the dates of its key hold, or could not be checked.
    Ticket(Ticket, Result<bool, GateRefusal>),
    /// With a badge.
    Staff(Member),
    /// With nothing: only a supervisor lets them pass.
    Nobody,
}

/// How somebody is to pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Which way; `None` as the gate is switched.
    pub direction: Option<Direction>,
    /// Somebody's word: a supervisor's number, or 0 where the festival has no staff list, and on what.
    pub word: Option<(u32, Word)>,
    /// The screen's request, so that it is not done twice.
    pub request: Option<RequestId>,
}

/// What a supervisor gives a word for.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Somebody passes against the rules; the reason code.
    Against(String),
    /// Somebody is who they say, found by name; the rules are asked all the same.
    ByName,
}

/// What the transaction decided.
pub(super) enum Judged {
    Passed(Passage),
    Refused(GateRefusal),
    /// The same request let somebody else pass, or did something else.
    OtherRequest,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) judged: Judged,
    pub(super) entry: Option<EntryRef>,
    /// Whether a band stands for the ticket already.
    pub(super) is_paired: bool,
    /// Recorded now, and not by the same request before.
    pub(super) is_new: bool,
}

impl Passer {
    /// Somebody with a ticket that was read.
    pub(super) fn ticket(ticket: Ticket, key: Result<bool, GateRefusal>) -> Self {
        Self { who: Who::Ticket(ticket, key), wallet: None }
    }

    /// Somebody with the band that stands for a ticket.
    pub(super) fn band(ticket: Ticket, wallet: WalletId) -> Self {
        Self { who: Who::Ticket(ticket, Ok(false)), wallet: Some(wallet) }
    }

    /// Somebody with a badge.
    pub(super) fn staff(member: Member, wallet: WalletId) -> Self {
        Self { who: Who::Staff(member), wallet: Some(wallet) }
    }

    /// Somebody without anything.
    pub(super) fn nobody() -> Self {
        Self { who: Who::Nobody, wallet: None }
    }

    /// The ticket and what it may do, for the band that is to stand for it.
    pub(crate) fn pairing(&self) -> Option<ForTicket> {
        let Who::Ticket(ticket, _) = &self.who else { return None };
        Some(ForTicket { terms: Some(terms(ticket)), ..ForTicket::of(ticket.uid) })
    }

    /// The verdict as far as it is known before it is judged.
    pub(super) fn shown(&self, at_unix_ms: u64) -> GateVerdict {
        let (scheme, tail) = match &self.who {
            Who::Ticket(ticket, _) if self.wallet.is_none() => (ticket.scheme.code(), tail(&ticket.display_id)),
            Who::Ticket(..) => ("band", String::new()),
            Who::Staff(_) => ("badge", String::new()),
            Who::Nobody => ("none", String::new()),
        };
        GateVerdict { scheme: scheme.into(), ticket_id_tail: tail, at_unix_ms, ..GateVerdict::default() }
    }

    pub(super) fn subject(&self, festival: &FestivalId) -> Option<TicketUid> {
        match &self.who {
            Who::Ticket(ticket, _) => Some(ticket.uid),
            Who::Staff(member) => Some(access::uid_of_badge(festival, member.number)),
            Who::Nobody => None,
        }
    }

    pub(super) fn known(&self, view: &View<'_>, loaded: &Loaded, zone: u16) -> KnownTicket {
        let Some(uid) = self.subject(&loaded.bundle.festival) else { return KnownTicket::default() };
        match &self.who {
            Who::Ticket(..) => known_ticket(view, loaded, zone, &uid),
            Who::Staff(_) | Who::Nobody => KnownTicket::of(&view.ticket(&uid), zone),
        }
    }

    pub(super) fn judge(
        &self,
        view: &View<'_>,
        gate: &Gate<'_>,
        known: &KnownTicket,
        direction: Direction,
    ) -> Result<Passage, GateRefusal> {
        let blocked = |wallet: &WalletId| view.wallet(wallet).flags.has(WalletFlags::BLOCKED);
        if direction == Direction::In && view.is_closed() {
            return Err(GateRefusal::JournalClosed);
        }
        if direction == Direction::In && self.wallet.as_ref().is_some_and(blocked) {
            return Err(GateRefusal::BandBlocked);
        }
        match &self.who {
            Who::Ticket(ticket, key) => {
                let unchecked = match direction {
                    Direction::In => key.clone()?,
                    Direction::Out => false,
                };
                let passage = gate.judge(Person::Ticket(ticket), known, direction)?;
                Ok(Passage { marks: passage.marks.with_if(Marks::TIME_UNCERTAIN, unchecked), ..passage })
            }
            Who::Staff(member) => gate.judge(Person::Staff(member), known, direction),
            Who::Nobody => Err(GateRefusal::NoTicket),
        }
    }

    /// What was decided: nothing is asked but who it is.
    fn decided(&self, by: Marks, loaded: &Loaded, known: &KnownTicket, direction: Direction) -> Passage {
        let name = |member: &Member| ProductName { fr: member.name.clone(), en: member.name.clone() };
        let product = match &self.who {
            Who::Ticket(ticket, _) => access::name_of(ticket, &loaded.bundle).map(|(name, _)| name).unwrap_or_default(),
            Who::Staff(member) => name(member),
            Who::Nobody => ProductName::default(),
        };
        let out = direction == Direction::Out;
        let marks = by.with_if(Marks::NOT_INSIDE, out && !known.inside);
        Passage { product, direction, marks }
    }

    /// Scheme and product, as an entry says them.
    fn bought(&self) -> (u8, [u64; 4]) {
        match &self.who {
            Who::Ticket(ticket, _) => {
                let Terms { scheme, product, .. } = terms(ticket);
                (scheme, product)
            }
            Who::Staff(member) => (BADGE_SCHEME, [member.number.into(), 0, 0, 0]),
            Who::Nobody => (0, [0; 4]),
        }
    }
}

/// What a ticket may do, as the band that stands for it keeps it.
pub(super) fn terms(ticket: &Ticket) -> Terms {
    let (scheme, product) = match (ticket.scheme, &ticket.product) {
        (scheme, Product::Category(category)) => (scheme, [u64::from(*category), 0, 0, 0]),
        (scheme, Product::Pretix { event, item, variation, subevent }) => {
            (scheme, [u64::from(*event), *item, *variation, *subevent])
        }
    };
    let scheme = match scheme {
        Scheme::Own => 1,
        Scheme::PretixSig1 => 2,
    };
    let seconds = |bound: Option<u64>| u32::try_from(bound.unwrap_or(0)).unwrap_or(u32::MAX);
    Terms {
        scheme,
        product,
        zones: ticket.zones.unwrap_or(u32::MAX),
        valid_from: seconds(ticket.valid_from),
        valid_until: seconds(ticket.valid_until),
    }
}

/// The ticket that a band stands for, by its terms; `None` for a scheme of newer software.
pub(super) fn ticket_of(uid: TicketUid, terms: &Terms) -> Option<Ticket> {
    let [what, item, variation, subevent] = terms.product;
    let what = u16::try_from(what).ok()?;
    let (scheme, product) = match terms.scheme {
        1 => (Scheme::Own, Product::Category(what)),
        2 => (Scheme::PretixSig1, Product::Pretix { event: what, item, variation, subevent }),
        _ => return None,
    };
    let bound = |seconds: u32| Some(u64::from(seconds)).filter(|seconds| *seconds != 0);
    Some(Ticket {
        scheme,
        uid,
        display_id: String::new(),
        product,
        valid_from: bound(terms.valid_from),
        valid_until: bound(terms.valid_until),
        zones: Some(terms.zones).filter(|zones| *zones != u32::MAX),
        holder_check: None,
    })
}

/// What is known of a ticket in a zone, the bundle's word included.
pub(super) fn known_ticket(view: &View<'_>, loaded: &Loaded, zone: u16, uid: &TicketUid) -> KnownTicket {
    let body = &loaded.bundle.body;
    let told_ms = view.knowledge(Section::Tickets).map_or(0, |known| known.hub_time_ms);
    let bundle = access::FromBundle {
        revoked: body.revoked.binary_search(uid).is_ok(),
        blocked: body.blocked.binary_search(uid).is_ok(),
        held: loaded.held_ticket(uid),
    };
    let named = view.hub_ticket(uid);
    let (revoked, blocked) = access::barred(bundle, named.as_ref(), told_ms / 1000 >= body.issued);
    // the word may arrive with what is revoked before it arrives with the ticket
    let revoked = revoked || view.is_ticket_revoked(uid);
    KnownTicket { revoked, blocked, ..KnownTicket::of(&view.ticket(uid), zone) }
}

/// What this gate knows of its zone's places; `None` without a capacity. The hub's word counts, before it the rules.
pub(crate) fn places(view: &View<'_>, rules: &Rules, zone: u16, connected: bool) -> Option<Places> {
    let known = view.zone_places(zone);
    let by_rules = || rules.zones.zone(zone).and_then(|zone| zone.capacity);
    let capacity = known.capacity.unwrap_or_else(by_rules)?;
    let share = known.was_dealt.then_some(known.share);
    Some(Places { capacity, inside: known.inside, share, connected })
}

/// The gate's checks by what is known now. `at`: its zone, the time, the age of what it knows in seconds, and whether it
/// hears the hub.
pub(super) fn gate<'a>(
    view: &View<'_>,
    loaded: &'a Loaded,
    rules: &'a Rules,
    at: (u16, TrustedTime, u64, bool),
) -> Gate<'a> {
    let (zone, now, age_s, connected) = at;
    let places = places(view, rules, zone, connected);
    Gate { bundle: &loaded.bundle, zones: &rules.zones, zone, now, age_s, places }
}

/// Judges and records in one transaction, by the leave that was asked for.
pub(super) fn record(station: &Station, passer: &Passer, wish: Wish, by: By) -> Result<Outcome, StoreError> {
    let (loaded, rules) = (station.bundle(), station.rules());
    let (zone, connected) = (station.zone(), !station.is_alone());
    let alone = match by {
        By::Itself | By::Unasked | By::Elsewhere => !connected,
        By::Group(..) => false,
        By::Alone(..) => true,
    };
    let (now, age) = (station.trusted_time(), station.ticket_knowledge());
    let (passer, operator) = (passer.clone(), station.operator());
    let committed = station.transact(move |view| {
        let known = passer.known(view, &loaded, zone);
        let gate = gate(view, &loaded, &rules, (zone, now, age.age_s(view), connected));
        let direction = wish.direction.unwrap_or_else(|| view.ways().direction(&known));
        let is_paired = passer
            .subject(&loaded.bundle.festival)
            .is_some_and(|uid| view.paired_wallet(&uid).is_some() || view.ticket(&uid).wallet.is_some());
        let done_before = wish.request.and_then(|request| view.answer(&request));
        let is_its_own = |entry: Entry| repeated::is_of(&entry, passer.subject(&loaded.bundle.festival), direction);
        if done_before.is_some_and(|done| !view.entry(done).is_some_and(is_its_own)) {
            return Decision::nothing((Judged::OtherRequest, is_paired, None));
        }
        let judge = || passer.judge(view, &gate, &known, direction);
        let judged = match wish.word.as_ref().map(|(_, word)| word) {
            Some(Word::Against(_)) => Ok(passer.decided(Marks::OVERRIDE, &loaded, &known, direction)),
            // its own admission would refuse it
            Some(Word::ByName) if done_before.is_some() => {
                Ok(passer.decided(Marks::BY_NAME, &loaded, &known, direction))
            }
            Some(Word::ByName) => {
                judge().map(|passage| Passage { marks: passage.marks.with_if(Marks::BY_NAME, true), ..passage })
            }
            None => judge(),
        };
        // the use that was claimed must be the one that is recorded
        let uses = || passer.subject(&loaded.bundle.festival).map(|uid| u64::from(view.ticket(&uid).uses));
        let is_elsewhere = by == By::Elsewhere || by.key().is_some_and(|key| uses() != Some(key.number));
        let judged = judged.and_then(|passage| {
            let is_unclaimed = by == By::Unasked && uses().is_some() && claim::is_claimed(&passage);
            let stays_out = is_unclaimed || is_elsewhere && passage.direction == Direction::In;
            if stays_out && done_before.is_none() { Err(GateRefusal::ClaimedElsewhere) } else { Ok(passage) }
        });
        match judged {
            Ok(passage) if done_before.is_some() => {
                Decision::nothing((Judged::Passed(passage), is_paired, done_before))
            }
            Ok(passage) => {
                let reason = match &wish.word {
                    Some((_, Word::Against(reason))) => reason.clone(),
                    Some((_, Word::ByName)) | None => String::new(),
                };
                let mut entry = entry(&passer, &passage, reason, &loaded.bundle.festival, loaded.bundle.currency());
                entry.zone = zone;
                entry.operator = wish.word.as_ref().map_or(operator, |(supervisor, _)| *supervisor);
                if alone {
                    entry.flags = entry.flags.with(Flags::ALONE);
                }
                let decision = Decision::write(vec![entry], (Judged::Passed(passage), is_paired, None));
                match wish.request {
                    Some(request) => decision.answers(request),
                    None => decision,
                }
            }
            Err(refusal) => Decision::nothing((Judged::Refused(refusal), is_paired, None)),
        }
    })?;
    let (judged, is_paired, done_before) = committed.result;
    let recorded = committed.refs.first().copied();
    Ok(Outcome { judged, entry: recorded.or(done_before), is_paired, is_new: recorded.is_some() })
}

/// What a passage is recorded as.
pub(super) fn kind(direction: Direction) -> Kind {
    match direction {
        Direction::In => Kind::ADMISSION,
        Direction::Out => Kind::EXIT,
    }
}

fn entry(passer: &Passer, passage: &Passage, reason: String, festival: &FestivalId, currency: Currency) -> Entry {
    let (scheme, product) = passer.bought();
    let mut entry = Entry::new(kind(passage.direction), passage.direction.effect(), currency, Hlc::default());
    entry.subject = passer.subject(festival).map_or(Subject::NONE, Subject::from);
    // a badge's wallet is somebody's own, and stands for no ticket
    let of_ticket = passer.wallet.filter(|_| matches!(passer.who, Who::Ticket(..)));
    entry.other = of_ticket.map_or(Subject::NONE, Subject::from);
    entry.part = Detail::Admission(Admission { scheme, marks: passage.marks, product, reason }).to_bytes();
    if passage.marks.has(Marks::TIME_UNCERTAIN) {
        entry.flags = entry.flags.with(Flags::TIME_UNCERTAIN);
    }
    entry
}

/// Marks that a screen shows, as codes.
pub(super) fn codes(marks: Marks) -> Vec<String> {
    let all = [
        (Marks::TIME_UNCERTAIN, "gate.time_uncertain"),
        (Marks::STALE, "gate.stale_knowledge"),
        (Marks::OVERRIDE, "gate.override"),
        (Marks::BY_NAME, "gate.search_admitted"),
        (Marks::NOT_INSIDE, "gate.not_inside"),
    ];
    all.into_iter().filter(|(mark, _)| marks.has(*mark)).map(|(_, code)| code.to_owned()).collect()
}

/// The end of an id, as people compare it.
pub(super) fn tail(id: &str) -> String {
    let start = id.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    id.get(start..).unwrap_or_default().to_owned()
}
