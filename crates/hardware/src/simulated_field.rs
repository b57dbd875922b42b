//! What lies on a simulated reader: bands that are put there by a method call, the faults that strike
//! them, and what the commands to them cost on air. The simulators of real readers share it.
//!
//! Invariant: a command reaches the selected band only, and is counted once.
//! Not here: how a reader speaks to its host (`pn532_simulator`, `pcsc_simulator`).

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    air_time,
    chip::{Reply, SharedBand},
    fault::{Exchange, Fault, Presentation},
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagKind, TagReader, Uid},
};

/// By how much at most a thread usually wakes too late.
const WOKEN_LATE: Duration = Duration::from_micros(300);
/// Commands that are remembered since they were last asked for.
const REMEMBERED: usize = 4096;

/// A field in front of a simulated reader. Clones are the same field, one for the reader and one for the hand that
/// presents bands.
#[derive(Clone, Debug, Default)]
pub struct SimulatedField {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lying: Vec<Lying>,
    selected: Option<usize>,
    unplugged: bool,
    has_air_time: bool,
    spent: Spent,
    generation: u64,
    /// How often something was taken away.
    departures: u64,
}

#[derive(Debug)]
struct Lying {
    band: SharedBand,
    presentation: Presentation,
}

/// What went over the air.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often a band was selected.
    pub activations: u32,
    /// First byte of each command to a selected band (the first 4,096).
    pub commands: Vec<u8>,
    /// What all of it takes on air, whether the simulation took that time or not.
    pub air: Duration,
}

/// What a reader learns by selecting a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) uid: Uid,
    /// SAK of the last cascade level: 08h for a MIFARE Classic, 20h where there is ISO/IEC 14443-4, 00h for type 2.
    pub(crate) sak: u8,
    /// Tells one visit from the next.
    departures: u64,
}

impl SimulatedField {
    /// An empty field.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commands take as long as they would on air, from now on.
    pub fn takes_air_time(&self, takes: bool) {
        self.lock().has_air_time = takes;
    }

    /// Lays a band there in place of all that lies there, and plugs the reader in. The faults strike as counted from now.
    pub fn present(&self, band: &SharedBand, faults: Vec<Fault>) {
        let mut state = self.lock();
        state.take_away();
        state.unplugged = false;
        state.lay(band, faults);
        self.shared.tell(state);
    }

    /// Lays a second band beside.
    pub fn present_beside(&self, band: &SharedBand) {
        let mut state = self.lock();
        state.lay(band, Vec::new());
        self.shared.tell(state);
    }

    /// Takes away all that lies there.
    pub fn take_away(&self) {
        let mut state = self.lock();
        state.take_away();
        self.shared.tell(state);
    }

    /// True while something lies there.
    pub fn is_occupied(&self) -> bool {
        !self.lock().lying.is_empty()
    }

    /// Pulls the reader's plug; what lies there is without power.
    pub fn unplug(&self) {
        let mut state = self.lock();
        state.unplug();
        self.shared.tell(state);
    }

    /// Plugs the reader in again.
    pub fn plug_in(&self) {
        let mut state = self.lock();
        state.unplugged = false;
        self.shared.tell(state);
    }

    /// True while the reader has no power.
    pub fn is_unplugged(&self) -> bool {
        self.lock().unplugged
    }

    /// What went over the air since this was last asked.
    pub fn take_spent(&self) -> Spent {
        std::mem::take(&mut self.lock().spent)
    }

    /// Selects the first band that answers.
    pub(crate) fn select(&self) -> Option<Selected> {
        let began = Instant::now();
        let mut state = self.lock();
        if state.unplugged {
            return None;
        }
        let Lying { band, .. } = state.lying.first()?;
        let (uid, sak) = band.with(|chip| {
            // a selected chip that hears a request falls back first, and what it was told is forgotten
            chip.deselect();
            chip.select();
            let sak = if chip.kind() == TagKind::UidOnly { 0x08 } else { 0x00 };
            (chip.uid(), sak)
        });
        let selected = Selected { uid, sak, departures: state.departures };
        state.selected = Some(0);
        state.spent.activations = state.spent.activations.saturating_add(1);
        let air = air_time::activation(&selected.uid);
        state.pass(began, air);
        Some(selected)
    }

