//! Golden files of the formats that span crates, beside the reader of `docs/formats.md` that reads them
//! (`read_formats.py`). Invariant: a released file never changes; where this fails, the format changed, and that needs
//! a new version. `WRITE_GOLDENS=1` writes those that are not there.
//! Not here: single frames (`sync`), chips, tickets and states (`domain`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a failed test should panic")]
use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::{
    bundle::{
        Bundle, BundleBody, BundleSection, Category, ImportedEvent, Place, Policy, PretixProduct, Product, RawKey,
    },
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, TicketUid, WalletId, device_id},
    journal::{
        Admission, BandProfile, ChainCursor, CommitMark, Countersignature, Detail, Effect, Entry, Flags, Genesis, Head,
        Intent, IntentPurpose, Kind, Pairing, PreviousHead, Revocation, Sale, SaleLine, TopUp, ZERO_HASH,
    },
    ledger::{Body, ForkBranch, ForkProof, TicketFlags, TicketState, WalletFlags, WalletState},
    money::{Cents, Currency},
    secrets::{BandSecrets, MasterSecret},
    ticket::uid_of_own,
    time::Hlc,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::{hex, to_cbor, unhex},
    wristband::{BandKeys, CreditId, CreditRecord, PurseImage, RecordId, SpentRecord, genesis_record},
};
use ed25519_dalek::SigningKey;
use sync::{
    Branch, Delta, JournalHeads, Limits, Section, Segment, SignedDelta, VersionVector,
    enrolment::{BlankBox, BlankStep, BoxConfig, EnrolFrame, GrantPlan, ScreenTls, Technician, TechnicianStep},
    vector::hash16,
};

const UID: [u8; 7] = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
const OTHER_UID: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];
const ROOT: u8 = 1;
const ENROL: u8 = 2;
const BUNDLE: u8 = 3;
const TICKET: u8 = 7;
const DESK: u8 = 21;
const BOX: u8 = 30;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

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

fn founding() -> Founding {
    Founding {
        version: 1,
        root: public(ROOT),
        spare_root_hash: [0x5a; 32],
        name: "Été au lac".into(),
        currency: Currency::EUR,
        founded: 1_790_000_000,
    }
}

fn festival() -> FestivalId {
    founding().festival()
}

fn secrets() -> BandSecrets {
    MasterSecret([22; 32]).band_secrets(&festival())
}

fn band() -> BandKeys {
    BandKeys::new(&secrets(), &festival(), &UID)
}

fn wallet() -> WalletId {
    secrets().wallet(&UID)
}

fn other_wallet() -> WalletId {
    secrets().wallet(&OTHER_UID)
}

fn ticket() -> TicketUid {
    uid_of_own(&festival(), b"ticket no 17")
}

fn certificate(purpose: Purpose, subject: u8, issuer: u8, scope: Scope) -> SignedCertificate {
    let (festival, subject_key) = (festival(), public(subject));
    let certificate = Certificate {
        version: 1,
        festival,
        purpose,
        subject: subject_key,
        issuer: [0; 32],
        serial: [subject; 16],
        valid_from: 1_790_000_000,
        valid_until: 0,
        scope,
    };
    SignedCertificate::issue(certificate, &key(issuer))
}

fn scope(place: &str, roles: u8, box_numbers: (u16, u16), quota_cents: u64) -> Scope {
    Scope { place: place.into(), roles: Roles(roles), kinds: u64::MAX, box_numbers, quota_cents }
}

/// Root → enrol key → box.
fn box_chain() -> CertificateChain {
    let enrol = certificate(Purpose::Enrol, ENROL, ROOT, scope("Site office", 7, (8, 900), 5_000_000));
    CertificateChain(vec![certificate(Purpose::Device, BOX, ENROL, scope("Bar 3", 7, (12, 19), 0)), enrol])
}

fn desk_chain() -> CertificateChain {
    CertificateChain(vec![certificate(Purpose::Credit, DESK, ROOT, scope("Desk 1", 4, (0, 0), 2_000_000))])
}

fn chain_of(purpose: Purpose, subject: u8) -> CertificateChain {
    CertificateChain(vec![certificate(purpose, subject, ROOT, Scope::nothing(""))])
}

/// A journal kept in memory.
struct Journal {
    cursor: ChainCursor,
    bodies: Vec<Vec<u8>>,
    heads: Vec<Head>,
    marks: Vec<Option<CommitMark>>,
}

