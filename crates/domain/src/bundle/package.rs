//! A bundle and its blobs in one file, to be carried on a USB stick.
//! Invariant: nothing in it is believed for being in the file: the bundle is verified, each blob by its hash.
//! Not here: taking it (`edge`), writing it (`sync-hub`).
//!
//! `FPKG` · version u8 = 1 · bundle length u32 · bundle (`FBUN`) · blobs u8 · per blob: length u64 · bytes.
use alloc::{collections::BTreeSet, vec::Vec};

use thiserror::Error;

use super::{
    BLOB_MAX, BUNDLE_MAX, Bundle, BundleError,
    blob::{BlobRef, WrongBlob},
};
use crate::{
    id::FestivalId,
    trust::Roles,
    wire::{Malformed, Reader, Writer},
};

const MAGIC: &[u8; 4] = b"FPKG";
/// Most blobs in one package.
const BLOBS_MAX: u8 = 16;
/// Longest package; a longer one is refused before it is looked at.
pub const PACKAGE_MAX: u64 = BUNDLE_MAX as u64 + 2 * BLOB_MAX + 1024;

/// A package that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackageError {
    /// Longer than [`PACKAGE_MAX`].
    #[error("a package has at most {PACKAGE_MAX} bytes, this one has {0}")]
    TooLong(u64),
    /// Not of the layout.
    #[error("neither a bundle nor a package: {0}")]
    Malformed(#[from] Malformed),
    /// Newer than this software.
    #[error("package of version {0}, this software knows 1")]
    Version(u8),
    /// The bundle in it does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A blob in it that its bundle does not name.
    #[error("blob {index} of the package: {reason}")]
    Blob {
        /// Which, from 0.
        index: u8,
        /// Why.
        reason: WrongBlob,
    },
    /// A blob that the bundle names and the package lacks.
    #[error("the package lacks a blob of {0} bytes that its bundle names")]
    Missing(u64),
}

/// A package's parts, where they lie; nothing of it verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package<'a> {
    /// The bundle's file.
    pub bundle: &'a [u8],
    /// Blobs.
    pub blobs: Vec<&'a [u8]>,
}

/// Blobs, each under the name that the bundle gives it.
pub type NamedBlobs<'a> = Vec<(BlobRef, &'a [u8])>;

