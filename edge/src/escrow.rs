//! Accounts under escrow at a box: what it may take of them, what it asks the hub for while a band is at its reader, and
//! what it gives back when asked.
//! Invariant: what is given back is on disk before the hub hears of it, and no longer pays for anything; a wait is bounded.
//! Not here: what may be taken (`domain::till`), how shares are dealt (the hub), the tap (`tapping`).
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use box_store::{Decision, HeldShare, StoreError, View};
use domain::{
    bundle::AccountRule,
    id::WalletId,
    journal::{Detail, Effect, Entry, Kind, ShareRelease},
    money::{Cents, Currency},
    till::{Account, TillRefusal},
    time::Hlc,
    trust::Roles,
};
use sync::Section;

use crate::station::{Station, lock};

/// A guest waits so long for a share that the hub deals.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// Most reports in one commit.
const REPORTS: usize = 400;

/// Wakes whoever waits for a share.
#[derive(Default)]
pub(crate) struct Dealt {
    batches: Mutex<u64>,
    arrived: Condvar,
}

impl Dealt {
    /// How many batches about shares have arrived.
    pub(crate) fn so_far(&self) -> u64 {
        *lock(&self.batches)
    }

    /// One more did.
    pub(crate) fn another(&self) {
        let mut batches = lock(&self.batches);
        *batches = batches.wrapping_add(1);
        self.arrived.notify_all();
    }

    /// Waits for a batch after `seen`, until `deadline` at most; whether there was one.
    fn wait(&self, seen: u64, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.arrived.wait_timeout_while(lock(&self.batches), left, |batches| *batches == seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0 != seen
    }
}

/// By which rule this box takes money from accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    rule: AccountRule,
    /// When the hub was heard last, Unix ms; 0 never.
    heard_ms: u64,
}

impl Rule {
    /// Now.
    pub(crate) fn of(station: &Station) -> Self {
        Self {
            rule: station.bundle().bundle.body.account_rule(),
            heard_ms: station.hub().last_seen_unix_ms.unwrap_or(0),
        }
    }

    /// Whether the account may pay `price`; up to `limit` where the offline limit is the rule, or was until now.
    pub(crate) fn may_spend(
        &self,
        view: &View<'_>,
        wallet: &WalletId,
        account: &Account,
        price: Cents,
        limit: Cents,
    ) -> Result<(), TillRefusal> {
        match self.rule {
            AccountRule::Limit => account.may_spend(price, limit),
            AccountRule::Escrow => {
                account.may_spend_share(price, &view.held_share(wallet).escrow, self.heard_ms)?;
                // until it takes part, what was put on here may have been sold elsewhere under the limit
                if view.shares_told_in() == 0 { account.may_spend(price, limit) } else { Ok(()) }
            }
        }
    }

    /// Whether `amount` may be taken without the band: under the offline limit nothing more is asked.
    pub(crate) fn may_take_off(
        &self,
        view: &View<'_>,
        wallet: &WalletId,
        account: &Account,
        amount: Cents,
    ) -> Result<(), TillRefusal> {
        match self.rule {
            AccountRule::Limit => Ok(()),
            AccountRule::Escrow => self.may_spend(view, wallet, account, amount, Cents::MAX),
        }
    }

    /// Whether accounts risk anything at boxes that are apart.
    pub(crate) fn risks_accounts(&self) -> bool {
        self.rule == AccountRule::Limit
    }
}

/// Tries `book` until it is not refused for money that other boxes hold: asks the hub for that once, and waits as long as
/// a guest does, as long as it is `wanted`. Apart from the hub it tries once.
pub(crate) fn with_shares<T>(
    station: &Station,
    wallet: WalletId,
    wanted: impl Fn() -> bool,
    mut book: impl FnMut() -> Result<Result<T, TillRefusal>, StoreError>,
) -> Result<Result<T, TillRefusal>, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    let mut asked = false;
    loop {
        let seen = station.dealt.so_far();
        let refusal = match book()? {
            Err(refusal @ TillRefusal::HeldElsewhere { .. }) => refusal,
            done => return Ok(done),
        };
        let TillRefusal::HeldElsewhere { price, .. } = &refusal else { return Ok(Err(refusal)) };
        if station.is_alone() || station.is_stopping() || !takes_part(station) {
            return Ok(Err(refusal));
        }
        if !std::mem::replace(&mut asked, true) {
            ask(station, wallet, *price)?;
        }
        if !station.dealt.wait(seen, deadline) || !wanted() {
            return Ok(Err(refusal));
        }
    }
}

