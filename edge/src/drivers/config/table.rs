//! The tables of `devices.toml`, one for each device.
//! Invariant: a table that was checked can be opened as it stands; a key that nothing reads is an error which names it.
//! Not here: the file (`config`), opening a device (its own module).
use std::{collections::BTreeSet, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;

/// What is wrong, in words for a technician.
pub(crate) type Misconfigured = String;

/// A table that can be checked by itself.
pub(super) trait Table: Sized {
    /// The same, if it can be opened.
    fn checked(self) -> Result<Self, Misconfigured>;
}

/// `[reader]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReaderConfig {
    /// How it is spoken to.
    pub driver: ReaderDriver,
    /// `pcsc`: part of the reader's name; without it the first contactless one.
    pub name: Option<String>,
    /// `pn532`: libnfc's connection string, such as `pn532_uart:/dev/ttyAMA0`.
    pub port: Option<String>,
}

/// How a reader is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ReaderDriver {
    /// The socket in the box's folder.
    #[default]
    Virtual,
    /// A PC/SC reader.
    Pcsc,
    /// A PN532 through libnfc.
    Pn532,
}

/// A scanner of codes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScannerConfig {
    /// How it speaks.
    pub kind: ScannerKind,
    /// Its device file, e.g. `/dev/ttyACM0` or `/dev/input/by-id/usb-…-event-kbd`.
    pub path: Option<PathBuf>,
    /// Or the vendor and product by which it is found on USB, e.g. `0c2e:0b6a`.
    pub usb: Option<UsbId>,
    /// Speed of a serial one.
    #[serde(default = "default_baud")]
    pub baud: u32,
    /// Layout that a keyboard one was set to.
    #[serde(default)]
    pub layout: Layout,
}

fn default_baud() -> u32 {
    115_200
}

/// How a scanner speaks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScannerKind {
    /// A serial port, mostly over USB (CDC-ACM): one line for each code.
    Serial,
    /// As a keyboard that types each code and then Enter.
    Keyboard,
}

/// A turnstile on a Raspberry Pi's pins, numbered as the processor's GPIO lines.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnstileConfig {
    /// The kernel's device.
    #[serde(default = "default_chip")]
    pub chip: PathBuf,
    /// Output: the relay.
    pub relay: u8,
    /// The relay board switches on by 0 V.
    #[serde(default)]
    pub relay_active_low: bool,
    /// Length of a pulse.
    #[serde(default = "default_pulse_ms")]
    pub pulse_ms: u64,
    /// Input: a contact that closes to ground when somebody goes through.
    pub passage: Option<u8>,
    /// Whoever was let through has this long to go.
    #[serde(default = "default_passage_ms")]
    pub passage_ms: u64,
    /// Input: the panic button, a loop to ground that opens.
    pub panic: Option<u8>,
}

fn default_chip() -> PathBuf {
    "/dev/gpiochip0".into()
}

fn default_pulse_ms() -> u64 {
    500
}

fn default_passage_ms() -> u64 {
    6_000
}

impl TurnstileConfig {
    /// Length of a pulse.
    pub(crate) fn pulse(&self) -> Duration {
        Duration::from_millis(self.pulse_ms)
    }
}

/// Lamps and buzzer on pins, numbered as for the turnstile.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalConfig {
    /// Green lamp.
    pub green: Option<u8>,
    /// Amber lamp.
    pub amber: Option<u8>,
    /// Red lamp.
    pub red: Option<u8>,
    /// Blue lamp.
    pub blue: Option<u8>,
    /// Buzzer that sounds by itself.
    pub buzzer: Option<u8>,
}

/// An ESC/POS printer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrinterConfig {
    /// Where it is on the network, e.g. `192.168.1.50:9100`.
    pub address: Option<SocketAddr>,
    /// Or its device file, e.g. `/dev/usb/lp0`.
    pub path: Option<PathBuf>,
    /// Characters in a row: 42 or 48 on 80 mm, 32 on 58 mm.
    #[serde(default = "default_columns")]
    pub columns: u8,
}

