//! The operator's login: the token itself, or a cookie that it was exchanged for.
//! Invariant: secrets are compared by their hashes; with a cookie nothing changes unless the request comes from the
//! console's own page; who guesses makes only his own address wait.
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::wire::hex;
use serde::Deserialize;

use super::{ApiError, App, pages};

const COOKIE: &str = "__Host-console";
const SESSION: Duration = Duration::from_secs(12 * 3600);
const MOST_SESSIONS: usize = 64;
/// Wrong tokens from one address within the window.
const ATTEMPTS: u32 = 10;
/// Most addresses whose wrong tokens are counted: who has more of them guesses no token all the same, it is too long.
const ADDRESSES: usize = 4_096;
const WINDOW: Duration = Duration::from_secs(60);

/// Who is logged in.
#[derive(Debug)]
pub struct Sessions {
    token: [u8; 32],
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    cookies: HashMap<[u8; 32], Instant>,
    failed: HashMap<IpAddr, u32>,
    since: Instant,
}

fn hashed(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

impl Sessions {
    /// For the operator's token.
    pub fn new(token: &str) -> Self {
        let open = Open { cookies: HashMap::new(), failed: HashMap::new(), since: Instant::now() };
        Self { token: hashed(token.trim()), open: Mutex::new(open) }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new cookie for who knows the token.
    fn log_in(&self, token: &str, from: IpAddr) -> Result<String, ApiError> {
        let mut open = self.lock();
        if open.since.elapsed() > WINDOW {
            (open.failed, open.since) = (HashMap::new(), Instant::now());
        }
        let failed = open.failed.get(&from).copied().unwrap_or(0);
        if failed >= ATTEMPTS {
            return Err(ApiError::too_many_logins());
        }
        if hashed(token.trim()) != self.token {
            if failed > 0 || open.failed.len() < ADDRESSES {
                open.failed.insert(from, failed.saturating_add(1));
            }
            return Err(ApiError::unauthorized());
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| ApiError::unavailable())?;
        let secret = hex(&secret);
        open.cookies.retain(|_, until| *until > Instant::now());
        if open.cookies.len() >= MOST_SESSIONS
            && let Some(oldest) = open.cookies.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash)
        {
            open.cookies.remove(&oldest);
        }
        let until = Instant::now() + SESSION;
        open.cookies.insert(hashed(&secret), until);
        Ok(secret)
    }

    fn knows_cookie(&self, headers: &HeaderMap) -> bool {
        let Some(secret) = cookie(headers) else { return false };
        self.lock().cookies.get(&hashed(secret)).is_some_and(|until| *until > Instant::now())
    }

    fn knows_bearer(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| hashed(token) == self.token)
    }

    /// Whether the request may read.
    pub(super) fn may_read(&self, headers: &HeaderMap) -> bool {
        self.knows_bearer(headers) || self.knows_cookie(headers)
    }

    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.knows_bearer(headers) {
            return Ok(());
        }
        if !self.knows_cookie(headers) {
            return Err(ApiError::unauthorized());
        }
        // Browsers send the one header only from our own pages, and set the other themselves.
        let has = |name: &str, value: &str| headers.get(name).is_some_and(|held| held.as_bytes() == value.as_bytes());
        let own = has("x-requested-with", "console") || has("sec-fetch-site", "same-origin");
        if own || matches!(*method, Method::GET | Method::HEAD) { Ok(()) } else { Err(ApiError::forbidden()) }
    }
}

/// Lets through who is logged in.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.inner.sessions.check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

/// `POST /login`: JSON `{token}`, or the login page's form.
pub(super) async fn login(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let token = if is_form {
        // The token is hexadecimal: nothing in it is ever escaped.
        let text = String::from_utf8_lossy(&body).into_owned();
        text.split('&').find_map(|pair| pair.strip_prefix("token=")).map(String::from)
    } else {
        serde_json::from_slice::<Credentials>(&body).ok().map(|credentials| credentials.token)
    };
    let Some(token) = token else { return ApiError::bad_request("the token is missing").into_response() };
    let secret = match app.inner.sessions.log_in(&token, from.ip()) {
        Ok(secret) => secret,
        Err(error) if is_form => return pages::login_page(true, &error).into_response(),
        Err(error) => return error.into_response(),
    };
    let cookie = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}", SESSION.as_secs());
    let Ok(cookie) = HeaderValue::from_str(&cookie) else { return ApiError::unavailable().into_response() };
    if is_form {
        let to = HeaderValue::from_static("/");
        (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, cookie)]).into_response()
    } else {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
    }
}

/// `POST /logout`.
pub(super) async fn logout(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(secret) = cookie(&headers) {
        app.inner.sessions.lock().cookies.remove(&hashed(secret));
    }
    let gone = HeaderValue::from_static("__Host-console=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}
