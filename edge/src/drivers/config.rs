//! `devices.toml` in the box's folder: which devices this box has (`docs/hardware.md` explains it to a technician).
//! Invariant: an unknown key, value or table is an error that names it; a bad table takes away its own device only; no
//! file means virtual devices.
//! Not here: opening what is configured (`process`, `devices`).
mod table;

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;

pub use self::table::ReaderDriver;
use self::table::Table;
#[cfg(any(test, feature = "scanner"))]
pub(crate) use self::table::{Layout, ScannerKind, UsbId};
pub(crate) use self::table::{
    Misconfigured, PrinterConfig, ReaderConfig, ScannerConfig, SignalConfig, TurnstileConfig,
};

/// The file's name.
pub(crate) const FILE: &str = "devices.toml";
/// The file is a few lines: more is somebody else's.
const MAX_BYTES: u64 = 64 * 1024;
/// Every table there is.
const TABLES: [&str; 5] = ["reader", "scanner", "turnstile", "signal", "printer"];

/// What the box should use; `None`: virtual, or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Devices {
    /// Its wristband reader.
    pub reader: Result<ReaderConfig, Misconfigured>,
    /// The scanner of tickets and vouchers.
    pub scanner: Result<Option<ScannerConfig>, Misconfigured>,
    /// The turnstile.
    pub turnstile: Result<Option<TurnstileConfig>, Misconfigured>,
    /// Lamps and buzzer of the gate's post.
    pub signal: Result<Option<SignalConfig>, Misconfigured>,
    /// The printer of receipts.
    pub printer: Result<Option<PrinterConfig>, Misconfigured>,
}

/// Reads the folder's file; without one the devices are virtual.
pub(crate) fn read(dir: &Path) -> Devices {
    let path = dir.join(FILE);
    let text = match fs::metadata(&path) {
        Ok(found) if found.len() > MAX_BYTES => Err(format!("{FILE}: {} bytes, at most {MAX_BYTES}", found.len())),
        Ok(_) => fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{FILE}: {error}")),
    };
    text.and_then(|text| parse(&text)).unwrap_or_else(Devices::none)
}

impl Devices {
    /// None of them, for this reason.
    fn none(why: Misconfigured) -> Self {
        Self {
            reader: Err(why.clone()),
            scanner: Err(why.clone()),
            turnstile: Err(why.clone()),
            signal: Err(why.clone()),
            printer: Err(why),
        }
    }

    /// What is wrong, beside the reader, which is looked at again whenever it is opened.
    pub(crate) fn misconfigured(&self) -> Option<&Misconfigured> {
        let wrong = [
            self.scanner.as_ref().err(),
            self.turnstile.as_ref().err(),
            self.signal.as_ref().err(),
            self.printer.as_ref().err(),
        ];
        wrong.into_iter().flatten().next()
    }
}

/// The devices in this text; an error is one of the whole file.
fn parse(text: &str) -> Result<Devices, Misconfigured> {
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| format!("{FILE}: {error}"))?;
    if let Some(unknown) = file.keys().find(|table| !TABLES.contains(&table.as_str())) {
        return Err(format!("{FILE}: unknown table [{unknown}], known are {TABLES:?}"));
    }
    let mut devices = Devices {
        reader: table(&file, "reader").map(Option::unwrap_or_default),
        scanner: table(&file, "scanner"),
        turnstile: table(&file, "turnstile"),
        signal: table(&file, "signal"),
        printer: table(&file, "printer"),
    };
    if let (Ok(turnstile), Ok(signal)) = (&devices.turnstile, &devices.signal)
        && let Err(why) = table::check_pins(turnstile.as_ref(), signal.as_ref())
    {
        let why = format!("{FILE}: {why}");
        (devices.turnstile, devices.signal) = (Err(why.clone()), Err(why));
    }
    Ok(devices)
}