    /// True while nothing has been taken away since that selection.
    pub(crate) fn still_has(&self, selected: &Selected) -> bool {
        let state = self.lock();
        !state.lying.is_empty() && state.departures == selected.departures
    }

    /// The field is switched off (and on again): no chip keeps its state.
    pub(crate) fn power_cycle(&self) {
        let mut state = self.lock();
        state.selected = None;
        for Lying { band, .. } in &state.lying {
            band.with(|chip| {
                chip.leave_field();
                chip.enter_field();
                chip.deselect();
            });
        }
    }

    /// One command to the selected band.
    pub(crate) fn exchange(&self, command: &[u8]) -> Exchange {
        let began = Instant::now();
        let mut state = self.lock();
        if state.unplugged {
            return Exchange::Unplugged;
        }
        let selected = state.selected;
        let Some(Lying { band, presentation }) = selected.and_then(|at| state.lying.get_mut(at)) else {
            return Exchange::Reply(Reply::Silent);
        };
        let exchange = band.with(|chip| presentation.exchange(chip, command));
        let air = match &exchange {
            Exchange::Reply(reply) => air_time::exchange(command, reply),
            Exchange::LineError | Exchange::Left | Exchange::Unplugged => air_time::exchange(command, &Reply::Silent),
        };
        if state.spent.commands.len() < REMEMBERED {
            state.spent.commands.push(command.first().copied().unwrap_or_default());
        }
        state.pass(began, air);
        match exchange {
            Exchange::Left => {
                state.take_away();
                self.shared.tell(state);
            }
            Exchange::Unplugged => {
                state.unplug();
                self.shared.tell(state);
            }
            Exchange::Reply(_) | Exchange::LineError => {}
        }
        exchange
    }

    /// Waits until something was laid there, taken away, plugged or unplugged since `seen`; gives what to pass next.
    pub(crate) fn wait_changed(&self, seen: u64, patience: Duration) -> u64 {
        let state = self.lock();
        let waited = self.shared.changed.wait_timeout_while(state, patience, |state| state.generation == seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.generation
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader without a bus, a library or a process between the box and the field: what others are measured beside.
#[derive(Debug)]
pub struct DirectReader {
    field: SimulatedField,
    reported: Option<(Selected, Tag)>,
}

impl DirectReader {
    /// A reader of this field.
    pub fn new(field: &SimulatedField) -> Self {
        Self { field: field.clone(), reported: None }
    }
}

impl TagReader for DirectReader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        if let Some((selected, tag)) = self.reported.take() {
            self.reported = self.field.still_has(&selected).then_some((selected, tag));
            return Ok(self.reported.map(|(_, tag)| tag));
        }
        let Some(selected) = self.field.select() else { return Ok(None) };
        // asked for as a real driver must
        let kind = match self.field.exchange(&[0x60]) {
            Exchange::Reply(Reply::Data(version)) => TagKind::from_version(&version),
            Exchange::Reply(_) | Exchange::LineError | Exchange::Left | Exchange::Unplugged => TagKind::Other,
        };
        let tag = Tag { uid: selected.uid, kind };
        self.reported = Some((selected, tag));
        Ok(Some(tag))
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if command.len() > MAX_EXCHANGE {
            return Err(ReaderError::Malformed);
        }
        if self.reported.is_none() {
            return Err(ReaderError::TagGone);
        }
        match self.field.exchange(command) {
            Exchange::Reply(Reply::Data(bytes)) => Ok(bytes),
            Exchange::Reply(Reply::Ack) => Ok(Vec::new()),
            Exchange::Reply(Reply::Nak(code)) => Err(ReaderError::from_nak(code)),
            Exchange::Reply(Reply::Silent) | Exchange::Left => Err(ReaderError::TagGone),
            Exchange::LineError => Err(ReaderError::Malformed),
            Exchange::Unplugged => Err(ReaderError::Unplugged),
        }
    }

    fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
        Ok(())
    }
}

