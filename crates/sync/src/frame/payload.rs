//! What the frames carry, as canonical CBOR arrays.
use domain::{
    id::{DeviceId, FestivalId},
    trust::Roles,
    wire::{Malformed, Reader, Writer},
};
use minicbor::bytes::ByteVec;

use crate::{delta::Section, vector::Hash16};

/// One section as a box knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SectionHeld {
    /// Which.
    #[n(0)]
    pub section: Section,
    /// Term of the newest batch held.
    #[n(1)]
    pub term: u32,
    /// Its number; 0 for none.
    #[n(2)]
    pub number: u64,
}

impl<C> minicbor::Encode<C> for Section {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.byte())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Section {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_byte(d.u8()?).ok_or_else(|| minicbor::decode::Error::message("section"))
    }
}

/// First frame of a box.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Hello {
    /// [`super::PROTOCOL`].
    #[n(0)]
    pub version: u16,
    /// The festival.
    #[n(1)]
    pub festival: FestivalId,
    /// The box's certificate chain.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// The box.
    #[n(3)]
    pub device: DeviceId,
    /// The epoch it writes.
    #[n(4)]
    pub epoch: u32,
    /// What it is used for.
    #[n(5)]
    pub roles: Roles,
    /// What it wants to know, and how far it knows it.
    #[n(6)]
    pub sections: Vec<SectionHeld>,
    /// Number of its festival bundle; 0 for none.
    #[n(7)]
    pub bundle: u64,
    /// Software version.
    #[n(8)]
    pub software: String,
    /// Chains of what else its key may do (a desk's `Credit` chain).
    #[n(9)]
    pub further: Vec<ByteVec>,
}

/// First frame of the hub.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Welcome {
    /// [`super::PROTOCOL`].
    #[n(0)]
    pub version: u16,
    /// The hub node's certificate chain.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// Term of its database.
    #[n(2)]
    pub term: u32,
    /// Its time, Unix ms.
    #[n(3)]
    pub hub_time_ms: u64,
}

/// Asks for a journal's entries from a position on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct WantFrom {
    /// Whose journal.
    #[n(0)]
    pub device: DeviceId,
    /// Which run of it.
    #[n(1)]
    pub epoch: u32,
    /// First position wanted.
    #[n(2)]
    pub seq: u32,
}

/// One for each segment: what the hub now holds on disk of that branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Ack {
    /// Whose journal.
    #[n(0)]
    pub device: DeviceId,
    /// Which run of it.
    #[n(1)]
    pub epoch: u32,
    /// Entries held from 0 without a gap.
    #[n(2)]
    pub contiguous: u32,
    /// First 16 bytes of the hash of the last of them; zeros for none.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub hash: Hash16,
    /// Term of the hub's database.
    #[n(4)]
    pub term: u32,
}

/// Which part of a batch a box has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct HaveDelta {
    /// Which section.
    #[n(0)]
    pub section: Section,
    /// Term of the batch.
    #[n(1)]
    pub term: u32,
    /// Its number.
    #[n(2)]
    pub number: u64,
    /// The next part that is due; `None` when the batch is applied whole.
    #[n(3)]
    pub next_part: Option<u16>,
    /// Where the box's own journal ended when the batch was applied: epoch and next position. Whatever it wrote without
    /// knowing the batch lies before.
    #[n(4)]
    pub own: Option<(u32, u32)>,
}

/// A piece of the festival bundle.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BundlePart {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
    /// Where the piece belongs.
    #[n(1)]
    pub offset: u32,
    /// Length of the whole bundle.
    #[n(2)]
    pub total: u32,
    /// At most [`super::BUNDLE_PART`].
    #[cbor(n(3), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// Announces a bundle (hub) or says that it is stored (box).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct HaveBundle {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
}

/// Asks for the bundle from a byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct WantBundle {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
    /// First byte wanted.
    #[n(1)]
    pub offset: u32,
}

