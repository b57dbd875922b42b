//! A festival's folder on the organiser's host: founding record, root, master secret, screens authority, and who was
//! enrolled. Invariant: it opens only if its founding record and its root belong together.
//!
//! A copy without `root.key` and `spare-root.key` is what a technician takes on site, with an enrol key (`issuer`).
use std::path::{Path, PathBuf};

use domain::{
    id::FestivalId,
    money::Currency,
    secrets::{MasterSecret, NamesKey},
    trust::{Certificate, CertificateChain, Founding, Purpose, Scope, SignedCertificate},
};
use ed25519_dalek::SigningKey;

use crate::{Failure, files, random, tls::ScreensCa};

/// Alphabetic codes of the currencies with two decimals that a festival can be held in, with their ISO 4217 numbers.
const CURRENCIES: [(&str, u16); 11] = [
    ("EUR", 978),
    ("CHF", 756),
    ("GBP", 826),
    ("USD", 840),
    ("CAD", 124),
    ("MAD", 504),
    ("DKK", 208),
    ("NOK", 578),
    ("SEK", 752),
    ("PLN", 985),
    ("CZK", 203),
];

/// The currency of an ISO 4217 code of three letters.
pub fn currency(code: &str) -> Result<Currency, Failure> {
    let known = CURRENCIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(code));
    known.map(|(_, number)| Currency(*number)).ok_or_else(|| Failure::Currency(code.into()))
}

/// The code of a currency; its number where the tool has no name for it.
pub fn currency_code(currency: Currency) -> String {
    let known = CURRENCIES.iter().find(|(_, number)| *number == currency.0);
    known.map_or_else(|| currency.0.to_string(), |(name, _)| (*name).to_string())
}

/// Certificate of `subject`, before it is signed. No dates: boxes have no clock, so validity follows revocation.
pub(crate) fn certificate(
    festival: FestivalId,
    purpose: Purpose,
    subject: [u8; 32],
    scope: Scope,
) -> Result<Certificate, Failure> {
    if scope.place.len() > 64 {
        return Err(Failure::Place(scope.place.len()));
    }
    let serial = random::bytes()?;
    Ok(Certificate {
        version: 1,
        festival,
        purpose,
        subject,
        issuer: [0; 32],
        serial,
        valid_from: 0,
        valid_until: 0,
        scope,
    })
}

/// An open festival folder.
pub struct Festival {
    dir: PathBuf,
    founding: Founding,
    root: Option<SigningKey>,
}

impl Festival {
    /// Founds a festival in a folder that is not there yet.
    pub fn create(dir: &Path, name: &str, currency: Currency, founded: u64) -> Result<Self, Failure> {
        if name.is_empty() || name.len() > 100 {
            return Err(Failure::Name(name.len()));
        }
        files::new_dir(dir)?;
        for folder in ["tls", "boxes", "hub", "enrol-keys"] {
            files::new_dir(&dir.join(folder))?;
        }
        let root = files::new_key(&dir.join("root.key"))?;
        let spare = files::new_key(&dir.join("spare-root.key"))?;
        files::write_new(&dir.join("master.secret"), random::secret()?.as_slice())?;
        let founding = Founding {
            version: 1,
            root: root.verifying_key().to_bytes(),
            spare_root_hash: *blake3::hash(spare.verifying_key().as_bytes()).as_bytes(),
            name: name.into(),
            currency,
            founded,
        };
        ScreensCa::create(&dir.join("tls"), founding.festival())?;
        files::write_new(&dir.join("founding.cbor"), &founding.to_bytes())?;
        Ok(Self { dir: dir.into(), founding, root: Some(root) })
    }

