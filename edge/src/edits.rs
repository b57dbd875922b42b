//! Shared documents at the box: what the hub confirmed, what managers edited here, and the rules that follow.
//! Invariant: an edit is shown and sold by after it is on disk; it stays until the hub confirms or refuses it.
//! Not here: who may edit (`managers`), merging (`documents`), the session (`hub_link`).
use std::sync::{Arc, PoisonError};

use box_store::StoreError;
use documents::{
    Author, ChangeHash, Document, Documents, Refusal, Revisions, Setting, SignedBy, SignedEnvelope, Verified,
};
use domain::{catalogue::Catalogue, trust::Founding};
use screens::view::{DocumentView, EditView};
use sync::frame::EditAnswer;

use crate::{
    rules::Rules,
    station::{Station, lock},
};

/// The documents of this box.
pub(crate) struct Edits {
    founding: Founding,
    documents: Documents,
    revisions: Revisions,
    /// Positions of the confirmed edits held, first and last.
    held: (i64, i64),
    /// Something was edited here since the session was told.
    is_new: bool,
}

/// Why an edit at this box did not happen.
pub(crate) enum NotEdited {
    /// It is not sound.
    Refused(Refusal),
    /// The disk.
    Store(StoreError),
}

impl From<Refusal> for NotEdited {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for NotEdited {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Edits {
    /// No edit yet.
    pub(crate) fn new(founding: &Founding) -> Self {
        Self {
            founding: founding.clone(),
            documents: Documents::new(founding.clone()),
            revisions: Revisions::default(),
            held: (0, 0),
            is_new: false,
        }
    }

    fn read(&self, envelopes: impl IntoIterator<Item = Vec<u8>>) -> Vec<Verified> {
        let verified = envelopes.into_iter().filter_map(|bytes| {
            let verified = SignedEnvelope::from_bytes(&bytes).and_then(|signed| self.documents.verify(&signed));
            verified.inspect_err(|refusal| tracing::error!(%refusal, "an edit cannot be read by this software")).ok()
        });
        verified.collect()
    }
}

/// An edit that waits for the hub: hash of its change, and its envelope.
type Waiting = ([u8; 32], Vec<u8>);

impl Station {
    /// Reads the documents from the disk, after a start.
    pub(crate) fn load_documents(&self) -> Result<(), StoreError> {
        self.read_confirmed_edits()?;
        let own = self.store.own_edits()?;
        let mut edits = lock(&self.edits);
        let open = own.into_iter().filter(|own| own.answer.is_none_or(|code| code == 0)).map(|own| own.envelope);
        let pending = edits.read(open);
        edits.documents.restore_pending(pending);
        edits.is_new = true;
        drop(edits);
        self.read_rules();
        Ok(())
    }

    /// Takes what the hub confirmed since the last time; all anew where a snapshot replaced it.
    pub(crate) fn read_confirmed_edits(&self) -> Result<(), StoreError> {
        let mut edits = lock(&self.edits);
        let mut confirmed = self.store.confirmed_edits(edits.held.1)?;
        let was_replaced = edits.held.0 != 0 && confirmed.first != edits.held.0;
        if was_replaced {
            confirmed = self.store.confirmed_edits(0)?;
            edits.documents = Documents::new(edits.founding.clone());
        }
        edits.held = (confirmed.first, confirmed.last);
        let verified = edits.read(confirmed.envelopes);
        for (change, refusal) in edits.documents.confirm_all(verified) {
            tracing::error!(%change, %refusal, "a confirmed edit cannot be applied by this software");
        }
        if was_replaced {
            let own = self.store.own_edits()?;
            let open = own.into_iter().filter(|own| own.answer.is_none_or(|code| code == 0)).map(|own| own.envelope);
            let pending = edits.read(open);
            edits.documents.restore_pending(pending);
        }
        drop(edits);
        self.read_rules();
        Ok(())
    }

