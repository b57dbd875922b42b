//! Own edits of documents on their way to the hub: one at a time, in the order in which they were made, since a later
//! one builds on an earlier.
//! Invariant: an edit is sent again in each session until it is answered.
use std::collections::VecDeque;

use crate::frame::{Edit, EditAnswer};

#[derive(Clone, Debug, Default)]
pub(super) struct Edits {
    waiting: VecDeque<([u8; 32], Vec<u8>)>,
    asked: Option<[u8; 32]>,
}

impl Edits {
    /// What waits, as the store says.
    pub(super) fn wait(&mut self, edits: Vec<([u8; 32], Vec<u8>)>) {
        self.waiting = edits.into();
    }

    /// The next to send, while none is under way.
    pub(super) fn next(&mut self) -> Option<Edit> {
        if self.asked.is_some() {
            return None;
        }
        let (change, envelope) = self.waiting.front()?.clone();
        self.asked = Some(change);
        Some(Edit { change, envelope })
    }

    /// Whether this answers the one under way.
    pub(super) fn answered(&mut self, answer: &EditAnswer) -> bool {
        let is_it = self.asked == Some(answer.change);
        if is_it {
            self.asked = None;
            self.waiting.retain(|(change, _)| *change != answer.change);
        }
        is_it
    }

    /// The connection is gone, and with it whatever answer was on its way.
    pub(super) fn interrupt(&mut self) {
        self.asked = None;
    }
}
