//! What can be changed over HTTP.
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{
    id::{BoxNumber, DeviceId, WalletId},
    ticket::uid_of_own,
    wire::{hex, unhex},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, App, answer::Body, reads::ticket_id};
use crate::{
    boxes::Named,
    config::CategoryConfig,
    hub::{Hub, HubError},
    pretix::Imported,
    store::BarReason,
    tickets::Order,
};

/// Longest reason of a revocation.
const REASON_MAX: usize = 200;

/// `POST /api/categories`.
pub(super) async fn add_category(
    State(app): State<App>,
    Body(body): Body<CategoryConfig>,
) -> Result<StatusCode, ApiError> {
    let category = body.category().map_err(HubError::from)?;
    app.act_and_bundle(move |hub| hub.add_category(&category)).await?;
    Ok(StatusCode::CREATED)
}

/// Body of `POST /api/tickets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTicket {
    category: u32,
    #[serde(default)]
    holder: Option<String>,
    #[serde(default)]
    valid_from: Option<u32>,
    #[serde(default)]
    valid_until: Option<u32>,
}

/// `POST /api/tickets`.
pub(super) async fn issue(
    State(app): State<App>,
    Body(body): Body<NewTicket>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let order = Order {
        category: u16::try_from(body.category).map_err(|_| ApiError::not_found("the category"))?,
        holder: body.holder.unwrap_or_default(),
        valid_from: body.valid_from.unwrap_or(0),
        valid_until: body.valid_until.unwrap_or(0),
    };
    let tickets = app.act(move |hub| hub.issue(&order, 1)).await?;
    app.inner.metrics.tickets_sold(tickets.len());
    let ticket = tickets.first().ok_or_else(ApiError::unavailable)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": hex(&ticket.id), "uid": ticket.uid.to_hex(), "text": ticket.text }))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketBody {
    id: String,
}

/// `POST /api/tickets/revoke`.
pub(super) async fn revoke_ticket(
    State(app): State<App>,
    Body(body): Body<TicketBody>,
) -> Result<Json<Value>, ApiError> {
    revoke(&app, &body.id).await
}

/// `POST /api/tickets/{id}/revoke`.
pub(super) async fn revoke_ticket_by_path(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    revoke(&app, &id).await
}

async fn revoke(app: &App, text: &str) -> Result<Json<Value>, ApiError> {
    let id = ticket_id(text)?;
    if app.read("ticket", move |reading| reading.issued(&id)).await?.is_none() {
        return Err(ApiError::not_found("The ticket"));
    }
    let uid = uid_of_own(&app.inner.identity.festival, &id);
    let new = app.act_and_bundle(move |hub| hub.bar_tickets(&[uid], BarReason::Revoked)).await?;
    Ok(Json(json!({ "uid": uid.to_hex(), "changed": new > 0 })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BandBody {
    wallet: Option<String>,
    uid: Option<String>,
}

impl BandBody {
    fn wallet(&self, hub: &Hub) -> Result<WalletId, HubError> {
        match (&self.wallet, &self.uid) {
            (Some(text), None) | (None, Some(text)) => hub.wallet_of(text.trim()),
            (Some(_), Some(_)) | (None, None) => Err(HubError::Invalid("either wallet or uid")),
        }
    }
}

/// `POST /api/bands/block`.
pub(super) async fn block_band(State(app): State<App>, Body(body): Body<BandBody>) -> Result<Json<Value>, ApiError> {
    band(&app, body, |hub, wallet| hub.block_wallet(wallet)).await
}

/// `POST /api/bands/unblock`.
pub(super) async fn unblock_band(State(app): State<App>, Body(body): Body<BandBody>) -> Result<Json<Value>, ApiError> {
    band(&app, body, |hub, wallet| hub.unblock_wallet(wallet)).await
}

async fn band(
    app: &App,
    body: BandBody,
    act: impl FnOnce(&mut Hub, WalletId) -> Result<bool, HubError> + Send + 'static,
) -> Result<Json<Value>, ApiError> {
    let done = app.act(move |hub| {
        let wallet = body.wallet(hub)?;
        Ok((wallet, act(hub, wallet)?))
    });
    let (wallet, changed) = done.await?;
    Ok(Json(json!({ "wallet": wallet.to_hex(), "changed": changed })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoxBody {
    #[serde(default)]
    number: Option<u16>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    chain: Option<String>,
    #[serde(default)]
    reason: String,
}

impl BoxBody {
    fn named(&self) -> Result<Named, ApiError> {
        let Self { number, device, chain, .. } = self;
        let id = |text: &String| DeviceId::from_hex(text).ok_or_else(|| ApiError::bad_request("the device's id"));
        let bytes = |text: &String| unhex(text).ok_or_else(|| ApiError::bad_request("the chain is not hexadecimal"));
        if number.is_none() && device.is_none() && chain.is_none() {
            return Err(ApiError::bad_request("a number, a device's id or a chain"));
        }
        Ok(Named {
            number: number.map(BoxNumber),
            device: device.as_ref().map(id).transpose()?,
            chain: chain.as_ref().map(bytes).transpose()?,
        })
    }
}

/// `POST /api/boxes/revoke`: by any of its numbers, or by who it is, by its id or its chain in hexadecimal; a box that was
/// never heard here by the latter alone. Answers which were revoked, and which others have the number.
pub(super) async fn revoke_box(State(app): State<App>, Body(body): Body<BoxBody>) -> Result<Json<Value>, ApiError> {
    if body.reason.len() > REASON_MAX {
        return Err(ApiError::bad_request("the reason is too long"));
    }
    let named = body.named()?;
    let revoked = app.act_and_bundle(move |hub| hub.revoke_named(&named, &body.reason)).await?;
    let ids = |devices: &[DeviceId]| devices.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(Json(json!({ "devices": ids(&revoked.devices), "others": ids(&revoked.others) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermBody {
    term: u32,
}

/// `POST /api/restored/confirm`: what the restored database lacks was revoked and blocked again.
pub(super) async fn confirm_restored(
    State(app): State<App>,
    Body(body): Body<TermBody>,
) -> Result<Json<Value>, ApiError> {
    app.act(move |hub| hub.confirm_restored(body.term)).await?;
    Ok(Json(json!({ "term": body.term })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainBody {
    chain: String,
}

/// `POST /api/credit-keys`: announces a desk's key before anybody has seen it, by its chain in hexadecimal.
pub(super) async fn add_credit_key(
    State(app): State<App>,
    Body(body): Body<ChainBody>,
) -> Result<Json<Value>, ApiError> {
    let chain = unhex(&body.chain).ok_or_else(|| ApiError::bad_request("the chain is not hexadecimal"))?;
    let new = app.act_and_bundle(move |hub| hub.adopt_credit_chain(&chain)).await?;
    Ok(Json(json!({ "changed": new })))
}

/// `POST /api/pretix/import`.
pub(super) async fn import_pretix(State(app): State<App>, body: axum::body::Bytes) -> Result<Json<Imported>, ApiError> {
    Ok(Json(app.act_and_bundle(move |hub| hub.import_pretix(&body)).await?))
}
