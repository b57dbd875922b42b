//! How full a zone is and who holds its places, as the hub sends it down.
//! Invariant: reads back byte for byte; a gate's share and the zone that it counts into change in one batch.
//! Not here: who may enter (`access`), how places are dealt (`access::deal`).
use crate::{
    id::{DeviceId, EntryRef},
    wire::{Malformed, Reader, Writer},
};

/// A zone as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneState {
    /// Which.
    pub zone: u16,
    /// How many may be inside; `None` for no bound.
    pub capacity: Option<u32>,
    /// Places that gates hold, or people who came in beyond that.
    pub dealt: u32,
    /// How many are inside: ins less outs of all gates.
    pub inside: i32,
}

/// What one gate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareState {
    /// Of which zone.
    pub zone: u16,
    /// Whose.
    pub device: DeviceId,
    /// In which run of its journal.
    pub epoch: u32,
    /// Places ever granted.
    pub granted: u32,
    /// Places that it is asked to have given back in all.
    pub asked: u32,
    /// Its ins less its outs, as the hub counted them.
    pub inside: i32,
    /// The newest grant.
    pub grant: Option<EntryRef>,
}

/// One item of the section of zones.
///
/// 58 bytes, little-endian: zone u16 · device 16 · epoch u32 · a u32 · b u32 · inside i32 · grant 24. Device zeros: the
/// zone itself, then epoch and grant are zeros, a is the capacity (all bits: no bound), b what is dealt. Else a is
/// granted, b asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneRecord {
    /// The zone.
    Zone(ZoneState),
    /// A gate's share of it.
    Share(ShareState),
}

const NOBODY: DeviceId = DeviceId([0; 16]);
const NO_GRANT: EntryRef = EntryRef { device: NOBODY, epoch: 0, seq: 0 };

impl ZoneRecord {
    /// Length in bytes.
    pub const LEN: usize = 58;

    /// Writes the 58 bytes.
    pub fn write(&self, out: &mut Writer) {
        let share = match *self {
            Self::Share(share) => share,
            Self::Zone(state) => ShareState {
                zone: state.zone,
                device: NOBODY,
                epoch: 0,
                granted: state.capacity.unwrap_or(u32::MAX),
                asked: state.dealt,
                inside: state.inside,
                grant: None,
            },
        };
        out.u16(share.zone);
        share.device.write(out);
        out.u32(share.epoch);
        out.u32(share.granted);
        out.u32(share.asked);
        out.u32(share.inside.cast_unsigned());
        share.grant.unwrap_or(NO_GRANT).write(out);
    }

    /// Reads the 58 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let share = ShareState {
            zone: input.u16()?,
            device: DeviceId::read(input)?,
            epoch: input.u32()?,
            granted: input.u32()?,
            asked: input.u32()?,
            inside: input.u32()?.cast_signed(),
            grant: Some(EntryRef::read(input)?).filter(|grant| *grant != NO_GRANT),
        };
        if share.device != NOBODY {
            return Ok(Self::Share(share));
        }
        if share.epoch != 0 || share.grant.is_some() {
            return Err(Malformed::Value("zone"));
        }
        let capacity = Some(share.granted).filter(|capacity| *capacity != u32::MAX);
        Ok(Self::Zone(ZoneState { zone: share.zone, capacity, dealt: share.asked, inside: share.inside }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_and_a_share_read_back_and_have_58_bytes() {
        let device = DeviceId([7; 16]);
        let share = ShareState {
            zone: 3,
            device,
            epoch: 2,
            granted: 50,
            asked: 4,
            inside: -6,
            grant: Some(EntryRef { device: DeviceId([8; 16]), epoch: 1, seq: 9 }),
        };
        let zone = ZoneState { zone: 3, capacity: Some(100), dealt: 50, inside: 44 };
        for record in [
            ZoneRecord::Share(share),
            ZoneRecord::Share(ShareState { grant: None, ..share }),
            ZoneRecord::Zone(zone),
            ZoneRecord::Zone(ZoneState { capacity: None, ..zone }),
        ] {
            let mut out = Writer::new();
            record.write(&mut out);
            let bytes = out.finish();
            assert_eq!(bytes.len(), ZoneRecord::LEN);
            assert_eq!(ZoneRecord::read(&mut Reader::new(&bytes)), Ok(record));
        }
        let mut bytes = [0; ZoneRecord::LEN];
        bytes[57] = 1;
        assert!(ZoneRecord::read(&mut Reader::new(&bytes)).is_err(), "a zone with a grant");
    }
}
