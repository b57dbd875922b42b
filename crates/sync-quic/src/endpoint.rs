//! Limits of a connection, and the box's way to make one.
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ed25519_dalek::SigningKey;
use quinn::{
    ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, TransportConfig, VarInt,
    crypto::{CryptoError, HmacKey, rustls::QuicClientConfig},
};

use crate::{
    carrier::Carrier,
    key,
    link::{Link, LinkError},
};

/// Bounds of one connection; much lower than quinn's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Nothing heard for so long ends the connection.
    pub idle: Duration,
    /// A sign of life is sent so often.
    pub keep_alive: Duration,
    /// A connection must stand within this time.
    pub connect_within: Duration,
    /// Bytes that a peer may send ahead on one stream.
    pub stream_window: u32,
    /// Bytes that a peer may send ahead altogether.
    pub receive_window: u32,
    /// Bytes kept until the peer confirmed them.
    pub send_window: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(15),
            keep_alive: Duration::from_secs(5),
            connect_within: Duration::from_secs(5),
            stream_window: 256 * 1024,
            receive_window: 384 * 1024,
            send_window: 512 * 1024,
        }
    }
}

impl Settings {
    /// `control` streams may be opened by the peer: one at the hub, none at the box. Each end opens one for bulk data.
    pub(crate) fn transport(&self, control: u32) -> Result<Arc<TransportConfig>, LinkError> {
        let mut transport = TransportConfig::default();
        let idle = self.idle.try_into().map_err(|_| LinkError::Settings)?;
        transport
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .max_concurrent_bidi_streams(VarInt::from_u32(control))
            .max_concurrent_uni_streams(VarInt::from_u32(1))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.receive_window))
            .send_window(self.send_window)
            .datagram_receive_buffer_size(None);
        Ok(Arc::new(transport))
    }
}

/// Connects to a hub node with the default limits.
pub async fn connect(address: SocketAddr, identity: &SigningKey) -> Result<Link, LinkError> {
    connect_with(address, identity, &Settings::default()).await
}

/// Connects to a hub node. The peer's key is proven, its name is not: that is in its first frame.
pub async fn connect_with(address: SocketAddr, identity: &SigningKey, settings: &Settings) -> Result<Link, LinkError> {
    connect_showing(address, key::client(identity)?, settings).await
}

/// As [`connect_with`], over what the caller brings.
pub async fn connect_over(
    carrier: Carrier,
    address: SocketAddr,
    identity: &SigningKey,
    settings: &Settings,
) -> Result<Link, LinkError> {
    let endpoint = carrier.endpoint(EndpointConfig::default(), None)?;
    connect_from(endpoint, address, key::client(identity)?, settings).await
}

pub(crate) async fn connect_showing(
    address: SocketAddr,
    tls: rustls::ClientConfig,
    settings: &Settings,
) -> Result<Link, LinkError> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    connect_from(Endpoint::client(SocketAddr::new(any, 0))?, address, tls, settings).await
}

async fn connect_from(
    endpoint: Endpoint,
    address: SocketAddr,
    tls: rustls::ClientConfig,
    settings: &Settings,
) -> Result<Link, LinkError> {
    let crypto = QuicClientConfig::try_from(tls).map_err(|_| LinkError::Settings)?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(settings.transport(0)?);
    let connecting = endpoint.connect_with(config, address, "hub")?;
    let connection =
        tokio::time::timeout(settings.connect_within, connecting).await.map_err(|_| LinkError::NoAnswer(address))??;
    Link::opened(connection, endpoint).await
}

/// Configuration of an endpoint whose peers notice at once when it was started anew.
pub(crate) fn restartable(reset_key: [u8; 32]) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(ResetKey(reset_key)));
    config.cid_generator(|| Box::new(RandomIds { last: 0 })).min_reset_interval(Duration::from_millis(1));
    config
}

/// Keyed BLAKE3 as the key of stateless reset tokens (RFC 9000, section 10.3).
struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // blake3::Hash compares in constant time.
        let signature: [u8; 32] = signature.try_into().map_err(|_| CryptoError)?;
        if blake3::keyed_hash(&self.0, data) == blake3::Hash::from_bytes(signature) { Ok(()) } else { Err(CryptoError) }
    }
}

/// Connection ids without a check of their own: packets of connections from before a restart are to be answered with
/// a reset, not dropped.
struct RandomIds {
    last: u64,
}

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; 8];
        if getrandom::fill(&mut id).is_err() {
            self.last = self.last.wrapping_add(1);
            id = self.last.to_le_bytes();
        }
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
