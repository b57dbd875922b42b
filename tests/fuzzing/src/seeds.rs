//! What the fuzzer starts from: the golden files, each in the ways that its target takes input.
//! Invariant: the same bytes every time.
//! Not here: what the fuzzer found on its way (kept beside these in `seeds/`, the smallest set with the same coverage).
use base64::{Engine, engine::general_purpose::STANDARD};
use documents::{Document, Documents, Setting, SignedBy, SignedEnvelope};
use domain::{
    bundle::{BlobRef, SECTION_TICKETS},
    id::{DeviceId, EntryRef, TicketUid, device_id},
    journal::{Effect, Entry, Flags, Kind},
    ledger::{ShareState, ZoneRecord, ZoneState},
    money::Currency,
    secrets::NamesKey,
    ticket::snapshot::{SnapshotTicket, write},
    time::Hlc,
    trust::{Purpose, Roles},
    wire::{Reader, Writer, unhex},
};
use minicbor::bytes::ByteVec;
use sync::{
    Delta, Frame, Segment, SignedDelta, VersionVector,
    enrolment::EnrolFrame,
    frame::{
        Ack, BlobPart, BundlePart, Edit, EditAnswer, HaveBundle, HaveDelta, Hello, Ping, Refuse, Renew, SectionHeld,
        WantBlob, WantBundle, WantFrom, Welcome,
    },
    segment::Limits,
};

use crate::festival::{BOX, BOX_CHAIN, FESTIVAL, FOUNDING, MANAGER, MANAGER_CHAIN, chain_of, golden, key, public};

macro_rules! formats {
    ($name:literal) => {
        include_str!(concat!("../../formats/golden/", $name))
    };
}

/// Golden dumps of chips that have memory.
pub const DUMPS: [&str; 3] =
    [formats!("dump_ntag213.hex"), formats!("dump_ntag215.hex"), formats!("dump_ultralight_aes.hex")];

