//! Conflicts and doubts over HTTP.
//! Invariant: handlers only translate; whoever decides says who and why.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /api/matters?state=open\|decided\|all&kind=WORD&place=TEXT&page=N` | 50 a page: open ones first, then the newest |
//! | `GET /api/matters/{id}` | one, with its evidence |
//! | `POST /api/matters/{id}/resolve` `{"action", "by" or "pin": {"number", "pin"}, "reason", "seen", "amount_cents"?, "head"?, "accept_risk"?}` | decides; answers the matter as it is then |
//! | `GET /api/matters/{id}/proof` | a fork's proof as a file for `provision verify` |
//!
//! Actions: `accept`, `block`, `lift`, `charge_back`, `forgive` (with `amount_cents`, all where it is left out),
//! `undo_charge_back`, `undo_forgive` (all of what was booked by it), `write_off`, `revoke`, `confirm_branch` (with
//! `head`), `accept_entries`, `pay_out` (with `accept_risk`). A no is 409 with a code `hub.ruling_*`. `seen` is that of
//! the matter as it was shown, `{"rulings", "cents", "places"}`; who leaves it out saw nothing. Where other rulings hold,
//! or more is found by then, nothing is done (`hub.ruling_changed`); also where it is less, for who moves all of it
//! (`pay_out`, `write_off`, and the others without `amount_cents`). Where somebody on the staff list may decide (`signs` of the list) the name comes from a PIN;
//! else it is typed, and its ruling's `operator` is 0.
use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use domain::{journal::MatterKind, ledger::MatterId, money::Cents};
use screens::view::{MatterPage, MatterSeen, MatterView};
use serde::{Deserialize, Serialize};

use super::{ApiError, App, answer::Body};
use crate::{
    hub::Hub,
    matters::{self, Asked, By, Evidence, Filter},
};

/// Longest text of a filter.
const FILTER_MAX: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    state: String,
    kind: String,
    place: String,
    page: usize,
}

/// `GET /api/matters`.
pub(super) async fn list(State(app): State<App>, Query(wanted): Query<Wanted>) -> Result<Json<MatterPage>, ApiError> {
    let open = match wanted.state.as_str() {
        "" | "all" => None,
        "open" => Some(true),
        "decided" => Some(false),
        _ => return Err(ApiError::bad_request("the state is open, decided or all")),
    };
    let kind = match wanted.kind.as_str() {
        "" => None,
        word => Some(MatterKind::from_code(word).ok_or_else(|| ApiError::bad_request("the kind"))?),
    };
    if wanted.place.len() > FILTER_MAX {
        return Err(ApiError::bad_request("the place is too long"));
    }
    let filter = Filter { open, kind, place: wanted.place, page: wanted.page };
    Ok(Json(app.act(move |hub| hub.matters(&filter)).await?))
}

fn named(id: &str) -> Result<MatterId, ApiError> {
    matters::named(id).ok_or_else(|| ApiError::not_found("The matter"))
}

/// A matter with what it is believed by.
#[derive(Debug, Serialize)]
pub(super) struct WithEvidence {
    matter: MatterView,
    evidence: Evidence,
}

/// `GET /api/matters/{id}`.
pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<WithEvidence>, ApiError> {
    let id = named(&id)?;
    let both =
        app.act(move |hub: &mut Hub| Ok(WithEvidence { matter: hub.matter(&id)?, evidence: hub.evidence(&id)? }));
    Ok(Json(both.await?))
}

/// Body of `POST /api/matters/{id}/resolve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolve {
    action: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    pin: Option<screens::post::Pin>,
    reason: String,
    #[serde(default)]
    amount_cents: Option<u32>,
    #[serde(default)]
    head: String,
    #[serde(default)]
    seen: MatterSeen,
    #[serde(default)]
    accept_risk: bool,
}

/// `POST /api/matters/{id}/resolve`.
pub(super) async fn resolve(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<Resolve>,
) -> Result<Json<MatterView>, ApiError> {
    let id = named(&id)?;
    let (action, undo) = Asked::named(&body.action).ok_or_else(|| ApiError::bad_request("the action"))?;
    let amount = match body.amount_cents {
        Some(amount) => Some(Cents::new(amount).ok_or_else(|| ApiError::bad_request("the amount"))?),
        None => None,
    };
    let Resolve { by, pin, reason, head, seen, accept_risk, .. } = body;
    let by = match pin {
        Some(pin) => By::Staff(app.person(pin).await?),
        None => By::Typed(by),
    };
    let asked = Asked { action, undo, by, reason, amount, head, seen, accept_risk };
    let matter = app.act(move |hub| {
        let done = hub.resolve(&id, &asked)?;
        if done.bundle {
            hub.current_bundle()?;
        }
        Ok(done.matter)
    });
    Ok(Json(matter.await?))
}

/// `GET /api/matters/{id}/proof`: the file that anybody can check.
pub(super) async fn proof(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id = named(&id)?;
    let about = id.about.filter(|_| id.kind == MatterKind::Fork);
    let about = about.ok_or_else(|| ApiError::not_found("A fork"))?;
    let bytes = app.act(move |hub| hub.fork_evidence(about)).await?;
    let name = format!("attachment; filename=\"fork-{}-{}-{}.fprf\"", about.device, about.epoch, about.seq);
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_string()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}
