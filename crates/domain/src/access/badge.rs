//! Staff at a gate: a wristband that is somebody's badge opens the zones of that person.
//! Invariant: a badge passes like a ticket (once in without out), under an id that nobody's ticket has.
//! Not here: who works here (`staff`), reading the band.
use super::{GateRefusal, ProductName};
use crate::{
    id::{FestivalId, TicketUid, WalletId},
    ledger::zone_bit,
    staff::{Member, Staff},
};

/// Scheme of a badge's admission.
pub const BADGE_SCHEME: u8 = 3;

/// What a badge's passages are recorded under: first 16 bytes of BLAKE3 of `festival.badge-uid.v1\0`, festival and
/// member number u32.
pub fn uid_of_badge(festival: &FestivalId, member: u32) -> TicketUid {
    let mut hash = blake3::Hasher::new();
    hash.update(b"festival.badge-uid.v1\0").update(&festival.0).update(&member.to_le_bytes());
    TicketUid(crate::wire::first16(hash.finalize().as_bytes()))
}

impl Staff {
    /// Whose badge this is, somebody active first.
    pub fn holder_of(&self, wallet: WalletId) -> Option<&Member> {
        self.by_badge(wallet).or_else(|| self.members.iter().find(|member| member.badge == Some(wallet)))
    }
}

/// Whether this person may pass into the zone.
pub(super) fn check(member: &Member, zone: u16) -> Result<ProductName, GateRefusal> {
    if !member.active {
        return Err(GateRefusal::StaffInactive);
    }
    if member.zones & zone_bit(zone) == 0 {
        return Err(GateRefusal::StaffZoneNotAllowed(zone));
    }
    Ok(ProductName { fr: member.name.clone(), en: member.name.clone() })
}