type Seed = (&'static str, String, Vec<u8>);

struct Seeds(Vec<Seed>);

impl Seeds {
    fn add(&mut self, target: &'static str, how: u8, name: &str, bytes: &[u8]) {
        self.0.push((target, format!("{name}-{how}"), [&[how], bytes].concat()));
    }

    fn raw(&mut self, target: &'static str, name: &str, bytes: &[u8]) {
        self.0.push((target, name.into(), bytes.to_vec()));
    }
}

/// Target, name and bytes of each.
pub fn all() -> Vec<Seed> {
    let mut seeds = Seeds(Vec::new());
    tickets(&mut seeds);
    chips(&mut seeds);
    journal(&mut seeds);
    knowledge(&mut seeds);
    trust(&mut seeds);
    lan(&mut seeds);
    edits(&mut seeds);
    wire(&mut seeds);
    lists(&mut seeds);
    seeds.0
}

fn tickets(seeds: &mut Seeds) {
    let own = include_str!("../../../crates/domain/tests/golden/own_ticket.txt").trim_end_matches('\n');
    seeds.add("tickets", 0, "own", own.as_bytes());
    let bytes = domain::ticket::base45::decode(own).expect("golden");
    seeds.add("tickets", 1, "own", &bytes[..37]);
    seeds.add("tickets", 4, "own", own.as_bytes());
    seeds.add("tickets", 5, "name", "Éloïse  d'Ørsted-Łukasz".as_bytes());
    let interop = include_str!("../../interop/pretix_tickets.json");
    let texts = interop.split('"').filter(|text| text.len() > 100 && text.len() < 600);
    let secrets = texts.filter(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
    for (at, text) in secrets.step_by(5).take(12).enumerate() {
        seeds.add("tickets", 0, &format!("pretix{at}"), text.as_bytes());
        let forward: String = text.chars().rev().collect();
        match STANDARD.decode(forward).ok().and_then(|bytes| bytes.get(5..bytes.len() - 64).map(<[u8]>::to_vec)) {
            Some(payload) => seeds.add("tickets", 2, &format!("pretix{at}"), &payload),
            None => seeds.add("tickets", 3, &format!("key{at}"), text.as_bytes()),
        }
    }
}

fn chips(seeds: &mut Seeds) {
    for (kind, (dump, name)) in (0u8..).zip(DUMPS.into_iter().zip(["ntag213", "ntag215", "ultralight_aes"])) {
        let dump = golden(dump);
        let pages = &dump[1..];
        let from_header = |last: usize| pages[16..(last + 1) * 4].to_vec();
        match name {
            "ntag213" => seeds.add("bands", 4, name, &from_header(23)),
            "ntag215" => seeds.add("bands", 0, name, &from_header(55)),
            _ => seeds.add("bands", 1, name, &[&dump[1 + 240 + 54..][..3], &from_header(35)].concat()),
        }
        let length = (dump.len() as u16).to_le_bytes();
        let commands = [
            [0x01u8, 0x60].as_slice(),
            &[0x03, 0x3a, 4, 12],
            &[0x02, 0x30, 4],
            &[0x05, 0x1b, 0, 0, 0, 0],
            &[0x06, 0xa2, 8, 1, 2, 3, 4],
            &[0x02, 0x39, 2],
            &[0x06, 0xa5, 2, 1, 0, 0, 0],
            &[0x02, 0x1a, 0],
            &[0x02, 0x3c, 0],
            &[0xc0],
            &[0x86, 0xa2, 9, 1, 2, 3, 4],
            &[0xe0],
        ]
        .concat();
        seeds.add("chips", 0, name, &[&length, dump.as_slice(), &commands].concat());
        seeds.add("chips", 2, name, &[&[kind], commands.as_slice()].concat());
    }
    let record = |how: u8, seq: u8, sum: [u8; 3]| [&[how, seq], sum.as_slice(), &[0; 4]].concat();
    let spent = |how: u8, taps: u8, sum: u8| [&[how, 1, taps, 0, sum, 1, 0], [12, 0].as_slice(), &[0; 4]].concat();
    let two = [record(0, 0, [0; 3]), record(4, 1, [0, 20, 0]), spent(4, 1, 0), spent(4, 2, 9)].concat();
    seeds.add("bands", 2, "two", &two);
    let one = [record(0, 1, [0, 20, 0]), spent(4, 1, 0), spent(4, 2, 9), vec![1, 0, 0, 0]].concat();
    seeds.add("bands", 3, "one", &one);
    seeds.add("bands", 5, "pointer", &[0]);
    seeds.add("chips", 1, "faults", b"leave before write 3, leave after command 2; nak at write 1\nslow 20 ms");
}

fn journal_bodies() -> Vec<Vec<u8>> {
    let lines = formats!("journal.txt").lines();
    lines.filter_map(|line| unhex(line.split(' ').nth(1)?)).collect()
}

fn journal(seeds: &mut Seeds) {
    let bodies = journal_bodies();
    for (at, body) in bodies.iter().enumerate() {
        seeds.add("entries", 48, &format!("{at:02}"), body);
        if let Ok(entry) = Entry::from_bytes(body)
            && entry.kind.0 < 48
        {
            seeds.add("entries", entry.kind.0 as u8, &format!("{at:02}"), &entry.part);
        }
    }
    let packed = golden(formats!("journal_segment.hex"));
    seeds.add("segments", 0, "golden", &packed);
    let segment = Segment::decode(&packed, &Limits::default()).expect("golden");
    for (name, part) in [("first", 0..4), ("taps", 3..9), ("acts", 12..bodies.len())] {
        let part = Segment { first: part.start as u32, bodies: segment.bodies[part].to_vec(), ..segment.clone() };
        let bytes = part.encode().expect("small");
        seeds.add("segments", 0, name, &bytes);
        seeds.add("segments", 1, name, &unpacked(&bytes));
        let mut listed = part.first.to_le_bytes().to_vec();
        for body in &part.bodies {
            listed.extend((body.len() as u16).to_le_bytes());
            listed.extend(body);
        }
        seeds.add("segments", 2, name, &listed);
    }
    seeds.add("segments", 1, "golden", &unpacked(&packed));
    let proof = golden(formats!("fork_proof.hex"));
    seeds.add("forks", 0, "proof", &proof);
    seeds.add("forks", 1, "evidence", &golden(formats!("fork_evidence.hex")));
    let mut end = Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(1));
    end.flags = Flags::END_OF_COMMIT;
    let body = |part: &[u8]| {
        let bytes = Entry { part: part.to_vec(), ..end.clone() }.to_bytes();
        [&[bytes.len() as u8], bytes.as_slice()].concat()
    };
    let two = [&[2, 1, 3, 0, 0, 0], body(b"one").as_slice(), &body(b"two"), &body(b"three")].concat();
    seeds.add("forks", 2, "signed", &two);
}

/// A segment as [`crate::segments`] packs it: its columns as they are.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut input = Reader::new(bytes);
    let mut read = || -> Result<Vec<u8>, domain::wire::Malformed> {
        let head = input.take(121)?;
        let (entries, ids) = (input.u16()?, input.u16()?);
        let named = input.take(usize::from(ids) * 16)?;
        let apart = input.u16()?;
        let apart = input.take(apart.into())?;
        let length = input.u32()?;
        let columns = zstd::bulk::decompress(input.rest(), length as usize).expect("our own");
        let counts = [entries as u8, ids as u8, apart.len() as u8];
        Ok([head, &counts, named, apart, &columns].concat())
    };
    read().expect("our own")
}

