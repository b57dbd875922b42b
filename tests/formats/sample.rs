//! One small festival: its keys, a journal that holds every layout of a part, states, bundle and configuration.
use domain::{
    bundle::{BundleBody, BundleSection, Category, ImportedEvent, Place, Policy, PretixProduct, Product, RawKey},
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, TicketUid, WalletId, device_id},
    journal::{
        Admission, BandProfile, Block, BlockedKind, CashMove, ChainCursor, Closure, CommitMark, Correction, Corrects,
        Countersignature, Detail, Effect, Entry, Flags, Genesis, Given, Head, Intent, IntentPurpose, Kind, Marks,
        Means, Pairing, PreviousHead, Revocation, Sale, SaleLine, SaleMarks, ShareGrant, ShareRelease, ShiftClose,
        StaffChange, Subject, Terms, TillTotals, TopUp, VoucherTaken, VoucherUse, ZERO_HASH,
    },
    ledger::{AccountShare, TicketFlags, TicketState, WalletFlags, WalletState},
    money::{Cents, Currency},
    secrets::{
        BandSecrets, MasterSecret,
        epoch::{EpochSecrets, SealedEpoch},
    },
    ticket::uid_of_own,
    time::Hlc,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::{from_canonical_cbor, unhex},
    wristband::{BandKeys, CreditId, CreditRecord, PurseImage, PursePages, RecordId, SpentRecord, genesis_record},
};
use ed25519_dalek::SigningKey;
use sync::{
    Branch, Delta, JournalHeads, Section, Segment, SignedDelta,
    enrolment::{BoxConfig, ScreenTls},
    frame::Edit,
    vector::hash16,
};

pub(crate) const UID: [u8; 7] = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
pub(crate) const OTHER_UID: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];
pub(crate) const ROOT: u8 = 1;
pub(crate) const ENROL: u8 = 2;
pub(crate) const BUNDLE: u8 = 3;
pub(crate) const TICKET: u8 = 7;
pub(crate) const DESK: u8 = 21;
pub(crate) const BOX: u8 = 30;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

pub(crate) fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

pub(crate) fn founding() -> Founding {
    Founding {
        version: 1,
        root: public(ROOT),
        spare_root_hash: [0x5a; 32],
        name: "Été au lac".into(),
        currency: Currency::EUR,
        founded: 1_790_000_000,
    }
}

pub(crate) fn festival() -> FestivalId {
    founding().festival()
}

/// What boxes were given before there was a master for chips with AES.
pub(crate) fn secrets() -> BandSecrets {
    let hex = include_str!("golden/bands.hex").replace('\n', "");
    from_canonical_cbor(&unhex(&hex).unwrap()).unwrap()
}

pub(crate) fn new_secrets() -> BandSecrets {
    MasterSecret([22; 32]).band_secrets(&festival())
}

/// A later epoch's masters.
pub(crate) fn epoch() -> EpochSecrets {
    MasterSecret([23; 32]).epoch_secrets(1, &festival()).unwrap()
}

/// Them sealed to the box and to the desk.
pub(crate) fn sealed_epoch() -> SealedEpoch {
    let seal = |(of, random)| epoch().seal_to(&public(of), &festival(), [random; 32]).unwrap();
    let mut copies: Vec<_> = [(BOX, 24), (DESK, 25)].map(seal).to_vec();
    copies.sort_by_key(|copy| copy.device);
    SealedEpoch { epoch: 1, copies }
}

pub(crate) fn band() -> BandKeys {
    BandKeys::new(&secrets(), &festival(), &UID)
}

pub(crate) fn wallet() -> WalletId {
    secrets().wallet(&UID)
}

pub(crate) fn other_wallet() -> WalletId {
    secrets().wallet(&OTHER_UID)
}

pub(crate) fn ticket() -> TicketUid {
    uid_of_own(&festival(), b"ticket no 17")
}

