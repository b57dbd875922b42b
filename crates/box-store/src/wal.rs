//! Whether commits were lost with the WAL. SQLite stops reading it at the first frame whose checksum does not hold, and
//! takes what stands behind it for what a power cut left: on a disk that changed a byte in the middle, commits that were
//! flushed long ago would be gone without a word.
//! The witness is the WAL's index, a file that SQLite makes anew at every start and in which a frame is counted only once
//! it was flushed.
//! Invariant: what a power cut may leave is never called damage. An index that is older than the WAL, or is no index, says
//! nothing. Nor do frames behind the bad one: they may be what is left of a commit that an earlier cut broke off, and
//! that a shorter one was written over.
//! Format: <https://www.sqlite.org/walformat.html>, sections 1 and 2.
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use crate::database::beside;

/// Length of the WAL's header, and of a frame's.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;
/// The largest page that SQLite has.
const PAGE_MAX: usize = 1 << 16;
const READ_AT_ONCE: usize = 1 << 16;

/// Two running sums over 32-bit words.
type Checksum = (u32, u32);

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

fn checksum(mut sum: Checksum, bytes: &[u8], big_endian: bool) -> Checksum {
    let read = |bytes: &[u8]| {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        sum.0 = sum.0.wrapping_add(read(pair)).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(read(pair.get(4..).unwrap_or_default())).wrapping_add(sum.0);
    }
    sum
}

/// Its frames, read one after another: most of a WAL is room for those to come.
struct Wal<R> {
    frames: R,
    page: usize,
    big_endian: bool,
}

impl<R: Read> Wal<R> {
    /// How many frames hold, from the first one on.
    fn valid(mut self, salts: (u32, u32), mut sum: Checksum) -> io::Result<usize> {
        let mut frame = vec![0; FRAME_HEADER.saturating_add(self.page)];
        let mut valid: usize = 0;
        while whole(&mut self.frames, &mut frame)? && (word(&frame, 8), word(&frame, 12)) == salts {
            let (head, data) = frame.split_at(FRAME_HEADER);
            sum = checksum(sum, head.get(..8).unwrap_or_default(), self.big_endian);
            sum = checksum(sum, data, self.big_endian);
            if word(&frame, 0) == 0 || sum != (word(&frame, 16), word(&frame, 20)) {
                break;
            }
            valid = valid.saturating_add(1);
        }
        Ok(valid)
    }
}

/// Fills the buffer; `false` where the file ends before.
fn whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// What the WAL's index said last.
struct Index {
    salts: [u8; 8],
    frames: usize,
    /// Of these so many are in the database.
    copied: usize,
}

impl Index {
    /// Two copies of 48 bytes, then how much was copied; in the machine's own order.
    fn read(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let (header, rest) = bytes.split_at_checked(48)?;
        let number = |bytes: &[u8], at: usize| {
            bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_ne_bytes(*word))
        };
        let sum = checksum((0, 0), header.get(..40)?, cfg!(target_endian = "big"));
        let holds =
            rest.get(..48)? == header && header.get(12) == Some(&1) && sum == (number(header, 40), number(header, 44));
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        holds.then(|| {
            let salts = header.get(32..40).and_then(|salts| salts.first_chunk()).copied().unwrap_or_default();
            Self { salts, frames: count(number(header, 16)), copied: count(number(&bytes, 96)) }
        })
    }
}

/// The frame behind which commits stand that SQLite will not see; `None`: whatever was flushed is read.
pub(crate) fn lost_behind(database: &Path) -> io::Result<Option<usize>> {
    let index = Index::read(&beside(database, "-shm"));
    let all_lost = || index.as_ref().filter(|index| index.frames > index.copied).map(|_| 0);
    let mut file = match File::open(beside(database, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all_lost()),
        file => BufReader::with_capacity(READ_AT_ONCE, file?),
    };
    let mut header = [0; HEADER];
    if !whole(&mut file, &mut header)? {
        return Ok(all_lost());
    }
    let magic = word(&header, 0);
    let sum = |big_endian| checksum((0, 0), header.get(..24).unwrap_or_default(), big_endian);
    let told = (word(&header, 24), word(&header, 28));
    let page = usize::try_from(word(&header, 8)).unwrap_or(0);
    let sound = page.is_power_of_two() && (512..=PAGE_MAX).contains(&page);
    let holds = (magic & !1) == MAGIC && sum(magic & 1 == 1) == told && sound;
    if !holds {
        return Ok(all_lost());
    }
    let wal = Wal { frames: file, page, big_endian: magic & 1 == 1 };
    let salts = (word(&header, 16), word(&header, 20));
    let valid = wal.valid(salts, told)?;
    let counted = index.is_some_and(|index| header.get(16..24) == Some(&index.salts) && index.frames > valid);
    Ok(counted.then_some(valid))
}
