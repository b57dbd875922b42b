//! Lamps and a buzzer on pins, through rppal.
//! Invariant: pins go dark and back to inputs when this is dropped; after a kill one may stay lit, which opens nothing.
use hardware::{
    post::{Lamps, Shine},
    signal::LightError,
};
use rppal::gpio::{Gpio, OutputPin};

use crate::drivers::config::SignalConfig;

/// The pins of a post; what is not wired is `None`.
pub(in crate::drivers) struct PostLights {
    green: Option<OutputPin>,
    amber: Option<OutputPin>,
    red: Option<OutputPin>,
    blue: Option<OutputPin>,
    buzzer: Option<OutputPin>,
}

impl PostLights {
    /// Takes the pins that the file names.
    pub(in crate::drivers) fn open(config: &SignalConfig) -> Result<Self, LightError> {
        let gpio = Gpio::new().map_err(|error| LightError(error.to_string()))?;
        let pin = |number: Option<u8>| {
            let pin = number.map(|number| gpio.get(number).map(rppal::gpio::Pin::into_output_low)).transpose();
            pin.map_err(|error| LightError(error.to_string()))
        };
        Ok(Self {
            green: pin(config.green)?,
            amber: pin(config.amber)?,
            red: pin(config.red)?,
            blue: pin(config.blue)?,
            buzzer: pin(config.buzzer)?,
        })
    }
}

impl Lamps for PostLights {
    fn switch(&mut self, shine: Shine) -> Result<(), LightError> {
        let pins = [
            (&mut self.green, shine.green),
            (&mut self.amber, shine.amber),
            (&mut self.red, shine.red),
            (&mut self.blue, shine.blue),
            (&mut self.buzzer, shine.buzzer),
        ];
        for (pin, on) in pins {
            if let Some(pin) = pin {
                pin.write(on.into());
            }
        }
        Ok(())
    }
}