pub(crate) fn certificate(purpose: Purpose, subject: u8, issuer: u8, scope: Scope) -> SignedCertificate {
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

pub(crate) fn scope(place: &str, roles: u8, box_numbers: (u16, u16), quota_cents: u64) -> Scope {
    Scope { place: place.into(), roles: Roles(roles), kinds: u64::MAX, box_numbers, quota_cents }
}

/// Root → enrol key → box.
pub(crate) fn box_chain() -> CertificateChain {
    let enrol = certificate(Purpose::Enrol, ENROL, ROOT, scope("Site office", 7, (8, 900), 5_000_000));
    CertificateChain(vec![certificate(Purpose::Device, BOX, ENROL, scope("Bar 3", 7, (12, 19), 0)), enrol])
}

pub(crate) fn desk_chain() -> CertificateChain {
    CertificateChain(vec![certificate(Purpose::Credit, DESK, ROOT, scope("Desk 1", 4, (0, 0), 2_000_000))])
}

pub(crate) fn chain_of(purpose: Purpose, subject: u8) -> CertificateChain {
    CertificateChain(vec![certificate(purpose, subject, ROOT, Scope::nothing(""))])
}

/// A journal kept in memory.
pub(crate) struct Journal {
    pub(crate) cursor: ChainCursor,
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) heads: Vec<Head>,
    pub(crate) marks: Vec<Option<CommitMark>>,
}

impl Journal {
    pub(crate) fn append(&mut self, body: Vec<u8>) -> EntryRef {
        let head = self.cursor.append(&body);
        let ends = body[1] & 1 == 1;
        self.marks.push(ends.then(|| self.cursor.sign(&key(BOX)).unwrap()));
        self.bodies.push(body);
        self.heads.push(head);
        EntryRef { device: self.cursor.device, epoch: self.cursor.epoch, seq: head.seq }
    }

    pub(crate) fn write(&mut self, mut entry: Entry) -> EntryRef {
        entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        self.append(entry.to_bytes())
    }
}

pub(crate) fn entry(kind: Kind, effect: Effect, ms: u64) -> Entry {
    Entry::new(kind, effect, Currency::EUR, Hlc((1_790_500_000_000 + ms) << 16 | (ms & 3)))
}

pub(crate) struct Purse {
    pub(crate) spent: [[u8; 20]; 2],
    pub(crate) credits: [[u8; 76]; 2],
}

impl Purse {
    pub(crate) fn new() -> Self {
        let credit =
            CreditRecord::sign(Cents::ZERO, 0, CreditId::default(), &key(DESK), band().festival(), band().wallet());
        Self { spent: [genesis_record().seal(&band()), [0; 20]], credits: [credit, [0; 76]] }
    }

    pub(crate) fn image(&self) -> PurseImage {
        let mut head = domain::wristband::layout::header(BandProfile::Ntag21x, &festival(), 0).to_vec();
        head.extend([0; 4]);
        head.extend(self.spent.concat());
        let known = domain::wristband::CreditKey {
            id: domain::id::key_id(&public(DESK)),
            public: public(DESK),
            revoked: false,
        };
        head.extend(self.credits.concat());
        PursePages::ntag21x(&head).unwrap().judge(&band(), &[known]).unwrap()
    }

    /// The intent of a tap that raises spent by `amount`, or credits by `credit`, and what it writes.
    pub(crate) fn intent(
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
            CreditRecord::sign(
                credits,
                image.credit().seq + 1,
                image.credit_id(),
                &key(DESK),
                band().festival(),
                band().wallet(),
            )
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
            fee: cents(if purpose == IntentPurpose::TopUp { 50 } else { 0 }),
            means: if purpose == IntentPurpose::TopUp { Means::Cash } else { Means::None },
        };
        (intent, record.tap_counter)
    }
}

pub(crate) fn beers(count: u32, out: u32, back: u32) -> Sale {
    let lines = vec![SaleLine { product: 1, quantity: count, unit_price: cents(350) }];
    Sale { deposit_out: cents(out), deposit_back: cents(back), lines, ..Sale::default() }
}

pub(crate) fn journal() -> Journal {
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
    let admission =
        Admission { scheme: 1, marks: Marks::TIME_UNCERTAIN, product: [0x0102, 0, 0, 0], reason: String::new() };
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
        part: part(Detail::Pairing(Pairing::of(BandProfile::Ntag21x))),
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
    let done = TopUp { c_only: false, fee: cents(50), means: Means::Cash };
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
        part: part(Detail::Revocation(BlockedKind::Device, revoked)),
        ..entry(Kind::REVOCATION, Effect::Block, 254_000)
    });
    let blocked = journal.write(Entry {
        subject: wallet().into(),
        part: part(Detail::Block(Block { of: BlockedKind::Wallet, reason: "band.blocked".into() })),
        ..entry(Kind::BLOCK, Effect::Block, 255_000)
    });
    journal.write(Entry {
        subject: wallet().into(),
        refers_to: Some(blocked),
        part: part(Detail::Block(Block { of: BlockedKind::Wallet, reason: String::new() })),
        ..entry(Kind::UNBLOCK, Effect::Unblock, 256_000)
    });
    till_acts(&mut journal);
    journal
}

