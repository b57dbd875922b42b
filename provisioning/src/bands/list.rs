//! The list of bands: CSV, `wallet,kind,state,reason,time`, one line for each chip that became a band or is bad.
//! Invariant: a line is on the disk when `append` returns; a line that a power cut tore is no line, and goes at the next
//! opening; whatever else is not as this module writes it is damage, named with its line, and nothing is changed.
//! Not here: what becomes a line (`desk`).
use std::{
    collections::BTreeMap,
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use domain::id::WalletId;
use hardware::tag::TagKind;

use super::Refused;
use crate::{Failure, files, inspect::utc};

const HEADER: &str = "wallet,kind,state,reason,time";
const KINDS: [(TagKind, &str); 7] = [
    (TagKind::UidOnly, "uid"),
    (TagKind::Ntag213, "ntag213"),
    (TagKind::Ntag215, "ntag215"),
    (TagKind::Ntag216, "ntag216"),
    (TagKind::UltralightAes, "ultralight_aes"),
    (TagKind::UltralightC, "ultralight_c"),
    (TagKind::Other, "other"),
];

/// Name of a kind of chip on lists.
pub(super) fn kind_name(kind: TagKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("other", |(_, name)| name)
}

/// What a chip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A band.
    Issued,
    /// A band that is kept for whoever loses his own.
    Spare,
    /// No band, and why.
    Bad(Refused),
}

impl State {
    fn cells(self) -> (&'static str, &'static str) {
        match self {
            Self::Issued => ("issued", ""),
            Self::Spare => ("spare", ""),
            Self::Bad(refused) => ("bad", refused.code()),
        }
    }

    fn from_cells(state: &str, reason: &str) -> Option<Self> {
        match (state, reason) {
            ("issued", "") => Some(Self::Issued),
            ("spare", "") => Some(Self::Spare),
            ("bad", code) => Refused::from_code(code).map(Self::Bad),
            _ => None,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandLine {
    /// Keyed hash of the UID.
    pub wallet: WalletId,
    /// Kind of chip, by its name.
    pub kind: &'static str,
    /// What it is.
    pub state: State,
    /// When, in unix seconds.
    pub at: u64,
}

impl fmt::Display for BandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, reason) = self.state.cells();
        writeln!(f, "{},{},{state},{reason},{}", self.wallet.to_hex(), self.kind, utc(self.at))
    }
}

/// How many chips a list holds, each counted once, by its last line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bands.
    pub issued: u32,
    /// Spare bands.
    pub spare: u32,
    /// Bad chips by reason.
    pub bad: BTreeMap<&'static str, u32>,
    /// The last line was torn and does not count.
    pub is_torn: bool,
}

impl Summary {
    fn of(states: &BTreeMap<WalletId, State>, is_torn: bool) -> Self {
        let mut summary = Self { is_torn, ..Self::default() };
        for state in states.values() {
            let count = match state {
                State::Issued => &mut summary.issued,
                State::Spare => &mut summary.spare,
                State::Bad(refused) => summary.bad.entry(refused.code()).or_default(),
            };
            *count = count.saturating_add(1);
        }
        summary
    }

    /// All bad chips.
    pub fn bad_chips(&self) -> u32 {
        self.bad.values().fold(0, |all, count| all.saturating_add(*count))
    }
}

/// What the bytes of a list say, and how many of them count.
fn parse(path: &Path, bytes: &[u8]) -> Result<(BTreeMap<WalletId, State>, usize), Failure> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    let damaged = |line: usize| Failure::DamagedList { path: path.into(), line };
    let mut states = BTreeMap::new();
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let line = str::from_utf8(line).map_err(|_| damaged(number))?.trim_end_matches('\n');
        if index == 0 {
            if line != HEADER {
                return Err(damaged(number));
            }
            continue;
        }
        let (wallet, state) = line_of(line).ok_or_else(|| damaged(number))?;
        states.insert(wallet, state);
    }
    let torn = &bytes[whole..];
    // a file of something else is no list whose first line is torn
    if whole == 0 && !HEADER.as_bytes().starts_with(torn) {
        return Err(damaged(1));
    }
    Ok((states, whole))
}

fn line_of(line: &str) -> Option<(WalletId, State)> {
    let mut cells = line.split(',');
    let mut cell = || cells.next();
    let (wallet, kind, state, reason, time) = (cell()?, cell()?, cell()?, cell()?, cell()?);
    let is_kind = KINDS.iter().any(|(_, name)| *name == kind);
    (cells.next().is_none() && is_kind && is_time(time)).then_some(())?;
    Some((WalletId::from_hex(wallet)?, State::from_cells(state, reason)?))
}

/// Whether it looks as [`utc`] writes it.
fn is_time(text: &str) -> bool {
    const LOOK: &[u8] = b"0000-00-00 00:00:00 UTC";
    let same = |(byte, look): (u8, &u8)| if *look == b'0' { byte.is_ascii_digit() } else { byte == *look };
    text.len() == LOOK.len() && text.bytes().zip(LOOK).all(same)
}

/// A list that is written to. Nobody else can open it meanwhile.
#[derive(Debug)]
pub struct BandList {
    path: PathBuf,
    file: File,
    length: u64,
    states: BTreeMap<WalletId, State>,
    was_torn: bool,
}

