//! One document on one side: what the hub confirmed, in its order, and this side's own edits on top.
//! Invariant: what is shown = confirmed + those pending edits that can stand on it; refusing one leaves no trace of it.
//! Not here: several documents together (`documents`).
use crate::{
    document::{ChangeHash, Document},
    envelope::Verified,
    refusal::Refusal,
    replica::Replica,
};

/// One document on one side.
pub(crate) struct Shared {
    pub(crate) document: Document,
    confirmed: Replica,
    /// Confirmed and pending together; none while nothing is pending.
    shown: Option<Replica>,
    pending: Vec<Verified>,
}

impl Shared {
    pub(crate) fn new(document: Document) -> Self {
        Self { document, confirmed: Replica::default(), shown: None, pending: Vec::new() }
    }

    pub(crate) fn confirmed(&self) -> &Replica {
        &self.confirmed
    }

    pub(crate) fn shown(&self) -> &Replica {
        self.shown.as_ref().unwrap_or(&self.confirmed)
    }

    pub(crate) fn pending(&self) -> &[Verified] {
        &self.pending
    }

    /// Takes what the hub confirmed next. A change that is here already changes nothing.
    pub(crate) fn confirm(&mut self, new: &Verified) -> Result<(), Refusal> {
        self.confirm_all(std::slice::from_ref(new)).map_err(|(_, refusal)| refusal)
    }

    /// As [`Self::confirm`] for several, in the hub's order; the index of the first that cannot be taken.
    pub(crate) fn confirm_all(&mut self, new: &[Verified]) -> Result<(), (usize, Refusal)> {
        let fresh: Vec<Verified> =
            new.iter().filter(|new| self.confirmed.known(&new.hash()).is_none()).cloned().collect();
        if !fresh.is_empty() && self.confirmed.apply_all(&fresh).is_err() {
            // One of them is bad: take those before it one by one.
            for (index, one) in new.iter().enumerate() {
                if self.confirmed.known(&one.hash()).is_none()
                    && let Err(refusal) = self.confirmed.apply(one)
                {
                    self.show();
                    return Err((index, refusal));
                }
            }
        }
        self.show();
        Ok(())
    }

    /// Replaces the confirmed state by one that `judge` made.
    pub(crate) fn advance(&mut self, next: Replica) {
        self.confirmed = next;
        self.show();
    }

    /// Forgets all that was confirmed (a snapshot follows). Pending edits stay.
    pub(crate) fn forget_confirmed(&mut self) {
        self.confirmed = Replica::default();
        self.show();
    }

    /// An own edit, shown until the hub answers.
    pub(crate) fn add_pending(&mut self, new: Verified) -> Result<(), Refusal> {
        let mut shown = self.shown().clone();
        shown.apply(&new)?;
        self.shown = Some(shown);
        self.pending.push(new);
        Ok(())
    }

    /// An own edit from an earlier run: it stays pending even if it cannot stand at present, since the hub may enter
    /// it again from its intents.
    pub(crate) fn restore_pending(&mut self, new: Verified) {
        if self.pending.iter().all(|pending| pending.hash() != new.hash()) {
            self.pending.push(new);
            self.show();
        }
    }

    /// The hub answered: it is not pending any more. Unless it was confirmed, what it did is undone.
    pub(crate) fn answered(&mut self, hash: ChangeHash) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.hash() != hash);
        self.show();
        self.pending.len() < before
    }

    /// Rebuilds what is shown. Confirmed edits are not pending any more.
    fn show(&mut self) {
        let confirmed = &self.confirmed;
        self.pending.retain(|pending| confirmed.known(&pending.hash()).is_none());
        self.shown = None;
        if self.pending.is_empty() {
            return;
        }
        let mut shown = self.confirmed.clone();
        for pending in &self.pending {
            // What cannot stand without a refused one waits unseen.
            let _ = shown.apply(pending);
        }
        self.shown = Some(shown);
    }
}