/// What a till writes beside plain sales.
fn till_acts(journal: &mut Journal) {
    let till = |kind, effect, ms| Entry { operator: 7, ..entry(kind, effect, ms) };
    let sold = EntryRef { device: journal.cursor.device, epoch: 1, seq: 11 };
    let marks = SaleMarks {
        age_checked: true,
        happy_hour: true,
        time_uncertain: false,
        given: Some(Given { value: cents(350), supervisor: 9, reason: "artist".into() }),
        corrects: Some(Corrects { entry: sold, supervisor: 0, reason: "wrong_price".into() }),
        vouchers: vec![VoucherUse { ticket: TicketUid([0x44; 16]), category: 300, product: 1, quantity: 2 }],
    };
    let sale = Sale { marks, ..beers(1, 0, 0) };
    journal.write(Entry {
        subject: other_wallet().into(),
        amount: cents(350),
        price_revision: 3,
        part: Detail::Sale(Some(sale)).to_bytes(),
        ..till(Kind::SALE, Effect::Debit, 260_000)
    });
    let totals = TillTotals { sales: 3, sold: 2_750, corrected_plus: -5, ..TillTotals::default() };
    let closure = Closure { number: 2, is_final: true, period: totals, perpetual: totals.plus(&totals), last: 20 };
    let correction = Correction { supervisor: 9, reason: "spilled".into() };
    let voucher = VoucherTaken { scheme: 1, category: 300, product: 1, quantity: 2 };
    let parts = [
        (Kind::STAFF_SESSION, Detail::Staff(StaffChange::In)),
        (Kind::CASH_MOVE, Detail::CashMove(CashMove { into_drawer: true, reason: "change".into() })),
        (Kind::SHIFT_CLOSE, Detail::ShiftClose(ShiftClose { expected: -120, in_doubt: 300 })),
        (Kind::CLOSURE, Detail::Closure(closure)),
    ];
    journal.write(Entry {
        subject: other_wallet().into(),
        amount: cents(100),
        refers_to: Some(sold),
        part: Detail::Correction(correction).to_bytes(),
        ..till(Kind::CORRECTION_PLUS, Effect::Credit, 261_000)
    });
    journal.write(Entry {
        subject: TicketUid([0x44; 16]).into(),
        part: Detail::Voucher(voucher).to_bytes(),
        ..till(Kind::VOUCHER, Effect::In, 262_000)
    });
    for (n, (kind, part)) in parts.into_iter().enumerate() {
        journal.write(Entry { part: part.to_bytes(), ..till(kind, Effect::None, 263_000 + n as u64) });
    }
}

