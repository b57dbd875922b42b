//! The light and buzzer of a reader, by its escape commands.
//!
//! Sources: ACR122U API, sections 6.2 (LED and buzzer, FF 00 40) and 6.7 (buzzer at detection, FF 00 52); ACR1252U
//! reference manual, sections 5.9 (buzzer, E0 00 00 28) and 5.10 (LED, E0 00 00 29).
//! Invariant: a reader that cannot show it is no failure: the screen tells the same.
use hardware::signal::Signal;
use pcsc::{Card, ctl_code};

/// Escape by ACS's driver, and by Debian's CCID driver (which must allow it: `ifdDriverOptions` 0x0001).
const ESCAPES: [u32; 2] = [3500, 1];

/// Who shows what how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lamp {
    /// Two lights and a buzzer in one command.
    Acr122u,
    /// A command for the light, one for the buzzer.
    Acr1252u,
    /// None that we know of.
    Unknown,
}

impl Lamp {
    /// By the reader's name.
    pub(super) fn of(name: &str) -> Self {
        if name.contains("ACR122") {
            Self::Acr122u
        } else if name.contains("ACR1252") {
            Self::Acr1252u
        } else {
            Self::Unknown
        }
    }

    /// The reader does not beep by itself when a tag comes: that would sound like "done".
    pub(super) fn keep_quiet(self, card: &Card) {
        match self {
            Self::Acr122u => escape(card, &[0xFF, 0x00, 0x52, 0x00, 0x00]),
            // bit 3: beep at arrival and departure; the others are as delivered
            Self::Acr1252u => escape(card, &[0xE0, 0x00, 0x00, 0x21, 0x01, 0x87]),
            Self::Unknown => {}
        }
    }

    /// Shows a signal.
    pub(super) fn show(self, card: &Card, signal: Signal) {
        for command in self.commands(signal) {
            escape(card, &command);
        }
    }

    fn commands(self, signal: Signal) -> Vec<Vec<u8>> {
        match self {
            Self::Acr122u => {
                // which lights, then in tenths of a second: on, off, how often, and when the buzzer sounds
                let (lights, on, off, times, buzzer) = match signal {
                    Signal::Ok => (0x0E, 2, 0, 1, 0x01),
                    Signal::Warn => (0x0F, 1, 1, 2, 0x01),
                    Signal::Refuse => (0x0D, 3, 1, 1, 0x03),
                    Signal::TapAgain => (0x5D, 1, 1, 2, 0x02),
                };
                vec![vec![0xFF, 0x00, 0x40, lights, 0x04, on, off, times, buzzer]]
            }
            Self::Acr1252u => {
                // bit 0 red, bit 1 green; the buzzer in hundredths of a second
                let (lights, buzzer) = match signal {
                    Signal::Ok => (0x02, 10),
                    Signal::Warn => (0x03, 20),
                    Signal::Refuse => (0x01, 40),
                    Signal::TapAgain => (0x01, 5),
                };
                vec![vec![0xE0, 0x00, 0x00, 0x29, 0x01, lights], vec![0xE0, 0x00, 0x00, 0x28, 0x01, buzzer]]
            }
            Self::Unknown => Vec::new(),
        }
    }
}

/// Sends one escape command by whichever code the driver takes.
fn escape(card: &Card, command: &[u8]) {
    let mut answer = [0; 64];
    let is_taken = ESCAPES.iter().any(|code| card.control(ctl_code((*code).into()), command, &mut answer).is_ok());
    if !is_taken {
        tracing::debug!("the reader takes no escape commands");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_signal_looks_different() {
        for lamp in [Lamp::Acr122u, Lamp::Acr1252u] {
            let signals = [Signal::Ok, Signal::Warn, Signal::Refuse, Signal::TapAgain];
            let shown: BTreeSet<_> = signals.iter().map(|signal| lamp.commands(*signal)).collect();
            assert_eq!(shown.len(), signals.len());
        }
        assert!(Lamp::of("Some reader").commands(Signal::Ok).is_empty());
    }

    #[test]
    fn green_is_green_alone() {
        let [green] = &Lamp::of("ACS ACR122U").commands(Signal::Ok)[..] else { panic!("one command") };
        assert_eq!(green[3] & 0x03, 0x02);
    }
}
