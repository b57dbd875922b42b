//! A box on the workbench, for tests: a real store in a folder of its own, a reader whose field is in this process.
//! Invariant: everything between the request and the chip is the box's own code.
use std::{path::Path, sync::Arc, time::Instant};

use box_store::Blobs;
use domain::{
    bundle::{BlobRef, Bundle, BundleBody, Category, Policy, Product, SECTION_NAMES, SECTION_TICKETS},
    id::{BoxNumber, TicketUid, WalletId},
    journal::{Entry, Kind},
    money::{Cents, Currency},
    names::{self, Named},
    secrets::{BandSecrets, MasterSecret, NamesKey},
    staff::{Member, StaffRoles},
    ticket::{
        own::OwnTicket,
        snapshot::{self, SnapshotProduct, SnapshotTicket},
        uid_of_own,
    },
    till::{Basket, PriceList, Priced},
    trust::{Certificate, CertificateChain, Founding, Purpose as KeyPurpose, Roles, Scope, SignedCertificate},
    wristband::{BandKeys, ChipKind, IssueStep, Issuing, tap::ChipFault},
};
use ed25519_dalek::SigningKey;
use hardware::{
    bench_reader::BenchReader,
    chip::{Chip, Ntag21x, NtagType, Reply, SharedBand, UidOnly, UltralightAes},
    fault::Fault,
    signal::{NoLight, Signal},
    tag::{TagReader, Uid},
};
use screens::view::TapResult;
use sync::enrolment::{BoxConfig, ScreenTls};

use crate::{
    clock::TrustedClock,
    config::Enrolled,
    loaded::Loaded,
    rules::Rules,
    run::store_of,
    station::{Station, fresh_id},
    tap_desk::{Purpose, RequestId},
    tapping,
};

/// Number and PIN of somebody who sells and tops up.
pub(crate) const WAITER: (u32, &str) = (7, "1234");
/// Number and PIN of a supervisor, who may do all that a waiter may.
pub(crate) const SUPERVISOR: (u32, &str) = (9, "8765");

const ROOT: u8 = 1;
const TICKET: u8 = 3;
const BOX: u8 = 30;

/// A box, its reader, and the folder that it lives in.
pub(crate) struct Bench {
    /// The box.
    pub station: Arc<Station>,
    reader: BenchReader,
    dir: tempfile::TempDir,
}

/// A wristband and its wallet.
pub(crate) struct Band {
    /// The chip.
    pub chip: SharedBand,
    /// Whose money it is.
    pub wallet: WalletId,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

fn founding() -> Founding {
    Founding {
        version: 1,
        root: key(ROOT).verifying_key().to_bytes(),
        spare_root_hash: [0x5a; 32],
        name: "Workbench".into(),
        currency: Currency::EUR,
        founded: 1_790_000_000,
    }
}

fn chain(purpose: KeyPurpose, subject: u8, roles: Roles) -> CertificateChain {
    chain_for(purpose, subject, roles, (12, 19))
}

fn chain_for(purpose: KeyPurpose, subject: u8, roles: Roles, box_numbers: (u16, u16)) -> CertificateChain {
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: key(subject).verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [subject; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope { roles, kinds: u64::MAX, box_numbers, ..Scope::nothing("here") },
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, &key(ROOT))])
}

/// A bar of the same festival that has numbers 20 to 27.
pub(crate) fn neighbour(n: u8) -> (SigningKey, CertificateChain) {
    (key(n), chain_for(KeyPurpose::Device, n, Roles::BAR, (20, 27)))
}

/// A node of its hub.
pub(crate) fn hub(n: u8) -> (SigningKey, CertificateChain) {
    (key(n), chain(KeyPurpose::Hub, n, Roles::default()))
}

/// The enrolment of a box of these roles, which pairs bands to tickets or not.
fn enrolled(dir: &Path, (roles, pairs_bands): (Roles, bool)) -> Enrolled {
    let device_chain = chain(KeyPurpose::Device, BOX, roles).to_bytes();
    let config = BoxConfig {
        version: 1,
        box_number: BoxNumber(12),
        place: "Bar 12".into(),
        roles,
        zone: 0,
        language: "en".into(),
        hubs: vec![],
        pairs_bands,
        screen: ScreenTls { certificate_pem: String::new(), key_pem: String::new() },
        band: secrets(),
        screen_key: "ab".into(),
        listen_https: "127.0.0.1:0".into(),
        devices: "virtual".into(),
        names: roles.has(Roles::GATE).then(names_key),
    };
    let credit = chain(KeyPurpose::Credit, BOX, Roles::TOP_UP).to_bytes();
    Enrolled::for_tests(dir, key(BOX), founding(), device_chain, vec![credit], config)
}

