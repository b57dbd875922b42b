//! What guests have seen against the entries: who is inside, what is owed, what was on bands that are gone.
//! Not here: each green light by itself, the books (`super`).
use anyhow::Result;
use domain::{
    journal::{Effect, Kind},
    wristband::CreditKey,
};

use super::{
    journals::Journals,
    report::{Books, Passages},
};
use crate::{band::Band, guest::Guest, world::World};

/// Admissions less exits, by the guests' eyes, by the entries and at the hub's console.
pub(super) async fn check_passages(
    world: &World,
    guests: &[Guest],
    journals: &Journals,
    reasons: &mut Vec<String>,
) -> Result<Passages> {
    let of = |kind| journals.all().filter(|(_, entry)| entry.kind == kind).count();
    let passages = Passages { ins: of(Kind::ADMISSION), outs: of(Kind::EXIT) };
    let inside = i64::try_from(passages.ins)?.saturating_sub(i64::try_from(passages.outs)?);
    let seen = guests.iter().fold(0i64, |sum, guest| sum.saturating_add(guest.is_inside()));
    let counted = world.hub.view().await?.totals.guests_in;
    if (seen, counted) != (inside, inside) {
        reasons.push(format!("{inside} are inside by the entries, {seen} by their own eyes, {counted} at the hub"));
    }
    Ok(passages)
}

/// What guests are owed by their own eyes is what the entries leave owed.
pub(super) fn check_owed(guests: &[Guest], books: &Books, reasons: &mut Vec<String>) {
    let owed = guests.iter().fold(0i64, |sum, guest| sum.saturating_add(guest.is_owed_cents()));
    if owed != books.pending_credit_cents {
        reasons.push(format!("guests are owed {owed} cents, the entries say {}", books.pending_credit_cents));
    }
}

/// What stands on the chip of a band that is gone is what the hub has taken off its wallet. Gives how much.
pub(super) fn check_lost(
    world: &World,
    (guest, band): (&Guest, &Band),
    journals: &Journals,
    credit_keys: &[CreditKey],
    reasons: &mut Vec<String>,
) -> Result<i64> {
    let on_chip = band.balance_on_chip(&world.supplier, credit_keys)?.unwrap_or_default();
    let wallet = band.wallet();
    let leaves = |kind| kind == Kind::BAND_TRANSFER || kind == Kind::REFUND;
    let moved = journals
        .all()
        .filter(|(_, entry)| leaves(entry.kind) && entry.effect == Effect::Debit && entry.subject == wallet.into());
    let moved = moved.fold(0i64, |sum, (_, entry)| sum.saturating_add(entry.amount.as_i64()));
    if moved != on_chip {
        reasons.push(format!("guest {} lost a band with {on_chip} cents, {moved} were moved off", guest.number));
    }
    Ok(moved)
}
