//! Amount at risk over HTTP: now, for a plan, and booked by people.
//! Invariant: handlers only translate. `GET /api/risk` answers [`RiskView`];
//! `GET /api/risk/plan?islands=N&bands=N&mean_cents=N&limit_cents=N&escrow=BOOL&profile=WORD` answers [`PlanView`].
use axum::{
    Json,
    extract::{Query, State},
};
use domain::{journal::BandProfile, ledger::RiskPlan, money::Cents};
use screens::view::{PlanView, RiskView};
use serde::Deserialize;

use super::{ApiError, App, answer::Body};
use crate::{escrow::Booked, hub::Hub};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookBody {
    /// Number of the box.
    number: u16,
    /// Of this account only.
    #[serde(default)]
    wallet: Option<String>,
    /// Who decides it.
    by: String,
}

/// `POST /api/escrow/book`: what a box holds that nobody hears is dealt again, at the word of whoever books it.
pub(super) async fn book(State(app): State<App>, Body(body): Body<BookBody>) -> Result<Json<Booked>, ApiError> {
    let booked = app.act(move |hub| {
        let wallet = body.wallet.map(|text| hub.wallet_of(text.trim())).transpose()?;
        hub.book_shares(body.number, wallet, &body.by)
    });
    Ok(Json(booked.await?))
}

/// `GET /api/risk`.
pub(super) async fn now(State(app): State<App>) -> Result<Json<RiskView>, ApiError> {
    Ok(Json(app.act(Hub::at_risk).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planned {
    islands: u32,
    bands: u32,
    mean_cents: u32,
    limit_cents: u32,
    #[serde(default)]
    escrow: bool,
    profile: String,
}

/// `GET /api/risk/plan`.
pub(super) async fn plan(Query(planned): Query<Planned>) -> Result<Json<PlanView>, ApiError> {
    let cents = |n| Cents::new(n).ok_or_else(|| ApiError::bad_request("an amount is too high"));
    let profile = match planned.profile.as_str() {
        "uid" => BandProfile::Uid,
        "ntag21x" => BandProfile::Ntag21x,
        "ultralight_aes" => BandProfile::UltralightAes,
        "pointer" => BandProfile::Pointer,
        _ => return Err(ApiError::bad_request("the profile is uid, ntag21x, ultralight_aes or pointer")),
    };
    let plan = RiskPlan {
        islands: planned.islands,
        bands: planned.bands,
        mean_balance: cents(planned.mean_cents)?,
        limit: cents(planned.limit_cents)?,
        escrow: planned.escrow,
        profile,
    };
    let bound = plan.bound();
    Ok(Json(PlanView { all_cents: bound.all, one_cents: bound.one, formula: bound.formula.into() }))
}
