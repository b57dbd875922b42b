//! What a thing is checked with: a festival's folder, a hub's folder, a bundle, further chains.
//! Invariant: everything here belongs to one festival; a source of another one is refused by name.
//! Not here: what is checked (the kinds).
use std::path::Path;

use domain::{
    bundle::Bundle,
    id::{FestivalId, device_id, key_id},
    secrets::BandSecrets,
    trust::{CertificateChain, Founding, Purpose},
    wire::{from_canonical_cbor, unhex},
    wristband::CreditKey,
};
use sync::enrolment::Enrolled;

use crate::{Failure, Festival, files};

/// What was given to check with.
#[derive(Default)]
pub struct Sources {
    founding: Option<Founding>,
    secrets: Option<BandSecrets>,
    chains: Vec<CertificateChain>,
}

impl Sources {
    /// The festival, where one was named.
    pub fn founding(&self) -> Option<&Founding> {
        self.founding.as_ref()
    }

    /// The festival's id, where one was named.
    pub fn festival(&self) -> Option<FestivalId> {
        self.founding.as_ref().map(Founding::festival)
    }

    /// The wristbands' keys, where a folder that has them was named.
    pub fn secrets(&self) -> Option<&BandSecrets> {
        self.secrets.as_ref()
    }

    /// Keys that may sign credits.
    pub fn credit_keys(&self) -> Vec<CreditKey> {
        let subjects = [Purpose::Credit, Purpose::CreditOnline].map(|purpose| self.keys(purpose));
        let key = |public: [u8; 32]| CreditKey { id: key_id(&public), public, revoked: false };
        subjects.into_iter().flatten().map(key).collect()
    }

    /// Public keys of the chains for a purpose that lead to the root.
    pub fn keys(&self, purpose: Purpose) -> Vec<[u8; 32]> {
        let Some(founding) = &self.founding else { return Vec::new() };
        let subjects = self.chains.iter().filter_map(|chain| chain.verify_for(founding, purpose).ok());
        subjects.map(|certificate| certificate.subject).collect()
    }

    /// The public key of a journal's writer, where one of the chains is its.
    pub fn device_key(&self, device: domain::id::DeviceId) -> Option<[u8; 32]> {
        let keys = [Purpose::Device, Purpose::Hub].map(|purpose| self.keys(purpose));
        keys.into_iter().flatten().find(|key| device_id(key) == device)
    }

    fn belongs(&mut self, founding: Founding, path: &Path) -> Result<(), Failure> {
        match &self.founding {
            Some(known) if *known != founding => {
                Err(Failure::damaged(path, "it belongs to another festival than what was named before it"))
            }
            Some(_) => Ok(()),
            None => {
                self.founding = Some(founding);
                Ok(())
            }
        }
    }

    /// A founding record alone: all that somebody from outside has.
    pub fn add_founding(&mut self, path: &Path) -> Result<(), Failure> {
        let founding = Founding::from_bytes(&files::read(path)?);
        self.belongs(founding.map_err(|error| Failure::damaged(path, error))?, path)
    }

    /// The organiser's folder: founding record, band secrets, chains of every hub and box enrolled.
    pub fn add_festival(&mut self, dir: &Path) -> Result<(), Failure> {
        let festival = Festival::open(dir)?;
        self.belongs(festival.founding().clone(), dir)?;
        match festival.band_secrets() {
            Ok(secrets) => self.secrets = Some(secrets),
            Err(Failure::Missing(_)) => {}
            Err(other) => return Err(other),
        }
        let (boxes, hubs) = (festival.boxes()?, festival.hubs()?);
        let of_boxes = boxes.iter().flat_map(|record| [Some(&record.chain), record.credit_chain.as_ref()]).flatten();
        let of_hubs = hubs.iter().flat_map(|record| record.chains.values());
        let chains = of_boxes.chain(of_hubs).filter_map(|text| CertificateChain::from_bytes(&unhex(text)?).ok());
        self.chains.extend(chains);
        Ok(())
    }

    /// A hub's folder: founding record, band secrets, chains of its keys and of the desks it announces.
    pub fn add_hub(&mut self, dir: &Path) -> Result<(), Failure> {
        let path = dir.join("founding.cbor");
        let founding = Founding::from_bytes(&files::read(&path)?).map_err(|error| Failure::damaged(&path, error))?;
        self.belongs(founding, &path)?;
        let path = dir.join("secrets/bands.cbor");
        match files::read(&path) {
            Ok(bytes) => {
                let secrets = from_canonical_cbor(&bytes).map_err(|error| Failure::damaged(&path, error))?;
                self.secrets = Some(secrets);
            }
            Err(Failure::Missing(_)) => {}
            Err(other) => return Err(other),
        }
        for folder in ["keys", "credit"] {
            let folder = dir.join(folder);
            if folder.exists() {
                for path in files::list(&folder, "chain")? {
                    self.add_chain(&path)?;
                }
            }
        }
        Ok(())
    }

    /// A bundle: founding record, keys of its signer, tickets and credits.
    pub fn add_bundle(&mut self, path: &Path) -> Result<Bundle, Failure> {
        let bundle = Bundle::verify(&files::read(path)?, None);
        let bundle = bundle.map_err(|reason| Failure::Bundle { path: path.into(), reason: reason.into() })?;
        self.belongs(bundle.founding.clone(), path)?;
        self.chains.extend(bundle.body.ticket_keys.iter().chain(&bundle.body.credit_keys).cloned());
        Ok(bundle)
    }

    /// A chain, or an enrolled box's `enrolment.cbor`.
    pub fn add_chain(&mut self, path: &Path) -> Result<(), Failure> {
        let bytes = files::read(path)?;
        if let Ok(chain) = CertificateChain::from_bytes(&bytes) {
            self.chains.push(chain);
            return Ok(());
        }
        let enrolled: Enrolled = from_canonical_cbor(Enrolled::in_file(&bytes).unwrap_or(&bytes))
            .map_err(|_| Failure::damaged(path, "neither a certificate chain nor an enrolled box's identity"))?;
        let founding = enrolled.founding().map_err(|error| Failure::damaged(path, error))?;
        self.belongs(founding, path)?;
        let further = enrolled.further.iter().map(|chain| chain.as_slice());
        let chains = std::iter::once(enrolled.chain.as_slice()).chain(further);
        self.chains.extend(chains.filter_map(|bytes| CertificateChain::from_bytes(bytes).ok()));
        Ok(())
    }
}
