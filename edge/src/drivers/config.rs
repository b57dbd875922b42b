//! `devices.toml` in the box's folder: which devices this box has (`docs/hardware.md` explains it to a technician).
//! Invariant: an unknown key, value or table is an error that names it; a bad table takes away its own device only.
//! Not here: opening what is configured (`process`, `devices`).
use std::{fs, io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

/// The file's name.
pub(crate) const FILE: &str = "devices.toml";
/// The file is a few lines: more is somebody else's.
const MAX_BYTES: u64 = 64 * 1024;
/// Every table there is.
const TABLES: [&str; 1] = ["reader"];

/// What is wrong, in words for a technician.
pub(crate) type Misconfigured = String;

/// What the box should use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Devices {
    /// Its wristband reader.
    pub reader: Result<ReaderConfig, Misconfigured>,
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

/// Reads the folder's file; without one the devices are virtual.
pub(crate) fn read(dir: &Path) -> Devices {
    let path = dir.join(FILE);
    let text = match fs::metadata(&path) {
        Ok(found) if found.len() > MAX_BYTES => Err(format!("{FILE}: {} bytes, at most {MAX_BYTES}", found.len())),
        Ok(_) => fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{FILE}: {error}")),
    };
    match text.and_then(|text| parse(&text)) {
        Ok(devices) => devices,
        Err(why) => Devices { reader: Err(why) },
    }
}

/// The devices in this text; an error is one of the whole file.
fn parse(text: &str) -> Result<Devices, Misconfigured> {
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| format!("{FILE}: {error}"))?;
    if let Some(unknown) = file.keys().find(|table| !TABLES.contains(&table.as_str())) {
        return Err(format!("{FILE}: unknown table [{unknown}], known are {TABLES:?}"));
    }
    Ok(Devices { reader: table::<ReaderConfig>(&file, "reader").and_then(checked) })
}

/// One table; the default where there is none.
fn table<T: DeserializeOwned + Default>(file: &toml::Table, name: &str) -> Result<T, Misconfigured> {
    let Some(table) = file.get(name) else { return Ok(T::default()) };
    table.clone().try_into().map_err(|error: toml::de::Error| format!("{FILE}: [{name}]: {}", error.message()))
}

/// A key that does not belong to the driver would be ignored in silence otherwise.
fn checked(reader: ReaderConfig) -> Result<ReaderConfig, Misconfigured> {
    let wrong = |why: &str| Err(format!("{FILE}: [reader]: {why}"));
    match (reader.driver, &reader.name, &reader.port) {
        (ReaderDriver::Pn532, _, None) => wrong("driver \"pn532\" needs port, such as \"pn532_uart:/dev/ttyAMA0\""),
        (ReaderDriver::Pn532, Some(_), _) => wrong("name belongs to driver \"pcsc\""),
        (ReaderDriver::Pcsc, _, Some(_)) => wrong("port belongs to driver \"pn532\""),
        (ReaderDriver::Virtual, None, None) | (ReaderDriver::Pcsc, _, None) | (ReaderDriver::Pn532, None, Some(_)) => {
            Ok(reader)
        }
        (ReaderDriver::Virtual, _, _) => wrong("driver \"virtual\" takes neither name nor port"),
    }
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
        assert_eq!(read(dir.path()), Devices { reader: Ok(ReaderConfig::default()) });
        assert_eq!(ReaderConfig::default().driver, ReaderDriver::Virtual);
    }

    #[test]
    fn a_reader_is_named_by_driver_and_port() {
        let port = Some("pn532_uart:/dev/ttyAMA0".to_owned());
        let pn532 = ReaderConfig { driver: ReaderDriver::Pn532, port, name: None };
        assert_eq!(reader("[reader]\ndriver = 'pn532'\nport = 'pn532_uart:/dev/ttyAMA0'"), Ok(pn532));
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
}
