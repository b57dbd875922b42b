//! What all worlds of a run share: keys, certificates' rights, the bundle, issued bands and sold tickets.
//! Invariant: the same in every run; nothing here changes.
//! Not here: what happens to bands and tickets (`world`).
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use domain::{
    bundle::{Bundle, BundleBody, Category, Policy},
    id::{BoxNumber, DeviceId, FestivalId, WalletId, key_id},
    ledger::Rights,
    money::{Cents, Currency},
    secrets::{BandSecrets, MasterSecret},
    ticket::{TicketKey, Verifier, own::OwnTicket},
    trust::{Founding, Purpose, Roles, Scope},
    wristband::{
        BandKeys, ChipKind, CreditKey, IssueStep, Issuing,
        tap::{ChipFault, TapContext},
    },
    zones::{PassageMode, Zone, ZoneRules},
};
use ed25519_dalek::SigningKey;
use hardware::{
    chip::{Chip, Ntag21x, NtagType, Reply, UidOnly, UltralightAes},
    tag::Uid,
};

/// Bands of each kind that are in stock.
const STOCK: u8 = 8;
/// Tickets sold.
const SOLD: u8 = 24;
/// A zone that is entered once, and one that may be left and entered again.
pub(crate) const ONCE_ZONE: u16 = 0;
/// See [`ONCE_ZONE`].
pub(crate) const RE_ENTRY_ZONE: u16 = 1;

/// What a box does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sells.
    Bar,
    /// Puts money on bands and pays it out.
    Desk,
    /// Lets people in and out.
    Gate,
}

/// How a band keeps money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// NTAG215, on the chip.
    Ntag,
    /// Ultralight AES, on the chip.
    Aes,
    /// In the ledger.
    Account,
}

/// A band as the supplier made it.
#[derive(Clone)]
pub(crate) struct Stocked {
    /// Fresh chip.
    pub(crate) chip: Chip,
    /// Where its money is.
    pub(crate) keeping: Keeping,
    /// Its account.
    pub(crate) wallet: WalletId,
    /// Its keys.
    pub(crate) keys: BandKeys,
    /// Its identifier.
    pub(crate) uid: Vec<u8>,
}

/// A ticket as it was sold.
#[derive(Clone)]
pub(crate) struct Sold {
    /// What the QR says.
    pub(crate) text: String,
}

/// Everything that worlds share.
pub(crate) struct Festival {
    /// Its id.
    pub(crate) id: FestivalId,
    /// Its currency.
    pub(crate) currency: Currency,
    /// Masters of the bands' keys.
    pub(crate) secrets: BandSecrets,
    /// Bands in stock.
    pub(crate) bands: Vec<Stocked>,
    /// Tickets sold.
    pub(crate) tickets: Vec<Sold>,
    /// Credit keys that count.
    pub(crate) credit_keys: Vec<CreditKey>,
    /// The hub's key for C′.
    pub(crate) online_key: SigningKey,
    /// Genuine tickets.
    pub(crate) verifier: Verifier,
    /// The bundle that boxes hold.
    pub(crate) bundle: Bundle,
    /// Rules of the zones.
    pub(crate) zones: ZoneRules,
}

/// The key of desk `n`.
pub(crate) fn desk_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[0x40 | n; 32])
}

fn trusted(key: &SigningKey) -> CreditKey {
    let public = key.verifying_key().to_bytes();
    CreditKey { id: key_id(&public), public, revoked: false }
}

/// The device of box `n`.
pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId([n; 16])
}

/// What box certificates of a role allow.
pub(crate) fn rights(role: Option<Role>) -> Rights {
    let (purpose, roles) = match role {
        None => (Purpose::Hub, Roles::default()),
        Some(Role::Bar) => (Purpose::Device, Roles::BAR),
        Some(Role::Desk) => (Purpose::Device, Roles::BAR.and(Roles::TOP_UP)),
        Some(Role::Gate) => (Purpose::Device, Roles::GATE),
    };
    Rights::new(purpose, &Scope { roles, kinds: u64::MAX, ..Scope::nothing("simulated") })
}

