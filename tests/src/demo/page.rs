//! The demo's own web server: the page, its events, and what its controls ask for.
//! Invariant: listens on loopback only; a handler only translates.
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::JsonRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Json, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, stream};
use screens::{
    Lang, Refusal,
    post::DemoPrices,
    view::{BandKind, TicketKind},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    Demo, guard,
    hands::{Cannot, Pull},
};

/// A page takes a longer silence for a lost server.
const AT_LEAST_EVERY: Duration = Duration::from_secs(4);

type Asked<T> = Result<Json<T>, JsonRejection>;
type Done = Result<Json<serde_json::Value>, Cannot>;

#[derive(Deserialize)]
struct Show {
    ticket: u32,
}

#[derive(Deserialize)]
struct Hold {
    band: u32,
    #[serde(default)]
    pull: Pull,
}

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
struct NewTicket {
    kind: TicketKind,
}

#[derive(Deserialize)]
struct NewBand {
    #[serde(default)]
    kind: BandKind,
    copy_of: Option<u32>,
}

impl IntoResponse for Cannot {
    fn into_response(self) -> Response {
        let (code, args) = match self {
            Self::NoPower => ("demo.no_power", BTreeMap::new()),
            Self::Failed(error) => ("demo.failed", BTreeMap::from([("reason".to_owned(), format!("{error:#}"))])),
        };
        (StatusCode::CONFLICT, Json(Refusal { code: code.into(), args })).into_response()
    }
}

fn asked<T>(body: Asked<T>) -> Result<T, Cannot> {
    body.map(|Json(body)| body).map_err(|rejection| Cannot::Failed(anyhow::anyhow!(rejection.body_text())))
}

fn done() -> Done {
    Ok(Json(json!({})))
}

/// Serves until the runtime ends.
pub(super) fn serve(demo: Arc<Demo>, listener: TcpListener) {
    let Ok(own) = listener.local_addr() else { return };
    let acts = Router::new()
        .route("/boxes/{number}/show", post(show))
        .route("/boxes/{number}/hold", post(hold))
        .route("/boxes/{number}/take-away", post(take_away))
        .route("/boxes/{number}/wire", post(wire))
        .route("/boxes/{number}/power", post(power))
        .route("/hub/power", post(hub_power))
        .route("/tickets", post(new_ticket))
        .route("/bands", post(new_band))
        .route("/guests", post(guests))
        .route("/prices", post(prices));
    let routes = Router::new()
        .nest("/api", acts)
        .route("/", get(|| async { file("demo.html") }))
        .route("/events", get(events))
        .route("/api/state", get(|State(demo): State<Arc<Demo>>| async move { Json(demo.shown.borrow().clone()) }))
        .route("/texts/{file}", get(texts))
        .route("/{*path}", get(|Path(path): Path<String>| async move { file(&path) }))
        .layer(middleware::from_fn(security_headers))
        .layer(middleware::from_fn_with_state(own, guard::own_pages_only))
        .with_state(demo);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the demo's page has ended");
        }
    });
}

async fn show(State(demo): State<Arc<Demo>>, Path(number): Path<usize>, body: Asked<Show>) -> Done {
    demo.show(number, asked(body)?.ticket).await?;
    done()
}

async fn hold(State(demo): State<Arc<Demo>>, Path(number): Path<usize>, body: Asked<Hold>) -> Done {
    let Hold { band, pull } = asked(body)?;
    demo.hold(number, band, pull).await?;
    done()
}

async fn take_away(State(demo): State<Arc<Demo>>, Path(number): Path<usize>) -> Done {
    demo.take_away(number)?;
    done()
}

async fn wire(State(demo): State<Arc<Demo>>, Path(number): Path<usize>, body: Asked<Switch>) -> Done {
    demo.wire(number, asked(body)?.on)?;
    done()
}

async fn power(State(demo): State<Arc<Demo>>, Path(number): Path<usize>, body: Asked<Switch>) -> Done {
    demo.power(number, asked(body)?.on).await?;
    done()
}

async fn hub_power(State(demo): State<Arc<Demo>>, body: Asked<Switch>) -> Done {
    demo.hub_power(asked(body)?.on).await?;
    done()
}

async fn new_ticket(State(demo): State<Arc<Demo>>, body: Asked<NewTicket>) -> Done {
    let number = demo.shelf.add_ticket(&demo.world, asked(body)?.kind).await?;
    Ok(Json(json!({ "number": number })))
}

async fn new_band(State(demo): State<Arc<Demo>>, body: Asked<NewBand>) -> Done {
    let NewBand { kind, copy_of } = asked(body)?;
    let number = match copy_of {
        Some(original) => demo.shelf.copy_band(original)?,
        None => demo.shelf.add_band(&demo.world, kind)?,
    };
    Ok(Json(json!({ "number": number })))
}

async fn prices(State(demo): State<Arc<Demo>>, body: Asked<DemoPrices>) -> Done {
    let wanted = asked(body)?;
    // it waits for links by closures that are bound to their thread
    let edit = move || tokio::runtime::Handle::current().block_on(demo.edit_prices(wanted));
    tokio::task::spawn_blocking(edit).await.map_err(|error| Cannot::Failed(error.into()))??;
    done()
}

async fn guests(State(demo): State<Arc<Demo>>, body: Asked<Switch>) -> Done {
    demo.let_guests_come(asked(body)?.on);
    done()
}

fn file(path: &str) -> Response {
    match screens::asset(path) {
        Some((bytes, mime)) => ([(header::CONTENT_TYPE, mime)], bytes.into_owned()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn texts(Path(file): Path<String>) -> Response {
    match file.strip_suffix(".json").and_then(Lang::from_tag) {
        Some(lang) => Json(screens::all(lang)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn events(State(demo): State<Arc<Demo>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold((demo.shown.subscribe(), true), |(mut shown, first)| async move {
        if !first && let Ok(Err(_)) = tokio::time::timeout(AT_LEAST_EVERY, shown.changed()).await {
            return None;
        }
        let event = Event::default().event("state").json_data(&*shown.borrow_and_update()).ok()?;
        Some((Ok(event), (shown, false)))
    }))
}

/// As everywhere, but this page may frame the doors to the boxes' screens, which stand on other ports.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in screens::HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = format!("{}; frame-src http://127.0.0.1:*", screens::CSP);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
