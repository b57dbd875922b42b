//! Readers without a box: the libraries themselves in this process, and the same commands one after the other. What they
//! take with the simulator behind them is the limit that the box is measured beside.
//! Invariant: no command more than a driver needs.
//! Not here: the drivers (`edge`), which must also live with whatever goes wrong.
use std::time::Duration;

use anyhow::{Context as _, Result};
use hardware::{
    crc_a,
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagKind, TagReader, Uid},
};

const GET_VERSION: [u8; 1] = [0x60];
/// How long one look waits for a tag.
const LOOK: Duration = Duration::from_millis(30);

fn io(error: impl ToString) -> ReaderError {
    ReaderError::Io(error.to_string())
}

/// A frame as it was on air: 4 bits stand alone.
fn answer(frame: &[u8]) -> Result<Vec<u8>, ReaderError> {
    match frame {
        [0x0A] => Ok(Vec::new()),
        [bits] => Err(ReaderError::Nak(*bits)),
        _ => crc_a::checked(frame).map(<[u8]>::to_vec).ok_or(ReaderError::Malformed),
    }
}

/// An ACR122U through PCSC-Lite.
pub(super) struct BarePcsc {
    context: pcsc::Context,
    watched: [pcsc::ReaderState; 1],
    card: Option<pcsc::Card>,
    tag: Option<Tag>,
}

impl BarePcsc {
    /// The first reader. The daemon's socket is in the environment.
    pub(super) fn open() -> Result<Self> {
        let context = pcsc::Context::establish(pcsc::Scope::User)?;
        let name = context.list_readers_owned()?.into_iter().next().context("no reader")?;
        let watched = [pcsc::ReaderState::new(name, pcsc::State::UNAWARE)];
        Ok(Self { context, watched, card: None, tag: None })
    }

    fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let card = self.card.as_ref().ok_or(ReaderError::TagGone)?;
        let mut room = [0; MAX_EXCHANGE + 64];
        let answer = card.transmit(apdu, &mut room).map_err(|_| ReaderError::TagGone)?;
        answer.strip_suffix(&[0x90, 0x00]).map(<[u8]>::to_vec).ok_or(ReaderError::TagGone)
    }
}

impl TagReader for BarePcsc {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        match self.context.get_status_change(LOOK, &mut self.watched) {
            Ok(()) | Err(pcsc::Error::Timeout) => {}
            Err(error) => return Err(io(error)),
        }
        let [watched] = &mut self.watched;
        watched.sync_current_state();
        if !watched.event_state().contains(pcsc::State::PRESENT) {
            self.tag = None;
            if let Some(card) = self.card.take() {
                card.disconnect(pcsc::Disposition::LeaveCard).ok();
            }
            return Ok(None);
        }
        if self.tag.is_none() {
            let name = watched.name().to_owned();
            let card = self.context.connect(&name, pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY);
            self.card = Some(card.map_err(|_| ReaderError::TagGone)?);
            let uid = Uid::from_bytes(&self.transmit(&[0xFF, 0xCA, 0, 0, 0])?).map_err(io)?;
            self.transmit(&[0xFF, 0, 0, 0, 5, 0xD4, 0x08, 0x63, 0x03, 0])?;
            self.tag = Some(Tag { uid, kind: TagKind::Other });
            let version = self.transceive(&GET_VERSION)?;
            self.tag = Some(Tag { uid, kind: TagKind::from_version(&version) });
        }
        Ok(self.tag)
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let length = u8::try_from(command.len() + 2).map_err(io)?;
        let answered = self.transmit(&[&[0xFF, 0, 0, 0, length, 0xD4, 0x42], command].concat())?;
        match answered.as_slice() {
            [0xD5, 0x43, 0, frame @ ..] => answer(frame),
            _ => Err(ReaderError::TagGone),
        }
    }

    fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
        Ok(())
    }
}

/// A PN532 through libnfc.
pub(super) struct BareNfc {
    device: nfc1::Device,
    // the device refers to it: dropped after
    _context: nfc1::Context,
    tag: Option<Tag>,
}

impl BareNfc {
    /// The reader at this connection string.
    pub(super) fn open(connection: &str) -> Result<Self> {
        let mut context = nfc1::Context::new()?;
        let mut device = context.open_with_connstring(connection)?;
        device.initiator_init()?;
        device.set_property_bool(nfc1::Property::InfiniteSelect, false)?;
        device.set_property_bool(nfc1::Property::EasyFraming, false)?;
        Ok(Self { device, _context: context, tag: None })
    }

    fn select(&mut self) -> Result<Option<Uid>, ReaderError> {
        self.device.set_property_bool(nfc1::Property::HandleCrc, true).map_err(io)?;
        let kind =
            nfc1::Modulation { modulation_type: nfc1::ModulationType::Iso14443a, baud_rate: nfc1::BaudRate::Baud106 };
        let target = match self.device.initiator_select_passive_target(&kind) {
            Ok(target) => target,
            Err(nfc1::Error::RfTransmissionError | nfc1::Error::TargetReleased) => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let nfc1::target_info::TargetInfo::Iso14443a(found) = target.target_info else { return Ok(None) };
        Ok(Uid::from_bytes(found.uid.get(..found.uid_len).unwrap_or_default()).ok())
    }
}

impl TagReader for BareNfc {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        let Some(uid) = self.select()? else {
            self.tag = None;
            return Ok(None);
        };
        let known = self.tag.filter(|tag| tag.uid == uid);
        self.tag = known.or(Some(Tag { uid, kind: TagKind::Other }));
        if known.is_none() {
            let version = self.transceive(&GET_VERSION)?;
            self.tag = Some(Tag { uid, kind: TagKind::from_version(&version) });
        }
        Ok(self.tag)
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.device.set_property_bool(nfc1::Property::HandleCrc, false).map_err(io)?;
        let sent = [command, &crc_a::of(command)].concat();
        let timeout = nfc1::Timeout::Duration(Duration::from_millis(250));
        let frame = self.device.initiator_transceive_bytes(&sent, MAX_EXCHANGE + 2, timeout);
        answer(&frame.map_err(|_| ReaderError::TagGone)?)
    }

    fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
        Ok(())
    }
}