impl Journal {
    fn append(&mut self, body: Vec<u8>) -> EntryRef {
        let head = self.cursor.append(&body);
        let ends = body[1] & 1 == 1;
        self.marks.push(ends.then(|| self.cursor.sign(&key(BOX)).unwrap()));
        self.bodies.push(body);
        self.heads.push(head);
        EntryRef { device: self.cursor.device, epoch: self.cursor.epoch, seq: head.seq }
    }

    fn write(&mut self, mut entry: Entry) -> EntryRef {
        entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        self.append(entry.to_bytes())
    }
}

fn entry(kind: Kind, effect: Effect, ms: u64) -> Entry {
    Entry::new(kind, effect, Currency::EUR, Hlc((1_790_500_000_000 + ms) << 16 | (ms & 3)))
}

struct Purse {
    spent: [[u8; 20]; 2],
    credits: [[u8; 76]; 2],
}

impl Purse {
    fn new() -> Self {
        let credit = CreditRecord::sign(Cents::ZERO, 0, CreditId::default(), &key(DESK), &band());
        Self { spent: [genesis_record().seal(&band()), [0; 20]], credits: [credit, [0; 76]] }
    }

    fn image(&self) -> PurseImage {
        let mut head = domain::wristband::layout::header(BandProfile::Ntag21x, &festival()).to_vec();
        head.extend([0; 4]);
        head.extend(self.spent.concat());
        let known = domain::wristband::CreditKey {
            id: domain::id::key_id(&public(DESK)),
            public: public(DESK),
            revoked: false,
        };
        PurseImage::read(&head.try_into().unwrap(), &self.credits.concat().try_into().unwrap(), &band(), &[known])
            .unwrap()
    }

    /// The intent of a tap that raises spent by `amount`, or credits by `credit`, and what it writes.
    fn intent(
        &mut self,
        purpose: IntentPurpose,
        amount: u32,
        credit: u32,
        sale: Option<Sale>,
        apply: bool,
    ) -> (Intent, u16) {
        let image = self.image();
        let new_credit = (credit > 0).then(|| {
            let credits = cents(image.credit().credits.get() + credit);
            CreditRecord::sign(credits, image.credit().seq + 1, image.credit_id(), &key(DESK), &band())
        });
        let record = SpentRecord {
            tap_counter: image.record().tap_counter + 1,
            spent: cents(image.record().spent.get() + amount),
            credit_seq: new_credit.as_ref().map_or(image.credit().seq, |c| CreditRecord::read(c).seq),
            box_number: BoxNumber(12),
            link: image.base(),
        };
        let bytes = record.seal(&band());
        if apply {
            self.spent[usize::from(image.free_spent_page() == 13)] = bytes;
            if let Some(credit) = new_credit {
                self.credits[usize::from(image.free_credit_page() == 37)] = credit;
            }
        }
        let intent = Intent {
            purpose,
            seen: image.seen(),
            own: RecordId::of(&bytes),
            spent_after: record.spent,
            new_credit,
            old_credit: None,
            sale,
        };
        (intent, record.tap_counter)
    }
}

fn beers(count: u32, out: u32, back: u32) -> Sale {
    let lines = vec![SaleLine { product: 1, quantity: count, unit_price: cents(350) }];
    Sale { deposit_out: cents(out), deposit_back: cents(back), lines }
}

