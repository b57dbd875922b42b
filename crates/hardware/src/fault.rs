//! What goes wrong while a band is presented, said in words that tests, the demo and people share:
//! `leave before write 3`, `leave after write 3`, `tear write 3 at byte 2`, `tear write 6 after store`,
//! `leave before command 5`, `nak write 2`, `crc nak at command 2`, `line error at command 4`, `unplug at command 2`,
//! `slow write 2 by 300 ms`.
//!
//! Invariant: commands and writes are counted from 1, from the moment the band is presented; a write is
//! a command too, and so is an increment of a counter a write. Not here: what a box does about it.

use std::{fmt, num::NonZeroU32, str::FromStr, thread, time::Duration};

use thiserror::Error;

use crate::{
    chip::{Chip, INCR_CNT, NAK_TRANSMISSION, NAK_WRITE_ERROR, Reply, WRITE},
    tag::MAX_EXCHANGE,
};

/// The most faults of one presentation.
pub const MAX_FAULTS: usize = 32;
/// The most milliseconds that a command is made slower by.
pub const MAX_SLOW_MS: u16 = 1_000;

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// At the n-th command of any kind.
    Command(NonZeroU32),
    /// At the n-th WRITE or increment.
    Write(NonZeroU32),
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The tag leaves and the command never reaches it.
    LeaveBefore(Moment),
    /// The tag carries the command out and leaves; its answer is lost.
    LeaveAfter(Moment),
    /// The tag leaves in the middle of the n-th WRITE: bytes before `byte` are new, the rest old.
    Tear {
        /// Which WRITE.
        write: NonZeroU32,
        /// How many bytes were stored, 0 to 3.
        byte: u8,
    },
    /// The tag leaves in the middle of the n-th WRITE or increment, before it stored anything or after it stored all:
    /// the two ends of a command that is protected against tearing.
    TearStore {
        /// Which WRITE or increment.
        write: NonZeroU32,
        /// Whether it was stored.
        stored: bool,
    },
    /// The tag refuses the command, without effect.
    Nak(Moment),
    /// The command reaches the tag damaged: it says so and does nothing.
    CrcNak(Moment),
    /// The tag carries the command out and its answer comes back damaged.
    LineError(Moment),
    /// The reader is unplugged and the command never reaches the tag.
    Unplug(Moment),
    /// The tag takes so much longer for the command, 1 to [`MAX_SLOW_MS`]; another fault may strike it as well.
    Slow {
        /// Which command.
        at: Moment,
        /// How much longer.
        ms: u16,
    },
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(nth) => write!(f, "command {nth}"),
            Self::Write(nth) => write!(f, "write {nth}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaveBefore(moment) => write!(f, "leave before {moment}"),
            Self::LeaveAfter(moment) => write!(f, "leave after {moment}"),
            Self::Tear { write, byte } => write!(f, "tear write {write} at byte {byte}"),
            Self::TearStore { write, stored } => {
                write!(f, "tear write {write} {} store", if *stored { "after" } else { "before" })
            }
            Self::Nak(moment) => write!(f, "nak {moment}"),
            Self::CrcNak(moment) => write!(f, "crc nak at {moment}"),
            Self::LineError(moment) => write!(f, "line error at {moment}"),
            Self::Unplug(moment) => write!(f, "unplug at {moment}"),
            Self::Slow { at, ms } => write!(f, "slow {at} by {ms} ms"),
        }
    }
}

