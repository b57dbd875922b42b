//! The gate's part of the local API, beside `/api/gate/scan`.
//! `POST /api/gate/ways` `{"ways": "in" | "out" | "both"}` switches the gate, durably.
//! `POST /api/gate/override` `{"id", "who": "last" | "nobody", "at_unix_ms", "out", "operator", "pin", "reason"}` lets
//! somebody pass on a supervisor's word; the answer is the verdict, and the same id again is the same passage.
//! `POST /api/gate/replace-band` `{"text"? | "at_unix_ms", "supervisor"?: {"number", "pin"}}` lets the next band stand for
//! a ticket (without a text the one that the screen showed) instead of its old one; with a staff list a supervisor says so.
//! `POST /api/gate/without-band` `{}`: the guest for whom a band is awaited goes without one.
//! `at_unix_ms` is that of the verdict on the screen: where another one has come since, nothing is done.
//! `GET /api/gate/search?q=` finds holders by name: `{"guests", "more"}`. `POST /api/gate/admit-found` `{"id", "ticket",
//! "supervisor"?}` lets one of them pass, by the rules; the answer is the verdict.
use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{access::Ways, trust::Roles};
use screens::{post, view};
use serde::Deserialize;

use super::api::{Body, Refused, body, not_done, refusal, refused, request_id};
use crate::{
    gate::{exception, search},
    station::Station,
};

/// Does something at the gate on a thread that may block.
async fn at_gate<T: IntoResponse + Send + 'static>(
    station: Arc<Station>,
    act: impl FnOnce(&Station) -> Result<T, Refused> + Send + 'static,
) -> Response {
    if !station.roles().has(Roles::GATE) {
        return refused("gate.not_a_gate").into_response();
    }
    match tokio::task::spawn_blocking(move || act(&station)).await {
        Ok(Ok(done)) => done.into_response(),
        Ok(Err(no)) => no.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn ways(State(station): State<Arc<Station>>, ways: Body<post::GateWays>) -> Response {
    at_gate(station, |station| {
        let ways = match body(ways)?.ways {
            view::Ways::In => Ways::In,
            view::Ways::Out => Ways::Out,
            view::Ways::Both => Ways::Both,
        };
        let switched = station.store.set_ways(ways);
        switched.map_err(|error| refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), BTreeMap::new()))?;
        station.changed();
        Ok(Json(serde_json::json!({})))
    })
    .await
}

pub(super) async fn pass(State(station): State<Arc<Station>>, ask: Body<post::Override>) -> Response {
    at_gate(station, |station| {
        let ask = body(ask)?;
        let id = request_id(&ask.id)?;
        exception::pass(station, id, &ask).map(Json).map_err(|not| not_done(&not))
    })
    .await
}

pub(super) async fn replace_band(State(station): State<Arc<Station>>, ask: Body<post::ReplaceBand>) -> Response {
    at_gate(station, |station| {
        exception::replace_band(station, &body(ask)?).map_err(|not| not_done(&not))?;
        Ok(Json(serde_json::json!({})))
    })
    .await
}

pub(super) async fn without_band(State(station): State<Arc<Station>>) -> Response {
    at_gate(station, |station| {
        station.desk.cancel_pairing();
        station.not_pairing();
        Ok(Json(serde_json::json!({})))
    })
    .await
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Search {
    q: String,
}

pub(super) async fn find(
    State(station): State<Arc<Station>>,
    asked: Result<Query<Search>, QueryRejection>,
) -> Response {
    at_gate(station, |station| {
        let Query(asked) = asked.map_err(|rejection| {
            let args = BTreeMap::from([("reason".to_owned(), rejection.body_text())]);
            refusal(StatusCode::BAD_REQUEST, "api.body", args)
        })?;
        search::find(station, &asked.q).map(Json).map_err(|not| not_done(&not))
    })
    .await
}

pub(super) async fn admit_found(State(station): State<Arc<Station>>, ask: Body<post::AdmitFound>) -> Response {
    at_gate(station, |station| {
        let ask = body(ask)?;
        let id = request_id(&ask.id)?;
        search::admit(station, id, &ask).map(Json).map_err(|not| not_done(&not))
    })
    .await
}