fn names_key() -> NamesKey {
    MasterSecret([22; 32]).names_key(&founding().festival())
}

fn secrets() -> BandSecrets {
    MasterSecret([22; 32]).band_secrets(&founding().festival())
}

fn product(number: u32, name: &str, price: u32, in_cup: bool) -> Product {
    let (name_fr, name_en, group) = (name.to_owned(), name.to_owned(), "drinks".to_owned());
    Product { number, name_fr, name_en, group, price: cents(price), in_cup }
}

fn body() -> BundleBody {
    BundleBody {
        version: 1,
        founding: founding().to_bytes(),
        number: 1,
        issued: 1_800_000_000,
        policy: Policy {
            maximum_balance: cents(30_000),
            offline_limit: cents(5_000),
            cup_deposit: cents(100),
            time_uncertainty_s: 300,
            admit_when_time_uncertain: false,
            stale_after_s: 0,
            admit_when_stale: true,
            correction_quota: cents(2_000),
            top_up_fee: Cents::ZERO,
        },
        ticket_keys: vec![chain(KeyPurpose::Ticket, TICKET, Roles::default())],
        credit_keys: vec![chain(KeyPurpose::Credit, BOX, Roles::TOP_UP)],
        categories: vec![Category {
            number: 1,
            name_fr: "Festival entier".into(),
            name_en: "Full festival".into(),
            price: cents(12_000),
            zones: 1,
            voucher_product: None,
            voucher_quantity: 0,
        }],
        events: vec![],
        products: vec![],
        price_revision: 7,
        catalogue: vec![
            product(1, "Beer", 350, true),
            product(2, "Chips", 400, false),
            product(3, "Lemonade", 300, true),
        ],
        revoked: vec![],
        blocked: vec![],
        places: vec![],
        sections: vec![],
    }
}

fn member(who: (u32, &str), roles: StaffRoles) -> Member {
    Member {
        number: who.0,
        name: format!("Nr {}", who.0),
        roles,
        pin: Some(documents::hash_pin(who.1, b"on the workbench").unwrap()),
        badge: None,
        zones: 0,
        active: true,
        sealed_key: Vec::new(),
    }
}

impl Bench {
    /// A bar and desk of a festival without a staff list.
    pub(crate) fn new() -> Self {
        Self::of_body(body())
    }

    /// A gate with a bar, which has the names of these holders; `change` is made to what the snapshot says of each.
    pub(crate) fn gate(holders: &[(u8, &str)], change: impl Fn(u8, &mut SnapshotTicket)) -> Self {
        Self::gate_with(false, holders, change)
    }

    /// The same that pairs a band to each ticket.
    pub(crate) fn pairing_gate(holders: &[(u8, &str)]) -> Self {
        Self::gate_with(true, holders, |_, _| {})
    }

    fn gate_with(pairs: bool, holders: &[(u8, &str)], change: impl Fn(u8, &mut SnapshotTicket)) -> Self {
        let mut body = body();
        let product = Some(SnapshotProduct { event: 0, product: 1 });
        let mut held = Vec::new();
        let mut named = Vec::new();
        for (number, name) in holders {
            let ticket = Self::uid_of_ticket(*number);
            let mut said = SnapshotTicket { product, window: Some((0, 0)), zones: 1, ..SnapshotTicket::bare(ticket) };
            change(*number, &mut said);
            held.push(said);
            named.push(Named { name: (*name).into(), ticket, product });
        }
        let festival = founding().festival();
        let tickets = snapshot::write(&festival, 1, held);
        let names = names::seal(&festival, &names_key(), &[5; 20], &named).unwrap();
        let blobs = [(SECTION_TICKETS, tickets), (SECTION_NAMES, names)];
        let count = u32::try_from(holders.len()).unwrap();
        body.sections = blobs.iter().map(|(number, bytes)| BlobRef::of(bytes, count).section(*number)).collect();
        body.sections.sort_by_key(|section| section.number);
        let blobs: Vec<_> = blobs.into_iter().map(|(_, bytes)| (BlobRef::of(&bytes, count), bytes)).collect();
        Self::of(body, (Roles::GATE.and(Roles::BAR), pairs), &blobs)
    }

