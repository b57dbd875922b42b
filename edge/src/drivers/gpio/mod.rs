//! A Raspberry Pi's pins: the turnstile through the kernel's GPIO character device, lights and buzzer through rppal.
//! Invariant: what opens a way is on the character device alone, since the kernel releases its lines when this process
//! dies; rppal leaves an output as it was, which a light may be and a relay may not.
//! Not here: pulses that end (`hardware::turnstile`), which pin is what (`config`).
mod lights;
mod turnstile;

pub(super) use lights::PostLights;
pub(super) use turnstile::GpioTurnstile;
