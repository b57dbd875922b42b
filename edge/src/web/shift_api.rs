//! `/api/shift`: shifts, cash and closures. Amounts are integer minor units; `supervisor` is `{"number", "pin"}`.
//! `GET` answers what the drawer should hold: `{"float_cents", "expected_cents", "in_doubt_cents"}`.
//! `open {"float_cents", "supervisor"?}` · `close {"counted_cents"}` answers the same and `counted_cents`,
//! `difference_cents` · `cash {"id", "into_drawer", "amount_cents", "reason"}` · `closure {"is_final", "supervisor"?}` answers
//! `{"number", "is_final", "period", "perpetual"}`.
use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{journal::TillTotals, money::Cents};
use screens::post;
use serde_json::{Value, json};

use super::api::{Body, Refused, blocking, body, not_done, refusal, request_id};
use crate::{
    refusal::NotDone,
    shift::{self, Drawer},
    station::Station,
};

fn cents(amount: u32) -> Result<Cents, Refused> {
    Cents::new(amount).ok_or_else(|| refusal(StatusCode::CONFLICT, "till.amount", Default::default()))
}

fn drawer(drawer: Drawer) -> Value {
    let Drawer { float, expected, in_doubt } = drawer;
    json!({ "float_cents": float.as_i64(), "expected_cents": expected, "in_doubt_cents": in_doubt })
}

fn done(value: Value) -> Result<Response, Refused> {
    Ok(Json(value).into_response())
}

pub(super) async fn shift(State(station): State<Arc<Station>>) -> Response {
    blocking(move || {
        let read = station.store.read(|view| shift::drawer(view).map(|(_, drawer)| drawer));
        let found = read.map_err(NotDone::from).and_then(|found| found.map_err(NotDone::from));
        done(drawer(found.map_err(|refusal| not_done(&refusal))?))
    })
    .await
}

pub(super) async fn open(State(station): State<Arc<Station>>, asked: Body<post::OpenShift>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let float = cents(asked.float_cents)?;
        let opened = shift::open(&station, float, asked.supervisor.as_ref()).map_err(|refusal| not_done(&refusal))?;
        done(json!({ "entry": opened.to_string() }))
    })
    .await
}

pub(super) async fn close(State(station): State<Arc<Station>>, asked: Body<post::CloseShift>) -> Response {
    blocking(move || {
        let counted = cents(body(asked)?.counted_cents)?;
        let closed = shift::close(&station, counted).map_err(|refusal| not_done(&refusal))?;
        let mut told = drawer(closed);
        told["counted_cents"] = counted.as_i64().into();
        told["difference_cents"] = counted.as_i64().saturating_sub(closed.expected).into();
        done(told)
    })
    .await
}

pub(super) async fn cash(State(station): State<Arc<Station>>, asked: Body<post::Cash>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let (id, amount) = (request_id(&asked.id)?, cents(asked.amount_cents)?);
        let moved = shift::move_cash(&station, id, asked.into_drawer, amount, &asked.reason);
        done(json!({ "entry": moved.map_err(|refusal| not_done(&refusal))?.to_string() }))
    })
    .await
}

pub(super) async fn closure(State(station): State<Arc<Station>>, asked: Body<post::Closure>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let closure = shift::closure(&station, asked.is_final, asked.supervisor.as_ref());
        let closure = closure.map_err(|refusal| not_done(&refusal))?;
        done(json!({
            "number": closure.number,
            "is_final": closure.is_final,
            "period": totals(&closure.period),
            "perpetual": totals(&closure.perpetual),
        }))
    })
    .await
}

fn totals(sums: &TillTotals) -> Value {
    json!({
        "sales": sums.sales,
        "sold_cents": sums.sold,
        "deposits_out_cents": sums.deposits_out,
        "deposits_back_cents": sums.deposits_back,
        "given_cents": sums.given,
        "vouchers": sums.vouchers,
        "top_ups": sums.top_ups,
        "credited_cents": sums.credited,
        "fees_cents": sums.fees,
        "by_card_cents": sums.by_card,
        "refunded_cents": sums.refunded,
        "corrected_plus_cents": sums.corrected_plus,
        "corrected_minus_cents": sums.corrected_minus,
        "cash_in_cents": sums.cash_in,
        "cash_out_cents": sums.cash_out,
    })
}
