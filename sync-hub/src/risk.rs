//! Amount at risk: what boxes that have not been heard could have taken from copied bands at most.
//! Invariant: an upper bound. A box that was never cut off is heard, so it can take nothing unheard; of an account under
//! escrow a box takes no more than it holds, which is there.
//! Not here: the bound of one band and of a plan (`domain::ledger::risk`).
use domain::{
    id::WalletId,
    journal::{BandProfile, Effect, Entry, Flags, Kind},
    ledger::{Accounts, Cutoff, WalletFlags, WalletState},
    money::Cents,
    trust::Roles,
};
use screens::view::{RiskBox, RiskView};

use crate::{
    credits::Keeper,
    escrow::{Holding, held},
    hub::{Hub, HubError},
    store::{Reading, StoreError, StoredBox},
};

/// A box that was not heard for so long is apart.
const APART_MS: u64 = 60_000;
/// Most entries that are read to tell what was given out of bands: of those beyond it each counts with all that a band may
/// hold.
const READ: usize = 50_000;

/// Everything that was ever put on a wallet, of cups what is left of them: no box can have known more of it, but for
/// deposits that were paid out again.
fn most_known(sums: &Accounts) -> i64 {
    let sources = [
        sums.top_ups,
        sums.gifts,
        sums.pending_issued,
        sums.corrections,
        sums.other_credit,
        sums.transferred,
        sums.unreported,
        sums.hold_credit,
        // cups brought back beyond those taken
        sums.deposits.saturating_neg(),
    ];
    sources.iter().fold(0, |sum: i64, amount| sum.saturating_add((*amount).max(0)))
}

/// What one box that is apart can take beyond what there is, at most, and from how many bands.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    each: i64,
    bands: u64,
}

/// All that was ever swapped or paid out of a band, whatever was swapped to it before: its chip may still hold as much
/// where that is not known. `None` where more entries name it than may be read yet.
fn given_out(reading: &Reading, wallet: WalletId, may_read: &mut usize) -> Result<Option<i64>, StoreError> {
    let places = reading.touching(&wallet.0)?;
    let Some(rest) = may_read.checked_sub(places.len()) else { return Ok(None) };
    *may_read = rest;
    let mut sum = 0i64;
    for place in places {
        let body = reading.body(place)?.ok_or(StoreError::Damaged("an entry is missing"))?;
        let Some(entry) = Entry::from_bytes(&body).ok().filter(|entry| leaves(wallet, entry)) else { continue };
        if !reading.is_set_aside(place)? {
            sum = sum.saturating_add(entry.amount.as_i64());
        }
    }
    Ok(Some(sum))
}

/// Whether an entry swaps or pays out what this wallet holds or is owed.
fn leaves(wallet: WalletId, entry: &Entry) -> bool {
    matches!(entry.kind, Kind::REFUND | Kind::BAND_TRANSFER)
        && matches!(entry.effect, Effect::Debit | Effect::Transfer | Effect::Repay)
        && entry.subject == wallet.into()
        && !entry.flags.has(Flags::TRAINING)
}

impl Exposure {
    fn add(&mut self, most: i64) {
        self.bands = self.bands.saturating_add(1);
        self.each = self.each.saturating_add(most);
    }
}

/// By what a box that is apart could take it.
#[derive(Debug, Default)]
struct Exposures {
    /// From any band that can be copied.
    all: Exposure,
    /// From those of them whose money is on their chip.
    purses: Exposure,
    /// Bands that cannot be copied and whose money was given out.
    emptied: Vec<WalletId>,
}

fn exposures(reading: &Reading, limit: Cents) -> Result<Exposures, StoreError> {
    let Exposures { mut all, mut purses, mut emptied } = Exposures::default();
    reading.each_wallet(|wallet, stored| {
        let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
        if let Some(state) = state.filter(|state| state.profile == Some(BandProfile::UltralightAes)) {
            if state.flags.has(WalletFlags::EMPTIED) {
                emptied.push(wallet);
            }
            return;
        }
        let most = most_known(stored.sums()).min(limit.as_i64());
        if most > 0 {
            all.add(most);
            if state.is_some_and(|state| Keeper::of(&state, stored.sums()) == Keeper::Purse) {
                purses.add(most);
            }
        }
    })?;
    Ok(Exposures { all, purses, emptied })
}

/// What can be taken from emptied bands: once, wherever the old band is still taken.
fn from_emptied(
    reading: &Reading,
    emptied: &[WalletId],
    maximum: Cents,
    mut may_read: usize,
) -> Result<i64, StoreError> {
    let mut sum = 0i64;
    for wallet in emptied {
        // no chip holds more than the festival's maximum
        let out = given_out(reading, *wallet, &mut may_read)?.unwrap_or(maximum.as_i64());
        sum = sum.saturating_add(out);
    }
    Ok(sum)
}

