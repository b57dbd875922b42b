//! Two successors of one chip record: a restored or copied dump.
//! Invariant: a function of the set; a record counts where it was committed or where somebody read it in a chain.
//! Not here: what the forked spends add up to (`wallet`).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    judged::{Extent, judged},
    settle::{Evidence, WalletEntry, is_none},
};
use crate::{id::EntryRef, wristband::RecordId};

/// One record that has several successors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipFork {
    /// The record that they all follow.
    pub base: RecordId,
    /// The records that follow it, each with the entries that show it.
    pub successors: Vec<Successor>,
}

/// A record that follows another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Which.
    pub record: RecordId,
    /// Entries that committed it or read it in a chain.
    pub shown_by: Vec<EntryRef>,
    /// The intent that wrote it, where that is known.
    pub written_by: Option<EntryRef>,
}

/// Every fork among the records of one wallet's chip. Beside a torn tap a fork is suspect only.
pub fn chip_forks(entries: &[WalletEntry]) -> Vec<ChipFork> {
    forks_in(&Evidence::of(super::wallet::distinct(&judged(entries, Extent::Whole))))
}

pub(super) fn forks_in(evidence: &Evidence<'_>) -> Vec<ChipFork> {
    let mut edges: BTreeMap<RecordId, BTreeMap<RecordId, BTreeSet<EntryRef>>> = BTreeMap::new();
    let mut writers: BTreeMap<RecordId, EntryRef> = BTreeMap::new();
    let mut follows = |base: RecordId, next: RecordId, by: EntryRef| {
        if !is_none(base) && !is_none(next) {
            edges.entry(base).or_default().entry(next).or_default().insert(by);
        }
    };
    for reader in evidence.readers() {
        if let Some(seen) = reader.seen() {
            follows(seen.before, seen.base, reader.at);
            if let Some(before2) = seen.before2 {
                follows(before2, seen.before, reader.at);
            }
        }
        if let Some(intent) = reader.intent() {
            writers.entry(intent.own).and_modify(|at| *at = (*at).min(reader.at)).or_insert(reader.at);
            if evidence.has_record(&reader.at) {
                follows(intent.seen.base, intent.own, reader.at);
            }
        }
    }
    edges
        .into_iter()
        .filter(|(_, next)| next.len() > 1)
        .map(|(base, next)| ChipFork {
            base,
            successors: next
                .into_iter()
                .map(|(record, by)| Successor {
                    record,
                    shown_by: by.into_iter().collect(),
                    written_by: writers.get(&record).copied(),
                })
                .collect(),
        })
        .collect()
}
