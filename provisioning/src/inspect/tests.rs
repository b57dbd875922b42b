//! Every kind of file from its golden bytes, cut, changed, of elsewhere, and at random.
use domain::{
    id::{BoxNumber, FestivalId, key_id},
    money::{Cents, Currency},
    trust::Founding,
    wristband::{
        BandKeys, ChipKind, CreditId, CreditKey, CreditRecord, PurseImage, PursePages, RecordId, SPENT_RECORD_LEN,
        SpentRecord, initial_pages, layout,
    },
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{Festival, Lang, files, hub};

/// The golden files: name, bytes in hexadecimal, kind that must be found.
const GOLDEN: [(&str, &str, Kind); 9] = [
    ("founding", include_str!("../../../tests/formats/golden/founding.hex"), Kind::Founding),
    ("chain", include_str!("../../../tests/formats/golden/chain.hex"), Kind::Chain),
    ("bands", include_str!("../../../tests/formats/golden/bands.hex"), Kind::Secrets),
    ("bundle", include_str!("../../../tests/formats/golden/festival_bundle.hex"), Kind::Bundle),
    ("fork proof", include_str!("../../../tests/formats/golden/fork_proof.hex"), Kind::Fork),
    ("segment", include_str!("../../../tests/formats/golden/journal_segment.hex"), Kind::Segment),
    ("wallets", include_str!("../../../tests/formats/golden/delta_wallets.hex"), Kind::Delta),
    ("tickets", include_str!("../../../tests/formats/golden/delta_tickets.hex"), Kind::Delta),
    ("enrolled", include_str!("../../../tests/formats/golden/enrolled.hex"), Kind::Enrolled),
];

fn golden(hex: &str) -> Vec<u8> {
    hexadecimal(hex.as_bytes()).unwrap()
}

#[test]
fn every_golden_file_is_found_for_what_it_is_as_bytes_and_as_hexadecimal() {
    let sources = Sources::default();
    for (name, hex, kind) in GOLDEN {
        for bytes in [golden(hex), hex.as_bytes().to_vec()] {
            let report = file(&bytes, None, &sources).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(
                (report.kind, report.standing()),
                (kind.name(), Standing::Unproven),
                "{name}: {:?}",
                report.notes
            );
            assert_eq!(file(&bytes, Some(kind), &sources).as_ref(), Ok(&report), "{name}");
            assert_ne!(report.explain(Lang::Fr), report.explain(Lang::En), "{name}");
        }
    }
}

#[test]
fn what_is_cut_is_unreadable_at_its_end_or_not_what_it_was() {
    let sources = Sources::default();
    for (name, hex, kind) in GOLDEN {
        let bytes = golden(hex);
        for end in 1..bytes.len() {
            let error = file(&bytes[..end], Some(kind), &sources).err();
            // The items of a delta go to its end: shorter ones are fewer, or one that is cut.
            if kind == Kind::Delta && error.is_none() {
                continue;
            }
            let error = error.unwrap_or_else(|| panic!("{name} cut at {end} is readable"));
            assert_eq!(error.kind, kind.name(), "{name}");
            assert!(matches!(error.place, Place::Offset(offset) if offset <= end), "{name} {end}: {error:?}");
        }
    }
}

#[test]
fn the_secrets_of_an_enrolled_box_are_named_and_not_shown() {
    let sources = Sources::default();
    let bytes = golden(GOLDEN[8].1);
    let mut enrolled: sync::enrolment::Enrolled = domain::wire::from_canonical_cbor(&bytes).unwrap();
    enrolled.config.screen_key = "5ec2e75ec2e7".into();
    enrolled.config.screen.key_pem = "the private key in PEM".into();
    let report = file(&enrolled.to_bytes(), None, &sources).unwrap();
    assert_eq!(report.kind, "enrolled");
    for secret in [enrolled.config.band.mac_master().as_slice(), enrolled.config.band.password_master()] {
        assert!(!enrolment::shows(&report, secret));
    }
    let text = report.json().to_string() + &report.explain(Lang::En);
    assert!(!text.contains(&enrolled.config.screen_key) && !text.contains(&enrolled.config.screen.key_pem));
    let keys = file(&golden(GOLDEN[2].1), None, &sources).unwrap();
    assert!(!enrolment::shows(&keys, enrolled.config.band.mac_master()));
    let key = file(&[0x7a; 32], None, &sources).unwrap();
    assert_eq!(key.kind, "key");
    assert!(!enrolment::shows(&key, &[0x7a; 4]));
}

#[test]
fn a_fault_is_told_with_its_place() {
    let sources = Sources::default();
    let at = |bytes: &[u8], kind| file(bytes, Some(kind), &sources).unwrap_err().place;
    let mut bundle = golden(GOLDEN[3].1);
    assert_eq!(at(b"XBUN", Kind::Bundle), Place::Offset(0));
    bundle[4] = 9;
    assert_eq!(at(&bundle, Kind::Bundle), Place::Offset(4));
    bundle[4] = 1;
    bundle.push(0);
    assert_eq!(at(&bundle, Kind::Bundle), Place::Offset(bundle.len() - 1));
    let mut segment = golden(GOLDEN[5].1);
    segment[0] = 2;
    assert_eq!(at(&segment, Kind::Segment), Place::Offset(0));
    segment[0] = 1;
    segment[121..123].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(at(&segment, Kind::Segment), Place::Offset(121));
    let mut delta = golden(GOLDEN[6].1);
    delta[96 + 17] = 77;
    assert_eq!(at(&delta, Kind::Delta), Place::Offset(96 + 17), "the section");
    let mut founding = golden(GOLDEN[0].1);
    founding[1] = 0x61;
    assert_eq!(at(&founding, Kind::Founding), Place::Offset(1));
    assert_eq!(file(b"hello there", None, &sources).unwrap_err().kind, "unknown");
    assert_eq!(file(b"", None, &sources).unwrap_err().place, Place::Offset(0));
}

#[test]
fn a_changed_bit_of_a_signed_file_is_never_called_proven() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enrolment.cbor");
    std::fs::write(&path, golden(GOLDEN[8].1)).unwrap();
    let mut sources = Sources::default();
    sources.add_chain(&path).unwrap();
    for (name, hex, kind) in [GOLDEN[1], GOLDEN[3], GOLDEN[4], GOLDEN[5]] {
        let bytes = golden(hex);
        assert_eq!(file(&bytes, Some(kind), &sources).unwrap().standing(), Standing::Proven, "{name}");
        for bit in (0..bytes.len() * 8).step_by(5) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // zstd has bits that mean nothing: the same entries under the same signature are as good.
            let entries = |bytes: &[u8]| sync::Segment::decode(bytes, &sync::Limits::default()).ok();
            if kind == Kind::Segment && entries(&changed) == entries(&bytes) {
                continue;
            }
            let standing = file(&changed, Some(kind), &sources).map(|report| report.standing());
            assert_ne!(standing, Ok(Standing::Proven), "{name} bit {bit}");
        }
    }
}

