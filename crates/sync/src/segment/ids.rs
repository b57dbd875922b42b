//! Wallets and tickets of a segment: each in full once, then by how recently it was spoken of.
//! Invariant: an id that was told already is never told as new.
use std::collections::BTreeSet;

use domain::wire::Malformed;

use super::row::Id;

/// Ids in the order of their first use; each is told by how many other ids were used since it was.
#[derive(Default)]
pub(super) struct Ids {
    pub(super) all: Vec<Id>,
    recent: Vec<Id>,
}

impl Ids {
    /// 0 the zero id · 1 a new one · 2 and more: place among the recent, from the newest.
    pub(super) fn tell(&mut self, id: Id) -> u64 {
        if id == [0; 16] {
            return 0;
        }
        match self.recent.iter().rposition(|other| *other == id) {
            Some(at) => {
                let told = self.recent.len().saturating_sub(at).saturating_add(1);
                let id = self.recent.remove(at);
                self.recent.push(id);
                told as u64
            }
            None => {
                self.all.push(id);
                self.recent.push(id);
                1
            }
        }
    }

    /// The id that was told, with the new ones taken from `fresh` in turn.
    pub(super) fn hear(&mut self, told: u64, fresh: &[Id], known: &mut BTreeSet<Id>) -> Result<Id, Malformed> {
        let bad = Malformed::Value("id");
        match told {
            0 => Ok([0; 16]),
            1 => {
                let id = *fresh.get(self.all.len()).ok_or(bad)?;
                if id == [0; 16] || !known.insert(id) {
                    return Err(bad);
                }
                self.all.push(id);
                self.recent.push(id);
                Ok(id)
            }
            _ => {
                let back = usize::try_from(told).ok().and_then(|n| n.checked_sub(1)).ok_or(bad)?;
                let at = self.recent.len().checked_sub(back).ok_or(bad)?;
                let id = self.recent.remove(at);
                self.recent.push(id);
                Ok(id)
            }
        }
    }
}
