//! The venue's LAN: who decides together, and how two of them never both say yes to the same thing.
//! Invariant: of all claims for one key, one at most is ever confirmed, whatever is lost, doubled, late or out of order,
//! and whoever loses power: what a member granted is on its disk before it says so.
//! Not here: the bus (`edge::lan`), the rows on disk (`box-store`), what a gate makes of an outcome.
mod claims;
mod grants;
mod group;
mod message;
mod succession;
mod told;

pub use claims::{CLAIM_WITHIN_US, Claims, Order, Outcome, YIELD_AFTER_US};
pub use grants::{Ruling, frees, rule};
pub use group::{GROUPS_MAX, LanGroup, VOTERS_MAX, VOTES_MAX, Voter, VoterList};
pub use message::{
    Answer, COMMITS_IN_ANSWER, Envelope, GRANTS_IN_PART, MESSAGE_MAX, Message, MessageError, Presence, Verdict,
};
pub use succession::{HANDOVER_PARTS_MAX, Part, Succession};
pub use told::{TOLD_ENTRIES_MAX, Told, ToldError};

use crate::{
    id::{DeviceId, TicketUid, WalletId},
    wire::{Malformed, Reader, Writer},
};

/// What is claimed. 25 bytes: what u8 (1 a ticket, 2 a wallet) ‖ subject 16 ‖ number u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey {
    /// 1 a ticket, 2 a wallet.
    pub what: u8,
    /// Which.
    pub subject: [u8; 16],
    /// Of a ticket: how often it was admitted before. Of a wallet: its head.
    pub number: u64,
}

impl ClaimKey {
    /// Length in bytes.
    pub const LEN: usize = 25;
    const TICKET: u8 = 1;
    const WALLET: u8 = 2;

    /// The admission of a ticket that was admitted `uses` times before.
    pub fn ticket(ticket: TicketUid, uses: u16) -> Self {
        Self { what: Self::TICKET, subject: ticket.0, number: uses.into() }
    }

    /// What follows on this head of a wallet.
    pub fn wallet(wallet: WalletId, head: u64) -> Self {
        Self { what: Self::WALLET, subject: wallet.0, number: head }
    }

    /// The ticket that it is about.
    pub fn as_ticket(&self) -> Option<TicketUid> {
        (self.what == Self::TICKET).then_some(TicketUid(self.subject))
    }

    /// Writes the 25 bytes.
    pub fn write(&self, out: &mut Writer) {
        out.u8(self.what);
        out.bytes(&self.subject);
        out.u64(self.number);
    }

    /// Reads the 25 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = Self { what: input.u8()?, subject: input.array()?, number: input.u64()? };
        if matches!(key.what, Self::TICKET | Self::WALLET) { Ok(key) } else { Err(Malformed::Value("what is claimed")) }
    }
}

/// One claim of one box. 28 bytes: device 16 ‖ epoch u32 ‖ claim u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// Who claims.
    pub device: DeviceId,
    /// In which epoch of its journal: a restored image is somebody else.
    pub epoch: u32,
    /// Number of the claim, rising in that epoch, over restarts too.
    pub claim: u64,
}

impl Holder {
    /// Length in bytes.
    pub const LEN: usize = 28;

    /// Whether both are claims of the same box.
    pub fn is_same_box(&self, other: &Self) -> bool {
        (self.device, self.epoch) == (other.device, other.epoch)
    }

    /// What decides who gives way: the claimant with the higher one.
    pub fn rank(&self, key: &ClaimKey) -> [u8; 16] {
        let mut out = Writer::new();
        key.write(&mut out);
        self.write(&mut out);
        crate::wire::first16(blake3::hash(&out.finish()).as_bytes())
    }

    /// Writes the 28 bytes.
    pub fn write(&self, out: &mut Writer) {
        self.device.write(out);
        out.u32(self.epoch);
        out.u64(self.claim);
    }

    /// Reads the 28 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { device: DeviceId::read(input)?, epoch: input.u32()?, claim: input.u64()? })
    }
}

/// Names a whole handover by its bytes: the first 8 bytes of their BLAKE3.
pub fn name_of(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(bytes).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