    /// Who the ticket of this number is ([`Self::ticket`]).
    pub(crate) fn uid_of_ticket(number: u8) -> TicketUid {
        uid_of_own(&founding().festival(), &[number; 12])
    }

    /// The folder that the box lives in.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A waiter and a supervisor are on the list from now on.
    pub(crate) fn take_on_staff(&self) {
        let sells = StaffRoles::BAR.and(StaffRoles::TOP_UP);
        self.set_rules(|rules| {
            rules.staff.members = vec![member(WAITER, sells), member(SUPERVISOR, sells.and(StaffRoles::SUPERVISOR))];
        });
    }

    /// The same with another bundle.
    pub(crate) fn with_bundle(change: impl FnOnce(&mut BundleBody)) -> Self {
        let mut body = body();
        change(&mut body);
        Self::of_body(body)
    }

    /// The same with a waiter and a supervisor on the list.
    pub(crate) fn with_staff() -> Self {
        let bench = Self::new();
        bench.take_on_staff();
        bench
    }

    fn of_body(body: BundleBody) -> Self {
        Self::of(body, (Roles::BAR.and(Roles::TOP_UP), false), &[])
    }

    fn of(body: BundleBody, roles: (Roles, bool), with: &[(BlobRef, Vec<u8>)]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), body, roles, with)
    }

    /// The same bar and desk after its power was cut; without its staff list.
    pub(crate) fn restarted(self) -> Self {
        let Self { station, reader, dir } = self;
        drop((station, reader));
        let bench = Self::in_folder(dir, body(), (Roles::BAR.and(Roles::TOP_UP), false), &[]);
        bench.station.load_attempts().unwrap();
        bench
    }

    /// The same box after a start as a top-up desk, which it was enrolled again as for this epoch and these numbers.
    pub(crate) fn enrolled_again(self, epoch: u32, box_numbers: (u16, u16)) -> Self {
        let Self { station, reader, dir } = self;
        drop((station, reader));
        let mut enrolled = enrolled(dir.path(), (Roles::TOP_UP, false));
        enrolled.chain = chain_for(KeyPurpose::Device, BOX, Roles::TOP_UP, box_numbers).to_bytes();
        enrolled.config.box_number = BoxNumber(box_numbers.0);
        (enrolled.epoch, enrolled.box_numbers) = (epoch, box_numbers);
        Self::of_enrolled(dir, enrolled, body(), &[])
    }

    /// A box of these roles, which pairs bands to tickets or not.
    fn in_folder(dir: tempfile::TempDir, body: BundleBody, roles: (Roles, bool), with: &[(BlobRef, Vec<u8>)]) -> Self {
        let enrolled = enrolled(dir.path(), roles);
        Self::of_enrolled(dir, enrolled, body, with)
    }

    fn of_enrolled(dir: tempfile::TempDir, enrolled: Enrolled, body: BundleBody, with: &[(BlobRef, Vec<u8>)]) -> Self {
        let (store, _) = box_store::open(store_of(dir.path(), &enrolled), 0).unwrap();
        let bundle = Bundle { festival: founding().festival(), founding: founding(), signer: [0; 32], body };
        let clock = TrustedClock::at_boot(0, 0, Instant::now());
        let blobs = Blobs::beside(&dir.path().join("store.db"));
        with.iter().for_each(|(blob, bytes)| blobs.put(blob, bytes).unwrap());
        let loaded = Loaded::new(bundle, &blobs, enrolled.config.roles, &key(BOX)).unwrap();
        let station = Station::new(enrolled, store, blobs, loaded, clock, Box::new(NoLight));
        Self { station: Arc::new(station), reader: BenchReader::new(), dir }
    }

    /// Other rules from now on.
    pub(crate) fn set_rules(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = (*self.station.rules()).clone();
        change(&mut rules);
        self.station.set_rules(rules);
    }

    /// Logs in.
    pub(crate) fn log_in(&self, who: (u32, &str)) {
        self.station.log_in(who.0, who.1).unwrap();
    }

    /// All entries of a kind, oldest first.
    pub(crate) fn entries(&self, kind: Kind) -> Vec<Entry> {
        self.station
            .store
            .read(|view| {
                let head = view.head().unwrap().at;
                let all = (0..=head.seq).filter_map(|seq| view.entry(domain::id::EntryRef { seq, ..head }));
                all.filter(|entry| entry.kind == kind).collect()
            })
            .unwrap()
    }

    /// A band with a purse.
    pub(crate) fn purse(&self, number: u8) -> Band {
        let uid = [0x04, 0xf1, 0, 0, 0, number, 0x80];
        self.issued(uid, ChipKind::Ntag215, Ntag21x::new(NtagType::Ntag215, uid).into())
    }

    /// The same under a later epoch's keys.
    pub(crate) fn purse_of_epoch(&self, number: u8, epoch: u8) -> Band {
        let uid = [0x04, 0xf2, 0, 0, 0, number, 0x80];
        issued_under(keys_of_epoch(epoch, &uid), ChipKind::Ntag215, Ntag21x::new(NtagType::Ntag215, uid).into())
    }

    /// The same on a chip with a counter.
    pub(crate) fn aes_purse_of_epoch(&self, number: u8, epoch: u8) -> Band {
        let uid = [0x04, 0xa6, 0, 0, 0, number, 0x80];
        issued_under(keys_of_epoch(epoch, &uid), ChipKind::UltralightAes, UltralightAes::new(uid, [number; 16]).into())
    }

    /// A band with a purse on a chip with a counter.
    pub(crate) fn aes_purse(&self, number: u8) -> Band {
        let uid = [0x04, 0xa5, 0, 0, 0, number, 0x80];
        self.issued(uid, ChipKind::UltralightAes, UltralightAes::new(uid, [number; 16]).into())
    }

    /// A band whose memory proves that it is the festival's.
    pub(crate) fn pointer(&self, number: u8) -> Band {
        let uid = [0x04, 0xd3, 0, 0, 0, number, 0x80];
        self.issued(uid, ChipKind::Ntag213, Ntag21x::new(NtagType::Ntag213, uid).into())
    }

    fn issued(&self, uid: [u8; 7], kind: ChipKind, chip: Chip) -> Band {
        issued_under(BandKeys::new(&secrets(), &founding().festival(), &uid), kind, chip)
    }

    /// A band of this chip.
    pub(crate) fn band_of(&self, chip: impl Into<Chip>) -> Band {
        band_of(chip.into())
    }

    /// A band that has only a UID.
    pub(crate) fn uid_band(&self, number: u8) -> Band {
        let uid = [0x04, 0xe7, 0, 0, 0, number, 0x80];
        Band { chip: SharedBand::new(UidOnly::new(Uid::seven(uid))), wallet: secrets().wallet(&uid) }
    }

    /// The text of a ticket of this category.
    pub(crate) fn ticket(&self, number: u8, category: u16) -> String {
        let ticket =
            OwnTicket { ticket_id: [number; 12], category, zones: 1, valid_from: 0, valid_until: 0, holder_check: 0 };
        ticket.sign(&founding().festival(), &key(TICKET))
    }

    /// Puts money on a band.
    pub(crate) fn top_up(&self, band: &Band, amount: u32) {
        let order = crate::tap_desk::TopUpOrder {
            amount: cents(amount),
            fee: Cents::ZERO,
            means: domain::journal::Means::Cash,
        };
        assert_eq!(self.tap(Purpose::TopUp(order), band).0, Some(Signal::Ok));
    }

    /// Sells so many pieces of a product.
    pub(crate) fn sell(&self, band: &Band, product: u32, quantity: u32) {
        let lines = vec![domain::till::BasketLine { product, quantity, free: false }];
        let priced = self.priced(&Basket { lines, ..Basket::default() });
        assert_eq!(self.tap(Purpose::Sale(priced), band).0, Some(Signal::Ok));
    }

    /// A basket at the prices in force.
    pub(crate) fn priced(&self, basket: &Basket) -> Priced {
        let rules = self.station.rules();
        let (cup_deposit, now) = (cents(100), self.station.trusted_time());
        let list = PriceList { catalogue: &rules.catalogue, cup_deposit, now, time_uncertainty_s: 300 };
        domain::till::price(basket, &list).unwrap()
    }

    /// What is left on a purse by the chip's own records, and what the journal says.
    pub(crate) fn balances(&self, band: &Band) -> (i64, i64) {
        use domain::wristband::{
            PursePages,
            layout::{HEADER_PAGE, NTAG21X, ULTRALIGHT_AES},
        };

        let chip = band.chip.chip();
        let memory = &chip.memory()[usize::from(HEADER_PAGE) * 4..];
        let pages = match &chip {
            Chip::UltralightAes(aes) => {
                PursePages::ultralight_aes(&memory[..ULTRALIGHT_AES.length()], cents(aes.counters()[2]))
            }
            Chip::Ntag21x(_) | Chip::UidOnly(_) => PursePages::ntag21x(&memory[..NTAG21X.length()]),
        };
        let keys = BandKeys::new(&secrets(), &founding().festival(), chip.uid().as_bytes());
        let credit_keys = &self.station.tap_context().credit_keys;
        let purse = pages.unwrap().judge(&keys, credit_keys).unwrap();
        let wallet = band.wallet;
        let booked = self.station.store.read(move |view| view.wallet(&wallet).balance).unwrap();
        (purse.balance(Cents::ZERO).as_i64(), booked)
    }

    /// Asks for something and holds the band to the reader. Gives the light and what the screen shows.
    pub(crate) fn tap(&self, purpose: Purpose, band: &Band) -> (Option<Signal>, TapResult) {
        let id = fresh_id();
        self.tap_as(id, purpose, band, "")
    }

    /// The same as a given request, with what happens to the chip on the way.
    pub(crate) fn tap_as(
        &self,
        id: RequestId,
        purpose: Purpose,
        band: &Band,
        faults: &str,
    ) -> (Option<Signal>, TapResult) {
        self.station.desk.ask(id, purpose).unwrap();
        let light = self.hold(band, faults);
        (light, self.station.desk.progress().result.unwrap_or_default())
    }

    /// Holds the band to the reader, for whatever waits for it. Gives the light.
    pub(crate) fn hold(&self, band: &Band, faults: &str) -> Option<Signal> {
        let faults = if faults.is_empty() { Vec::new() } else { Fault::parse_several(faults).unwrap() };
        let mut reader = self.reader.clone();
        let before = self.reader.signals().len();
        self.reader.present(&band.chip, faults);
        let tag = loop {
            if let Some(tag) = reader.poll_tag().unwrap() {
                break tag;
            }
        };
        tapping::serve(&self.station, &mut reader, tag);
        self.reader.take_away();
        self.reader.signals().get(before).copied()
    }
}