/// A festival with its hub, and the memory of an NTAG215 that its supplier made, with a top-up and a sale.
struct Bench {
    temp: tempfile::TempDir,
    memory: Vec<u8>,
}

const UID: [u8; 7] = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];

impl Bench {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let plan = hub::HubPlan {
            quic: "127.0.0.1:0".into(),
            https: "127.0.0.1:0".into(),
            public_quic: vec!["hub.example:1".into()],
            names: vec![],
            lang: Lang::Fr,
        };
        hub::enrol(&festival, &temp.path().join("hub"), &plan, 1).unwrap();
        let secrets = festival.band_secrets().unwrap();
        let key = files::read_key(&temp.path().join("hub/keys/credit-online.key")).unwrap();
        let mut memory = vec![0; 540];
        memory[..9].copy_from_slice(&[4, 0x78, 0x2e, 0x88 ^ 4 ^ 0x78 ^ 0x2e, 0x21, 0x80, 0x1d, 0x80, 0x21 ^ 0x1d]);
        memory[12..16].copy_from_slice(&[0xe1, 0x10, 0x3e, 0]);
        let mut bench = Self { temp, memory };
        bench.write(initial_pages(ChipKind::Ntag215, &BandKeys::new(&secrets, &festival.id(), &UID), &key).unwrap());
        let band = BandKeys::new(&secrets, &festival.id(), &UID);
        let before = bench.image(&band, &key);
        let credit = CreditRecord::sign(cents(6_000), 1, before.credit_id(), &key, band.festival(), band.wallet());
        let record = SpentRecord {
            tap_counter: 1,
            spent: cents(450),
            credit_seq: 1,
            box_number: BoxNumber(3),
            link: before.base(),
        };
        bench.write(layout::page_writes(before.free_credit_page(), &credit));
        bench.write(layout::page_writes(before.free_spent_page(), &record.seal(&band)));
        bench
    }

    fn write(&mut self, pages: Vec<layout::PageWrite>) {
        for (page, bytes) in pages {
            self.memory[usize::from(page) * 4..][..4].copy_from_slice(&bytes);
        }
    }

    fn image(&self, band: &BandKeys, key: &SigningKey) -> PurseImage {
        let public = key.verifying_key().to_bytes();
        let keys = [CreditKey { id: key_id(&public), public, revoked: false }];
        let dump = dump::from_bytes(&self.memory).unwrap();
        PursePages::ntag21x(&dump.bytes::<208>(4).unwrap()).unwrap().judge(band, &keys).unwrap()
    }

    fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        sources.add_festival(&self.temp.path().join("f")).unwrap();
        sources
    }
}

fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

fn fact<'a>(report: &'a Report, key: &str) -> Option<&'a Fact> {
    report.facts.fact(key)
}

#[test]
fn a_band_shows_its_balance_with_the_festivals_secrets_and_only_its_public_fields_without() {
    let bench = Bench::new();
    let report = file(&bench.memory, None, &bench.sources()).unwrap();
    assert_eq!((report.kind, report.standing()), ("band", Standing::Proven), "{:?}", report.notes);
    assert_eq!(fact(&report, "balance"), Some(&Fact::Money(5_550)));
    assert_eq!(fact(&report, "spent"), Some(&Fact::Money(450)));
    assert_eq!(fact(&report, "tap_counter"), Some(&Fact::Number(1)));
    let json = report.json();
    assert_eq!(json["spent_slots"][1]["in_force"], true);
    assert_eq!(json["spent_slots"][0]["in_force"], false);
    assert_eq!(json["spent_slots"][0]["mac"], "good");
    assert_eq!(json["credit_slots"][1]["in_force"], true);
    assert!(report.explain(Lang::Fr).contains("55.50"));

    let mut of_hub = Sources::default();
    of_hub.add_hub(&bench.temp.path().join("hub")).unwrap();
    assert_eq!(file(&bench.memory, None, &of_hub).unwrap(), report);

    let alone = file(&bench.memory, None, &Sources::default()).unwrap();
    assert_eq!(alone.standing(), Standing::Unproven);
    assert_eq!((fact(&alone, "balance"), fact(&alone, "wallet")), (None, None));
    assert_eq!(alone.json()["spent_slots"][1]["spent"], 450);
}

#[test]
fn a_torn_slot_is_named_and_the_slot_before_it_counts() {
    let mut bench = Bench::new();
    bench.memory[13 * 4 + SPENT_RECORD_LEN - 1] ^= 0xff;
    let report = file(&bench.memory, None, &bench.sources()).unwrap();
    assert_eq!(report.standing(), Standing::Proven, "{:?}", report.notes);
    assert_eq!(fact(&report, "balance"), Some(&Fact::Money(6_000)));
    assert!(report.notes.iter().any(|note| note.code == "band.torn" && note.en.contains("S1 (page 13)")));
    bench.memory[8 * 4] ^= 1;
    let report = file(&bench.memory, None, &bench.sources()).unwrap();
    assert_eq!(report.notes.iter().find(|note| note.bad).map(|note| note.code), Some("band.unusable"));
}

