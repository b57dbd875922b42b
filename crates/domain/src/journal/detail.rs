//! The kind's own part of an entry, typed. Unknown kinds stay bytes.
mod closure;
mod sale_marks;
mod till;

pub use closure::{Closure, TillTotals, closes_journal, is_closed};
pub use sale_marks::{Corrects, Given, SaleMarks, VoucherUse};
pub use till::{CashMove, Correction, Means, ShiftClose, StaffChange, VoucherTaken};

use alloc::{string::String, vec::Vec};

use thiserror::Error;

use super::{
    Entry, EntryHash, Kind,
    part_credit::{OnlineCredit, OnlineTopUp},
    part_gate::{Admission, Pairing, ShareGrant, ShareRelease, bytes},
    part_ruling::Ruling,
};
use crate::{
    id::{BoxNumber, FestivalId},
    money::Cents,
    wire::{Malformed, Reader, Writer, from_canonical_cbor, to_cbor},
    wristband::{CREDIT_RECORD_LEN, CreditId, RecordId},
};

/// First entry of an epoch: canonical CBOR array. It binds festival, device key, box number, certificate and epoch.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Genesis {
    /// The festival.
    #[n(0)]
    pub festival: FestivalId,
    /// Ed25519 public key that signs this journal.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// Number that this epoch writes on chips.
    #[n(2)]
    pub box_number: BoxNumber,
    /// Which run of the journal.
    #[n(3)]
    pub epoch: u32,
    /// The certificate chain by which the entries' rights are judged (`trust::CertificateChain`).
    #[cbor(n(4), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// Last head of the epoch before, as far as this box has it.
    #[n(5)]
    pub previous: Option<PreviousHead>,
    /// Software version.
    #[n(6)]
    pub software: String,
}

/// Head of an earlier epoch.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct PreviousHead {
    /// Which epoch.
    #[n(0)]
    pub epoch: u32,
    /// Position.
    #[n(1)]
    pub seq: u32,
    /// Hash.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: EntryHash,
}

/// What kind of band it is, for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BandProfile {
    /// 1: account by UID, the money is in the ledger.
    Uid,
    /// 2: purse in an NTAG215/216's memory.
    Ntag21x,
    /// 3: purse on an Ultralight AES.
    UltralightAes,
    /// 4: signed pointer (NTAG213): account as `Uid`, not forgeable.
    Pointer,
}

impl BandProfile {
    /// The byte in a part.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Uid => 1,
            Self::Ntag21x => 2,
            Self::UltralightAes => 3,
            Self::Pointer => 4,
        }
    }

    /// From the byte in a part.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Uid),
            2 => Some(Self::Ntag21x),
            3 => Some(Self::UltralightAes),
            4 => Some(Self::Pointer),
            _ => None,
        }
    }

    /// Whether the money is on the chip.
    pub const fn has_purse(self) -> bool {
        matches!(self, Self::Ntag21x | Self::UltralightAes)
    }
}

/// One line of a sale: product varint · quantity varint · unit price varint (minor units).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleLine {
    /// Product number in the catalogue.
    pub product: u32,
    /// How many, from 1.
    pub quantity: u32,
    /// Price of one, without deposit.
    pub unit_price: Cents,
}

/// What was sold: deposit out varint · deposit back varint · count varint · lines · marks, where there are any.
/// The entry's amount is the lines' sum + deposit out − deposit back.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sale {
    /// Deposits charged for cups handed out.
    pub deposit_out: Cents,
    /// Deposits given back for cups returned.
    pub deposit_back: Cents,
    /// Goods.
    pub lines: Vec<SaleLine>,
    /// What is special about it.
    pub marks: SaleMarks,
}

/// What an intent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentPurpose {
    /// 1.
    Sale,
    /// 2: a desk raises C.
    TopUp,
    /// 3: a box carries a C′ that the hub signed.
    Carry,
    /// 4: spent is raised to credits, cash is paid out.
    Refund,
    /// 5: a record of price 0, so that earlier intents settle.
    ClosingRead,
}