fn knowledge(seeds: &mut Seeds) {
    let vector = golden(formats!("vector.hex"));
    seeds.raw("vectors", "golden", &vector);
    let zone = ZoneState { zone: 2, capacity: Some(900), dealt: 40, inside: -3 };
    let share = ShareState {
        zone: 2,
        device: DeviceId([3; 16]),
        epoch: 1,
        granted: 20,
        asked: 4,
        inside: 7,
        grant: Some(EntryRef { device: DeviceId([4; 16]), epoch: 2, seq: 5 }),
    };
    let mut zones = Writer::new();
    ZoneRecord::Zone(zone).write(&mut zones);
    ZoneRecord::Share(share).write(&mut zones);
    let zones = zones.finish();
    seeds.add("deltas", 9, "zones", &zones);
    for (how, name, lines) in [
        (3u8, "wallets", formats!("delta_wallets.hex")),
        (4, "tickets", formats!("delta_tickets.hex")),
        (6, "documents", formats!("delta_documents.hex")),
    ] {
        let bytes = golden(lines);
        let signed = SignedDelta::decode(&bytes).expect("golden");
        seeds.add("deltas", 0, name, &bytes);
        seeds.add("deltas", 0, &format!("body-{name}"), &signed.body);
        seeds.add("deltas", 1, name, &signed.body);
        let delta = Delta::from_bytes(&signed.body).expect("golden");
        seeds.add("deltas", how, name, &delta.items);
    }
    seeds.add("deltas", 8, "credits", &[7; 96]);
    seeds.add("deltas", 2, "parts", &[1, 0, 1, 0, 1, 0, 1, 1, 2, 0, 2, 0, 1, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 1]);
    let tickets = (0..40u8).map(|n| SnapshotTicket {
        revoked: n % 7 == 0,
        product: (n % 3 == 0).then_some(domain::ticket::snapshot::SnapshotProduct { event: 1, product: n.into() }),
        window: (n % 2 == 0).then_some((0, u32::from(n / 4))),
        ..SnapshotTicket::bare(TicketUid([n.wrapping_mul(37); 16]))
    });
    let snapshot = write(&FESTIVAL, 7, tickets);
    seeds.add("snapshots", 0, "tickets", &snapshot);
    seeds.add("snapshots", 1, "tickets", &[&[4], &snapshot[64..]].concat());
    seeds.add("snapshots", 2, "list", &[15, 1, 1, 2, 3, 4, 8, 9, 1, 2, 0, 0, 15, 1, 1, 2, 3, 4]);
    let named =
        |name: &str, n: u8| domain::names::Named { name: name.into(), ticket: TicketUid([n; 16]), product: None };
    let names = [named("Anaïs Lefèvre", 1), named("Bo", 2), named("Øystein d'Été", 3)];
    let sealed = domain::names::seal(&FESTIVAL, &NamesKey::new([5; 32]), &[9; 20], &names).expect("short names");
    seeds.add("snapshots", 3, "names", &sealed);
    seeds.add("snapshots", 4, "names", "\u{e}Anaïs Lefèvre\u{2}Bo".as_bytes());
}

fn zone_rules() -> domain::zones::Zone {
    domain::zones::Zone {
        number: 2,
        name_fr: "Camping".into(),
        name_en: "Camp site".into(),
        capacity: Some(900),
        mode: domain::zones::PassageMode::ReEntry,
        windows: vec![domain::zones::Window { category: 0, from: 1, until: 9 }],
    }
}

