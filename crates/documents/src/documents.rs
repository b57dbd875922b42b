//! All shared documents of one side, box or hub.
//! Invariant: two sides that confirmed the same changes and have nothing pending read the same under the same revision.
//! Not here: where envelopes are stored and how they travel.
use std::collections::{BTreeMap, HashMap};

use domain::{
    catalogue::Catalogue,
    staff::{Reason, Staff},
    trust::Founding,
    zones::ZoneRules,
};

use crate::{
    author::{self, Author, Ground, SignedBy},
    document::{ChangeHash, Document},
    edit::Setting,
    envelope::{Reentered, SignedEnvelope, Verified},
    judge::judge,
    path::{MemberField, Path},
    reading::{self, Conflict, Problem, Reading},
    refusal::Refusal,
    revision::revision_of,
    shared::Shared,
};

/// Most own edits that wait for the hub.
pub const PENDING_MAX: usize = 256;

/// The documents.
pub struct Documents {
    founding: Founding,
    shared: [Shared; 4],
    refused: HashMap<ChangeHash, Refusal>,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents").field("changes", &self.len()).finish_non_exhaustive()
    }
}

impl Documents {
    /// Documents without any change.
    pub fn new(founding: Founding) -> Self {
        Self { founding, shared: Document::ALL.map(Shared::new), refused: HashMap::new() }
    }

    fn shared(&self, document: Document) -> &Shared {
        let at = self.shared.iter().position(|shared| shared.document == document);
        &self.shared[at.unwrap_or(0)]
    }

    fn shared_mut(&mut self, document: Document) -> &mut Shared {
        let at = self.shared.iter().position(|shared| shared.document == document);
        &mut self.shared[at.unwrap_or(0)]
    }

    /// How many changes are confirmed.
    pub fn len(&self) -> usize {
        self.shared.iter().map(|shared| shared.confirmed().len()).sum()
    }

    /// Whether no change is confirmed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `document` has any content, confirmed or pending.
    pub fn has(&self, document: Document) -> bool {
        !self.shared(document).shown().is_empty()
    }

    /// Verifies an envelope: signature, chain, actor, limits. Automerge sees nothing yet.
    pub fn verify(&self, signed: &SignedEnvelope) -> Result<Verified, Refusal> {
        signed.verify(&self.founding)
    }

    /// Whether this change is confirmed.
    pub fn is_confirmed(&self, document: Document, hash: &ChangeHash) -> bool {
        self.shared(document).confirmed().known(hash).is_some()
    }

    // --- what the hub confirmed -----------------------------------------------------------------------------------

    /// Takes the next edit in the hub's order.
    pub fn confirm(&mut self, new: &Verified) -> Result<(), Refusal> {
        self.shared_mut(new.document).confirm(new)
    }

    /// Takes edits in the hub's order; gives those that this software cannot take, which stay out with all that
    /// builds on them.
    pub fn confirm_all(&mut self, new: Vec<Verified>) -> Vec<(ChangeHash, Refusal)> {
        let mut left_out = Vec::new();
        for document in Document::ALL {
            let mut rest: Vec<Verified> = new.iter().filter(|new| new.document == document).cloned().collect();
            while let Err((index, refusal)) = self.shared_mut(document).confirm_all(&rest) {
                left_out.push((rest[index].hash(), refusal));
                rest.drain(..=index);
            }
        }
        left_out
    }

    /// A snapshot replaces what was confirmed.
    pub fn forget_confirmed(&mut self) {
        self.shared.iter_mut().for_each(Shared::forget_confirmed);
    }

    // --- a box's own edits ----------------------------------------------------------------------------------------

    /// Makes an edit on what is shown here. Nothing has happened yet: store it, then [`Self::add_pending`].
    pub fn author(
        &self,
        document: Document,
        settings: &[Setting],
        author: &Author,
        by: &SignedBy,
    ) -> Result<SignedEnvelope, Refusal> {
        if self.pending().count() >= PENDING_MAX {
            return Err(Refusal::Waiting);
        }
        let replica = self.shared(document).shown();
        let ground = Ground { festival: self.founding.festival(), replica, document };
        let signed = author::make(&ground, settings, author, by, None)?;
        judge(replica, &self.verify(&signed)?)?;
        Ok(signed)
    }

    /// What settles a conflict as shown: the value that `change` put at `path` holds, in force already or not.
    pub fn settling(&self, document: Document, path: &str, change: ChangeHash) -> Option<Setting> {
        let conflicts = self.troubles(document).1;
        let conflict = conflicts.into_iter().find(|conflict| conflict.path == path)?;
        let mut stated = std::iter::once(conflict.in_force).chain(conflict.others);
        let value = stated.find(|statement| statement.change == change)?.value;
        Some(Setting { path: Path::parse(document, path)?, value: Some(value) })
    }

    /// Shows an own edit that waits for the hub.
    pub fn add_pending(&mut self, new: Verified) -> Result<(), Refusal> {
        self.shared_mut(new.document).add_pending(new)
    }

