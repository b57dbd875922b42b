//! What can be read over HTTP.
use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{id::DeviceId, ledger::Standing, ticket::TicketId, wire::unhex};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{ApiError, App};
use crate::{
    config::CategoryConfig, ingest::journals::ReadBody, store::IssuedTicket, tickets::qr, totals, wallets::WalletView,
    writer::Health,
};

/// Whoever asks a hub that has just started waits so long for its first view of itself.
const FIRST_VIEW: Duration = Duration::from_secs(5);

/// `GET /api/state`.
pub(super) async fn state(State(app): State<App>) -> Response {
    match first_view(app.inner.view.clone()).await {
        Some(view) => ([(header::CONTENT_TYPE, "application/json")], view).into_response(),
        None => ApiError::unavailable().into_response(),
    }
}

/// The view; of a hub that has just started and has looked at nothing yet, its first one.
async fn first_view(mut views: watch::Receiver<Arc<str>>) -> Option<String> {
    let view = tokio::time::timeout(FIRST_VIEW, views.wait_for(|view| !view.is_empty())).await;
    view.ok()?.ok().map(|view| view.to_string())
}

pub(crate) const fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::InForce => "in_force",
        Standing::Disputed => "disputed",
        Standing::BeyondRevocation => "beyond_revocation",
        Standing::SetAside(_) => "set_aside",
    }
}

fn entry_json(body: &ReadBody, stands: &Standing, hash: &str) -> Value {
    let entry = body.entry();
    json!({
        "kind": entry.kind.0,
        "effect": entry.effect.byte(),
        "amount_cents": entry.amount.get(),
        "subject": domain::wire::hex(&entry.subject.0),
        "other": domain::wire::hex(&entry.other.0),
        "unix_ms": entry.hlc.unix_ms(),
        "refers_to": entry.refers_to.map(|at| at.to_string()),
        "standing": standing(stands),
        "hash": hash,
    })
}

/// `GET /api/entries/{device}/{epoch}/{seq}`: the entry; of a forked journal the first branch's, with all under `branches`.
pub(super) async fn entry(
    State(app): State<App>,
    Path((device, epoch, seq)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let parsed = (DeviceId::from_hex(&device), epoch.parse::<u32>().ok(), seq.parse::<u32>().ok());
    let (Some(device), Some(epoch), Some(seq)) = parsed else { return Err(ApiError::not_found("The entry")) };
    let found = app.act(move |hub| hub.entry_at(device, epoch, seq)).await?;
    let branches: Vec<Value> = found.iter().map(|(body, stands, hash)| entry_json(body, stands, hash)).collect();
    let mut first = branches.first().cloned().ok_or_else(|| ApiError::not_found("The entry"))?;
    if branches.len() > 1 {
        first["branches"] = Value::from(branches);
    }
    Ok(Json(first))
}

/// `GET /api/agreement`: everything published, then the digest of it.
pub(super) async fn agreement(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let (term, boxes) = app
        .act(|hub| {
            hub.publish()?;
            let boxes: Vec<Value> = hub
                .store()
                .boxes()?
                .iter()
                .map(|stored| {
                    let held = hub.journals().of_device(stored.device).map(|journal| journal.tree.entries()).sum::<u64>();
                    json!({ "number": stored.number.0, "place": stored.place, "device": stored.device.to_hex(), "entries": held })
                })
                .collect();
            Ok((hub.term(), boxes))
        })
        .await?;
    let agreement = app.read("agreement", move |reading| totals::agreement(reading, term)).await?;
    Ok(Json(json!({
        "term": agreement.term,
        "numbers": agreement.numbers,
        "digest": agreement.digest,
        "boxes": boxes,
    })))
}

/// `GET /api/totals`.
pub(super) async fn totals(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    app.act(|hub| hub.publish()).await?;
    let books = app.read("totals", totals::books).await?;
    let money = &books.money;
    let mut json = serde_json::to_value(books.view()).map_err(|_| ApiError::unavailable())?;
    for (name, amount) in [
        ("pending_issued_cents", money.pending_issued),
        ("corrections_cents", money.corrections),
        ("other_credit_cents", money.other_credit),
        ("transferred_cents", money.transferred),
        ("other_debit_cents", money.other_debit),
        ("losses_cents", money.losses),
        ("sources_cents", money.sources()),
        ("uses_cents", money.uses()),
    ] {
        json[name] = amount.into();
    }
    json["wallets"] = books.wallets.into();
    Ok(Json(json))
}

/// `GET /api/zones`: how full each zone is, and what each gate holds and counted.
pub(super) async fn zones(State(app): State<App>) -> Result<Json<Vec<screens::view::ZoneView>>, ApiError> {
    let zones = app.act(|hub| {
        hub.project()?;
        hub.zone_views()
    });
    Ok(Json(zones.await?))
}

/// `GET /api/overrides`: what supervisors decided at gates, newest first.
pub(super) async fn overrides(State(app): State<App>) -> Result<Json<Vec<screens::view::OverrideView>>, ApiError> {
    let overrides = app.act(|hub| {
        hub.project()?;
        hub.overrides()
    });
    Ok(Json(overrides.await?))
}

/// `GET /api/wallets/{wallet}`: a wallet's id or its band's UID.
pub(super) async fn wallet(State(app): State<App>, Path(text): Path<String>) -> Result<Json<WalletView>, ApiError> {
    let view = app.act(move |hub| {
        let wallet = hub.wallet_of(&text)?;
        hub.wallet_view(wallet)
    });
    Ok(Json(view.await?))
}

/// `GET /api/bundle`: the file.
pub(super) async fn bundle(State(app): State<App>) -> Result<Response, ApiError> {
    let bundle = app.act(|hub| hub.current_bundle()).await?;
    let name = format!("attachment; filename=\"festival-{}.fbun\"", bundle.number);
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_string()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bundle.bytes).into_response())
}

