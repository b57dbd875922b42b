//! The body of one entry: a fixed header of 88 bytes, then the kind's own part.
use alloc::vec::Vec;

use thiserror::Error;

use crate::{
    id::{DeviceId, EntryRef, TicketUid, WalletId},
    money::{Cents, Currency},
    time::Hlc,
    wire::{Malformed, Reader, Writer},
};

/// Length of the fixed header.
pub const HEADER_LEN: usize = 88;
/// Longest body; a longer one is refused before it is looked at.
pub const BODY_MAX: usize = 4096;

/// Bit set in byte 1 of the header; unknown bits are refused in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Last entry of its commit: a signature follows, and the commit merges whole.
    pub const END_OF_COMMIT: Self = Self(1);
    /// Training mode: moves nothing.
    pub const TRAINING: Self = Self(2);
    /// Decided with an uncertain clock.
    pub const TIME_UNCERTAIN: Self = Self(4);
    /// Decided by an island.
    pub const ALONE: Self = Self(8);

    const KNOWN: u8 = 15;

    /// Whether all of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What an entry is. Numbers are for ever; an unknown kind is kept, forwarded and folded by its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// First of an epoch.
    pub const GENESIS: Self = Self(0);
    /// A ticket entered.
    pub const ADMISSION: Self = Self(1);
    /// A ticket and a wristband belong together.
    pub const PAIRING: Self = Self(2);
    /// Money put on a wristband.
    pub const TOP_UP: Self = Self(3);
    /// A sale.
    pub const SALE: Self = Self(4);
    /// Cups handed out alone.
    pub const DEPOSIT_OUT: Self = Self(5);
    /// Cups brought back alone.
    pub const DEPOSIT_BACK: Self = Self(6);
    /// Correction in the guest's favour.
    pub const CORRECTION_PLUS: Self = Self(7);
    /// Correction in the festival's favour.
    pub const CORRECTION_MINUS: Self = Self(8);
    /// Money paid back.
    pub const REFUND: Self = Self(9);
    /// Lost band: all moves to another wallet.
    pub const BAND_TRANSFER: Self = Self(10);
    /// What a box is about to write on a chip.
    pub const INTENT: Self = Self(11);
    /// An intent that was never sent: void.
    pub const VOID: Self = Self(12);
    /// A box will never write or serve that intent again: left to the ledger.
    pub const GAVE_UP: Self = Self(13);
    /// Staff served on "tap again".
    pub const HANDED_OVER: Self = Self(14);
    /// A band was read (closing tap, price 0).
    pub const CLOSING_READ: Self = Self(15);
    /// Money owed to a guest, not on the chip yet.
    pub const PENDING_CREDIT: Self = Self(16);
    /// A shift begins.
    pub const SHIFT_OPEN: Self = Self(17);
    /// A shift ends.
    pub const SHIFT_CLOSE: Self = Self(18);
    /// Fiscal closure.
    pub const CLOSURE: Self = Self(19);
    /// Free note.
    pub const NOTE: Self = Self(20);
    /// A ticket left.
    pub const EXIT: Self = Self(21);
    /// Unused money that the festival keeps after its deadline.
    pub const EXPIRY: Self = Self(22);
    /// A fee taken.
    pub const FEE: Self = Self(23);
    /// A gift credited.
    pub const GIFT: Self = Self(24);
    /// Something on a chip that does not fit (tampering, a weak page).
    pub const SUSPICION: Self = Self(25);
    /// A voucher's QR was exchanged for its product.
    pub const VOUCHER: Self = Self(26);
    /// A box gives a share back, of a zone's places or of an account.
    pub const SHARE_RELEASE: Self = Self(27);
    /// Somebody logged in or out at a till.
    pub const STAFF_SESSION: Self = Self(28);
    /// Cash put into a drawer or taken out, beside sales.
    pub const CASH_MOVE: Self = Self(29);
    /// Hub: head of a journal confirmed.
    pub const COUNTERSIGNATURE: Self = Self(32);
    /// Hub: a band or ticket is blocked.
    pub const BLOCK: Self = Self(33);
    /// Hub: and free again.
    pub const UNBLOCK: Self = Self(34);
    /// Hub: a device is revoked.
    pub const REVOCATION: Self = Self(35);
    /// A manager settles a conflict.
    pub const DECISION: Self = Self(36);
    /// Hub: an escrow or capacity share is dealt.
    pub const SHARE: Self = Self(37);
    /// Hub: C′ signed for an online top-up or a pending credit.
    pub const ONLINE_CREDIT: Self = Self(38);
    /// Hub: a guest paid online; the money is owed to the wristband.
    pub const ONLINE_TOP_UP: Self = Self(39);
    /// Hub: at the event's close, an intent that nobody will ever see again.
    pub const WRITTEN_OFF: Self = Self(40);
    /// Hub: people decided about a conflict or a doubt.
    pub const RULING: Self = Self(41);

    /// Bit of this kind in a certificate's scope; `None` above 63, which no certificate allows.
    pub fn bit(self) -> Option<u64> {
        1u64.checked_shl(u32::from(self.0))
    }
}

