//! Folds what people at the till did beside plain sales: shifts, closures, corrections, goods for nothing.
//! Invariant: as `projection`: folding all entries again gives the same rows.
//! Not here: what may be corrected (`domain::till`).
use domain::{
    id::DeviceId,
    journal::{Detail, Effect, Entry, Kind, Sale},
};
use rusqlite::{Connection, params};

use crate::{error::StoreError, journal::At};

struct Act {
    corrects: Option<At>,
    cents: i64,
    quota: i64,
}

/// Folds one own entry that is no training.
pub(crate) fn fold(connection: &Connection, at: At, entry: &Entry, device: DeviceId) -> Result<(), StoreError> {
    let own = entry.refers_to.filter(|first| first.device == device).map(|at| At { epoch: at.epoch, seq: at.seq });
    if let (Kind::VOID, Some(intent)) = (entry.kind, own) {
        connection.prepare_cached("DELETE FROM act WHERE at = ?1")?.execute([intent.sql()])?;
        return Ok(());
    }
    let Some(act) = act(entry, own, device) else { return Ok(()) };
    connection
        .prepare_cached("INSERT INTO act (at, kind, operator, corrects, cents, quota) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![at.sql(), entry.kind.0, entry.operator, act.corrects.map(At::sql), act.cents, act.quota])?;
    Ok(())
}

fn act(entry: &Entry, own: Option<At>, device: DeviceId) -> Option<Act> {
    let cents = entry.amount.as_i64();
    let unconfirmed = |quota: i64| match Detail::of(entry) {
        Ok(Detail::Correction(correction)) if correction.supervisor != 0 => 0,
        _ => quota,
    };
    match entry.kind {
        Kind::SHIFT_OPEN | Kind::SHIFT_CLOSE | Kind::CLOSURE => Some(Act { corrects: None, cents, quota: 0 }),
        Kind::CORRECTION_PLUS => Some(Act { corrects: own, cents, quota: unconfirmed(cents) }),
        Kind::CORRECTION_MINUS => Some(Act { corrects: own, cents, quota: 0 }),
        Kind::PENDING_CREDIT if entry.effect == Effect::Owe => Some(Act { corrects: own, cents, quota: cents }),
        Kind::HANDED_OVER => Some(Act { corrects: None, cents, quota: unconfirmed(cents) }),
        Kind::INTENT | Kind::SALE => special_sale(entry, device),
        _ => None,
    }
}

/// A sale that charges a correction, or gives goods away. The commit of an intent repeats neither.
fn special_sale(entry: &Entry, device: DeviceId) -> Option<Act> {
    let sale: Sale = match Detail::of(entry) {
        Ok(Detail::Sale(sale)) => sale?,
        Ok(Detail::Intent(intent)) => intent.sale?,
        _ => return None,
    };
    let (corrects, given) = (sale.marks.corrects, sale.marks.given);
    if corrects.is_none() && given.is_none() {
        return None;
    }
    let first = corrects.filter(|corrects| corrects.entry.device == device).map(|corrects| corrects.entry);
    Some(Act {
        corrects: first.map(|at| At { epoch: at.epoch, seq: at.seq }),
        cents: if first.is_some() { entry.amount.as_i64() } else { 0 },
        quota: given.filter(|given| given.supervisor == 0).map_or(0, |given| given.value.as_i64()),
    })
}
