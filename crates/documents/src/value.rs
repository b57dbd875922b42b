//! Values of a document: scalars only, so that two people who edit different things never hide each other's edit.
use automerge::ScalarValue;
use minicbor::{Decode, Decoder, Encode, Encoder, data::Type, decode, encode};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number.
    Int(u64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What kind of value a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number up to and including this one.
    Int(u64),
    /// A text of at most so many bytes, without control characters.
    Text(usize),
    /// Yes or no.
    Flag,
    /// At most so many bytes.
    Bytes(usize),
}

impl Kind {
    /// Whether `value` is of this kind and within its bound.
    pub fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Int(max), Value::Int(n)) => *n <= max,
            (Self::Text(max), Value::Text(text)) => text.len() <= max && !text.chars().any(char::is_control),
            (Self::Flag, Value::Flag(_)) => true,
            (Self::Bytes(max), Value::Bytes(bytes)) => bytes.len() <= max,
            (Self::Int(_) | Self::Text(_) | Self::Flag | Self::Bytes(_), _) => false,
        }
    }
}

impl Kind {
    /// Reads the text form of a value of this kind: a decimal number, `true` or `false`, hexadecimal bytes, a text as
    /// it is.
    pub fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Int(_) => text.parse().ok().map(Value::Int),
            Self::Text(_) => Some(Value::Text(text.into())),
            Self::Flag => text.parse().ok().map(Value::Flag),
            Self::Bytes(_) => domain::wire::unhex(text).map(Value::Bytes),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Bytes(bytes) => f.write_str(&domain::wire::hex(bytes)),
        }
    }
}

impl Value {
    pub(crate) fn to_scalar(&self) -> ScalarValue {
        match self {
            Self::Int(n) => ScalarValue::Uint(*n),
            Self::Text(text) => ScalarValue::Str(text.as_str().into()),
            Self::Flag(flag) => ScalarValue::Boolean(*flag),
            Self::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
        }
    }

    /// `None` for a scalar that no path holds.
    pub(crate) fn of_scalar(scalar: &ScalarValue) -> Option<Self> {
        match scalar {
            ScalarValue::Uint(n) => Some(Self::Int(*n)),
            ScalarValue::Str(text) => Some(Self::Text(text.to_string())),
            ScalarValue::Boolean(flag) => Some(Self::Flag(*flag)),
            ScalarValue::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            ScalarValue::Int(_)
            | ScalarValue::F64(_)
            | ScalarValue::Counter(_)
            | ScalarValue::Timestamp(_)
            | ScalarValue::Unknown { .. }
            | ScalarValue::Null => None,
        }
    }
}

impl<C> Encode<C> for Value {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Int(n) => e.u64(*n)?.ok(),
            Self::Text(text) => e.str(text)?.ok(),
            Self::Flag(flag) => e.bool(*flag)?.ok(),
            Self::Bytes(bytes) => e.bytes(bytes)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Value {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let kind = d.datatype()?;
        Ok(if matches!(kind, Type::U8 | Type::U16 | Type::U32 | Type::U64) {
            Self::Int(d.u64()?)
        } else if kind == Type::String {
            Self::Text(d.str()?.into())
        } else if kind == Type::Bool {
            Self::Flag(d.bool()?)
        } else if kind == Type::Bytes {
            Self::Bytes(d.bytes()?.into())
        } else {
            return Err(decode::Error::message("not a value"));
        })
    }
}
