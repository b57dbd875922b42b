//! Identities of the festival's things. Invariant: an id is compared and printed whole, never a prefix of it.
//! Not here: how an id is made from a secret (`secrets`) or from a chip (`wristband`).
use core::fmt;

use crate::wire::{Malformed, Reader, Writer};

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(with = "minicbor::bytes")] pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Lower-case hexadecimal, whole.
            pub fn to_hex(&self) -> alloc::string::String {
                crate::wire::hex(&self.0)
            }

            /// Parses what [`Self::to_hex`] prints; `None` when it is anything else.
            pub fn from_hex(text: &str) -> Option<Self> {
                Some(Self(crate::wire::unhex(text)?.try_into().ok()?))
            }

            /// Writes the bytes as they are.
            pub fn write(&self, out: &mut Writer) {
                out.bytes(&self.0);
            }

            /// Reads the bytes as they are.
            pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self(input.array()?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 { write!(f, "{byte:02x}")?; }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

bytes_id!(
    /// Festival: first 16 bytes of the BLAKE3 hash of its founding record (`trust::Founding`).
    FestivalId, 16
);
bytes_id!(
    /// A key holder that writes a journal (box or hub node): first 16 bytes of BLAKE3 of its Ed25519 public key.
    DeviceId, 16
);
bytes_id!(
    /// Account of a wristband's money: keyed BLAKE3 of the full UID, 16 bytes (`secrets::FestivalSecrets::wallet`).
    WalletId, 16
);
bytes_id!(
    /// A ticket whatever its scheme: BLAKE3 of (issuer, ticket id), 16 bytes (`ticket::Ticket::uid`).
    TicketUid, 16
);
bytes_id!(
    /// Short name of an Ed25519 public key on chips, in QR texts and certificates: first 4 bytes of its BLAKE3 hash.
    /// Two keys may share it: a verifier tries every key of that name.
    KeyId, 4
);

/// Number of a box, unique in the festival and never reused; it makes two boxes' chip records differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct BoxNumber(#[n(0)] pub u16);

/// Names one journal entry: the `seq`-th (from 0, the genesis) of that device's epoch.
/// 24 bytes on the wire: device 16, epoch u32 LE, seq u32 LE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryRef {
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of that journal; a restored box opens the next one.
    pub epoch: u32,
    /// Position in it, from 0.
    pub seq: u32,
}

impl EntryRef {
    /// Length in bytes on the wire.
    pub const LEN: usize = 24;

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut Writer) {
        self.device.write(out);
        out.u32(self.epoch);
        out.u32(self.seq);
    }

    /// Reads the 24 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { device: DeviceId::read(input)?, epoch: input.u32()?, seq: input.u32()? })
    }
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.device, self.epoch, self.seq)
    }
}

/// `KeyId` of a public key.
pub fn key_id(public_key: &[u8; 32]) -> KeyId {
    let hash = blake3::hash(public_key);
    let [a, b, c, d, ..] = *hash.as_bytes();
    KeyId([a, b, c, d])
}

/// `DeviceId` of a public key.
pub fn device_id(public_key: &[u8; 32]) -> DeviceId {
    DeviceId(crate::wire::first16(blake3::hash(public_key).as_bytes()))
}
