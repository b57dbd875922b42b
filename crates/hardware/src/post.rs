//! A post with up to four lamps and a buzzer: what each signal looks and sounds like on it.
//!
//! Invariant: a signal ends dark and silent after its own steps; the newest signal replaces the one before.
//! Not here: which pins (`edge::drivers`).

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::signal::{LightError, Signal, SignalLight};

/// What is on at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shine {
    /// Green lamp.
    pub green: bool,
    /// Amber lamp.
    pub amber: bool,
    /// Red lamp.
    pub red: bool,
    /// Blue lamp.
    pub blue: bool,
    /// Buzzer.
    pub buzzer: bool,
}

/// Lamps and buzzer that are switched together.
pub trait Lamps: Send {
    /// Switches all of them.
    fn switch(&mut self, shine: Shine) -> Result<(), LightError>;
}

const DARK: Shine = Shine { green: false, amber: false, red: false, blue: false, buzzer: false };

/// What a signal shows, step by step. Told apart by rhythm as well as by colour.
pub fn steps(signal: Signal) -> Vec<(Shine, Duration)> {
    let step = |shine: Shine, ms: u64| (shine, Duration::from_millis(ms));
    let green = Shine { green: true, ..DARK };
    let amber = Shine { amber: true, ..DARK };
    let red = Shine { red: true, ..DARK };
    let blue = Shine { blue: true, ..DARK };
    let loud = |shine: Shine| Shine { buzzer: true, ..shine };
    match signal {
        Signal::Ok => vec![step(loud(green), 120), step(green, 1380)],
        Signal::Warn => vec![step(loud(amber), 120), step(amber, 120), step(loud(amber), 120), step(amber, 1140)],
        Signal::Refuse => vec![step(loud(red), 800), step(red, 1200)],
        Signal::TapAgain => [step(loud(blue), 150), step(DARK, 150)].repeat(5),
    }
}

struct Wanted {
    signal: Option<Signal>,
    failed: Option<LightError>,
    stopping: bool,
}

type Shared = (Mutex<Wanted>, Condvar);

fn lock(shared: &Shared) -> MutexGuard<'_, Wanted> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A [`SignalLight`] of lamps, on a thread of its own.
pub struct Post {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Post {
    /// Takes the lamps; they are dark.
    pub fn new(mut lamps: Box<dyn Lamps>) -> Result<Self, LightError> {
        lamps.switch(DARK)?;
        let shared: Arc<Shared> =
            Arc::new((Mutex::new(Wanted { signal: None, failed: None, stopping: false }), Condvar::new()));
        let shown = Arc::clone(&shared);
        let thread = thread::Builder::new().name("post".into()).spawn(move || show_all(&shown, lamps.as_mut()));
        let thread = thread.map_err(|error| LightError(format!("no thread for the post: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl SignalLight for Post {
    fn show(&mut self, signal: Signal) -> Result<(), LightError> {
        let mut wanted = lock(&self.shared);
        wanted.signal = Some(signal);
        self.shared.1.notify_all();
        wanted.failed.take().map_or(Ok(()), Err)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        lock(&self.shared).stopping = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show_all(shared: &Shared, lamps: &mut dyn Lamps) {
    let mut wanted = lock(shared);
    while !wanted.stopping {
        let Some(signal) = wanted.signal.take() else {
            wanted = shared.1.wait(wanted).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        for (shine, length) in steps(signal).into_iter().chain([(DARK, Duration::ZERO)]) {
            // the error is told with the next signal
            wanted.failed = lamps.switch(shine).err().or(wanted.failed.take());
            let goes_on = |wanted: &mut Wanted| wanted.signal.is_none() && !wanted.stopping;
            wanted = shared.1.wait_timeout_while(wanted, length, goes_on).unwrap_or_else(PoisonError::into_inner).0;
            if !goes_on(&mut wanted) {
                break;
            }
        }
    }
    drop(wanted);
    let _ = lamps.switch(DARK);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    struct Watched(Sender<Shine>, bool);

    impl Lamps for Watched {
        fn switch(&mut self, shine: Shine) -> Result<(), LightError> {
            if self.1 && shine != DARK {
                return Err(LightError("no lamp".into()));
            }
            self.0.send(shine).map_err(|error| LightError(error.to_string()))
        }
    }

    fn post(breaks: bool) -> (Post, Receiver<Shine>) {
        let (sender, seen) = channel();
        let post = Post::new(Box::new(Watched(sender, breaks))).unwrap();
        assert_eq!(seen.recv_timeout(SOON), Ok(DARK));
        (post, seen)
    }

    #[test]
    fn each_signal_shows_its_steps_and_ends_dark() {
        for signal in [Signal::Ok, Signal::Warn, Signal::Refuse, Signal::TapAgain] {
            let (mut post, seen) = post(false);
            post.show(signal).unwrap();
            let shown: Vec<Shine> = (0..=steps(signal).len()).map(|_| seen.recv_timeout(SOON).unwrap()).collect();
            let expected: Vec<Shine> = steps(signal).into_iter().map(|(shine, _)| shine).chain([DARK]).collect();
            assert_eq!(shown, expected, "{signal:?}");
            let lamps =
                |shine: Shine| [shine.green, shine.amber, shine.red, shine.blue].map(u8::from).iter().sum::<u8>();
            assert!(expected.iter().all(|shine| lamps(*shine) <= 1), "one colour at a time");
        }
    }

    #[test]
    fn a_newer_signal_replaces_the_one_before_and_dropping_leaves_it_dark() {
        let (mut post, seen) = post(false);
        post.show(Signal::Refuse).unwrap();
        assert!(seen.recv_timeout(SOON).unwrap().red);
        post.show(Signal::Ok).unwrap();
        assert!(seen.recv_timeout(SOON).unwrap().green);
        drop(post);
        assert_eq!(seen.iter().last(), Some(DARK));
    }

    #[test]
    fn lamps_that_fail_are_told_with_a_later_signal() {
        let (mut post, _seen) = post(true);
        post.show(Signal::Ok).unwrap();
        let deadline = std::time::Instant::now() + SOON;
        while post.show(Signal::Ok).is_ok() {
            assert!(std::time::Instant::now() < deadline);
            thread::sleep(Duration::from_millis(1));
        }
    }
}
