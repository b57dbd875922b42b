//! Amount at risk: what boxes that have not been heard could have taken from copied bands at most.
//! Invariant: an upper bound. A box that was never cut off is heard, so it can take nothing unheard; of an account under
//! escrow a box takes no more than it holds, which is there.
//! Not here: the bound of one band and of a plan (`domain::ledger::risk`).
use domain::{
    journal::BandProfile,
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

/// What was swapped or paid out of a band that was not there.
fn given_out(sums: &Accounts) -> i64 {
    sums.refunded.saturating_add(sums.transferred.saturating_neg()).max(0)
}

impl Exposure {
    fn add(&mut self, most: i64) {
        self.bands = self.bands.saturating_add(1);
        self.each = self.each.saturating_add(most);
    }
}

/// By what a box that is apart could take it.
#[derive(Clone, Copy, Debug, Default)]
struct Exposures {
    /// From any band that can be copied.
    all: Exposure,
    /// From those of them whose money is on their chip.
    purses: Exposure,
    /// From bands that cannot be copied and whose money was given out: once, wherever the old band is still taken.
    emptied: i64,
}

fn exposures(reading: &Reading, limit: Cents) -> Result<Exposures, StoreError> {
    let Exposures { mut all, mut purses, mut emptied } = Exposures::default();
    reading.each_wallet(|_, stored| {
        let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
        if let Some(state) = state.filter(|state| state.profile == Some(BandProfile::UltralightAes)) {
            if state.flags.has(WalletFlags::EMPTIED) {
                emptied = emptied.saturating_add(given_out(stored.sums()));
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

/// Puts the sums to the boxes that are apart.
pub(crate) fn view(
    boxes: Vec<RiskBox>,
    limit: Cents,
    holding: &Holding,
    reading: &Reading,
) -> Result<RiskView, StoreError> {
    let Exposures { all, purses, emptied } = exposures(reading, limit)?;
    let emptied = if boxes.is_empty() { 0 } else { emptied };
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
        limit_cents: limit.as_i64(),
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
        let limit = self.policy.offline_limit;
        Ok(view(self.apart()?, limit, &self.holding()?, &self.reading()?)?)
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
        journal::{Detail, Effect, Kind, Pairing},
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
        let mut paired = desk.entry(Kind::PAIRING, Effect::None, 0);
        paired.subject = wallet(1).into();
        paired.part = Detail::Pairing(Pairing::of(BandProfile::UltralightAes)).to_bytes();
        desk.commit(paired);
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