impl IntentPurpose {
    const fn byte(self) -> u8 {
        match self {
            Self::Sale => 1,
            Self::TopUp => 2,
            Self::Carry => 3,
            Self::Refund => 4,
            Self::ClosingRead => 5,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Sale),
            2 => Some(Self::TopUp),
            3 => Some(Self::Carry),
            4 => Some(Self::Refund),
            5 => Some(Self::ClosingRead),
            _ => None,
        }
    }
}

/// The chain of records that a box read on a chip:
/// base 4 · before 4 · other flag u8 (· before2 4) · credit sequence u8 · credit id 4 · credits u24 · spent u24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipSeen {
    /// The S record in force.
    pub base: RecordId,
    /// Its link: the record before it.
    pub before: RecordId,
    /// The other slot's link, where that slot still holds the record `before`.
    pub before2: Option<RecordId>,
    /// Sequence of the C in force.
    pub credit_seq: u8,
    /// Which C.
    pub credit_id: CreditId,
    /// Its credits.
    pub credits: Cents,
    /// Spent, as the S record in force says.
    pub spent: Cents,
}

/// What a box is about to write on a chip; the header holds amount and the new record's tap counter.
/// purpose u8 · chip seen · own record id 4 · spent after u24 · number of C records u8 (0 to 2) · C records · sale;
/// or, for a top-up, fee varint · means u8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What for.
    pub purpose: IntentPurpose,
    /// What it read.
    pub seen: ChipSeen,
    /// The S record it will write.
    pub own: RecordId,
    /// Spent in that record.
    pub spent_after: Cents,
    /// The C record it will write (top-up, carry).
    pub new_credit: Option<[u8; CREDIT_RECORD_LEN]>,
    /// The C record that it will destroy, on chips with one C slot.
    pub old_credit: Option<[u8; CREDIT_RECORD_LEN]>,
    /// Goods, for a sale.
    pub sale: Option<Sale>,
    /// Kept from the cash, for a top-up.
    pub fee: Cents,
    /// How the guest pays, for a top-up.
    pub means: Means,
}

/// Commit of a top-up: c-only u8 (1: only its C stands on the chip, not its S record) · fee varint · means u8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// Whether the S record was left out.
    pub c_only: bool,
    /// Fee kept from the money, in cents (varint); not part of the credit.
    pub fee: Cents,
    /// How the guest paid.
    pub means: Means,
}

/// Hub: this head is in force. Canonical CBOR array; the device is the entry's subject.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Countersignature {
    /// Which epoch.
    #[n(0)]
    pub epoch: u32,
    /// Position.
    #[n(1)]
    pub seq: u32,
    /// Hash.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: EntryHash,
    /// The hub's term.
    #[n(3)]
    pub term: u32,
    /// Whether the entries up to here are archived outside the hub's database.
    #[n(4)]
    pub archived: bool,
}

/// What a block, a revocation or the lifting of one is about: nothing else in the entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockedKind {
    /// 1.
    Wallet,
    /// 2.
    Ticket,
    /// 3.
    Device,
}

impl BlockedKind {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Wallet => 1,
            Self::Ticket => 2,
            Self::Device => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Wallet),
            2 => Some(Self::Ticket),
            3 => Some(Self::Device),
            _ => None,
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::from_byte(input.u8()?).ok_or(Malformed::Value("what is blocked"))
    }
}

/// Hub: the subject is blocked, or free again. What u8 · code in visible ASCII, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the subject is.
    pub of: BlockedKind,
    /// Why: a code.
    pub reason: String,
}

impl Block {
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let of = BlockedKind::read(input)?;
        let reason = input.take(input.rest().len())?;
        match core::str::from_utf8(reason) {
            Ok(code) if code.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self { of, reason: code.into() }),
            Ok(_) | Err(_) => Err(Malformed::Value("code")),
        }
    }
}

/// Hub: this device is revoked from beyond these heads, or this ticket for ever. Canonical CBOR array.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Revocation {
    /// Last heads known, an epoch each; a ticket has none.
    #[n(0)]
    pub heads: Vec<PreviousHead>,
    /// Why, for people.
    #[n(1)]
    pub reason: String,
}

