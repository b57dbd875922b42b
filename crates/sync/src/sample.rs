//! A small festival for the tests of this crate.
use domain::{
    id::{DeviceId, FestivalId, device_id},
    journal::{ChainCursor, Detail, Effect, Entry, Flags, Genesis, Head, Kind},
    money::Currency,
    time::Hlc,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::to_cbor,
};
use ed25519_dalek::SigningKey;

use crate::segment::Segment;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

/// Root is key 1.
pub(crate) fn founding() -> Founding {
    Founding {
        version: 1,
        root: public(1),
        spare_root_hash: [0; 32],
        name: "Test".into(),
        currency: Currency::EUR,
        founded: 0,
    }
}

/// Chain of key `subject`, issued by key `issuer` (1 is the festival's root).
pub(crate) fn chain(subject: u8, purpose: Purpose, issuer: u8) -> CertificateChain {
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: public(subject),
        issuer: [0; 32],
        serial: [subject; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope {
            place: "Bar 3".into(),
            roles: Roles::BAR,
            kinds: u64::MAX,
            box_numbers: (1, 900),
            quota_cents: 0,
        },
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, &key(issuer))])
}

/// A journal kept in memory, one commit an entry.
pub(crate) struct Journal {
    pub(crate) key: SigningKey,
    pub(crate) device: DeviceId,
    pub(crate) epoch: u32,
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) heads: Vec<Head>,
    pub(crate) signatures: Vec<[u8; 64]>,
    cursor: ChainCursor,
}

impl Journal {
    /// A journal of key `n` with its genesis.
    pub(crate) fn open(n: u8, epoch: u32) -> Self {
        let festival: FestivalId = founding().festival();
        let mut journal = Self::without_genesis(n, epoch);
        let genesis = Genesis {
            festival,
            public_key: public(n),
            box_number: domain::id::BoxNumber(n.into()),
            epoch,
            chain: chain(n, Purpose::Device, 1).to_bytes(),
            previous: None,
            software: "0.1.0".into(),
        };
        let mut entry = Entry::new(Kind::GENESIS, Effect::None, Currency::EUR, Hlc(1));
        entry.part = to_cbor(&genesis);
        journal.commit(entry);
        journal
    }

    /// A journal of key `n` that nothing opens.
    pub(crate) fn without_genesis(n: u8, epoch: u32) -> Self {
        let (festival, device): (FestivalId, _) = (founding().festival(), device_id(&public(n)));
        Self {
            key: key(n),
            device,
            epoch,
            bodies: Vec::new(),
            heads: Vec::new(),
            signatures: Vec::new(),
            cursor: ChainCursor::start(festival, device, epoch),
        }
    }

    pub(crate) fn commit(&mut self, mut entry: Entry) -> Head {
        entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        self.append(entry.to_bytes())
    }

    pub(crate) fn append(&mut self, body: Vec<u8>) -> Head {
        let head = self.cursor.append(&body);
        self.bodies.push(body);
        self.heads.push(head);
        self.signatures.push(self.cursor.sign(&self.key).unwrap().signature);
        head
    }

    pub(crate) fn note(&mut self, text: &str) -> Head {
        let mut entry = Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(1 << 16));
        entry.part = Detail::Other(text.as_bytes().to_vec()).to_bytes();
        self.commit(entry)
    }

    pub(crate) fn len(&self) -> u32 {
        self.bodies.len() as u32
    }

    /// Segment from `first`, at most `max` entries; `None` beyond the head.
    pub(crate) fn segment(&self, first: u32, max: usize) -> Option<Segment> {
        let from = first as usize;
        let to = (from + max).min(self.bodies.len());
        (from < to).then(|| Segment {
            device: self.device,
            epoch: self.epoch,
            first,
            prev: if from == 0 { domain::journal::ZERO_HASH } else { self.heads[from - 1].hash },
            bodies: self.bodies[from..to].to_vec(),
            signature: self.signatures[to - 1],
        })
    }
}