fn journal() -> Journal {
    let device = device_id(&public(BOX));
    let mut journal = Journal {
        cursor: ChainCursor::start(festival(), device, 1),
        bodies: Vec::new(),
        heads: Vec::new(),
        marks: Vec::new(),
    };
    let mut purse = Purse::new();
    let genesis = Genesis {
        festival: festival(),
        public_key: public(BOX),
        box_number: BoxNumber(12),
        epoch: 1,
        chain: box_chain().to_bytes(),
        previous: Some(PreviousHead { epoch: 0, seq: 41, hash: [0xab; 32] }),
        software: "0.1.0".into(),
    };
    let part = |detail: Detail| detail.to_bytes();
    journal.write(Entry { part: part(Detail::Genesis(genesis)), ..entry(Kind::GENESIS, Effect::None, 0) });
    let admission = Admission { scheme: 1, marks: 1, product: [0x0102, 0, 0, 0] };
    journal.write(Entry {
        subject: ticket().into(),
        zone: 2,
        flags: Flags::TIME_UNCERTAIN.with(Flags::ALONE),
        part: part(Detail::Admission(admission)),
        ..entry(Kind::ADMISSION, Effect::In, 1_000)
    });
    journal.write(Entry {
        subject: wallet().into(),
        other: ticket().into(),
        part: part(Detail::Pairing(Pairing { profile: BandProfile::Ntag21x })),
        ..entry(Kind::PAIRING, Effect::None, 2_000)
    });
    let (intent, tap_counter) = purse.intent(IntentPurpose::TopUp, 0, 6_000, None, true);
    let top_up = Entry {
        subject: wallet().into(),
        amount: cents(6_000),
        tap_counter,
        operator: 7,
        ..entry(Kind::INTENT, Effect::HoldCredit, 3_000)
    };
    let at = journal.write(Entry { part: part(Detail::Intent(intent)), ..top_up.clone() });
    let done = TopUp { c_only: false, fee: cents(50) };
    journal.write(Entry {
        refers_to: Some(at),
        part: part(Detail::TopUp(done)),
        kind: Kind::TOP_UP,
        effect: Effect::Credit,
        hlc: Hlc(top_up.hlc.0 + 1),
        ..top_up
    });
    // Three purse sales; the last one is void.
    for (n, amount) in [(0, 450), (1, 250), (2, 800)] {
        let goods = [beers(1, 100, 0), beers(1, 0, 100), beers(2, 100, 0)].into_iter().nth(n).unwrap();
        let (intent, tap_counter) = purse.intent(IntentPurpose::Sale, amount, 0, Some(goods.clone()), n < 2);
        let hold = Entry {
            subject: wallet().into(),
            amount: cents(amount),
            tap_counter,
            operator: 7,
            price_revision: 3,
            ..entry(Kind::INTENT, Effect::Hold, 60_000 * (n as u64 + 1))
        };
        let at = journal.write(Entry { part: part(Detail::Intent(intent.clone())), ..hold.clone() });
        let (kind, effect, end) = match n {
            2 => (Kind::VOID, Effect::Release, Detail::Seen(Some(intent.seen))),
            _ => (Kind::SALE, Effect::Debit, Detail::Sale(Some(Sale { lines: Vec::new(), ..goods }))),
        };
        journal.write(Entry {
            kind,
            effect,
            refers_to: Some(at),
            part: part(end),
            hlc: Hlc(hold.hlc.0 + (80 << 16)),
            ..hold
        });
    }
    // Two sales to a band without a purse, in one commit.
    let sale = |ms| Entry {
        subject: other_wallet().into(),
        amount: cents(1_150),
        operator: 7,
        price_revision: 3,
        part: part(Detail::Sale(Some(beers(3, 200, 100)))),
        ..entry(Kind::SALE, Effect::Debit, ms)
    };
    journal.append(sale(240_000).to_bytes());
    journal.write(sale(240_001));
    // Newer than this software: an effect, and a body version.
    let mut newer = entry(Kind(900), Effect::Unknown(200), 250_000);
    (newer.subject, newer.amount, newer.part) = (wallet().into(), cents(1), b"newer".to_vec());
    journal.write(newer);
    let mut later = entry(Kind(901), Effect::None, 251_000).to_bytes();
    (later[0], later[1]) = (2, 1);
    later.extend(b"a body of version 2");
    journal.append(later);
    // A reference into another journal; two parts in CBOR.
    let elsewhere = EntryRef { device: DeviceId([9; 16]), epoch: 4, seq: 77 };
    journal.write(Entry {
        refers_to: Some(elsewhere),
        part: b"see there".to_vec(),
        ..entry(Kind::NOTE, Effect::None, 252_000)
    });
    let confirmed = Countersignature { epoch: 1, seq: 3, hash: journal.heads[3].hash, term: 2, archived: false };
    journal.write(Entry {
        subject: device.into(),
        part: part(Detail::Countersignature(confirmed)),
        ..entry(Kind::COUNTERSIGNATURE, Effect::None, 253_000)
    });
    let revoked = Revocation {
        heads: vec![PreviousHead { epoch: 1, seq: 3, hash: journal.heads[3].hash }],
        reason: "lost".into(),
    };
    journal.write(Entry {
        subject: device.into(),
        part: part(Detail::Revocation(revoked)),
        ..entry(Kind::REVOCATION, Effect::Block, 254_000)
    });
    journal
}

fn segment() -> Segment {
    let journal = journal();
    Segment {
        device: journal.cursor.device,
        epoch: 1,
        first: 0,
        prev: ZERO_HASH,
        signature: journal.marks.last().unwrap().unwrap().signature,
        bodies: journal.bodies,
    }
}

