//! The turnstile: a relay, a contact that tells passages, a panic button.
//! Invariant: the relay is only ever driven through [`Pulses`]; while the panic button is pressed each look at it
//! prolongs the pulse a little, so that the relay falls off if nobody looks any more.
use std::{thread, time::Duration};

use gpiocdev::{
    Request,
    line::{Bias, EdgeDetection, Value},
};
use hardware::turnstile::{Pulses, Relay, Turnstile, TurnstileError, TurnstileEvent};

use crate::drivers::config::TurnstileConfig;

/// Shorter changes of the passage contact are bounces.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// How long the way stays open after the panic button was last seen pressed.
const PANIC_HOLD: Duration = Duration::from_millis(500);
/// Name under which the kernel lists who holds a line.
const CONSUMER: &str = "edge";

fn failed(error: gpiocdev::Error) -> TurnstileError {
    TurnstileError(error.to_string())
}

/// An output line. The kernel releases it when it is dropped or the process ends in any way.
struct Line {
    request: Request,
}

impl Relay for Line {
    fn drive(&mut self, on: bool) -> Result<(), TurnstileError> {
        let value = if on { Value::Active } else { Value::Inactive };
        self.request.set_lone_value(value).map_err(failed)
    }
}

/// A [`Turnstile`] on pins.
pub(in crate::drivers) struct GpioTurnstile {
    pulses: Pulses,
    pulse: Duration,
    passage: Option<Request>,
    panic: Option<Request>,
    panic_pressed: bool,
}

impl GpioTurnstile {
    /// Takes the lines that the file names; the relay is off.
    pub(in crate::drivers) fn open(config: &TurnstileConfig) -> Result<Self, TurnstileError> {
        let mut relay = Request::builder();
        relay.on_chip(&config.chip).with_consumer(CONSUMER).with_line(config.relay.into());
        if config.relay_active_low {
            relay.as_active_low();
        }
        let request = relay.as_output(Value::Inactive).request().map_err(failed)?;
        let passage = config.passage.map(|pin| contact(config, pin, true)).transpose()?;
        let panic = config.panic.map(|pin| contact(config, pin, false)).transpose()?;
        Ok(Self {
            pulses: Pulses::new(Box::new(Line { request }))?,
            pulse: config.pulse(),
            passage,
            panic,
            panic_pressed: false,
        })
    }

    fn look_at_panic(&mut self) -> Result<Option<TurnstileEvent>, TurnstileError> {
        let Some(panic) = &self.panic else { return Ok(None) };
        let pressed = panic.lone_value().map_err(failed)? == Value::Active;
        if pressed {
            self.pulses.begin(PANIC_HOLD)?;
        }
        Ok(match (std::mem::replace(&mut self.panic_pressed, pressed), pressed) {
            (false, true) => Some(TurnstileEvent::PanicOpened),
            (true, false) => Some(TurnstileEvent::PanicEnded),
            (true, true) | (false, false) => None,
        })
    }
}

/// A contact to ground. One that tells passages closes; the panic button's loop is closed and opens, so that a broken
/// wire opens the way.
fn contact(config: &TurnstileConfig, pin: u8, closes: bool) -> Result<Request, TurnstileError> {
    let mut input = Request::builder();
    input.on_chip(&config.chip).with_consumer(CONSUMER).with_line(pin.into()).as_input().with_bias(Bias::PullUp);
    if closes {
        input.as_active_low().with_edge_detection(EdgeDetection::RisingEdge).with_debounce_period(DEBOUNCE);
    }
    input.request().map_err(failed)
}

impl Turnstile for GpioTurnstile {
    fn release(&mut self) -> Result<(), TurnstileError> {
        self.pulses.begin(self.pulse)
    }

    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError> {
        if let Some(event) = self.look_at_panic()? {
            return Ok(Some(event));
        }
        let Some(passage) = &self.passage else {
            thread::sleep(wait);
            return Ok(None);
        };
        if !passage.wait_edge_event(wait).map_err(failed)? {
            return Ok(None);
        }
        passage.read_edge_event().map_err(failed)?;
        Ok(Some(TurnstileEvent::Passed))
    }

    fn tells_passages(&self) -> bool {
        self.passage.is_some()
    }
}
