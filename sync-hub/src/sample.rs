//! A small festival on disk, and boxes that write journals, for the tests of this crate.
use std::{path::Path, sync::Arc};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, TicketUid, WalletId, device_id},
    journal::{
        Admission, ChainCursor, Detail, Effect, Entry, Flags, Genesis, Head, Kind, Marks, Subject, TopUp, ZERO_HASH,
    },
    money::{Cents, Currency},
    secrets::MasterSecret,
    time::Hlc,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::to_cbor,
};
use ed25519_dalek::SigningKey;
use sync::{
    Segment,
    frame::{Hello, PROTOCOL},
};
use tempfile::TempDir;

use crate::{Hub, Identity, VerifiedSegment};

pub(crate) const TOML: &str = r#"
price_revision = 3
[policy]
maximum_balance = 30000
[[category]]
number = 1
name_fr = "Pass 3 jours"
name_en = "3-day pass"
price_cents = 12000
zones = 1
[[product]]
number = 1
name_fr = "Bière"
name_en = "Beer"
group = "drinks"
price_cents = 350
in_cup = true
"#;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn founding() -> Founding {
    Founding {
        version: 1,
        root: key(1).verifying_key().to_bytes(),
        spare_root_hash: [0; 32],
        name: "Test".into(),
        currency: Currency::EUR,
        founded: 0,
    }
}

pub(crate) fn festival() -> FestivalId {
    founding().festival()
}

fn certificate(subject: &SigningKey, purpose: Purpose, scope: Scope) -> Certificate {
    Certificate {
        version: 1,
        festival: festival(),
        purpose,
        subject: subject.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: subject.verifying_key().to_bytes()[..16].try_into().unwrap(),
        valid_from: 0,
        valid_until: 0,
        scope,
    }
}

fn chain(subject: &SigningKey, purpose: Purpose, scope: Scope) -> CertificateChain {
    CertificateChain(vec![SignedCertificate::issue(certificate(subject, purpose, scope), &key(1))])
}

pub(crate) fn box_chain(n: u8, roles: Roles) -> CertificateChain {
    device_chain(n, roles, (n.into(), n.into()))
}

/// A box with key `n` and these numbers.
pub(crate) fn device_chain(n: u8, roles: Roles, numbers: (u16, u16)) -> CertificateChain {
    let scope = Scope { place: format!("Place {n}"), roles, kinds: u64::MAX, box_numbers: numbers, quota_cents: 0 };
    chain(&key(n), Purpose::Device, scope)
}

pub(crate) fn credit_chain(n: u8) -> CertificateChain {
    credit_chain_of(n, 0)
}

/// A desk's that may put on so much.
pub(crate) fn credit_chain_of(n: u8, quota_cents: u64) -> CertificateChain {
    chain(&key(n), Purpose::Credit, Scope { quota_cents, ..Scope::nothing("Desk") })
}

/// Lays ticket key `n` into `ticket-keys/`, valid between these unix seconds (0: open).
pub(crate) fn lay_ticket_key(dir: &Path, n: u8, valid_from: u64, valid_until: u64) {
    let folder = dir.join("ticket-keys");
    std::fs::create_dir_all(&folder).unwrap();
    let certificate =
        Certificate { valid_from, valid_until, ..certificate(&key(n), Purpose::Ticket, Scope::nothing("hub")) };
    let chain = CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))]);
    std::fs::write(folder.join(format!("{n}.key")), [n; 32]).unwrap();
    std::fs::write(folder.join(format!("{n}.chain")), chain.to_bytes()).unwrap();
}

/// A hub's directory: root is key 1, hub 2, bundle 3, tickets 4, online credit 5.
pub(crate) fn hub_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    for folder in ["keys", "secrets"] {
        std::fs::create_dir(path.join(folder)).unwrap();
    }
    std::fs::write(path.join("founding.cbor"), founding().to_bytes()).unwrap();
    let hub = Scope { kinds: u64::MAX, ..Scope::nothing("hub") };
    for (name, n, purpose, scope) in [
        ("hub", 2, Purpose::Hub, hub),
        ("bundle", 3, Purpose::Bundle, Scope::nothing("hub")),
        ("ticket-1", 4, Purpose::Ticket, Scope::nothing("hub")),
        ("credit-online", 5, Purpose::CreditOnline, Scope::nothing("hub")),
        ("manager", 6, Purpose::Manager, Scope::nothing("hub")),
    ] {
        std::fs::write(path.join(format!("keys/{name}.key")), [n; 32]).unwrap();
        std::fs::write(path.join(format!("keys/{name}.chain")), chain(&key(n), purpose, scope).to_bytes()).unwrap();
    }
    let secrets = MasterSecret([9; 32]).band_secrets(&festival());
    std::fs::write(path.join("secrets/bands.cbor"), to_cbor(&secrets)).unwrap();
    std::fs::write(path.join("festival.toml"), TOML).unwrap();
    dir
}

pub(crate) fn open(dir: &Path) -> Hub {
    let identity = Arc::new(Identity::read(dir).unwrap());
    Hub::open(dir, identity, Arc::new(|| 1_800_000_000_000)).unwrap()
}

pub(crate) fn wallet(n: u8) -> WalletId {
    WalletId([n; 16])
}

pub(crate) fn ticket(n: u8) -> TicketUid {
    TicketUid([n ^ 0x80; 16])
}

