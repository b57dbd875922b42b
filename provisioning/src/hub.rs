//! Enrols a hub: its folder with keys, chains, screens certificate, console token and first settings.
//! Invariant: a hub's folder appears whole or is not used; what was made is recorded in the festival's `hub/` before.
//! Not here: what the hub does with them (`sync-hub`).
use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use domain::{
    id::DeviceId,
    journal::Kind,
    trust::{CertificateChain, Purpose, Scope},
    wire::{hex, to_cbor, unhex},
};
use serde::{Deserialize, Serialize};

use crate::{Failure, Festival, Lang, files, random, tls};

/// The festival that a new hub begins with; people edit it.
pub const FIRST_FESTIVAL: &str = include_str!("../seed/festival.toml");

/// What the hub writes in its own journal.
const KINDS: [Kind; 23] = [
    Kind::GENESIS,
    Kind::CORRECTION_PLUS,
    Kind::CORRECTION_MINUS,
    Kind::REFUND,
    Kind::BAND_TRANSFER,
    Kind::PENDING_CREDIT,
    Kind::CLOSURE,
    Kind::NOTE,
    Kind::EXPIRY,
    Kind::FEE,
    Kind::GIFT,
    Kind::SUSPICION,
    Kind::COUNTERSIGNATURE,
    Kind::BLOCK,
    Kind::UNBLOCK,
    Kind::REVOCATION,
    Kind::DECISION,
    Kind::SHARE,
    Kind::ONLINE_CREDIT,
    Kind::ONLINE_TOP_UP,
    Kind::WRITTEN_OFF,
    Kind::RULING,
    Kind::TOP_UP,
];

/// Key files of a hub, and what each is for.
const KEYS: [(&str, Purpose); 6] = [
    ("hub", Purpose::Hub),
    ("bundle", Purpose::Bundle),
    ("ticket-1", Purpose::Ticket),
    ("ticket-2", Purpose::Ticket),
    ("credit-online", Purpose::CreditOnline),
    ("manager", Purpose::Manager),
];

/// Where a new hub listens and how it is reached.
#[derive(Clone, Debug)]
pub struct HubPlan {
    /// QUIC, `ADDR:PORT`.
    pub quic: String,
    /// HTTPS, `ADDR:PORT`.
    pub https: String,
    /// QUIC addresses as boxes reach them; empty: the listening one, where it has a port.
    pub public_quic: Vec<String>,
    /// Further host names of its console.
    pub names: Vec<String>,
    /// Language of its console.
    pub lang: Lang,
}

#[derive(Serialize)]
struct HubSettings<'a> {
    listen_quic: &'a str,
    listen_https: &'a str,
    public_quic: &'a [String],
    language: &'a str,
}

/// What is written down of one hub: `hub/DEVICE.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubRecord {
    /// Who it is.
    pub device: String,
    /// Its public key.
    pub key: String,
    /// Unix seconds when it was enrolled.
    pub at: u64,
    /// How boxes reach it.
    pub public_quic: Vec<String>,
    /// Chains of its keys, by the name of their file; canonical CBOR in hexadecimal.
    pub chains: std::collections::BTreeMap<String, String>,
}

impl HubRecord {
    /// The device it is about.
    pub fn device(&self) -> Option<DeviceId> {
        DeviceId::from_hex(&self.device)
    }

    /// Its public key.
    pub fn key(&self) -> Option<[u8; 32]> {
        unhex(&self.key)?.try_into().ok()
    }
}

fn scope(name: &str, purpose: Purpose) -> Scope {
    match purpose {
        Purpose::Hub => Scope {
            kinds: KINDS.iter().filter_map(|kind| kind.bit()).fold(0, |all, bit| all | bit),
            ..Scope::nothing(name)
        },
        Purpose::Enrol
        | Purpose::Ticket
        | Purpose::Credit
        | Purpose::CreditOnline
        | Purpose::Bundle
        | Purpose::Device
        | Purpose::Manager => Scope::nothing(name),
    }
}

/// Makes a hub's folder. It is made beside its place under another name and moved there when it is whole.
pub fn enrol(festival: &Festival, out: &Path, plan: &HubPlan, at: u64) -> Result<HubRecord, Failure> {
    festival.root_key()?;
    if out.exists() {
        return Err(Failure::AlreadyThere(out.into()));
    }
    for address in [&plan.quic, &plan.https] {
        std::net::SocketAddr::from_str(address).map_err(|_| Failure::Address(address.clone()))?;
    }
    let mut draft = out.as_os_str().to_owned();
    draft.push(format!(".{}", hex(&random::bytes::<6>()?)));
    let draft = PathBuf::from(draft);
    let made = fill(festival, &draft, plan, at).and_then(|record| recorded(festival, &draft, out, record));
    if made.is_err() {
        // Keys that nobody recorded are of no use; what remains of them goes.
        let _ = std::fs::remove_dir_all(&draft);
    }
    made
}

