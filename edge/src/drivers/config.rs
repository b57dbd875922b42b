//! `devices.toml` in the box's folder: which real devices this box has and where.
//! Invariant: a key that nothing reads is an error which names it; no file means virtual devices.
//! Not here: opening a device (its own module).
use std::{
    collections::BTreeSet,
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Name of the file.
const FILE: &str = "devices.toml";

/// All devices of a box; what is missing is virtual, or is not there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// The scanner of tickets and vouchers.
    pub scanner: Option<ScannerConfig>,
    /// The turnstile.
    pub turnstile: Option<TurnstileConfig>,
    /// Lamps and buzzer of the gate's post.
    pub signal: Option<SignalConfig>,
    /// The printer of receipts.
    pub printer: Option<PrinterConfig>,
}

/// A scanner of codes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ScannerConfig {
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
pub enum ScannerKind {
    /// A serial port, mostly over USB (CDC-ACM): one line for each code.
    Serial,
    /// As a keyboard that types each code and then Enter.
    Keyboard,
}

/// A turnstile on a Raspberry Pi's pins, numbered as the processor's GPIO lines.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TurnstileConfig {
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
    pub fn pulse(&self) -> Duration {
        Duration::from_millis(self.pulse_ms)
    }
}

/// Lamps and buzzer on pins, numbered as for the turnstile.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SignalConfig {
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
pub struct PrinterConfig {
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
pub enum Layout {
    /// QWERTY as in the United States; what scanners come with.
    #[default]
    Us,
    /// AZERTY as in France.
    Fr,
}

/// Vendor and product of a USB device, as `lsusb` prints them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct UsbId {
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

impl Devices {
    /// Reads the file of this box's folder.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let devices: Self = toml::from_str(text)?;
        if let Some(scanner) = &devices.scanner {
            let places = usize::from(scanner.path.is_some()) + usize::from(scanner.usb.is_some());
            ensure!(places == 1, "[scanner]: give either `path` or `usb`");
        }
        if let Some(turnstile) = &devices.turnstile {
            let longest = hardware::turnstile::LONGEST_PULSE.as_millis().try_into().unwrap_or(u64::MAX);
            ensure!((50..=longest).contains(&turnstile.pulse_ms), "[turnstile] pulse_ms: 50 to {longest}");
            ensure!((500..=60_000).contains(&turnstile.passage_ms), "[turnstile] passage_ms: 500 to 60000");
        }
        if let Some(printer) = &devices.printer {
            let places = usize::from(printer.path.is_some()) + usize::from(printer.address.is_some());
            ensure!(places == 1, "[printer]: give either `address` or `path`");
            ensure!((24..=80).contains(&printer.columns), "[printer] columns: 24 to 80");
        }
        devices.check_pins()?;
        Ok(devices)
    }

    /// Each pin is on the header and has one use.
    fn check_pins(&self) -> Result<()> {
        let turnstile =
            self.turnstile.iter().flat_map(|turnstile| [Some(turnstile.relay), turnstile.passage, turnstile.panic]);
        let signal = self.signal.iter().flat_map(|post| [post.green, post.amber, post.red, post.blue, post.buzzer]);
        let mut used = BTreeSet::new();
        for pin in turnstile.chain(signal).flatten() {
            ensure!((2..=27).contains(&pin), "pin {pin}: a Raspberry Pi has 2 to 27");
            ensure!(used.insert(pin), "pin {pin} has two uses");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        format!("{:#}", Devices::parse(text).unwrap_err())
    }

    #[test]
    fn without_a_file_every_device_is_virtual() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Devices::read(dir.path()).unwrap(), Devices::default());
        fs::write(dir.path().join(FILE), "").unwrap();
        assert_eq!(Devices::read(dir.path()).unwrap(), Devices::default());
    }

    #[test]
    fn a_scanner_is_found_by_its_path_or_on_usb() {
        let devices = Devices::parse("[scanner]\nkind = \"keyboard\"\nusb = \"0c2e:0B6a\"\nlayout = \"fr\"").unwrap();
        let scanner = devices.scanner.unwrap();
        assert_eq!(scanner.usb.unwrap().to_string(), "0c2e:0b6a");
        assert_eq!((scanner.kind, scanner.layout), (ScannerKind::Keyboard, Layout::Fr));
        let devices = Devices::parse("[scanner]\nkind = \"serial\"\npath = \"/dev/ttyACM0\"").unwrap();
        assert_eq!(devices.scanner.unwrap().baud, 115_200);
    }

    #[test]
    fn each_pin_has_one_use_and_a_pulse_has_bounds() {
        let devices = Devices::parse("[turnstile]\nrelay = 17\npassage = 27\n[signal]\ngreen = 5").unwrap();
        assert_eq!(devices.turnstile.unwrap().pulse(), Duration::from_millis(500));
        assert!(refusal("[turnstile]\nrelay = 17\n[signal]\nred = 17").contains("pin 17 has two uses"));
        assert!(refusal("[turnstile]\nrelay = 40").contains("pin 40"));
        assert!(refusal("[turnstile]\nrelay = 17\npulse_ms = 60000").contains("pulse_ms"));
        assert!(refusal("[turnstile]\nrelay = 17\npulse = 1").contains("pulse"));
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "[scaner]\nkind = \"serial\"").unwrap();
        let said = format!("{:#}", Devices::read(dir.path()).unwrap_err());
        assert!(said.contains("scaner") && said.contains(FILE), "{said}");
        assert!(refusal("[scanner]\nkind = \"serial\"\npath = \"/dev/x\"\nbauds = 1").contains("bauds"));
        assert!(refusal("[scanner]\nkind = \"laser\"\npath = \"/dev/x\"").contains("laser"));
        assert!(refusal("[printer]\ncolumns = 32").contains("`address` or `path`"));
        assert!(refusal("[printer]\naddress = \"10.0.0.9\"").contains("address"));
        assert!(refusal("[scanner]\nkind = \"serial\"").contains("`path` or `usb`"));
        assert!(refusal("[scanner]\nkind = \"serial\"\nusb = \"c2e:b6a\"").contains("c2e:b6a"));
    }
}