/// Asks for a blob of the bundle from a byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct WantBlob {
    /// BLAKE3 of the whole blob.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// First byte wanted.
    #[n(1)]
    pub offset: u64,
}

/// A piece of a blob; an empty one says that the hub does not have it.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BlobPart {
    /// BLAKE3 of the whole blob.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// Where the piece belongs.
    #[n(1)]
    pub offset: u64,
    /// At most [`super::BUNDLE_PART`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// Why the other side will not go on.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Refuse {
    /// [`RefuseCode`] as a number.
    #[n(0)]
    pub code: u16,
    /// For the log of the other side.
    #[n(1)]
    pub text: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefuseCode {
    /// 1: a version of the protocol that is not spoken here.
    Version,
    /// 2: another festival.
    Festival,
    /// 3: the certificate chain does not lead to the festival's root.
    Chain,
    /// 4: the certificate is for another purpose.
    Purpose,
    /// 5: the certificate is not for the key of this connection.
    Key,
    /// 6: the box is revoked; what it has is still taken.
    Revoked,
    /// 7: the certificate has expired; what the box has is still taken.
    Expired,
    /// 8: a frame that cannot be read or does not belong here.
    Frame,
    /// 9: a segment whose chain or signature is broken.
    Poison,
    /// 10: more than the box's quota; come back later.
    Quota,
    /// 11: more unacknowledged segments than allowed.
    Flood,
    /// 12: the journal has too many branches.
    Forked,
    /// 13: the hub cannot store at the moment; come back later.
    Busy,
    /// 14: nothing was said for too long.
    Silence,
}

impl RefuseCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Version,
        Self::Festival,
        Self::Chain,
        Self::Purpose,
        Self::Key,
        Self::Revoked,
        Self::Expired,
        Self::Frame,
        Self::Poison,
        Self::Quota,
        Self::Flood,
        Self::Forked,
        Self::Busy,
        Self::Silence,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Version => 1,
            Self::Festival => 2,
            Self::Chain => 3,
            Self::Purpose => 4,
            Self::Key => 5,
            Self::Revoked => 6,
            Self::Expired => 7,
            Self::Frame => 8,
            Self::Poison => 9,
            Self::Quota => 10,
            Self::Flood => 11,
            Self::Forked => 12,
            Self::Busy => 13,
            Self::Silence => 14,
        }
    }

    /// From the number on the wire; `None` when it is newer than this software.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

/// An edit of a shared document, signed by a manager (`documents`).
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Edit {
    /// Hash of its change; the answer names it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub change: [u8; 32],
    /// The signed envelope, at most [`super::EDIT_MAX`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}

impl Edit {
    /// Writes a record of a `Section::Documents` batch: change hash 32 · length u32 · envelope.
    pub fn write_item(&self, out: &mut Writer) {
        out.bytes(&self.change);
        out.u32(u32::try_from(self.envelope.len()).unwrap_or(u32::MAX));
        out.bytes(&self.envelope);
    }

    /// Reads such a record.
    pub fn read_item(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let change = input.array()?;
        let length = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
        if length > super::EDIT_MAX {
            return Err(Malformed::Value("length"));
        }
        Ok(Self { change, envelope: input.take(length)?.to_vec() })
    }
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct EditAnswer {
    /// Hash of its change.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub change: [u8; 32],
    /// 0: the hub confirmed it; otherwise why it refused it (`documents::Refusal`).
    #[n(1)]
    pub code: u16,
    /// Whether the hub entered it again as a change of its own, since what it built on was refused.
    #[n(2)]
    pub entered_again: bool,
}

/// A new certificate chain for the box's key.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Renew {
    /// Canonical bytes of the chain.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
}

/// Asks for, or gives, a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Ping {
    /// Given back as it came.
    #[n(0)]
    pub token: u64,
    /// By any clock of the sender, in ms, from 1; given back as it came. A hub gives 0 back to a box that it has not told all.
    #[n(1)]
    pub time_ms: u64,
}
