//! The hub's end: takes connections, and keeps a flood of them from the rest.
//! Invariant: an address that has not shown that it can be reached costs next to nothing once it is busy; nobody's
//! slow handshake holds up another's.
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ed25519_dalek::SigningKey;
use quinn::{Endpoint, Incoming, ServerConfig, crypto::rustls::QuicServerConfig, default_runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{
    Carrier, Settings,
    endpoint::restartable,
    key,
    link::{Link, LinkError},
};

/// How much at once is taken from strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections that stand.
    pub connections: usize,
    /// Handshakes under way; beyond it they are not answered.
    pub handshakes: usize,
    /// Handshakes under way beyond which an address must show that it can be reached (Retry, RFC 9000 section 8.1.2).
    pub retry_above: usize,
    /// Handshakes under way from one address; many boxes may stand behind one.
    pub handshakes_per_address: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections: 4096, handshakes: 512, retry_above: 32, handshakes_per_address: 256 }
    }
}

/// What a hub node listens with.
#[derive(Clone)]
pub struct ListenerConfig {
    /// Where.
    pub address: SocketAddr,
    /// The node's key.
    pub identity: SigningKey,
    /// Kept on disk, so that boxes notice a restart at once instead of after the idle time.
    pub reset_key: [u8; 32],
    /// Bounds of one connection.
    pub settings: Settings,
    /// Bounds of all together.
    pub limits: ListenerLimits,
}

impl ListenerConfig {
    /// With the default limits.
    pub fn new(address: SocketAddr, identity: SigningKey, reset_key: [u8; 32]) -> Self {
        Self { address, identity, reset_key, settings: Settings::default(), limits: ListenerLimits::default() }
    }
}

/// Takes connections.
#[derive(Debug)]
pub struct HubListener {
    endpoint: Endpoint,
    links: Receiver<Link>,
}

impl HubListener {
    /// Listens; needs a tokio runtime.
    pub fn bind(config: &ListenerConfig) -> Result<Self, LinkError> {
        let socket = std::net::UdpSocket::bind(config.address)?;
        let runtime = default_runtime().ok_or(LinkError::Settings)?;
        let server = Self::server(config)?;
        Ok(Self::on(Endpoint::new(restartable(config.reset_key), Some(server), socket, runtime)?, config))
    }

    /// As [`Self::bind`], over what the caller brings; the configuration's address is not used.
    pub fn over(carrier: Carrier, config: &ListenerConfig) -> Result<Self, LinkError> {
        let server = Self::server(config)?;
        Ok(Self::on(carrier.endpoint(restartable(config.reset_key), Some(server))?, config))
    }

    fn server(config: &ListenerConfig) -> Result<ServerConfig, LinkError> {
        let crypto = QuicServerConfig::try_from(key::server(&config.identity)?).map_err(|_| LinkError::Settings)?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server
            .transport_config(config.settings.transport(1)?)
            .max_incoming(config.limits.handshakes)
            .incoming_buffer_size(64 * 1024)
            .incoming_buffer_size_total(8 * 1024 * 1024);
        Ok(server)
    }

    fn on(endpoint: Endpoint, config: &ListenerConfig) -> Self {
        let (sender, links) = channel(16);
        let gate = Gate { limits: config.limits, within: config.settings.connect_within, handshakes: Arc::default() };
        tokio::spawn(take(endpoint.clone(), gate, sender));
        Self { endpoint, links }
    }

    /// Where it listens; of use where the port was 0.
    pub fn local_address(&self) -> Result<SocketAddr, LinkError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// Connections that stand or are being made.
    pub fn open_connections(&self) -> usize {
        self.endpoint.open_connections()
    }

    /// The next box that connected; its key is proven and its first frame is on the way. `None` after [`Self::close`].
    /// Nothing is lost by dropping the future.
    pub async fn accept(&mut self) -> Option<Link> {
        self.links.recv().await
    }

    /// Closes all connections and waits (a bounded time) until the boxes know.
    pub async fn close(&self) {
        self.endpoint.close(quinn::VarInt::from_u32(0), b"hub is going down");
        let _ = tokio::time::timeout(Duration::from_secs(2), self.endpoint.wait_idle()).await;
    }
}

impl Drop for HubListener {
    fn drop(&mut self) {
        // otherwise the task that takes connections would keep the endpoint open for ever
        self.endpoint.close(quinn::VarInt::from_u32(0), b"hub is gone");
    }
}

#[derive(Clone)]
struct Gate {
    limits: ListenerLimits,
    within: Duration,
    handshakes: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Counts a handshake for as long as it is under way.
struct Handshake {
    address: IpAddr,
    handshakes: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut handshakes = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = handshakes.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                handshakes.remove(&self.address);
            }
        }
    }
}

impl Gate {
    /// Lets a stranger in, sends it away, or asks it to come again.
    fn admit(&self, incoming: Incoming, open: usize) -> Option<(Incoming, Handshake)> {
        let address = incoming.remote_address().ip();
        let mut handshakes = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way: usize = handshakes.values().sum();
        if under_way >= self.limits.retry_above && incoming.may_retry() {
            let _ = incoming.retry();
            return None;
        }
        if under_way >= self.limits.handshakes {
            incoming.ignore();
            return None;
        }
        let mine = handshakes.get(&address).copied().unwrap_or(0);
        if open >= self.limits.connections || mine >= self.limits.handshakes_per_address {
            incoming.refuse();
            return None;
        }
        handshakes.insert(address, mine.saturating_add(1));
        Some((incoming, Handshake { address, handshakes: Arc::clone(&self.handshakes) }))
    }
}

async fn take(endpoint: Endpoint, gate: Gate, links: Sender<Link>) {
    while let Some(incoming) = endpoint.accept().await {
        let Some((incoming, handshake)) = gate.admit(incoming, endpoint.open_connections()) else { continue };
        let (links, within) = (links.clone(), gate.within);
        tokio::spawn(async move {
            let made = tokio::time::timeout(within, shake_hands(incoming)).await;
            drop(handshake);
            match made {
                Ok(Ok(link)) => drop(links.send(link).await),
                Ok(Err(error)) => tracing::debug!(%error, "a connection was not made"),
                Err(_) => tracing::debug!("a connection was not made in time"),
            }
        });
    }
}

async fn shake_hands(incoming: Incoming) -> Result<Link, LinkError> {
    Link::accepted(incoming.accept()?.await?).await
}