pub(crate) fn segment() -> Segment {
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

pub(crate) fn vector() -> Vec<JournalHeads> {
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

pub(crate) fn wallet_states() -> [WalletState; 2] {
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

pub(crate) fn ticket_states() -> [TicketState; 2] {
    [
        TicketState {
            flags: TicketFlags::USED.with_if(TicketFlags::INSIDE, true),
            uses: 1,
            first_use: Hlc(1_790_500_001_000 << 16),
            first_box: BoxNumber(12),
            first_zone: 2,
            wallet: Some(wallet()),
            used: 0b100,
            inside: 0b100,
            last_use: Hlc(1_790_500_001_000 << 16),
            last_box: BoxNumber(12),
            last_zone: 2,
            terms: Some(Terms {
                scheme: 1,
                product: [0x0102, 0, 0, 0],
                zones: u32::MAX,
                valid_from: 1_790_500_000,
                valid_until: 0,
            }),
            ..TicketState::empty(ticket())
        },
        TicketState { flags: TicketFlags::REVOKED, ..TicketState::empty(TicketUid([0x33; 16])) },
    ]
}

pub(crate) fn delta(section: Section, items: Vec<u8>) -> SignedDelta {
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

pub(crate) fn bundle() -> Vec<u8> {
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
            stale_after_s: 3_600,
            admit_when_stale: true,
            correction_quota: cents(5_000),
            top_up_fee: cents(0),
        },
        ticket_keys: vec![chain_of(Purpose::Ticket, TICKET)],
        credit_keys: vec![desk_chain()],
        categories: vec![Category {
            number: 0x0102,
            name_fr: "Site".into(),
            name_en: "Site".into(),
            price: cents(9_000),
            zones: 5,
            voucher_product: None,
            voucher_quantity: 0,
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

pub(crate) fn config() -> BoxConfig {
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
        names: None,
    }
}

/// A product made by the hub's manager key, and an edit of its price at the box, as deltas carry them.
pub(crate) fn edits() -> Vec<Edit> {
    let manager = |n: u8| {
        let chain = CertificateChain(vec![certificate(Purpose::Manager, n, ROOT, Scope::nothing("Anaïs"))]);
        documents::SignedBy { key: key(n), chain }
    };
    let mut all = documents::Documents::new(founding());
    let mut edit = |settings: &[documents::Setting], author: &documents::Author, by: u8| {
        let signed = all.author(documents::Document::Catalogue, settings, author, &manager(by)).unwrap();
        let verified = all.verify(&signed).unwrap();
        all.judge(&verified).unwrap();
        Edit { change: verified.hash().0, envelope: signed.to_bytes() }
    };
    let beer = domain::catalogue::Product {
        number: 1,
        name_fr: "Bière".into(),
        name_en: "Beer".into(),
        group: "drinks".into(),
        price: cents(350),
        in_cup: true,
        sold_out: false,
        counted: None,
        counts: std::collections::BTreeMap::new(),
        low: 0,
        min_age: 18,
    };
    let hub = documents::Author { device: device_id(&public(2)), epoch: 2, operator: 0, at_ms: 1_790_500_100_000 };
    let at_box = documents::Author { device: device_id(&public(BOX)), epoch: 1, operator: 7, at_ms: 1_790_500_200_000 };
    let field = |field| documents::Path::Product(1, field);
    let dearer = [
        documents::Setting::to(field(documents::ProductField::Price), 400u32),
        documents::Setting::to(field(documents::ProductField::SoldOut), true),
    ];
    vec![edit(&documents::product(&beer), &hub, 40), edit(&dearer, &at_box, 41)]
}

/// What hub and box write about a share of an account, and, last, about one of a zone.
pub(crate) fn share_entries() -> Vec<(&'static str, Entry)> {
    let device = device_id(&public(BOX));
    let grant = EntryRef { device, epoch: 1, seq: 9 };
    let share = |granted, places, booked| Detail::Share(ShareGrant { epoch: 1, granted, places, booked });
    let said = |granted, released, places, needs| {
        Detail::ShareRelease(ShareRelease { term: 2, granted, released, places, needs })
    };
    let about = |kind, detail: Detail, refers_to| Entry {
        subject: device.into(),
        other: wallet().into(),
        part: detail.to_bytes(),
        refers_to,
        ..entry(kind, Effect::None, 1_790_500_400_000)
    };
    let release = |detail, refers_to| about(Kind::SHARE_RELEASE, detail, refers_to);
    let all = Entry { other: Subject::NONE, ..release(said(0, 0, 0, 0), None) };
    vec![
        ("grant", about(Kind::SHARE, share(1_200, 500, 0), None)),
        ("booked", about(Kind::SHARE, share(1_200, 0, 700), None)),
        ("release", release(said(1_200, 300, 300, 0), Some(grant))),
        ("needs", release(said(1_200, 300, 0, 450), Some(grant))),
        ("zone", Entry { subject: Subject::NONE, zone: 3, ..all.clone() }),
        ("all", all),
    ]
}

/// What the hub says of shares.
pub(crate) fn account_shares() -> [AccountShare; 2] {
    let device = device_id(&public(BOX));
    let grant = Some(EntryRef { device, epoch: 1, seq: 9 });
    let share = AccountShare { wallet: wallet(), device, epoch: 1, granted: 1_200, asked: 300, booked: 0, grant };
    [share, AccountShare { wallet: other_wallet(), granted: 0, asked: 0, booked: 700, grant: None, ..share }]
}
