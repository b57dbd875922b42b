//! The gate's part of the local API, beside `/api/gate/scan`.
//! `POST /api/gate/ways` `{"ways": "in" | "out" | "both"}` switches the gate, durably.
//! `POST /api/gate/override` `{"id", "who": "last" | "nobody", "out", "operator", "pin", "reason"}` lets somebody pass on a
//! supervisor's word; the answer is the verdict, and the same id again is the same passage.
//! `POST /api/gate/replace-band` `{"text", "operator", "pin"}` lets the next band stand for a ticket instead of its old one.
use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{access::Ways, trust::Roles};
use screens::{post, view};

use super::api::{Body, Refused, body, refusal, refused, request_id};
use crate::{
    gate::exception::{self, NotAllowed},
    station::Station,
};

impl From<NotAllowed> for Refused {
    fn from(no: NotAllowed) -> Self {
        let args = no.args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        refusal(StatusCode::CONFLICT, no.code, args)
    }
}

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
        Ok(Json(exception::pass(station, id, &ask)?))
    })
    .await
}

pub(super) async fn replace_band(State(station): State<Arc<Station>>, ask: Body<post::ReplaceBand>) -> Response {
    at_gate(station, |station| {
        exception::replace_band(station, &body(ask)?)?;
        Ok(Json(serde_json::json!({})))
    })
    .await
}