fn vector() -> Vec<JournalHeads> {
    let journal = journal();
    let branch = |seq: usize| Branch::up_to(seq as u32 + 1, hash16(&journal.heads[seq].hash));
    let forked = Branch { contiguous: 300, hash: [0x77; 16], ranges: vec![(302, 302), (400, 499)] };
    vec![
        JournalHeads {
            device: journal.cursor.device,
            epoch: 0,
            branches: vec![Branch { contiguous: 0, hash: [0; 16], ranges: vec![(40, 41)] }],
        },
        JournalHeads { device: journal.cursor.device, epoch: 1, branches: vec![branch(3), forked] },
    ]
}

fn wallet_states() -> [WalletState; 2] {
    [
        WalletState {
            balance: 5_300,
            spent: 700,
            pending: 25,
            in_doubt: 800,
            head_counter: 3,
            head_record: RecordId([1, 2, 3, 4]),
            credit_seq: 1,
            profile: Some(BandProfile::Ntag21x),
            flags: WalletFlags::FROZEN,
            ..WalletState::empty(wallet())
        },
        WalletState {
            balance: -2_300,
            profile: Some(BandProfile::Uid),
            flags: WalletFlags::OVERSPENT.with_if(WalletFlags::DISPUTED, true),
            ..WalletState::empty(other_wallet())
        },
    ]
}

fn ticket_states() -> [TicketState; 2] {
    [
        TicketState {
            flags: TicketFlags::USED.with_if(TicketFlags::INSIDE, true),
            uses: 1,
            first_use: Hlc(1_790_500_001_000 << 16),
            first_box: BoxNumber(12),
            first_zone: 2,
            wallet: Some(wallet()),
            ..TicketState::empty(ticket())
        },
        TicketState { flags: TicketFlags::REVOKED, ..TicketState::empty(TicketUid([0x33; 16])) },
    ]
}

fn delta(section: Section, items: Vec<u8>) -> SignedDelta {
    Delta {
        festival: festival(),
        section,
        term: 2,
        prev: 6,
        number: 7,
        part: 0,
        parts: 1,
        snapshot: false,
        vector: vector(),
        hub_time_ms: 1_790_500_300_000,
        items,
    }
    .sign(&key(BUNDLE))
}

fn bundle() -> Vec<u8> {
    let body = BundleBody {
        version: 1,
        founding: founding().to_bytes(),
        number: 4,
        issued: 1_790_400_000,
        policy: Policy {
            maximum_balance: cents(25_000),
            offline_limit: cents(2_000),
            cup_deposit: cents(100),
            time_uncertainty_s: 300,
            admit_when_time_uncertain: true,
        },
        ticket_keys: vec![chain_of(Purpose::Ticket, TICKET)],
        credit_keys: vec![desk_chain()],
        categories: vec![Category {
            number: 0x0102,
            name_fr: "Site".into(),
            name_en: "Site".into(),
            price: cents(9_000),
            zones: 5,
        }],
        events: vec![ImportedEvent { index: 1, slug: "lac26".into(), keys: vec![RawKey(public(60))] }],
        products: vec![PretixProduct { event: 1, item: 12, name: "Pass".into(), zones: 1 }],
        price_revision: 3,
        catalogue: vec![Product {
            number: 1,
            name_fr: "Bière".into(),
            name_en: "Beer".into(),
            group: "drinks".into(),
            price: cents(350),
            in_cup: true,
        }],
        revoked: vec![TicketUid([0x33; 16])],
        blocked: vec![],
        places: vec![Place { box_number: BoxNumber(12), name: "Bar 3".into() }],
        sections: vec![BundleSection { number: 900, bytes: vec![1, 2] }],
    };
    body.sign(&festival(), &key(BUNDLE), &chain_of(Purpose::Bundle, BUNDLE))
}

fn config() -> BoxConfig {
    BoxConfig {
        version: 1,
        box_number: BoxNumber(12),
        place: "Bar 3".into(),
        roles: Roles(6),
        zone: 0,
        language: "fr".into(),
        hubs: vec!["hub.example:4433".into()],
        pairs_bands: true,
        screen: ScreenTls { certificate_pem: "certificate".into(), key_pem: "key".into() },
        band: secrets(),
        screen_key: "00ff".into(),
        listen_https: "0.0.0.0:8443".into(),
        devices: "virtual".into(),
    }
}

#[test]
fn records_of_trust_are_still_written_byte_for_byte() {
    golden("founding.hex", &founding().to_bytes());
    golden("chain.hex", &box_chain().to_bytes());
    golden("bands.hex", &to_cbor(&secrets()));
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
    golden("enrolled.hex", &stored.unwrap().to_bytes());
}