/// A part, typed by its entry's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `Kind::GENESIS`.
    Genesis(Genesis),
    /// `Kind::ADMISSION`, `Kind::EXIT`.
    Admission(Admission),
    /// `Kind::PAIRING`.
    Pairing(Pairing),
    /// `Kind::SALE`, `DEPOSIT_OUT`, `DEPOSIT_BACK`; `None` where it commits an intent, which has the lines.
    Sale(Option<Sale>),
    /// `Kind::INTENT`.
    Intent(Intent),
    /// `Kind::TOP_UP`.
    TopUp(TopUp),
    /// `Kind::VOID`, `GAVE_UP`, `CLOSING_READ`, `REFUND`: what the chip showed, if it was there.
    Seen(Option<ChipSeen>),
    /// `Kind::COUNTERSIGNATURE`.
    Countersignature(Countersignature),
    /// `Kind::BLOCK`, `UNBLOCK`.
    Block(Block),
    /// `Kind::REVOCATION`: what u8 (a ticket or a device) · canonical CBOR.
    Revocation(BlockedKind, Revocation),
    /// `Kind::ONLINE_CREDIT`.
    OnlineCredit(OnlineCredit),
    /// `Kind::ONLINE_TOP_UP`.
    OnlineTopUp(OnlineTopUp),
    /// `Kind::RULING`.
    Ruling(Ruling),
    /// `Kind::SHARE`.
    Share(ShareGrant),
    /// `Kind::SHARE_RELEASE`.
    ShareRelease(ShareRelease),
    /// `Kind::STAFF_SESSION`.
    Staff(StaffChange),
    /// `Kind::SHIFT_CLOSE`.
    ShiftClose(ShiftClose),
    /// `Kind::CASH_MOVE`.
    CashMove(CashMove),
    /// `Kind::CLOSURE`.
    Closure(Closure),
    /// `Kind::CORRECTION_PLUS`, `CORRECTION_MINUS`, `HANDED_OVER`; empty: bytes.
    Correction(Correction),
    /// `Kind::VOUCHER`.
    Voucher(VoucherTaken),
    /// Any other kind: bytes.
    Other(Vec<u8>),
}

/// A part that is not of its kind's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("part of an entry of kind {kind}: {reason}")]
pub struct DetailError {
    /// The entry's kind.
    pub kind: u16,
    /// What is wrong.
    pub reason: Malformed,
}

fn u24(input: &mut Reader<'_>) -> Result<Cents, Malformed> {
    Cents::new(input.u24()?).ok_or(Malformed::Value("amount"))
}

fn cents(input: &mut Reader<'_>) -> Result<Cents, Malformed> {
    u32::try_from(input.varint()?).ok().and_then(Cents::new).ok_or(Malformed::Value("amount"))
}

fn small(input: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(input.varint()?).map_err(|_| Malformed::Value("number"))
}

fn flag(input: &mut Reader<'_>) -> Result<bool, Malformed> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Value("flag")),
    }
}

impl ChipSeen {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.base.0);
        out.bytes(&self.before.0);
        out.u8(u8::from(self.before2.is_some()));
        if let Some(before2) = self.before2 {
            out.bytes(&before2.0);
        }
        out.u8(self.credit_seq);
        out.bytes(&self.credit_id.0);
        out.u24(self.credits.get());
        out.u24(self.spent.get());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            base: RecordId(input.array()?),
            before: RecordId(input.array()?),
            before2: if flag(input)? { Some(RecordId(input.array()?)) } else { None },
            credit_seq: input.u8()?,
            credit_id: CreditId(input.array()?),
            credits: u24(input)?,
            spent: u24(input)?,
        })
    }
}

impl Sale {
    /// Most lines in one sale.
    pub const MAX_LINES: usize = 100;

    fn write(&self, out: &mut Writer) {
        out.varint(self.deposit_out.get().into());
        out.varint(self.deposit_back.get().into());
        out.varint(self.lines.len() as u64);
        for line in &self.lines {
            out.varint(line.product.into());
            out.varint(line.quantity.into());
            out.varint(line.unit_price.get().into());
        }
        self.marks.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (deposit_out, deposit_back, count) = (cents(input)?, cents(input)?, small(input)?);
        if count as usize > Self::MAX_LINES {
            return Err(Malformed::Value("sale lines"));
        }
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(SaleLine { product: small(input)?, quantity: small(input)?, unit_price: cents(input)? });
        }
        Ok(Self { deposit_out, deposit_back, lines, marks: SaleMarks::read(input)? })
    }

    /// Deposits out less deposits back, in minor units.
    pub fn net_deposit(&self) -> i64 {
        self.deposit_out.as_i64().saturating_sub(self.deposit_back.as_i64())
    }
}