/// Words that say no fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FaultError {
    /// Not one of the sentences this module opens with.
    #[error("“{0}” is no fault: say for example “leave before write 3” or “tear write 3 at byte 2”")]
    Unknown(String),
    /// Commands and writes count from 1.
    #[error("“{0}” counts from 0, but the first command is 1")]
    Zero(String),
    /// A page has 4 bytes, and a tear leaves at least one of them old.
    #[error("“{0}” tears at a byte which is not 0 to 3")]
    Byte(String),
    /// Longer than anybody holds a band.
    #[error("“{0}” is slower than 1 to {MAX_SLOW_MS} ms")]
    Slow(String),
    /// More than [`MAX_FAULTS`].
    #[error("{0} faults at once, at most {MAX_FAULTS} are taken")]
    TooMany(usize),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let shown = || text.chars().take(80).collect::<String>();
        let unknown = || FaultError::Unknown(shown());
        let nth = |count: &str| -> Result<NonZeroU32, FaultError> {
            let count: u32 = count.parse().map_err(|_| unknown())?;
            NonZeroU32::new(count).ok_or_else(|| FaultError::Zero(shown()))
        };
        let moment = |what: &str, count: &str| match what {
            "command" => nth(count).map(Moment::Command),
            "write" => nth(count).map(Moment::Write),
            _ => Err(unknown()),
        };
        let words: Vec<&str> = text.split_whitespace().take(8).collect();
        match words[..] {
            ["leave", "before", what, count] => moment(what, count).map(Self::LeaveBefore),
            ["leave", "after", what, count] => moment(what, count).map(Self::LeaveAfter),
            ["tear", "write", count, "at", "byte", byte] => {
                let write = nth(count)?;
                match byte.parse() {
                    Ok(byte @ 0..=3) => Ok(Self::Tear { write, byte }),
                    Ok(_) => Err(FaultError::Byte(shown())),
                    Err(_) => Err(unknown()),
                }
            }
            ["tear", "write", count, when @ ("before" | "after"), "store"] => {
                Ok(Self::TearStore { write: nth(count)?, stored: when == "after" })
            }
            ["nak", what, count] => moment(what, count).map(Self::Nak),
            ["crc", "nak", "at", what, count] => moment(what, count).map(Self::CrcNak),
            ["line", "error", "at", what, count] => moment(what, count).map(Self::LineError),
            ["slow", what, count, "by", ms, "ms"] => match ms.parse() {
                Ok(ms @ 1..=MAX_SLOW_MS) => Ok(Self::Slow { at: moment(what, count)?, ms }),
                Ok(_) => Err(FaultError::Slow(shown())),
                Err(_) => Err(unknown()),
            },
            ["unplug", "at", what, count] => moment(what, count).map(Self::Unplug),
            _ => Err(unknown()),
        }
    }
}

impl Fault {
    /// Reads several faults, one a line or between commas or semicolons.
    pub fn parse_several(text: &str) -> Result<Vec<Self>, FaultError> {
        let sentences: Vec<&str> = text
            .split([',', ';', '\n'])
            .map(str::trim)
            .filter(|sentence| !sentence.is_empty())
            .take(MAX_FAULTS + 1)
            .collect();
        if sentences.len() > MAX_FAULTS {
            return Err(FaultError::TooMany(sentences.len()));
        }
        sentences.into_iter().map(str::parse).collect()
    }
}

/// What the reader gets for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The chip's own reply.
    Reply(Reply),
    /// A reply that was damaged.
    LineError,
    /// Nothing: the tag has left.
    Left,
    /// Nothing: the reader was unplugged.
    Unplugged,
}

/// A chip's time in the field, with the faults that are to strike in it.
#[derive(Clone, Debug)]
pub struct Presentation {
    faults: Vec<Fault>,
    commands: u32,
    writes: u32,
}

impl Presentation {
    /// Counts from now on. Takes the first [`MAX_FAULTS`] faults.
    pub fn new(mut faults: Vec<Fault>) -> Self {
        faults.truncate(MAX_FAULTS);
        Self { faults, commands: 0, writes: 0 }
    }

