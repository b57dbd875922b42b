//! A band whose memory proves that it is the festival's (an NTAG213); its money is in the ledger.
//! Invariant: nothing is booked on its account before the proof was read and held.
//! Not here: what every tap has in common (`tapping`), the account (`account`), the proof itself (`domain::wristband`).
use domain::wristband::{
    BandKeys, check_pointer,
    layout::{POINTER_READ, fast_read, header_epoch},
    tap::TapRefusal,
};
use hardware::tag::{ReaderError, Tag, TagReader};

use crate::station::Station;

/// What a pointer is that does not prove itself.
pub(super) enum Unproven {
    /// It left before it was read.
    Left,
    /// It is refused with this code.
    Refused(&'static str),
}

/// Reads the proof.
pub(super) fn prove(station: &Station, reader: &mut dyn TagReader, tag: &Tag) -> Result<(), Unproven> {
    let refused = |refusal: TapRefusal| Unproven::Refused(refusal.code());
    let read = match reader.transceive(&fast_read(POINTER_READ)) {
        Ok(read) => read,
        Err(ReaderError::Nak(_)) => return Err(refused(TapRefusal::NotOurs)),
        Err(_) => return Err(Unproven::Left),
    };
    let read = read.as_slice().try_into().map_err(|_| Unproven::Left)?;
    let ctx = station.tap_context();
    let band = BandKeys::new(&ctx.secrets, &ctx.festival, tag.uid.as_bytes());
    check_pointer(read, &band, &ctx.credit_keys).map_err(|fault| refused(fault.into()))?;
    let epoch = header_epoch(read, domain::journal::BandProfile::Pointer, &ctx.festival);
    match epoch.map_err(|fault| refused(fault.into()))? {
        epoch if ctx.retired_epochs.contains(&epoch) => Err(refused(TapRefusal::KeysRetired)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use domain::journal::{Kind, Means};
    use hardware::{
        chip::{Ntag21x, NtagType},
        signal::Signal,
    };

    use crate::{
        bench::{Bench, cents},
        tap_desk::{Purpose, TopUpOrder},
    };

    #[test]
    fn a_pointer_is_served_only_where_its_memory_proves_that_it_is_the_festivals() {
        let bench = Bench::new();
        let cash = || Purpose::TopUp(TopUpOrder { amount: cents(5_000), fee: cents(0), means: Means::Cash });
        let ours = bench.pointer(1);
        let (light, result) = bench.tap(cash(), &ours);
        assert_eq!((light, result.balance_after_cents), (Some(Signal::Ok), Some(5_000)));
        let invented = bench.band_of(Ntag21x::new(NtagType::Ntag213, [4, 0xd3, 0, 0, 0, 2, 0x80]));
        let (light, result) = bench.tap(cash(), &invented);
        assert_eq!((light, result.code.as_deref()), (Some(Signal::Refuse), Some("band.not_ours")));
        // its proof on a chip with another UID
        let mut other = Ntag21x::new(NtagType::Ntag213, [4, 0xd3, 0, 0, 0, 3, 0x80]);
        other.enter_field();
        for (page, bytes) in (4_u8..24).zip(ours.chip.chip().memory()[16..96].chunks(4)) {
            other.transmit(&[&[0xa2, page], bytes].concat());
        }
        other.leave_field();
        let (light, result) = bench.tap(cash(), &bench.band_of(other));
        assert_eq!((light, result.code.as_deref()), (Some(Signal::Refuse), Some("band.unusable")));
        let (light, result) = bench.tap_as([7; 16], cash(), &ours, "leave before command 1");
        assert_eq!((light, result.code.as_deref()), (Some(Signal::TapAgain), Some("band.pulled_away")));
        let (light, _) = bench.tap_as([7; 16], cash(), &ours, "");
        assert_eq!((light, bench.entries(Kind::TOP_UP).len()), (Some(Signal::Ok), 2));
    }
}
