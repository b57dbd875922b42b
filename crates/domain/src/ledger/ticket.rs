//! The fold of one ticket: admissions, exits, blocks, and admissions that should not both have happened.
//! Invariant: a function of the set; clocks order what is shown, never what counts. Each zone counts for itself.
//! Not here: whether a ticket may enter (`access`), its compact form (`ticket_state`), how full a zone is (`zone`).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    journals::{Standing, is_about, unlifted},
    ticket_state::{TicketFlags, TicketState, zone_bit},
};
use crate::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::{BlockedKind, Detail, Effect, Entry, Flags, Kind, Marks, Terms},
    time::Hlc,
};

/// One entry that concerns a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketEntry {
    /// Where it stands.
    pub at: EntryRef,
    /// What it says.
    pub entry: Entry,
    /// The box that wrote it.
    pub box_number: BoxNumber,
    /// Whether it counts.
    pub standing: Standing,
}

/// One admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which entry.
    pub at: EntryRef,
    /// The box that admitted.
    pub box_number: BoxNumber,
    /// Into which zone.
    pub zone: u16,
    /// When, for display.
    pub hlc: Hlc,
}

/// Admissions to one zone that should not all have happened. Those that a supervisor decided, and those where people
/// are only counted, are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubleAdmission {
    /// Which ticket.
    pub ticket: TicketUid,
    /// Into which zone.
    pub zone: u16,
    /// All its admissions there, in the order shown (by clock).
    pub places: Vec<Admitted>,
    /// How many more people than one may be inside with it.
    pub excess: u32,
}

/// Everything that one ticket's entries mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketFold {
    /// Compact.
    pub state: TicketState,
    /// All admissions, in the order shown (by clock).
    pub admissions: Vec<Admitted>,
    /// The double admissions, by zone.
    pub doubles: Vec<DoubleAdmission>,
}

/// Folds every entry that names `ticket` (subject, or the ticket of a pairing); others are passed over.
pub fn fold_ticket(ticket: TicketUid, entries: &[TicketEntry]) -> TicketFold {
    let set = distinct(ticket, entries);
    let passes =
        |e: &&TicketEntry| e.entry.subject == ticket.into() && matches!(e.entry.effect, Effect::In | Effect::Out);
    let passages: Vec<&TicketEntry> = set.iter().copied().filter(passes).collect();
    let admissions: Vec<Admitted> =
        passages.iter().filter(|e| e.entry.effect == Effect::In).map(|e| admitted(e)).collect();
    let mut zones: BTreeMap<u16, Vec<&TicketEntry>> = BTreeMap::new();
    for passage in &passages {
        zones.entry(passage.entry.zone).or_default().push(passage);
    }
    let mut state = TicketState::empty(ticket);
    if let (Some(first), Some(last)) = (admissions.first(), admissions.last()) {
        (state.first_use, state.first_box, state.first_zone) = (first.hlc, first.box_number, first.zone);
        (state.last_use, state.last_box, state.last_zone) = (last.hlc, last.box_number, last.zone);
    }
    for (zone, passages) in &zones {
        let ins = passages.iter().filter(|e| e.entry.effect == Effect::In).count();
        let bit = zone_bit(*zone);
        state.used |= if ins > 0 { bit } else { 0 };
        state.inside |= if ins > passages.len().saturating_sub(ins) { bit } else { 0 };
    }
    state.uses = u16::try_from(admissions.len()).unwrap_or(u16::MAX);
    (state.wallet, state.terms) = paired(&set);
    let in_force = || set.iter().filter(|e| e.standing == Standing::InForce);
    let blocks = unlifted(BlockedKind::Ticket, in_force().map(|e| (e.at, &e.entry)));
    let held =
        |revoked: bool| in_force().any(|e| blocks.contains(&e.at) && (e.entry.kind == Kind::REVOCATION) == revoked);
    state.flags = TicketFlags::default()
        .with_if(TicketFlags::USED, !admissions.is_empty())
        .with_if(TicketFlags::INSIDE, state.inside != 0)
        .with_if(TicketFlags::REVOKED, held(true))
        .with_if(TicketFlags::BLOCKED, held(false))
        .with_if(TicketFlags::DISPUTED, set.iter().any(|e| e.standing == Standing::Disputed))
        .with_if(TicketFlags::FROZEN, set.iter().any(|e| matches!(e.entry.effect, Effect::Unknown(_))));
    let double = |(zone, passages): (u16, Vec<&TicketEntry>)| {
        let excess = excess(&passages);
        let places = admissions.iter().copied().filter(|admitted| admitted.zone == zone).collect();
        (excess > 0).then_some(DoubleAdmission { ticket, zone, places, excess })
    };
    let doubles = zones.into_iter().filter_map(double).collect();
    TicketFold { state, admissions, doubles }
}