impl Shared {
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        state.generation = state.generation.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn lay(&mut self, band: &SharedBand, faults: Vec<Fault>) {
        band.with(|chip| {
            chip.enter_field();
            chip.deselect();
        });
        self.lying.push(Lying { band: band.clone(), presentation: Presentation::new(faults) });
    }

    fn take_away(&mut self) {
        self.departures = self.departures.wrapping_add(1);
        self.selected = None;
        for lying in self.lying.drain(..) {
            lying.band.with(|chip| chip.leave_field());
        }
    }

    fn unplug(&mut self) {
        self.take_away();
        self.unplugged = true;
    }

    /// What was said takes its time on air.
    fn pass(&mut self, began: Instant, air: Duration) {
        self.spent.air += air;
        if self.has_air_time {
            until(began + air);
        }
    }
}

/// Waits until then and no longer: a sleeping thread is woken a little late, which no radio is.
fn until(then: Instant) {
    let left = then.saturating_duration_since(Instant::now());
    thread::sleep(left.saturating_sub(WOKEN_LATE));
    while Instant::now() < then {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Ntag21x, NtagType, WRITE};

    fn band(last: u8) -> SharedBand {
        SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, last]))
    }

    #[test]
    fn a_command_reaches_the_selected_band_only_and_is_counted() {
        let field = SimulatedField::new();
        assert_eq!(field.exchange(&[0x60]), Exchange::Reply(Reply::Silent));
        let (first, second) = (band(1), band(2));
        field.present(&first, Vec::new());
        field.present_beside(&second);
        assert_eq!(field.exchange(&[0x60]), Exchange::Reply(Reply::Silent), "nobody selected it");
        assert_eq!(field.select().unwrap().uid, first.uid());
        assert_eq!(field.exchange(&[WRITE, 9, 1, 1, 1, 1]), Exchange::Reply(Reply::Ack));
        assert_eq!(second.chip().memory()[36..40], [0; 4]);
        let spent = field.take_spent();
        assert_eq!((spent.activations, spent.commands), (1, vec![WRITE]));
        assert!(spent.air > Duration::from_millis(12) && spent.air < Duration::from_millis(16), "{:?}", spent.air);
        field.take_away();
        assert_eq!(field.select(), None);
    }

    #[test]
    fn a_direct_reader_sees_what_lies_there_until_it_leaves() {
        let field = SimulatedField::new();
        let mut reader = DirectReader::new(&field);
        assert_eq!(reader.poll_tag(), Ok(None));
        field.present(&band(1), Vec::new());
        let tag = reader.poll_tag().unwrap().unwrap();
        assert_eq!(tag.kind, TagKind::Ntag215);
        assert_eq!(reader.transceive(&[WRITE, 9, 1, 2, 3, 4]), Ok(Vec::new()));
        assert_eq!(reader.poll_tag(), Ok(Some(tag)));
        field.present(&band(2), Vec::new());
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone), "a command never reaches another band");
        assert_eq!(reader.poll_tag(), Ok(None));
        assert_ne!(reader.poll_tag().unwrap().unwrap().uid, tag.uid);
    }

    #[test]
    fn an_unplugged_reader_selects_nothing_until_it_is_plugged_in() {
        let field = SimulatedField::new();
        field.present(&band(1), vec!["unplug at command 1".parse().unwrap()]);
        field.select().unwrap();
        assert_eq!(field.exchange(&[0x60]), Exchange::Unplugged);
        assert!(field.is_unplugged() && field.select().is_none());
        field.present(&band(1), Vec::new());
        assert!(field.select().is_some());
    }

    #[test]
    fn air_time_is_taken_where_it_is_wanted() {
        let field = SimulatedField::new();
        field.takes_air_time(true);
        field.present(&band(1), Vec::new());
        let began = Instant::now();
        field.select().unwrap();
        assert!(began.elapsed() >= field.take_spent().air);
    }
}