/// What an entry moves. A closed list: it alone moves money and presence, whatever the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// 0: nothing.
    None,
    /// 1: the wallet gains the amount; closes the credit hold it refers to.
    Credit,
    /// 2: the wallet loses the amount; closes the hold it refers to.
    Debit,
    /// 3: the amount moves from the subject to the other wallet.
    Transfer,
    /// 4: the wallet may have lost the amount (in doubt) until a debit or release refers to this entry.
    Hold,
    /// 5: closes the hold it refers to; nothing moved.
    Release,
    /// 6: the ticket is inside.
    In,
    /// 7: the ticket is outside.
    Out,
    /// 8: the wallet, ticket or device is blocked.
    Block,
    /// 9: lifts a block.
    Unblock,
    /// 10: the wallet may have gained the amount (cash was taken) until a credit refers to this entry.
    HoldCredit,
    /// 11: the guest is owed the amount (pending credit).
    Owe,
    /// 12: a pending credit was paid out or written to the chip.
    Repay,
    /// Newer than this software: freezes the subject.
    Unknown(u8),
}

impl Effect {
    /// From the header's byte.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::None,
            1 => Self::Credit,
            2 => Self::Debit,
            3 => Self::Transfer,
            4 => Self::Hold,
            5 => Self::Release,
            6 => Self::In,
            7 => Self::Out,
            8 => Self::Block,
            9 => Self::Unblock,
            10 => Self::HoldCredit,
            11 => Self::Owe,
            12 => Self::Repay,
            other => Self::Unknown(other),
        }
    }

    /// The header's byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Credit => 1,
            Self::Debit => 2,
            Self::Transfer => 3,
            Self::Hold => 4,
            Self::Release => 5,
            Self::In => 6,
            Self::Out => 7,
            Self::Block => 8,
            Self::Unblock => 9,
            Self::HoldCredit => 10,
            Self::Owe => 11,
            Self::Repay => 12,
            Self::Unknown(other) => other,
        }
    }
}

/// Sixteen bytes that name what the entry is about; which of these it is follows from kind and effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Subject(pub [u8; 16]);

impl Subject {
    /// Nothing.
    pub const NONE: Self = Self([0; 16]);

    /// As a wallet.
    pub fn wallet(self) -> WalletId {
        WalletId(self.0)
    }

    /// As a ticket.
    pub fn ticket(self) -> TicketUid {
        TicketUid(self.0)
    }

    /// As a device.
    pub fn device(self) -> DeviceId {
        DeviceId(self.0)
    }

    /// Whether it names nothing.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl From<WalletId> for Subject {
    fn from(id: WalletId) -> Self {
        Self(id.0)
    }
}

impl From<TicketUid> for Subject {
    fn from(id: TicketUid) -> Self {
        Self(id.0)
    }
}

impl From<DeviceId> for Subject {
    fn from(id: DeviceId) -> Self {
        Self(id.0)
    }
}

/// One entry of a journal.
///
/// Header, little-endian: version u8 = 1 · flags u8 · kind u16 · effect u8 · zero u8 · currency u16 · hlc u64 ·
/// subject 16 · other 16 · amount u32 · tap counter u16 · zone u16 · operator u32 · price revision u32 · refers-to 24.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Bit set.
    pub flags: Flags,
    /// What it is.
    pub kind: Kind,
    /// What it moves.
    pub effect: Effect,
    /// Of `amount`.
    pub currency: Currency,
    /// When, for order and display.
    pub hlc: Hlc,
    /// Wallet (money effects), ticket (in, out, admission), wallet/ticket/device (block), or none.
    pub subject: Subject,
    /// Receiving wallet of a transfer; wallet of an admission; ticket of a pairing; else none.
    pub other: Subject,
    /// Minor units.
    pub amount: Cents,
    /// Tap counter of the chip record that this entry writes or proves; 0 without a chip.
    pub tap_counter: u16,
    /// Zone of an admission or exit; 0 is the site.
    pub zone: u16,
    /// Who was at the till; 0 nobody logged in.
    pub operator: u32,
    /// Revision of the price list that a sale was made under.
    pub price_revision: u32,
    /// The entry that this one completes, corrects or replaces.
    pub refers_to: Option<EntryRef>,
    /// The kind's own part, as bytes (`Detail` reads it).
    pub part: Vec<u8>,
}

/// A body that cannot be taken as an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Not of the layout.
    #[error("entry body: {0}")]
    Malformed(#[from] Malformed),
    /// Longer than [`BODY_MAX`].
    #[error("an entry body has at most {BODY_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Newer than this software: kept and forwarded, and what it concerns is frozen.
    #[error("entry body of version {0}, this software knows 1")]
    Version(u8),
}

