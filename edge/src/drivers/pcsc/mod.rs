//! A contactless reader behind PC/SC (pcscd), chosen by its name.
//!
//! Connections are exclusive: no other program speaks to a tag between two of our commands. A context that has lost its
//! daemon stays lost, so every failure of the reader ends this process and the next one makes a context of its own.
//! Invariant: an answer too short to be one is no answer (pcscd gives an empty one for a tag that has just left); a reader
//! on which something lies either selects it, or fails and is told within [`STUCK`].
//! Not here: how a reader is made to send raw bytes (`dialect`), its light and buzzer (`lamp`), tags (`type2`).
mod dialect;
mod lamp;

use std::{
    ffi::CString,
    time::{Duration, Instant},
};

use hardware::{
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagReader, Uid},
};
use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

use self::{dialect::Dialect, lamp::Lamp};
use super::type2::{self, Found, RawReader};

/// How long one look waits for a change.
const LOOK: Duration = Duration::from_millis(30);
/// After how many looks at an empty field it is looked at by force, once a tag was lost: 0.3 s and more, since whoever
/// forces it just when a tag arrives disturbs that one.
const PROBES: [u8; 4] = [10, 20, 40, 80];
/// What lies there unselected for so long is no band that is held badly: the reader, its daemon or what lies there is not
/// in order.
const STUCK: Duration = Duration::from_secs(3);
/// More than the longest answer with what each dialect puts around it.
const ANSWER: usize = MAX_EXCHANGE + 64;
/// GET DATA: the UID (PC/SC part 3, section 3.2.2.1.3).
const GET_UID: [u8; 5] = [0xFF, 0xCA, 0x00, 0x00, 0x00];
/// How the ATR of a storage card begins, and where the card's name stands in it (PC/SC part 3, section 3.1.3.2.3).
const STORAGE_CARD: [u8; 12] = [0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06];
const CARD_NAME: std::ops::Range<usize> = 13..15;
/// MIFARE Ultralight and what readers take for one (NTAG21x, Ultralight C and AES).
const TYPE2_NAMES: [[u8; 2]; 2] = [[0x00, 0x03], [0x00, 0x3A]];

/// One reader.
pub(in crate::drivers) struct PcscReader {
    context: Context,
    watched: [ReaderState; 1],
    dialect: Dialect,
    lamp: Lamp,
    card: Option<Card>,
    /// The count of arrivals and departures at the last look; `None` before the first.
    visit: Option<u32>,
    reported: Option<Tag>,
    /// The reported tag answers commands.
    is_selected: bool,
    /// The last try to select failed.
    needs_reset: bool,
    /// Looks at an empty field since a tag was lost.
    empty_looks: Option<u8>,
    /// Since when what lies there could not be selected.
    unselected: Option<Instant>,
}

impl PcscReader {
    /// Opens the reader whose name contains `wanted`, or the first contactless one. Gives its name too.
    pub(in crate::drivers) fn open(wanted: Option<&str>) -> Result<(Self, String), ReaderError> {
        let context = Context::establish(Scope::User).map_err(failed)?;
        let names = context.list_readers_owned().map_err(failed)?;
        let name = choose(&names, wanted).ok_or(ReaderError::Unplugged)?;
        let shown = name.to_string_lossy().into_owned();
        let lamp = Lamp::of(&shown);
        if let Ok(direct) = context.connect(&name, ShareMode::Direct, Protocols::UNDEFINED) {
            lamp.keep_quiet(&direct);
            leave(direct);
        }
        let reader = Self {
            context,
            watched: [ReaderState::new(name, State::UNAWARE)],
            dialect: Dialect::of(&shown),
            lamp,
            card: None,
            visit: None,
            reported: None,
            is_selected: false,
            needs_reset: false,
            empty_looks: None,
            unselected: None,
        };
        Ok((reader, shown))
    }

    /// Waits for a change. Gives the count of arrivals and departures while a tag is there.
    fn look(&mut self, patience: Duration) -> Result<Option<u32>, ReaderError> {
        match self.context.get_status_change(patience, &mut self.watched) {
            Ok(()) | Err(Error::Timeout) => {}
            Err(error) => return Err(failed(error)),
        }
        let [watched] = &mut self.watched;
        let state = watched.event_state();
        if state.intersects(State::UNKNOWN | State::UNAVAILABLE | State::IGNORE) {
            return Err(ReaderError::Unplugged);
        }
        watched.sync_current_state();
        // a tag that did not answer the daemon's first try (`MUTE`) is tried again for as long as it lies there
        Ok(state.contains(State::PRESENT).then(|| watched.event_count()))
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let Some(card) = &self.card else { return Err(ReaderError::TagGone) };
        let mut answer = [0; ANSWER];
        match card.transmit(apdu, &mut answer) {
            Ok(answer) if answer.len() >= 2 => Ok(answer.to_vec()),
            Ok(_) => Err(ReaderError::TagGone),
            Err(error) => Err(failed(error)),
        }
    }