    /// One command to the chip, unless a fault strikes. After [`Exchange::Left`] and
    /// [`Exchange::Unplugged`] the chip has lost its power.
    pub fn exchange(&mut self, chip: &mut Chip, command: &[u8]) -> Exchange {
        self.commands = self.commands.saturating_add(1);
        let is_write = matches!(command.first(), Some(&(WRITE | INCR_CNT)));
        if is_write {
            self.writes = self.writes.saturating_add(1);
        }
        let strikes = |moment: Moment| match moment {
            Moment::Command(nth) => nth.get() == self.commands,
            Moment::Write(nth) => is_write && nth.get() == self.writes,
        };
        let struck = self.faults.iter().copied().find(|fault| match fault {
            Fault::LeaveBefore(moment)
            | Fault::LeaveAfter(moment)
            | Fault::Nak(moment)
            | Fault::CrcNak(moment)
            | Fault::LineError(moment)
            | Fault::Unplug(moment) => strikes(*moment),
            Fault::Tear { write, .. } | Fault::TearStore { write, .. } => strikes(Moment::Write(*write)),
            Fault::Slow { .. } => false,
        });
        let slow = self.faults.iter().map(|fault| {
            if let Fault::Slow { at, ms } = fault
                && strikes(*at)
            {
                *ms
            } else {
                0
            }
        });
        thread::sleep(Duration::from_millis(slow.map(u64::from).sum()));
        match struck {
            None | Some(Fault::Slow { .. }) => match chip.transmit(command) {
                Reply::Data(bytes) if bytes.len() > MAX_EXCHANGE => Exchange::LineError,
                reply @ (Reply::Data(_) | Reply::Ack | Reply::Nak(_) | Reply::Silent) => Exchange::Reply(reply),
            },
            Some(Fault::LeaveBefore(_)) => {
                chip.leave_field();
                Exchange::Left
            }
            Some(Fault::LeaveAfter(_)) => {
                chip.transmit(command);
                chip.leave_field();
                Exchange::Left
            }
            Some(Fault::Tear { byte, .. }) => {
                chip.transmit_torn(command, usize::from(byte));
                chip.leave_field();
                Exchange::Left
            }
            Some(Fault::TearStore { stored, .. }) => {
                chip.transmit_torn(command, if stored { 4 } else { 0 });
                chip.leave_field();
                Exchange::Left
            }
            Some(Fault::Nak(_)) => {
                chip.deselect();
                Exchange::Reply(Reply::Nak(NAK_WRITE_ERROR))
            }
            Some(Fault::CrcNak(_)) => {
                chip.deselect();
                Exchange::Reply(Reply::Nak(NAK_TRANSMISSION))
            }
            Some(Fault::LineError(_)) => {
                chip.transmit(command);
                Exchange::LineError
            }
            Some(Fault::Unplug(_)) => {
                chip.leave_field();
                Exchange::Unplugged
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Ntag21x, NtagType};

    fn chip() -> Chip {
        let mut chip = Chip::from(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]));
        chip.enter_field();
        chip
    }

    /// Reads once, then writes pages 8 to 12 with their number; stops at the first that fails.
    fn five_writes(chip: &mut Chip, faults: &str) -> (u8, Exchange) {
        let mut presentation = Presentation::new(Fault::parse_several(faults).unwrap());
        let mut last = presentation.exchange(chip, &[0x30, 4]);
        for page in 8..=12 {
            last = presentation.exchange(chip, &[WRITE, page, page, page, page, page]);
            if last != Exchange::Reply(Reply::Ack) {
                return (page, last);
            }
        }
        (0, last)
    }

    fn page(chip: &Chip, page: usize) -> [u8; 4] {
        chip.memory()[page * 4..page * 4 + 4].try_into().unwrap()
    }