/// A box that keeps its journal in memory, one commit an entry.
#[derive(Clone)]
pub(crate) struct SampleBox {
    pub(crate) key: SigningKey,
    pub(crate) device: DeviceId,
    pub(crate) epoch: u32,
    pub(crate) chain: CertificateChain,
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) heads: Vec<Head>,
    signatures: Vec<[u8; 64]>,
    cursor: ChainCursor,
    hlc: Hlc,
}

impl SampleBox {
    /// A box with key and number `n`, and its genesis.
    pub(crate) fn new(n: u8, roles: Roles) -> Self {
        Self::with_chain(n, box_chain(n, roles))
    }

    /// How it greets a hub, knowing nothing of it.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL,
            festival: festival(),
            chain: self.chain.to_bytes(),
            device: self.device,
            epoch: self.epoch,
            roles: Roles(7),
            sections: Vec::new(),
            bundle: 0,
            software: "test".into(),
            further: Vec::new(),
        }
    }

    /// Another hub node with key `n`, and its genesis.
    pub(crate) fn hub(n: u8) -> Self {
        let scope = Scope { kinds: u64::MAX, ..Scope::nothing("other hub") };
        Self::with_chain(n, chain(&key(n), Purpose::Hub, scope))
    }

    fn with_chain(n: u8, chain: CertificateChain) -> Self {
        let key = key(n);
        Self::begun(n, key, chain, 0)
    }

    /// The same box in its next epoch: a journal that begins anew.
    pub(crate) fn in_next_epoch(&self, n: u8) -> Self {
        Self::begun(n, self.key.clone(), self.chain.clone(), self.epoch + 1)
    }

    fn begun(n: u8, key: SigningKey, chain: CertificateChain, epoch: u32) -> Self {
        let device = device_id(&key.verifying_key().to_bytes());
        let mut made = Self {
            device,
            epoch,
            bodies: Vec::new(),
            heads: Vec::new(),
            signatures: Vec::new(),
            cursor: ChainCursor::start(festival(), device, epoch),
            hlc: Hlc(u64::from(n) << 20),
            chain,
            key,
        };
        let genesis = Genesis {
            festival: festival(),
            public_key: made.key.verifying_key().to_bytes(),
            box_number: BoxNumber(n.into()),
            epoch,
            chain: made.chain.to_bytes(),
            previous: None,
            software: "test".into(),
        };
        let entry = Entry { part: Detail::Genesis(genesis).to_bytes(), ..made.entry(Kind::GENESIS, Effect::None, 0) };
        made.commit(entry);
        made
    }

    pub(crate) fn entry(&mut self, kind: Kind, effect: Effect, cents: u32) -> Entry {
        self.hlc = self.hlc.tick(0);
        Entry { amount: Cents::new(cents).unwrap(), ..Entry::new(kind, effect, Currency::EUR, self.hlc) }
    }

    pub(crate) fn commit(&mut self, mut entry: Entry) -> EntryRef {
        entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        self.raw(entry.to_bytes())
    }

    pub(crate) fn raw(&mut self, body: Vec<u8>) -> EntryRef {
        let head = self.cursor.append(&body);
        self.bodies.push(body);
        self.heads.push(head);
        self.signatures.push(self.cursor.sign(&self.key).unwrap().signature);
        EntryRef { device: self.device, epoch: self.epoch, seq: head.seq }
    }

    pub(crate) fn top_up(&mut self, to: WalletId, cents: u32) -> EntryRef {
        let part =
            Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: domain::journal::Means::Cash }).to_bytes();
        let entry = Entry { subject: to.into(), part, ..self.entry(Kind::TOP_UP, Effect::Credit, cents) };
        self.commit(entry)
    }

    pub(crate) fn sale(&mut self, from: WalletId, cents: u32) -> EntryRef {
        let entry = Entry { subject: from.into(), ..self.entry(Kind::SALE, Effect::Debit, cents) };
        self.commit(entry)
    }

    pub(crate) fn admit(&mut self, who: TicketUid) -> EntryRef {
        self.admit_to(who, 0)
    }

    pub(crate) fn admit_to(&mut self, who: TicketUid, zone: u16) -> EntryRef {
        let part = Detail::Admission(Admission {
            scheme: 1,
            marks: Marks::default(),
            product: [1, 0, 0, 0],
            reason: String::new(),
        })
        .to_bytes();
        let entry = Entry { subject: Subject::from(who), part, zone, ..self.entry(Kind::ADMISSION, Effect::In, 0) };
        self.commit(entry)
    }

    /// Entries `from..to`, verified.
    pub(crate) fn segment(&self, from: usize, to: usize) -> VerifiedSegment {
        let segment = Segment {
            device: self.device,
            epoch: self.epoch,
            first: from as u32,
            prev: if from == 0 { ZERO_HASH } else { self.heads[from - 1].hash },
            bodies: self.bodies[from..to].to_vec(),
            signature: self.signatures[to - 1],
        };
        VerifiedSegment::verify(segment, festival(), self.key.verifying_key().as_bytes()).unwrap()
    }

    /// Everything in segments of `each` entries.
    pub(crate) fn segments(&self, each: usize) -> Vec<VerifiedSegment> {
        let starts = (0..self.bodies.len()).step_by(each);
        starts.map(|from| self.segment(from, (from + each).min(self.bodies.len()))).collect()
    }

    /// Goes back to its first `count` entries, as a restored image does.
    pub(crate) fn restored(&self, count: usize) -> Self {
        let mut old = self.clone();
        old.bodies.truncate(count);
        old.heads.truncate(count);
        old.signatures.truncate(count);
        let head = *old.heads.last().unwrap();
        old.cursor = ChainCursor::after(festival(), self.device, self.epoch, head);
        old
    }
}
