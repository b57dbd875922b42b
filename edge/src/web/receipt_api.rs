//! `POST /api/till/receipt {"entry"}` has the receipt of a sale or top-up of this box printed: 202, and what becomes of
//! it is told by the alerts of the next `state`.
use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use screens::post;

use super::api::{Body, blocking, body, not_done, refusal};
use crate::station::{Station, entry_ref};

pub(super) async fn print(State(station): State<Arc<Station>>, asked: Body<post::Receipt>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let entry =
            entry_ref(&asked.entry).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "api.entry", Default::default()))?;
        station.print_receipt(entry).map_err(|not| not_done(&not))?;
        Ok((StatusCode::ACCEPTED, Json(serde_json::json!({}))).into_response())
    })
    .await
}