    #[test]
    fn every_fault_reads_back_as_it_prints() {
        for text in [
            "leave before write 3",
            "leave after write 3",
            "tear write 3 at byte 2",
            "tear write 6 before store",
            "tear write 6 after store",
            "leave before command 5",
            "leave after command 5",
            "nak write 2",
            "nak command 9",
            "crc nak at command 1",
            "line error at command 4",
            "unplug at command 2",
            "unplug at write 4294967295",
            "slow command 3 by 200 ms",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn several_faults_stand_in_one_text() {
        let faults = Fault::parse_several("nak write 2; leave before write 3,\n").unwrap();
        let printed: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(printed, ["nak write 2", "leave before write 3"]);
        assert_eq!(Fault::parse_several(&"nak write 1,".repeat(40)), Err(FaultError::TooMany(MAX_FAULTS + 1)));
    }

    #[test]
    fn words_that_say_no_fault_are_refused_with_the_reason() {
        for text in ["", "leave", "leave before page 3", "nak write -1", "tear write 1"] {
            let error = text.parse::<Fault>();
            assert_eq!(error, Err(FaultError::Unknown(text.to_owned())));
        }
        let zero = "nak write 0".parse::<Fault>();
        assert_eq!(zero, Err(FaultError::Zero("nak write 0".to_owned())));
        let slow = "slow write 1 by 1001 ms".parse::<Fault>();
        assert!(matches!(slow, Err(FaultError::Slow(_))));
        let byte = "tear write 1 at byte 4".parse::<Fault>();
        assert!(matches!(byte, Err(FaultError::Byte(_))));
    }

    #[test]
    fn a_tag_that_leaves_before_a_write_keeps_the_old_page() {
        for nth in 1..=5 {
            let mut chip = chip();
            let stopped = five_writes(&mut chip, &format!("leave before write {nth}"));
            assert_eq!(stopped, (7 + nth, Exchange::Left));
            for write in 1..=5 {
                let expected = if write < nth { [7 + write; 4] } else { [0; 4] };
                assert_eq!(page(&chip, usize::from(7 + write)), expected);
            }
            assert_eq!(chip.transmit(&[0x60]), Reply::Silent);
        }
    }

    #[test]
    fn a_tag_that_leaves_after_a_write_has_the_new_page() {
        for nth in 1..=5 {
            let mut chip = chip();
            let stopped = five_writes(&mut chip, &format!("leave after write {nth}"));
            assert_eq!(stopped, (7 + nth, Exchange::Left));
            for write in 1..=5 {
                let expected = if write <= nth { [7 + write; 4] } else { [0; 4] };
                assert_eq!(page(&chip, usize::from(7 + write)), expected);
            }
        }
    }

    #[test]
    fn a_torn_write_leaves_the_first_bytes_new() {
        for nth in 1..=5 {
            for byte in 0..4 {
                let mut chip = chip();
                let fault = format!("tear write {nth} at byte {byte}");
                let stopped = five_writes(&mut chip, &fault);
                assert_eq!(stopped, (7 + nth, Exchange::Left));
                let mut expected = [0; 4];
                expected[..byte].fill(7 + nth);
                assert_eq!(page(&chip, usize::from(7 + nth)), expected);
            }
        }
    }

    #[test]
    fn a_write_is_a_command_too() {
        let mut chip = chip();
        let stopped = five_writes(&mut chip, "leave before command 3");
        assert_eq!(stopped, (9, Exchange::Left));
    }

    #[test]
    fn a_refused_write_changes_nothing_and_waits_for_a_new_selection() {
        let mut chip = chip();
        let stopped = five_writes(&mut chip, "nak write 2");
        assert_eq!(stopped, (9, Exchange::Reply(Reply::Nak(NAK_WRITE_ERROR))));
        assert_eq!(page(&chip, 9), [0; 4]);
        assert_eq!(chip.transmit(&[0x60]), Reply::Silent);
        chip.select();
        assert_ne!(chip.transmit(&[0x60]), Reply::Silent);
    }

    #[test]
    fn a_line_error_loses_the_answer_but_not_the_write() {
        let mut chip = chip();
        let stopped = five_writes(&mut chip, "line error at command 2");
        assert_eq!(stopped, (8, Exchange::LineError));
        assert_eq!(page(&chip, 8), [8; 4]);
        assert_eq!(chip.transmit(&[WRITE, 9, 1, 1, 1, 1]), Reply::Ack);
    }

    #[test]
    fn a_slow_command_takes_longer_and_is_carried_out() {
        let mut chip = chip();
        let began = std::time::Instant::now();
        assert_eq!(five_writes(&mut chip, "slow write 2 by 30 ms; slow write 4 by 20 ms").0, 0);
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert_eq!(page(&chip, 12), [12; 4]);
    }

    #[test]
    fn an_unplugged_reader_powers_the_tag_no_more() {
        let mut chip = chip();
        let stopped = five_writes(&mut chip, "unplug at command 2");
        assert_eq!(stopped, (8, Exchange::Unplugged));
        assert_eq!(page(&chip, 8), [0; 4]);
        assert_eq!(chip.transmit(&[0x60]), Reply::Silent);
    }

    #[test]
    fn an_answer_longer_than_a_reader_holds_is_damaged() {
        let mut chip = chip();
        let mut presentation = Presentation::new(Vec::new());
        let fits = presentation.exchange(&mut chip, &[0x3A, 0, 63]);
        assert!(matches!(fits, Exchange::Reply(Reply::Data(bytes)) if bytes.len() == 256));
        let over = presentation.exchange(&mut chip, &[0x3A, 0, 64]);
        assert_eq!(over, Exchange::LineError);
    }
}
