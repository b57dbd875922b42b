//! Ticket keys over HTTP.
//! Invariant: handlers only translate.
use axum::{Json, extract::State};
use domain::id::KeyId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, App, answer::Body};
use crate::ticket_keys::{Adopted, TicketKeyView, issued_by_key};

/// `GET /api/ticket-keys`.
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<TicketKeyView>>, ApiError> {
    let issued = app.read("ticket_keys", issued_by_key).await?;
    Ok(Json(app.act(move |hub| Ok(hub.ticket_key_views(&issued))).await?))
}

/// `POST /api/ticket-keys/adopt`: takes up what lies in `ticket-keys/`.
pub(super) async fn adopt(State(app): State<App>) -> Result<Json<Adopted>, ApiError> {
    Ok(Json(app.act_and_bundle(crate::hub::Hub::adopt_ticket_keys).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    id: String,
}

impl KeyBody {
    fn id(&self) -> Result<KeyId, ApiError> {
        KeyId::from_hex(self.id.trim()).ok_or_else(|| ApiError::not_found("The ticket key"))
    }
}

/// `POST /api/ticket-keys/activate`: new tickets are signed with this key from now on.
pub(super) async fn activate(State(app): State<App>, Body(body): Body<KeyBody>) -> Result<Json<Value>, ApiError> {
    let id = body.id()?;
    let changed = app.act_and_bundle(move |hub| hub.activate_ticket_key(id)).await?;
    Ok(Json(json!({ "changed": changed })))
}

/// `POST /api/ticket-keys/retire`: tickets of this key count no more, for ever.
pub(super) async fn retire(State(app): State<App>, Body(body): Body<KeyBody>) -> Result<Json<Value>, ApiError> {
    let id = body.id()?;
    let changed = app.act_and_bundle(move |hub| hub.retire_ticket_key(id)).await?;
    Ok(Json(json!({ "changed": changed })))
}