/// One table, if it is there.
fn table<T: DeserializeOwned + Table>(file: &toml::Table, name: &str) -> Result<Option<T>, Misconfigured> {
    let Some(table) = file.get(name) else { return Ok(None) };
    let read: Result<T, _> = table.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned());
    read.and_then(T::checked).map(Some).map_err(|why| format!("{FILE}: [{name}]: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> Result<ReaderConfig, Misconfigured> {
        parse(text).and_then(|devices| devices.reader)
    }

    #[test]
    fn without_a_file_the_devices_are_virtual() {
        let dir = tempfile::tempdir().unwrap();
        let devices = read(dir.path());
        assert_eq!(devices.reader.as_ref().map(|reader| reader.driver), Ok(ReaderDriver::Virtual));
        assert_eq!((&devices.scanner, &devices.turnstile, devices.misconfigured()), (&Ok(None), &Ok(None), None));
    }

    #[test]
    fn a_reader_is_named_by_driver_and_port() {
        for port in ["pn532_uart:/dev/ttyAMA0", "pn532_i2c:/dev/i2c-1", "pn532_spi:/dev/spidev0.0:1000000"] {
            let pn532 = ReaderConfig { driver: ReaderDriver::Pn532, port: Some(port.to_owned()), name: None };
            assert_eq!(reader(&format!("[reader]\ndriver = 'pn532'\nport = '{port}'")), Ok(pn532));
        }
        let pcsc = ReaderConfig { driver: ReaderDriver::Pcsc, name: Some("ACR122U".into()), port: None };
        assert_eq!(reader("[reader]\ndriver = 'pcsc'\nname = 'ACR122U'"), Ok(pcsc));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("[reader]\ndriver = 'pcsc'\nprot = 'x'", "prot"),
            ("[reader]\ndriver = 'acr122'", "acr122"),
            ("[reader]\ndriver = 3", "[reader]"),
            ("reader = 3", "[reader]"),
            ("[raeder]\ndriver = 'pcsc'", "raeder"),
            ("[reader]\ndriver = 'pn532'", "port"),
            ("[reader]\nport = 'x'", "driver"),
            ("[reader]\ndriver = 'virtual'\nname = 'x'", "name"),
            ("[reader]\ndriver = 'pcsc'\nport = 'x'", "port"),
            ("[reader\n", FILE),
        ] {
            let why = reader(text).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_box_without_its_devices() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"\xff\xfe").unwrap();
        assert!(read(dir.path()).reader.unwrap_err().contains(FILE));
        fs::write(dir.path().join(FILE), vec![b' '; 70_000]).unwrap();
        assert!(read(dir.path()).reader.unwrap_err().contains("70000"));
    }

    #[test]
    fn a_scanner_is_found_by_its_path_or_on_usb() {
        let keyboard = "[scanner]\nkind = \"keyboard\"\nusb = \"0c2e:0B6a\"\nlayout = \"fr\"";
        let scanner = parse(keyboard).unwrap().scanner.unwrap().unwrap();
        assert_eq!(scanner.usb.unwrap().to_string(), "0c2e:0b6a");
        assert_eq!((scanner.kind, scanner.layout), (ScannerKind::Keyboard, Layout::Fr));
        let serial = parse("[scanner]\nkind = \"serial\"\npath = \"/dev/ttyACM0\"").unwrap();
        assert_eq!(serial.scanner.unwrap().unwrap().baud, 115_200);
    }

    #[test]
    fn each_pin_has_one_use_and_a_pulse_has_bounds() {
        let devices = parse("[turnstile]\nrelay = 17\npassage = 27\n[signal]\ngreen = 5").unwrap();
        assert_eq!(devices.turnstile.unwrap().unwrap().pulse(), std::time::Duration::from_millis(500));
        let refusal = |text: &str| parse(text).unwrap().turnstile.unwrap_err();
        assert!(refusal("[turnstile]\nrelay = 17\n[signal]\nred = 17").contains("pin 17 has two uses"));
        assert!(refusal("[turnstile]\nrelay = 40").contains("pin 40"));
        assert!(refusal("[turnstile]\nrelay = 17\npulse_ms = 60000").contains("pulse_ms"));
        assert!(refusal("[turnstile]\nrelay = 17\npulse = 1").contains("pulse"));
    }

    #[test]
    fn a_bad_table_takes_away_its_own_device_only() {
        let devices = parse("[scanner]\nkind = \"laser\"\npath = \"/dev/x\"\n[reader]\ndriver = 'pcsc'").unwrap();
        assert!(devices.reader.is_ok() && devices.printer.is_ok());
        assert!(devices.misconfigured().is_some_and(|why| why.contains("laser") && why.contains("[scanner]")));
        let scanner = |text: &str| parse(text).unwrap().scanner.unwrap_err();
        assert!(scanner("[scanner]\nkind = \"serial\"\npath = \"/dev/x\"\nbauds = 1").contains("bauds"));
        assert!(scanner("[scanner]\nkind = \"serial\"").contains("`path` or `usb`"));
        assert!(scanner("[scanner]\nkind = \"serial\"\nusb = \"c2e:b6a\"").contains("c2e:b6a"));
        let printer = |text: &str| parse(text).unwrap().printer.unwrap_err();
        assert!(printer("[printer]\ncolumns = 32").contains("`address` or `path`"));
        assert!(printer("[printer]\naddress = \"10.0.0.9\"").contains("address"));
    }
}
