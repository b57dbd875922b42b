//! What carries packets: the operating system's sockets, unless somebody brings others.
//! Invariant: whatever carries them, handshake, limits and streams are the same, and the clock is tokio's.
//! Not here: another carrier (the simulator has one: a network in memory, under tokio's paused clock).
use std::{io, sync::Arc};

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