impl<'a> Package<'a> {
    /// Writes a package.
    pub fn write(bundle: &[u8], blobs: &[&[u8]]) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(MAGIC);
        out.u8(1);
        out.u32(u32::try_from(bundle.len()).unwrap_or(u32::MAX));
        out.bytes(bundle);
        out.u8(u8::try_from(blobs.len()).unwrap_or(u8::MAX));
        for blob in blobs {
            out.u64(blob.len() as u64);
            out.bytes(blob);
        }
        out.finish()
    }

    /// Takes a package apart; a plain bundle (`FBUN`) is one without blobs.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PackageError> {
        if bytes.len() as u64 > PACKAGE_MAX {
            return Err(PackageError::TooLong(bytes.len() as u64));
        }
        if bytes.starts_with(super::MAGIC) {
            return Ok(Self { bundle: bytes, blobs: Vec::new() });
        }
        let mut input = Reader::new(bytes);
        if input.take(4)? != MAGIC {
            return Err(Malformed::Value("magic").into());
        }
        match input.u8()? {
            1 => {}
            other => return Err(PackageError::Version(other)),
        }
        let length = input.u32()? as usize;
        let bundle = input.take(length)?;
        let count = input.u8()?;
        if count > BLOBS_MAX {
            return Err(Malformed::Value("blobs").into());
        }
        let mut blobs = Vec::new();
        for _ in 0..count {
            let length = usize::try_from(input.u64()?).map_err(|_| Malformed::Value("blob length"))?;
            blobs.push(input.take(length)?);
        }
        input.end()?;
        Ok(Self { bundle, blobs })
    }

    /// Verifies all of it for a box of these roles that holds bundle `held`. A blob that it needs is in the package
    /// or, as `has` says, in the box already. Gives the bundle and the blobs to store.
    pub fn verify(
        &self,
        wanted: FestivalId,
        held: Option<u64>,
        roles: Roles,
        has: impl Fn(&BlobRef) -> bool,
    ) -> Result<(Bundle, NamedBlobs<'a>), PackageError> {
        let bundle = Bundle::verify_newer(self.bundle, wanted, held)?;
        let named: Vec<BlobRef> = bundle.blobs().collect();
        let mut blobs = Vec::new();
        for (index, bytes) in (0u8..).zip(&self.blobs) {
            let hash = *blake3::hash(bytes).as_bytes();
            let blob = named.iter().find(|blob| blob.hash == hash && blob.length == bytes.len() as u64);
            blobs.push((*blob.ok_or(PackageError::Blob { index, reason: WrongBlob::Hash })?, *bytes));
        }
        let brought: BTreeSet<[u8; 32]> = blobs.iter().map(|(blob, _)| blob.hash).collect();
        let needed = bundle.needed_blobs(roles);
        if let Some(missing) = needed.iter().find(|blob| !brought.contains(&blob.hash) && !has(blob)) {
            return Err(PackageError::Missing(missing.length));
        }
        blobs.retain(|(blob, _)| needed.contains(blob));
        Ok((bundle, blobs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{
        SECTION_NAMES, SECTION_TICKETS,
        tests::{body, sign_body},
    };

    const TICKETS: &[u8] = b"a snapshot of tickets";
    const NAMES: &[u8] = b"names, encrypted";

    fn bundle(number: u64) -> Vec<u8> {
        let mut body = body(number);
        body.sections = alloc::vec![
            BlobRef::of(NAMES, 1).section(SECTION_NAMES),
            BlobRef::of(TICKETS, 1).section(SECTION_TICKETS),
        ];
        sign_body(&body)
    }

    fn festival() -> FestivalId {
        Bundle::verify(&bundle(1), None).unwrap().festival
    }

    fn take(bytes: &[u8], held: Option<u64>, roles: Roles) -> Result<usize, PackageError> {
        let package = Package::read(bytes)?;
        Ok(package.verify(festival(), held, roles, |_| false)?.1.len())
    }

    #[test]
    fn a_gate_takes_a_whole_package_and_a_bar_only_the_bundle() {
        let whole = Package::write(&bundle(3), &[TICKETS, NAMES]);
        assert_eq!(take(&whole, Some(2), Roles::GATE), Ok(2));
        assert_eq!(take(&whole, Some(2), Roles::BAR), Ok(0));
        assert_eq!(take(&bundle(3), Some(3), Roles::BAR), Ok(0), "a plain bundle is a package without blobs");
    }

    #[test]
    fn a_package_without_a_blob_that_the_gate_lacks_is_refused() {
        let half = Package::write(&bundle(3), &[TICKETS]);
        assert_eq!(take(&half, None, Roles::GATE), Err(PackageError::Missing(NAMES.len() as u64)));
        let package = Package::read(&half).unwrap();
        assert!(package.verify(festival(), None, Roles::GATE, |blob| blob.check(NAMES).is_ok()).is_ok());
        assert!(matches!(take(&bundle(3), None, Roles::GATE), Err(PackageError::Missing(_))));
    }

    #[test]
    fn a_swapped_or_changed_blob_is_refused() {
        for blobs in [[TICKETS, b"names, encryptee".as_slice()], [b"a snapshot of tickeds", NAMES]] {
            let package = Package::write(&bundle(3), &blobs);
            assert!(matches!(take(&package, None, Roles::GATE), Err(PackageError::Blob { .. })));
        }
    }

    #[test]
    fn a_package_of_another_festival_or_with_an_older_bundle_is_refused() {
        let whole = Package::write(&bundle(3), &[TICKETS, NAMES]);
        let older = BundleError::Older { found: 3, held: 4 };
        assert_eq!(take(&whole, Some(4), Roles::GATE), Err(PackageError::Bundle(older)));
        let package = Package::read(&whole).unwrap();
        let wanted = FestivalId([9; 16]);
        let refused = package.verify(wanted, None, Roles::GATE, |_| false).err();
        assert!(matches!(refused, Some(PackageError::Bundle(BundleError::Festival { .. }))));
    }

    #[test]
    fn a_package_cut_anywhere_or_with_any_changed_byte_is_refused() {
        let whole = Package::write(&bundle(3), &[TICKETS, NAMES]);
        for cut in 0..whole.len() {
            assert!(take(&whole[..cut], None, Roles::GATE).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(take(&changed, None, Roles::GATE).is_err(), "byte {at}");
        }
        assert!(take(&[&whole[..], &[0]].concat(), None, Roles::GATE).is_err());
    }

    #[test]
    fn a_bundle_whose_blob_sections_cannot_be_read_or_stand_twice_is_refused() {
        let blob = BlobRef::of(TICKETS, 1);
        let twice = alloc::vec![blob.section(SECTION_TICKETS), blob.section(SECTION_TICKETS)];
        let mut short = blob.section(SECTION_TICKETS);
        short.bytes.pop();
        let endless = BlobRef { length: BLOB_MAX + 1, ..blob }.section(SECTION_NAMES);
        let none = BlobRef { length: 0, ..blob }.section(SECTION_NAMES);
        for sections in [twice, alloc::vec![short], alloc::vec![endless], alloc::vec![none]] {
            let signed = sign_body(&crate::bundle::BundleBody { sections, ..body(1) });
            assert!(matches!(Bundle::verify(&signed, None), Err(BundleError::Malformed(_))));
        }
    }
}
