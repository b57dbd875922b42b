//! A door to the screens of one box, or of the hub: hands its own pages on to the visitor's browser, under an address on
//! loopback that needs neither the festival's certificate nor the key on the label.
//! Invariant: answers pass as they come, live ones too; only the demo's page may frame them.
use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::net::TcpListener;

use super::guard;
use crate::world::https::Https;

/// A basket or a form is far below.
const BODY_MAX: usize = 1 << 20;
/// What a browser says that the daemon must hear.
const PASSED: [HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::IF_NONE_MATCH, header::IF_MATCH];
/// What the daemon answers that the browser must hear.
const RETURNED: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::ETAG,
    header::X_CONTENT_TYPE_OPTIONS,
    header::REFERRER_POLICY,
];

#[derive(Clone)]
struct Door {
    api: Https,
    policy: HeaderValue,
}

/// Opens one; `page` is the demo's own address. Gives the door's.
pub(super) async fn open(api: Https, page: SocketAddr) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let own = listener.local_addr()?;
    let policy = screens::CSP.replace("frame-ancestors 'none'", &format!("frame-ancestors http://{page}"));
    let door = Door { api, policy: policy.parse().context("the policy")? };
    let routes =
        Router::new().fallback(pass).layer(middleware::from_fn_with_state(own, guard::own_pages_only)).with_state(door);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "a door has ended");
        }
    });
    Ok(format!("http://{own}"))
}

async fn pass(State(door): State<Door>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut headers = axum::http::HeaderMap::new();
    for name in PASSED {
        if let Some(value) = head.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    // whoever comes through this door has been checked: it is the console's own page that asks
    headers.insert("x-requested-with", HeaderValue::from_static("console"));
    match door.api.hand_on(head.method, &path, headers, body).await {
        Ok(answer) => returned(answer, &door.policy),
        // its power is off, or it is starting: the page says that it has lost its server and tries again
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn returned(answer: reqwest::Response, policy: &HeaderValue) -> Response {
    let mut response = Response::builder().status(answer.status());
    for name in RETURNED {
        if let Some(value) = answer.headers().get(&name) {
            response = response.header(name, value.clone());
        }
    }
    response = response.header(header::CONTENT_SECURITY_POLICY, policy.clone());
    let pieces = stream::unfold(answer, |mut answer| async move {
        let piece: Option<Result<Bytes, reqwest::Error>> = answer.chunk().await.transpose();
        piece.map(|piece| (piece, answer))
    });
    response.body(Body::from_stream(pieces)).unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}
