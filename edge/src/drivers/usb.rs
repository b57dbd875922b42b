//! Finds the device file of a USB device by vendor and product, in the kernel's tree of devices (`/sys/class`).
//! Invariant: only reads small files of that tree; what is missing or odd is another device.
//! Not here: opening what was found.
use std::{
    fs,
    path::{Path, PathBuf},
};

use super::config::UsbId;

/// Deepest that a class device hangs below its USB device.
const DEEPEST: usize = 8;

/// Names in `class` (e.g. `/sys/class/tty`) that belong to this USB device, sorted.
pub(super) fn names(class: &Path, wanted: UsbId) -> Vec<String> {
    let Ok(entries) = fs::read_dir(class) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| usb_of(&class.join(name)) == Some(wanted))
        .collect();
    names.sort();
    names
}

/// The USB device that a class device hangs on: the nearest folder above it that names vendor and product.
fn usb_of(device: &Path) -> Option<UsbId> {
    let device: PathBuf = fs::canonicalize(device.join("device")).ok()?;
    device.ancestors().take(DEEPEST).find_map(|folder| {
        let number = |file: &str| {
            let text = fs::read_to_string(folder.join(file)).ok()?;
            u16::from_str_radix(text.trim(), 16).ok()
        };
        Some(UsbId { vendor: number("idVendor")?, product: number("idProduct")? })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_device_is_found_by_the_usb_device_above_it() {
        let sys = tempfile::tempdir().unwrap();
        let class = sys.path().join("class/tty");
        fs::create_dir_all(&class).unwrap();
        for (name, vendor, product) in [("ttyACM0", "0c2e", "0b6a"), ("ttyACM1", "1a86", "7523")] {
            let usb = sys.path().join("devices/usb1").join(vendor);
            let interface = usb.join("1-1:1.0");
            fs::create_dir_all(interface.join("tty").join(name)).unwrap();
            fs::write(usb.join("idVendor"), format!("{vendor}\n")).unwrap();
            fs::write(usb.join("idProduct"), format!("{product}\n")).unwrap();
            symlink(&interface, interface.join("tty").join(name).join("device")).unwrap();
            symlink(interface.join("tty").join(name), class.join(name)).unwrap();
        }
        fs::create_dir_all(class.join("ttyS0")).unwrap();
        let id = |text: &str| UsbId::try_from(text.to_owned()).unwrap();
        assert_eq!(names(&class, id("1a86:7523")), ["ttyACM1"]);
        assert_eq!(names(&class, id("0c2e:0b6a")), ["ttyACM0"]);
        assert!(names(&class, id("0c2e:0b6b")).is_empty());
        assert!(names(&sys.path().join("class/none"), id("0c2e:0b6a")).is_empty());
    }
}
