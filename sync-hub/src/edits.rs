//! Shared documents at the hub: it judges edits, gives them their order, and makes its own.
//! Invariant: an edit is answered after the answer is on disk, and the same edit gets the same answer for ever.
//! Not here: what makes an edit sound (`documents`), sending what was confirmed (`deltas`).
use documents::{Author, ChangeHash, Document, Documents, Refusal, Setting, SignedBy, SignedEnvelope, Verified};
use domain::{bundle, catalogue::Product};
use screens::view::EditBody;
use sync::frame::{Edit, EditAnswer};

use crate::{
    config::FestivalConfig,
    hub::{Hub, HubError},
    store::{AnsweredEdit, Store},
};

/// Settings of one change while seeding: well below what a change may have.
const SEED_CHUNK: usize = 200;

/// How an edit was answered.
enum Answer {
    Confirmed,
    EnteredAgain,
    Refused(Refusal),
}

/// The documents as the database has them.
pub(crate) fn load(store: &Store, founding: &domain::trust::Founding) -> Result<Documents, HubError> {
    let mut documents = Documents::new(founding.clone());
    let mut verified = Vec::new();
    for edit in store.edits_after(-1)? {
        match SignedEnvelope::from_bytes(&edit.envelope).and_then(|signed| documents.verify(&signed)) {
            Ok(edit) => verified.push(edit),
            Err(refusal) => tracing::error!(%refusal, "a confirmed edit cannot be read by this software"),
        }
    }
    for (change, refusal) in documents.confirm_all(verified) {
        tracing::error!(%change, %refusal, "a confirmed edit cannot be applied by this software");
    }
    Ok(documents)
}

impl Hub {
    /// The shared documents.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Judges an edit that a box brought.
    pub fn take_edit(&mut self, edit: &Edit) -> Result<EditAnswer, HubError> {
        let answer = |code, entered_again| EditAnswer { change: edit.change, code, entered_again };
        let change = ChangeHash(edit.change);
        if let Some(code) = self.store.answer_to(&edit.change)? {
            return Ok(answer(code, code == 0));
        }
        if Document::ALL.into_iter().any(|document| self.documents.is_confirmed(document, &change)) {
            return Ok(answer(0, false));
        }
        let judged = match self.verify(edit) {
            Ok(verified) => self.judge(&verified)?,
            Err(refusal) => Answer::Refused(refusal),
        };
        match judged {
            Answer::Confirmed => Ok(answer(0, false)),
            Answer::EnteredAgain => {
                self.note_answer(edit, 0)?;
                Ok(answer(0, true))
            }
            Answer::Refused(refusal) => {
                tracing::warn!(%change, %refusal, "an edit is refused");
                self.note_answer(edit, refusal.number())?;
                Ok(answer(refusal.number(), false))
            }
        }
    }

    fn verify(&self, edit: &Edit) -> Result<Verified, Refusal> {
        let verified = self.documents.verify(&SignedEnvelope::from_bytes(&edit.envelope)?)?;
        // Only the hub enters for others.
        let is_own = self.identity.manager.as_ref().is_some_and(|own| is_key_of(own, &verified));
        if verified.hash().0 != edit.change || (verified.envelope.reentered.is_some() && !is_own) {
            return Err(Refusal::Malformed);
        }
        Ok(verified)
    }

    fn judge(&mut self, verified: &Verified) -> Result<Answer, HubError> {
        if self.store.is_manager_revoked(&verified.manager)? {
            return Ok(Answer::Refused(Refusal::Revoked));
        }
        match self.confirm(verified)? {
            Ok(()) => Ok(Answer::Confirmed),
            // What it builds on was refused, or lost with a backup: its intents are honest all the same.
            Err(Refusal::Dependency) => self.enter_again(verified),
            Err(refusal) => Ok(Answer::Refused(refusal)),
        }
    }

    /// Confirms an edit that is sound: in memory and on disk, or not at all.
    fn confirm(&mut self, verified: &Verified) -> Result<Result<(), Refusal>, HubError> {
        if let Err(refusal) = self.documents.judge(verified) {
            return Ok(Err(refusal));
        }
        let edit = Edit { change: verified.hash().0, envelope: verified.signed.to_bytes() };
        let stored = self.store.transaction::<_, HubError>(|store| Ok(store.add_edit(&edit)?));
        if let Err(error) = stored {
            self.documents = load(&self.store, &self.identity.founding)?;
            return Err(error);
        }
        self.dirty.edits.push(edit);
        Ok(Ok(()))
    }