impl Festival {
    /// Founds it, issues its bands and sells its tickets.
    pub(crate) fn found() -> Result<Self> {
        let root = SigningKey::from_bytes(&[1; 32]);
        let founding = Founding {
            version: 1,
            root: root.verifying_key().to_bytes(),
            spare_root_hash: [0x5a; 32],
            name: "Simulated".into(),
            currency: Currency::EUR,
            founded: 1_790_000_000,
        };
        let id = founding.festival();
        let secrets = MasterSecret([22; 32]).band_secrets(&id);
        let supplier = SigningKey::from_bytes(&[2; 32]);
        let ticket_key = SigningKey::from_bytes(&[3; 32]);
        let online_key = SigningKey::from_bytes(&[4; 32]);
        let mut credit_keys = vec![trusted(&supplier), trusted(&online_key)];
        credit_keys.extend((0..3).map(|n| trusted(&desk_key(n))));
        let mut bands = Vec::new();
        for n in 0..STOCK {
            for (series, keeping) in
                [Keeping::Ntag, Keeping::Account, Keeping::Aes, Keeping::Account].into_iter().enumerate()
            {
                let n = n * 4 + series as u8;
                bands.push(issued(n, keeping, &secrets, id, &supplier)?);
            }
        }
        let tickets = (0..SOLD).map(|n| sold(n, id, &ticket_key)).collect();
        let zone = |number, mode| Zone { number, mode, ..Zone::default() };
        Ok(Self {
            id,
            currency: Currency::EUR,
            secrets,
            bands,
            tickets,
            credit_keys,
            online_key,
            verifier: Verifier {
                festival: id,
                ticket_keys: vec![TicketKey::new(ticket_key.verifying_key())],
                pretix_events: Vec::new(),
            },
            bundle: Bundle { festival: id, signer: [0; 32], body: body(&founding)?, founding },
            zones: ZoneRules {
                zones: vec![zone(ONCE_ZONE, PassageMode::Once), zone(RE_ENTRY_ZONE, PassageMode::ReEntry)],
            },
        })
    }

    /// What a box that bears this number is told of taps.
    pub(crate) fn tap_context(&self, of: DeviceId, box_number: BoxNumber) -> Arc<TapContext> {
        Arc::new(TapContext {
            festival: self.id,
            currency: self.currency,
            box_number,
            secrets: self.secrets.clone(),
            retired_epochs: Vec::new(),
            credit_keys: self.credit_keys.clone(),
            maximum_balance: self.bundle.body.policy.maximum_balance,
            operator: 7,
            own_device: of,
        })
    }
}

fn cents(amount: u32) -> Result<Cents> {
    Cents::new(amount).context("an amount beyond what cents hold")
}

fn body(founding: &Founding) -> Result<BundleBody> {
    Ok(BundleBody {
        version: 1,
        founding: founding.to_bytes(),
        number: 1,
        issued: 1_800_000_000,
        policy: Policy {
            maximum_balance: cents(30_000)?,
            offline_limit: cents(1_500)?,
            cup_deposit: cents(100)?,
            time_uncertainty_s: 300,
            admit_when_time_uncertain: true,
            stale_after_s: 0,
            admit_when_stale: true,
            correction_quota: cents(2_000)?,
            top_up_fee: Cents::ZERO,
        },
        ticket_keys: vec![],
        credit_keys: vec![],
        categories: vec![Category {
            number: 1,
            name_fr: "Festival entier".into(),
            name_en: "Full festival".into(),
            price: cents(12_000)?,
            zones: 3,
            voucher_product: None,
            voucher_quantity: 0,
        }],
        events: vec![],
        products: vec![],
        price_revision: 7,
        catalogue: vec![],
        revoked: vec![],
        blocked: vec![],
        places: vec![],
        sections: vec![],
    })
}

fn sold(n: u8, festival: FestivalId, key: &SigningKey) -> Sold {
    let ticket_id = [n; 12];
    let ticket = OwnTicket { ticket_id, category: 1, zones: 3, valid_from: 0, valid_until: 0, holder_check: 0 };
    Sold { text: ticket.sign(&festival, key) }
}

fn issued(
    n: u8,
    keeping: Keeping,
    secrets: &BandSecrets,
    festival: FestivalId,
    supplier: &SigningKey,
) -> Result<Stocked> {
    let (series, kind) = match keeping {
        Keeping::Ntag => (0xf1, Some(ChipKind::Ntag215)),
        Keeping::Aes => (0xa5, Some(ChipKind::UltralightAes)),
        Keeping::Account => (0xe7, None),
    };
    let uid = [0x04, series, 0, 0, 0, n, 0x80];
    let mut chip: Chip = match keeping {
        Keeping::Ntag => Ntag21x::new(NtagType::Ntag215, uid).into(),
        Keeping::Aes => UltralightAes::new(uid, [n; 16]).into(),
        Keeping::Account => UidOnly::new(Uid::seven(uid)).into(),
    };
    if let Some(kind) = kind {
        chip.enter_field();
        let mut issuing = Issuing::new(kind, BandKeys::new(secrets, &festival, &uid), supplier, [[1; 16], [2; 16]]);
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
                    end.map_err(|error| anyhow!("a new {kind:?} is made no band: {error}"))?;
                    break;
                }
            }
        }
        chip.leave_field();
    }
    let wallet = secrets.wallet(&uid);
    Ok(Stocked { chip, keeping, wallet, keys: BandKeys::new(secrets, &festival, &uid), uid: uid.to_vec() })
}
