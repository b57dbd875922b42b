//! Who may enter where and when, and how many: the rules of each zone.
//! Invariant: plain data, total: a zone without rules is open to whoever's ticket names it, once.
//! Not here: how the rules are edited (`documents`), the verdict (`access`), presence (`ledger`).
use alloc::{string::String, vec::Vec};

/// Whether somebody who left may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PassageMode {
    /// One admission for ever; leaving is noted.
    #[default]
    Once,
    /// In again after having been out; twice in without out is refused (anti-passback).
    ReEntry,
    /// Counts only: no ticket is refused for having been used.
    Free,
}

/// A category may pass only within this window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Category of our own tickets; 0 is everybody.
    pub category: u16,
    /// First second, Unix.
    pub from: u64,
    /// First second after it, Unix.
    pub until: u64,
}

/// Rules of one zone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Zone {
    /// 0 is the site, up to 31.
    pub number: u16,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Most people inside; `None` for no bound.
    pub capacity: Option<u32>,
    /// May they come back?
    pub mode: PassageMode,
    /// If a category has windows, it passes only within one of them.
    pub windows: Vec<Window>,
}

/// All zones.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ZoneRules {
    /// By number, rising.
    pub zones: Vec<Zone>,
}

impl ZoneRules {
    /// The zone with this number.
    pub fn zone(&self, number: u16) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.number == number)
    }
}