/// The record first: keys that may sign bundles and credits are never without one.
fn recorded(festival: &Festival, draft: &Path, out: &Path, record: HubRecord) -> Result<HubRecord, Failure> {
    let text = toml::to_string(&record).map_err(|error| Failure::Internal(error.to_string()))?;
    let path = festival.dir().join("hub").join(format!("{}.toml", record.device));
    files::place_new(&path, text.as_bytes())?;
    if let Err(error) = std::fs::rename(draft, out) {
        let _ = std::fs::remove_file(&path);
        return Err(Failure::File { path: out.into(), reason: error.to_string() });
    }
    files::sync_folder(out)?;
    Ok(record)
}

fn fill(festival: &Festival, dir: &Path, plan: &HubPlan, at: u64) -> Result<HubRecord, Failure> {
    for folder in ["", "keys", "ticket-keys", "secrets", "tls", "band-keys", "credit", "lan", "staff"] {
        files::new_dir(&dir.join(folder))?;
    }
    let mut chains = std::collections::BTreeMap::new();
    let mut hub_key = [0; 32];
    for (name, purpose) in KEYS {
        let key = files::new_key(&dir.join(format!("keys/{name}.key")))?;
        let subject = key.verifying_key().to_bytes();
        let chain = festival.issue_certificate(purpose, subject, scope(name, purpose))?.to_bytes();
        files::write_new(&dir.join(format!("keys/{name}.chain")), &chain)?;
        chains.insert(name.to_string(), hex(&chain));
        if purpose == Purpose::Hub {
            hub_key = subject;
        }
    }
    files::write_new(&dir.join("founding.cbor"), &festival.founding().to_bytes())?;
    let secrets = zeroize::Zeroizing::new(to_cbor(&festival.band_secrets()?));
    files::write_new(&dir.join("secrets/bands.cbor"), &secrets)?;
    files::write_new(&dir.join("secrets/names.key"), festival.names_key()?.bytes())?;

    let ca = festival.screens_ca()?;
    let hosts: Vec<String> = tls::host_of(&plan.https).into_iter().chain(plan.names.iter().cloned()).collect();
    let leaf = ca.issue("Festival hub", &hosts)?;
    files::write_new(&dir.join("tls/ca.pem"), ca.pem().as_bytes())?;
    files::write_new(&dir.join("tls/cert.pem"), leaf.certificate.as_bytes())?;
    files::write_new(&dir.join("tls/key.pem"), leaf.key.as_bytes())?;
    files::write_new(&dir.join("console.token"), hex(random::secret()?.as_slice()).as_bytes())?;

    let public_quic = public_addresses(plan);
    let settings = HubSettings {
        listen_quic: &plan.quic,
        listen_https: &plan.https,
        public_quic: &public_quic,
        language: plan.lang.tag(),
    };
    let settings = toml::to_string(&settings).map_err(|error| Failure::Internal(error.to_string()))?;
    files::write_new(&dir.join("hub.toml"), settings.as_bytes())?;
    files::write_new(&dir.join("festival.toml"), FIRST_FESTIVAL.as_bytes())?;
    let device = domain::id::device_id(&hub_key).to_hex();
    Ok(HubRecord { device, key: hex(&hub_key), at, public_quic, chains })
}

fn public_addresses(plan: &HubPlan) -> Vec<String> {
    let listening = std::net::SocketAddr::from_str(&plan.quic).ok();
    match listening {
        Some(address) if plan.public_quic.is_empty() && address.port() != 0 && !address.ip().is_unspecified() => {
            vec![plan.quic.clone()]
        }
        Some(_) | None => plan.public_quic.clone(),
    }
}

impl Festival {
    /// Every hub enrolled.
    pub fn hubs(&self) -> Result<Vec<HubRecord>, Failure> {
        let read = |path: &PathBuf| {
            toml::from_str(&files::read_text(path)?).map_err(|error| Failure::damaged(path, error.message()))
        };
        files::list(&self.dir().join("hub"), "toml")?.iter().map(read).collect()
    }
}

