//! Reading and writing fixed little-endian layouts, byte by byte and within bounds.
//! Invariant: no input makes a reader panic or allocate more than it holds.
//! Not here: what the bytes mean.
use alloc::{string::String, vec::Vec};

use thiserror::Error;

/// Bytes that are not of the layout they claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It ends before it should.
    #[error("{missing} bytes are missing")]
    Short {
        /// How many.
        missing: usize,
    },
    /// It goes on after its end.
    #[error("{extra} bytes too many")]
    Long {
        /// How many.
        extra: usize,
    },
    /// A field holds a value that it may not hold.
    #[error("field {0} holds a value it may not hold")]
    Value(&'static str),
}

/// Takes fields off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(Malformed::Short { missing: len.saturating_sub(self.rest.len()) }),
        }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Three bytes, little-endian.
    pub fn u24(&mut self) -> Result<u32, Malformed> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Unsigned LEB128, shortest form only, at most 64 bits.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed::Value("varint"));
            }
            value |= bits.checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(Malformed::Value("varint")) } else { Ok(value) };
            }
        }
        Err(Malformed::Value("varint"))
    }

    /// Ends the reading: anything left is an error.
    pub fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Long { extra: self.rest.len() }) }
    }
}

/// Appends fields to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// How many bytes were written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// The low three bytes, little-endian; the caller has checked that the value fits (`purse::U24`).
    pub fn u24(&mut self, value: u32) {
        let [a, b, c, _] = value.to_le_bytes();
        self.bytes(&[a, b, c]);
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Unsigned LEB128, shortest form.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('?');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Bytes of a hexadecimal text of even length; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits?;
    let (pairs, odd) = digits.as_chunks::<2>();
    odd.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

pub(crate) fn first16(hash: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(hash.split_at(16).0);
    out
}

/// Decodes CBOR that must be in the one form our encoder writes (definite lengths, shortest integers, nothing after).
/// Source: RFC 8949 section 4.2; checked by encoding again and comparing.
pub fn from_canonical_cbor<'a, T>(bytes: &'a [u8]) -> Result<T, Malformed>
where
    T: minicbor::Decode<'a, ()> + minicbor::Encode<()>,
{
    let value: T = minicbor::decode(bytes).map_err(|_| Malformed::Value("cbor"))?;
    if to_cbor(&value) == bytes { Ok(value) } else { Err(Malformed::Value("cbor not canonical")) }
}

/// What is read from and written to canonical CBOR.
pub trait Cbor<'a>: minicbor::Decode<'a, ()> + minicbor::Encode<()> {}

impl<'a, T: minicbor::Decode<'a, ()> + minicbor::Encode<()>> Cbor<'a> for T {}

/// Where bytes that [`from_canonical_cbor`] refuses stop being what they should be, and why, for people: the decoder's
/// place, or the first byte that our encoder would have written otherwise. `None` where they are not refused.
pub fn cbor_fault<'a, T: Cbor<'a>>(bytes: &'a [u8]) -> Option<(usize, String)> {
    let mut decoder = minicbor::Decoder::new(bytes);
    match decoder.decode::<T>() {
        Err(error) => {
            Some((error.position().unwrap_or_else(|| decoder.position()), alloc::string::ToString::to_string(&error)))
        }
        Ok(value) => {
            let canonical = to_cbor(&value);
            let differs = canonical.iter().zip(bytes).position(|(ours, theirs)| ours != theirs);
            let end = canonical.len().min(bytes.len());
            (canonical != bytes).then(|| (differs.unwrap_or(end), "not in its one canonical form".into()))
        }
    }
}

/// Encodes as CBOR. Writing to memory cannot fail.
pub fn to_cbor<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let written: Result<(), minicbor::encode::Error<core::convert::Infallible>> = minicbor::encode(value, &mut out);
    debug_assert!(written.is_ok(), "encoding to memory cannot fail");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_reads_back_and_has_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Writer::new();
            out.varint(value);
            let bytes = out.finish();
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).varint(), Err(Malformed::Value("varint")));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Malformed::Value("varint")));
    }

    #[test]
    fn a_fault_in_cbor_is_told_with_its_place() {
        type Pair = (u32, u32);
        assert_eq!(cbor_fault::<Pair>(&[0x82, 1, 2]), None);
        assert_eq!(cbor_fault::<Pair>(&[0x82, 1, 0x61, 0x41]).map(|fault| fault.0), Some(2), "a text");
        assert_eq!(cbor_fault::<Pair>(&[0x82, 1, 0x18, 2]).map(|fault| fault.0), Some(2), "a longer form");
        assert_eq!(cbor_fault::<Pair>(&[0x82, 1, 2, 0]).map(|fault| fault.0), Some(3), "a byte too many");
    }

    #[test]
    fn hexadecimal_reads_back() {
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("zz"), None);
    }
}
