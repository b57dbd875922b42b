//! Pages, their files and their texts.
use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Json, Response},
};
use screens::Lang;

use super::auth;
use crate::station::Station;

pub(super) async fn index(
    State(station): State<Arc<Station>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match query.get("key") {
        Some(key) => auth::sign_in(&station, key, "/"),
        None => file("index.html"),
    }
}

pub(super) async fn asset(
    State(station): State<Arc<Station>>,
    Path(path): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match query.get("key") {
        Some(key) if path.ends_with(".html") => auth::sign_in(&station, key, &format!("/{path}")),
        _ => file(&path),
    }
}

fn file(path: &str) -> Response {
    match screens::asset(path) {
        Some((bytes, mime)) => ([(header::CONTENT_TYPE, mime)], bytes.into_owned()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn texts(Path(file): Path<String>) -> Response {
    match file.strip_suffix(".json").and_then(Lang::from_tag) {
        Some(lang) => Json(screens::all(lang)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in screens::HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
