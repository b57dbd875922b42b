//! Parts that gates and their hub write: admissions and exits, what a band stands for, shares of a zone's places and of
//! an account's money.
//! Invariant: each reads back byte for byte; what does not fit its layout is malformed.
//! Not here: who may pass (`access`), what a passage means for a ticket (`ledger`).
use alloc::{string::String, vec::Vec};

use super::detail::BandProfile;
use crate::wire::{Malformed, Reader, Writer};

/// How a passage came about, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Marks(pub u8);

impl Marks {
    /// The clock was too uncertain for a validity window, and the policy admits all the same.
    pub const TIME_UNCERTAIN: Self = Self(1);
    /// What the gate knew of tickets was too old, and the policy admits all the same.
    pub const STALE: Self = Self(2);
    /// A supervisor admitted what the rules refuse; the reason follows in the part.
    pub const OVERRIDE: Self = Self(4);
    /// An exit of somebody who was not known to be inside.
    pub const NOT_INSIDE: Self = Self(8);
    /// Counted only: here nobody is refused for having been in before.
    pub const COUNTED: Self = Self(16);
    /// Judged by "once for ever": leaving does not give the admission back.
    pub const ONCE: Self = Self(32);

    /// The ticket was not shown: its holder was found by name, on the word of the entry's operator (0 where the
    /// festival has no staff list). The rules were asked all the same.
    pub const BY_NAME: Self = Self(64);

    const KNOWN: u8 = 127;

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

/// Longest reason code.
pub const REASON_MAX: usize = 32;

/// An admission or exit: scheme u8 · marks u8 · four varints that say what was bought · with `Marks::OVERRIDE` the
/// reason to the end, 1 to 32 bytes of visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// 0 nobody's ticket (a person without one), 1 own, 2 pretix_sig1, 3 a staff badge.
    pub scheme: u8,
    /// How it came about.
    pub marks: Marks,
    /// Own: category, 0, 0, 0. pretix: event, item, variation, subevent. Badge: member number, 0, 0, 0.
    pub product: [u64; 4],
    /// Why a supervisor overrode; empty without `Marks::OVERRIDE`.
    pub reason: String,
}

impl Admission {
    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.scheme);
        out.u8(self.marks.0);
        self.product.iter().for_each(|n| out.varint(*n));
        out.bytes(self.reason.as_bytes());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (scheme, marks) = (input.u8()?, Marks(input.u8()?));
        if marks.0 & !Marks::KNOWN != 0 {
            return Err(Malformed::Value("marks"));
        }
        let product = [input.varint()?, input.varint()?, input.varint()?, input.varint()?];
        let reason = if marks.has(Marks::OVERRIDE) { reason(input)? } else { String::new() };
        Ok(Self { scheme, marks, product, reason })
    }
}

fn reason(input: &mut Reader<'_>) -> Result<String, Malformed> {
    let bytes = input.take(input.rest().len())?;
    let fits = (1..=REASON_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match core::str::from_utf8(bytes) {
        Ok(code) if fits => Ok(code.into()),
        Ok(_) | Err(_) => Err(Malformed::Value("reason")),
    }
}

/// What a ticket may do, so that the band that stands for it can be judged where the ticket was never read:
/// scheme u8 · product 4 varints · zones varint · valid from varint · valid until varint (Unix seconds, 0 no bound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// As in an admission: 1 own, 2 pretix_sig1.
    pub scheme: u8,
    /// As in an admission.
    pub product: [u64; 4],
    /// Zones that the ticket itself names, as a bit set; all bits where it names none.
    pub zones: u32,
    /// Unix seconds, 0 no bound.
    pub valid_from: u32,
    /// Unix seconds, 0 no bound.
    pub valid_until: u32,
}

impl Terms {
    fn write(&self, out: &mut Writer) {
        out.u8(self.scheme);
        self.product.iter().for_each(|n| out.varint(*n));
        [self.zones, self.valid_from, self.valid_until].iter().for_each(|n| out.varint((*n).into()));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let scheme = input.u8()?;
        let product = [input.varint()?, input.varint()?, input.varint()?, input.varint()?];
        Ok(Self { scheme, product, zones: small(input)?, valid_from: small(input)?, valid_until: small(input)? })
    }
}