/// What counts of the set, in the order shown; on forked ground once per body, since both branches may carry it.
fn distinct(ticket: TicketUid, entries: &[TicketEntry]) -> Vec<&TicketEntry> {
    let counts = |e: &&TicketEntry| {
        matches!(e.standing, Standing::InForce | Standing::Disputed)
            && !e.entry.flags.has(Flags::TRAINING)
            && concerns(ticket, &e.entry)
    };
    let mut set: Vec<&TicketEntry> = entries.iter().filter(counts).collect();
    set.sort_by_cached_key(|e| (e.standing, e.entry.hlc, e.at, e.entry.to_bytes()));
    set.dedup_by(|a, b| a.at == b.at && a.entry == b.entry);
    let mut bodies = BTreeSet::new();
    set.retain(|e| bodies.insert((e.at.device, e.entry.to_bytes())) || e.standing == Standing::InForce);
    set.sort_by_key(|e| (e.entry.hlc, e.at));
    set
}

/// Whether the entry is about this ticket. What newer software names is kept as wallet and ticket alike: entries that are
/// about the wallet of that id say nothing here.
pub(super) fn concerns(ticket: TicketUid, entry: &Entry) -> bool {
    let (subject, other) = (entry.subject == ticket.into(), entry.other == ticket.into());
    match (entry.effect, entry.kind) {
        (Effect::Unknown(_), _) => subject || other,
        (_, Kind::PAIRING) => other,
        (Effect::In | Effect::Out, _) | (_, Kind::ADMISSION | Kind::EXIT) => subject,
        (Effect::Block | Effect::Unblock, _) | (_, Kind::REVOCATION) => subject && is_about(entry, BlockedKind::Ticket),
        _ => false,
    }
}

fn admitted(e: &TicketEntry) -> Admitted {
    Admitted { at: e.at, box_number: e.box_number, zone: e.entry.zone, hlc: e.entry.hlc }
}

/// How many more people than one may have come in. By number there is no doubt: more admissions than exits and one.
/// By the clock there may be one more to look at. Where every admission was judged by "once for ever", exits give none
/// back.
fn excess(passages: &[&TicketEntry]) -> u32 {
    let marks = |e: &TicketEntry| marks_of(&e.entry);
    let decided = |e: &TicketEntry| marks(e).has(Marks::OVERRIDE) || marks(e).has(Marks::COUNTED);
    let enters = |e: &TicketEntry| e.entry.effect == Effect::In;
    let ins = passages.iter().filter(|e| enters(e) && !decided(e)).count();
    let once = passages.iter().filter(|e| enters(e) && !decided(e)).all(|e| marks(e).has(Marks::ONCE));
    let exits = if once { 0 } else { passages.iter().filter(|e| !enters(e)).count() };
    let by_number = ins.saturating_sub(exits).saturating_sub(1);
    let (mut inside, mut by_clock) = (false, 0usize);
    for e in passages.iter().filter(|e| !decided(e)) {
        by_clock = by_clock.saturating_add(usize::from(inside && enters(e)));
        inside = enters(e);
    }
    u32::try_from(by_number.max(by_clock)).unwrap_or(u32::MAX)
}

/// How an admission or exit came about; nothing where its part does not say.
pub fn marks_of(entry: &Entry) -> Marks {
    if !matches!(entry.kind, Kind::ADMISSION | Kind::EXIT) {
        return Marks::default();
    }
    match Detail::of(entry) {
        Ok(Detail::Admission(admission)) => admission.marks,
        Ok(_) | Err(_) => Marks::default(),
    }
}

/// The wallet that stands for the ticket, and what the ticket may do. A wallet that a supervisor replaced no longer
/// counts, unless all were replaced: then the last one shown does. Of several the lowest.
fn paired(set: &[&TicketEntry]) -> (Option<WalletId>, Option<Terms>) {
    let pairing = |e: &TicketEntry| match Detail::of(&e.entry) {
        Ok(Detail::Pairing(pairing)) => Some(pairing),
        Ok(_) | Err(_) => None,
    };
    let replaced: BTreeSet<WalletId> = set.iter().filter_map(|e| pairing(e)?.replaces).map(WalletId).collect();
    let wallets = || set.iter().filter_map(|e| wallet_of(&e.entry));
    let wallet = wallets().filter(|wallet| !replaced.contains(wallet)).min().or_else(|| wallets().next_back());
    let terms = set.iter().filter_map(|e| pairing(e)?.terms).map(|terms| terms.compact()).min();
    (wallet, terms)
}

fn wallet_of(entry: &Entry) -> Option<WalletId> {
    let wallet = match entry.kind {
        Kind::PAIRING => entry.subject,
        Kind::ADMISSION => entry.other,
        _ => return None,
    };
    Some(wallet.wallet()).filter(|_| !wallet.is_none())
}
