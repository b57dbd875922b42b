//! The demo's own web server: the overview, its events, and doors to the boxes' screens.
//! Invariant: listens on loopback only; a box's screen key leaves it only as a redirect to that box.
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Json, Redirect, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, stream};
use screens::{
    Lang,
    post::{DemoPrices, Refusal},
    view::DemoView,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};

use super::prices::Asked;
use crate::world::World;

/// A page takes a longer silence for a lost server.
const AT_LEAST_EVERY: Duration = Duration::from_secs(4);

#[derive(Clone)]
struct Page {
    world: Arc<World>,
    edits: mpsc::Sender<Asked>,
    shown: watch::Receiver<DemoView>,
}

/// Serves until the task is dropped; gives the address.
pub async fn serve(
    world: Arc<World>,
    edits: mpsc::Sender<Asked>,
    shown: watch::Receiver<DemoView>,
    port: u16,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/", get(|| async { file("demo.html") }))
        .route("/events", get(events))
        .route("/open/{number}/{page}", get(open))
        .route("/prices", post(edit_prices))
        .route("/texts/{file}", get(texts))
        .route("/{*path}", get(|Path(path): Path<String>| async move { file(&path) }))
        .layer(middleware::from_fn(security_headers))
        .with_state(Page { world, edits, shown });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the demo's page has ended");
        }
    });
    Ok(address)
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

/// To a page of a box, with the key from its label.
async fn open(State(page): State<Page>, Path((number, file)): Path<(usize, String)>) -> Response {
    let is_page = file.ends_with(".html") && screens::asset(&file).is_some();
    match page.world.places.get(number).filter(|_| is_page) {
        Some(place) => Redirect::to(&place.api.url(&format!("/{file}?key={}", place.api.bearer()))).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// One price is edited at the hub and at the bar while they are apart.
async fn edit_prices(State(page): State<Page>, Json(wanted): Json<DemoPrices>) -> Response {
    let (answer, edited) = oneshot::channel();
    if page.edits.try_send(Asked { prices: wanted, answer }).is_err() {
        return refused(StatusCode::CONFLICT, "till.busy");
    }
    match edited.await {
        Ok(true) => Json(()).into_response(),
        Ok(false) | Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "edit.bad_value"),
    }
}

fn refused(status: StatusCode, code: &str) -> Response {
    (status, Json(Refusal { code: code.into(), ..Refusal::default() })).into_response()
}

async fn events(State(page): State<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold((page.shown, true), |(mut shown, first)| async move {
        if !first && let Ok(Err(_)) = tokio::time::timeout(AT_LEAST_EVERY, shown.changed()).await {
            return None;
        }
        let event = Event::default().event("state").json_data(&*shown.borrow_and_update()).ok()?;
        Some((Ok(event), (shown, false)))
    }))
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in screens::HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
