//! The console's page, its assets and its live state.
use std::convert::Infallible;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::{Stream, StreamExt};
use screens::Lang;
use tokio_stream::wrappers::WatchStream;

use super::{ApiError, App};

const LOGIN: &str = include_str!("login.html");

fn page(path: &str) -> Response {
    match screens::asset(path) {
        Some((bytes, mime)) => ([(header::CONTENT_TYPE, mime)], bytes.into_owned()).into_response(),
        None => ApiError::not_found("This address").into_response(),
    }
}

/// The login page, in both languages; `failed`: the token was not right.
pub(super) fn login_page(failed: bool, error: &ApiError) -> Response {
    let status = if failed { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let hidden = if failed { "" } else { " hidden" };
    let _ = error;
    (status, Html(LOGIN.replace("{hidden}", hidden))).into_response()
}

/// `GET /`: the console, or the login page.
pub(super) async fn console(State(app): State<App>, headers: HeaderMap) -> Response {
    if app.inner.sessions.may_read(&headers) {
        page("console.html")
    } else {
        login_page(false, &ApiError::unauthorized())
    }
}

/// `GET /wallet`: one band, or the login page.
pub(super) async fn wallet(State(app): State<App>, headers: HeaderMap) -> Response {
    if app.inner.sessions.may_read(&headers) {
        page("wallet.html")
    } else {
        login_page(false, &ApiError::unauthorized())
    }
}

/// Everything embedded: style, modules, icon. They hold nothing secret.
pub(super) async fn asset(uri: Uri) -> Response {
    page(uri.path())
}

/// `GET /texts/{fr,en}.json`.
pub(super) async fn texts(Path(file): Path<String>) -> Response {
    match file.strip_suffix(".json").and_then(Lang::from_tag) {
        Some(lang) => axum::Json(screens::all(lang)).into_response(),
        None => ApiError::not_found("This language").into_response(),
    }
}

/// `GET /events`: the whole view at once, on each change, and every few seconds.
pub(super) async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let views = WatchStream::new(app.inner.view.clone()).filter(|view| std::future::ready(!view.is_empty()));
    Sse::new(views.map(|view| Ok(Event::default().event("state").data(&*view))))
}
