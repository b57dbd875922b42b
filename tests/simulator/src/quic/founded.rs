//! A festival whose keys come from its seed: the hub's folder, the boxes' chains, guests' accounts.
//! Invariant: the same seed founds the same festival, byte for byte.
//! Not here: what happens (`hub`, `place`).
use std::{fs, path::Path};

use anyhow::{Context, Result};
use domain::{
    id::{BoxNumber, DeviceId, FestivalId, WalletId, device_id},
    money::Currency,
    secrets::MasterSecret,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::to_cbor,
};
use ed25519_dalek::SigningKey;

/// Box numbers that each box owns, for epochs after a restored image.
const NUMBERS: u16 = 8;
const POLICY: &str = "price_revision = 1\n[policy]\nmaximum_balance = 1000000\n";

/// What a box does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trade {
    /// Puts money on accounts.
    Desk,
    /// Takes it off them.
    Bar,
    /// Lets people in.
    Gate,
}

/// A box as it was enrolled.
pub(crate) struct Enrolled {
    /// Its key.
    pub(crate) key: SigningKey,
    /// Its name.
    pub(crate) device: DeviceId,
    /// Its chain.
    pub(crate) chain: CertificateChain,
    /// Its first number.
    pub(crate) number: BoxNumber,
    /// What it may do.
    pub(crate) roles: Roles,
    /// What it does.
    pub(crate) trade: Trade,
}

/// See the module.
pub(crate) struct Founded {
    seed: u64,
    root: SigningKey,
    /// The founding record.
    pub(crate) founding: Founding,
    /// Its id.
    pub(crate) id: FestivalId,
}

impl Founded {
    /// Founds it.
    pub(crate) fn new(seed: u64) -> Self {
        let root = key(seed, "root", 0);
        let founding = Founding {
            version: 1,
            root: root.verifying_key().to_bytes(),
            spare_root_hash: *blake3::hash(key(seed, "spare root", 0).verifying_key().as_bytes()).as_bytes(),
            name: "Simulated".into(),
            currency: Currency::EUR,
            founded: 1_790_000_000,
        };
        Self { seed, root, id: founding.festival(), founding }
    }

    /// The key of somebody.
    pub(crate) fn key(&self, of: &str, number: u64) -> SigningKey {
        key(self.seed, of, number)
    }

    fn chain(&self, subject: &SigningKey, purpose: Purpose, scope: Scope) -> CertificateChain {
        let subject = subject.verifying_key().to_bytes();
        let mut serial = [0; 16];
        serial.copy_from_slice(subject.split_at(16).0);
        let certificate = Certificate {
            version: 1,
            festival: self.id,
            purpose,
            subject,
            issuer: [0; 32],
            serial,
            valid_from: 0,
            valid_until: 0,
            scope,
        };
        CertificateChain(vec![SignedCertificate::issue(certificate, &self.root)])
    }

    /// Box `n`: one desk and one gate in five, the rest are bars.
    pub(crate) fn enrol(&self, n: usize) -> Result<Enrolled> {
        let (trade, roles) = match n % 5 {
            0 => (Trade::Desk, Roles::BAR.and(Roles::TOP_UP)),
            1 => (Trade::Gate, Roles::GATE),
            _ => (Trade::Bar, Roles::BAR),
        };
        let first = u16::try_from(n * usize::from(NUMBERS) + 1).context("more boxes than there are box numbers")?;
        let numbers = (first, first + NUMBERS - 1);
        let key = self.key("box", n as u64);
        let place = format!("Place {n}");
        let scope = Scope { place, roles, kinds: u64::MAX, box_numbers: numbers, quota_cents: 0 };
        let chain = self.chain(&key, Purpose::Device, scope);
        let device = device_id(key.verifying_key().as_bytes());
        Ok(Enrolled { device, chain, number: BoxNumber(first), roles, trade, key })
    }

    /// Makes the hub's folder.
    pub(crate) fn enrol_hub(&self, dir: &Path) -> Result<()> {
        for folder in ["keys", "secrets"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        fs::write(dir.join("founding.cbor"), self.founding.to_bytes())?;
        let all = Scope { kinds: u64::MAX, ..Scope::nothing("hub") };
        for (name, purpose, scope) in [
            ("hub", Purpose::Hub, all),
            ("bundle", Purpose::Bundle, Scope::nothing("hub")),
            ("ticket-1", Purpose::Ticket, Scope::nothing("hub")),
            ("credit-online", Purpose::CreditOnline, Scope::nothing("hub")),
            ("manager", Purpose::Manager, Scope::nothing("hub")),
        ] {
            let key = self.key(name, 0);
            fs::write(dir.join(format!("keys/{name}.key")), key.to_bytes())?;
            fs::write(dir.join(format!("keys/{name}.chain")), self.chain(&key, purpose, scope).to_bytes())?;
        }
        let secrets = MasterSecret([9; 32]).band_secrets(&self.id);
        fs::write(dir.join("secrets/bands.cbor"), to_cbor(&secrets))?;
        fs::write(dir.join("festival.toml"), POLICY)?;
        Ok(())
    }
}

fn key(seed: u64, of: &str, number: u64) -> SigningKey {
    let mut hash = blake3::Hasher::new_derive_key("festival 2026-11 simulated key");
    hash.update(&seed.to_le_bytes()).update(of.as_bytes()).update(&number.to_le_bytes());
    SigningKey::from_bytes(hash.finalize().as_bytes())
}

/// The account of guest `n`.
pub(crate) fn wallet(n: usize) -> WalletId {
    let mut wallet = [0x77; 16];
    wallet[..8].copy_from_slice(&(n as u64).to_le_bytes());
    WalletId(wallet)
}