    /// Goes by what the documents say now, and keeps the revision.
    pub(crate) fn read_rules(&self) {
        let body = &self.bundle().bundle.body;
        let mut edits = lock(&self.edits);
        let rules = Rules::of(body, &edits.documents);
        let is_new = edits.revisions.at(rules.catalogue.revision).is_none();
        edits.revisions.keep(Arc::new(rules.catalogue.clone()));
        let heads = edits.documents.heads(Document::Catalogue);
        drop(edits);
        if is_new && !heads.is_empty() && self.store.degraded().is_none() {
            let bytes = heads.iter().flat_map(|head| head.0).collect();
            if let Err(error) = self.store.keep_revision(rules.catalogue.revision, bytes) {
                tracing::warn!(%error, "a price revision is not kept over a restart");
            }
        }
        self.go_by(rules);
    }

    /// The catalogue as it was under this revision, if it is one of the last.
    pub(crate) fn catalogue_at(&self, revision: u32) -> Option<Arc<Catalogue>> {
        let rules = self.rules();
        if rules.catalogue.revision == revision {
            return Some(Arc::new(rules.catalogue.clone()));
        }
        let kept = lock(&self.edits).revisions.at(revision);
        kept.or_else(|| {
            let bytes = self.store.revision_heads(revision).ok()??;
            let (heads, _) = bytes.as_chunks::<32>();
            let heads: Vec<ChangeHash> = heads.iter().map(|head| ChangeHash(*head)).collect();
            let catalogue = lock(&self.edits).documents.catalogue_at(&heads)?;
            (catalogue.revision == revision).then(|| Arc::new(catalogue))
        })
    }

    /// A manager edits at this box: on disk, then in force here, then on its way to the hub.
    pub(crate) fn edit(
        &self,
        document: Document,
        settings: &[Setting],
        operator: u32,
        by: &SignedBy,
    ) -> Result<ChangeHash, NotEdited> {
        let epoch = self.store.read(|view| view.head().map_or(0, |head| head.at.epoch))?;
        let author = Author { device: self.device(), epoch, operator, at_ms: self.now_ms() };
        let mut edits = lock(&self.edits);
        let signed = edits.documents.author(document, settings, &author, by)?;
        let verified = edits.documents.verify(&signed)?;
        let change = verified.hash();
        if !self.store.keep_edit(change.0, signed.to_bytes())? {
            return Err(Refusal::Waiting.into());
        }
        edits.documents.add_pending(verified)?;
        edits.is_new = true;
        drop(edits);
        self.read_rules();
        Ok(change)
    }

    /// What settles a conflict.
    pub(crate) fn settling(&self, document: Document, path: &str, change: ChangeHash) -> Option<Setting> {
        lock(&self.edits).documents.settling(document, path, change)
    }

    /// The hub answered an edit.
    pub(crate) fn edit_answered(&self, answer: &EditAnswer) -> Result<(), StoreError> {
        let change = ChangeHash(answer.change);
        let code = (!answer.entered_again).then_some(answer.code);
        self.store.answer_edit(answer.change, code)?;
        if code != Some(0) {
            // A confirmed edit stays on show until the hub sends it back in its order.
            lock(&self.edits).documents.answered(change);
            tracing::warn!(%change, code = answer.code, entered_again = answer.entered_again, "an edit was undone");
            self.read_rules();
        }
        Ok(())
    }

    /// Edits that the hub has not answered, in their order.
    pub(crate) fn edits_waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner).is_new = false;
        let open = self.store.own_edits()?.into_iter().filter(|own| own.answer.is_none());
        Ok(open.map(|own| (own.change, own.envelope)).collect())
    }

    /// Whether something was edited here since [`Self::edits_waiting`].
    pub(crate) fn has_new_edits(&self) -> bool {
        lock(&self.edits).is_new
    }

    /// A document as a page shows it.
    pub(crate) fn document_view(&self, document: Document) -> Result<DocumentView, StoreError> {
        let own = self.store.own_edits()?;
        let refused = own.iter().rev().filter_map(|own| {
            let refusal = Refusal::from_number(own.answer?)?;
            let envelope = SignedEnvelope::from_bytes(&own.envelope).and_then(|signed| signed.read()).ok()?;
            (envelope.document == document.number()).then(|| EditView::of(&envelope, Some(refusal)))
        });
        let refused = refused.collect();
        Ok(DocumentView { refused, ..DocumentView::of(&lock(&self.edits).documents, document) })
    }
}