impl Entry {
    /// An entry of this kind and effect with everything else empty.
    pub fn new(kind: Kind, effect: Effect, currency: Currency, hlc: Hlc) -> Self {
        Self {
            flags: Flags::default(),
            kind,
            effect,
            currency,
            hlc,
            subject: Subject::NONE,
            other: Subject::NONE,
            amount: Cents::ZERO,
            tap_counter: 0,
            zone: 0,
            operator: 0,
            price_revision: 0,
            refers_to: None,
            part: Vec::new(),
        }
    }

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        out.u8(self.flags.0);
        out.u16(self.kind.0);
        out.u8(self.effect.byte());
        out.u8(0);
        out.u16(self.currency.0);
        out.u64(self.hlc.0);
        out.bytes(&self.subject.0);
        out.bytes(&self.other.0);
        out.u32(self.amount.get());
        out.u16(self.tap_counter);
        out.u16(self.zone);
        out.u32(self.operator);
        out.u32(self.price_revision);
        match &self.refers_to {
            Some(entry) => entry.write(&mut out),
            None => out.bytes(&[0; EntryRef::LEN]),
        }
        out.bytes(&self.part);
        out.finish()
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > BODY_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let mut input = Reader::new(bytes);
        match input.u8()? {
            1 => {}
            other => return Err(EntryError::Version(other)),
        }
        let flags = Flags(input.u8()?);
        if flags.0 & !Flags::KNOWN != 0 {
            return Err(Malformed::Value("flags").into());
        }
        let kind = Kind(input.u16()?);
        let effect = Effect::from_byte(input.u8()?);
        if input.u8()? != 0 {
            return Err(Malformed::Value("reserved").into());
        }
        let entry = Self {
            flags,
            kind,
            effect,
            currency: Currency(input.u16()?),
            hlc: Hlc(input.u64()?),
            subject: Subject(input.array()?),
            other: Subject(input.array()?),
            amount: Cents::new(input.u32()?).ok_or(Malformed::Value("amount"))?,
            tap_counter: input.u16()?,
            zone: input.u16()?,
            operator: input.u32()?,
            price_revision: input.u32()?,
            refers_to: Some(EntryRef::read(&mut input)?).filter(|r| *r != NO_ENTRY),
            part: input.rest().to_vec(),
        };
        Ok(entry)
    }

    /// Whether a signature follows this entry.
    pub fn ends_commit(&self) -> bool {
        self.flags.has(Flags::END_OF_COMMIT)
    }
}

const NO_ENTRY: EntryRef = EntryRef { device: DeviceId([0; 16]), epoch: 0, seq: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            subject: Subject([3; 16]),
            other: Subject([4; 16]),
            amount: Cents::new(450).unwrap(),
            tap_counter: 7,
            zone: 2,
            operator: 9,
            price_revision: 5,
            refers_to: Some(EntryRef { device: DeviceId([8; 16]), epoch: 1, seq: 41 }),
            part: vec![1, 2, 3],
            flags: Flags::END_OF_COMMIT,
            ..Entry::new(Kind::SALE, Effect::Debit, Currency::EUR, Hlc(77))
        }
    }

    #[test]
    fn an_entry_reads_back_and_its_header_has_88_bytes() {
        let bytes = entry().to_bytes();
        assert_eq!(bytes.len(), HEADER_LEN + 3);
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry()));
    }

    #[test]
    fn an_entry_cut_short_or_of_a_later_version_is_named() {
        let bytes = entry().to_bytes();
        for cut in 0..HEADER_LEN {
            assert!(Entry::from_bytes(&bytes[..cut]).is_err());
        }
        let mut later = bytes.clone();
        later[0] = 2;
        assert_eq!(Entry::from_bytes(&later), Err(EntryError::Version(2)));
        let mut reserved = bytes;
        reserved[5] = 1;
        assert!(Entry::from_bytes(&reserved).is_err());
    }

    #[test]
    fn a_body_is_at_most_as_long_as_a_segment_takes() {
        let with = |length: usize| Entry { part: vec![7; length - HEADER_LEN], ..entry() }.to_bytes();
        assert!(Entry::from_bytes(&with(BODY_MAX)).is_ok());
        for length in [BODY_MAX + 1, BODY_MAX + 2] {
            assert_eq!(Entry::from_bytes(&with(length)), Err(EntryError::TooLong(length)));
        }
    }

    #[test]
    fn an_entry_says_whom_it_is_about_and_whether_its_commit_ends() {
        assert!(entry().ends_commit() && !Entry { flags: Flags::TRAINING, ..entry() }.ends_commit());
        let both = Flags::TRAINING.with(Flags::END_OF_COMMIT);
        assert!(both.has(Flags::TRAINING) && both.has(Flags::END_OF_COMMIT) && !both.has(Flags::ALONE));
        assert_eq!(both.with(Flags::TRAINING), both);
        assert!(Subject::NONE.is_none() && !entry().subject.is_none());
        assert_eq!(Subject::from(DeviceId([8; 16])).device(), DeviceId([8; 16]));
    }

    #[test]
    fn an_unknown_effect_is_kept_as_it_is() {
        let mut bytes = entry().to_bytes();
        bytes[4] = 200;
        let read = Entry::from_bytes(&bytes).unwrap();
        assert_eq!(read.effect, Effect::Unknown(200));
        assert_eq!(read.to_bytes(), bytes);
    }
}
