//! What a box's session starts from, and what it asks its shell to do.
use domain::{
    bundle::BlobRef,
    id::DeviceId,
    trust::{Founding, Roles},
};

use crate::{
    delta::SignedDelta,
    frame::{EditAnswer, Frame, SectionHeld},
    session::CloseReason,
    vector::{Hash16, VersionVector},
};

/// What a hub confirmed of one journal, as the box stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Entries that the hub holds from 0 without a gap.
    pub contiguous: u32,
    /// First 16 bytes of the hash of the last of them.
    pub hash: Hash16,
    /// The hub's term then.
    pub term: u32,
}

/// What a box's session starts from.
#[derive(Clone, Debug)]
pub struct BoxStart {
    /// The festival.
    pub founding: Founding,
    /// The box's own key.
    pub public_key: [u8; 32],
    /// Canonical bytes of its certificate chain.
    pub chain: Vec<u8>,
    /// The epoch it writes.
    pub epoch: u32,
    /// What it is used for.
    pub roles: Roles,
    /// Software version.
    pub software: String,
    /// Journals held: its own, of all epochs, and those it forwards.
    pub held: VersionVector,
    /// What hubs confirmed of them.
    pub acked: Vec<Acked>,
    /// Sections it wants, and how far it knows them.
    pub sections: Vec<SectionHeld>,
    /// Number of its bundle; 0 for none.
    pub bundle: u64,
    /// Keys that may sign deltas: those with purpose `Bundle` in the newest bundle.
    pub bundle_keys: Vec<[u8; 32]>,
}

/// A position that the hub knows of this box's journal and the box lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHead {
    /// Position.
    pub seq: u32,
    /// First 16 bytes of its hash.
    pub hash: Hash16,
}

/// What the shell does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoxAction {
    /// Send it.
    Send(Frame),
    /// Read entries `from` on, at most `max`, up to a commit end; answer with [`crate::BoxSide::segment_read`].
    /// Where `from` is in a gap, the first that are held after it.
    ReadSegment {
        /// Whose journal.
        device: DeviceId,
        /// Which run of it.
        epoch: u32,
        /// First position.
        from: u32,
        /// Most entries.
        max: usize,
    },
    /// Store what the hub confirmed.
    MarkAcked(Acked),
    /// Store these parts; those of a section come in order, from 0, and a part 0 throws away what was staged of it. Apply
    /// all batches whose last part is there in one transaction. Answer for each part with
    /// [`crate::BoxSide::delta_stored`].
    ApplyDelta(Vec<SignedDelta>),
    /// Verify it. Where it names blobs that this box needs and lacks, answer with [`crate::BoxSide::needs_blobs`]:
    /// the same action comes again once they are there. Otherwise store it and answer with
    /// [`crate::BoxSide::bundle_stored`].
    StoreBundle {
        /// Number as the hub announced it; the signed bundle itself decides.
        number: u64,
        /// The whole bundle.
        bytes: Vec<u8>,
    },
    /// Store this piece of a blob; the last piece makes it whole, and its hash is checked then. Answer with
    /// [`crate::BoxSide::blob_stored`].
    StoreBlobPart {
        /// Which.
        blob: BlobRef,
        /// Where the piece belongs.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// A new chain for the box's own key, verified.
    StoreChain(Vec<u8>),
    /// The hub knows a head of this box's own journal that the box lacks: it was restored from an older image and
    /// must not write in that epoch again.
    NewerSelf {
        /// Which epoch.
        epoch: u32,
        /// What the hub knows.
        head: KnownHead,
    },
    /// The hub proved who it is.
    Online {
        /// Which hub node.
        hub: DeviceId,
        /// Term of its database.
        term: u32,
    },
    /// Time that a hub vouches for.
    HubTime {
        /// Unix ms.
        unix_ms: u64,
    },
    /// The hub had told all that this box wants to know: what it has heard of nothing new since was so then.
    ToldAll {
        /// How long ago.
        ago_ms: u64,
    },
    /// What the hub made of an own edit.
    EditAnswered(EditAnswer),
    /// The hub said no; the session may go on (revoked, expired) or a `Close` follows.
    Refused {
        /// The code as it came.
        code: u16,
        /// Its text.
        text: String,
    },
    /// Close the connection, after what was sent.
    Close(CloseReason),
}