fn trust(seeds: &mut Seeds) {
    let chain = golden(formats!("chain.hex"));
    seeds.add("certificates", 0, "chain", &chain);
    seeds.add("certificates", 1, "founding", &golden(formats!("founding.hex")));
    seeds.add("certificates", 2, "manager", &MANAGER_CHAIN.0[0].body);
    for (how, name, at) in [(3, "box", 0), (2, "enrol", 1)] {
        seeds.add("certificates", how, name, &BOX_CHAIN.0[at].body);
        seeds.add("certificates", 4, name, &BOX_CHAIN.0[at].body);
    }
    let bundle = golden(formats!("festival_bundle.hex"));
    seeds.add("bundles", 0, "golden", &bundle);
    let length = u32::from_le_bytes([bundle[5], bundle[6], bundle[7], bundle[8]]) as usize;
    let body = &bundle[9..9 + length];
    seeds.add("bundles", 1, "golden", body);
    seeds.add("bundles", 3, "golden", body);
    let groups = golden(formats!("lan_groups.hex"));
    seeds.add("bundles", 3, "groups", &groups);
    seeds.add("bundles", 2, "golden", &[&(length as u16).to_le_bytes(), body, b"blob"].concat());
    let mut with_blob: domain::bundle::BundleBody = domain::wire::from_canonical_cbor(body).expect("golden");
    with_blob.sections = vec![
        BlobRef::of(b"blob", 1).section(SECTION_TICKETS),
        domain::bundle::BundleBody::retired_section(&[public(9)]),
        domain::bundle::BundleSection { number: domain::bundle::SECTION_LAN, bytes: groups },
    ];
    let body = domain::wire::to_cbor(&with_blob);
    seeds.add("bundles", 1, "sections", &body);
    seeds.add("bundles", 2, "sections", &[&(body.len() as u16).to_le_bytes(), body.as_slice(), b"blob"].concat());
    seeds.add("bundles", 0, "package", &domain::bundle::Package::write(&bundle, &[b"blob", b""]));

    let said = golden(formats!("enrolment.hex"));
    seeds.add("enrolment", 0, "said", &said);
    let mut reader = sync::FrameReader::new();
    reader.push(&said);
    let (mut to_box, mut to_tool) = (Vec::new(), Vec::new());
    while let Ok(Some(raw)) = reader.next_raw() {
        seeds.add("enrolment", 2, &format!("frame{}", raw.kind), &[&[raw.kind - 32], raw.payload.as_slice()].concat());
        let bytes = raw.encode().expect("small");
        match EnrolFrame::from_raw(&raw) {
            Ok(EnrolFrame::Offer(_) | EnrolFrame::Receipt(_)) => to_tool.extend(bytes),
            Ok(EnrolFrame::Grant(grant)) => {
                seeds.add("enrolment", 3, "grant", &grant.body);
                to_box.extend(bytes);
            }
            _ => to_box.extend(bytes),
        }
    }
    seeds.add("enrolment", 0, "box", &to_box);
    seeds.add("enrolment", 1, "tool", &to_tool);
    let stored = golden(formats!("enrolled.hex"));
    seeds.add("enrolment", 4, "file", &golden(formats!("enrolled_file.hex")));
    seeds.add("enrolment", 4, "older", &stored);
    seeds.add("enrolment", 5, "stored", &stored);
    seeds.add("enrolment", 6, "hardware", b"bench box 1");
}

fn lan(seeds: &mut Seeds) {
    for line in formats!("lan_messages.txt").lines() {
        let Some((name, hex)) = line.split_once(": ") else { continue };
        let bytes = unhex(hex).expect("golden");
        seeds.add("lan", 0, &name.replace(' ', "-"), &bytes);
        match bytes[1] {
            6 => seeds.add("lan", 2, name, &bytes[20..]),
            kind => {
                let said = [&[kind], &bytes[2..4], &bytes[20..bytes.len() - 64]].concat();
                seeds.add("lan", 1, &name.replace(' ', "-"), &said);
            }
        }
    }
}