/// Tells the hub what this box is short of.
fn ask(station: &Station, wallet: WalletId, price: Cents) -> Result<(), StoreError> {
    let currency = station.bundle().bundle.currency();
    let device = station.device();
    let asked = station.transact(move |view| {
        let Some(term) = view.knowledge(Section::Shares).map(|known| known.term) else {
            return Decision::nothing(());
        };
        let held = view.held_share(&wallet);
        Decision::write(vec![report(device, currency, term, Some((wallet, held)), 0, price.get())], ())
    });
    asked.map(drop)
}

/// Answers what the hub has said of shares. Called while the box is connected, after each batch about them.
pub(crate) fn answer(station: &Station) -> Result<(), StoreError> {
    if station.bundle().bundle.body.account_rule() == AccountRule::Escrow && takes_part(station) {
        let (device, currency) = (station.device(), station.bundle().bundle.currency());
        let news = move |view: &View<'_>| -> Vec<Entry> {
            let Some(term) = view.knowledge(Section::Shares).map(|known| known.term) else { return Vec::new() };
            let say = |held, cents| report(device, currency, term, held, cents, 0);
            if view.shares_told_in() == term { asked_for(view, say) } else { everything(view, term, say) }
        };
        while !station.store.read(news)?.is_empty() {
            station.transact(move |view| Decision::write(news(view), ()))?;
        }
    }
    station.dealt.another();
    Ok(())
}

/// Whether this box sells or tops up, and may say what it holds. One that was enrolled before there were shares may not:
/// it takes what it put on itself, and is dealt nothing until it is enrolled again.
fn takes_part(station: &Station) -> bool {
    let sells = station.roles().has(Roles::BAR) || station.roles().has(Roles::TOP_UP);
    sells && station.enrolled().writes(Kind::SHARE_RELEASE)
}

/// What the hub asked for, as far as it is left; and what people have booked is told once.
fn asked_for(view: &View<'_>, say: impl Fn(Option<(WalletId, HeldShare)>, u32) -> Entry) -> Vec<Entry> {
    let answer = |wallet: WalletId| {
        let held = view.held_share(&wallet);
        let cents = held.escrow.gives_back(held.asked);
        let unheard = held.booked > 0 && held.told != held.grant;
        (cents > 0 || unheard).then(|| say(Some((wallet, held)), cents))
    };
    view.shares_asked_for().into_iter().filter_map(answer).take(REPORTS).collect()
}

/// In a term of the hub in which this box has said nothing yet: all that it holds, and that this is all. What it holds when
/// it first takes part was put on under the offline limit, and others may have sold it: that is given back.
fn everything(view: &View<'_>, term: u32, say: impl Fn(Option<(WalletId, HeldShare)>, u32) -> Entry) -> Vec<Entry> {
    let begins = view.shares_told_in() == 0;
    let report = |wallet: WalletId| {
        let held = view.held_share(&wallet);
        let left = u32::try_from(held.escrow.left().max(0)).unwrap_or(u32::MAX);
        let holds = held.escrow.share.granted > 0 || held.escrow.topped_up > 0;
        (holds && held.told_term < term).then(|| say(Some((wallet, held)), if begins { left } else { 0 }))
    };
    let mut reports: Vec<Entry> = view.accounts_here().into_iter().filter_map(report).take(REPORTS).collect();
    if reports.len() < REPORTS {
        reports.push(say(None, 0));
    }
    reports
}

/// An entry that says what this box holds of an account, gives `cents` of it back, and says what it needs of it.
fn report(
    device: domain::id::DeviceId,
    currency: Currency,
    term: u32,
    held: Option<(WalletId, HeldShare)>,
    cents: u32,
    needs: u32,
) -> Entry {
    let mut entry = Entry::new(Kind::SHARE_RELEASE, Effect::None, currency, Hlc::default());
    entry.subject = device.into();
    let mut part = ShareRelease { term, granted: 0, released: 0, places: cents, needs };
    if let Some((wallet, held)) = held {
        let share = held.escrow.share;
        (part.granted, part.released) = (share.granted, share.released.saturating_add(cents));
        (entry.other, entry.refers_to) = (wallet.into(), held.grant);
    }
    entry.part = Detail::ShareRelease(part).to_bytes();
    entry
}

#[cfg(test)]
mod tests;
