//! What is special about a sale: age looked at, happy hour, goods given for nothing, a correction, vouchers.
//! Invariant: a sale without any of it has no byte of it.
use alloc::{string::String, vec::Vec};

use super::{cents, small};
use crate::{
    id::{EntryRef, TicketUid},
    money::Cents,
    wire::{Malformed, Reader, Writer},
};

/// Goods given for nothing by staff: their lines have price 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What they would have cost.
    pub value: Cents,
    /// Who confirmed it with a PIN; 0 nobody.
    pub supervisor: u32,
    /// Why: a code.
    pub reason: String,
}

/// The sale charges what an earlier entry charged or took off too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrects {
    /// The entry corrected; always one of the same box.
    pub entry: EntryRef,
    /// Who confirmed it with a PIN; 0 nobody.
    pub supervisor: u32,
    /// Why: a code.
    pub reason: String,
}

/// A voucher that pays for some of the goods: their lines have price 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherUse {
    /// Which.
    pub ticket: TicketUid,
    /// Its category.
    pub category: u16,
    /// What it is for.
    pub product: u32,
    /// How many.
    pub quantity: u32,
}

/// Marks of a sale: bits u8, then what the bits 8, 16 and 32 announce, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SaleMarks {
    /// Bit 1: staff looked at the guest's age.
    pub age_checked: bool,
    /// Bit 2: a happy hour lowered a price.
    pub happy_hour: bool,
    /// Bit 4: a happy hour may have been on, but the clock was too uncertain: full price.
    pub time_uncertain: bool,
    /// Bit 8: value varint · supervisor varint · reason length u8 · reason.
    pub given: Option<Given>,
    /// Bit 16: entry 24 · supervisor varint · reason length u8 · reason.
    pub corrects: Option<Corrects>,
    /// Bit 32: count u8, from 1 · each: ticket 16 · category varint · product varint · quantity varint.
    pub vouchers: Vec<VoucherUse>,
}

impl SaleMarks {
    /// Most vouchers in one sale.
    pub const MAX_VOUCHERS: usize = 20;

    pub(super) fn write(&self, out: &mut Writer) {
        if *self == Self::default() {
            return;
        }
        let flags = [self.age_checked, self.happy_hour, self.time_uncertain];
        let parts = [self.given.is_some(), self.corrects.is_some(), !self.vouchers.is_empty()];
        let bits = flags.into_iter().chain(parts).rev().fold(0u8, |bits, set| (bits << 1) | u8::from(set));
        out.u8(bits);
        if let Some(given) = &self.given {
            out.varint(given.value.get().into());
            out.varint(given.supervisor.into());
            write_code(&given.reason, out);
        }
        if let Some(corrects) = &self.corrects {
            corrects.entry.write(out);
            out.varint(corrects.supervisor.into());
            write_code(&corrects.reason, out);
        }
        if !self.vouchers.is_empty() {
            out.u8(u8::try_from(self.vouchers.len()).unwrap_or(u8::MAX));
        }
        for voucher in &self.vouchers {
            voucher.ticket.write(out);
            out.varint(voucher.category.into());
            out.varint(voucher.product.into());
            out.varint(voucher.quantity.into());
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        if input.rest().is_empty() {
            return Ok(Self::default());
        }
        let bits = input.u8()?;
        if bits == 0 || bits > 63 {
            return Err(Malformed::Value("sale marks"));
        }
        let has = |bit: u8| bits & bit != 0;
        let given = if has(8) { Some(Given::read(input)?) } else { None };
        let corrects = if has(16) { Some(Corrects::read(input)?) } else { None };
        let mut vouchers = Vec::new();
        if has(32) {
            let count = usize::from(input.u8()?);
            if count == 0 || count > Self::MAX_VOUCHERS {
                return Err(Malformed::Value("vouchers"));
            }
            for _ in 0..count {
                vouchers.push(VoucherUse::read(input)?);
            }
        }
        Ok(Self { age_checked: has(1), happy_hour: has(2), time_uncertain: has(4), given, corrects, vouchers })
    }
}

impl Given {
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { value: cents(input)?, supervisor: small(input)?, reason: read_code(input)? })
    }
}

impl Corrects {
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { entry: EntryRef::read(input)?, supervisor: small(input)?, reason: read_code(input)? })
    }
}

impl VoucherUse {
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let ticket = TicketUid::read(input)?;
        let category = u16::try_from(input.varint()?).map_err(|_| Malformed::Value("category"))?;
        Ok(Self { ticket, category, product: small(input)?, quantity: small(input)? })
    }
}

fn write_code(code: &str, out: &mut Writer) {
    out.u8(u8::try_from(code.len()).unwrap_or(u8::MAX));
    out.bytes(code.as_bytes());
}

fn read_code(input: &mut Reader<'_>) -> Result<String, Malformed> {
    let length = usize::from(input.u8()?);
    super::closure::code(&mut Reader::new(input.take(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DeviceId;

    #[test]
    fn a_plain_sale_has_no_byte_of_marks_and_a_special_one_reads_back() {
        let bytes = |marks: &SaleMarks| {
            let mut out = Writer::new();
            marks.write(&mut out);
            out.finish()
        };
        assert!(bytes(&SaleMarks::default()).is_empty());
        let entry = EntryRef { device: DeviceId([1; 16]), epoch: 0, seq: 7 };
        let voucher = VoucherUse { ticket: TicketUid([2; 16]), category: 300, product: 1, quantity: 2 };
        let all = SaleMarks {
            age_checked: true,
            happy_hour: false,
            time_uncertain: true,
            given: Some(Given { value: Cents::new(700).unwrap(), supervisor: 3, reason: "staff".into() }),
            corrects: Some(Corrects { entry, supervisor: 0, reason: "wrong_price".into() }),
            vouchers: vec![voucher; 2],
        };
        let written = bytes(&all);
        assert_eq!(written[0], 1 | 4 | 8 | 16 | 32);
        assert_eq!(SaleMarks::read(&mut Reader::new(&written)), Ok(all.clone()));
        let happy = SaleMarks { happy_hour: true, ..all };
        assert_eq!(SaleMarks::read(&mut Reader::new(&bytes(&happy))), Ok(happy), "all bits");
        for cut in 1..written.len() {
            assert!(SaleMarks::read(&mut Reader::new(&written[..cut])).is_err(), "cut at {cut}");
        }
        for bad in [&[0][..], &[64], &[32, 0]] {
            assert!(SaleMarks::read(&mut Reader::new(bad)).is_err(), "{bad:?}");
        }
    }
}
