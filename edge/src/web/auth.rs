//! Who may use the screens: whoever holds the screen key that the technician's label shows.
//! Invariant: keys are compared in constant time and never logged.
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::api::refusal;
use crate::station::Station;

const COOKIE: &str = "__Host-screen";

/// Lets a request through that carries the key as bearer or as cookie. A cookie alone may not post from elsewhere:
/// it is `SameSite=Strict`.
pub(super) async fn guard(State(station): State<Arc<Station>>, request: Request, next: Next) -> Response {
    if carries_key(request.headers(), station.screen_key()) {
        next.run(request).await
    } else {
        refusal(StatusCode::UNAUTHORIZED, "box.screen_key", Default::default()).into_response()
    }
}

/// `/?key=…` on the label: sets the cookie and shows the page without the key in its address.
pub(super) fn sign_in(station: &Station, key: &str, path: &str) -> Response {
    if !same(key, station.screen_key()) {
        return refusal(StatusCode::UNAUTHORIZED, "box.screen_key", Default::default()).into_response();
    }
    let cookie = format!("{COOKIE}={key}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=1209600");
    ([(header::SET_COOKIE, cookie)], Redirect::to(path)).into_response()
}

fn carries_key(headers: &HeaderMap, key: &str) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie =
        cookies.flat_map(|line| line.split("; ")).find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='));
    bearer.into_iter().chain(cookie).any(|given| same(given, key))
}

fn same(given: &str, key: &str) -> bool {
    let different = given.bytes().zip(key.bytes()).fold(0u8, |sum, (a, b)| sum | (a ^ b));
    given.len() == key.len() && different == 0
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_key_counts_as_bearer_and_as_cookie_and_only_whole() {
        let with = |name: header::HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            carries_key(&headers, "abcd")
        };
        assert!(with(header::AUTHORIZATION, "Bearer abcd"));
        assert!(with(header::COOKIE, "x=1; __Host-screen=abcd"));
        assert!(!with(header::AUTHORIZATION, "Bearer abc"));
        assert!(!with(header::AUTHORIZATION, "Bearer abcde"));
        assert!(!with(header::COOKIE, "__Host-screenabcd"));
        assert!(!carries_key(&HeaderMap::new(), "abcd"));
    }
}
