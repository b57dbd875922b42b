//! What a hub node's session starts from, and what it asks its shell to do.
use domain::{
    id::DeviceId,
    journal::Head,
    trust::{Certificate, Founding},
};

use crate::{
    delta::Section,
    frame::{Edit, Frame, Hello, SectionHeld},
    segment::Segment,
    session::{CloseReason, Quota},
    vector::{Branch, VersionVector},
};

/// What a hub node's session starts from.
#[derive(Clone, Debug)]
pub struct HubStart {
    /// The festival.
    pub founding: Founding,
    /// Canonical bytes of the node's certificate chain.
    pub chain: Vec<u8>,
    /// Term of its database.
    pub term: u32,
}

/// Whether a box is in good standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets everything.
    Good,
    /// Its certificate has expired: it may deliver, and gets a renewal if there is one.
    Expired,
    /// It may deliver what it has, and gets nothing.
    Revoked,
}

/// What the hub's store knows of a box.
#[derive(Clone, Debug)]
pub struct BoxStanding {
    /// Whether it gets anything.
    pub standing: Standing,
    /// What is held of its own journals, all epochs.
    pub heads: VersionVector,
    /// What is left of its quota.
    pub quota: Quota,
    /// The hub's time, Unix ms.
    pub hub_time_ms: u64,
    /// Number of the newest bundle; 0 for none.
    pub bundle: u64,
    /// A new certificate chain for it.
    pub renewal: Option<Vec<u8>>,
}

/// What the store holds of a journal after it took a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Last entry of the segment.
    pub last: u32,
    /// The branch that the segment is on now.
    pub branch: Branch,
    /// How many branches the journal has.
    pub branches: usize,
    /// Nothing is held of it: there are as many journals of this device as are kept.
    pub beyond: bool,
}

/// What the shell does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubAction {
    /// Send it.
    Send(Frame),
    /// The box proved who it is; answer with [`crate::HubSide::box_known`].
    LookUpBox {
        /// The box.
        device: DeviceId,
        /// Its certificate, verified.
        certificate: Certificate,
        /// What else its key may do, verified.
        further: Vec<Certificate>,
        /// What it said.
        hello: Hello,
    },
    /// Read what is held of these devices' journals, and their keys; answer with [`crate::HubSide::heads_read`].
    ReadHeads(Vec<DeviceId>),
    /// Store this verified segment; answer with [`crate::HubSide::stored`] after it is on disk, or [`crate::HubSide::not_stored`].
    StoreSegment {
        /// The entries.
        segment: Segment,
        /// The head after each.
        heads: Vec<Head>,
    },
    /// Read the batch of `section` that follows (`term`, `number`), or a snapshot where there is none; or part
    /// `resume.1` of the batch `resume.0`. Answer with [`crate::HubSide::delta_read`].
    ReadDelta {
        /// Which section.
        section: Section,
        /// Term of the newest batch that the box holds.
        term: u32,
        /// Its number.
        number: u64,
        /// A batch under way and the part that is due.
        resume: Option<(u64, u16)>,
    },
    /// The box holds this batch whole. `own`: where its journal ended when it applied it, if it said so.
    BoxKnows {
        /// Which batch.
        held: SectionHeld,
        /// Epoch and next position.
        own: Option<(u32, u32)>,
    },
    /// The box holds this bundle.
    BoxHasBundle(u64),
    /// Read a piece of a bundle; answer with [`crate::HubSide::bundle_read`].
    ReadBundlePart {
        /// Which bundle.
        number: u64,
        /// From which byte.
        offset: u32,
        /// Most bytes.
        max: usize,
    },
    /// Judge this edit of a document, confirm it or not, and answer with [`crate::HubSide::edit_judged`].
    JudgeEdit(Edit),
    /// Read a piece of a blob; answer with [`crate::HubSide::blob_read`].
    ReadBlobPart {
        /// BLAKE3 of the whole blob.
        hash: [u8; 32],
        /// From which byte.
        offset: u64,
        /// Most bytes.
        max: usize,
    },
    /// The box brought a neighbour's journal that does not hold; nothing more of it is taken in this session.
    NotTaken {
        /// Whose it is said to be.
        device: DeviceId,
        /// Which run of it.
        epoch: u32,
        /// What is wrong with it.
        why: String,
    },
    /// This journal has more branches than are kept: revoke its device, unless it is revoked.
    TooManyBranches {
        /// Whose journal.
        device: DeviceId,
        /// Which run of it.
        epoch: u32,
    },
    /// Close the connection, after what was sent.
    Close(CloseReason),
}
