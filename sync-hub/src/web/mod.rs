//! The console and the API over HTTPS.
//! Invariant: handlers only translate; whoever is not logged in sees health, metrics and the login page, and a page of
//! another site can change nothing.
//! Not here: what the acts do (`Hub`).
mod acts;
mod answer;
mod bands;
mod documents;
mod lan;
mod lists;
mod login;
mod matters;
mod pages;
mod pins;
mod reads;
mod risk;
mod ticket_keys;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::{Semaphore, watch};

pub(crate) use self::reads::standing;
pub use self::{answer::ApiError, login::Sessions};
use crate::{
    deltas::feed::Feeds,
    hub::HubError,
    identity::Identity,
    metrics::Metrics,
    store::{Reading, StoreError},
    writer::Writer,
};

/// Longest body of a request; an import may be longer.
const BODY_MAX: usize = 64 * 1024;
/// Longest import.
const IMPORT_MAX: usize = 64 << 20;
/// A request that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most reads of the database at once.
const READS: usize = 4;

/// What every handler has.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    identity: Arc<Identity>,
    feeds: Arc<Feeds>,
    metrics: Metrics,
    sessions: Sessions,
    pins: pins::Pins,
    view: watch::Receiver<Arc<str>>,
    readings: std::sync::Mutex<Vec<Reading>>,
    reads: Semaphore,
}

/// What the HTTP side is made from.
#[derive(Debug)]
pub struct Parts {
    /// The writer.
    pub writer: Writer,
    /// The hub's keys.
    pub identity: Arc<Identity>,
    /// Newest batches.
    pub feeds: Arc<Feeds>,
    /// Metrics.
    pub metrics: Metrics,
    /// The operator's token, in hexadecimal.
    pub console_token: String,
    /// The console's view as JSON; empty until there is one.
    pub view: watch::Receiver<Arc<str>>,
    /// Connections that only read; at least one.
    pub readings: Vec<Reading>,
}

impl App {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            sessions: Sessions::new(&parts.console_token),
            pins: pins::Pins::new(),
            writer: parts.writer,
            identity: parts.identity,
            feeds: parts.feeds,
            metrics: parts.metrics,
            view: parts.view,
            reads: Semaphore::new(READS.min(parts.readings.len().max(1))),
            readings: std::sync::Mutex::new(parts.readings),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs `act` on the writer's thread.
    async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut crate::hub::Hub) -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.inner.writer.call(act).await??)
    }

    /// As [`Self::act`], then signs a new bundle where something in it changed.
    async fn act_and_bundle<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut crate::hub::Hub) -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.act(|hub| {
            let done = act(hub)?;
            hub.current_bundle()?;
            Ok(done)
        })
        .await
    }

    /// Reads the database beside the writer.
    async fn read<T: Send + 'static>(
        &self,
        query: &'static str,
        read: impl FnOnce(&Reading) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _permit = self.inner.reads.acquire().await.map_err(|_| ApiError::unavailable())?;
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let pool = || inner.readings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let taken = pool().pop();
            let reading = taken.ok_or(StoreError::Damaged("no connection is free"))?;
            let done = read(&reading);
            pool().push(reading);
            inner.metrics.query(query, started.elapsed());
            done
        });
        Ok(done.await.map_err(|_| ApiError::unavailable())??)
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let guarded = Router::new()
        .route("/events", get(pages::events))
        .route("/logout", post(login::logout))
        .route("/api/state", get(reads::state))
        .route("/api/entries/{device}/{epoch}/{seq}", get(reads::entry))
        .route("/api/agreement", get(reads::agreement))
        .route("/api/totals", get(reads::totals))
        .route("/api/zones", get(reads::zones))
        .route("/api/overrides", get(reads::overrides))
        .route("/api/wallets/{wallet}", get(reads::wallet))
        .route("/api/wallets/{wallet}/history", get(bands::history))
        .route("/api/wallets/{wallet}/leaving", get(bands::leaving))
        .route("/api/wallets/{wallet}/online-top-up", post(bands::online_top_up))
        .route("/api/wallets/{wallet}/swap", post(bands::swap))
        .route("/api/wallets/{wallet}/refund", post(bands::refund))
        .route("/api/close", get(bands::closing).post(bands::close))
        .route("/api/close/expire", post(bands::expire))
        .route("/api/matters", get(matters::list))
        .route("/api/matters/{id}", get(matters::show))
        .route("/api/matters/{id}/resolve", post(matters::resolve))
        .route("/api/matters/{id}/proof", get(matters::proof))
        .route("/api/escrow/book", post(risk::book))
        .route("/api/risk", get(risk::now))
        .route("/api/risk/plan", get(risk::plan))
        .route("/api/bundle", get(reads::bundle))
        .route("/api/categories", get(reads::categories).post(acts::add_category))
        .route("/api/tickets", post(acts::issue))
        .route("/api/tickets/revoke", post(acts::revoke_ticket))
        .route("/api/tickets/{id}/revoke", post(acts::revoke_ticket_by_path))
        .route("/api/tickets/{id}/qr.svg", get(reads::qr_svg))
        .route("/api/tickets/{id}/qr.png", get(reads::qr_png))
        .route("/api/bands/block", post(acts::block_band))
        .route("/api/bands/unblock", post(acts::unblock_band))
        .route("/api/boxes/revoke", post(acts::revoke_box))
        .route("/api/credit-keys", post(acts::add_credit_key))
        .route("/api/lan/adopt", post(lan::adopt))
        .route("/api/restored/confirm", post(acts::confirm_restored))
        .route("/api/ticket-keys", get(ticket_keys::list))
        .route("/api/ticket-keys/adopt", post(ticket_keys::adopt))
        .route("/api/ticket-keys/activate", post(ticket_keys::activate))
        .route("/api/ticket-keys/retire", post(ticket_keys::retire))
        .route("/api/csv/{table}", get(lists::download).post(lists::upload).layer(DefaultBodyLimit::max(IMPORT_MAX)))
        .route("/api/documents/{document}", get(documents::show))
        .route("/api/documents/edit", post(documents::edit))
        .route("/api/documents/settle", post(documents::settle))
        .route("/api/stock", get(documents::stock))
        .route("/api/stock/count", post(documents::count_stock))
        .route("/api/managers", get(documents::managers))
        .route("/api/managers/revoke", post(documents::revoke_manager))
        .route("/api/pretix/import", post(acts::import_pretix).layer(DefaultBodyLimit::max(IMPORT_MAX)))
        .route_layer(middleware::from_fn_with_state(app.clone(), login::guard));
    Router::new()
        .route("/", get(pages::console))
        .route("/wallet", get(pages::wallet))
        .route("/login", post(login::login))
        .route("/texts/{file}", get(pages::texts))
        .route("/api/health", get(reads::health))
        .route("/api/health/live", get(reads::live))
        .route("/api/health/ready", get(reads::ready))
        .route("/monitoring/metrics", get(reads::metrics))
        .route("/monitoring/metrics/json", get(reads::metrics_json))
        .merge(guarded)
        .fallback(pages::asset)
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// Measures, gives up in time, and sets the security headers on every answer.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_string();
    let mut response = match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::timeout().into_response(),
    };
    app.inner.metrics.request(&method, &path, response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    for (name, value) in screens::HEADERS {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000; includeSubDomains; preload"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

#[cfg(test)]
mod tests;
