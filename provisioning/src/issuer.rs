//! Who signs a box's certificates: the root, or on site an enrol key with caps, so that the root stays at home.
//! Invariant: what is issued leads to the root and lies within the caps, or it is not issued.
use std::path::Path;

use domain::{
    journal::Kind,
    trust::{CertificateChain, Purpose, Scope, SignedCertificate},
    wire::{hex, unhex},
};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Failure, Festival,
    boxes::{self, Role},
    festival::certificate,
    files, random,
};

/// The file of an enrol key.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    festival: String,
    seed: String,
    chain: String,
}

/// What a new enrol key may do.
#[derive(Clone, Debug)]
pub struct EnrolCaps {
    /// Who keeps it, for people.
    pub name: String,
    /// Roles it may give.
    pub roles: Vec<Role>,
    /// How many boxes it may enrol.
    pub boxes: u16,
    /// Highest quota that it may give to one desk.
    pub quota_cents: u64,
}

/// Signs certificates of boxes.
pub struct Issuer {
    key: SigningKey,
    /// The enrol key's own chain and caps; none for the root.
    enrol: Option<(CertificateChain, Scope)>,
}

impl Issuer {
    /// The festival's root.
    pub fn root(festival: &Festival) -> Result<Self, Failure> {
        Ok(Self { key: festival.root_key()?.clone(), enrol: None })
    }

    /// Makes an enrol key, signed by the root, in a new file; gives its caps.
    pub fn new_enrol_key(festival: &Festival, file: &Path, caps: &EnrolCaps, at: u64) -> Result<Scope, Failure> {
        festival.root_key()?;
        let seed = random::secret()?;
        let key = SigningKey::from_bytes(&seed);
        let subject = key.verifying_key().to_bytes();
        if file.exists() {
            return Err(Failure::AlreadyThere(file.into()));
        }
        let box_numbers = festival.claim_enrol_key(caps.boxes, &caps.name, &subject, at)?;
        let scope = Scope {
            place: caps.name.clone(),
            roles: boxes::roles(&caps.roles),
            kinds: boxes::kinds(&caps.roles),
            box_numbers,
            quota_cents: caps.quota_cents,
        };
        let chain = festival.issue_certificate(Purpose::Enrol, subject, scope.clone())?;
        let content =
            KeyFile { festival: festival.id().to_hex(), seed: hex(seed.as_slice()), chain: hex(&chain.to_bytes()) };
        let text = toml::to_string(&content).map(Zeroizing::new);
        files::write_new(file, text.map_err(|error| Failure::Internal(error.to_string()))?.as_bytes())?;
        Ok(scope)
    }

    /// Opens what [`Self::new_enrol_key`] wrote.
    pub fn enrol_key(festival: &Festival, file: &Path) -> Result<Self, Failure> {
        let text = Zeroizing::new(files::read_text(file)?);
        let content: KeyFile = toml::from_str(&text).map_err(|_| Failure::damaged(file, "not an enrol key file"))?;
        if content.festival != festival.id().to_hex() {
            return Err(Failure::damaged(file, "an enrol key of another festival"));
        }
        let seed: Option<[u8; 32]> =
            unhex(&content.seed).map(Zeroizing::new).and_then(|seed| seed.as_slice().try_into().ok());
        let key = seed.map(|seed| SigningKey::from_bytes(&Zeroizing::new(seed)));
        let key = key.ok_or_else(|| Failure::damaged(file, "its seed is not 32 bytes"))?;
        let chain = unhex(&content.chain).and_then(|bytes| CertificateChain::from_bytes(&bytes).ok());
        let chain = chain.ok_or_else(|| Failure::damaged(file, "its chain cannot be read"))?;
        let certificate = chain.verify_for(festival.founding(), Purpose::Enrol).map_err(Failure::BeyondKey)?;
        if certificate.subject != key.verifying_key().to_bytes() {
            return Err(Failure::damaged(file, "key and certificate do not belong together"));
        }
        Ok(Self { key, enrol: Some((chain, certificate.scope)) })
    }

    /// The numbers it may give out; none stated for the root.
    pub fn numbers(&self) -> Option<(u16, u16)> {
        self.enrol.as_ref().map(|(_, scope)| scope.box_numbers)
    }

