//! Shared documents over HTTP.
use axum::{
    Json,
    extract::{Path, State},
};
use documents::{ChangeHash, Document, Refusal, SignedEnvelope};
use domain::{id::BoxNumber, wire::unhex};
use screens::view::{DocumentView, EditBody, EditView, ManagerView, SettleBody, StockView};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, App, answer::Body};
use crate::{
    hub::{Hub, HubError},
    store::AnsweredEdit,
};

/// Refused edits on show.
const REFUSED_SHOWN: u32 = 50;

fn document(name: &str) -> Result<Document, ApiError> {
    Document::from_name(name).ok_or_else(|| ApiError::not_found("The document"))
}

/// `GET /api/documents/{document}`.
pub(super) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<DocumentView>, ApiError> {
    let document = document(&name)?;
    Ok(Json(app.act(move |hub| view(hub, document)).await?))
}

fn view(hub: &Hub, document: Document) -> Result<DocumentView, HubError> {
    let answered = hub.store().answered_edits(REFUSED_SHOWN)?;
    let refused = answered.iter().filter_map(|answered| refused(answered, document)).collect();
    Ok(DocumentView { refused, ..DocumentView::of(hub.documents(), document) })
}

/// An edit that was refused; one that cannot even be read has no document to stand beside.
fn refused(answered: &AnsweredEdit, document: Document) -> Option<EditView> {
    let refusal = Refusal::from_number(answered.code)?;
    let envelope = SignedEnvelope::from_bytes(&answered.envelope).and_then(|signed| signed.read()).ok()?;
    (envelope.document == document.number()).then(|| EditView::of(&envelope, Some(refusal)))
}

/// `POST /api/documents/edit`.
pub(super) async fn edit(State(app): State<App>, Body(body): Body<EditBody>) -> Result<Json<Value>, ApiError> {
    let document = document(&body.document)?;
    let change = app.act(move |hub| hub.edit(document, &body.settings(document)?)).await?;
    Ok(Json(json!({ "change": change.to_hex() })))
}

/// `POST /api/documents/settle`: one of the values of a conflict holds from now on.
pub(super) async fn settle(State(app): State<App>, Body(body): Body<SettleBody>) -> Result<Json<Value>, ApiError> {
    let document = document(&body.document)?;
    let change = ChangeHash::from_hex(&body.change).ok_or_else(|| ApiError::bad_request("the change"))?;
    let change = app.act(move |hub| hub.settle(document, &body.path, change)).await?;
    Ok(Json(json!({ "change": change.to_hex() })))
}

/// `GET /api/managers`: whose keys there are, and what was signed with them.
pub(super) async fn managers(State(app): State<App>) -> Result<Json<Vec<ManagerView>>, ApiError> {
    Ok(Json(app.act(|hub| hub.managers()).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagerBody {
    key: String,
}

/// `POST /api/managers/revoke`: no edit of this key is taken any more, but for those that are confirmed.
pub(super) async fn revoke_manager(
    State(app): State<App>,
    Body(body): Body<ManagerBody>,
) -> Result<Json<Value>, ApiError> {
    let key: Option<[u8; 32]> = unhex(&body.key).and_then(|key| key.try_into().ok());
    let key = key.ok_or_else(|| ApiError::bad_request("the key is not 64 hexadecimal digits"))?;
    let changed = app.act(move |hub| hub.revoke_manager(&key)).await?;
    Ok(Json(json!({ "changed": changed })))
}

/// `GET /api/stock`: what is left of each product, box by box.
pub(super) async fn stock(State(app): State<App>) -> Result<Json<Vec<StockView>>, ApiError> {
    Ok(Json(app.act(Hub::stock).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    #[serde(rename = "box")]
    number: u16,
    product: u32,
    pieces: u32,
}

/// `POST /api/stock/count`: somebody counted a product at a box, and says so here.
pub(super) async fn count_stock(State(app): State<App>, Body(body): Body<Counted>) -> Result<Json<Value>, ApiError> {
    let Counted { number, product, pieces } = body;
    let change = app.act(move |hub| hub.count_stock(BoxNumber(number), product, pieces)).await?;
    Ok(Json(json!({ "change": change.to_hex() })))
}