    /// Ends the connection and leaves the tag as it is: the library would ask for a reset.
    fn let_go(&mut self) {
        if let Some(card) = self.card.take() {
            leave(card);
        }
    }

    /// Powers up whatever lies there although the daemon says that nothing does. A reset that fails because the tag has
    /// just left makes the daemon note its absence without telling its own watch: should the tag be back before that looks
    /// again, it would stay absent for as long as it lies there.
    fn probe(&mut self) {
        let Some(looks) = self.empty_looks.map(|looks| looks.saturating_add(1)) else { return };
        let [.., last] = PROBES;
        self.empty_looks = (looks < last).then_some(looks);
        if !PROBES.contains(&looks) {
            return;
        }
        let [watched] = &self.watched;
        if let Ok(mut direct) = self.context.connect(watched.name(), ShareMode::Direct, Protocols::UNDEFINED) {
            let woken = direct.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::UnpowerCard);
            tracing::debug!(is_there = woken.is_ok(), "looked at an empty field by force");
            leave(direct);
        }
    }

    /// Connects to a tag, or makes the reader select again the one that is connected.
    fn connect(&mut self) -> Result<(), Error> {
        let is_first = self.card.is_none();
        let mut card = match self.card.take() {
            Some(card) => card,
            None => {
                let [watched] = &self.watched;
                self.context.connect(watched.name(), ShareMode::Exclusive, Protocols::ANY)?
            }
        };
        // a tag that was there before this process may be in any state
        if !is_first || self.visit.is_none() || self.needs_reset {
            card.reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)?;
        }
        self.card = Some(card);
        Ok(())
    }
}

/// Disconnects without a word to the tag.
fn leave(card: Card) {
    if let Err((_, error)) = card.disconnect(Disposition::LeaveCard) {
        tracing::debug!(%error, "the connection had ended already");
    }
}

/// The reader whose name contains the wanted text; without one the first that looks contactless, else the first.
fn choose(names: &[CString], wanted: Option<&str>) -> Option<CString> {
    let has = |name: &CString, part: &str| name.to_string_lossy().contains(part);
    match wanted {
        Some(wanted) => names.iter().find(|name| has(name, wanted)),
        None => {
            let contactless = |name: &&CString| ["PICC", "ontactless", "ACR122"].iter().any(|part| has(name, part));
            names.iter().find(contactless).or(names.first())
        }
    }
    .cloned()
}

/// What an error of PC/SC means for a tap.
fn failed(error: Error) -> ReaderError {
    let is_of_tag = matches!(
        error,
        Error::RemovedCard
            | Error::ResetCard
            | Error::NoSmartcard
            | Error::UnresponsiveCard
            | Error::UnpoweredCard
            | Error::UnsupportedCard
            | Error::NotTransacted
            | Error::CommDataLost
            | Error::CommError
            | Error::ProtoMismatch
    );
    if is_of_tag {
        ReaderError::TagGone
    } else if matches!(error, Error::ReaderUnavailable | Error::UnknownReader | Error::NoReadersAvailable) {
        ReaderError::Unplugged
    } else if error == Error::SharingViolation {
        ReaderError::Io("PC/SC: another program uses the reader".into())
    } else {
        ReaderError::Io(format!("PC/SC: {error}"))
    }
}

/// The tag is one that commands of type 2 can be sent to, by its ATR.
fn is_type2(atr: &[u8]) -> bool {
    let is_storage = atr.starts_with(&STORAGE_CARD);
    is_storage && atr.get(CARD_NAME).is_some_and(|name| TYPE2_NAMES.iter().any(|known| known == name))
}

