//! Segments waiting for the writer, a line for each box.
//! Invariant: bounded, and fair: a box that floods waits for itself alone.
//! Not here: verifying (the sessions), storing (`Hub::ingest`).
use std::collections::{BTreeMap, VecDeque};

use domain::id::DeviceId;

/// Most segments waiting of one box; a session sends no more without an acknowledgement.
pub const LINE: usize = 16;

/// Things waiting, by who sent them.
#[derive(Debug)]
pub struct FairQueue<T> {
    lines: BTreeMap<DeviceId, VecDeque<(usize, T)>>,
    /// Whose turn is next.
    turns: VecDeque<DeviceId>,
    entries: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new(), entries: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Adds something of `weight` entries; gives it back where the sender's line is full.
    pub fn push(&mut self, sender: DeviceId, weight: usize, item: T) -> Result<(), T> {
        let line = self.lines.entry(sender).or_default();
        if line.len() >= LINE {
            return Err(item);
        }
        if line.is_empty() {
            self.turns.push_back(sender);
        }
        line.push_back((weight, item));
        self.entries = self.entries.saturating_add(weight);
        Ok(())
    }

    /// Takes up to `most` entries' worth, one of each sender in turn; at least one where there is any.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let (mut taken, mut weight) = (Vec::new(), 0usize);
        while weight < most {
            let Some(sender) = self.turns.pop_front() else { break };
            let Some(line) = self.lines.get_mut(&sender) else { continue };
            if let Some((one, item)) = line.pop_front() {
                weight = weight.saturating_add(one);
                self.entries = self.entries.saturating_sub(one);
                taken.push(item);
            }
            if line.is_empty() {
                self.lines.remove(&sender);
            } else {
                self.turns.push_back(sender);
            }
        }
        taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// How many boxes wait.
    pub fn senders(&self) -> usize {
        self.turns.len()
    }

    /// How many entries wait.
    pub fn entries(&self) -> usize {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flooding_box_does_not_hold_up_the_others() {
        let (flood, quiet) = (DeviceId([1; 16]), DeviceId([2; 16]));
        let mut queue = FairQueue::default();
        for n in 0..LINE {
            queue.push(flood, 500, n).unwrap();
        }
        assert_eq!(queue.push(flood, 500, 99), Err(99));
        queue.push(quiet, 1, 1000).unwrap();
        assert_eq!(queue.take(600), vec![0, 1000, 1]);
        assert_eq!(queue.entries(), 500 * (LINE - 2));
        assert_eq!(queue.take(1), vec![2]);
        let rest = queue.take(usize::MAX);
        assert_eq!(rest.len(), LINE - 3);
        assert!(queue.is_empty() && queue.entries() == 0);
    }
}