fn edits(seeds: &mut Seeds) {
    let signed = SignedEnvelope::from_bytes(&golden(formats!("edit_envelope.hex"))).expect("golden");
    seeds.add("edits", 0, "golden", &signed.to_bytes());
    seeds.add("edits", 1, "golden", &signed.body);
    seeds.add("edits", 2, "golden", &signed.read().expect("golden").change);
    let mut all = Documents::new(FOUNDING.clone());
    let delta = SignedDelta::decode(&golden(formats!("delta_documents.hex"))).expect("golden");
    let delta = Delta::from_bytes(&delta.body).expect("golden");
    let mut items = Reader::new(&delta.items);
    while let Ok(edit) = Edit::read_item(&mut items) {
        let signed = SignedEnvelope::from_bytes(&edit.envelope).expect("golden");
        let verified = all.verify(&signed).expect("golden");
        all.confirm(&verified).expect("golden");
    }
    let by = SignedBy { key: key(MANAGER).clone(), chain: MANAGER_CHAIN.clone() };
    let author = documents::Author { device: device_id(&public(BOX)), epoch: 9, operator: 7, at_ms: 1 };
    let at = |field| documents::Path::Product(1, field);
    use documents::ProductField::{Group, MinAge, NameEn, Price, SoldOut};
    let made: [(&str, Document, Vec<Setting>); 6] = [
        ("price", Document::Catalogue, vec![Setting::to(at(Price), 500u32)]),
        (
            "several",
            Document::Catalogue,
            vec![Setting::to(at(Price), 450u32), Setting::to(at(SoldOut), false), Setting::to(at(NameEn), "Ale")],
        ),
        ("gone", Document::Catalogue, vec![Setting::none(at(MinAge)), Setting::to(at(Group), "x")]),
        ("product", Document::Catalogue, documents::product(&documents::sample::product(2, 300, 0))),
        ("zone", Document::Zones, documents::zone(&zone_rules(), 0)),
        (
            "reason",
            Document::Reasons,
            documents::reason(&domain::staff::Reason { code: "lost".into(), fr: "Perdu".into(), en: "Lost".into() }),
        ),
    ];
    for (name, document, settings) in made {
        let Ok(signed) = all.author(document, &settings, &author, &by) else { continue };
        let envelope = signed.read().expect("our own");
        seeds.add("edits", 1, name, &signed.body);
        seeds.add("edits", 2, name, &envelope.change);
        // behind header, dependencies, actor and numbers: time, message, other actors, columns
        let mut input = Reader::new(&envelope.change);
        let mut skip = || -> Result<(Vec<u8>, Vec<u8>), domain::wire::Malformed> {
            input.take(9)?;
            input.varint()?;
            let all = input.rest().to_vec();
            let dependencies = input.varint()? as usize;
            input.take(dependencies * 32 + 17)?;
            let numbers = input.rest().to_vec();
            input.varint()?;
            input.varint()?;
            Ok(([&[dependencies as u8], &all[1..1 + dependencies * 32], &numbers].concat(), input.rest().to_vec()))
        };
        let (with_dependencies, columns) = skip().expect("our own");
        let number = Document::ALL.iter().position(|one| *one == document).unwrap_or(0) as u8;
        seeds.add("edits", 4, name, &[&[number, 9], columns.as_slice()].concat());
        seeds.add("edits", 3, name, &[&[number, 9], with_dependencies.as_slice()].concat());
    }
}

