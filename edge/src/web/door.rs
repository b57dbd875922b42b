//! Who gets as far as a handler: bounded connections, bounded patience.
//! Invariant: nobody who is slow or many keeps the box's own screens out, and no handler waits for a body.
//! Not here: who may do what (`auth`).
use std::{
    collections::HashMap,
    future::{Ready, ready},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_server::{
    Server,
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::TokioTimer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{BODY_MAX, api::refusal};

/// Most connections at once: screens and terminals of one place are a dozen.
const SEATS: usize = 256;
/// Most of them from one address.
const SEATS_OF_ONE: usize = 96;
/// A request's head, and then its body, must be whole within this time; so must the TLS handshake.
const WITHIN: Duration = Duration::from_secs(10);

/// A server that gives up on whoever is slow or too many.
pub(super) fn server(addr: SocketAddr, tls: RustlsConfig) -> Server<SocketAddr, RustlsAcceptor<Doorman>> {
    let acceptor = RustlsAcceptor::new(tls).handshake_timeout(WITHIN).acceptor(Doorman::default());
    let mut server = axum_server::bind(addr).acceptor(acceptor).http1_only();
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(WITHIN);
    server
}

/// Reads a body to its end before anybody works on it.
pub(super) async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let reason = match tokio::time::timeout(WITHIN, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) => format!("it has more than {BODY_MAX} bytes, or broke off"),
        Err(_) => format!("it did not come within {} s", WITHIN.as_secs()),
    };
    let args = [("reason".to_owned(), reason)].into();
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "api.body", args).into_response()
}

/// Counts who is inside.
#[derive(Clone, Debug, Default)]
pub(super) struct Doorman(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Doorman {
    fn seat(&self, from: IpAddr) -> Option<Seat> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, of_one) = (inside.values().sum::<usize>(), inside.get(&from).copied().unwrap_or(0));
        if all >= SEATS || of_one >= SEATS_OF_ONE {
            return None;
        }
        inside.insert(from, of_one.saturating_add(1));
        Some(Seat { door: self.clone(), from })
    }
}

#[derive(Debug)]
struct Seat {
    door: Doorman,
    from: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.door.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = inside.get(&self.from).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            inside.remove(&self.from);
        } else {
            inside.insert(self.from, left);
        }
    }
}

/// A connection that has a seat, and gives it back when it ends.
#[derive(Debug)]
pub(super) struct Seated {
    stream: TcpStream,
    _seat: Seat,
}

impl<S> Accept<TcpStream, S> for Doorman {
    type Stream = Seated;
    type Service = S;
    type Future = Ready<io::Result<(Seated, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let seat = stream.peer_addr().map(|from| self.seat(from.ip()));
        ready(seat.and_then(|seat| match seat {
            Some(seat) => Ok((Seated { stream, _seat: seat }, service)),
            None => Err(io::ErrorKind::QuotaExceeded.into()),
        }))
    }
}

impl AsyncRead for Seated {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_seat_and_a_seat_is_given_back() {
        let door = Doorman::default();
        let (crowd, screen) = (IpAddr::from([10, 0, 0, 9]), IpAddr::from([10, 0, 0, 1]));
        let mut seats: Vec<Seat> = (0..SEATS_OF_ONE).filter_map(|_| door.seat(crowd)).collect();
        assert_eq!(seats.len(), SEATS_OF_ONE);
        assert!(door.seat(crowd).is_none());
        assert!(door.seat(screen).is_some(), "the box's own screen still gets in");
        seats.pop();
        assert!(door.seat(crowd).is_some());
        drop(seats);
        assert!(door.0.lock().unwrap().is_empty());
    }
}
