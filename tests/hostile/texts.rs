//! Texts and pictures that are no tickets, through the API and the scanner of a real gate.
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use domain::ticket::{TicketError, Verifier};
use evening::world::{GATE_A, World, place::Place, wait::until};
use hardware::virtual_scanner::{MAX_PNG, Shown};
use image::{ExtendedColorType, ImageEncoder, Luma, codecs::png::PngEncoder};
use qrcode::{EcLevel, QrCode, Version, bits::Bits};
use tokio::task::block_in_place;

use super::http::Raw;

const SOON: Duration = Duration::from_secs(30);

/// Texts that no ticket is, with the reason that each must have.
fn texts() -> Vec<(&'static str, String, &'static str)> {
    let unreadable = "ticket.unreadable";
    vec![
        ("10 kB", "A".repeat(10_240), "ticket.too_long"),
        ("10 kB of emoji", "🎪".repeat(2_560), "ticket.too_long"),
        ("nothing", String::new(), unreadable),
        ("NUL", "AB\0CD".into(), unreadable),
        ("emoji", "🎟️".into(), unreadable),
        ("right to left", "\u{202e}TEKCIT".into(), unreadable),
        ("Arabic", "تذكرة".into(), unreadable),
        ("a byte order mark", "\u{feff}ABC".into(), unreadable),
        ("a replacement character", "A\u{fffd}B".into(), unreadable),
        ("an escape sequence", "\u{1b}[31mADMIT\u{1b}[0m".into(), unreadable),
        ("a line end", "ABC\r\n".into(), unreadable),
        ("full-width letters", "ＡＢＣ".into(), unreadable),
        ("a link", "https://example.org/menu?id=1".into(), "ticket.unknown_scheme"),
        ("SQL", "'; DROP TABLE journal; --".into(), "ticket.unknown_scheme"),
        ("a format string", "%s%n%x{}${jndi:ldap://x}".into(), "ticket.unknown_scheme"),
        ("HTML", "<script>alert(1)</script>".into(), "ticket.unknown_scheme"),
        ("a path", "../../etc/passwd".into(), "ticket.unknown_scheme"),
        ("base64 of nothing", "====".into(), "ticket.not_canonical"),
        ("base64", "QUJDREVGR0g=".into(), "ticket.not_canonical"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_no_ticket_holds_are_refused_with_one_reason_each() {
    let verifier =
        Verifier { festival: domain::id::FestivalId([1; 16]), ticket_keys: Vec::new(), pretix_events: Vec::new() };
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let raw = Raw::to(&gate.api, &world);
    let before = gate.view().await.unwrap();
    for (name, text, code) in texts() {
        let by_rule = verifier.read(&text).map_err(|error: TicketError| error.code());
        assert_eq!(by_rule.err(), Some(code), "{name}");
        let body = serde_json::to_vec(&serde_json::json!({ "text": text })).unwrap();
        let (status, verdict) = block_in_place(|| raw.post("/api/gate/scan", &gate.api.bearer(), &body));
        if body.len() > 16 << 10 {
            assert_eq!(status, 413, "{name}");
            continue;
        }
        assert_eq!((status, &verdict["admitted"]), (200, &false.into()), "{name}: {verdict}");
        assert_eq!(verdict["code"], code, "{name}: {verdict}");
    }
    let after = gate.view().await.unwrap();
    assert_eq!(after.gate.unwrap().admitted, before.gate.unwrap().admitted);
    assert_eq!(after.unsent, 0, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_ticket_is_taken_only_in_its_one_form() {
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let ticket = world.hub.issue(&serde_json::json!({ "category": 1, "holder": "" })).await.unwrap();
    let text = ticket.text;
    let raw = Raw::to(&gate.api, &world);
    let scan = |text: &str| {
        let body = serde_json::to_vec(&serde_json::json!({ "text": text })).unwrap();
        block_in_place(|| raw.post("/api/gate/scan", &gate.api.bearer(), &body).1)
    };
    for (name, changed) in [
        ("lower case", text.to_lowercase()),
        ("a space in front", format!(" {text}")),
        ("a space behind", format!("{text} ")),
        ("a zero-width space", format!("{text}\u{200b}")),
        ("doubled", format!("{text}{text}")),
        ("cut", text[..text.len() - 1].to_owned()),
        ("a NUL behind", format!("{text}\0")),
        ("reversed", text.chars().rev().collect()),
    ] {
        let verdict = scan(&changed);
        assert_eq!(verdict["admitted"], false, "{name}: {verdict}");
    }
    assert_eq!(scan(&text)["admitted"], true);
    assert_eq!(scan(&text)["code"], "ticket.already_used");
}

fn png(code: &QrCode) -> Vec<u8> {
    let picture = code.render::<Luma<u8>>().min_dimensions(240, 240).build();
    let mut out = Vec::new();
    let encoder = PngEncoder::new(&mut out);
    encoder.write_image(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::L8).unwrap();
    out
}

/// A code in byte mode that says that its bytes are of character set `eci`.
fn with_eci(eci: u32, bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits::new(Version::Normal(7));
    bits.push_eci_designator(eci).unwrap();
    bits.push_byte_data(bytes).unwrap();
    bits.push_terminator(EcLevel::M).unwrap();
    png(&QrCode::with_bits(bits, EcLevel::M).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scanner_refuses_pictures_and_goes_on() {
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let ticket = world.hub.issue(&serde_json::json!({ "category": 1, "holder": "" })).await.unwrap();
    let genuine = evening::ticket::png(&ticket.text).unwrap();
    let qr = |bytes: &[u8]| png(&QrCode::with_error_correction_level(bytes, EcLevel::M).unwrap());
    block_in_place(|| {
        for (name, picture) in [
            ("invalid UTF-8", qr(b"\xff\xfe\xfd")),
            ("a lone surrogate in UTF-8", qr(b"A\xed\xa0\x80B")),
            ("Shift JIS by ECI", with_eci(20, b"\x93\xfa\x96\x7b")),
            ("UTF-16 by ECI", with_eci(25, b"\xd8\x00\xd8\x00")),
            ("no picture", b"GIF89a".to_vec()),
            ("nothing", Vec::new()),
            ("half a picture", genuine[..genuine.len() / 2].to_vec()),
        ] {
            let shown = gate.eye().show(&picture).unwrap();
            assert!(!matches!(&shown, Shown::Decoded(text) if *text == ticket.text), "{name}: {shown:?}");
        }
        assert!(matches!(gate.eye().show(&vec![0; MAX_PNG + 1]), Ok(Shown::TooLarge)));
        for bytes in [&[0xff; 4][..], &[0, 0], &[0, 0, 0, 9, 1]] {
            let mut line = UnixStream::connect(gate.dir.join("scanner.sock")).unwrap();
            line.write_all(bytes).unwrap();
            drop(line);
        }
        let mut silent = UnixStream::connect(gate.dir.join("scanner.sock")).unwrap();
        silent.set_read_timeout(Some(SOON)).unwrap();
        // text that a code can hold and a ticket cannot: the gate says no
        for text in ["A\0B", "🎪", "\u{202e}TEKCIT", &"9".repeat(2_000)] {
            assert_eq!(shown_and_refused(gate, &qr(text.as_bytes())), Some(text.to_owned()));
        }
        let mut rest = Vec::new();
        let _ = silent.read_to_end(&mut rest);
    });
    // the last no is on the screen before anything else is shown
    let refused = async || {
        let last = gate.view().await?.gate.and_then(|gate| gate.last);
        Ok(last.filter(|last| last.code.as_deref() == Some("ticket.too_long")))
    };
    until("the gate refused the longest text", SOON, refused).await.unwrap();
    let verdict = gate.show(&genuine).await.unwrap();
    assert!(verdict.admitted, "{verdict:?}");
}

fn shown_and_refused(gate: &Place, picture: &[u8]) -> Option<String> {
    match gate.eye().show(picture).unwrap() {
        Shown::Decoded(text) => Some(text),
        Shown::NoCode | Shown::SeveralCodes | Shown::NotAPng | Shown::TooLarge | Shown::NotText => None,
    }
}
