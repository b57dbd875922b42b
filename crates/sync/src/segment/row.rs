//! One entry body taken apart into its fields, and put together again.
//! Invariant: `Row::of(b).body() == b` for every body that has a row.
//! Not here: how fields are told (`columns`).
use domain::{
    id::EntryRef,
    wire::{Malformed, Reader, Writer},
};

pub(super) type Id = [u8; 16];

/// The fields of one split body.
#[derive(Clone, Default)]
pub(super) struct Row {
    pub(super) flags: u8,
    pub(super) kind: u16,
    pub(super) effect: u8,
    pub(super) currency: u16,
    pub(super) hlc: u64,
    pub(super) subject: Id,
    pub(super) other: Id,
    /// Amount, tap counter, zone, operator, price revision.
    pub(super) numbers: [u32; 5],
    pub(super) reference: [u8; EntryRef::LEN],
    pub(super) part: Vec<u8>,
}

impl Row {
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let mut input = Reader::new(body);
        let mut read = || -> Result<Option<Self>, Malformed> {
            if input.u8()? != 1 {
                return Ok(None);
            }
            let (flags, kind, effect) = (input.u8()?, input.u16()?, input.u8()?);
            if input.u8()? != 0 {
                return Ok(None);
            }
            let (currency, hlc, subject, other) = (input.u16()?, input.u64()?, input.array()?, input.array()?);
            let numbers = [input.u32()?, input.u16()?.into(), input.u16()?.into(), input.u32()?, input.u32()?];
            let reference = input.array()?;
            Ok(Some(Self {
                flags,
                kind,
                effect,
                currency,
                hlc,
                subject,
                other,
                numbers,
                reference,
                part: input.rest().to_vec(),
            }))
        };
        read().ok().flatten()
    }

    pub(super) fn body(&self) -> Result<Vec<u8>, Malformed> {
        let short = |n: u32| u16::try_from(n).map_err(|_| Malformed::Value("number"));
        let [amount, tap_counter, zone, operator, revision] = self.numbers;
        let mut out = Writer::new();
        out.u8(1);
        out.u8(self.flags);
        out.u16(self.kind);
        out.u8(self.effect);
        out.u8(0);
        out.u16(self.currency);
        out.u64(self.hlc);
        out.bytes(&self.subject);
        out.bytes(&self.other);
        out.u32(amount);
        out.u16(short(tap_counter)?);
        out.u16(short(zone)?);
        out.u32(operator);
        out.u32(revision);
        out.bytes(&self.reference);
        out.bytes(&self.part);
        Ok(out.finish())
    }
}
