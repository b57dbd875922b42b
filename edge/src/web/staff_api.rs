//! `/api/staff`: who works at this box.
//! `log-in {"number", "pin"}` answers `{"number", "name"}`; `log-out` answers `{}`. A PIN is checked on a thread that
//! may block; its text is never logged.
use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Json, Response},
};
use screens::post;
use serde_json::json;

use super::api::{Body, blocking, body, not_done};
use crate::{refusal::NotDone, station::Station};

pub(super) async fn log_in(State(station): State<Arc<Station>>, pin: Body<post::Pin>) -> Response {
    blocking(move || {
        let pin = body(pin)?;
        let operator = station.log_in(pin.number, &pin.pin).map_err(|refusal| not_done(&refusal))?;
        Ok(Json(json!({ "number": operator.number, "name": operator.name })).into_response())
    })
    .await
}

pub(super) async fn log_out(State(station): State<Arc<Station>>) -> Response {
    blocking(move || {
        station.log_out().map_err(|code| not_done(&NotDone::Code(code)))?;
        Ok(Json(json!({})).into_response())
    })
    .await
}
