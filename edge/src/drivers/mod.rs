//! Drivers of real devices, as `devices.toml` in the box's folder names them.
//! Invariant: without that file every device is virtual; a driver never takes the box down, and one that speaks through
//! a foreign library runs in a child process.
//! Not here: the devices' traits and virtual devices (`hardware`), the threads that serve them (`devices`).
pub mod config;
#[cfg(feature = "gpio")]
mod gpio;
#[cfg(feature = "scanner")]
mod keyboard;
#[cfg(feature = "pcsc")]
mod pcsc;
#[cfg(feature = "pn532")]
mod pn532;
mod printer;
pub mod process;
#[cfg(feature = "scanner")]
mod serial;
#[cfg(all(test, any(feature = "pcsc", feature = "pn532")))]
mod stack_tests;
#[cfg(any(feature = "pcsc", feature = "pn532"))]
mod type2;
#[cfg(feature = "scanner")]
mod usb;

use hardware::{
    code::{CodeScanner, ScannerError},
    printer::Printer,
    signal::{LightError, SignalLight},
    turnstile::{Turnstile, TurnstileError},
};

use self::config::{PrinterConfig, ScannerConfig, SignalConfig, TurnstileConfig};

/// Opens the scanner that the file names.
#[cfg(feature = "scanner")]
pub(crate) fn open_scanner(config: &ScannerConfig) -> Result<Box<dyn CodeScanner>, ScannerError> {
    use self::config::ScannerKind;
    Ok(match config.kind {
        ScannerKind::Serial => Box::new(serial::SerialScanner::open(config)?),
        ScannerKind::Keyboard => Box::new(keyboard::KeyboardScanner::open(config)?),
    })
}

/// A device file that could not be used; one that is not there is unplugged.
#[cfg(feature = "scanner")]
fn failed(path: &std::path::Path, error: &std::io::Error) -> ScannerError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return ScannerError::Unplugged;
    }
    ScannerError::Io(format!("{}: {error}", path.display()))
}

/// This build drives no scanners.
#[cfg(not(feature = "scanner"))]
pub(crate) fn open_scanner(_: &ScannerConfig) -> Result<Box<dyn CodeScanner>, ScannerError> {
    Err(ScannerError::Io("this build of edge drives no scanners (feature `scanner`)".into()))
}

/// Opens the turnstile that the file names.
#[cfg(feature = "gpio")]
pub(crate) fn open_turnstile(config: &TurnstileConfig) -> Result<Box<dyn Turnstile>, TurnstileError> {
    Ok(Box::new(gpio::GpioTurnstile::open(config)?))
}

/// This build drives no pins.
#[cfg(not(feature = "gpio"))]
pub(crate) fn open_turnstile(_: &TurnstileConfig) -> Result<Box<dyn Turnstile>, TurnstileError> {
    Err(TurnstileError("this build of edge drives no pins (feature `gpio`)".into()))
}

/// Opens the lamps that the file names.
#[cfg(feature = "gpio")]
pub(crate) fn open_post(config: &SignalConfig) -> Result<Box<dyn SignalLight>, LightError> {
    Ok(Box::new(hardware::post::Post::new(Box::new(gpio::PostLights::open(config)?))?))
}

/// This build drives no pins.
#[cfg(not(feature = "gpio"))]
pub(crate) fn open_post(_: &SignalConfig) -> Result<Box<dyn SignalLight>, LightError> {
    Err(LightError("this build of edge drives no pins (feature `gpio`)".into()))
}

/// The printer that the file names.
pub(crate) fn open_printer(config: &PrinterConfig) -> Box<dyn Printer> {
    Box::new(printer::EscPosPrinter::new(config))
}
