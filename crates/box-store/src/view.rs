//! What a decision may look at: the hub's state with the own entries on top that it does not cover.
//! Invariant: all answers of one view come from one snapshot; if a read fails, whatever was decided with the view
//! is thrown away, so no answer has to be doubted.
//! Not here: what to do with the answers (`domain::access`, `domain::till`).
mod till;

use std::cell::RefCell;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{Detail, Entry, EntryHash, Genesis, HEADER_LEN},
    ledger::{TicketFlags, TicketState, WalletState},
    time::Hlc,
    wire::Writer,
    wristband::{
        CREDIT_RECORD_LEN, RecordId,
        tap::{self, KnownWallet},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sync::Section;

use crate::{
    believed, coverage,
    error::StoreError,
    journal::{self, At},
    knowledge::{self, Knowledge, NewerSelf, REVOKED_DEVICE, REVOKED_TICKET},
    neighbours,
};

/// An intent that is neither committed nor void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// Where it stands.
    pub at: EntryRef,
    /// The intent; `journal::Detail::of` reads its part.
    pub entry: Entry,
    /// Whether staff served on "tap again".
    pub handed_over: bool,
    /// Whether this box gave it up: never write, commit or serve it again.
    pub given_up: bool,
}

/// The last own entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnHead {
    /// Where it stands.
    pub at: EntryRef,
    /// Its hash.
    pub hash: EntryHash,
    /// Number that this epoch writes on chips.
    pub box_number: BoxNumber,
    /// Whether the epoch is closed for writing.
    pub stopped: bool,
}

/// What happened at this box in some time. Training left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Tickets admitted.
    pub admissions: u64,
    /// Exits.
    pub exits: u64,
    /// Sales.
    pub sales: u64,
    /// Their amounts, in minor units.
    pub sales_cents: i64,
    /// Top-ups.
    pub top_ups: u64,
    /// Their amounts.
    pub top_up_cents: i64,
    /// Paid back.
    pub refund_cents: i64,
}