fn wire(seeds: &mut Seeds) {
    let device = DeviceId([3; 16]);
    let held = SectionHeld { section: sync::Section::Wallets, term: 2, number: 9 };
    let delta = SignedDelta::decode(&golden(formats!("delta_wallets.hex"))).expect("golden");
    let edit = golden(formats!("edit_envelope.hex"));
    let frames = [
        Frame::Hello(Hello {
            version: 1,
            festival: *FESTIVAL,
            chain: BOX_CHAIN.to_bytes(),
            device,
            epoch: 1,
            roles: Roles(6),
            sections: vec![held],
            bundle: 4,
            software: "0.1.0".into(),
            further: vec![ByteVec::from(chain_of(Purpose::Credit, BOX).to_bytes())],
        }),
        Frame::Welcome(Welcome { version: 1, chain: vec![1], term: 2, hub_time_ms: 1_790_500_300_000 }),
        Frame::Heads(VersionVector::decode(&golden(formats!("vector.hex"))).expect("golden")),
        Frame::WantFrom(WantFrom { device, epoch: 1, seq: 300 }),
        Frame::Segment(Segment::decode(&golden(formats!("journal_segment.hex")), &Limits::default()).expect("golden")),
        Frame::Ack(Ack { device, epoch: 1, contiguous: 300, hash: [7; 16], term: 2 }),
        Frame::Delta(delta),
        Frame::HaveDelta(HaveDelta {
            section: sync::Section::Tickets,
            term: 2,
            number: 7,
            next_part: Some(1),
            own: Some((1, 30)),
        }),
        Frame::Bundle(BundlePart { number: 4, offset: 3, total: 9, bytes: vec![1, 2, 3] }),
        Frame::HaveBundle(HaveBundle { number: 4 }),
        Frame::WantBundle(WantBundle { number: 4, offset: 300 }),
        Frame::Refuse(Refuse { code: 6, text: "lost".into() }),
        Frame::Renew(Renew { chain: vec![1, 2] }),
        Frame::Ping(Ping { token: 1, time_ms: 2 }),
        Frame::Pong(Ping { token: 300, time_ms: 70_000 }),
        Frame::Bye,
        Frame::Edit(Edit { change: [5; 32], envelope: edit }),
        Frame::EditAnswer(EditAnswer { change: [5; 32], code: 3, entered_again: true }),
        Frame::WantBlob(WantBlob { hash: [4; 32], offset: 70_000 }),
        Frame::Blob(BlobPart { hash: [4; 32], offset: 0, bytes: vec![9; 40] }),
    ];
    let mut stream = Vec::new();
    for frame in &frames {
        let bytes = frame.encode().expect("small");
        seeds.add("frames", 32 + bytes[4], &format!("type{:02}", bytes[4]), &bytes[5..]);
        if bytes.len() < 400 {
            stream.extend(&bytes);
        }
    }
    seeds.add("frames", 1, "stream", &stream);
    seeds.add("frames", 31, "stream", &stream);

    for (name, bytes) in [
        ("command", &[1, 0, 0, 0, 1, 0, 0, 0, 2, 0x30, 4][..]),
        ("select", &[2, 0, 0, 0, 1, 0, 0, 0, 2]),
        ("signal", &[3, 0, 0, 0, 1, 4]),
        ("present", &[0x81, 0, 0, 0, 1, 4, 4, 1, 2, 3, 4, 5, 6]),
        ("removed", &[0x82, 0, 0, 0, 1]),
        ("data", &[0x83, 0, 0, 0, 1, 1, 2]),
        ("unplugged", &[0x89]),
    ] {
        seeds.add("readers", 0, name, bytes);
    }
    for (name, bytes) in [
        ("poll", &[1][..]),
        ("command", &[2, 0x30, 4]),
        ("signal", &[3, 1]),
        ("ready", b"\x81ACS ACR122U"),
        ("tag", &[0x82, 4, 4, 1, 2, 3, 4, 5, 6]),
        ("data", &[0x84, 1, 2]),
        ("nak", &[0x86, 5]),
        ("failed", b"\x89port taken"),
    ] {
        seeds.add("readers", 1, name, bytes);
    }
    seeds.add("readers", 2, "thru", &[0xd5, 0x43, 0, 0x0a, 0x90, 0]);
    seeds.add("readers", 3, "objects", &[0xc0, 3, 0, 0x90, 0, 0x92, 1, 4, 0x97, 1, 0xfa, 0x90, 0]);
    seeds.add("readers", 3, "long", &[0xc0, 3, 0, 0x90, 0, 0x97, 0x81, 2, 1, 2, 0x90, 0]);
    let said = [0, 0, 0xff, 2, 0xfe, 0xd4, 2, 0x2a, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0, 0];
    seeds.add("readers", 5, "line", &said);
    let long = [&[0, 0, 0xff, 0xff, 0xff, 0, 3, 0xfd, 0xd4, 0x40, 1], [0xeb, 0].as_slice()].concat();
    seeds.add("readers", 5, "long", &long);
}

fn lists(seeds: &mut Seeds) {
    seeds.add("lists", 0, "whole", b"\xef\xbb\xbfnumber;name;price\r\n1;\"a;b\";12,34\r\n2;'=x;5\r\n");
    seeds.add("lists", 1, "lines", b"1,Site,1234\n2,\"two\nlines\",\n,,\nskip,x,1\n");
    seeds.add("lists", 2, "lines", b"1;Site;12,34\r\n2;\xff;1\r\n");
    seeds.add("lists", 3, "pretix", b"A1,Pass,x\n");
    for text in ["=1+1", "'=x", "''", "-5", "plain"] {
        seeds.add("lists", 4, &format!("cell{}", text.len()), text.as_bytes());
    }
    for (at, text) in ["12.34", "12,34", "1234", "007"].into_iter().enumerate() {
        seeds.add("lists", 5, &format!("amount{at}"), text.as_bytes());
    }
}
