//! Who may ask the demo's servers: pages that they served themselves.
//! Invariant: a page of another site can neither read (the host's name is checked, so no foreign name leads here) nor
//! change anything (the origin is checked), although no key is asked for.
use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

pub(super) async fn own_pages_only(State(own): State<SocketAddr>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_own(request.headers(), reads, &own.to_string()) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn is_own(headers: &HeaderMap, reads: bool, own: &str) -> bool {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = header(header::ORIGIN).map_or(reads, |origin| origin.strip_prefix("http://") == Some(own));
    header(header::HOST) == Some(own) && is_ours
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asks(host: &'static str, origin: Option<&'static str>, reads: bool) -> bool {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        is_own(&headers, reads, "127.0.0.1:80")
    }

    #[test]
    fn only_a_page_from_here_may_change_something() {
        assert!(asks("127.0.0.1:80", None, true));
        assert!(asks("127.0.0.1:80", Some("http://127.0.0.1:80"), false));
        assert!(!asks("127.0.0.1:80", None, false), "a form of another site, in an old browser");
        assert!(!asks("127.0.0.1:80", Some("http://127.0.0.1:81"), false));
        assert!(!asks("127.0.0.1:80", Some("null"), true));
        assert!(!asks("evil.example:80", None, true), "a name that leads here");
    }
}