/// Pairing of a ticket (`other`) with a wallet (`subject`): profile u8, then nothing, or flags u8 · terms where bit 0
/// is set · where bit 1 is set the wallet that this one replaces, 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// What kind of band.
    pub profile: BandProfile,
    /// What the ticket may do, where the box that paired has read it.
    pub terms: Option<Terms>,
    /// The band's wallet that a supervisor replaced by this one.
    pub replaces: Option<[u8; 16]>,
}

impl Pairing {
    /// A pairing that says nothing of the ticket.
    pub const fn of(profile: BandProfile) -> Self {
        Self { profile, terms: None, replaces: None }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.profile.byte());
        let flags = u8::from(self.terms.is_some()) | u8::from(self.replaces.is_some()) << 1;
        if flags != 0 {
            out.u8(flags);
        }
        if let Some(terms) = &self.terms {
            terms.write(out);
        }
        if let Some(wallet) = &self.replaces {
            out.bytes(wallet);
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let profile = BandProfile::from_byte(input.u8()?).ok_or(Malformed::Value("band profile"))?;
        if input.rest().is_empty() {
            return Ok(Self::of(profile));
        }
        let flags = input.u8()?;
        if !matches!(flags, 1..=3) {
            return Err(Malformed::Value("pairing flags"));
        }
        Ok(Self {
            profile,
            terms: if flags & 1 != 0 { Some(Terms::read(input)?) } else { None },
            replaces: if flags & 2 != 0 { Some(input.array()?) } else { None },
        })
    }
}

/// Hub: places of the entry's zone, or cents of the account that the entry's *other* names, are dealt to the subject
/// device: epoch varint · granted varint · places varint · booked varint, where there is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShareGrant {
    /// Epoch of the device that may use them.
    pub epoch: u32,
    /// All that was ever granted to it in this zone or of this account, this grant included.
    pub granted: u32,
    /// Places or cents that this grant adds.
    pub places: u32,
    /// Of an account: what that box holds and people booked as a risk, because nobody hears it any more. It counts until
    /// the box has heard of this entry.
    pub booked: u32,
}

impl ShareGrant {
    pub(super) fn write(&self, out: &mut Writer) {
        [self.epoch, self.granted, self.places].iter().for_each(|n| out.varint((*n).into()));
        some(out, self.booked);
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (epoch, granted, places) = (small(input)?, small(input)?, small(input)?);
        let grant = Self { epoch, granted, places, booked: rest(input)? };
        if grant.places > grant.granted {
            return Err(Malformed::Value("places"));
        }
        Ok(grant)
    }
}

/// A box gives places of the entry's zone back, or cents of the account that the entry's *other* names (then the subject
/// is the box itself), or, with none given back, says what it holds; `refers_to` is the newest grant that it knows:
/// term varint · granted varint · released varint · places varint · needs varint, where there is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShareRelease {
    /// Term of the hub that it answers.
    pub term: u32,
    /// All that was ever granted to it, as far as it knows.
    pub granted: u32,
    /// All that it ever gave back in this epoch, this release included.
    pub released: u32,
    /// Places or cents that this release gives back.
    pub places: u32,
    /// Of an account: its band is held to the reader, and it is to pay so much.
    pub needs: u32,
}

impl ShareRelease {
    pub(super) fn write(&self, out: &mut Writer) {
        [self.term, self.granted, self.released, self.places].iter().for_each(|n| out.varint((*n).into()));
        some(out, self.needs);
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (term, granted, released, places) = (small(input)?, small(input)?, small(input)?, small(input)?);
        let release = Self { term, granted, released, places, needs: rest(input)? };
        if release.places > release.released {
            return Err(Malformed::Value("places"));
        }
        Ok(release)
    }
}

/// A last number that is written only where it is not 0.
fn some(out: &mut Writer, n: u32) {
    if n != 0 {
        out.varint(n.into());
    }
}

