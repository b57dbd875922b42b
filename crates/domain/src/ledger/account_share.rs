//! What one box holds of one account, as the hub sends it down.
//! Invariant: reads back byte for byte.
//! Not here: what may be taken (`till::Escrow`), how shares are dealt (`till::deal_escrow`).
use crate::{
    id::{DeviceId, EntryRef, WalletId},
    wire::{Malformed, Reader, Writer},
};

/// One item of the section of account shares.
///
/// 72 bytes, little-endian: wallet 16 · device 16 · epoch u32 · granted u32 · asked u32 · booked u32 · grant 24 (zeros:
/// none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountShare {
    /// Of which account.
    pub wallet: WalletId,
    /// Whose.
    pub device: DeviceId,
    /// In which run of its journal.
    pub epoch: u32,
    /// Cents ever granted.
    pub granted: u32,
    /// Cents that it is asked to have given back in all.
    pub asked: u32,
    /// What people booked of it as a risk while nobody heard this box: it is to say what it holds.
    pub booked: u32,
    /// The newest grant.
    pub grant: Option<EntryRef>,
}

const NO_GRANT: EntryRef = EntryRef { device: DeviceId([0; 16]), epoch: 0, seq: 0 };

impl AccountShare {
    /// Length in bytes.
    pub const LEN: usize = 72;

    /// Writes the 72 bytes.
    pub fn write(&self, out: &mut Writer) {
        out.bytes(&self.wallet.0);
        self.device.write(out);
        [self.epoch, self.granted, self.asked, self.booked].into_iter().for_each(|n| out.u32(n));
        self.grant.unwrap_or(NO_GRANT).write(out);
    }

    /// Reads the 72 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            wallet: WalletId(input.array()?),
            device: DeviceId::read(input)?,
            epoch: input.u32()?,
            granted: input.u32()?,
            asked: input.u32()?,
            booked: input.u32()?,
            grant: Some(EntryRef::read(input)?).filter(|grant| *grant != NO_GRANT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_an_account_reads_back_and_has_72_bytes() {
        let grant = Some(EntryRef { device: DeviceId([8; 16]), epoch: 1, seq: 9 });
        let share = AccountShare {
            wallet: WalletId([3; 16]),
            device: DeviceId([7; 16]),
            epoch: 2,
            granted: 500,
            asked: 40,
            booked: 6,
            grant,
        };
        for share in [share, AccountShare { grant: None, ..share }] {
            let mut out = Writer::new();
            share.write(&mut out);
            let bytes = out.finish();
            assert_eq!(bytes.len(), AccountShare::LEN);
            assert_eq!(AccountShare::read(&mut Reader::new(&bytes)), Ok(share));
            assert!(AccountShare::read(&mut Reader::new(&bytes[..71])).is_err());
        }
    }
}