/// The festival's limits that bound what is taken unheard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// What a box that is apart takes of a band at most.
    pub(crate) offline: Cents,
    /// What a band holds at most.
    pub(crate) balance: Cents,
}

/// Puts the sums to the boxes that are apart.
pub(crate) fn view(
    boxes: Vec<RiskBox>,
    limits: Limits,
    holding: &Holding,
    reading: &Reading,
) -> Result<RiskView, StoreError> {
    let Exposures { all, purses, emptied } = exposures(reading, limits.offline)?;
    let emptied = if boxes.is_empty() { 0 } else { from_emptied(reading, &emptied, limits.balance, READ)? };
    let under_escrow = |one: &RiskBox| holding.takes_part(one.number);
    let at_risk = |one: RiskBox| {
        let each = if under_escrow(&one) { purses.each } else { all.each };
        RiskBox { at_risk_cents: each, ..one }
    };
    let counted = if holding.is_escrow() && boxes.iter().all(under_escrow) { purses } else { all };
    let boxes: Vec<RiskBox> = boxes.into_iter().map(at_risk).collect();
    let held = held(reading, holding)?;
    let booked = holding.booked_at_risk(&held);
    Ok(RiskView {
        limit_cents: limits.offline.as_i64(),
        bands: counted.bands,
        each_box_cents: counted.each,
        at_risk_cents: boxes
            .iter()
            .fold(booked.saturating_add(emptied), |sum, one| sum.saturating_add(one.at_risk_cents)),
        boxes,
        booked_cents: booked,
        emptied_cents: emptied,
        escrow: holding.view(&held),
    })
}

impl Hub {
    /// What is at risk now, box by box.
    pub fn at_risk(&mut self) -> Result<RiskView, HubError> {
        self.publish()?;
        Ok(view(self.apart()?, self.limits(), &self.holding()?, &self.reading()?)?)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { offline: self.policy.offline_limit, balance: self.policy.maximum_balance }
    }

    /// The bars and desks that have not been heard for a while, and may have sold since.
    pub(crate) fn apart(&self) -> Result<Vec<RiskBox>, HubError> {
        let now = self.now_ms();
        let mut boxes = Vec::new();
        for stored in self.store.boxes()?.into_iter().filter(sells) {
            let age_ms = now.saturating_sub(stored.last_seen_ms);
            if age_ms < APART_MS || self.has_closed(&stored) {
                continue;
            }
            boxes.push(RiskBox {
                number: stored.number.0,
                revoked: self.is_revoked(stored.device)?,
                age_s: age_ms / 1_000,
                unsent_hint: stored.unsent,
                place: stored.place,
                at_risk_cents: 0,
            });
        }
        Ok(boxes)
    }

    /// Whether its journal is whole and ends with the event's last closure: it sells nothing unheard.
    fn has_closed(&self, stored: &StoredBox) -> bool {
        let journals: Vec<_> = self.journals.of_device(stored.device).collect();
        let newest = journals.iter().max_by_key(|journal| journal.epoch);
        let whole = journals.iter().all(|journal| journal.tree.gaps().is_empty() && journal.cutoff == Cutoff::None);
        whole
            && newest.is_some_and(|newest| {
                let head = newest.tree.head().map(|head| head.seq);
                head.is_some() && newest.closures.iter().map(|place| place.seq).max() == head
            })
    }
}