/// The same band on an Ultralight AES: topped up with 60.00, 4.50 spent.
fn counted(bench: &Bench) -> Vec<u8> {
    let festival = Festival::open(&bench.temp.path().join("f")).unwrap();
    let secrets = festival.band_secrets().unwrap();
    let key = files::read_key(&bench.temp.path().join("hub/keys/credit-online.key")).unwrap();
    let band = BandKeys::new(&secrets, &festival.id(), &UID);
    let mut memory = bench.memory[..12].to_vec();
    memory.resize(240, 0);
    let mut write = |pages: Vec<layout::PageWrite>| {
        for (page, bytes) in pages {
            memory[usize::from(page) * 4..][..4].copy_from_slice(&bytes);
        }
    };
    let blank = initial_pages(ChipKind::UltralightAes, &BandKeys::new(&secrets, &festival.id(), &UID), &key).unwrap();
    write(blank);
    let first = CreditId::default();
    let credit = CreditRecord::sign(cents(6_000), 1, first, &key, band.festival(), band.wallet());
    let record = SpentRecord {
        tap_counter: 1,
        spent: cents(450),
        credit_seq: 1,
        box_number: BoxNumber(3),
        link: RecordId([0; 4]),
    };
    write(layout::page_writes(17, &credit));
    write(layout::page_writes(12, &record.seal(&band)));
    memory
}

fn with_counter(memory: &[u8], counter: u8, high: u8) -> Vec<u8> {
    let mut tail = vec![0; 79];
    (tail[54], tail[55]) = (counter, high);
    [&[7], memory, &tail].concat()
}

#[test]
fn a_band_with_a_counter_is_proven_with_its_counter_only() {
    let bench = Bench::new();
    let memory = counted(&bench);
    let report = file(&with_counter(&memory, 0xc2, 1), None, &bench.sources()).unwrap();
    assert_eq!((report.kind, report.standing()), ("band", Standing::Proven), "{:?}", report.notes);
    assert_eq!(fact(&report, "chip"), Some(&Fact::Text("MIFARE Ultralight AES".into())));
    assert_eq!(
        (fact(&report, "balance"), fact(&report, "counter")),
        (Some(&Fact::Money(5_550)), Some(&Fact::Money(450)))
    );
    let uncounted = file(&memory, None, &bench.sources()).unwrap();
    assert_eq!((uncounted.standing(), fact(&uncounted, "balance")), (Standing::Unproven, None));
    assert!(uncounted.notes.iter().any(|note| note.code == "band.no_counter"));
    let other = file(&with_counter(&memory, 0xc3, 1), None, &bench.sources()).unwrap();
    assert_eq!(other.notes.iter().find(|note| note.bad).map(|note| note.code), Some("band.tampered"));
    let mut torn = memory;
    torn[35 * 4] ^= 1;
    let torn = file(&with_counter(&torn, 0xc2, 1), None, &bench.sources()).unwrap();
    assert_eq!(torn.notes.iter().find(|note| note.bad).map(|note| note.code), Some("band.credit_torn"));
}

#[test]
fn a_band_of_elsewhere_a_blank_chip_and_an_old_copy_are_called_so() {
    let (bench, other) = (Bench::new(), Bench::new());
    let codes = |memory: &[u8], bench: &Bench| -> Vec<&'static str> {
        file(memory, Some(Kind::Band), &bench.sources()).unwrap().notes.iter().map(|note| note.code).collect()
    };
    assert!(codes(&bench.memory, &other).contains(&"band.not_ours"));
    let mut blank = bench.memory.clone();
    blank[16..].fill(0);
    assert_eq!(codes(&blank, &bench), ["band.blank"]);
    let mut rolled_back = bench.memory.clone();
    rolled_back[37 * 4..][..76].fill(0);
    assert!(codes(&rolled_back, &bench).contains(&"band.rolled_back"));
    let mut cloned = bench.memory.clone();
    cloned[0] ^= 1;
    assert!(codes(&cloned, &bench).contains(&"band.uid"));
}