/// Keys of a later epoch, of which no bench's box has heard.
fn keys_of_epoch(epoch: u8, uid: &[u8]) -> BandKeys {
    let festival = founding().festival();
    let later = MasterSecret([epoch; 32]).epoch_secrets(epoch, &festival).unwrap();
    BandKeys::of_epoch(epoch, &secrets().with(later), &festival, uid).unwrap()
}

fn band_of(chip: Chip) -> Band {
    let chip = SharedBand::new(chip);
    let wallet = secrets().wallet(chip.uid().as_bytes());
    Band { chip, wallet }
}

fn issued_under(keys: BandKeys, kind: ChipKind, mut chip: Chip) -> Band {
    let mut issuing = Issuing::new(kind, keys, &key(BOX), [[1; 16], [2; 16]]);
    chip.enter_field();
    loop {
        match issuing.step().clone() {
            IssueStep::Chip(command) => match chip.transmit(&command) {
                Reply::Data(bytes) => issuing.reply(Ok(&bytes)),
                Reply::Ack => issuing.reply(Ok(&[])),
                Reply::Nak(_) | Reply::Silent => issuing.reply(Err(ChipFault::Nak)),
            },
            IssueStep::Reselect => {
                chip.leave_field();
                chip.enter_field();
                issuing.reselected();
            }
            IssueStep::Finished(end) => {
                end.unwrap();
                break;
            }
        }
    }
    chip.leave_field();
    band_of(chip)
}