    fn enter_again(&mut self, original: &Verified) -> Result<Answer, HubError> {
        let Some(by) = self.own_manager() else { return Ok(Answer::Refused(Refusal::Orphaned)) };
        let made = self.documents.reenter(original, &self.as_author(), &by);
        let made = made.and_then(|signed| self.documents.verify(&signed));
        let confirmed = match made {
            Ok(verified) => self.confirm(&verified)?,
            // It is so already.
            Err(Refusal::Nothing) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        Ok(confirmed.map_or_else(Answer::Refused, |()| Answer::EnteredAgain))
    }

    fn note_answer(&mut self, edit: &Edit, code: u16) -> Result<(), HubError> {
        let at_ms = self.now_ms();
        let answered = AnsweredEdit { change: edit.change, code, at_ms, envelope: edit.envelope.clone() };
        self.store.transaction::<_, HubError>(|store| Ok(store.add_answer(&answered)?))
    }

    fn own_manager(&self) -> Option<SignedBy> {
        let own = self.identity.manager.as_ref()?;
        Some(SignedBy { key: own.key.clone(), chain: own.chain.clone() })
    }

    /// The hub as an author: each term is a run of its own, so that no number is used twice after a restore.
    fn as_author(&self) -> Author {
        Author { device: self.identity.device(), epoch: self.term(), operator: 0, at_ms: self.now_ms() }
    }

    /// An edit at the console.
    pub fn edit(&mut self, document: Document, settings: &[Setting]) -> Result<ChangeHash, HubError> {
        let by = self.own_manager().ok_or(HubError::Invalid("this hub has no manager key (keys/manager.key)"))?;
        let signed = self.documents.author(document, settings, &self.as_author(), &by)?;
        let verified = self.documents.verify(&signed)?;
        self.confirm(&verified)??;
        Ok(verified.hash())
    }

    /// Settles a conflict: the value that `change` put there holds, whether it is the one in force or not.
    pub fn settle(&mut self, document: Document, path: &str, change: ChangeHash) -> Result<ChangeHash, HubError> {
        let setting = self.documents.settling(document, path, change).ok_or(HubError::NotFound("the conflict"))?;
        self.edit(document, &[setting])
    }

    /// Fills documents that have nothing yet from `festival.toml`.
    pub(crate) fn seed_documents(&mut self, config: &FestivalConfig) -> Result<(), HubError> {
        if self.identity.manager.is_none() {
            tracing::warn!("no keys/manager.key: prices, zones and staff cannot be edited here");
            return Ok(());
        }
        let seeds = [
            (Document::Catalogue, config.catalogue()?.iter().map(documents::product).collect::<Vec<_>>()),
            (Document::Zones, config.zones()?.iter().map(|zone| documents::zone(zone, 0)).collect()),
            (Document::Reasons, config.reasons()?.iter().map(documents::reason).collect()),
        ];
        for (document, things) in seeds {
            if self.documents.has(document) {
                continue;
            }
            let mut settings: Vec<Setting> = Vec::new();
            for thing in things {
                if settings.len().saturating_add(thing.len()) > SEED_CHUNK {
                    self.edit(document, &std::mem::take(&mut settings))?;
                }
                settings.extend(thing);
            }
            if !settings.is_empty() {
                self.edit(document, &settings)?;
            }
        }
        Ok(())
    }

    /// Takes people on whose edits lie in `staff/` (`provision staff new` writes them); who is there already stays as
    /// he was edited since.
    pub(crate) fn adopt_staff_files(&mut self) -> Result<(), HubError> {
        let Ok(files) = std::fs::read_dir(self.dir.join("staff")) else { return Ok(()) };
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.sort_unstable();
        for path in paths {
            let body = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<EditBody>(&bytes).ok());
            let Some(body) = body.filter(|body| body.document == Document::Staff.name()) else {
                tracing::warn!(file = %path.display(), "not a file of staff; passed over");
                continue;
            };
            let known = self.documents.fields(Document::Staff);
            if body.set.keys().any(|path| known.contains_key(path)) {
                continue;
            }
            if let Err(error) = self.edit(Document::Staff, &body.settings(Document::Staff)?) {
                tracing::error!(file = %path.display(), %error, "a person could not be taken on");
            }
        }
        Ok(())
    }

    /// The catalogue as a bundle carries it, for boxes that have no document yet, with its revision.
    pub(crate) fn bundle_catalogue(&self) -> Option<(u32, Vec<bundle::Product>)> {
        if !self.documents.has(Document::Catalogue) {
            return None;
        }
        let catalogue = self.documents.catalogue().value;
        let product = |product: &Product| bundle::Product {
            number: product.number,
            name_fr: product.name_fr.clone(),
            name_en: product.name_en.clone(),
            group: product.group.clone(),
            price: product.price,
            in_cup: product.in_cup,
        };
        Some((catalogue.revision, catalogue.products.iter().map(product).collect()))
    }
}

fn is_key_of(own: &crate::identity::Keyed, verified: &Verified) -> bool {
    own.key.verifying_key().to_bytes() == verified.manager
}

#[cfg(test)]
mod tests;
