//! A reader whose field is in the same process: bands are put on it by a method call. For trying a
//! tap without sockets, and the second implementation of [`TagReader`].
//!
//! Invariant: answers exactly as a virtual reader with the same band and faults would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    chip::{Reply, SharedBand},
    fault::{Exchange, Fault, Presentation},
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagReader},
};

/// How many signals a [`BenchReader`] remembers.
const RECORDED_SIGNALS: usize = 1024;

#[derive(Debug, Default)]
struct Field {
    lying: Option<Lying>,
    /// The tag that was reported went away and nobody was told yet.
    left: bool,
    unplugged: bool,
    signals: Vec<Signal>,
}

#[derive(Debug)]
struct Lying {
    band: SharedBand,
    presentation: Presentation,
    is_reported: bool,
}

/// A reader on the workbench. Clones are the same reader, one for the box and one for the hand that
/// presents bands.
#[derive(Clone, Debug, Default)]
pub struct BenchReader {
    field: Arc<Mutex<Field>>,
}

impl BenchReader {
    /// A reader with an empty field.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a band on the reader (in place of one that lies there), and plugs the reader in.
    pub fn present(&self, band: &SharedBand, faults: Vec<Fault>) {
        let mut field = self.lock();
        field.take_away();
        field.unplugged = false;
        band.with(|chip| chip.enter_field());
        field.lying = Some(Lying { band: band.clone(), presentation: Presentation::new(faults), is_reported: false });
    }

    /// Takes the band away, if one is there.
    pub fn take_away(&self) {
        self.lock().take_away();
    }

    /// True while a band lies on the reader.
    pub fn is_occupied(&self) -> bool {
        self.lock().lying.is_some()
    }

    /// What the reader showed, oldest first (the last 1,024).
    pub fn signals(&self) -> Vec<Signal> {
        self.lock().signals.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Field> {
        self.field.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Field {
    fn take_away(&mut self) {
        if let Some(lying) = self.lying.take() {
            lying.band.with(|chip| chip.leave_field());
            self.left |= lying.is_reported;
        }
    }
}

impl TagReader for BenchReader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        let mut field = self.lock();
        if field.unplugged {
            return Err(ReaderError::Unplugged);
        }
        if std::mem::take(&mut field.left) {
            return Ok(None);
        }
        Ok(field.lying.as_mut().map(|lying| {
            lying.is_reported = true;
            lying.band.with(|chip| {
                chip.select();
                Tag { uid: chip.uid(), kind: chip.kind() }
            })
        }))
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if command.len() > MAX_EXCHANGE {
            return Err(ReaderError::Malformed);
        }
        let mut field = self.lock();
        if field.unplugged {
            return Err(ReaderError::Unplugged);
        }
        let lying = field.lying.as_mut().filter(|lying| lying.is_reported);
        let Some(Lying { band, presentation, .. }) = lying else {
            return Err(ReaderError::TagGone);
        };
        match band.with(|chip| presentation.exchange(chip, command)) {
            Exchange::Reply(Reply::Data(bytes)) => Ok(bytes),
            Exchange::Reply(Reply::Ack) => Ok(Vec::new()),
            Exchange::Reply(Reply::Nak(code)) => Err(ReaderError::from_nak(code)),
            Exchange::Reply(Reply::Silent) => Err(ReaderError::TagGone),
            Exchange::LineError => Err(ReaderError::Malformed),
            Exchange::Left => {
                field.take_away();
                Err(ReaderError::TagGone)
            }
            Exchange::Unplugged => {
                field.take_away();
                field.unplugged = true;
                Err(ReaderError::Unplugged)
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        let mut field = self.lock();
        if field.unplugged {
            return Err(ReaderError::Unplugged);
        }
        if field.signals.len() == RECORDED_SIGNALS {
            field.signals.remove(0);
        }
        field.signals.push(signal);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Ntag21x, NtagType, WRITE};

    fn band(last: u8) -> SharedBand {
        SharedBand::new(Ntag21x::new(NtagType::Ntag213, [4, 1, 2, 3, 4, 5, last]))
    }

    #[test]
    fn a_band_is_read_written_and_taken_away() {
        let bench = BenchReader::new();
        let mut reader = bench.clone();
        assert_eq!(reader.poll_tag(), Ok(None));
        let band = band(6);
        bench.present(&band, Vec::new());
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
        assert_eq!(reader.poll_tag().unwrap().unwrap().uid, band.uid());
        assert_eq!(reader.transceive(&[WRITE, 9, 1, 2, 3, 4]), Ok(Vec::new()));
        assert_eq!(reader.transceive(&[0x30, 9]).unwrap()[..4], [1, 2, 3, 4]);
        assert_eq!(reader.transceive(&[0x30, 99]), Err(ReaderError::Nak(0)));
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
        assert!(reader.poll_tag().unwrap().is_some());
        assert_eq!(reader.transceive(&[0x60]).unwrap().len(), 8);
        bench.take_away();
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
        assert_eq!(reader.poll_tag(), Ok(None));
    }

    #[test]
    fn a_command_that_came_damaged_is_no_refusal_and_the_band_is_selected_again() {
        let bench = BenchReader::new();
        let mut reader = bench.clone();
        bench.present(&band(1), vec!["crc nak at command 1".parse().unwrap()]);
        assert!(reader.poll_tag().unwrap().is_some());
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
        assert!(reader.poll_tag().unwrap().is_some());
        assert_eq!(reader.transceive(&[0x60]).unwrap().len(), 8);
    }

    #[test]
    fn another_band_shows_after_one_empty_look() {
        let bench = BenchReader::new();
        let mut reader = bench.clone();
        bench.present(&band(1), Vec::new());
        assert!(reader.poll_tag().unwrap().is_some());
        bench.present(&band(1), Vec::new());
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
        assert_eq!(reader.poll_tag(), Ok(None));
        assert!(reader.poll_tag().unwrap().is_some());
    }

    #[test]
    fn an_unplugged_reader_says_so_until_it_is_back() {
        let bench = BenchReader::new();
        let mut reader = bench.clone();
        bench.present(&band(1), vec!["unplug at command 1".parse().unwrap()]);
        assert!(reader.poll_tag().unwrap().is_some());
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::Unplugged));
        assert_eq!(reader.poll_tag(), Err(ReaderError::Unplugged));
        assert_eq!(reader.signal(Signal::Ok), Err(ReaderError::Unplugged));
        bench.present(&band(2), Vec::new());
        assert_eq!(reader.poll_tag(), Ok(None));
        assert!(reader.poll_tag().unwrap().is_some());
    }
}
