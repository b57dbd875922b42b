//! The books and the agreement, summed over everything that is stored.
//! Invariant: read from one unchanging state of the database, beside the writer.
//! Not here: what the sums mean (`domain::ledger::Totals`).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    journal::BandProfile,
    ledger::{TicketFlags, TicketState, Totals, WalletFlags, WalletState, WalletSum, digest},
};
use screens::view;
use serde::Serialize;
use sync::Section;

use crate::{
    deltas::FED,
    store::{Reading, StoreError},
};

/// The books with what stands beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The money.
    pub money: Totals,
    /// People on the site now: admissions to zone 0 less exits.
    pub guests_in: i64,
    /// Admissions to all zones.
    pub admissions: u64,
    /// Wallets and tickets that wait for newer software.
    pub frozen: u64,
    /// Wallets known.
    pub wallets: u64,
}

/// What box and hub compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Term of the hub's database.
    pub term: u32,
    /// Newest batch of each section.
    pub numbers: BTreeMap<&'static str, u64>,
    /// `domain::ledger::digest` over all wallets and used tickets.
    pub digest: String,
}

/// Name of a section in JSON and metrics.
pub const fn section_name(section: Section) -> &'static str {
    match section {
        Section::Wallets => "wallets",
        Section::Tickets => "tickets",
        Section::Revocations => "revocations",
        Section::Documents => "documents",
        Section::Bundle => "bundle",
        Section::Credits => "credits",
        Section::Zones => "zones",
        Section::Shares => "shares",
    }
}

/// Sums everything up.
pub fn books(reading: &Reading) -> Result<Books, StoreError> {
    reading.at_once(|reading| {
        let mut books = Books::default();
        let mut sums = Vec::new();
        // What newer software names may be a wallet or a ticket: it is both, and waits once.
        let mut frozen = BTreeSet::new();
        reading.each_wallet(|wallet, stored| {
            let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
            let flags = state.map(|state| state.flags).unwrap_or_default();
            let purse = state.is_some_and(|s| s.profile.is_some_and(BandProfile::has_purse) || s.head_counter > 0);
            if flags.has(WalletFlags::FROZEN) {
                frozen.insert(wallet.0);
            }
            books.wallets = books.wallets.saturating_add(1);
            let (forked, emptied) = (flags.has(WalletFlags::SUSPECT), flags.has(WalletFlags::EMPTIED));
            sums.push(WalletSum { wallet, accounts: *stored.sums(), purse, forked, emptied });
        })?;
        books.money = Totals::from_ledger(sums);
        reading.ticket_states(|bytes| {
            let Ok(state) = TicketState::from_bytes(bytes) else { return };
            if state.flags.has(TicketFlags::FROZEN) {
                frozen.insert(state.ticket.0);
            }
        })?;
        for row in reading.passages()? {
            books.admissions = books.admissions.saturating_add(row.sums.ins.into());
            if row.zone == 0 {
                books.guests_in = books.guests_in.saturating_add(row.sums.inside());
            }
        }
        books.frozen = frozen.len() as u64;
        Ok(books)
    })
}

/// The digest at the newest batches.
pub fn agreement(reading: &Reading, term: u32) -> Result<Agreement, StoreError> {
    reading.at_once(|reading| {
        let (mut wallets, mut tickets) = (Vec::new(), Vec::new());
        reading.wallet_states(|bytes| wallets.extend(WalletState::from_bytes(bytes).ok()))?;
        reading.ticket_states(|bytes| tickets.extend(TicketState::from_bytes(bytes).ok()))?;
        let mut numbers = BTreeMap::new();
        for section in FED {
            numbers.insert(section_name(section), reading.section(section.byte())?);
        }
        Ok(Agreement { term, numbers, digest: domain::wire::hex(&digest(&wallets, &tickets)) })
    })
}

impl Books {
    /// As the console shows them.
    pub fn view(&self) -> view::Totals {
        let money = &self.money;
        view::Totals {
            guests_in: self.guests_in,
            admissions: self.admissions,
            top_up_cents: money.top_up,
            spent_cents: money.spent,
            deposits_cents: money.deposits,
            balance_cents: money.balance,
            refunded_cents: money.refunded,
            fees_cents: money.fees,
            pending_credit_cents: money.pending_credit,
            overspend_cents: money.overspend,
            unreported_cents: money.unreported,
            expired_cents: money.expired,
            in_doubt_cents: money.in_doubt,
            disputed_cents: money.disputed,
            gifts_cents: money.gifts,
            corrections_cents: money
                .corrections
                .saturating_add(money.other_credit)
                .saturating_add(money.transferred)
                .saturating_sub(money.other_debit),
            pending_issued_cents: money.pending_issued,
            unexplained_cents: money.unexplained,
            balanced: money.balances() && self.frozen == 0,
            frozen: self.frozen,
        }
    }
}