/// One snapshot of the store.
pub struct View<'a> {
    connection: &'a Connection,
    device: DeviceId,
    failure: RefCell<Option<StoreError>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(connection: &'a Connection, device: DeviceId) -> Self {
        Self { connection, device, failure: RefCell::new(None) }
    }

    pub(crate) fn into_failure(self) -> Option<StoreError> {
        self.failure.into_inner()
    }

    /// Keeps the first failure: the decision will be thrown away.
    fn failed<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        answer.map_err(|failure| self.failure.borrow_mut().get_or_insert(failure).clone()).ok()
    }

    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    pub(crate) fn kept<T: Default>(&self, answer: Result<T, StoreError>) -> T {
        self.failed(answer).unwrap_or_default()
    }

    /// The ticket as this box believes it to be, by its neighbours' word too.
    pub fn ticket(&self, ticket: &TicketUid) -> TicketState {
        let others = self.kept(neighbours::about(self.connection, &ticket.0, Section::Tickets));
        self.failed(believed::ticket(self.connection, self.device, ticket, others))
            .unwrap_or_else(|| TicketState::empty(*ticket))
    }

    /// The wallet as this box believes it to be.
    pub fn wallet(&self, wallet: &WalletId) -> WalletState {
        self.failed(believed::wallet(self.connection, self.device, wallet))
            .unwrap_or_else(|| WalletState::empty(*wallet))
    }

    /// Tap counter and name of the newest record of the band of which this box knows every one before it.
    pub fn known_head(&self, wallet: &WalletId) -> (u16, RecordId) {
        self.kept(believed::known_head(self.connection, self.device, wallet))
    }

    /// What the hub said last about the wallet, own entries left out; `None` when it never named it.
    pub fn hub_wallet(&self, wallet: &WalletId) -> Option<WalletState> {
        self.kept(believed::hub_wallet(self.connection, wallet))
    }

    /// What the hub said last about the ticket, own entries left out; `None` when it never named it.
    pub fn hub_ticket(&self, ticket: &TicketUid) -> Option<TicketState> {
        self.kept(believed::hub_ticket(self.connection, ticket))
    }

    /// The C′ that the hub signed for the wallet's band, if one waits to be carried.
    pub fn offered_credit(&self, wallet: &WalletId) -> Option<[u8; CREDIT_RECORD_LEN]> {
        let record: Option<Vec<u8>> =
            self.kept(self.one("SELECT record FROM offered_credit WHERE wallet = ?1", &[&&wallet.0[..]]));
        record.and_then(|record| record.try_into().ok())
    }

    /// Cents that this box took from the wallet, or may have taken, which the hub's state does not cover.
    pub fn uncovered_debits(&self, wallet: &WalletId) -> i64 {
        self.kept(self.debits(wallet))
    }

    fn debits(&self, wallet: &WalletId) -> Result<i64, StoreError> {
        let sum = self
            .connection
            .prepare_cached(coverage::UNCOVERED_DEBITS)?
            .query_row(params![Section::Wallets.byte(), &wallet.0[..]], |row| row.get(0))?;
        Ok(sum)
    }

    /// Cents taken here that the hub's state does not cover: what copied bands may have cost the festival at this box.
    /// `accounts`: whether those of accounts count, as under the offline limit.
    pub fn at_risk(&self, accounts: bool) -> i64 {
        self.kept(self.exposure(accounts))
    }

    fn exposure(&self, accounts: bool) -> Result<i64, StoreError> {
        let sum = self
            .connection
            .prepare_cached(coverage::AT_RISK)?
            .query_row(params![Section::Wallets.byte(), accounts], |row| row.get(0))?;
        Ok(sum)
    }

    /// Intents on the wallet that still wait for a commit or void, oldest first.
    pub fn open_intents(&self, wallet: &WalletId) -> Vec<OpenIntent> {
        const OF_WALLET: &str = "SELECT i.at, i.state, i.handed_over, e.body FROM intent i JOIN entry e ON e.at = i.at
             WHERE i.wallet = ?1 AND i.state = 0 ORDER BY i.at";
        self.kept(self.intents(OF_WALLET, &[&&wallet.0[..]]))
    }

    /// Intents on the wallet that this box gave up, oldest first.
    pub fn given_up_intents(&self, wallet: &WalletId) -> Vec<OpenIntent> {
        const GIVEN_UP: &str = "SELECT i.at, i.state, i.handed_over, e.body FROM intent i JOIN entry e ON e.at = i.at
             WHERE i.wallet = ?1 AND i.state = 1 ORDER BY i.at";
        self.kept(self.intents(GIVEN_UP, &[&&wallet.0[..]]))
    }

    /// What a tap is told of a wallet. `closes`: at the end of the event, when what was given up may be completed.
    pub fn known_wallet(&self, wallet: &WalletId, closes: bool) -> KnownWallet {
        let for_tap = |intents: Vec<OpenIntent>| -> Vec<tap::OpenIntent> {
            intents.iter().filter_map(|open| tap::OpenIntent::of(open.at, &open.entry, open.handed_over)).collect()
        };
        let (open, given_up) = (for_tap(self.open_intents(wallet)), for_tap(self.given_up_intents(wallet)));
        KnownWallet {
            offer: self.offered_credit(wallet),
            unfinished_in_a_row: u8::try_from(self.unfinished_in_a_row(wallet)).unwrap_or(u8::MAX),
            ..self.wallet(wallet).for_tap(open, &given_up, closes)
        }
    }

    /// All intents that still wait for a commit or void, oldest first.
    pub fn all_open_intents(&self) -> Vec<OpenIntent> {
        const ALL: &str = "SELECT i.at, i.state, i.handed_over, e.body FROM intent i JOIN entry e ON e.at = i.at
             WHERE i.state = 0 ORDER BY i.at";
        self.kept(self.intents(ALL, &[]))
    }

    fn intents(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<OpenIntent>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut intents = Vec::new();
        while let Some(row) = rows.next()? {
            intents.push(self.intent(row)?);
        }
        Ok(intents)
    }

    fn intent(&self, row: &Row<'_>) -> Result<OpenIntent, StoreError> {
        let entry =
            Entry::from_bytes(&row.get::<_, Vec<u8>>(3)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(OpenIntent {
            at: At::from_sql(row.get(0)?)?.of(self.device),
            entry,
            handed_over: row.get(2)?,
            given_up: row.get::<_, i64>(1)? == 1,
        })
    }

    /// Taps in a row on the wallet's band that did not end in a commit; two need a supervisor.
    pub fn unfinished_in_a_row(&self, wallet: &WalletId) -> u32 {
        self.kept(self.one("SELECT taps FROM unfinished WHERE wallet = ?1", &[&&wallet.0[..]])).unwrap_or(0)
    }

    fn one<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<T>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?)
    }

    /// An own entry; `None` when it is not there or another device's.
    pub fn entry(&self, place: EntryRef) -> Option<Entry> {
        if place.device != self.device {
            return None;
        }
        self.kept(journal::entry(self.connection, At { epoch: place.epoch, seq: place.seq }))
    }

    /// The entry that answered this request of a screen.
    pub fn answer(&self, request: &[u8; 16]) -> Option<EntryRef> {
        let at: Option<i64> = self.kept(self.one("SELECT at FROM answer WHERE request = ?1", &[&&request[..]]));
        at.and_then(|at| At::from_sql(at).ok()).map(|at| at.of(self.device))
    }

    /// Own entries that refer to this own entry, oldest first: what became of an intent.
    pub fn referring(&self, to: EntryRef) -> Vec<(EntryRef, Entry)> {
        self.kept(self.referring_rows(to))
    }

    fn referring_rows(&self, to: EntryRef) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
        let mut name = Writer::new();
        to.write(&mut name);
        let mut statement = self
            .connection
            .prepare_cached("SELECT at, body FROM entry WHERE at > ?1 AND substr(body, ?2, 24) = ?3 ORDER BY at")?;
        let at = At { epoch: to.epoch, seq: to.seq };
        // the reference ends the header; SQL counts bytes from 1
        let from = i64::try_from(HEADER_LEN - EntryRef::LEN).unwrap_or(0) + 1;
        let mut rows = statement.query(params![at.sql(), from, name.finish()])?;
        let mut referring = Vec::new();
        while let Some(row) = rows.next()? {
            let body: Vec<u8> = row.get(1)?;
            let entry = Entry::from_bytes(&body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            referring.push((At::from_sql(row.get(0)?)?.of(self.device), entry));
        }
        Ok(referring)
    }

    /// Own entries about a wallet or ticket that the hub's state does not cover, oldest first.
    pub fn uncovered_entries(&self, subject: &[u8; 16], section: Section) -> Vec<(EntryRef, Entry)> {
        self.kept(believed::uncovered(self.connection, self.device, subject, section))
    }

    /// The last own entry; `None` only in a damaged store.
    pub fn head(&self) -> Option<OwnHead> {
        self.kept(self.own_head())
    }

    fn own_head(&self) -> Result<Option<OwnHead>, StoreError> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT e.at, e.hash, p.box_number, p.stopped FROM entry e JOIN epoch p ON p.epoch = e.at >> 32
                 ORDER BY e.at DESC LIMIT 1",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get::<_, Option<Vec<u8>>>(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((at, hash, number, stopped)) = row else { return Ok(None) };
        let at = At::from_sql(at)?.of(self.device);
        let hash = hash.and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| StoreError::Corrupt(format!("no hash at entry {at}")))?;
        Ok(Some(OwnHead { at, hash, box_number: BoxNumber(number), stopped }))
    }

    /// The genesis of an own epoch.
    pub fn genesis(&self, epoch: u32) -> Option<Genesis> {
        let entry = self.kept(journal::entry(self.connection, At { epoch, seq: 0 }))?;
        match Detail::of(&entry) {
            Ok(Detail::Genesis(genesis)) => Some(genesis),
            _ => None,
        }
    }

    /// Stamp of the last own entry.
    pub fn last_hlc(&self) -> Hlc {
        let last = self.head().and_then(|head| self.entry(head.at));
        last.map_or(Hlc::default(), |entry| entry.hlc)
    }

    /// Entries that the hub has not acknowledged.
    pub fn unsent(&self) -> u64 {
        const UNSENT: &str = "SELECT coalesce(sum(
                 (SELECT max(at) FROM entry WHERE at BETWEEN epoch << 32 AND (epoch << 32) + 4294967295)
                 - (epoch << 32) - coalesce(acked_seq, -1)), 0) FROM epoch";
        let unsent: Option<i64> = self.kept(self.one(UNSENT, &[]));
        unsent.unwrap_or(0).max(0).unsigned_abs()
    }

    /// Money entries whose green light nobody has confirmed seeing, oldest first.
    pub fn unconfirmed(&self) -> Vec<EntryRef> {
        self.kept(self.waiting_for_green())
    }

    fn waiting_for_green(&self) -> Result<Vec<EntryRef>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT at FROM unconfirmed ORDER BY at")?;
        let mut rows = statement.query([])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            waiting.push(At::from_sql(row.get(0)?)?.of(self.device));
        }
        Ok(waiting)
    }

    /// What happened since the start of the hour in which `since_ms` (Unix ms) lies.
    pub fn counters(&self, since_ms: u64) -> Counters {
        self.kept(self.counted(since_ms))
    }

    fn counted(&self, since_ms: u64) -> Result<Counters, StoreError> {
        let hour = i64::try_from(since_ms / 3_600_000).unwrap_or(i64::MAX);
        let count = |row: &Row<'_>, column: usize| row.get::<_, i64>(column).map(|n| n.max(0).unsigned_abs());
        let counters = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(admissions), 0), coalesce(sum(exits), 0), coalesce(sum(sales), 0),
                     coalesce(sum(sales_cents), 0), coalesce(sum(top_ups), 0), coalesce(sum(top_up_cents), 0),
                     coalesce(sum(refund_cents), 0)
                 FROM hour WHERE hour >= ?1",
            )?
            .query_row([hour], |row| {
                Ok(Counters {
                    admissions: count(row, 0)?,
                    exits: count(row, 1)?,
                    sales: count(row, 2)?,
                    sales_cents: row.get(3)?,
                    top_ups: count(row, 4)?,
                    top_up_cents: row.get(5)?,
                    refund_cents: row.get(6)?,
                })
            })?;
        Ok(counters)
    }

    /// What happened in each of the last hours in which something did, newest first: start in Unix ms, admissions, exits.
    pub fn hours(&self, most: u32) -> Vec<(u64, u64, u64)> {
        self.kept(self.hourly(most))
    }

    fn hourly(&self, most: u32) -> Result<Vec<(u64, u64, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT hour, admissions, exits FROM hour WHERE admissions > 0 OR exits > 0 ORDER BY hour DESC LIMIT ?1",
        )?;
        let whole = |row: &Row<'_>, column: usize| row.get::<_, i64>(column).map(|n| n.max(0).unsigned_abs());
        let rows = statement
            .query_map([most], |row| Ok((whole(row, 0)?.saturating_mul(3_600_000), whole(row, 1)?, whole(row, 2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How old and how far what the hub said is, for one section; `None` when it never said anything.
    pub fn knowledge(&self, section: Section) -> Option<Knowledge> {
        self.kept(knowledge::of(self.connection, section))
    }

    /// The wallet that the ticket is paired with: as this box paired it last, else as the hub knows it.
    pub fn paired_wallet(&self, ticket: &TicketUid) -> Option<WalletId> {
        const OWN: &str = "SELECT wallet FROM pairing WHERE ticket = ?1";
        const HUB: &str = "SELECT wallet FROM hub_ticket WHERE ticket = ?1 AND wallet IS NOT NULL";
        [OWN, HUB].into_iter().find_map(|sql| self.kept(self.one(sql, &[&&ticket.0[..]]))).map(WalletId)
    }

    /// The ticket that the wallet is paired with: as this box paired it last, else as the hub knows it.
    pub fn paired_ticket(&self, wallet: &WalletId) -> Option<TicketUid> {
        const OWN: &str = "SELECT ticket FROM pairing WHERE wallet = ?1 ORDER BY at DESC LIMIT 1";
        const HUB: &str = "SELECT ticket FROM hub_ticket WHERE wallet = ?1 ORDER BY ticket LIMIT 1";
        [OWN, HUB].into_iter().find_map(|sql| self.kept(self.one(sql, &[&&wallet.0[..]]))).map(TicketUid)
    }

    /// What "box and hub agree" compares: a digest over all wallets and used tickets that this box believes.
    pub fn digest(&self) -> [u8; 32] {
        self.kept(believed::agreement(self.connection, self.device))
    }

    /// Whether the hub revoked the device.
    pub fn is_revoked(&self, device: &DeviceId) -> bool {
        self.revoked(REVOKED_DEVICE, &device.0)
    }

    /// Whether the hub revoked the ticket.
    pub fn is_ticket_revoked(&self, ticket: &TicketUid) -> bool {
        self.revoked(REVOKED_TICKET, &ticket.0) || self.ticket(ticket).flags.has(TicketFlags::REVOKED)
    }

    fn revoked(&self, what: u8, id: &[u8]) -> bool {
        let found: Option<i64> =
            self.kept(self.one("SELECT 1 FROM revoked WHERE what = ?1 AND id = ?2", &[&what, &id]));
        found.is_some()
    }

    /// The head of this box's own journal which it lacks, if it ever learned of one that later epochs do not follow.
    pub fn newer_self(&self) -> Option<NewerSelf> {
        self.kept(self.other_image())
    }

    fn other_image(&self) -> Result<Option<NewerSelf>, StoreError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT epoch, contiguous, hash FROM newer_self WHERE epoch >= (SELECT max(epoch) FROM epoch)
                 ORDER BY epoch DESC LIMIT 1",
            )?
            .query_row([], |row| Ok(NewerSelf { epoch: row.get(0)?, contiguous: row.get(1)?, hash: row.get(2)? }))
            .optional()?;
        Ok(found)
    }

    /// Number of the newest bundle that this box ever verified.
    pub fn bundle_number(&self) -> Option<u64> {
        let number: Option<i64> = self.kept(self.one("SELECT number FROM bundle", &[]));
        number.map(i64::cast_unsigned)
    }
}
