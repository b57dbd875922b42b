//! What is known of one ticket, compact: what the hub sends down and a gate judges by.
//! Invariant: reads back byte for byte.
//! Not here: how it comes from entries (`ticket`).
use crate::{
    id::{BoxNumber, TicketUid, WalletId},
    journal::Terms,
    time::Hlc,
    wire::{Malformed, Reader, Writer},
};

/// The bit of a zone in a set of zones; none above 31.
pub fn zone_bit(zone: u16) -> u32 {
    1u32.checked_shl(u32::from(zone)).unwrap_or(0)
}

/// What is known of a ticket, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct TicketFlags(pub u8);

impl TicketFlags {
    /// It was admitted at least once.
    pub const USED: Self = Self(1);
    /// Inside some zone: more admissions than exits there.
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
/// 90 bytes, little-endian: ticket 16 · flags u8 · uses u16 · first use: hlc u64, box number u16, zone u16 · wallet 16 ·
/// used u32 · inside u32 · last use: hlc u64, box number u16, zone u16 · terms 23.
/// Terms: scheme u8 (0: not known, then zeros) · category or event u16 · item u64 · zones u32 · valid from u32 ·
/// valid until u32.
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
    /// Zones that it was ever admitted to, as a bit set.
    pub used: u32,
    /// Zones that it is inside, as a bit set: more admissions than exits.
    pub inside: u32,
    /// When it was last admitted, for display; 0 if never.
    pub last_use: Hlc,
    /// Which box admitted it last.
    pub last_box: BoxNumber,
    /// Into which zone.
    pub last_zone: u16,
    /// What it may do, where a box that paired it said so.
    pub terms: Option<Terms>,
}

impl Terms {
    /// As a state keeps them: without variation and subevent.
    #[must_use]
    pub fn compact(self) -> Self {
        let [what, item, ..] = self.product;
        Self { product: [what.min(u16::MAX.into()), item, 0, 0], ..self }
    }
}

impl TicketState {
    /// Length in bytes.
    pub const LEN: usize = 90;

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
            used: 0,
            inside: 0,
            last_use: Hlc(0),
            last_box: BoxNumber(0),
            last_zone: 0,
            terms: None,
        }
    }

    /// Whether it is inside the zone.
    pub fn is_inside(&self, zone: u16) -> bool {
        self.inside & zone_bit(zone) != 0
    }

    /// Whether it was ever admitted to the zone.
    pub fn was_in(&self, zone: u16) -> bool {
        self.used & zone_bit(zone) != 0
    }

    /// The 90 bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = Writer::new();
        self.ticket.write(&mut out);
        out.u8(self.flags.0);
        out.u16(self.uses);
        out.u64(self.first_use.0);
        out.u16(self.first_box.0);
        out.u16(self.first_zone);
        out.bytes(&self.wallet.map_or([0; 16], |wallet| wallet.0));
        out.u32(self.used);
        out.u32(self.inside);
        out.u64(self.last_use.0);
        out.u16(self.last_box.0);
        out.u16(self.last_zone);
        match self.terms {
            Some(terms) => {
                let [what, item, ..] = terms.compact().product;
                out.u8(terms.scheme);
                out.u16(u16::try_from(what).unwrap_or(u16::MAX));
                out.u64(item);
                [terms.zones, terms.valid_from, terms.valid_until].iter().for_each(|n| out.u32(*n));
            }
            None => out.bytes(&[0; 23]),
        }
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(out.finish()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads exactly 90 bytes.
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
            used: input.u32()?,
            inside: input.u32()?,
            last_use: Hlc(input.u64()?),
            last_box: BoxNumber(input.u16()?),
            last_zone: input.u16()?,
            terms: terms(&mut input)?,
        };
        input.end()?;
        if state.flags.0 & !TicketFlags::KNOWN != 0 {
            return Err(Malformed::Value("ticket flags"));
        }
        Ok(state)
    }
}

fn terms(input: &mut Reader<'_>) -> Result<Option<Terms>, Malformed> {
    let scheme = input.u8()?;
    let product = [input.u16()?.into(), input.u64()?, 0, 0];
    let terms = Terms { scheme, product, zones: input.u32()?, valid_from: input.u32()?, valid_until: input.u32()? };
    let nothing = Terms { scheme: 0, product: [0; 4], zones: 0, valid_from: 0, valid_until: 0 };
    match terms {
        terms if scheme != 0 => Ok(Some(terms)),
        terms if terms == nothing => Ok(None),
        _ => Err(Malformed::Value("terms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_kept_without_variation_and_of_no_scheme_there_are_none() {
        let empty = TicketState::empty(TicketUid([1; 16]));
        let terms = Terms { scheme: 1, product: [70_000, 8, 3, 4], zones: 5, valid_from: 6, valid_until: 7 };
        let kept = Terms { product: [u64::from(u16::MAX), 8, 0, 0], ..terms };
        assert_eq!(terms.compact(), kept);
        let bytes = TicketState { terms: Some(terms), ..empty }.to_bytes();
        assert_eq!(TicketState::from_bytes(&bytes), Ok(TicketState { terms: Some(kept), ..empty }));
        assert_eq!(TicketState::from_bytes(&empty.to_bytes()), Ok(empty));
        for at in TicketState::LEN - 22..TicketState::LEN {
            let mut odd = empty.to_bytes();
            odd[at] = 1;
            assert_eq!(TicketState::from_bytes(&odd), Err(Malformed::Value("terms")), "{at}");
        }
    }
}