pub(crate) fn sells(stored: &StoredBox) -> bool {
    stored.roles.0 & (Roles::BAR.0 | Roles::TOP_UP.0) != 0
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use domain::{
        journal::{Detail, Pairing},
        ledger::of_one_band,
    };

    use super::*;
    use crate::{
        Identity,
        leaving::Way,
        sample::{self, SampleBox, wallet},
    };

    #[test]
    fn money_that_came_of_cups_brought_back_is_at_risk_like_any_other() {
        let sums = Accounts { top_ups: 300, deposits: -4_000, ..Accounts::default() };
        assert_eq!(most_known(&sums), 4_300);
        assert_eq!(most_known(&Accounts { deposits: 200, corrections: -100, ..sums }), 300);
    }

    /// A hub with a limit of 5.00, its clock, a desk and a bar.
    fn festival(dir: &std::path::Path) -> (Hub, Arc<AtomicU64>, SampleBox, SampleBox) {
        let toml = sample::TOML.replace("maximum_balance = 30000", "maximum_balance = 30000\noffline_limit = 500");
        std::fs::write(dir.join("festival.toml"), toml).unwrap();
        let now = Arc::new(AtomicU64::new(1_800_000_000_000));
        let clock = now.clone();
        let identity = Arc::new(Identity::read(dir).unwrap());
        let mut hub = Hub::open(dir, identity, Arc::new(move || clock.load(Ordering::Relaxed))).unwrap();
        let (desk, bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
        for one in [&desk, &bar] {
            hub.adopt(&one.chain.verify(&sample::founding()).unwrap(), &one.chain.to_bytes()).unwrap();
        }
        (hub, now, desk, bar)
    }

    #[test]
    fn what_was_given_out_of_a_band_with_a_counter_is_at_risk_once_while_a_box_is_apart() {
        let dir = sample::hub_dir();
        let (mut hub, now, mut desk, bar) = festival(dir.path());
        pair(&mut desk, 1);
        desk.top_up(wallet(1), 2_000);
        hub.ingest(&desk.segments(10)).unwrap();
        hub.ingest(&bar.segments(10)).unwrap();
        now.fetch_add(120_000, Ordering::Relaxed);
        assert_eq!(hub.at_risk().unwrap().at_risk_cents, 0, "a counter cannot be copied");
        hub.empty_band(wallet(1), Way::Refund, true).unwrap();
        let risk = hub.at_risk().unwrap();
        assert_eq!((risk.boxes.len(), risk.at_risk_cents, risk.emptied_cents), (2, 2_000, 2_000), "not for each box");
        hub.note_seen(&[&desk, &bar].map(|one| (one.device, now.load(Ordering::Relaxed)))).unwrap();
        assert_eq!(hub.at_risk().unwrap().at_risk_cents, 0, "both are heard, and hear that it is blocked");
    }

    fn pair(desk: &mut SampleBox, n: u8) {
        let paired = desk.entry(Kind::PAIRING, Effect::None, 0);
        let part = Detail::Pairing(Pairing::of(BandProfile::UltralightAes)).to_bytes();
        desk.commit(Entry { subject: wallet(n).into(), part, ..paired });
    }

    #[test]
    fn what_was_swapped_to_a_band_takes_nothing_off_what_was_given_out_of_it() {
        for way in [Way::Refund, Way::Swap(wallet(3))] {
            let dir = sample::hub_dir();
            let (mut hub, now, mut desk, bar) = festival(dir.path());
            (1..=3).for_each(|n| pair(&mut desk, n));
            desk.top_up(wallet(1), 1_000);
            desk.top_up(wallet(2), 2_000);
            hub.ingest(&desk.segments(10)).unwrap();
            hub.ingest(&bar.segments(10)).unwrap();
            hub.empty_band(wallet(1), Way::Swap(wallet(2)), true).unwrap();
            assert_eq!(hub.empty_band(wallet(2), way, true).unwrap().moved_cents, 3_000);
            now.fetch_add(120_000, Ordering::Relaxed);
            let risk = hub.at_risk().unwrap();
            assert_eq!(risk.emptied_cents, 1_000 + 3_000, "{way:?}: both old bands, wherever they are still taken");
            let reading = hub.reading().unwrap();
            let maximum = Cents::new(30_000).unwrap();
            let few = from_emptied(&reading, &[wallet(1), wallet(2)], maximum, 3).unwrap();
            assert_eq!(few, 2 * 30_000, "more than is read counts with all that a band may hold");
        }
    }

    #[test]
    fn what_is_at_risk_covers_all_that_a_bar_apart_can_take() {
        let dir = sample::hub_dir();
        let (mut hub, now, mut desk, mut bar) = festival(dir.path());
        for (n, amount) in [(1, 2_000), (2, 300), (3, 450)] {
            desk.top_up(wallet(n), amount);
        }
        hub.ingest(&desk.segments(10)).unwrap();
        hub.ingest(&bar.segments(10)).unwrap();
        assert_eq!(hub.at_risk().unwrap().at_risk_cents, 0, "both are heard");
        now.fetch_add(120_000, Ordering::Relaxed);
        hub.note_seen(&[(desk.device, now.load(Ordering::Relaxed))]).unwrap();
        let risk = hub.at_risk().unwrap();
        assert_eq!((risk.bands, risk.at_risk_cents, risk.boxes.len()), (3, 500 + 300 + 450, 1));
        assert_eq!(risk.boxes[0].place, "Place 21");

        // The bar sells all that it may while the desk's island sells all that there is; nothing exceeds what was said.
        let limit = Cents::new(500).unwrap();
        let mut lost = 0;
        for (n, amount) in [(1, 2_000), (2, 300), (3, 450)] {
            desk.sale(wallet(n), amount);
            bar.sale(wallet(n), amount.min(500));
            let whole = Cents::new(amount).unwrap();
            // the heard side has no limit of its own: it knows the balance
            lost += of_one_band([whole], Cents::MAX, Cents::ZERO) + of_one_band([whole], limit, Cents::ZERO)
                - whole.as_i64();
        }
        hub.ingest(&desk.segments(20)).unwrap();
        hub.ingest(&bar.segments(20)).unwrap();
        hub.publish().unwrap();
        let books = crate::totals::books(&hub.reading().unwrap()).unwrap().money;
        assert_eq!(books.overspend, lost);
        assert_eq!(books.overspend, risk.at_risk_cents, "the worst that can be");
    }
}
