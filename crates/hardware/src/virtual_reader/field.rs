//! The world's side of a virtual reader: a field on which bands are laid.
//!
//! Invariant: one band lies there at a time, and it is answered for by one thread, which comes back
//! by itself after the box was restarted.

use std::{
    collections::VecDeque,
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::frame::{Answer, FromBox, FromWorld};
use crate::{
    chip::{Reply, SharedBand},
    fault::{Exchange, Fault, Presentation},
    link::{self, Link},
    signal::Signal,
    socket::{self, VirtualError},
    tag::Tag,
};

/// Signals one presentation keeps until they are asked for.
const KEPT_SIGNALS: usize = 32;
/// Presentations that still get their signals after they ended.
const KEPT_LIGHTS: usize = 16;
/// How long one attempt to find the box again lasts before it looks whether the field is closed.
const RECONNECT: Duration = Duration::from_millis(50);

/// A field in front of a box's virtual reader.
pub struct VirtualField {
    world: Arc<World>,
    patience: Duration,
    thread: Option<JoinHandle<()>>,
}

/// A band laid on a field. Dropping it takes the band away.
pub struct Presented {
    world: Arc<World>,
    presence: u32,
    signals: Receiver<Signal>,
}

struct World {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    writer: Option<UnixStream>,
    lying: Option<Lying>,
    lights: VecDeque<(u32, SyncSender<Signal>)>,
    last_presence: u32,
    unplugged: bool,
    closed: bool,
}

struct Lying {
    presence: u32,
    band: SharedBand,
    presentation: Presentation,
}

impl VirtualField {
    /// Connects to the box that listens at `path`, trying for `patience`; a later [`present`] waits
    /// as long for a box that was restarted.
    ///
    /// [`present`]: VirtualField::present
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, VirtualError> {
        let stream = socket::connect(path, patience)?;
        let world = Arc::new(World { path: path.to_owned(), state: Mutex::default(), changed: Condvar::new() });
        let link = world.plug_in(stream);
        let answering = Arc::clone(&world);
        let thread = thread::spawn(move || answering.answer_until_closed(link));
        Ok(Self { world, patience, thread: Some(thread) })
    }

    /// Lays a band on the reader, in place of one that lies there. The faults strike as counted
    /// from now. An unplugged reader is plugged in again.
    pub fn present(&self, band: &SharedBand, faults: Vec<Fault>) -> Result<Presented, VirtualError> {
        let mut state = self.world.wait_for_box(self.patience)?;
        state.take_away();
        state.last_presence = state.last_presence.wrapping_add(1).max(1);
        let presence = state.last_presence;
        let (light, signals) = sync_channel(KEPT_SIGNALS);
        if state.lights.len() == KEPT_LIGHTS {
            state.lights.pop_front();
        }
        state.lights.push_back((presence, light));
        state.lying = Some(Lying { presence, band: band.clone(), presentation: Presentation::new(faults) });
        state.show_band();
        drop(state);
        self.world.changed.notify_all();
        Ok(Presented { world: Arc::clone(&self.world), presence, signals })
    }
}

impl Drop for VirtualField {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        state.take_away();
        state.closed = true;
        state.hang_up();
        drop(state);
        self.world.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already, and nothing is left to be saved here.
            thread.join().ok();
        }
    }
}

impl Presented {
    /// Takes the band away. What the light shows afterwards still arrives.
    pub fn remove(&self) {
        let mut state = self.world.lock();
        if state.is_lying(self.presence) {
            state.take_away();
            self.world.changed.notify_all();
        }
    }

    /// True once the band is no longer in the field: removed, pulled away by a fault, replaced.
    pub fn is_gone(&self) -> bool {
        !self.world.lock().is_lying(self.presence)
    }

    /// The next thing the light showed for this band, or `None` if it stayed dark for so long.
    pub fn wait_signal(&self, patience: Duration) -> Option<Signal> {
        self.signals.recv_timeout(patience).ok()
    }

    /// Waits until the band is gone; `false` if it is still there after `patience`.
    pub fn wait_gone(&self, patience: Duration) -> bool {
        let waited = self
            .world
            .changed
            .wait_timeout_while(self.world.lock(), patience, |state| state.is_lying(self.presence))
            .unwrap_or_else(PoisonError::into_inner);
        !waited.0.is_lying(self.presence)
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        self.remove();
    }
}

impl State {
    fn is_lying(&self, presence: u32) -> bool {
        self.lying.as_ref().is_some_and(|lying| lying.presence == presence)
    }