impl BandList {
    /// Opens a list, or begins a new one. A torn last line is cut off.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::File { path: path.into(), reason: error.to_string() };
        let file = OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Failure::ListInUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let bytes = files::read(path)?;
        let (states, whole) = parse(path, &bytes)?;
        let was_torn = whole < bytes.len();
        let mut list = Self { path: path.into(), file, length: whole as u64, states, was_torn };
        if was_torn {
            list.file.set_len(list.length).and_then(|()| list.file.sync_all()).map_err(failed)?;
        }
        if whole == 0 {
            list.write(&format!("{HEADER}\n"))?;
            files::sync_folder(path)?;
        }
        Ok(list)
    }

    /// What a list says, without changing it.
    pub fn check(path: &Path) -> Result<Summary, Failure> {
        let bytes = files::read(path)?;
        let (states, whole) = parse(path, &bytes)?;
        Ok(Summary::of(&states, whole < bytes.len()))
    }

    /// Adds a line, down to the disk.
    pub fn append(&mut self, line: &BandLine) -> Result<(), Failure> {
        self.write(&line.to_string())?;
        self.states.insert(line.wallet, line.state);
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let length = self.length.saturating_add(text.len() as u64);
        let failed = |reason: String| Failure::File { path: self.path.clone(), reason };
        if length > files::MAX {
            return Err(failed(format!("a list has at most {} bytes; begin another", files::MAX)));
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| failed(error.to_string()))?;
        self.length = length;
        Ok(())
    }

    /// What a chip was last.
    pub fn state(&self, wallet: WalletId) -> Option<State> {
        self.states.get(&wallet).copied()
    }

    /// Whether it is a band already.
    pub fn is_issued(&self, wallet: WalletId) -> bool {
        matches!(self.state(wallet), Some(State::Issued | State::Spare))
    }

    /// What it says by now.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.states, self.was_torn)
    }
}

impl Drop for BandList {
    fn drop(&mut self) {
        // a process that is being started at this moment has a copy of the open file, and the lock would last with it
        self.file.unlock().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(number: u8, state: State) -> BandLine {
        BandLine { wallet: WalletId([number; 16]), kind: "ntag215", state, at: 1_800_000_000 }
    }

    fn filled(path: &Path) -> Vec<u8> {
        let mut list = BandList::open(path).unwrap();
        list.append(&line(1, State::Issued)).unwrap();
        list.append(&line(2, State::Bad(Refused::UltralightC))).unwrap();
        list.append(&line(3, State::Spare)).unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn a_list_opens_again_as_it_was_left() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("bands.csv");
        filled(&path);
        let mut list = BandList::open(&path).unwrap();
        assert!(list.is_issued(WalletId([1; 16])) && list.is_issued(WalletId([3; 16])));
        assert!(!list.is_issued(WalletId([2; 16])) && !list.is_issued(WalletId([4; 16])));
        list.append(&line(2, State::Issued)).unwrap();
        let summary = BandList::check(&path).unwrap();
        assert_eq!((summary.issued, summary.spare, summary.bad_chips()), (2, 1, 0), "the last line of a chip counts");
        assert_eq!(files::mode(&path), Ok(0o600));
    }

    #[test]
    fn a_list_cut_off_at_any_byte_loses_no_whole_line_and_goes_on() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("bands.csv");
        let whole = filled(&path);
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let summary = BandList::check(&path).unwrap();
            let counted = summary.issued + summary.spare + summary.bad_chips();
            assert_eq!(counted as usize, lines.saturating_sub(1), "cut at {cut}");
            assert_eq!(summary.is_torn, cut > 0 && whole[cut - 1] != b'\n', "cut at {cut}");
            assert_eq!(fs::read(&path).unwrap(), &whole[..cut], "a check changes nothing");
            let mut list = BandList::open(&path).unwrap();
            list.append(&line(9, State::Issued)).unwrap();
            drop(list);
            let again = BandList::check(&path).unwrap();
            assert!(!again.is_torn);
            assert_eq!(again.issued + again.spare + again.bad_chips(), counted + 1, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_changed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("bands.csv");
        let whole = String::from_utf8(filled(&path)).unwrap();
        for (from, to, damaged) in [
            ("wallet,", "Wallet,", 1),
            ("issued", "isued", 2),
            ("0101", "01x1", 2),
            ("band.ultralight_c", "band.nonsense", 3),
            ("ntag215,spare", "ntag219,spare", 4),
            ("spare,,", "spare,band.unsupported,", 4),
            (" UTC", "", 2),
        ] {
            let text = whole.replacen(from, to, 1);
            fs::write(&path, &text).unwrap();
            let failure = Failure::DamagedList { path: path.clone(), line: damaged };
            assert_eq!(BandList::check(&path), Err(failure.clone()), "{from}");
            assert_eq!(BandList::open(&path).err(), Some(failure), "{from}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "a letter").unwrap();
        assert!(BandList::open(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    }

    #[test]
    fn two_runs_do_not_write_to_one_list() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("bands.csv");
        let first = BandList::open(&path).unwrap();
        assert_eq!(BandList::open(&path).err(), Some(Failure::ListInUse(path.clone())));
        drop(first);
        assert!(BandList::open(&path).is_ok());
    }
}