/// Reads and verifies a chain file of a hub's folder.
pub fn read_chain(festival: &Festival, path: &Path, purpose: Purpose) -> Result<CertificateChain, Failure> {
    let chain = CertificateChain::from_bytes(&files::read(path)?).map_err(|error| Failure::damaged(path, error))?;
    chain.verify_for(festival.founding(), purpose).map_err(|error| Failure::damaged(path, error))?;
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use domain::{money::Currency, secrets::BandSecrets};

    use super::*;

    fn plan() -> HubPlan {
        HubPlan {
            quic: "127.0.0.1:0".into(),
            https: "127.0.0.1:0".into(),
            public_quic: Vec::new(),
            names: vec!["hub.example".into()],
            lang: Lang::Fr,
        }
    }

    #[test]
    fn a_new_hub_folder_is_complete_and_its_chains_lead_to_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("hub");
        let record = enrol(&festival, &out, &plan(), 1).unwrap();
        for folder in ["band-keys", "credit", "lan", "staff", "ticket-keys"] {
            assert!(out.join(folder).is_dir(), "{folder}: the tool's files go there");
        }
        for (name, purpose) in KEYS {
            let key = files::read_key(&out.join(format!("keys/{name}.key"))).unwrap();
            let chain = read_chain(&festival, &out.join(format!("keys/{name}.chain")), purpose).unwrap();
            assert_eq!(chain.verify(festival.founding()).unwrap().subject, key.verifying_key().to_bytes(), "{name}");
            assert_eq!(files::mode(&out.join(format!("keys/{name}.key"))), Ok(0o600));
        }
        let hub = files::read_key(&out.join("keys/hub.key")).unwrap();
        assert_eq!(record.key(), Some(hub.verifying_key().to_bytes()));
        let secrets: BandSecrets =
            domain::wire::from_canonical_cbor(&files::read(&out.join("secrets/bands.cbor")).unwrap()).unwrap();
        assert_eq!(secrets, festival.band_secrets().unwrap());
        assert_eq!(files::read(&out.join("secrets/names.key")).unwrap(), festival.names_key().unwrap().bytes());
        assert_eq!(files::read(&out.join("founding.cbor")).unwrap(), festival.founding().to_bytes());
        assert_eq!(unhex(&files::read_text(&out.join("console.token")).unwrap()).unwrap().len(), 32);
        assert_eq!(festival.hubs().unwrap(), [record]);

        let first: toml::Table = toml::from_str(&files::read_text(&out.join("festival.toml")).unwrap()).unwrap();
        assert_eq!(first["policy"]["maximum_balance"].as_integer(), Some(30_000));
        assert_eq!(first["category"].as_array().map(Vec::len), Some(3));
        assert!(first["product"].as_array().unwrap().iter().any(|product| product["in_cup"].as_bool() == Some(true)));
        let settings: toml::Table = toml::from_str(&files::read_text(&out.join("hub.toml")).unwrap()).unwrap();
        assert_eq!(settings["language"].as_str(), Some("fr"));
        assert_eq!(settings["listen_quic"].as_str(), Some("127.0.0.1:0"));
    }

    #[test]
    fn a_hub_that_cannot_be_recorded_is_not_made_and_one_that_cannot_be_placed_leaves_no_record() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let (records, away) = (festival.dir().join("hub"), temp.path().join("records"));
        std::fs::rename(&records, &away).unwrap();
        assert!(matches!(enrol(&festival, &temp.path().join("hub"), &plan(), 1), Err(Failure::Missing(_))));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2, "keys without a record");
        std::fs::rename(&away, &records).unwrap();
        let record = fill(&festival, &temp.path().join("draft"), &plan(), 1).unwrap();
        let nowhere = temp.path().join("missing/hub");
        assert!(recorded(&festival, &temp.path().join("draft"), &nowhere, record).is_err());
        assert!(festival.hubs().unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_is_there_and_a_bad_address_leave_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("hub");
        let bad = HubPlan { quic: "nowhere".into(), ..plan() };
        assert_eq!(enrol(&festival, &out, &bad, 1), Err(Failure::Address("nowhere".into())));
        let bad = HubPlan { names: vec!["ü.example".into()], ..plan() };
        assert!(matches!(enrol(&festival, &out, &bad, 1), Err(Failure::Tls(_))));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "only the festival is there");
        std::fs::create_dir(&out).unwrap();
        assert_eq!(enrol(&festival, &out, &plan(), 1), Err(Failure::AlreadyThere(out)));
        assert!(festival.hubs().unwrap().is_empty());
    }

    #[test]
    fn a_hub_with_a_port_of_its_own_is_reached_there() {
        let fixed = HubPlan { quic: "10.0.0.5:4433".into(), ..plan() };
        assert_eq!(public_addresses(&fixed), ["10.0.0.5:4433"]);
        let everywhere =
            HubPlan { quic: "0.0.0.0:4433".into(), public_quic: vec!["hub.example:4433".into()], ..plan() };
        assert_eq!(public_addresses(&everywhere), ["hub.example:4433"]);
    }
}