    /// Shows own edits of an earlier run again, in the order in which they were made.
    pub fn restore_pending(&mut self, pending: impl IntoIterator<Item = Verified>) {
        for new in pending {
            self.shared_mut(new.document).restore_pending(new);
        }
    }

    /// The hub answered with yes or no; a refused edit is undone, and so is what stood on it until the hub has
    /// entered that again. `false` where it was not pending.
    pub fn answered(&mut self, hash: ChangeHash) -> bool {
        self.shared.iter_mut().any(|shared| shared.answered(hash))
    }

    /// Own edits that wait for the hub, per document in the order in which they were made.
    pub fn pending(&self) -> impl Iterator<Item = &Verified> {
        self.shared.iter().flat_map(|shared| shared.pending())
    }

    // --- the hub ------------------------------------------------------------------------------------------------

    /// Judges an edit and confirms it.
    pub fn judge(&mut self, new: &Verified) -> Result<(), Refusal> {
        let next = judge(self.shared(new.document).confirmed(), new)?;
        self.shared_mut(new.document).advance(next);
        Ok(())
    }

    /// Remembers a refusal, so that what builds on it is known as orphaned.
    pub fn refuse(&mut self, hash: ChangeHash, refusal: Refusal) {
        self.refused.insert(hash, refusal);
    }

    /// Why this change was refused, if it was.
    pub fn refused(&self, hash: &ChangeHash) -> Option<Refusal> {
        self.refused.get(hash).copied()
    }

    /// Enters an honest edit again from its intents: what its own change builds on is not here and never will be.
    pub fn reenter(&self, original: &Verified, author: &Author, by: &SignedBy) -> Result<SignedEnvelope, Refusal> {
        let paths = original.paths().iter().zip(&original.envelope.intents);
        let settings: Vec<Setting> =
            paths.map(|(path, intent)| Setting { path: path.clone(), value: intent.new.clone() }).collect();
        let replica = self.shared(original.document).confirmed();
        let ground = Ground { festival: self.founding.festival(), replica, document: original.document };
        let author = Author { operator: original.envelope.operator, ..author.clone() };
        let reentered = Reentered { change: original.hash(), manager: original.manager };
        author::make(&ground, &settings, &author, by, Some(reentered))
    }

    // --- reading --------------------------------------------------------------------------------------------------

    /// The changes of `document` that nothing builds on, as shown, sorted.
    pub fn heads(&self, document: Document) -> Vec<ChangeHash> {
        self.shared(document).shown().heads()
    }

    /// Price revision of what is shown.
    pub fn revision(&self) -> u32 {
        revision_of(&self.heads(Document::Catalogue))
    }

    /// Every field of `document` as shown, by its path, in text form; hashes of PINs and sealed keys are left out.
    pub fn fields(&self, document: Document) -> BTreeMap<String, String> {
        let all = self.shared(document).shown().all(None);
        let is_secret = |path: &Path| matches!(path, Path::Member(_, MemberField::Pin | MemberField::SealedKey));
        let fields = all.into_iter().filter_map(|(key, standing)| {
            let path = Path::parse(document, &key)?;
            let value = standing.last()?.value.clone()?;
            (!is_secret(&path) && path.admits(&value)).then(|| (key, value.to_string()))
        });
        fields.collect()
    }

    /// What was ignored in `document` as shown, and where people wrote different things at the same time.
    pub fn troubles(&self, document: Document) -> (Vec<Problem>, Vec<Conflict>) {
        match document {
            Document::Catalogue => parts(self.catalogue()),
            Document::Zones => parts(self.zones()),
            Document::Staff => parts(self.staff()),
            Document::Reasons => parts(self.reasons()),
        }
    }

    /// The catalogue as shown.
    pub fn catalogue(&self) -> Reading<Catalogue> {
        let replica = self.shared(Document::Catalogue).shown();
        let revision = self.revision();
        reading::read(replica, Document::Catalogue, None, |fields| reading::catalogue(fields, revision))
    }

    /// The catalogue as it was at `heads`; `None` where they are not all here.
    pub fn catalogue_at(&self, heads: &[ChangeHash]) -> Option<Catalogue> {
        let replica = self.shared(Document::Catalogue).shown();
        let revision = revision_of(heads);
        let read =
            || reading::read(replica, Document::Catalogue, Some(heads), |fields| reading::catalogue(fields, revision));
        replica.holds(heads).then(|| read().value)
    }

    /// The zones as shown.
    pub fn zones(&self) -> Reading<ZoneRules> {
        reading::read(self.shared(Document::Zones).shown(), Document::Zones, None, reading::zones)
    }

    /// The staff as shown.
    pub fn staff(&self) -> Reading<Staff> {
        reading::read(self.shared(Document::Staff).shown(), Document::Staff, None, reading::staff)
    }

    /// The reasons as shown.
    pub fn reasons(&self) -> Reading<Vec<Reason>> {
        reading::read(self.shared(Document::Reasons).shown(), Document::Reasons, None, reading::reasons)
    }
}

fn parts<T>(reading: Reading<T>) -> (Vec<Problem>, Vec<Conflict>) {
    (reading.problems, reading.conflicts)
}
