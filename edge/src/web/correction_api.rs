//! Corrections. `GET /api/till/recent` lists what can be corrected, newest first.
//! `POST /api/till/correct {"id", "entry", "amount_cents"?, "favour": "guest" | "festival", "reason", "supervisor"?}`
//! answers `{"entry", "amount_cents", "owed"}`, or 202 where the band must be held to the reader to be charged: the
//! outcome then comes as that of a sale with this `id`. `POST /api/till/undo {"id", "entry", "supervisor"?}` takes the
//! last sale back, if that is still `entry`. The same `id` again gets the same answer.
use std::{sync::Arc, time::Instant};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{id::EntryRef, money::Cents, till::Favour};
use screens::post;
use serde_json::json;

use super::api::{Body, Refused, Wait, ask, blocking, body, not_done, refusal, request_id};
use crate::{
    correction::{self, Ask, Corrected},
    station::{Station, entry_ref},
    tap_desk::{Purpose, RequestId},
};

pub(super) async fn recent(State(station): State<Arc<Station>>) -> Response {
    blocking(move || {
        let offered = correction::corrigible(&station).map_err(|refusal| not_done(&refusal))?;
        Ok(Json(offered).into_response())
    })
    .await
}

pub(super) async fn correct(State(station): State<Arc<Station>>, asked: Body<post::Correct>) -> Response {
    let by = Arc::clone(&station);
    let done = tokio::task::spawn_blocking(move || book(&by, asked)).await;
    match done {
        Ok(Ok((_, Corrected::Booked { entry, amount, owed }))) => told(entry, amount, owed),
        Ok(Ok((id, Corrected::NeedsBand(priced)))) => {
            ask(station, id, Purpose::Sale(*priced), false, Wait::default()).await
        }
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn book(station: &Station, asked: Body<post::Correct>) -> Result<(RequestId, Corrected), Refused> {
    let asked = body(asked)?;
    let id = request_id(&asked.id)?;
    let entry = named(&asked.entry)?;
    let amount = match asked.amount_cents {
        Some(cents) => {
            let amount = Cents::new(cents);
            Some(amount.ok_or_else(|| refusal(StatusCode::CONFLICT, "till.amount", Default::default()))?)
        }
        None => None,
    };
    let favour = match asked.favour {
        post::Favour::Guest => Favour::Guest,
        post::Favour::Festival => Favour::Festival,
    };
    let ask = Ask { request: id, entry, amount, favour, reason: asked.reason };
    let done = correction::correct(station, &ask, asked.supervisor.as_ref());
    done.map(|corrected| (id, corrected)).map_err(|refusal| not_done(&refusal))
}

pub(super) async fn undo(State(station): State<Arc<Station>>, asked: Body<post::Undo>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let (id, entry) = (request_id(&asked.id)?, named(&asked.entry)?);
        let undone = correction::undo(&station, id, entry, asked.supervisor.as_ref(), Instant::now());
        match undone.map_err(|refusal| not_done(&refusal))? {
            Corrected::Booked { entry, amount, owed } => Ok(told(entry, amount, owed)),
            Corrected::NeedsBand(_) => Err(refusal(StatusCode::CONFLICT, "till.not_correctable", Default::default())),
        }
    })
    .await
}

fn named(entry: &str) -> Result<EntryRef, Refused> {
    entry_ref(entry).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "api.entry", Default::default()))
}

fn told(entry: EntryRef, amount: Cents, owed: bool) -> Response {
    Json(json!({ "entry": entry.to_string(), "amount_cents": amount.as_i64(), "owed": owed })).into_response()
}
