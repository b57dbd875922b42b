//! The support desk's magnifying glass: what a ticket, a band's memory or a file of this system says, whether it can
//! be believed, and why not.
//! Invariant: decides nothing and changes nothing; no secret is ever printed; no input makes it panic.
//! Not here: the reading itself (`domain`, `sync`).
mod band;
mod bundle;
mod delta;
mod dump;
mod edit;
mod enrolment;
mod fork;
mod journal;
mod package;
mod report;
mod sources;
mod ticket;
mod trust;

pub use journal::kind_of;
pub use report::{Fact, Note, Report, Sheet, Standing};
pub use sources::Sources;
pub use ticket::{ProductName, TicketReport, pretix_keys, ticket};

use domain::wire::{Malformed, hex};

/// Where input stops being what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Byte, from 0.
    Offset(usize),
    /// Line of a text, from 1.
    Line(usize),
}

/// Input that cannot be read as what it is said or looks to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// As what it was read; `unknown` where nothing fits.
    pub kind: &'static str,
    /// Where.
    pub place: Place,
    /// Why, for people.
    pub reason: String,
}

impl Unreadable {
    /// At a byte.
    pub fn at(kind: &'static str, offset: usize, reason: impl ToString) -> Self {
        Self { kind, place: Place::Offset(offset), reason: reason.to_string() }
    }

    /// In a line.
    pub fn line(kind: &'static str, line: usize, reason: impl ToString) -> Self {
        Self { kind, place: Place::Line(line), reason: reason.to_string() }
    }

    /// Further inside what was read.
    fn beyond(self, bytes: usize) -> Self {
        match self.place {
            Place::Offset(offset) => Self { place: Place::Offset(offset.saturating_add(bytes)), ..self },
            Place::Line(_) => self,
        }
    }
}

/// What can be looked into, beside tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A wristband's memory.
    Band,
    /// A run of a journal's entries.
    Segment,
    /// A festival bundle.
    Bundle,
    /// A festival bundle with its blobs.
    Package,
    /// A founding record.
    Founding,
    /// A certificate alone.
    Certificate,
    /// A certificate chain.
    Chain,
    /// A signed state delta.
    Delta,
    /// An enrolled box's identity.
    Enrolled,
    /// A box's configuration.
    Config,
    /// The grant of an enrolment.
    Grant,
    /// The wristbands' keys.
    Secrets,
    /// A proof that a device signed two histories.
    Fork,
    /// A signed edit of a shared document.
    Edit,
}

impl Kind {
    /// All of them, in the order in which an unknown file is tried: each has a form that no other has.
    pub const ALL: [Self; 14] = [
        Self::Bundle,
        Self::Package,
        Self::Band,
        Self::Fork,
        Self::Edit,
        Self::Enrolled,
        Self::Config,
        Self::Grant,
        Self::Secrets,
        Self::Founding,
        Self::Chain,
        Self::Certificate,
        Self::Delta,
        Self::Segment,
    ];

    /// Name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Band => "band",
            Self::Segment => "segment",
            Self::Bundle => "bundle",
            Self::Package => "package",
            Self::Founding => "founding",
            Self::Certificate => "certificate",
            Self::Chain => "chain",
            Self::Delta => "delta",
            Self::Enrolled => "enrolled",
            Self::Config => "config",
            Self::Grant => "grant",
            Self::Secrets => "secrets",
            Self::Fork => "fork",
            Self::Edit => "edit",
        }
    }

    /// From [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn read(self, bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
        match self {
            Self::Band => band::report(&dump::from_bytes(bytes)?, sources),
            Self::Segment => journal::report(bytes, sources),
            Self::Bundle => bundle::report(bytes, sources),
            Self::Package => package::report(bytes, sources),
            Self::Founding => trust::founding(bytes, sources),
            Self::Certificate => trust::certificate(bytes, sources),
            Self::Chain => trust::chain(bytes, sources),
            Self::Delta => delta::report(bytes, sources),
            Self::Enrolled => enrolment::enrolled(bytes, sources),
            Self::Config => enrolment::config(bytes),
            Self::Grant => enrolment::grant(bytes),
            Self::Secrets => enrolment::secrets(bytes),
            Self::Fork => fork::report(bytes, sources),
            Self::Edit => edit::report(bytes, sources),
        }
    }
}

