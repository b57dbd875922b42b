//! Golden files of the formats that span crates, beside the reader of `docs/formats.md` that reads them
//! (`read_formats.py`). Invariant: a released file never changes; where this fails, the format changed, and that needs
//! a new version. `WRITE_GOLDENS=1` writes those that are not there.
//! Not here: single frames (`sync`), chips, tickets and states (`domain`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a failed test should panic")]
mod chips;
mod sample;

use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::{
    bundle::{AccountRule, Bundle, BundleBody},
    id::{BoxNumber, DeviceId},
    journal::{ChainCursor, Effect, Flags, Kind},
    lan::{Answer, ClaimKey, Envelope, Holder, LanGroup, Message, Part, Presence, Told, Verdict, Voter, VoterList},
    ledger::{Body, ForkBranch, ForkProof},
    secrets::epoch::SealedEpoch,
    trust::Purpose,
    wire::{Writer, hex, to_cbor, unhex},
};
use sync::{
    Limits, Section, Segment, VersionVector,
    enrolment::{BlankBox, BlankStep, EnrolFrame, GrantPlan, Technician, TechnicianStep},
};

use sample::{
    BOX, ENROL, box_chain, bundle, config, delta, desk_chain, edits, entry, epoch, festival, founding, journal, key,
    new_secrets, public, sealed_epoch, secrets, segment, ticket_states, vector, wallet_states,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("formats/golden").join(name)
}

/// Whether a golden file is to be written: only one that is not there, and only when asked.
fn wants(path: &Path) -> bool {
    std::env::var_os("WRITE_GOLDENS").is_some() && !path.exists()
}

/// Compares with the golden file.
fn golden(name: &str, bytes: &[u8]) {
    let path = path(name);
    let lines: Vec<String> = bytes.chunks(32).map(|line| hex(line) + "\n").collect();
    if wants(&path) {
        fs::write(&path, lines.concat()).unwrap();
    }
    assert_eq!(lines.concat(), fs::read_to_string(&path).unwrap(), "{name} changed");
}

fn read_golden(name: &str) -> Vec<u8> {
    unhex(&fs::read_to_string(path(name)).unwrap().replace('\n', "")).unwrap()
}

#[test]
fn records_of_trust_are_still_written_byte_for_byte() {
    golden("founding.hex", &founding().to_bytes());
    golden("chain.hex", &box_chain().to_bytes());
    golden("bands.hex", &to_cbor(&secrets()));
    golden("bands_aes.hex", &to_cbor(&new_secrets()));
    golden("bands_epochs.hex", &to_cbor(&new_secrets().with(epoch())));
    golden("band_keys.hex", &to_cbor(&[sealed_epoch()]));
    let opened = SealedEpoch::read_all(&read_golden("band_keys.hex")).unwrap();
    assert_eq!(opened[0].open(&key(BOX), &festival()), Some(epoch()));
    assert!(box_chain().verify_for(&founding(), Purpose::Device).is_ok());
}

#[test]
fn a_journal_and_its_segment_still_read_back() {
    let journal = journal();
    let mut lines = String::new();
    for (at, body) in journal.bodies.iter().enumerate() {
        let signature = journal.marks[at].map_or("-".into(), |mark| hex(&mark.signature));
        lines += &format!("{at} {} {} {signature}\n", hex(body), hex(&journal.heads[at].hash));
    }
    if wants(&path("journal.txt")) {
        fs::write(path("journal.txt"), &lines).unwrap();
    }
    if wants(&path("journal_segment.hex")) {
        golden("journal_segment.hex", &segment().encode().unwrap());
    }
    assert_eq!(lines, fs::read_to_string(path("journal.txt")).unwrap());
    // Another compressor may write other bytes; what they say stays.
    let read = Segment::decode(&read_golden("journal_segment.hex"), &Limits::default()).unwrap();
    assert_eq!(read, segment());
    assert!(read.verify(festival(), &public(BOX)).is_ok());
}

