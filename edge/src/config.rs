//! The box's folder: its key, what the technician granted, the newest bundle, the store.
//! Invariant: the private key is made here, stays here, and only this user can read it.
//! Not here: the enrolment's protocol (`blank`), the journal (`box-store`).
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use box_store::Blobs;
use domain::{
    bundle::{Bundle, Package},
    id::{BoxNumber, DeviceId, FestivalId, device_id},
    journal::Kind,
    trust::{CertificateChain, Founding, Purpose},
};
use ed25519_dalek::SigningKey;
use sync::enrolment::{self, BoxConfig};
use zeroize::Zeroizing;

const IDENTITY: &str = "identity.key";
const ENROLMENT: &str = "enrolment.cbor";
const FIRST_BUNDLE: &str = "bundle.fbun";

/// A box that belongs to a festival.
pub struct Enrolled {
    /// Its folder.
    pub dir: PathBuf,
    /// Its key.
    pub identity: SigningKey,
    /// The festival's founding record.
    pub founding: Founding,
    /// Its own certificate chain.
    pub chain: Vec<u8>,
    /// Further chains over its key or others'.
    pub further: Vec<Vec<u8>>,
    /// The epoch that its enrolment opened.
    pub epoch: u32,
    /// What it is and does.
    pub config: BoxConfig,
    /// Box numbers that it owns, first and last.
    pub box_numbers: (u16, u16),
    /// Most that it may credit, where it may.
    quota_cents: Option<u64>,
    /// Entry kinds that its certificate lets it write, as bits.
    kinds: u64,
}

impl Enrolled {
    /// Reads the folder of an enrolled box and verifies it up to the root.
    pub fn read(dir: &Path) -> Result<Self> {
        let identity = read_identity(dir)?
            .with_context(|| format!("{}: no {IDENTITY}; enrol this box first: edge blank --dir {0}", dir.display()))?;
        let public = identity.verifying_key().to_bytes();
        let path = dir.join(ENROLMENT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{}: not enrolled; run: edge blank --dir {}", path.display(), dir.display())
            }
            // It is enrolled: nobody must wipe it for this.
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "{}: this box is enrolled, but its file cannot be read; check its owner and the disk",
                        path.display()
                    )
                });
            }
        };
        let stored = enrolment::Enrolled::from_file(&bytes, &public).with_context(|| path.display().to_string())?;
        let founding = stored.founding()?;
        let certificate = stored.check(&public)?;
        let further: Vec<Vec<u8>> = stored.further.iter().map(|chain| chain.to_vec()).collect();
        let quota_cents = own_chain(&further, &founding, &public, Purpose::Credit).map(|(_, quota)| quota);
        Ok(Self {
            dir: dir.into(),
            identity,
            founding,
            chain: stored.chain,
            further,
            epoch: stored.epoch,
            config: stored.config,
            box_numbers: certificate.scope.box_numbers,
            quota_cents,
            kinds: certificate.scope.kinds,
        })
    }

    /// A box that no technician enrolled, on the workbench.
    #[cfg(test)]
    pub(crate) fn for_tests(
        dir: &Path,
        identity: SigningKey,
        founding: Founding,
        chain: Vec<u8>,
        further: Vec<Vec<u8>>,
        config: BoxConfig,
    ) -> Self {
        Self {
            dir: dir.into(),
            identity,
            founding,
            chain,
            further,
            epoch: 0,
            config,
            box_numbers: (12, 19),
            quota_cents: None,
            kinds: u64::MAX,
        }
    }

    /// The festival.
    pub fn festival(&self) -> FestivalId {
        self.founding.festival()
    }

    /// Its device id.
    pub fn device(&self) -> DeviceId {
        device_id(&self.identity.verifying_key().to_bytes())
    }

    /// Number of the enrolled epoch.
    pub fn box_number(&self) -> BoxNumber {
        self.config.box_number
    }

    /// Whether its certificate lets it write entries of this kind.
    pub fn writes(&self, kind: Kind) -> bool {
        kind.bit().is_some_and(|bit| self.kinds & bit != 0)
    }

    /// Whether a certificate gives this box's own key that purpose besides being a box.
    pub fn may(&self, purpose: Purpose) -> bool {
        self.chain_for(purpose).is_some()
    }

    /// The chain that gives this box's own key that purpose.
    pub fn chain_for(&self, purpose: Purpose) -> Option<Vec<u8>> {
        let public = self.identity.verifying_key().to_bytes();
        own_chain(&self.further, &self.founding, &public, purpose).map(|(chain, _)| chain)
    }

    /// Most that it may credit, where it may.
    pub fn quota_cents(&self) -> Option<u64> {
        self.quota_cents
    }

    /// The bundle that came with the enrolment, verified.
    pub fn first_bundle(&self) -> Result<(Vec<u8>, Bundle)> {
        let path = self.dir.join(FIRST_BUNDLE);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let bundle = Bundle::verify(&bytes, Some(self.festival())).with_context(|| path.display().to_string())?;
        Ok((bytes, bundle))
    }
}

