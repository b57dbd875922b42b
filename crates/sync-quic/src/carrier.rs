//! What carries packets: the operating system's sockets, unless somebody brings others.
//! Invariant: whatever carries them, handshake, limits and streams are the same, and the clock is tokio's.
//! Not here: another carrier (the simulator has one: a network in memory, under tokio's paused clock).
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};

/// One socket.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Where packets come and go.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// Where the endpoint's own chance begins. Secrets never come from it.
    pub seed: [u8; 32],
}

impl Carrier {
    pub(crate) fn endpoint(self, mut config: EndpointConfig, server: Option<ServerConfig>) -> io::Result<Endpoint> {
        config.rng_seed(Some(self.seed));
        Endpoint::new_with_abstract_socket(config, server, self.socket, Arc::new(TokioRuntime))
    }
}

/// Carries nothing, for an endpoint that nobody needs any more.
pub(crate) fn mute(address: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
    Arc::new(Mute(address))
}

#[derive(Debug)]
struct Mute(SocketAddr);

impl AsyncUdpSocket for Mute {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Self(self.0))
    }

    fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
        Ok(())
    }

    fn poll_recv(&self, _: &mut Context<'_>, _: &mut [IoSliceMut<'_>], _: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0)
    }
}

impl UdpPoller for Mute {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
