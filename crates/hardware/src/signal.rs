//! What a guest sees and hears at a reader or a gate post.
//!
//! Invariant: [`Signal::Ok`] means done and durable; nothing else is green.
//! Not here: texts and colours of screens (`screens`).

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

/// What a light (and its buzzer) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Green: done.
    Ok,
    /// Amber: done, but staff should look at the screen.
    Warn,
    /// Red: refused.
    Refuse,
    /// Blinking blue: nothing is settled, hold the band there again.
    TapAgain,
}

impl Signal {
    /// The byte that stands for it in frames.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 1,
            Self::Warn => 2,
            Self::Refuse => 3,
            Self::TapAgain => 4,
        }
    }

    /// What that byte stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Ok, Self::Warn, Self::Refuse, Self::TapAgain].into_iter().find(|signal| signal.code() == code)
    }
}

/// A light that could not be switched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the light failed: {0}")]
pub struct LightError(pub String);

/// A light of its own, apart from a reader's (a gate post, a bar's lamp).
pub trait SignalLight: Send {
    /// Shows the signal for the light's own duration, then goes dark. Returns at once.
    fn show(&mut self, signal: Signal) -> Result<(), LightError>;
}

/// A place without a light of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLight;

impl SignalLight for NoLight {
    fn show(&mut self, _: Signal) -> Result<(), LightError> {
        Ok(())
    }
}

/// How many signals a [`RecordingLight`] remembers.
pub const RECORDED_SIGNALS: usize = 1024;

/// A light that remembers the last [`RECORDED_SIGNALS`] it showed. Clones are the same light.
#[derive(Clone, Debug, Default)]
pub struct RecordingLight {
    shown: Arc<Mutex<Vec<Signal>>>,
}

impl RecordingLight {
    /// What was shown, oldest first.
    pub fn shown(&self) -> Vec<Signal> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SignalLight for RecordingLight {
    fn show(&mut self, signal: Signal) -> Result<(), LightError> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() == RECORDED_SIGNALS {
            shown.remove(0);
        }
        shown.push(signal);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_light_keeps_the_newest_signals_only() {
        let mut light = RecordingLight::default();
        let watched = light.clone();
        light.show(Signal::Refuse).unwrap();
        for _ in 0..RECORDED_SIGNALS {
            light.show(Signal::Ok).unwrap();
        }
        light.show(Signal::TapAgain).unwrap();
        let shown = watched.shown();
        assert_eq!(shown.len(), RECORDED_SIGNALS);
        assert!(!shown.contains(&Signal::Refuse));
        assert_eq!(shown.last(), Some(&Signal::TapAgain));
    }

    #[test]
    fn signal_codes_come_back() {
        for signal in [Signal::Ok, Signal::Warn, Signal::Refuse, Signal::TapAgain] {
            assert_eq!(Signal::from_code(signal.code()), Some(signal));
        }
        assert_eq!(Signal::from_code(0), None);
        assert_eq!(Signal::from_code(5), None);
    }
}