    /// The highest quota that it may give to a desk; none stated for the root.
    pub fn quota_cents(&self) -> Option<u64> {
        self.enrol.as_ref().map(|(_, scope)| scope.quota_cents)
    }

    /// The key that signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs a certificate; refuses what goes beyond the caps.
    pub fn issue(
        &self,
        festival: &Festival,
        purpose: Purpose,
        subject: [u8; 32],
        mut scope: Scope,
    ) -> Result<CertificateChain, Failure> {
        // an enrol key made before accounts had shares cannot give them: its boxes work, and are dealt none
        let shares = Kind::SHARE_RELEASE.bit().unwrap_or(0);
        if self.enrol.as_ref().is_some_and(|(_, caps)| caps.kinds & shares == 0) {
            scope.kinds &= !shares;
        }
        let certificate = certificate(festival.id(), purpose, subject, scope)?;
        let above = self.enrol.iter().flat_map(|(chain, _)| chain.0.clone());
        let chain = std::iter::once(SignedCertificate::issue(certificate, &self.key)).chain(above).collect();
        let chain = CertificateChain(chain);
        chain.verify_for(festival.founding(), purpose).map_err(Failure::BeyondKey)?;
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use domain::{money::Currency, trust::ChainError};

    use super::*;

    fn scope(roles: &[Role], box_numbers: (u16, u16), quota_cents: u64) -> Scope {
        Scope {
            place: "Bar 1".into(),
            roles: boxes::roles(roles),
            kinds: boxes::kinds(roles),
            box_numbers,
            quota_cents,
        }
    }

    #[test]
    fn an_enrol_key_works_within_its_caps_without_the_root_and_not_beyond() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("f");
        let file = temp.path().join("site.key");
        let festival = Festival::create(&dir, "Test", Currency::EUR, 1).unwrap();
        let caps = EnrolCaps { name: "Site".into(), roles: vec![Role::Bar, Role::TopUp], boxes: 2, quota_cents: 500 };
        let numbers = Issuer::new_enrol_key(&festival, &file, &caps, 1).unwrap().box_numbers;
        assert_eq!((numbers, files::mode(&file)), ((1, 16), Ok(0o600)));
        std::fs::remove_file(dir.join("root.key")).unwrap();

        let festival = Festival::open(&dir).unwrap();
        assert!(Issuer::root(&festival).is_err());
        let issuer = Issuer::enrol_key(&festival, &file).unwrap();
        let issue = |purpose, scope| issuer.issue(&festival, purpose, [7; 32], scope);
        let bar = issue(Purpose::Device, scope(&[Role::Bar], (1, 8), 0)).unwrap();
        assert_eq!(bar.verify_for(festival.founding(), Purpose::Device).unwrap().scope.box_numbers, (1, 8));
        assert!(issue(Purpose::Credit, scope(&[Role::TopUp], (9, 16), 500)).is_ok());
        let beyond = Err(Failure::BeyondKey(ChainError::Scope(0)));
        assert_eq!(issue(Purpose::Device, scope(&[Role::Gate], (1, 8), 0)), beyond);
        assert_eq!(issue(Purpose::Device, scope(&[Role::Bar], (17, 24), 0)), beyond);
        assert_eq!(issue(Purpose::Credit, scope(&[Role::TopUp], (9, 16), 501)), beyond);
        let root_only = Err(Failure::BeyondKey(ChainError::RootOnly(Purpose::Bundle)));
        assert_eq!(issue(Purpose::Bundle, scope(&[Role::Bar], (1, 8), 0)), root_only);
    }

    #[test]
    fn an_enrol_key_of_another_festival_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("site.key");
        let one = Festival::create(&temp.path().join("1"), "One", Currency::EUR, 1).unwrap();
        let two = Festival::create(&temp.path().join("2"), "Two", Currency::EUR, 1).unwrap();
        let caps = EnrolCaps { name: "Site".into(), roles: vec![Role::Bar], boxes: 1, quota_cents: 0 };
        Issuer::new_enrol_key(&one, &file, &caps, 1).unwrap();
        assert!(matches!(Issuer::enrol_key(&two, &file), Err(Failure::Damaged { .. })));
    }
}
