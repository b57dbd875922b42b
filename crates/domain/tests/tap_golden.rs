//! Bytes on the chip, fixed for ever: the pages of a new band, of a sale, of a pointer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{Card, Chip, Fault, Till, band, credit_key, done, sale, top_up};
use domain::wristband::{ChipKind, initial_pages};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(pages: &[(u8, [u8; 4])]) -> String {
    pages.iter().map(|(page, bytes)| format!("{page:02x} {}\n", hex(bytes))).collect()
}

/// Compares with the file; `WRITE_GOLDENS=1` writes it instead.
fn is_golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("WRITE_GOLDENS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
}

fn initial(kind: ChipKind) -> String {
    lines(&initial_pages(kind, &band(), &credit_key()).unwrap())
}

#[test]
fn a_new_band_is_still_written_byte_for_byte() {
    is_golden("band_ntag215.txt", &initial(ChipKind::Ntag215));
    is_golden("band_ntag213.txt", &initial(ChipKind::Ntag213));
}

#[test]
fn a_top_up_and_a_sale_are_still_written_byte_for_byte() {
    let (mut chip, mut bar, mut desk) = (Chip::issued(), Till::new(1), Till::new(9));
    let mut written = Vec::new();
    for ran in [desk.tap(&mut chip, top_up(6_000, None), Fault::None), bar.tap(&mut chip, sale(450, None), Fault::None)]
    {
        done(&ran);
        let writes = ran.commands.iter().filter(|command| command[0] == 0xa2);
        written.extend(writes.map(|command| (command[1], <[u8; 4]>::try_from(&command[2..]).unwrap())));
    }
    is_golden("band_top_up_and_sale.txt", &lines(&written));
}
