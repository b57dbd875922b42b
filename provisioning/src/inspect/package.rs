//! Packages: a bundle and its blobs in one file.
//! Invariant: a blob counts as the bundle's only by its hash; no name in one is shown, they are sealed.
//! Not here: the bundle inside (`bundle`), the format (`domain::bundle`).
use domain::{
    bundle::{BlobRef, Bundle, Package, PackageError},
    trust::Roles,
    wire::hex,
};

use super::{Fact, Report, Sources, Unreadable, behind, bundle};

/// Bytes before the bundle: magic, version, length.
const BEFORE_BUNDLE: usize = 9;

/// Looks into a package.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let package = Package::read(bytes).map_err(|error| unreadable(bytes, &error))?;
    let inside = bundle::report(package.bundle, sources).map_err(|error| error.beyond(BEFORE_BUNDLE))?;
    let mut report = Report::new("package", "Paquet du festival avec ses fichiers", "Festival bundle with its blobs");
    (report.checked, report.notes) = (inside.checked, inside.notes);
    let blobs = package
        .blobs
        .iter()
        .map(|blob| Fact::Text(format!("{} ({} bytes)", hex(&BlobRef::of(blob, 0).hash), blob.len())));
    report.facts.put("blobs", "fichier", "blob", Fact::List(blobs.collect()));
    report.facts.put("bundle", "paquet", "bundle", Fact::Sheet(inside.facts));
    // A bundle that does not hold has said so above.
    if let Ok(bundle) = Bundle::verify(package.bundle, None)
        && let Err(error) = package.verify(bundle.festival, None, Roles::GATE, |_| false)
    {
        report.bad(
            "package.refused",
            format!("Une porte le refuserait : {error}."),
            format!("A gate would refuse it: {error}."),
        );
    }
    Ok(report)
}

fn unreadable(bytes: &[u8], error: &PackageError) -> Unreadable {
    match error {
        PackageError::Malformed(reason) => behind("package", bytes, *reason, |bytes| match Package::read(bytes) {
            Err(PackageError::Malformed(reason)) => Some(reason),
            Ok(_) | Err(_) => None,
        }),
        PackageError::Version(_) => Unreadable::at("package", 4, error),
        PackageError::TooLong(_) | PackageError::Bundle(_) | PackageError::Blob { .. } | PackageError::Missing(_) => {
            Unreadable::at("package", 0, error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Kind, Place, Standing, file, hexadecimal};

    fn bundle() -> Vec<u8> {
        hexadecimal(include_bytes!("../../../tests/formats/golden/festival_bundle.hex")).unwrap()
    }

    #[test]
    fn a_package_shows_its_bundle_and_what_a_gate_would_say_of_its_blobs() {
        let sources = Sources::default();
        let stranger = Package::write(&bundle(), &[b"nobody names this"]);
        let report = file(&stranger, None, &sources).unwrap();
        assert_eq!((report.kind, report.standing()), ("package", Standing::Bad));
        assert!(report.notes.iter().any(|note| note.code == "package.refused"));
        let alone = file(&bundle(), None, &sources).unwrap();
        assert_eq!(report.json()["facts"]["bundle"], alone.json()["facts"]);
    }

    #[test]
    fn a_fault_is_told_with_its_place_in_the_package() {
        let sources = Sources::default();
        let at = |bytes: &[u8]| file(bytes, Some(Kind::Package), &sources).unwrap_err().place;
        let mut package = Package::write(&bundle(), &[]);
        assert_eq!(at(&package[..package.len() - 1]), Place::Offset(package.len() - 1));
        package[9 + 4] = 9;
        assert_eq!(at(&package), Place::Offset(9 + 4), "the version of the bundle inside");
        package[4] = 2;
        assert_eq!(at(&package), Place::Offset(4));
    }
}