impl Intent {
    fn write(&self, out: &mut Writer) {
        out.u8(self.purpose.byte());
        self.seen.write(out);
        out.bytes(&self.own.0);
        out.u24(self.spent_after.get());
        out.u8(u8::from(self.new_credit.is_some()).saturating_add(u8::from(self.old_credit.is_some())));
        for credit in [&self.new_credit, &self.old_credit].into_iter().flatten() {
            out.bytes(credit);
        }
        if let Some(sale) = &self.sale {
            sale.write(out);
        }
        if self.purpose == IntentPurpose::TopUp {
            out.varint(self.fee.get().into());
            out.u8(self.means.byte());
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let purpose = IntentPurpose::from_byte(input.u8()?).ok_or(Malformed::Value("intent purpose"))?;
        let seen = ChipSeen::read(input)?;
        let own = RecordId(input.array()?);
        let spent_after = u24(input)?;
        let records = input.u8()?;
        if records > 2 {
            return Err(Malformed::Value("credit records"));
        }
        let is_top_up = purpose == IntentPurpose::TopUp;
        Ok(Self {
            purpose,
            seen,
            own,
            spent_after,
            new_credit: if records > 0 { Some(input.array()?) } else { None },
            old_credit: if records > 1 { Some(input.array()?) } else { None },
            sale: if purpose == IntentPurpose::Sale { Some(Sale::read(input)?) } else { None },
            fee: if is_top_up { cents(input)? } else { Cents::ZERO },
            means: if is_top_up { Means::read(input)? } else { Means::None },
        })
    }
}

impl Detail {
    /// Reads the part of `entry` as its kind says.
    pub fn of(entry: &Entry) -> Result<Self, DetailError> {
        Self::read(entry.kind, &entry.part).map_err(|reason| DetailError { kind: entry.kind.0, reason })
    }

    fn read(kind: Kind, part: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(part);
        let detail = match kind {
            Kind::GENESIS => return Ok(Self::Genesis(from_canonical_cbor(part)?)),
            Kind::COUNTERSIGNATURE => return Ok(Self::Countersignature(from_canonical_cbor(part)?)),
            Kind::REVOCATION => return Self::read_revocation(&mut input),
            Kind::BLOCK | Kind::UNBLOCK => Self::Block(Block::read(&mut input)?),
            Kind::ADMISSION | Kind::EXIT => Self::Admission(Admission::read(&mut input)?),
            Kind::PAIRING => Self::Pairing(Pairing::read(&mut input)?),
            Kind::SHARE => Self::Share(ShareGrant::read(&mut input)?),
            Kind::SHARE_RELEASE => Self::ShareRelease(ShareRelease::read(&mut input)?),
            Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK if part.is_empty() => Self::Sale(None),
            Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK => Self::Sale(Some(Sale::read(&mut input)?)),
            Kind::INTENT => Self::Intent(Intent::read(&mut input)?),
            Kind::TOP_UP => Self::TopUp(TopUp {
                c_only: flag(&mut input)?,
                fee: cents(&mut input)?,
                means: Means::read(&mut input)?,
            }),
            Kind::STAFF_SESSION => Self::Staff(StaffChange::read(&mut input)?),
            Kind::SHIFT_CLOSE => Self::ShiftClose(ShiftClose::read(&mut input)?),
            Kind::CASH_MOVE => Self::CashMove(CashMove::read(&mut input)?),
            Kind::CLOSURE => Self::Closure(Closure::read(&mut input)?),
            Kind::CORRECTION_PLUS | Kind::CORRECTION_MINUS | Kind::HANDED_OVER if !part.is_empty() => {
                Self::Correction(Correction::read(&mut input)?)
            }
            Kind::VOUCHER => Self::Voucher(VoucherTaken::read(&mut input)?),
            Kind::VOID | Kind::GAVE_UP | Kind::CLOSING_READ | Kind::REFUND if part.is_empty() => Self::Seen(None),
            Kind::VOID | Kind::GAVE_UP | Kind::CLOSING_READ | Kind::REFUND => {
                Self::Seen(Some(ChipSeen::read(&mut input)?))
            }
            Kind::ONLINE_CREDIT => Self::OnlineCredit(OnlineCredit::read(&mut input)?),
            Kind::ONLINE_TOP_UP => Self::OnlineTopUp(OnlineTopUp::read(&mut input)?),
            Kind::RULING => Self::Ruling(Ruling::read(&mut input)?),
            _ => return Ok(Self::Other(part.to_vec())),
        };
        input.end()?;
        Ok(detail)
    }

