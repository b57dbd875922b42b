//! The bundle in use with its blobs mapped, and how a newer one takes its place: from the hub or from a file.
//! Invariant: a bundle is in use only with every blob that this box's roles need, and never after a newer one;
//! whatever is refused leaves the one in use, and what lies on disk, as they were.
//! Not here: fetching (`hub_link`), the formats (`domain::bundle`).
use std::sync::Arc;

use box_store::{BlobError, Blobs, Mapped, StoreError};
use domain::{
    bundle::{BlobRef, Bundle, BundleError, Package, PackageError, SECTION_NAMES, SECTION_TICKETS},
    id::TicketUid,
    secrets::epoch::EpochSecrets,
    ticket::{
        Verifier,
        snapshot::{Snapshot, SnapshotError, SnapshotTicket},
    },
    trust::Roles,
    wristband::tap::CreditKey,
};
use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::station::{Station, credit_key};

/// The bundle in use and what is derived from it once.
pub(crate) struct Loaded {
    /// As verified.
    pub bundle: Bundle,
    /// Reads tickets.
    pub verifier: Verifier,
    /// Keys that may sign a wristband's credits.
    pub credit_keys: Vec<CreditKey>,
    /// Later epochs' band keys that it holds for this box.
    pub band_keys: Vec<EpochSecrets>,
    /// Epochs of band keys whose bands are refused.
    pub retired_epochs: Vec<u8>,
    tickets: Option<Mapped>,
    names: Option<Mapped>,
    is_whole: bool,
}

/// What became of a bundle that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in use.
    InUse,
    /// It holds, and these blobs must be there first; beside each the bytes that are held already.
    Needs(Vec<(BlobRef, u64)>),
}

/// Why a bundle was not taken.
#[derive(Debug, Error)]
pub(crate) enum BundleNotTaken {
    /// It does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The file does not hold.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A blob cannot be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Its ticket snapshot cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Loaded {
    /// Derives what the box with this key and these roles needs. A blob that is missing or wrong leaves it not whole: the box works on,
    /// and fetches it.
    pub(crate) fn new(
        bundle: Bundle,
        blobs: &Blobs,
        roles: Roles,
        identity: &SigningKey,
    ) -> Result<Self, SnapshotError> {
        let verifier = bundle.verifier(&[]);
        let certificates = bundle.body.credit_keys.iter().filter_map(|chain| chain.verify(&bundle.founding).ok());
        let credit_keys = certificates.map(|certificate| credit_key(certificate.subject)).collect();
        let sealed = bundle.band_keys();
        let band_keys = sealed.iter().filter_map(|epoch| epoch.open(identity, &bundle.festival)).collect();
        let retired_epochs = bundle.retired_epochs();
        let needed = bundle.needed_blobs(roles);
        let map = |section| {
            let blob = bundle.blob(section).filter(|blob| needed.contains(blob))?;
            blobs.map(&blob).inspect_err(|error| tracing::warn!(%error, section, "a blob of the bundle")).ok()
        };
        let (tickets, names) = (map(SECTION_TICKETS), map(SECTION_NAMES));
        if let Some(tickets) = &tickets {
            Snapshot::open(tickets, &bundle.festival)?.check()?;
        }
        let is_whole = [&tickets, &names].into_iter().flatten().count() == needed.len();
        Ok(Self { bundle, verifier, credit_keys, band_keys, retired_epochs, tickets, names, is_whole })
    }

    /// Whether every blob that it needs is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What the ticket snapshot says of a ticket.
    pub(crate) fn held_ticket(&self, uid: &TicketUid) -> Option<SnapshotTicket> {
        Snapshot::open(self.tickets.as_ref()?, &self.bundle.festival).ok()?.find(uid)
    }

    /// How many tickets the snapshot holds.
    pub(crate) fn tickets_held(&self) -> Option<usize> {
        Some(Snapshot::open(self.tickets.as_ref()?, &self.bundle.festival).ok()?.len())
    }

    /// The sealed names, at a gate that has them.
    pub(crate) fn names(&self) -> Option<&[u8]> {
        self.names.as_deref()
    }
}

impl Station {
    /// Takes a newer bundle: verified, its blobs there, on disk, then in use. An older one changes nothing.
    pub(crate) fn take_bundle(&self, bytes: &[u8]) -> Result<Taken, BundleNotTaken> {
        let _one_at_a_time = self.taking();
        let held = self.bundle();
        let bundle = Bundle::verify_newer(bytes, held.bundle.festival, Some(held.bundle.body.number))?;
        let needed = bundle.needed_blobs(self.roles());
        let lacking = |blobs: &Blobs| -> Vec<(BlobRef, u64)> {
            let lacking = needed.iter().filter(|blob| !blobs.has(blob));
            lacking.map(|blob| (*blob, blobs.arrived(blob))).collect()
        };
        let lacks = lacking(&self.blobs);
        if !lacks.is_empty() {
            return Ok(Taken::Needs(lacks));
        }
        if bundle.body.number == held.bundle.body.number && held.is_whole() {
            return Ok(Taken::InUse);
        }
        let loaded = Loaded::new(bundle, &self.blobs, self.roles(), self.identity())?;
        if !loaded.is_whole() {
            return Ok(Taken::Needs(lacking(&self.blobs)));
        }
        self.store.store_bundle(loaded.bundle.body.number, bytes)?;
        self.use_bundle(Arc::new(loaded));
        if let Err(error) = self.blobs.keep_only(&needed) {
            tracing::warn!(%error, "blobs that no bundle names stay on disk");
        }
        Ok(Taken::InUse)
    }

    /// Takes a bundle or package from a file. Nothing of it is kept where any of it is refused.
    pub(crate) fn take_package(&self, bytes: &[u8]) -> Result<u64, BundleNotTaken> {
        let held = self.bundle();
        let package = Package::read(bytes)?;
        let number = Some(held.bundle.body.number);
        let (bundle, blobs) =
            package.verify(held.bundle.festival, number, self.roles(), |blob| self.blobs.has(blob))?;
        for (blob, bytes) in blobs {
            self.blobs.put(&blob, bytes)?;
        }
        match self.take_bundle(package.bundle)? {
            Taken::InUse => Ok(bundle.body.number),
            Taken::Needs(lacking) => {
                let (blob, _) = lacking.first().copied().unwrap_or((BlobRef { hash: [0; 32], length: 0, count: 0 }, 0));
                Err(PackageError::Missing(blob.length).into())
            }
        }
    }
}
