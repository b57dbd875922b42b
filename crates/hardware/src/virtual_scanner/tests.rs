//! Pictures over a real socket, and hostile ones.

use std::{
    io::{Cursor, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use image::{GrayImage, ImageFormat, Luma, imageops};
use proptest::prelude::*;
use qrcode::{EcLevel, QrCode};
use tempfile::TempDir;

use super::{
    qr::{MAX_SIDE, PictureError, decode_png},
    *,
};
use crate::code::{CodeScanner, ScannedCode, ScannerError};

/// Longer than anything here takes, shorter than anybody's patience.
const BOUND: Duration = Duration::from_secs(10);

fn png(picture: &GrayImage) -> Vec<u8> {
    let mut png = Vec::new();
    picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).unwrap();
    png
}

fn picture(content: &[u8], level: EcLevel, pixels: u32) -> GrayImage {
    let code = QrCode::with_error_correction_level(content, level).unwrap();
    code.render::<Luma<u8>>().module_dimensions(pixels, pixels).build()
}

fn qr(content: &[u8]) -> Vec<u8> {
    png(&picture(content, EcLevel::M, 4))
}

/// As long as an own ticket in base45.
fn alphanumeric(length: usize) -> String {
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".chars().cycle().take(length).collect()
}

/// As long as a genuine pretix ticket in base64.
fn mixed(length: usize) -> String {
    "=/+aZbYcXdWeVfUgThSiRjQkPlOmNnMoLpKqJrIsHtGuFvEwDxCyBzA0918273645".chars().cycle().take(length).collect()
}

struct Place {
    _folder: TempDir,
    path: PathBuf,
    scanner: VirtualScanner,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scanner.sock");
    let scanner = VirtualScanner::bind(&path).unwrap();
    Place { _folder: folder, path, scanner }
}

/// Shows pictures one after another while the box scans until it has all answers.
fn show_all(place: &mut Place, pictures: Vec<Vec<u8>>) -> (Vec<Shown>, Vec<Result<ScannedCode, ScannerError>>) {
    let eye = VirtualEye::new(&place.path, BOUND);
    let showing =
        thread::spawn(move || -> Vec<Shown> { pictures.iter().map(|picture| eye.show(picture).unwrap()).collect() });
    let mut scanned = Vec::new();
    let deadline = Instant::now() + BOUND;
    while !showing.is_finished() {
        assert!(Instant::now() < deadline);
        let wait = Duration::from_millis(20);
        scanned.extend(place.scanner.next_code(wait).transpose());
    }
    (showing.join().unwrap(), scanned)
}

#[test]
fn tickets_of_both_schemes_are_read_from_their_pictures() {
    for text in [alphanumeric(152), mixed(132), alphanumeric(161), "é".into()] {
        for level in [EcLevel::L, EcLevel::M, EcLevel::Q] {
            for pixels in [3, 8] {
                let picture = png(&picture(text.as_bytes(), level, pixels));
                assert_eq!(decode_png(&picture), Ok(text.clone().into_bytes()));
            }
        }
    }
}

#[test]
fn a_code_is_read_from_a_photograph_of_it() {
    let text = alphanumeric(152);
    let code = picture(text.as_bytes(), EcLevel::M, 5);
    let (width, height) = code.dimensions();
    let mut photograph = GrayImage::from_pixel(width + 300, height + 200, Luma([170]));
    imageops::overlay(&mut photograph, &imageops::rotate90(&code), 170, 60);
    let photograph = imageops::blur(&photograph, 1.0);
    assert_eq!(decode_png(&png(&photograph)), Ok(text.into_bytes()));
}

#[test]
fn the_box_gets_the_text_and_the_world_learns_it() {
    let mut place = place();
    let texts = [alphanumeric(152), mixed(132)];
    let pictures = texts.iter().map(|text| qr(text.as_bytes())).collect();
    let (shown, scanned) = show_all(&mut place, pictures);
    assert_eq!(shown, texts.clone().map(Shown::Decoded));
    let scanned: Vec<ScannedCode> = scanned.into_iter().map(Result::unwrap).collect();
    let scanned: Vec<&str> = scanned.iter().map(ScannedCode::text).collect();
    assert_eq!(scanned, texts);
}

#[test]
fn what_cannot_be_taken_is_told_and_the_next_code_is_read() {
    let mut place = place();
    let code = picture(b"ONE", EcLevel::M, 4);
    let (width, height) = code.dimensions();
    let mut two = GrayImage::from_pixel(width * 2, height, Luma([255]));
    imageops::overlay(&mut two, &code, 0, 0);
    imageops::overlay(&mut two, &picture(b"TWO", EcLevel::M, 4), width.into(), 0);
    let (shown, scanned) = show_all(
        &mut place,
        vec![
            png(&GrayImage::from_pixel(200, 200, Luma([255]))),
            png(&two),
            b"GIF89a, not a PNG".to_vec(),
            Vec::new(),
            png(&GrayImage::new(MAX_SIDE + 1, 1)),
            vec![0; MAX_PNG + 1],
            qr(b"\xFF\xFE not text"),
            qr(b"NEXT"),
        ],
    );
    assert_eq!(
        shown,
        [
            Shown::NoCode,
            Shown::SeveralCodes,
            Shown::NotAPng,
            Shown::NotAPng,
            Shown::TooLarge,
            Shown::TooLarge,
            Shown::NotText,
            Shown::Decoded("NEXT".into()),
        ]
    );
    assert_eq!(scanned, [Err(ScannerError::NotText { at: 0 }), ScannedCode::from_bytes(b"NEXT"),]);
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused_before_it_is_unpacked() {
    let mut claimed = png(&GrayImage::new(8, 8));
    for (width, height) in [(u32::MAX, u32::MAX), (0x7FFF_FFFF, 1), (1, 3000), (0, 8)] {
        claimed[16..20].copy_from_slice(&width.to_be_bytes());
        claimed[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&claimed[12..29]);
        claimed[29..33].copy_from_slice(&checksum.to_be_bytes());
        let refused = decode_png(&claimed).unwrap_err();
        let expected = [PictureError::TooLarge, PictureError::NotAPng];
        assert!(expected.contains(&refused), "{width} × {height}: {refused}");
    }
}

/// The checksum of a PNG chunk (PNG specification, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}

#[test]
fn pictures_of_hardly_any_size_hold_no_code() {
    for (width, height) in [(1, 1), (1, 1024), (1024, 1), (7, 7), (2, 3)] {
        for shade in [0, 255] {
            let picture = GrayImage::from_pixel(width, height, Luma([shade]));
            assert_eq!(decode_png(&png(&picture)), Err(PictureError::NoCode));
        }
    }
}

#[test]
fn a_client_that_goes_away_half_way_leaves_the_scanner_free() {
    let mut place = place();
    for sent in [&[][..], &[0], &[0, 0, 1, 0, 0x89, b'P']] {
        let mut client = UnixStream::connect(&place.path).unwrap();
        client.write_all(sent).unwrap();
        assert_eq!(place.scanner.next_code(Duration::ZERO), Ok(None));
        drop(client);
    }
    let (shown, _) = show_all(&mut place, vec![qr(b"NEXT")]);
    assert_eq!(shown, [Shown::Decoded("NEXT".into())]);
}

#[test]
fn a_client_that_stays_silent_loses_its_turn() {
    let mut place = place();
    let silent = UnixStream::connect(&place.path).unwrap();
    let (shown, _) = show_all(&mut place, vec![qr(b"NEXT")]);
    assert_eq!(shown, [Shown::Decoded("NEXT".into())]);
    drop(silent);
}

#[test]
fn nobody_there_is_no_code() {
    let mut place = place();
    assert_eq!(place.scanner.next_code(Duration::from_millis(5)), Ok(None));
}

#[test]
fn a_box_that_is_not_there_is_said_after_the_patience() {
    let place = place();
    let eye = VirtualEye::new(&place.path, Duration::from_millis(20));
    let unseen = eye.show(&qr(b"A"));
    assert!(matches!(unseen, Err(VirtualError::NoAnswer { .. })));
    drop(place);
    let unseen = eye.show(&qr(b"A"));
    assert!(matches!(unseen, Err(VirtualError::NotThere { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_picture_gives_its_text_or_an_error(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut damaged = qr(b"TICKET 1");
        for (place, value) in places {
            let at = place.index(damaged.len());
            damaged[at] = value;
        }
        if let Ok(content) = decode_png(&damaged) {
            prop_assert_eq!(content, b"TICKET 1");
        }
    }

    #[test]
    fn scratched_codes_give_their_text_or_an_error(
        scratches in prop::collection::vec((0u32..132, 0u32..132, 1u32..30, 1u32..30, any::<u8>()), 0..12),
    ) {
        let mut scratched = picture(b"TICKET 1", EcLevel::M, 4);
        let (width, height) = scratched.dimensions();
        for (x, y, w, h, shade) in scratches {
            for (x, y) in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                scratched.put_pixel(x.min(width - 1), y.min(height - 1), Luma([shade]));
            }
        }
        if let Ok(content) = decode_png(&png(&scratched)) {
            prop_assert_eq!(content, b"TICKET 1");
        }
    }

    #[test]
    fn noise_breaks_nothing(pixels in prop::collection::vec(any::<bool>(), 64 * 64), scale in 1u32..4) {
        let picture = GrayImage::from_fn(64 * scale, 64 * scale, |x, y| {
            Luma([if pixels[(y / scale * 64 + x / scale) as usize] { 255 } else { 0 }])
        });
        decode_png(&png(&picture)).ok();
    }
}

#[test]
fn a_wall_of_finder_patterns_is_given_up_in_time() {
    let wall = GrayImage::from_fn(MAX_SIDE, MAX_SIDE, |x, y| {
        let ring = (x % 9).abs_diff(3).max((y % 9).abs_diff(3));
        Luma([if ring == 3 || ring < 2 { 0 } else { 255 }])
    });
    let began = Instant::now();
    assert_eq!(decode_png(&png(&wall)), Err(PictureError::TooHard));
    assert!(began.elapsed() < BOUND);
    assert_eq!(decode_png(&qr(b"NEXT")), Ok(b"NEXT".to_vec()));
}