fn rest(input: &mut Reader<'_>) -> Result<u32, Malformed> {
    if input.rest().is_empty() {
        return Ok(0);
    }
    match small(input)? {
        0 => Err(Malformed::Value("number")),
        n => Ok(n),
    }
}

fn small(input: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(input.varint()?).map_err(|_| Malformed::Value("number"))
}

/// Bytes of a part.
pub(super) fn bytes(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Detail, Effect, Entry, Kind},
        money::Currency,
        time::Hlc,
    };

    fn read(kind: Kind, part: Vec<u8>) -> Result<Detail, crate::journal::DetailError> {
        Detail::of(&Entry { part, ..Entry::new(kind, Effect::None, Currency::EUR, Hlc(1)) })
    }

    fn admission(marks: Marks, reason: &str) -> Admission {
        Admission { scheme: 3, marks, product: [12, 0, 0, 0], reason: reason.into() }
    }

    #[test]
    fn an_override_without_a_reason_is_malformed_and_so_is_a_reason_without_an_override() {
        for (marks, reason, reads) in [
            (Marks::OVERRIDE, "guest_list", true),
            (Marks::default(), "", true),
            (Marks::OVERRIDE, "", false),
            (Marks::OVERRIDE, "two words", false),
            (Marks::OVERRIDE, "a_reason_code_of_more_than_32_bytes", false),
            (Marks::default(), "guest_list", false),
            (Marks::BY_NAME, "", true),
            (Marks(128), "", false),
        ] {
            let detail = Detail::Admission(admission(marks, reason));
            let found = read(Kind::ADMISSION, detail.to_bytes());
            assert_eq!(found.ok(), reads.then_some(detail), "{marks:?} {reason:?}");
        }
    }

    #[test]
    fn a_pairing_carries_what_the_ticket_may_do_and_the_band_it_replaces() {
        let terms =
            Terms { scheme: 1, product: [7, 0, 0, 0], zones: u32::MAX, valid_from: 0, valid_until: 1_814_659_200 };
        for (terms, replaces) in
            [(None, None), (Some(terms), None), (Some(terms), Some([9; 16])), (None, Some([9; 16]))]
        {
            let detail = Detail::Pairing(Pairing { profile: BandProfile::Uid, terms, replaces });
            assert_eq!(read(Kind::PAIRING, detail.to_bytes()), Ok(detail));
        }
        assert!(read(Kind::PAIRING, Vec::from([1, 0])).is_err());
        assert!(read(Kind::PAIRING, Vec::from([1, 4])).is_err());
    }

    #[test]
    fn a_share_that_adds_more_than_it_amounts_to_is_malformed() {
        let grant = |granted, places| Detail::Share(ShareGrant { epoch: 1, granted, places, booked: 0 });
        assert!(read(Kind::SHARE, grant(5, 5).to_bytes()).is_ok());
        assert!(read(Kind::SHARE, grant(4, 5).to_bytes()).is_err());
        let release =
            |released| Detail::ShareRelease(ShareRelease { term: 1, granted: 9, released, places: 3, needs: 0 });
        assert!(read(Kind::SHARE_RELEASE, release(3).to_bytes()).is_ok());
        assert!(read(Kind::SHARE_RELEASE, release(2).to_bytes()).is_err());
    }

    #[test]
    fn what_only_accounts_have_is_written_only_where_there_is_any() {
        let grant = Detail::Share(ShareGrant { epoch: 1, granted: 700, places: 0, booked: 300 });
        assert_eq!(read(Kind::SHARE, grant.to_bytes()), Ok(grant));
        let needs = Detail::ShareRelease(ShareRelease { term: 1, granted: 0, released: 0, places: 0, needs: 450 });
        assert_eq!(read(Kind::SHARE_RELEASE, needs.to_bytes()), Ok(needs));
        assert!(read(Kind::SHARE, Vec::from([1, 5, 5, 0])).is_err(), "none is not written");
        assert!(read(Kind::SHARE_RELEASE, Vec::from([1, 0, 0, 0, 0])).is_err());
    }
}