fn default_columns() -> u8 {
    42
}

/// A keyboard layout.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// QWERTY as in the United States; what scanners come with.
    #[default]
    Us,
    /// AZERTY as in France.
    Fr,
}

/// Vendor and product of a USB device, as `lsusb` prints them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct UsbId {
    /// Vendor.
    pub vendor: u16,
    /// Product.
    pub product: u16,
}

impl TryFrom<String> for UsbId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| text.len() == 4);
        let parts = text.split_once(':').and_then(|(vendor, product)| Some((number(vendor)?, number(product)?)));
        let (vendor, product) = parts.ok_or_else(|| format!("\"{text}\" is not vendor:product as in 0c2e:0b6a"))?;
        Ok(Self { vendor, product })
    }
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

impl Table for ReaderConfig {
    /// A key that does not belong to the driver would be ignored in silence otherwise.
    fn checked(self) -> Result<Self, Misconfigured> {
        let wrong = |why: &str| Err(why.into());
        match (self.driver, &self.name, &self.port) {
            (ReaderDriver::Pn532, _, None) => wrong("driver \"pn532\" needs port, such as \"pn532_uart:/dev/ttyAMA0\""),
            (ReaderDriver::Pn532, Some(_), _) => wrong("name belongs to driver \"pcsc\""),
            (ReaderDriver::Pcsc, _, Some(_)) => wrong("port belongs to driver \"pn532\""),
            (ReaderDriver::Virtual, None, None)
            | (ReaderDriver::Pcsc, _, None)
            | (ReaderDriver::Pn532, None, Some(_)) => Ok(self),
            (ReaderDriver::Virtual, _, _) => wrong("driver \"virtual\" takes neither name nor port"),
        }
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Misconfigured> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Table for ScannerConfig {
    fn checked(self) -> Result<Self, Misconfigured> {
        let places = usize::from(self.path.is_some()) + usize::from(self.usb.is_some());
        ensure(places == 1, || "give either `path` or `usb`".into())?;
        Ok(self)
    }
}

impl Table for TurnstileConfig {
    fn checked(self) -> Result<Self, Misconfigured> {
        let longest = hardware::turnstile::LONGEST_PULSE.as_millis().try_into().unwrap_or(u64::MAX);
        ensure((50..=longest).contains(&self.pulse_ms), || format!("pulse_ms: 50 to {longest}"))?;
        ensure((500..=60_000).contains(&self.passage_ms), || "passage_ms: 500 to 60000".into())?;
        Ok(self)
    }
}

impl Table for SignalConfig {
    fn checked(self) -> Result<Self, Misconfigured> {
        Ok(self)
    }
}

impl Table for PrinterConfig {
    fn checked(self) -> Result<Self, Misconfigured> {
        let places = usize::from(self.path.is_some()) + usize::from(self.address.is_some());
        ensure(places == 1, || "give either `address` or `path`".into())?;
        ensure((24..=80).contains(&self.columns), || "columns: 24 to 80".into())?;
        Ok(self)
    }
}

/// Each pin is on the header and has one use.
pub(super) fn check_pins(
    turnstile: Option<&TurnstileConfig>,
    signal: Option<&SignalConfig>,
) -> Result<(), Misconfigured> {
    let turnstile = turnstile.into_iter().flat_map(|pins| [Some(pins.relay), pins.passage, pins.panic]);
    let signal = signal.into_iter().flat_map(|post| [post.green, post.amber, post.red, post.blue, post.buzzer]);
    let mut used = BTreeSet::new();
    for pin in turnstile.chain(signal).flatten() {
        ensure((2..=27).contains(&pin), || format!("pin {pin}: a Raspberry Pi has 2 to 27"))?;
        ensure(used.insert(pin), || format!("pin {pin} has two uses"))?;
    }
    Ok(())
}
