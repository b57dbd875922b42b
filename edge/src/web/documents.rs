//! Shared documents at the box's screens: reading, and editing by a manager.
use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use documents::{ChangeHash, Document, Setting, SignedBy};
use screens::view::{EditBody, SettleBody};
use serde::Deserialize;
use serde_json::json;

use super::api::{Body, Refused, body, refusal};
use crate::{edits::NotEdited, station::Station};

fn refused(code: &str) -> Refused {
    refusal(StatusCode::CONFLICT, code, BTreeMap::new())
}

fn named(document: &str) -> Result<Document, Refused> {
    Document::from_name(document).ok_or_else(|| refusal(StatusCode::NOT_FOUND, "edit.bad_value", BTreeMap::new()))
}

async fn blocking<T: IntoResponse + Send + 'static>(
    act: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(act).await {
        Ok(Ok(done)) => done.into_response(),
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn show(State(station): State<Arc<Station>>, Path(document): Path<String>) -> Response {
    blocking(move || {
        let view = station.document_view(named(&document)?);
        view.map(Json).map_err(|error| refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), BTreeMap::new()))
    })
    .await
}

/// Body of `/api/manager/login`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    number: u32,
    pin: String,
}

pub(super) async fn log_in(State(station): State<Arc<Station>>, log_in: Body<LogIn>) -> Response {
    blocking(move || {
        let LogIn { number, pin } = body(log_in)?;
        let token = station.managers.log_in(&station, number, &pin).map_err(refused)?;
        let name = station.rules().staff.member(number).map(|member| member.name.clone());
        Ok(Json(json!({ "session": token, "name": name })))
    })
    .await
}

/// Body of `/api/manager/logout`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogOut {
    session: String,
}

pub(super) async fn log_out(State(station): State<Arc<Station>>, log_out: Body<LogOut>) -> Response {
    blocking(move || {
        station.managers.log_out(&body(log_out)?.session);
        Ok(Json(json!({})))
    })
    .await
}

pub(super) async fn edit(State(station): State<Arc<Station>>, edit: Body<EditBody>) -> Response {
    blocking(move || {
        let edit = body(edit)?;
        let document = named(&edit.document)?;
        let settings = edit.settings(document).map_err(|refusal| refused(refusal.code()))?;
        make(&station, &edit.session, document, &settings)
    })
    .await
}

pub(super) async fn settle(State(station): State<Arc<Station>>, settle: Body<SettleBody>) -> Response {
    blocking(move || {
        let settle = body(settle)?;
        let document = named(&settle.document)?;
        let change = ChangeHash::from_hex(&settle.change).ok_or_else(|| refused("edit.nothing"))?;
        let setting = station.settling(document, &settle.path, change).ok_or_else(|| refused("edit.nothing"))?;
        make(&station, &settle.session, document, &[setting])
    })
    .await
}

/// `GET /api/stock`: what this box sold, and what is left of what was counted here.
pub(super) async fn stock(State(station): State<Arc<Station>>) -> Response {
    blocking(move || {
        let stock = station.stock();
        stock.map(Json).map_err(|error| refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), BTreeMap::new()))
    })
    .await
}

/// Body of `/api/stock/count`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    session: String,
    product: u32,
    pieces: u32,
}

/// `POST /api/stock/count`: a manager counted a product here.
pub(super) async fn count_stock(State(station): State<Arc<Station>>, counted: Body<Counted>) -> Response {
    blocking(move || {
        let Counted { session, product, pieces } = body(counted)?;
        let by = |number, by: &SignedBy| station.count_stock(product, pieces, number, by);
        made(station.managers.with(&session, by))
    })
    .await
}

fn make(station: &Station, session: &str, document: Document, settings: &[Setting]) -> Result<Response, Refused> {
    made(station.managers.with(session, |number, by| station.edit(document, settings, number, by)))
}

fn made(made: Result<Result<ChangeHash, NotEdited>, &'static str>) -> Result<Response, Refused> {
    match made.map_err(|code| refusal(StatusCode::UNAUTHORIZED, code, BTreeMap::new()))? {
        Ok(change) => Ok(Json(json!({ "change": change.to_hex() })).into_response()),
        Err(NotEdited::Refused(refusal)) => Err(refused(refusal.code())),
        Err(NotEdited::Store(error)) => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), BTreeMap::new())),
    }
}