/// Looks into a file: as what it is said to be, or as what it turns out to be.
///
/// A file of hexadecimal text, or of a band dump's text, is read as the bytes that it says.
pub fn file(bytes: &[u8], kind: Option<Kind>, sources: &Sources) -> Result<Report, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable::at(kind.map_or("unknown", Kind::name), 0, "it is empty"));
    }
    if matches!(kind, None | Some(Kind::Band))
        && let Some(dump) = std::str::from_utf8(bytes).ok().and_then(dump::from_text)
        && (kind.is_some() || dump.is_ok())
    {
        return band::report(&dump?, sources);
    }
    let text = hexadecimal(bytes);
    let bytes = text.as_deref().unwrap_or(bytes);
    match kind {
        Some(kind) => kind.read(bytes, sources),
        None => detected(bytes, sources),
    }
}

/// The bytes of a text that is nothing but hexadecimal digits and white space.
fn hexadecimal(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let tight: String = text.split_whitespace().collect();
    domain::wire::unhex(&tight).filter(|bytes| !bytes.is_empty())
}

fn detected(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    if bytes.starts_with(b"FBUN") {
        return bundle::report(bytes, sources);
    }
    if bytes.starts_with(b"FPKG") {
        return package::report(bytes, sources);
    }
    if dump::looks_raw(bytes) {
        return band::report(&dump::from_bytes(bytes)?, sources);
    }
    if let [_, _, _, _, kind, rest @ ..] = bytes
        && let Some(kind) = framed(bytes, *kind)
    {
        return kind.read(rest, sources);
    }
    let readable = |kind: Kind| match kind {
        Kind::Bundle | Kind::Package | Kind::Band => None,
        Kind::Segment
        | Kind::Founding
        | Kind::Certificate
        | Kind::Chain
        | Kind::Delta
        | Kind::Enrolled
        | Kind::Config
        | Kind::Grant
        | Kind::Secrets
        | Kind::Fork
        | Kind::Edit => kind.read(bytes, sources).ok(),
    };
    if let Some(report) = Kind::ALL.into_iter().find_map(readable) {
        return Ok(report);
    }
    if bytes.len() == 32 {
        return Ok(enrolment::raw_key());
    }
    let start = hex(bytes.get(..4).unwrap_or(bytes));
    let names = Kind::ALL.map(Kind::name).join(", ");
    Err(Unreadable::at("unknown", 0, format!("{} bytes that begin with {start} are none of: {names}", bytes.len())))
}

/// The kind in a whole frame of sync or enrolment (`sync::frame`): a segment, a delta or a grant.
fn framed(bytes: &[u8], kind: u8) -> Option<Kind> {
    let length = bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length))?;
    let whole = usize::try_from(length).ok()? == bytes.len().saturating_sub(4);
    match kind {
        5 if whole => Some(Kind::Segment),
        7 if whole => Some(Kind::Delta),
        35 if whole => Some(Kind::Grant),
        _ => None,
    }
}

/// Reads canonical CBOR, or says where it stops being that.
fn cbor<'a, T>(kind: &'static str, bytes: &'a [u8]) -> Result<T, Unreadable>
where
    T: domain::wire::Cbor<'a>,
{
    domain::wire::from_canonical_cbor(bytes).map_err(|_| {
        let (offset, reason) = domain::wire::cbor_fault::<T>(bytes).unwrap_or_default();
        Unreadable::at(kind, offset, reason)
    })
}

/// Where a layout that is read front to back stops being itself: behind the last prefix that is only too short.
fn behind(
    kind: &'static str,
    bytes: &[u8],
    reason: Malformed,
    fault: impl Fn(&[u8]) -> Option<Malformed>,
) -> Unreadable {
    let offset = match reason {
        Malformed::Short { .. } => bytes.len(),
        Malformed::Long { extra } => bytes.len().saturating_sub(extra),
        Malformed::Value(_) => {
            let (mut good, mut bad) = (0usize, bytes.len());
            while good.saturating_add(1) < bad {
                let middle = good.midpoint(bad);
                let short = matches!(fault(bytes.split_at(middle).0), Some(Malformed::Short { .. }));
                if short { good = middle } else { bad = middle }
            }
            good
        }
    };
    Unreadable::at(kind, offset, reason)
}

/// Keys and ids in hexadecimal.
fn hex_fact(bytes: &[u8]) -> Fact {
    Fact::Text(hex(bytes))
}

/// `YYYY-MM-DD hh:mm:ss UTC` of unix seconds (days to civil date in the proleptic Gregorian calendar).
pub fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests;
