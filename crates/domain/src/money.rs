//! Amounts in the festival currency's minor unit. Invariant: integers only, and every sum is checked.
//! Not here: who owes whom (`ledger`), prices (`till`).
use core::fmt;

use thiserror::Error;

/// A non-negative amount in minor units (euro cents), as in one entry. `0..=Cents::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Cents(#[n(0)] u32);

/// An amount above what a chip record or an entry can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an amount of {0} cents does not fit")]
pub struct TooMuch(pub i64);

impl Cents {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Largest amount: what the chip's 24-bit fields hold, 167,772.15.
    pub const MAX: Self = Self(0x00ff_ffff);

    /// An amount, if it is in range.
    pub const fn new(cents: u32) -> Option<Self> {
        if cents <= Self::MAX.0 { Some(Self(cents)) } else { None }
    }

    /// Minor units.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Minor units, signed and wide.
    pub const fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// Sum, if it is in range.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// Difference, if it is not negative.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `count` times this, if it is in range.
    pub fn times(self, count: u32) -> Option<Self> {
        self.0.checked_mul(count).and_then(Self::new)
    }
}

impl TryFrom<i64> for Cents {
    type Error = TooMuch;

    fn try_from(cents: i64) -> Result<Self, TooMuch> {
        u32::try_from(cents).ok().and_then(Self::new).ok_or(TooMuch(cents))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// ISO 4217 numeric code of the festival's currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Currency(#[n(0)] pub u16);

impl Currency {
    /// Euro.
    pub const EUR: Self = Self(978);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_beyond_the_chip_field_is_refused() {
        assert_eq!(Cents::MAX.plus(Cents(1)), None);
        assert_eq!(Cents(3).minus(Cents(4)), None);
        assert_eq!(Cents(0x0100_0000 / 2).times(2), None);
        assert_eq!(Cents::try_from(-1), Err(TooMuch(-1)));
    }

    #[test]
    fn an_amount_prints_with_two_decimals() {
        assert_eq!(Cents(1205).to_string(), "12.05");
    }
}
