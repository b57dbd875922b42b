//! `/api/staff`: who works at this box.
//! `log-in {"number", "pin"}` answers `{"number", "name"}`; `log-out {}` answers `{}`. A PIN is checked on a thread that
//! may block; its text is never logged.
use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Json, Response},
};
use screens::post;

use super::api::{Body, blocking, body, of_code, of_staff};
use crate::{staff_session::NotLoggedIn, station::Station};

pub(super) async fn log_in(State(station): State<Arc<Station>>, answer: Body<post::Pin>) -> Response {
    let pin = match body(answer) {
        Ok(pin) => pin,
        Err(refused) => return refused.into_response(),
    };
    blocking(move || match station.log_in(pin.number, &pin.pin) {
        Ok(operator) => {
            Ok(Json(serde_json::json!({ "number": operator.number, "name": operator.name })).into_response())
        }
        Err(NotLoggedIn::Staff(refusal)) => Err(of_staff(&refusal)),
        Err(NotLoggedIn::Store(code)) => Err(of_code(code)),
    })
    .await
}

pub(super) async fn log_out(State(station): State<Arc<Station>>) -> Response {
    blocking(move || match station.log_out() {
        Ok(()) => Ok(Json(serde_json::json!({})).into_response()),
        Err(code) => Err(of_code(code)),
    })
    .await
}