#[test]
fn an_edit_shows_what_it_changes_and_hides_what_opens_something() {
    let signed = documents::sample::event(3, 1).unwrap().pop().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("founding.cbor"), documents::sample::founding().to_bytes()).unwrap();
    let mut sources = Sources::default();
    sources.add_hub(folder.path()).unwrap();
    let report = file(&signed.to_bytes(), None, &sources).unwrap();
    assert_eq!((report.kind, report.standing()), ("edit", Standing::Proven), "{:?}", report.notes);
    assert_eq!(report.json()["document"], "catalogue");
    assert!(!report.json()["intents"][0]["path"].as_str().unwrap().is_empty());
    let mut forged = signed.clone();
    forged.signature[7] ^= 1;
    let report = file(&forged.to_bytes(), Some(Kind::Edit), &sources).unwrap();
    assert_eq!(report.notes[0].code, "edit.not_signed");
    assert_eq!(file(&signed.to_bytes(), None, &Sources::default()).unwrap().standing(), Standing::Unproven);

    let mut envelope = signed.read().unwrap();
    envelope.intents[0].new = Some(documents::Value::Bytes(vec![0x5e; 40]));
    envelope.intents[0].old = Some(documents::Value::Text("$argon2id$v=19$secret".into()));
    let key = SigningKey::from_bytes(&[9; 32]);
    let changed = documents::SignedEnvelope::sign(&envelope, &key, &documents::sample::founding().festival());
    let report = file(&changed.to_bytes(), Some(Kind::Edit), &sources).unwrap();
    assert!(!enrolment::shows(&report, &[0x5e; 8]) && !report.json().to_string().contains("argon2"));
}

#[test]
fn sources_of_two_festivals_do_not_mix() {
    let (bench, other) = (Bench::new(), Bench::new());
    let mut sources = bench.sources();
    let refused = sources.add_festival(&other.temp.path().join("f")).unwrap_err();
    assert_eq!(refused.exit_code(), 3);
    let founding = std::fs::read(other.temp.path().join("f/founding.cbor")).unwrap();
    let report = file(&founding, None, &sources).unwrap();
    assert_eq!(report.notes[0].code, "trust.festival");
    assert_ne!(Founding::from_bytes(&founding).unwrap().festival(), FestivalId([0; 16]));
    assert_ne!(RecordId::default().0, [1; 4]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_whatever_they_are_said_to_be(
        bytes in proptest::collection::vec(any::<u8>(), 0..1_000),
        kind in 0..Kind::ALL.len(),
    ) {
        let sources = Sources::default();
        let _ = file(&bytes, Some(Kind::ALL[kind]), &sources).map(|report| (report.json(), report.explain(Lang::Fr)));
        let _ = file(&bytes, None, &sources).map(|report| report.explain(Lang::En));
    }

    #[test]
    fn no_change_of_a_golden_file_makes_it_panic(
        which in 0..GOLDEN.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let (_, hex, kind) = GOLDEN[which];
        let mut bytes = golden(hex);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let end = cut.index(bytes.len()) + 1;
        let sources = Sources::default();
        for bytes in [&bytes[..], &bytes[..end]] {
            let _ = file(bytes, Some(kind), &sources).map(|report| (report.json(), report.explain(Lang::Fr)));
            let _ = file(bytes, None, &sources);
        }
    }

    #[test]
    fn no_text_makes_a_dump_panic(text in "\\PC{0,200}", lines in proptest::collection::vec("[0-9a-fA-F \\[\\]:|/.]{0,24}", 0..40)) {
        let sources = Sources::default();
        let _ = file(text.as_bytes(), Some(Kind::Band), &sources);
        let _ = file(lines.join("\n").as_bytes(), Some(Kind::Band), &sources);
    }
}