fn own_chain(chains: &[Vec<u8>], founding: &Founding, public: &[u8; 32], purpose: Purpose) -> Option<(Vec<u8>, u64)> {
    chains.iter().find_map(|bytes| {
        let certificate = CertificateChain::from_bytes(bytes).ok()?.verify_for(founding, purpose).ok()?;
        (certificate.subject == *public).then(|| (bytes.clone(), certificate.scope.quota_cents))
    })
}

/// The box's key, if it has one.
pub fn read_identity(dir: &Path) -> Result<Option<SigningKey>> {
    let path = dir.join(IDENTITY);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let mode = file.metadata()?.permissions().mode() & 0o077;
    if mode != 0 {
        bail!("{}: others may read this key (mode {mode:03o}); chmod 600 it, or wipe the box", path.display());
    }
    let mut seed = Zeroizing::new([0; 32]);
    file.read_exact(&mut *seed).with_context(|| format!("{}: a key has 32 bytes", path.display()))?;
    Ok(Some(SigningKey::from_bytes(&seed)))
}

/// The box's key, made now if it has none.
pub fn identity(dir: &Path) -> Result<SigningKey> {
    if let Some(key) = read_identity(dir)? {
        return Ok(key);
    }
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    write_durably(&dir.join(IDENTITY), &*seed)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Stores what an enrolment granted: bundle and blobs first, the grant last, since the grant makes the box a box.
pub fn store_enrolment(dir: &Path, enrolled: &enrolment::Enrolled, bundle: &[u8]) -> Result<()> {
    let what = "the bundle that came with the grant";
    let package = Package::read(bundle).context(what)?;
    // what a plain bundle only names is fetched from the hub
    let plain = package.blobs.is_empty();
    let (_, blobs) = package.verify(enrolled.festival()?, None, enrolled.config.roles, |_| plain).context(what)?;
    for (blob, bytes) in blobs {
        Blobs::beside(&dir.join(crate::run::STORE)).put(&blob, bytes).context(what)?;
    }
    write_durably(&dir.join(FIRST_BUNDLE), package.bundle)?;
    write_durably(&dir.join(ENROLMENT), &enrolled.to_file())
}

/// The festival this box belongs to and the epoch it was enrolled for, if it is enrolled.
pub fn enrolled_in(dir: &Path, key: &SigningKey) -> Result<Option<(FestivalId, u32)>> {
    match fs::read(dir.join(ENROLMENT)) {
        Ok(bytes) => {
            let stored = enrolment::Enrolled::from_file(&bytes, &key.verifying_key().to_bytes())?;
            Ok(Some((stored.festival()?, stored.epoch)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(ENROLMENT),
    }
}

/// Writes a file so that after a power cut it is there whole or not at all. Mode 0600.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || path.display().to_string();
    let dir = path.parent().context("a file has a folder")?;
    let draft = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).with_context(what)?;
    file.write_all(bytes).with_context(what)?;
    file.sync_all().with_context(what)?;
    fs::rename(&draft, path).with_context(what)?;
    File::open(dir)?.sync_all().with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_makes_its_key_once_and_refuses_one_that_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("box");
        assert!(read_identity(&dir).unwrap().is_none());
        let key = identity(&dir).unwrap();
        assert_eq!(identity(&dir).unwrap().to_bytes(), key.to_bytes());
        fs::set_permissions(dir.join(IDENTITY), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_identity(&dir).unwrap_err().to_string().contains("others may read"));
    }

    #[test]
    fn a_folder_without_an_enrolment_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        identity(dir.path()).unwrap();
        let error = Enrolled::read(dir.path()).err().unwrap().to_string();
        assert!(error.contains("edge blank"), "{error}");
    }
}
