//! Is it alive, is it ready, and the numbers behind it.
use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::json;

use crate::{station::Station, view};

pub(super) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

pub(super) async fn ready(State(station): State<Arc<Station>>) -> Response {
    let ready = station.readiness();
    let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reason = ready.err();
    (status, Json(json!({ "status": if reason.is_none() { "ok" } else { "not_ready" }, "reason": reason })))
        .into_response()
}

pub(super) async fn health(State(station): State<Arc<Station>>) -> Response {
    let bundle_number = station.bundle().bundle.body.number;
    let Ok(view) = tokio::task::spawn_blocking(move || view::of(&station)).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let status = if view.degraded.is_some() { "degraded" } else { "ok" };
    Json(json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "place": view.place,
        "box_number": view.box_number,
        "epoch": view.epoch,
        "unsent": view.unsent,
        "hub_connected": view.hub.connected,
        "knowledge": view.knowledge,
        "trusted_time": view.trusted_time,
        "bundle_number": bundle_number,
        "degraded": view.degraded,
        "alerts": view.alerts,
        "lan": view.lan,
    }))
    .into_response()
}

pub(super) async fn metrics(State(station): State<Arc<Station>>) -> Response {
    match tokio::task::spawn_blocking(move || crate::metrics::render(&station)).await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
