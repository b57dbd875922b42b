//! The box's screens and local API over HTTPS.
//! Invariant: a handler only translates; nobody without the screen key moves money or opens the door.
//! Not here: decisions (`gate`, `till`), what pages look like (`screens`).
mod api;
mod auth;
mod correction_api;
mod documents;
mod door;
mod events;
mod gate_api;
mod health;
mod pages;
mod receipt_api;
mod shift_api;
mod staff_api;
mod voucher_api;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use axum_server::{Handle, tls_rustls::RustlsConfig};

use crate::station::Station;

/// Longest request body: a ticket's text or a basket is far below.
const BODY_MAX: usize = 16 << 10;

/// All routes.
pub(crate) fn router(station: Arc<Station>) -> Router {
    let guarded = Router::new()
        .route("/api/state", get(api::state))
        .route("/events", get(events::stream))
        .route("/api/gate/scan", post(api::scan))
        .route("/api/gate/ways", post(gate_api::ways))
        .route("/api/gate/override", post(gate_api::pass))
        .route("/api/gate/replace-band", post(gate_api::replace_band))
        .route("/api/gate/without-band", post(gate_api::without_band))
        .route("/api/gate/search", get(gate_api::find))
        .route("/api/gate/admit-found", post(gate_api::admit_found))
        .route("/api/till/sale", post(api::sale))
        .route("/api/till/cancel", post(api::cancel))
        .route("/api/till/handed-over", post(api::handed_over))
        .route("/api/top-up", post(api::top_up))
        .route("/api/top-up/cancel", post(api::cancel))
        .route("/api/band/closing-read", post(api::closing_read))
        .route("/api/band/refund", post(api::refund))
        .route("/api/staff/log-in", post(staff_api::log_in))
        .route("/api/staff/log-out", post(staff_api::log_out))
        .route("/api/band/look", post(api::look))
        .route("/api/band/pay-out", post(api::pay_out))
        .route("/api/shift", get(shift_api::shift))
        .route("/api/shift/open", post(shift_api::open))
        .route("/api/shift/close", post(shift_api::close))
        .route("/api/shift/cash", post(shift_api::cash))
        .route("/api/shift/closure", post(shift_api::closure))
        .route("/api/till/recent", get(correction_api::recent))
        .route("/api/till/correct", post(correction_api::correct))
        .route("/api/till/receipt", post(receipt_api::print))
        .route("/api/till/undo", post(correction_api::undo))
        .route("/api/till/voucher", post(voucher_api::voucher))
        .route("/api/till/park", post(voucher_api::park))
        .route("/api/till/resume", post(voucher_api::resume))
        .route("/api/till/training", post(voucher_api::training))
        .route("/api/agreement", get(api::agreement))
        .route("/api/documents/{document}", get(documents::show))
        .route("/api/documents/edit", post(documents::edit))
        .route("/api/documents/settle", post(documents::settle))
        .route("/api/stock", get(documents::stock))
        .route("/api/stock/count", post(documents::count_stock))
        .route("/api/manager/login", post(documents::log_in))
        .route("/api/manager/logout", post(documents::log_out))
        .layer(middleware::from_fn_with_state(Arc::clone(&station), auth::guard));
    Router::new()
        .merge(guarded)
        .route("/api/health", get(health::health))
        .route("/api/health/live", get(health::live))
        .route("/api/health/ready", get(health::ready))
        .route("/monitoring/metrics", get(health::metrics))
        .route("/texts/{file}", get(pages::texts))
        .route("/", get(pages::index))
        .route("/{*path}", get(pages::asset))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(door::whole_body))
        .layer(middleware::from_fn(pages::security_headers))
        .with_state(station)
}

/// Serves until `handle` is told to stop.
pub(crate) async fn serve(
    station: Arc<Station>,
    addr: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    door::server(addr, tls).handle(handle).serve(router(station).into_make_service()).await
}

/// How long open requests may take once the box stops.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(2);