/// A message of each type; name and bytes in a line.
#[test]
fn messages_of_the_lan_are_still_written_byte_for_byte() {
    let journal = journal();
    let me = Holder { device: journal.cursor.device, epoch: 1, claim: 7 };
    let claimed = ClaimKey { what: 1, subject: [0x44; 16], number: 2 };
    let told = Told {
        device: journal.cursor.device,
        epoch: 1,
        first: 2,
        prev: journal.heads[1].hash,
        signature: journal.marks[2].unwrap().signature,
        bodies: journal.bodies[2..3].to_vec(),
    };
    let presence = Presence { epoch: 1, box_number: BoxNumber(12), list: 3, asks: true, chain: box_chain().to_bytes() };
    let answer = |verdict, commits| Message::Answer(Answer { to: me, list: 3, key: claimed, verdict, commits });
    let part = Part { whole: domain::lan::name_of(b"all"), part: 1, parts: 2 };
    let hash = *journal.heads[2].hash.first_chunk().unwrap();
    let messages = [
        ("presence", Message::Presence(presence)),
        ("claim", Message::Claim { list: 3, key: claimed, claimant: me }),
        ("granted", answer(Verdict::Granted, vec![])),
        ("taken", answer(Verdict::Taken(Holder { claim: 6, ..me }), vec![told.clone()])),
        ("ahead", answer(Verdict::Ahead(3), vec![])),
        ("behind", answer(Verdict::Behind(1), vec![])),
        ("release", Message::Release { key: claimed, released: me }),
        ("wants handover", Message::WantsHandover(2)),
        ("commit", Message::Commit(told)),
        ("copy", Message::Copy { device: journal.cursor.device, epoch: 1, seq: 2, hash }),
        ("handover", Message::Handover { list: 2, part, grants: vec![(claimed, me)] }),
    ];
    let line = |(name, message): &(&str, Message)| {
        format!("{name}: {}\n", hex(&Envelope::seal(&festival(), 5, &key(BOX), message)))
    };
    let lines: String = messages.iter().map(line).collect();
    if wants(&path("lan_messages.txt")) {
        fs::write(path("lan_messages.txt"), &lines).unwrap();
    }
    assert_eq!(lines, fs::read_to_string(path("lan_messages.txt")).unwrap());
    let voters = |devices: [u8; 2]| devices.map(|n| Voter { device: DeviceId([n; 16]), votes: 1 }).to_vec();
    let group = LanGroup {
        number: 5,
        broker: "192.168.8.5:1883".into(),
        copies: 2,
        list: VoterList { version: 2, voters: voters([1, 3]) },
        previous: Some(VoterList { version: 1, voters: voters([1, 2]) }),
    };
    golden("lan_groups.hex", &BundleBody::lan_section(&[group]).bytes);
}

#[test]
fn a_fork_proof_is_still_written_byte_for_byte() {
    let journal = journal();
    let mut other = ChainCursor::after(festival(), journal.cursor.device, 1, journal.heads[1]);
    let mut note = entry(Kind::NOTE, Effect::None, 2_500);
    (note.flags, note.part) = (Flags::END_OF_COMMIT, b"another history".to_vec());
    other.append(&note.to_bytes());
    let branch =
        |bodies: &[Vec<u8>], signature| ForkBranch { bodies: bodies.iter().cloned().map(Body).collect(), signature };
    let proof = ForkProof {
        chain: box_chain(),
        epoch: 1,
        seq: 2,
        prev: journal.heads[1].hash,
        a: branch(&journal.bodies[2..3], journal.marks[2].unwrap().signature),
        b: branch(&[note.to_bytes()], other.sign(&key(BOX)).unwrap().signature),
    };
    assert!(proof.verify(&founding()).is_ok());
    golden("fork_proof.hex", &proof.to_bytes());
    let file = domain::ledger::EvidenceFile { founding: founding(), proof };
    assert!(domain::ledger::EvidenceFile::from_bytes(&file.to_bytes()).unwrap().verify().is_ok());
    golden("fork_evidence.hex", &file.to_bytes());
}