    fn read_revocation(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let of = BlockedKind::read(input)?;
        let revocation: Revocation = from_canonical_cbor(input.rest())?;
        match of {
            BlockedKind::Ticket if revocation.heads.is_empty() => Ok(Self::Revocation(of, revocation)),
            BlockedKind::Device => Ok(Self::Revocation(of, revocation)),
            // A band is blocked, and may be freed again.
            BlockedKind::Wallet | BlockedKind::Ticket => Err(Malformed::Value("what is revoked")),
        }
    }

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Genesis(genesis) => return to_cbor(genesis),
            Self::Countersignature(countersignature) => return to_cbor(countersignature),
            Self::Admission(admission) => return bytes(|out| admission.write(out)),
            Self::Pairing(pairing) => return bytes(|out| pairing.write(out)),
            Self::Share(grant) => return bytes(|out| grant.write(out)),
            Self::ShareRelease(release) => return bytes(|out| release.write(out)),
            Self::Block(block) => {
                out.u8(block.of.byte());
                out.bytes(block.reason.as_bytes());
            }
            Self::Revocation(of, revocation) => {
                out.u8(of.byte());
                out.bytes(&to_cbor(revocation));
            }
            Self::OnlineCredit(credit) => credit.write(&mut out),
            Self::Ruling(ruling) => ruling.write(&mut out),
            Self::OnlineTopUp(top_up) => out.bytes(top_up.reference.as_bytes()),
            Self::Sale(Some(sale)) => sale.write(&mut out),
            Self::Intent(intent) => intent.write(&mut out),
            Self::TopUp(top_up) => {
                out.u8(u8::from(top_up.c_only));
                out.varint(top_up.fee.get().into());
                out.u8(top_up.means.byte());
            }
            Self::Staff(change) => out.u8(change.byte()),
            Self::ShiftClose(close) => close.write(&mut out),
            Self::CashMove(moved) => moved.write(&mut out),
            Self::Closure(closure) => closure.write(&mut out),
            Self::Correction(correction) => correction.write(&mut out),
            Self::Voucher(voucher) => voucher.write(&mut out),
            Self::Seen(Some(seen)) => seen.write(&mut out),
            Self::Sale(None) | Self::Seen(None) => {}
            Self::Other(bytes) => out.bytes(bytes),
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Effect, Marks},
        money::Currency,
        time::Hlc,
    };

    fn seen(before2: Option<RecordId>) -> ChipSeen {
        ChipSeen {
            base: RecordId([1; 4]),
            before: RecordId([2; 4]),
            before2,
            credit_seq: 3,
            credit_id: CreditId([4; 4]),
            credits: Cents::new(5000).unwrap(),
            spent: Cents::new(1200).unwrap(),
        }
    }

    fn sale() -> Sale {
        Sale {
            deposit_out: Cents::new(200).unwrap(),
            deposit_back: Cents::new(100).unwrap(),
            lines: vec![SaleLine { product: 7, quantity: 2, unit_price: Cents::new(350).unwrap() }],
            marks: SaleMarks::default(),
        }
    }

    fn revocation(heads: u32) -> Revocation {
        let heads = (0..heads).map(|epoch| PreviousHead { epoch, seq: 4, hash: [5; 32] }).collect();
        Revocation { heads, reason: "lost".into() }
    }

    #[test]
    fn a_block_that_does_not_say_what_it_blocks_is_malformed() {
        let read =
            |kind, part: Vec<u8>| Detail::of(&Entry { part, ..Entry::new(kind, Effect::Block, Currency::EUR, Hlc(1)) });
        for part in [&b""[..], b"\0", b"\x04code", b"band.blocked", b"\x01two words", b"\x01\xc3\xa9"] {
            assert!(read(Kind::BLOCK, part.to_vec()).is_err(), "{part:?}");
            assert!(read(Kind::UNBLOCK, part.to_vec()).is_err(), "{part:?}");
        }
        assert!(read(Kind::REVOCATION, to_cbor(&revocation(0))).is_err());
        let of_band = Detail::Revocation(BlockedKind::Wallet, revocation(0));
        let of_ticket_with_heads = Detail::Revocation(BlockedKind::Ticket, revocation(1));
        for part in [of_band, of_ticket_with_heads] {
            assert!(read(Kind::REVOCATION, part.to_bytes()).is_err(), "{part:?}");
        }
    }

    fn online_credit(on_chip: bool) -> OnlineCredit {
        let at = crate::id::EntryRef { device: crate::id::DeviceId([8; 16]), epoch: 1, seq: 2 };
        OnlineCredit { record: on_chip.then_some([6; CREDIT_RECORD_LEN]), covers: vec![at, at] }
    }

    #[test]
    fn a_list_is_as_long_as_a_part_may_hold_and_no_longer() {
        let at = [[8; 16].as_slice(), &[1, 0, 0, 0, 2, 0, 0, 0]].concat();
        let voucher = [[2; 16].as_slice(), &[1, 1, 1]].concat();
        let ruling =
            |count: usize| [&[1, 1, 1, 0, 0, count as u8][..], &at.repeat(count), &[3], b"Ana", b"why"].concat();
        let of = |kind, part| {
            let entry = Entry { part, ..Entry::new(kind, Effect::None, Currency::EUR, Hlc(1)) };
            let bytes = Detail::of(&entry)?.to_bytes();
            assert_eq!(bytes, entry.part);
            Ok::<(), DetailError>(())
        };
        let lines = |count: usize| [&[0, 0, count as u8][..], &[7, 1, 9].repeat(count)].concat();
        let credit = |count: usize| [&[0, count as u8][..], &at.repeat(count)].concat();
        let marks = |count: usize| [&[0, 0, 0, 32, count as u8][..], &voucher.repeat(count)].concat();
        type Part<'a> = &'a dyn Fn(usize) -> Vec<u8>;
        let lists: [(Kind, usize, Part); 4] = [
            (Kind::SALE, Sale::MAX_LINES, &lines),
            (Kind::ONLINE_CREDIT, OnlineCredit::MAX_COVERS, &credit),
            (Kind::RULING, crate::journal::Ruling::MAX_REPLACES, &ruling),
            (Kind::SALE, SaleMarks::MAX_VOUCHERS, &marks),
        ];
        for (kind, most, part) in lists {
            assert!(most < 127 && of(kind, part(1)).is_ok() && of(kind, part(most)).is_ok(), "{kind:?}");
            assert!(of(kind, part(most + 1)).is_err(), "{kind:?}");
            assert!(of(kind, part(most + 2)).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn a_payment_s_reference_is_short_text_without_control_characters() {
        let read = |part: &[u8]| {
            Detail::of(&Entry {
                part: part.to_vec(),
                ..Entry::new(Kind::ONLINE_TOP_UP, Effect::Owe, Currency::EUR, Hlc(1))
            })
        };
        assert_eq!(read("reçu 17".as_bytes()).unwrap().to_bytes(), "reçu 17".as_bytes());
        for part in [&b"a\nb"[..], b"\xff", &[b'a'; 201]] {
            assert!(read(part).is_err(), "{part:?}");
        }
    }

    #[test]
    fn every_part_reads_back_as_its_kind() {
        let intent = Intent {
            purpose: IntentPurpose::Sale,
            seen: seen(Some(RecordId([9; 4]))),
            own: RecordId([5; 4]),
            spent_after: Cents::new(2000).unwrap(),
            new_credit: None,
            old_credit: None,
            sale: Some(sale()),
            fee: Cents::ZERO,
            means: Means::None,
        };
        let top_up = Intent {
            purpose: IntentPurpose::TopUp,
            new_credit: Some([6; CREDIT_RECORD_LEN]),
            old_credit: Some([7; CREDIT_RECORD_LEN]),
            sale: None,
            fee: Cents::new(50).unwrap(),
            means: Means::Card,
            ..intent.clone()
        };
        let genesis = Genesis {
            festival: FestivalId([1; 16]),
            public_key: [2; 32],
            box_number: BoxNumber(3),
            epoch: 4,
            chain: vec![5],
            previous: Some(PreviousHead { epoch: 3, seq: 6, hash: [7; 32] }),
            software: "0.1.0".into(),
        };
        let countersignature = Countersignature { epoch: 4, seq: 5, hash: [6; 32], term: 7, archived: true };
        let cases = [
            (Kind::GENESIS, Detail::Genesis(genesis)),
            (Kind::COUNTERSIGNATURE, Detail::Countersignature(countersignature)),
            (Kind::SALE, Detail::Sale(Some(sale()))),
            (Kind::SALE, Detail::Sale(None)),
            (Kind::INTENT, Detail::Intent(intent)),
            (Kind::INTENT, Detail::Intent(top_up)),
            (Kind::TOP_UP, Detail::TopUp(TopUp { c_only: true, fee: Cents::ZERO, means: Means::Cash })),
            (Kind::STAFF_SESSION, Detail::Staff(StaffChange::In)),
            (Kind::STAFF_SESSION, Detail::Staff(StaffChange::Out)),
            (Kind::STAFF_SESSION, Detail::Staff(StaffChange::Idle)),
            (Kind::STAFF_SESSION, Detail::Staff(StaffChange::WrongPins)),
            (Kind::SHIFT_CLOSE, Detail::ShiftClose(ShiftClose { expected: -120, in_doubt: 300 })),
            (Kind::VOUCHER, Detail::Voucher(VoucherTaken { scheme: 1, category: 400, product: 7, quantity: 2 })),
            (Kind::VOID, Detail::Seen(Some(seen(None)))),
            (Kind::GAVE_UP, Detail::Seen(None)),
            (Kind::PAIRING, Detail::Pairing(Pairing::of(BandProfile::Uid))),
            (Kind::PAIRING, Detail::Pairing(Pairing::of(BandProfile::Ntag21x))),
            (Kind::PAIRING, Detail::Pairing(Pairing::of(BandProfile::UltralightAes))),
            (Kind::PAIRING, Detail::Pairing(Pairing::of(BandProfile::Pointer))),
            (
                Kind::ADMISSION,
                Detail::Admission(Admission {
                    scheme: 2,
                    marks: Marks::TIME_UNCERTAIN,
                    product: [1, 2, 3, 400],
                    reason: String::new(),
                }),
            ),
            (Kind::BLOCK, Detail::Block(Block { of: BlockedKind::Wallet, reason: "band.blocked".into() })),
            (Kind::UNBLOCK, Detail::Block(Block { of: BlockedKind::Ticket, reason: String::new() })),
            (Kind::REVOCATION, Detail::Revocation(BlockedKind::Device, revocation(1))),
            (Kind::REVOCATION, Detail::Revocation(BlockedKind::Ticket, revocation(0))),
            (Kind::ONLINE_CREDIT, Detail::OnlineCredit(online_credit(true))),
            (Kind::ONLINE_CREDIT, Detail::OnlineCredit(online_credit(false))),
            (Kind::CASH_MOVE, Detail::CashMove(CashMove { into_drawer: true, reason: "change".into() })),
            (Kind::HANDED_OVER, Detail::Correction(Correction { supervisor: 300, reason: "served".into() })),
            (Kind::CORRECTION_PLUS, Detail::Other(vec![])),
            (Kind(999), Detail::Other(vec![1, 2, 3])),
        ];
        for (kind, detail) in cases {
            let mut entry = Entry::new(kind, Effect::None, Currency::EUR, Hlc(1));
            entry.part = detail.to_bytes();
            assert_eq!(Detail::of(&entry), Ok(detail));
            if kind != Kind(999) && !entry.part.is_empty() {
                entry.part.push(0);
                assert!(Detail::of(&entry).is_err(), "a byte too many in kind {}", kind.0);
            }
        }
    }
}
