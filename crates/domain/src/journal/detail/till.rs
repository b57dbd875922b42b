//! Parts that only tills and desks write: staff, shifts, cash, corrections, vouchers.
//! Not here: closures (`closure`), sales and intents.
use alloc::string::String;

use super::closure::{code, read_signed, signed};
use super::small;
use crate::wire::{Malformed, Reader, Writer};

/// `Kind::STAFF_SESSION`, one byte; the entry's operator is who. A login ends the session before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffChange {
    /// 1: logged in.
    In,
    /// 2: logged out.
    Out,
    /// 3: logged out after some time without a touch.
    Idle,
    /// 4: wrong PINs in a row; the box waits before it takes another.
    WrongPins,
}

impl StaffChange {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::In => 1,
            Self::Out => 2,
            Self::Idle => 3,
            Self::WrongPins => 4,
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match input.u8()? {
            1 => Ok(Self::In),
            2 => Ok(Self::Out),
            3 => Ok(Self::Idle),
            4 => Ok(Self::WrongPins),
            _ => Err(Malformed::Value("staff change")),
        }
    }
}

/// How a guest paid a top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Means {
    /// 0: no money was taken (a credit that the hub signed).
    #[default]
    None,
    /// 1: notes and coins.
    Cash,
    /// 2: a card, on a terminal of its own.
    Card,
}

impl Means {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Cash => 1,
            Self::Card => 2,
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match input.u8()? {
            0 => Ok(Self::None),
            1 => Ok(Self::Cash),
            2 => Ok(Self::Card),
            _ => Err(Malformed::Value("means of payment")),
        }
    }
}

/// `Kind::SHIFT_CLOSE`: expected, zigzag varint · in doubt, varint. The entry's amount is the cash counted; it refers
/// to the shift's opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftClose {
    /// What the drawer should hold by the journal.
    pub expected: i64,
    /// Cash for top-ups that were in doubt at the time: it may be in the drawer and is not in `expected`.
    pub in_doubt: u32,
}

impl ShiftClose {
    pub(super) fn write(self, out: &mut Writer) {
        signed(self.expected, out);
        out.varint(self.in_doubt.into());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { expected: read_signed(input)?, in_doubt: small(input)? })
    }
}

/// `Kind::CASH_MOVE`: into the drawer u8 · reason code. The entry's amount is the cash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CashMove {
    /// Put in; else taken out.
    pub into_drawer: bool,
    /// Why: a code.
    pub reason: String,
}

impl CashMove {
    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.into_drawer));
        out.bytes(self.reason.as_bytes());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { into_drawer: super::flag(input)?, reason: code(input)? })
    }
}

/// `Kind::CORRECTION_PLUS`, `CORRECTION_MINUS`, `HANDED_OVER`: supervisor varint · reason code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Who confirmed it with a PIN; 0 nobody.
    pub supervisor: u32,
    /// Why: a code.
    pub reason: String,
}

impl Correction {
    pub(super) fn write(&self, out: &mut Writer) {
        out.varint(self.supervisor.into());
        out.bytes(self.reason.as_bytes());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { supervisor: small(input)?, reason: code(input)? })
    }
}

/// `Kind::VOUCHER`: scheme u8 · category varint · product varint · quantity varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherTaken {
    /// As in an admission.
    pub scheme: u8,
    /// Its category.
    pub category: u16,
    /// What it was given for.
    pub product: u32,
    /// How many.
    pub quantity: u32,
}

impl VoucherTaken {
    pub(super) fn write(self, out: &mut Writer) {
        out.u8(self.scheme);
        out.varint(self.category.into());
        out.varint(self.product.into());
        out.varint(self.quantity.into());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let scheme = input.u8()?;
        let category = u16::try_from(input.varint()?).map_err(|_| Malformed::Value("category"))?;
        Ok(Self { scheme, category, product: small(input)?, quantity: small(input)? })
    }
}