impl RawReader for PcscReader {
    fn select(&mut self) -> Result<Option<Found>, ReaderError> {
        self.is_selected = false;
        let selected = self.connect().map_err(failed).and_then(|()| {
            let uid = self.transmit(&GET_UID)?;
            let atr = self.card.as_ref().ok_or(ReaderError::TagGone)?.status2_owned().map_err(failed)?;
            let found = match uid.as_slice() {
                [uid @ .., 0x90, 0x00] => Uid::from_bytes(uid).map_err(|_| ReaderError::TagGone)?,
                _ => return Err(ReaderError::TagGone),
            };
            let is_type2 = is_type2(atr.atr());
            if is_type2 {
                for apdu in self.dialect.prepare() {
                    let answer = self.transmit(apdu)?;
                    self.dialect.prepared(&answer)?;
                }
            }
            Ok(Found { uid: found, is_type2 })
        });
        match selected {
            Ok(found) => {
                (self.is_selected, self.needs_reset, self.empty_looks, self.unselected) = (true, false, None, None);
                Ok(Some(found))
            }
            Err(ReaderError::TagGone | ReaderError::Malformed | ReaderError::Nak(_)) => {
                // it may have left and come back faster than the daemon looks: then only a reset wakes it
                self.let_go();
                (self.needs_reset, self.empty_looks) = (true, Some(0));
                if self.unselected.get_or_insert_with(Instant::now).elapsed() >= STUCK {
                    return Err(ReaderError::Io(format!(
                        "what lies on the reader could not be selected for {} s: take it away",
                        STUCK.as_secs()
                    )));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let sent = self.dialect.wrap(command).ok_or(ReaderError::Malformed)?;
        let answer = self.transmit(&sent).and_then(|answer| type2::answer(&self.dialect.unwrap(&answer)?));
        self.is_selected &= matches!(answer, Ok(_) | Err(ReaderError::Malformed));
        answer
    }
}

impl TagReader for PcscReader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        let before = self.reported.take();
        let patience = if before.is_some() && !self.is_selected { Duration::ZERO } else { LOOK };
        let Some(visit) = self.look(patience)? else {
            self.probe();
            self.let_go();
            (self.visit, self.needs_reset, self.unselected) = (Some(0), false, None);
            return Ok(None);
        };
        let is_same_visit = self.visit == Some(visit);
        self.unselected = self.unselected.filter(|_| is_same_visit);
        // the daemon powers up what it saw arriving
        self.needs_reset &= is_same_visit;
        let now = match before {
            Some(tag) if is_same_visit && self.is_selected => Some(tag),
            Some(tag) if is_same_visit => self.select()?.is_some_and(|found| found.uid == tag.uid).then_some(tag),
            // it went away and came back, or another one came
            Some(_) => {
                self.let_go();
                None
            }
            None => match self.select()? {
                Some(found) => type2::kind(self, &found)?.map(|kind| Tag { uid: found.uid, kind }),
                None => None,
            },
        };
        self.visit = Some(visit);
        self.reported = now;
        Ok(now)
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if command.len() > MAX_EXCHANGE {
            return Err(ReaderError::Malformed);
        }
        if self.reported.is_none() || !self.is_selected {
            return Err(ReaderError::TagGone);
        }
        self.exchange(command)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        if let Some(card) = &self.card {
            self.lamp.show(card, signal);
            return Ok(());
        }
        let [watched] = &self.watched;
        let direct = self.context.connect(watched.name(), ShareMode::Direct, Protocols::UNDEFINED).map_err(failed)?;
        self.lamp.show(&direct, signal);
        leave(direct);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<CString> {
        names.iter().map(|name| CString::new(*name).unwrap()).collect()
    }

    #[test]
    fn the_wanted_reader_is_chosen_or_a_contactless_one() {
        let readers =
            names(&["ACS ACR1252 Dual Reader SAM 01 00", "ACS ACR1252 Dual Reader PICC 00 00", "ACS ACR122U 02 00"]);
        let chosen = |wanted| choose(&readers, wanted).map(|name| name.into_string().unwrap());
        assert_eq!(chosen(None).unwrap(), "ACS ACR1252 Dual Reader PICC 00 00");
        assert_eq!(chosen(Some("ACR122U")).unwrap(), "ACS ACR122U 02 00");
        assert_eq!(chosen(Some("Omnikey")), None);
        assert_eq!(choose(&names(&["Some reader"]), None), Some(CString::new("Some reader").unwrap()));
    }

    #[test]
    fn an_atr_tells_who_takes_commands_of_type_2() {
        let atr = |name: [u8; 2]| [&STORAGE_CARD[..], &[0x03, name[0], name[1], 0, 0, 0, 0, 0]].concat();
        assert!(is_type2(&atr([0, 3])) && is_type2(&atr([0, 0x3A])));
        assert!(!is_type2(&atr([0, 1])));
        assert!(!is_type2(&[0x3B, 0x81, 0x80, 0x01, 0x80, 0x80]), "DESFire");
        assert!(!is_type2(&[]));
    }
}
