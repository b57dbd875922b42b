//! The fold of one ticket: admissions, exits, blocks, and admissions that should not both have happened.
//! Invariant: a function of the set; clocks order what is shown, never what counts.
//! Not here: whether a ticket may enter (`access`).
use alloc::{collections::BTreeSet, vec::Vec};

use super::journals::{Standing, is_about, unlifted};
use crate::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::{BlockedKind, Effect, Entry, Flags, Kind},
    time::Hlc,
    wire::{Malformed, Reader, Writer},
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

/// What is known of a ticket, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct TicketFlags(pub u8);

impl TicketFlags {
    /// It was admitted at least once.
    pub const USED: Self = Self(1);
    /// More admissions than exits.
    pub const INSIDE: Self = Self(2);
    /// Revoked for good.
    pub const REVOKED: Self = Self(4);
    /// Blocked until lifted.
    pub const BLOCKED: Self = Self(8);
    /// Some of its entries are on forked ground: needs a supervisor.
    pub const DISPUTED: Self = Self(16);
    /// It has entries newer than this software.
    pub const FROZEN: Self = Self(32);

    const KNOWN: u8 = 63;

    /// Whether all of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set as well, if `set`.
    #[must_use]
    pub const fn with_if(self, other: Self, set: bool) -> Self {
        if set { Self(self.0 | other.0) } else { self }
    }
}

/// What is known of one ticket, compact.
///
/// 47 bytes, little-endian: ticket 16 · flags u8 · uses u16 · first use: hlc u64, box number u16, zone u16 · wallet 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketState {
    /// Which.
    pub ticket: TicketUid,
    /// What is known of it.
    pub flags: TicketFlags,
    /// How many admissions.
    pub uses: u16,
    /// When it was first admitted, for display; 0 if never.
    pub first_use: Hlc,
    /// Which box admitted it first.
    pub first_box: BoxNumber,
    /// Into which zone.
    pub first_zone: u16,
    /// The wallet it is paired with; of several the lowest.
    pub wallet: Option<WalletId>,
}

impl TicketState {
    /// Length in bytes.
    pub const LEN: usize = 47;

    /// A ticket that nobody has seen.
    pub fn empty(ticket: TicketUid) -> Self {
        Self {
            ticket,
            flags: TicketFlags::default(),
            uses: 0,
            first_use: Hlc(0),
            first_box: BoxNumber(0),
            first_zone: 0,
            wallet: None,
        }
    }

    /// The 47 bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = Writer::new();
        self.ticket.write(&mut out);
        out.u8(self.flags.0);
        out.u16(self.uses);
        out.u64(self.first_use.0);
        out.u16(self.first_box.0);
        out.u16(self.first_zone);
        out.bytes(&self.wallet.map_or([0; 16], |wallet| wallet.0));
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(out.finish()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads exactly 47 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let state = Self {
            ticket: TicketUid::read(&mut input)?,
            flags: TicketFlags(input.u8()?),
            uses: input.u16()?,
            first_use: Hlc(input.u64()?),
            first_box: BoxNumber(input.u16()?),
            first_zone: input.u16()?,
            wallet: Some(WalletId::read(&mut input)?).filter(|wallet| wallet.0 != [0; 16]),
        };
        input.end()?;
        if state.flags.0 & !TicketFlags::KNOWN != 0 {
            return Err(Malformed::Value("ticket flags"));
        }
        Ok(state)
    }
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

/// Admissions without an exit between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubleAdmission {
    /// Which ticket.
    pub ticket: TicketUid,
    /// All its admissions, in the order shown (by clock).
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
    /// The double admission, if there is one.
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
    let exits = passages.len().saturating_sub(admissions.len());
    let excess = excess(&passages, exits);
    let mut state = TicketState::empty(ticket);
    if let Some(first) = admissions.first() {
        (state.first_use, state.first_box, state.first_zone) = (first.hlc, first.box_number, first.zone);
    }
    state.uses = u16::try_from(admissions.len()).unwrap_or(u16::MAX);
    state.wallet = set.iter().filter_map(|e| wallet_of(&e.entry)).min();
    let in_force = || set.iter().filter(|e| e.standing == Standing::InForce);
    let blocks = unlifted(BlockedKind::Ticket, in_force().map(|e| (e.at, &e.entry)));
    let held =
        |revoked: bool| in_force().any(|e| blocks.contains(&e.at) && (e.entry.kind == Kind::REVOCATION) == revoked);
    state.flags = TicketFlags::default()
        .with_if(TicketFlags::USED, !admissions.is_empty())
        .with_if(TicketFlags::INSIDE, admissions.len() > exits)
        .with_if(TicketFlags::REVOKED, held(true))
        .with_if(TicketFlags::BLOCKED, held(false))
        .with_if(TicketFlags::DISPUTED, set.iter().any(|e| e.standing == Standing::Disputed))
        .with_if(TicketFlags::FROZEN, set.iter().any(|e| matches!(e.entry.effect, Effect::Unknown(_))));
    let doubles = if excess > 0 {
        Vec::from([DoubleAdmission { ticket, places: admissions.clone(), excess }])
    } else {
        Vec::new()
    };
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

/// By number there is no doubt: more admissions than exits and one. By the clock there may be one more to look at.
fn excess(passages: &[&TicketEntry], exits: usize) -> u32 {
    let by_number = passages.len().saturating_sub(exits).saturating_sub(exits).saturating_sub(1);
    let (mut inside, mut by_clock) = (false, 0usize);
    for e in passages {
        let enters = e.entry.effect == Effect::In;
        by_clock = by_clock.saturating_add(usize::from(inside && enters));
        inside = enters;
    }
    u32::try_from(by_number.max(by_clock)).unwrap_or(u32::MAX)
}

fn wallet_of(entry: &Entry) -> Option<WalletId> {
    let wallet = match entry.kind {
        Kind::PAIRING => entry.subject,
        Kind::ADMISSION => entry.other,
        _ => return None,
    };
    Some(wallet.wallet()).filter(|_| !wallet.is_none())
}