/// `GET /api/categories`.
pub(super) async fn categories(State(app): State<App>) -> Result<Json<Vec<CategoryConfig>>, ApiError> {
    let categories = app.read("categories", |reading| reading.categories()).await?;
    let config = |category: domain::bundle::Category| CategoryConfig {
        number: category.number,
        name_fr: category.name_fr,
        name_en: category.name_en,
        price_cents: category.price.get(),
        zones: category.zones,
        voucher_product: category.voucher_product,
        voucher_quantity: category.voucher_quantity,
    };
    Ok(Json(categories.into_iter().map(config).collect()))
}

/// A ticket id as people give it: 24 hexadecimal digits.
pub(super) fn ticket_id(text: &str) -> Result<TicketId, ApiError> {
    let id = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
    id.ok_or_else(|| ApiError::not_found("The ticket"))
}

async fn issued(app: &App, text: &str) -> Result<IssuedTicket, ApiError> {
    let id = ticket_id(text)?;
    app.read("ticket", move |reading| reading.issued(&id)).await?.ok_or_else(|| ApiError::not_found("The ticket"))
}

/// `GET /api/tickets/{id}/qr.svg`.
pub(super) async fn qr_svg(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let ticket = issued(&app, &id).await?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], qr::svg(&ticket.text)?).into_response())
}

/// `GET /api/tickets/{id}/qr.png`.
pub(super) async fn qr_png(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let ticket = issued(&app, &id).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], qr::png(&ticket.text)?).into_response())
}

/// `GET /api/health`: that it runs, what is wrong with its disk, its term and its newest batches.
pub(super) async fn health(State(app): State<App>) -> Response {
    let (term, numbers) = app.inner.feeds.newest();
    let numbers: serde_json::Map<String, Value> = numbers
        .into_iter()
        .map(|(section, number)| (totals::section_name(section).to_string(), number.into()))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let (status, trouble) = match app.inner.writer.health() {
        Health::Well => ("ok", None),
        Health::Trouble(trouble) => ("degraded", Some(trouble)),
        Health::Busy => ("busy", None),
        Health::Down => ("down", None),
    };
    Json(json!({ "status": status, "version": version, "term": term, "numbers": numbers, "trouble": trouble }))
        .into_response()
}

/// `GET /api/health/live`.
pub(super) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `GET /api/health/ready`: whether the writer answers.
pub(super) async fn ready(State(app): State<App>) -> Result<StatusCode, ApiError> {
    match app.inner.writer.health() {
        Health::Well | Health::Trouble(_) => Ok(StatusCode::NO_CONTENT),
        Health::Busy | Health::Down => Err(ApiError::unavailable()),
    }
}

/// `GET /monitoring/metrics`.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let text = app.inner.metrics.text(app.inner.writer.backlog());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// `GET /monitoring/metrics/json`.
pub(super) async fn metrics_json(State(app): State<App>) -> Json<Value> {
    Json(app.inner.metrics.json(app.inner.writer.backlog()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_a_hub_that_has_just_started_gets_its_first_view() {
        let (hub, views) = watch::channel::<Arc<str>>(Arc::from(""));
        let asked = tokio::spawn(first_view(views.clone()));
        tokio::time::sleep(FIRST_VIEW / 2).await;
        hub.send_replace(Arc::from("{}"));
        assert_eq!(asked.await.unwrap().as_deref(), Some("{}"));
        hub.send_replace(Arc::from(""));
        assert_eq!(first_view(views.clone()).await, None, "in time");
        drop(hub);
        assert_eq!(first_view(views).await, None);
    }
}
