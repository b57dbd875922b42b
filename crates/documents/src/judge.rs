//! Whether an edit may be countersigned: it does what its intents say, and leaves what it touches sound.
//! Invariant: judged where its author stood (the state it builds on), so that two sound edits made apart are both taken.
//! Not here: signature and limits (`envelope`), order and numbering (`replica`).
use crate::{
    change::OpId,
    document::ChangeHash,
    envelope::{Intent, Verified},
    path::Path,
    reading::{self, Trouble},
    refusal::Refusal,
    replica::Replica,
};

/// Judges `new` on what is confirmed; gives the state with it.
pub(crate) fn judge(confirmed: &Replica, new: &Verified) -> Result<Replica, Refusal> {
    confirmed.follows(new)?;
    let here = new.dependencies();
    for (operation, intent) in new.change.operations.iter().zip(&new.envelope.intents) {
        let standing = confirmed.standing(&intent.path, Some(here));
        let mut ids: Vec<OpId> = standing.iter().map(|standing| standing.id).collect();
        let in_force = standing.last();
        if in_force.and_then(|standing| standing.value.as_ref()) != intent.old.as_ref() {
            return Err(Refusal::NotItsIntents);
        }
        // To confirm the value in force means to delete the others.
        let settles = intent.new.is_some() && intent.new == intent.old;
        if settles {
            ids.pop();
        }
        if ids.is_empty() && (settles || intent.new.is_none()) {
            return Err(Refusal::Nothing);
        }
        let expected = if settles { &None } else { &intent.new };
        let mut replaces = operation.replaces.clone();
        ids.sort_unstable();
        replaces.sort_unstable();
        if operation.value != *expected || replaces != ids {
            return Err(Refusal::NotItsIntents);
        }
    }
    let mut next = confirmed.clone();
    next.apply(new)?;
    if !next.rewrites_alike(new) {
        return Err(Refusal::Malformed);
    }
    let after = [new.hash()];
    for (intent, path) in new.envelope.intents.iter().zip(new.paths()) {
        check_effect(&next, intent, path, &after)?;
    }
    sound(&next, new, &after)?;
    Ok(next)
}

/// On the fork with the change, each path holds what its intent says.
fn check_effect(next: &Replica, intent: &Intent, path: &Path, after: &[ChangeHash]) -> Result<(), Refusal> {
    let standing = next.standing(&path.text(), Some(after));
    let values: Vec<_> = standing.iter().map(|standing| standing.value.clone()).collect();
    let wanted: Vec<_> = intent.new.iter().map(|value| Some(value.clone())).collect();
    if values == wanted { Ok(()) } else { Err(Refusal::NotItsIntents) }
}

/// The edit makes no trouble that was not there before it.
fn sound(next: &Replica, new: &Verified, after: &[ChangeHash]) -> Result<(), Refusal> {
    let before = reading::problems(next, new.document, new.dependencies());
    let since = reading::problems(next, new.document, after);
    match since.iter().find(|problem| !before.contains(problem)).map(|problem| problem.trouble) {
        None => Ok(()),
        Some(Trouble::Incomplete) => Err(Refusal::Incomplete),
        Some(Trouble::OnlyAlcohol) => Err(Refusal::OnlyAlcohol),
        Some(Trouble::Unreadable) => Err(Refusal::BadValue),
    }
}
