//! The rules in force at this box: catalogue, zones, staff, reasons.
//! Invariant: a whole set at a time; who read one keeps it unchanged until he reads again.
//! Not here: what the rules mean (`domain`), how they are edited and merged (`documents`).
use documents::{Document, Documents};
use domain::{
    bundle::BundleBody,
    catalogue::Catalogue,
    staff::{Reason, Staff},
    zones::ZoneRules,
};

/// What this box goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// What is sold.
    pub catalogue: Catalogue,
    /// Who may enter where.
    pub zones: ZoneRules,
    /// Who works here.
    pub staff: Staff,
    /// Reasons to choose from.
    pub reasons: Vec<Reason>,
}

impl Rules {
    /// What the documents say; what nobody has written yet stands as in the bundle.
    pub(crate) fn of(body: &BundleBody, documents: &Documents) -> Self {
        let first = Self::of_bundle(body);
        let is_written = |document| documents.has(document);
        Self {
            catalogue: if is_written(Document::Catalogue) { documents.catalogue().value } else { first.catalogue },
            zones: documents.zones().value,
            staff: documents.staff().value,
            reasons: documents.reasons().value,
        }
    }

    /// Before the documents are there.
    pub(crate) fn of_bundle(body: &BundleBody) -> Self {
        Self { catalogue: Catalogue::of_bundle(body), ..Self::default() }
    }
}
