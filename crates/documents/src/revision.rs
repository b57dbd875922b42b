//! Price revisions: the name of one exact state of the catalogue, the same wherever that state is.
use std::{collections::VecDeque, sync::Arc};

use domain::catalogue::Catalogue;

use crate::document::ChangeHash;

/// How many states back a basket may have been priced.
pub const REVISIONS_KEPT: usize = 64;

/// First 4 bytes (LE) of BLAKE3 over the sorted heads; 1 in place of 0. 0 where there is no change yet.
pub fn revision_of(heads: &[ChangeHash]) -> u32 {
    if heads.is_empty() {
        return 0;
    }
    let mut sorted = heads.to_vec();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    sorted.iter().for_each(|head| {
        hasher.update(&head.0);
    });
    let mut bytes = [0; 4];
    bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(4).0);
    u32::from_le_bytes(bytes).max(1)
}

/// The catalogues of the last [`REVISIONS_KEPT`] states, so that a price change never breaks an open basket.
#[derive(Clone, Debug, Default)]
pub struct Revisions {
    kept: VecDeque<Arc<Catalogue>>,
}

impl Revisions {
    /// Keeps `catalogue` as the newest.
    pub fn keep(&mut self, catalogue: Arc<Catalogue>) {
        self.kept.retain(|kept| kept.revision != catalogue.revision);
        self.kept.push_back(catalogue);
        if self.kept.len() > REVISIONS_KEPT {
            self.kept.pop_front();
        }
    }

    /// The catalogue as it was under `revision`.
    pub fn at(&self, revision: u32) -> Option<Arc<Catalogue>> {
        self.kept.iter().rev().find(|kept| kept.revision == revision).cloned()
    }
}