    /// A failed send is found by the answering thread, which looks for the box again.
    fn send(&mut self, frame: &FromWorld) {
        let is_sent = match &mut self.writer {
            Some(writer) => link::send(writer, &frame.encode()).is_ok(),
            None => true,
        };
        if !is_sent {
            self.hang_up();
        }
    }

    fn hang_up(&mut self) {
        if let Some(writer) = self.writer.take() {
            // It may be shut down already.
            writer.shutdown(Shutdown::Both).ok();
        }
    }

    /// The band that lies there comes under power and is announced.
    fn show_band(&mut self) {
        let Some(lying) = &self.lying else { return };
        let tag = lying.band.with(|chip| {
            chip.enter_field();
            Tag { uid: chip.uid(), kind: chip.kind() }
        });
        let presence = lying.presence;
        self.send(&FromWorld::Present { presence, tag });
    }

    fn take_away(&mut self) {
        if let Some(lying) = self.lying.take() {
            lying.band.with(|chip| chip.leave_field());
            let presence = lying.presence;
            self.send(&FromWorld::Removed { presence });
        }
    }

    fn answer(&mut self, frame: FromBox) {
        match frame {
            FromBox::Command { presence, sequence, bytes } => self.carry_out(presence, sequence, &bytes),
            FromBox::Select { presence, sequence } => {
                let answer = match &self.lying {
                    Some(lying) if lying.presence == presence => {
                        lying.band.with(|chip| chip.select());
                        Answer::Selected
                    }
                    _ => Answer::Silent,
                };
                self.send(&FromWorld::Answer { sequence, answer });
            }
            FromBox::Signal { presence, signal } => {
                let light = self.lights.iter().find(|light| light.0 == presence);
                if let Some((_, light)) = light {
                    // Nobody looked at the last 32, or nobody looks any more: the light shines
                    // for nobody.
                    light.try_send(signal).ok();
                }
            }
        }
    }

    fn carry_out(&mut self, presence: u32, sequence: u32, command: &[u8]) {
        let exchange = match &mut self.lying {
            Some(Lying { presence: lying, band, presentation }) if *lying == presence => {
                band.with(|chip| presentation.exchange(chip, command))
            }
            _ => Exchange::Reply(Reply::Silent),
        };
        let answer = match exchange {
            Exchange::Reply(Reply::Data(bytes)) => Answer::Data(bytes),
            Exchange::Reply(Reply::Ack) => Answer::Ack,
            Exchange::Reply(Reply::Nak(code)) => Answer::Nak(code),
            Exchange::Reply(Reply::Silent) => Answer::Silent,
            Exchange::LineError => Answer::Garbled,
            Exchange::Left => return self.take_away(),
            Exchange::Unplugged => {
                self.lying = None;
                self.unplugged = true;
                self.send(&FromWorld::Unplugged);
                return self.hang_up();
            }
        };
        self.send(&FromWorld::Answer { sequence, answer });
    }
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a new connection; `None` if it broke at once or the field is closed.
    fn plug_in(&self, stream: UnixStream) -> Option<Link> {
        let writer = stream.try_clone().ok()?;
        let link = Link::new(stream).ok()?;
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.writer = Some(writer);
        state.show_band();
        drop(state);
        self.changed.notify_all();
        Some(link)
    }

    /// The state, once a box is connected.
    fn wait_for_box(&self, patience: Duration) -> Result<MutexGuard<'_, State>, VirtualError> {
        let mut state = self.lock();
        if state.unplugged {
            state.unplugged = false;
            self.changed.notify_all();
        }
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.writer.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if state.writer.is_some() {
            return Ok(state);
        }
        Err(VirtualError::NotThere {
            path: self.path.clone(),
            patience,
            source: std::io::ErrorKind::NotConnected.into(),
        })
    }

    fn answer_until_closed(&self, mut link: Option<Link>) {
        loop {
            if let Some(link) = &mut link {
                self.answer_until_hung_up(link);
            }
            let mut state = self.lock();
            state.hang_up();
            while state.unplugged && !state.closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            drop(state);
            link = self.find_box();
        }
    }

    fn answer_until_hung_up(&self, link: &mut Link) {
        while let Ok(Some(bytes)) = link.receive(None) {
            let Some(frame) = FromBox::decode(&bytes) else {
                return;
            };
            self.lock().answer(frame);
            self.changed.notify_all();
        }
    }

    /// One bounded attempt to reach a box that went away.
    fn find_box(&self) -> Option<Link> {
        // A box that hangs up at once is not asked again at full speed.
        thread::sleep(socket::RETRY);
        let stream = socket::connect(&self.path, RECONNECT).ok()?;
        self.plug_in(stream)
    }
}