    /// Opens a folder that [`Self::create`] made. The root may be elsewhere; if it is here it must be this festival's.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("founding.cbor");
        let founding = Founding::from_bytes(&files::read(&path)?).map_err(|error| Failure::damaged(&path, error))?;
        let path = dir.join("root.key");
        let root = match files::read_key(&path) {
            Ok(root) if root.verifying_key().to_bytes() == founding.root => Some(root),
            Ok(_) => return Err(Failure::damaged(&path, "it is not the root of this founding record")),
            Err(Failure::Missing(_)) => None,
            Err(other) => return Err(other),
        };
        Ok(Self { dir: dir.into(), founding, root })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its founding record.
    pub fn founding(&self) -> &Founding {
        &self.founding
    }

    /// Its id.
    pub fn id(&self) -> FestivalId {
        self.founding.festival()
    }

    /// Its root, where it is kept here.
    pub fn root_key(&self) -> Result<&SigningKey, Failure> {
        self.root.as_ref().ok_or_else(|| Failure::NoRoot(self.dir.join("root.key")))
    }

    /// Whether the root is kept here.
    pub fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// The key of the holders' names, as gates and hub get it.
    pub fn names_key(&self) -> Result<NamesKey, Failure> {
        let master = MasterSecret(*files::read_secret(&self.dir.join("master.secret"))?);
        Ok(master.names_key(&self.id()))
    }

    /// The authority of its screens.
    pub fn screens_ca(&self) -> Result<ScreensCa, Failure> {
        ScreensCa::open(&self.dir.join("tls"), self.id())
    }

    /// Signs a certificate with the root.
    pub fn issue_certificate(
        &self,
        purpose: Purpose,
        subject: [u8; 32],
        scope: Scope,
    ) -> Result<CertificateChain, Failure> {
        self.issue_dated_certificate(purpose, subject, scope, (0, 0))
    }

    /// The same for a key that counts between these unix seconds (0: open).
    pub fn issue_dated_certificate(
        &self,
        purpose: Purpose,
        subject: [u8; 32],
        scope: Scope,
        valid: (u64, u64),
    ) -> Result<CertificateChain, Failure> {
        let undated = certificate(self.id(), purpose, subject, scope)?;
        let certificate = Certificate { valid_from: valid.0, valid_until: valid.1, ..undated };
        let chain = CertificateChain(vec![SignedCertificate::issue(certificate, self.root_key()?)]);
        chain.verify_for(&self.founding, purpose).map_err(Failure::BeyondKey)?;
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dir: &Path) -> Festival {
        Festival::create(dir, "Test", Currency::EUR, 1).unwrap()
    }

    #[test]
    fn a_festival_opens_again_as_what_it_was_founded() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("f");
        let made = found(&dir);
        let opened = Festival::open(&dir).unwrap();
        assert_eq!(opened.id(), made.id());
        assert_eq!(opened.root_key().unwrap().to_bytes(), made.root_key().unwrap().to_bytes());
        assert_eq!(opened.band_secrets().unwrap(), made.band_secrets().unwrap());
        for name in ["root.key", "spare-root.key", "master.secret", "tls/ca.key.pem"] {
            assert_eq!(files::mode(&dir.join(name)), Ok(0o600), "{name}");
        }
        assert_eq!(files::mode(&dir), Ok(0o700));
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let error = Festival::create(temp.path(), "Test", Currency::EUR, 1).err();
        assert_eq!(error, Some(Failure::AlreadyThere(temp.path().into())));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_root_of_another_festival_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (one, two) = (temp.path().join("one"), temp.path().join("two"));
        found(&one);
        found(&two);
        std::fs::copy(one.join("root.key"), two.join("root.key")).unwrap();
        assert!(matches!(Festival::open(&two), Err(Failure::Damaged { .. })));
    }

    #[test]
    fn a_copy_without_the_root_opens_and_cannot_sign() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("f");
        found(&dir);
        std::fs::remove_file(dir.join("root.key")).unwrap();
        let festival = Festival::open(&dir).unwrap();
        let issued = festival.issue_certificate(Purpose::Hub, [1; 32], Scope::nothing("hub"));
        assert_eq!(issued, Err(Failure::NoRoot(dir.join("root.key"))));
    }
}
