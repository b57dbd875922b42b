//! What the till keeps for its screen: vouchers read by the scanner, parked baskets, training.
//! `POST /api/till/voucher {"text"}` judges a voucher without using it: `{"product", "quantity", "text"}`; it is used
//! with the sale that names its text. `POST /api/till/park {lines, …}` · `resume {"number"}` answers the basket ·
//! `training {"on"}`.
use std::sync::{Arc, PoisonError};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::trust::Roles;
use screens::post;
use serde_json::json;

use super::api::{Body, blocking, body, not_done, refusal};
use crate::{refusal::NotDone, selling, station::Station};

pub(super) async fn voucher(State(station): State<Arc<Station>>, asked: Body<post::Scan>) -> Response {
    blocking(move || {
        let text = body(asked)?.text;
        if !station.roles().has(Roles::BAR) {
            return Err(not_done(&NotDone::Code("till.not_a_bar")));
        }
        let voucher = selling::voucher(&station, &text).map_err(|refusal| not_done(&refusal))?;
        // the screen has it now
        station.scanned.lock().unwrap_or_else(PoisonError::into_inner).take_if(|scanned| scanned.text == text);
        station.changed();
        let told = json!({ "product": voucher.product, "quantity": voucher.quantity, "text": text });
        Ok(Json(told).into_response())
    })
    .await
}

pub(super) async fn park(State(station): State<Arc<Station>>, asked: Body<post::Park>) -> Response {
    blocking(move || {
        station.may_handle_money().map_err(|refusal| not_done(&refusal))?;
        let basket = body(asked)?;
        station.parked.park(basket, station.now_ms()).map_err(|code| not_done(&NotDone::Code(code)))?;
        station.changed();
        Ok(Json(json!({})).into_response())
    })
    .await
}

pub(super) async fn resume(State(station): State<Arc<Station>>, asked: Body<post::Resume>) -> Response {
    blocking(move || {
        station.may_handle_money().map_err(|refusal| not_done(&refusal))?;
        let basket = station.parked.resume(body(asked)?.number);
        station.changed();
        match basket {
            Some(basket) => Ok(Json(basket).into_response()),
            None => Err(refusal(StatusCode::CONFLICT, "till.not_parked", Default::default())),
        }
    })
    .await
}

pub(super) async fn training(State(station): State<Arc<Station>>, asked: Body<post::Training>) -> Response {
    blocking(move || {
        station.train(body(asked)?.on).map_err(|refusal| not_done(&refusal))?;
        Ok(Json(json!({})).into_response())
    })
    .await
}
