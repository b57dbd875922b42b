//! Composes, numbers and signs the festival bundle.
//! Invariant: a number is used once and only ever rises, over restores of the database too: the term stands in it.
//! Not here: the format (`domain::bundle`), sending it (`net`).
use std::collections::BTreeMap;

use domain::{
    bundle::{Bundle, BundleBody, BundleError as Unsound, Place},
    trust::{CertificateChain, Purpose},
    wire::to_cbor,
};
use thiserror::Error;

use crate::{
    hub::{Hub, HubError},
    store::{BarReason, StoredBundle},
};

/// Bundles of one term; the next term's start above them.
pub(crate) const TERM_STEP: u64 = 1_000_000;

/// A bundle that could not be made.
#[derive(Debug, Error)]
pub enum BundleError {
    /// What was composed does not verify: a key or chain in it is not sound.
    #[error("the bundle would not be taken by a box: {0}")]
    Unsound(#[from] Unsound),
}

impl Hub {
    /// What the bundle says now, without number and time.
    fn compose(&self) -> Result<BundleBody, HubError> {
        let store = &self.store;
        let mut credit_keys = vec![self.identity.credit_online.chain.clone()];
        for chain in store.credit_chains()? {
            credit_keys.extend(CertificateChain::from_bytes(&chain).ok());
        }
        // A box that was restored writes under another number of its range.
        let mut places = BTreeMap::new();
        for stored in store.boxes()?.into_iter().filter(|stored| !stored.revoked) {
            let written = self.journals.of_device(stored.device).map(|journal| journal.box_number);
            for number in written.chain([stored.number]).filter(|number| number.0 != 0) {
                places.insert(number, stored.place.clone());
            }
        }
        let (price_revision, catalogue) = match self.bundle_catalogue() {
            Some(compiled) => compiled,
            None => (store.price_revision()?, self.seed.products.clone()),
        };
        Ok(BundleBody {
            version: 1,
            founding: self.identity.founding.to_bytes(),
            number: 0,
            issued: 0,
            policy: self.policy.clone(),
            ticket_keys: self.announced_ticket_keys(),
            credit_keys,
            categories: store.categories()?,
            events: store.pretix_events()?,
            products: store.pretix_products()?,
            price_revision,
            catalogue,
            revoked: self.barred_since(BarReason::Revoked)?,
            blocked: self.barred_since(BarReason::Blocked)?,
            places: places.into_iter().map(|(box_number, name)| Place { box_number, name }).collect(),
            sections: self
                .blob_sections()?
                .into_iter()
                .chain(self.retired_section())
                .chain(self.lan_section()?)
                .chain(self.band_keys_section())
                .chain(self.retired_epochs_section())
                .chain(BundleBody::accounts_section(self.rule))
                .collect(),
        })
    }

    /// The current bundle; signed anew, with the next number, where what it says has changed.
    pub fn current_bundle(&mut self) -> Result<StoredBundle, HubError> {
        let mut body = self.compose()?;
        // Boxes have the catalogue from its document: a price alone is no reason to send everybody a new bundle.
        let (revision, catalogue) = (body.price_revision, std::mem::take(&mut body.catalogue));
        body.price_revision = 0;
        let content = *blake3::hash(&to_cbor(&body)).as_bytes();
        (body.price_revision, body.catalogue) = (revision, catalogue);
        let newest = self.store.newest_bundle()?;
        let floor = u64::from(self.store.term()).saturating_mul(TERM_STEP);
        if let Some(newest) = newest.as_ref().filter(|newest| newest.content == content && newest.number > floor) {
            self.bundle = newest.number;
            return Ok(newest.clone());
        }
        body.number = newest.map_or(0, |newest| newest.number).max(floor).saturating_add(1);
        body.issued = self.now_ms() / 1000;
        let bytes = body.sign(&self.identity.festival, &self.identity.bundle.key, &self.identity.bundle.chain);
        Bundle::verify(&bytes, Some(self.identity.festival)).map_err(BundleError::from)?;
        let stored = StoredBundle { number: body.number, content, bytes };
        self.store.transaction::<_, HubError>(|store| Ok(store.add_bundle(&stored)?))?;
        self.bundle = stored.number;
        Ok(stored)
    }

    /// Number of the bundle that was signed last; 0 before the first.
    pub fn bundle_number(&self) -> u64 {
        self.bundle
    }

    /// Announces a key that may credit; whether it is new here.
    pub fn adopt_credit_chain(&mut self, chain: &[u8]) -> Result<bool, HubError> {
        let read = CertificateChain::from_bytes(chain).map_err(|_| HubError::Invalid("not a certificate chain"))?;
        let certificate = read
            .verify_for(&self.identity.founding, Purpose::Credit)
            .map_err(|_| HubError::Invalid("the chain does not make a credit key of this festival"))?;
        self.store.transaction(|store| Ok(store.put_credit_key(&certificate.subject, chain)?))
    }

    /// Announces the credit keys whose chains lie in `credit/` (spare desks, before anybody has seen them).
    pub(crate) fn adopt_credit_files(&mut self) -> Result<(), HubError> {
        let Ok(files) = std::fs::read_dir(self.dir.join("credit")) else { return Ok(()) };
        for file in files.flatten() {
            let adopted = std::fs::read(file.path()).map(|chain| self.adopt_credit_chain(&chain));
            if !matches!(adopted, Ok(Ok(_))) {
                tracing::warn!(file = %file.path().display(), "not a credit key's chain; passed over");
            }
        }
        Ok(())
    }
}
