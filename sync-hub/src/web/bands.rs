//! One band's money over HTTP: history, online top-up, swap, refund without it; and the event's close.
//! Invariant: handlers only translate.
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{money::Cents, wire::unhex};
use serde::Deserialize;

use super::{ApiError, App, answer::Body};
use crate::{
    closing::Closing,
    credits::{Paid, ToppedUp},
    history::Line,
    hub::{Hub, HubError},
    leaving::{Leaving, Way},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlineTopUpBody {
    amount_cents: u32,
    key: String,
    #[serde(default)]
    reference: String,
}

/// `POST /api/wallets/{wallet}/online-top-up`.
pub(super) async fn online_top_up(
    State(app): State<App>,
    Path(wallet): Path<String>,
    Body(body): Body<OnlineTopUpBody>,
) -> Result<Json<ToppedUp>, ApiError> {
    let amount = Cents::new(body.amount_cents).ok_or_else(|| ApiError::bad_request("the amount"))?;
    let key = unhex(&body.key).and_then(|key| key.try_into().ok());
    let key = key.ok_or_else(|| ApiError::bad_request("the key has 32 hexadecimal digits"))?;
    let done = app.act(move |hub| {
        let wallet = hub.wallet_of(wallet.trim())?;
        hub.online_top_up(&Paid { wallet, amount, key, reference: body.reference })
    });
    Ok(Json(done.await?))
}

/// `GET /api/wallets/{wallet}/history`.
pub(super) async fn history(State(app): State<App>, Path(wallet): Path<String>) -> Result<Json<Vec<Line>>, ApiError> {
    let lines = app.act(move |hub| {
        let wallet = hub.wallet_of(wallet.trim())?;
        hub.wallet_history(wallet)
    });
    Ok(Json(lines.await?))
}

/// `GET /api/wallets/{wallet}/leaving`: what would leave the band, and which boxes may still sell to it.
pub(super) async fn leaving(State(app): State<App>, Path(wallet): Path<String>) -> Result<Json<Leaving>, ApiError> {
    let leaving = app.act(move |hub| {
        let wallet = hub.wallet_of(wallet.trim())?;
        hub.leaving(wallet)
    });
    Ok(Json(leaving.await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwapBody {
    to: String,
    #[serde(default)]
    accept_risk: bool,
}

/// `POST /api/wallets/{wallet}/swap`: nothing has moved while the answer names boxes that may still sell.
pub(super) async fn swap(
    State(app): State<App>,
    Path(wallet): Path<String>,
    Body(body): Body<SwapBody>,
) -> Result<Json<Leaving>, ApiError> {
    let left = app.act(move |hub| {
        let (from, to) = (hub.wallet_of(wallet.trim())?, hub.wallet_of(body.to.trim())?);
        hub.empty_band(from, Way::Swap(to), body.accept_risk)
    });
    Ok(Json(left.await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundBody {
    #[serde(default)]
    accept_risk: bool,
}

/// `POST /api/wallets/{wallet}/refund`: without the band.
pub(super) async fn refund(
    State(app): State<App>,
    Path(wallet): Path<String>,
    Body(body): Body<RefundBody>,
) -> Result<Json<Leaving>, ApiError> {
    let left = app.act(move |hub| {
        let wallet = hub.wallet_of(wallet.trim())?;
        hub.empty_band(wallet, Way::Refund, body.accept_risk)
    });
    Ok(Json(left.await?))
}

/// `GET /api/close`: what closing the event would book.
pub(super) async fn closing(State(app): State<App>) -> Result<Json<Closing>, ApiError> {
    Ok(Json(app.act(Hub::closing).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmBody {
    confirm: bool,
}

/// `POST /api/close`.
pub(super) async fn close(State(app): State<App>, Body(body): Body<ConfirmBody>) -> Result<Json<Closing>, ApiError> {
    confirmed(&body)?;
    Ok(Json(app.act(Hub::close_event).await?))
}

/// `POST /api/close/expire`.
pub(super) async fn expire(State(app): State<App>, Body(body): Body<ConfirmBody>) -> Result<Json<Closing>, ApiError> {
    confirmed(&body)?;
    Ok(Json(app.act(Hub::expire).await?))
}

fn confirmed(body: &ConfirmBody) -> Result<(), ApiError> {
    if body.confirm { Ok(()) } else { Err(HubError::Refused("hub.confirm").into()) }
}