#[test]
fn a_bundle_is_still_written_byte_for_byte() {
    assert!(Bundle::verify(&bundle(), Some(festival())).is_ok());
    golden("festival_bundle.hex", &bundle());
}

#[test]
fn knowledge_is_still_written_byte_for_byte() {
    golden("vector.hex", &VersionVector::new(vector()).encode());
    golden(
        "delta_wallets.hex",
        &delta(Section::Wallets, wallet_states().map(|state| state.to_bytes()).concat()).encode(),
    );
    golden(
        "delta_tickets.hex",
        &delta(Section::Tickets, ticket_states().map(|state| state.to_bytes()).concat()).encode(),
    );
}

#[test]
fn shares_of_accounts_are_still_written_byte_for_byte() {
    let mut lines = String::new();
    for (name, entry) in sample::share_entries() {
        lines += &format!("{name}: {}\n", hex(&entry.to_bytes()));
    }
    if wants(&path("shares.txt")) {
        fs::write(path("shares.txt"), &lines).unwrap();
    }
    assert_eq!(lines, fs::read_to_string(path("shares.txt")).unwrap());
    let mut items = Writer::new();
    sample::account_shares().iter().for_each(|share| share.write(&mut items));
    golden("delta_shares.hex", &delta(Section::Shares, items.finish()).encode());
    golden("accounts_section.hex", &BundleBody::accounts_section(AccountRule::Escrow).unwrap().bytes);
}

#[test]
fn the_memory_of_every_kind_of_band_is_still_written_byte_for_byte() {
    for (name, dump) in chips::dumps() {
        golden(name, &dump);
        assert_eq!(hardware::chip::Chip::from_dump(&read_golden(name)).unwrap().dump(), dump);
    }
}

#[test]
fn edits_of_a_document_are_still_written_byte_for_byte() {
    let edits = edits();
    golden("edit_envelope.hex", &edits[1].envelope);
    let mut items = Writer::new();
    edits.iter().for_each(|edit| edit.write_item(&mut items));
    golden("delta_documents.hex", &delta(Section::Documents, items.finish()).encode());
}

#[test]
fn an_enrolment_is_still_written_byte_for_byte() {
    let mut tool = Technician::new(founding(), [0x11; 32], false);
    let mut blank = BlankBox::new(None, "bench box 1".into(), [0x22; 32]);
    let mut said = vec![tool.begin()];
    let BlankStep::Send(offer) = blank.frame(tool.begin(), &key(BOX)).unwrap() else { panic!("no offer") };
    said.push(offer.clone());
    assert!(matches!(tool.frame(offer).unwrap(), TechnicianStep::Offered(_)));
    let plan = GrantPlan {
        chain: box_chain().to_bytes(),
        further: vec![desk_chain().to_bytes()],
        config: config(),
        bundle_number: 4,
        bundle: bundle(),
    };
    let mut stored = None;
    for frame in tool.grant(&plan, &key(ENROL)).unwrap() {
        said.push(frame.clone());
        if let BlankStep::Store { enrolled, .. } = blank.frame(frame, &key(BOX)).unwrap() {
            stored = Some(enrolled);
        }
    }
    let receipt = blank.stored(&key(BOX)).unwrap();
    said.push(receipt.clone());
    assert!(matches!(tool.frame(receipt).unwrap(), TechnicianStep::Enrolled(_)));
    said.push(EnrolFrame::Refusal(sync::enrolment::Refusal { text: "no".into() }));
    let bytes: Vec<u8> = said.iter().flat_map(|frame| frame.encode().unwrap()).collect();
    golden("enrolment.hex", &bytes);
    let stored = stored.unwrap();
    golden("enrolled.hex", &stored.to_bytes());
    golden("enrolled_file.hex", &stored.to_file());
}
