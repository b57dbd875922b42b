//! The reckoning after an evening: chips, journals and the guests' own eyes against each other.
//! Invariant: nothing here asks a box or the hub for a sum; balances come from chips (wallets where a band has no
//! purse), all other accounts from the entries, green lights from the guests.
//! Not here: what happened (`evening`).
mod guests;
pub mod journals;
mod prices;
pub mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result};
use domain::{
    bundle::Bundle,
    id::{WalletId, key_id},
    journal::{Entry, Kind},
    ledger::{Accounts, WalletFold, fold_wallet, netted},
    trust::Purpose,
    wire::hex,
    wristband::CreditKey,
};
use screens::{
    Lang,
    view::{Conflict as Shown, ConflictKind},
};
use serde::Deserialize;

use crate::{
    evening::{PriceEdit, keys::key_of},
    guest::{Guest, Light, Seen},
    world::{World, wait::until},
};
use journals::Journals;
use report::{Books, Conflict, Report, Side};

/// The hub draws its console within this time.
const CONSOLE_WITHIN: Duration = Duration::from_secs(6);

/// What the script knows must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fraud {
    /// One code used at these two places.
    OneCodeTwice([&'static str; 2]),
    /// A copied band spent at these places, this many cents beyond its balance.
    SpentTwice([&'static str; 2], i64),
}

/// A wallet as the hub answers for it.
#[derive(Deserialize)]
struct HubWallet {
    balance_cents: i64,
}

/// Reckons everything up. `frauds` must stand in the hub's conflicts, and nothing else may; `price` was edited twice.
pub async fn audit(world: &World, guests: &[Guest], frauds: &[Fraud], price: Option<&PriceEdit>) -> Result<Report> {
    let journals = Journals::read(&world.hub.dir)?;
    let credit_keys = credit_keys(world).await?;
    let mut reasons = Vec::new();

    let moved_off = lost_bands(world, guests, &journals, &credit_keys, &mut reasons)?;
    let books = books(world, guests, &journals, &credit_keys, &mut reasons).await?;
    guests::check_owed(guests, &books, &mut reasons);
    let passages = guests::check_passages(world, guests, &journals, &mut reasons).await?;
    prices::check_sales(&journals, &mut reasons);
    let price = match price {
        Some(edit) => Some(prices::check_edit(world, &journals, edit, &mut reasons).await?),
        None => None,
    };
    if books.unexplained_cents != 0 {
        reasons.push(format!("{} cents are unexplained", books.unexplained_cents));
    }
    let lights_without_entry = check_lights(guests, &journals, &mut reasons);
    let hub_converged = check_agreement(world, &mut reasons).await?;
    let conflicts = conflicts(world, frauds).await?;
    check_conflicts(&conflicts, frauds, &mut reasons);
    if journals.set_aside > 0 {
        reasons.push(format!("{} entries count nothing at the hub", journals.set_aside));
    }

    let sum = |journals: &Journals, kind| {
        let amounts = journals.all().filter(|(_, entry)| entry.kind == kind).map(|(_, entry)| entry.amount.as_i64());
        amounts.fold(0, i64::saturating_add)
    };
    let of = |kind| journals.all().filter(|(_, entry)| entry.kind == kind).count();
    Ok(Report {
        ok: reasons.is_empty(),
        reasons,
        guests: guests.len(),
        admitted: of(Kind::ADMISSION),
        refused: guests.iter().map(|guest| guest.refusals.len()).sum(),
        refusals: refusals(guests),
        sales: of(Kind::SALE),
        passages,
        admitted_by_key: admitted_by_key(guests),
        paid_online_cents: sum(&journals, Kind::ONLINE_TOP_UP),
        moved_off_lost_bands_cents: moved_off,
        price,
        books,
        conflicts: conflicts.iter().map(conflict).collect(),
        entries: journals.len(),
        lights: guests.iter().map(|guest| guest.lights.len()).sum(),
        lights_without_entry,
        hub_converged,
        ..Report::default()
    })
}

/// What was taken off all bands that are gone.
fn lost_bands(
    world: &World,
    guests: &[Guest],
    journals: &Journals,
    credit_keys: &[CreditKey],
    reasons: &mut Vec<String>,
) -> Result<i64> {
    let lost = guests.iter().flat_map(|guest| guest.lost.iter().map(move |band| (guest, band)));
    let mut moved = 0i64;
    for lost in lost {
        moved = moved.saturating_add(guests::check_lost(world, lost, journals, credit_keys, reasons)?);
    }
    Ok(moved)
}

/// How many came in with our own tickets of each key.
fn admitted_by_key(guests: &[Guest]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for key in guests.iter().filter(|guest| guest.is_in()).filter_map(|guest| key_of(&guest.paper)) {
        let count: &mut usize = counted.entry(key).or_default();
        *count = count.saturating_add(1);
    }
    counted
}

/// How often guests were refused, by reason code.
fn refusals(guests: &[Guest]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for code in guests.iter().flat_map(|guest| &guest.refusals) {
        let count: &mut usize = counted.entry(code.clone()).or_default();
        *count = count.saturating_add(1);
    }
    counted
}

/// Every key whose credits count, from the hub's bundle, verified.
pub async fn credit_keys(world: &World) -> Result<Vec<CreditKey>> {
    let bundle = Bundle::verify(&world.hub.bundle().await?, Some(world.festival()))?;
    let certificates = bundle.body.credit_keys.iter().map(|chain| {
        let credit = chain.verify_for(&bundle.founding, Purpose::Credit);
        credit.or_else(|_| chain.verify_for(&bundle.founding, Purpose::CreditOnline))
    });
    let key = |public: [u8; 32]| CreditKey { id: key_id(&public), public, revoked: false };
    Ok(certificates.map(|found| found.map(|certificate| key(certificate.subject))).collect::<Result<_, _>>()?)
}

async fn books(
    world: &World,
    guests: &[Guest],
    journals: &Journals,
    credit_keys: &[CreditKey],
    reasons: &mut Vec<String>,
) -> Result<Books> {
    let mut books = Books::default();
    let mut read = BTreeMap::new();
    for guest in guests {
        // what stands on a chip that is gone buys nothing any more
        read.extend(guest.lost.iter().map(|band| (band.wallet(), 0)));
        if guest.has_lost_band() {
            continue;
        }
        let balance = match guest.band.balance_on_chip(&world.supplier, credit_keys) {
            Ok(Some(on_chip)) => on_chip,
            Ok(None) => wallet_balance(world, guest.band.wallet()).await?,
            Err(fault) => {
                reasons.push(format!("the band of guest {} cannot be read: {fault:#}", guest.number));
                0
            }
        };
        if read.insert(guest.band.wallet(), balance).is_none() {
            books.balance_cents = books.balance_cents.saturating_add(balance.max(0));
        }
        if balance != guest.expects_cents() && !guest.left_in_doubt {
            let expected = guest.expects_cents();
            reasons.push(format!("guest {} saw {expected} cents, the band has {balance}", guest.number));
        }
    }
    for wallet in journals.wallets() {
        let fold = fold_wallet(wallet, &journals.of_wallet(wallet));
        let accounts = &fold.accounts;
        let Some(balance) = read.get(&wallet) else {
            reasons.push(format!("nobody wears the band of wallet {}", hex(&wallet.0)));
            continue;
        };
        for (book, amount) in [
            (&mut books.top_up_cents, accounts.top_ups.saturating_add(accounts.hold_credit)),
            (&mut books.gifts_cents, accounts.gifts),
            (&mut books.corrections_cents, corrected(accounts)),
            (&mut books.unreported_cents, accounts.unreported),
            (&mut books.pending_issued_cents, accounts.pending_issued),
            (&mut books.overspend_cents, fold.overspend),
            (&mut books.pending_credit_cents, owed(&fold)),
            (&mut books.spent_cents, accounts.spent),
            (&mut books.deposits_cents, accounts.deposits),
            (&mut books.refunded_cents, accounts.refunded),
            (&mut books.fees_cents, accounts.fees),
            (&mut books.expired_cents, accounts.expired),
            (&mut books.in_doubt_cents, still_out(&fold, *balance)),
            (&mut books.disputed_cents, accounts.disputed),
        ] {
            *book = book.saturating_add(amount);
        }
    }
    Ok(books.balanced())
}

/// Corrections, what other bands gave, and what newer software booked.
fn corrected(accounts: &Accounts) -> i64 {
    let plus = accounts.corrections.saturating_add(accounts.other_credit).saturating_add(accounts.transferred);
    plus.saturating_sub(accounts.other_debit)
}

/// What a wallet is owed; of an emptied one, less what was given out too much.
fn owed(fold: &WalletFold) -> i64 {
    let Accounts { pending, .. } = fold.accounts;
    if fold.emptied { netted(fold.accounts.balance(), pending).1 } else { pending }
}

/// Money in doubt either left the band or did not: what the band holds decides how much of it is out.
fn still_out(fold: &WalletFold, balance: i64) -> i64 {
    let doubt = fold.accounts.hold_debit.saturating_add(fold.accounts.hold_credit).max(0);
    let certain = fold.accounts.balance().saturating_add(fold.overspend).saturating_sub(fold.accounts.hold_debit);
    certain.saturating_add(doubt).saturating_sub(balance.max(0)).clamp(0, doubt)
}

async fn wallet_balance(world: &World, wallet: WalletId) -> Result<i64> {
    let known: Option<HubWallet> = world.hub.api.find(&format!("/api/wallets/{}", hex(&wallet.0))).await?;
    Ok(known.map_or(0, |known| known.balance_cents))
}

/// Whether each green light has its entry at the hub: that name, kind, subject and amount. Gives how many have not.
fn check_lights(guests: &[Guest], journals: &Journals, reasons: &mut Vec<String>) -> usize {
    let mut without = 0;
    for guest in guests {
        for light in &guest.lights {
            if let Err(why) = light_has_entry(light, journals) {
                without += 1;
                reasons.push(format!("guest {} saw {:?} green at {}: {why}", guest.number, light.what, light.place));
            }
        }
    }
    without
}

fn light_has_entry(light: &Light, journals: &Journals) -> Result<()> {
    let of_band = |entry: &Entry| entry.subject == light.wallet.into();
    if light.what == Seen::Paired {
        let is_pairing = |entry: &Entry| entry.kind == Kind::PAIRING && of_band(entry);
        return journals.all().any(|(_, entry)| is_pairing(entry)).then_some(()).context("no pairing of the band");
    }
    if light.what == Seen::Promised {
        let is_promise = |entry: &Entry| entry.kind == Kind::PENDING_CREDIT && of_band(entry);
        return is_about(light, journals.all().map(|(_, entry)| entry).find(|entry| is_promise(entry)));
    }
    let name = light.entry.as_deref().context("it named no entry")?;
    let entry = journals.named(name).with_context(|| format!("no entry {name}"))?;
    let kinds: &[Kind] = match light.what {
        Seen::Admitted => &[Kind::ADMISSION],
        Seen::Left => &[Kind::EXIT],
        Seen::ToppedUp => &[Kind::TOP_UP],
        Seen::Paid => &[Kind::SALE],
        Seen::Refunded => &[Kind::REFUND],
        Seen::PaidOnline => &[Kind::ONLINE_TOP_UP],
        Seen::MovedOff => &[Kind::BAND_TRANSFER],
        // it came along with whatever the band was held there for
        Seen::Arrived => &[Kind::SALE, Kind::CLOSING_READ, Kind::REFUND, Kind::TOP_UP],
        Seen::Paired | Seen::Promised => &[],
    };
    anyhow::ensure!(kinds.contains(&entry.kind), "{name} is of kind {}", entry.kind.0);
    let is_passage = matches!(light.what, Seen::Admitted | Seen::Left);
    anyhow::ensure!(is_passage || of_band(entry), "{name} is about another band");
    if light.what == Seen::Arrived { Ok(()) } else { is_about(light, Some(entry)) }
}

fn is_about(light: &Light, entry: Option<&Entry>) -> Result<()> {
    let amount = entry.context("no such entry")?.amount;
    anyhow::ensure!(amount.as_i64() == light.cents, "it is about {amount} instead of {}", light.cents);
    Ok(())
}

async fn check_agreement(world: &World, reasons: &mut Vec<String>) -> Result<bool> {
    let beliefs = world.beliefs().await?;
    let Some(((_, hub), boxes)) = beliefs.split_first() else { return Ok(false) };
    let apart: Vec<_> = boxes.iter().filter(|(_, believed)| !believed.is_with(hub)).collect();
    for (place, believed) in &apart {
        reasons.push(format!("{place} and the hub do not agree: {believed:?}, {hub:?}"));
    }
    let all_run = world.places.iter().all(super::world::place::Place::is_running);
    if !all_run {
        reasons.push("not every box is running".into());
    }
    Ok(apart.is_empty() && all_run)
}

/// The hub's console is drawn a moment after the entries are in: it gets that moment.
async fn conflicts(world: &World, frauds: &[Fraud]) -> Result<Vec<Shown>> {
    let found = async || {
        let conflicts = world.hub.view().await?.conflicts;
        let all = frauds.iter().all(|fraud| conflicts.iter().any(|conflict| is_of(conflict, fraud)));
        Ok(all.then_some(conflicts))
    };
    match until("the frauds are among the hub's conflicts", CONSOLE_WITHIN, found).await {
        Ok(conflicts) => Ok(conflicts),
        Err(_) => Ok(world.hub.view().await?.conflicts),
    }
}

fn is_of(conflict: &Shown, fraud: &Fraud) -> bool {
    let at = |names: &[&str]| {
        let places: BTreeSet<&str> = conflict.places.iter().map(|side| side.place.as_str()).collect();
        names.iter().all(|name| places.contains(name))
    };
    match fraud {
        Fraud::OneCodeTwice(places) => conflict.kind == ConflictKind::DoubleAdmission && at(places),
        Fraud::SpentTwice(places, cents) => {
            conflict.kind == ConflictKind::Overspend && at(places) && conflict.amount_cents == Some(*cents)
        }
    }
}

fn check_conflicts(conflicts: &[Shown], frauds: &[Fraud], reasons: &mut Vec<String>) {
    for fraud in frauds.iter().filter(|fraud| !conflicts.iter().any(|conflict| is_of(conflict, fraud))) {
        reasons.push(format!("not among the conflicts: {fraud:?}"));
    }
    for conflict in conflicts.iter().filter(|conflict| !frauds.iter().any(|fraud| is_of(conflict, fraud))) {
        reasons.push(format!("nobody did this: {:?} {:?}", conflict.kind, conflict.places));
    }
}

fn conflict(shown: &Shown) -> Conflict {
    let kind = serde_json::to_value(shown.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let side = |side: &screens::view::ConflictPlace| Side {
        place: side.place.clone(),
        time_unix_ms: side.at_unix_ms,
        entry: side.entry.clone(),
    };
    Conflict {
        kind: kind.unwrap_or_default(),
        what: screens::reason(Lang::En, &shown.what_code, &shown.args),
        places: shown.places.iter().map(side).collect(),
        amount_cents: shown.amount_cents,
        what_to_do: screens::reason(Lang::En, &shown.todo_code, &shown.args),
    }
}

/// A sale's entry that a guest saw green for, for whoever wants to hide one.
pub fn a_sale_seen(guests: &[Guest]) -> Option<String> {
    let lights = guests.iter().flat_map(|guest| &guest.lights);
    lights.filter(|light| light.what == Seen::Paid).find_map(|light| light.entry.clone())
}
