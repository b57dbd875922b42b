//! Limits of a connection, and the box's way to make one.
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ed25519_dalek::SigningKey;
use quinn::{
    AckFrequencyConfig, ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, TransportConfig,
    VarInt,
    crypto::{CryptoError, HmacKey, rustls::QuicClientConfig},
};

use crate::{
    carrier::{self, Carrier},
    key,
    link::{Link, LinkError},
};

/// So many packets may come before one is acknowledged at once: a batch of the hub's state is a burst of dozens, and
/// each acknowledgement costs a packet on a shared radio.
const ACKNOWLEDGED_LATER: u32 = 9;

/// Bounds of one connection; much lower than quinn's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Nothing heard for so long ends the connection.
    pub idle: Duration,
    /// After so long without a packet the end that connected sends a sign of life, to which the other answers; QUIC
    /// repeats one that is lost within a second or two.
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
            keep_alive: Duration::from_secs(8),
            connect_within: Duration::from_secs(10),
            stream_window: 256 * 1024,
            receive_window: 384 * 1024,
            send_window: 512 * 1024,
        }
    }
}

impl Settings {
    /// `control` streams may be opened by the peer: one at the hub, none at the box, which alone sends signs of life. Each
    /// end opens one for bulk data.
    pub(crate) fn transport(&self, control: u32) -> Result<Arc<TransportConfig>, LinkError> {
        let mut transport = TransportConfig::default();
        let idle = self.idle.try_into().map_err(|_| LinkError::Settings)?;
        let mut acknowledged = AckFrequencyConfig::default();
        acknowledged.ack_eliciting_threshold(VarInt::from_u32(ACKNOWLEDGED_LATER));
        transport
            .ack_frequency_config(Some(acknowledged))
            .max_idle_timeout(Some(idle))
            .keep_alive_interval((control == 0).then_some(self.keep_alive))
            .max_concurrent_bidi_streams(VarInt::from_u32(control))
            .max_concurrent_uni_streams(VarInt::from_u32(1))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.receive_window))
            .send_window(self.send_window)
            .datagram_receive_buffer_size(None);
        Ok(Arc::new(transport))
    }
}

/// A box's way to the hub's nodes: its key is made ready for handshakes once, for every attempt.
#[derive(Clone)]
pub struct Dialer {
    client: ClientConfig,
    connect_within: Duration,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// With this key and these limits.
    pub fn new(identity: &SigningKey, settings: &Settings) -> Result<Self, LinkError> {
        Self::showing(key::client(identity)?, settings)
    }

    pub(crate) fn showing(tls: rustls::ClientConfig, settings: &Settings) -> Result<Self, LinkError> {
        let crypto = QuicClientConfig::try_from(tls).map_err(|_| LinkError::Settings)?;
        let mut client = ClientConfig::new(Arc::new(crypto));
        client.transport_config(settings.transport(0)?);
        Ok(Self { client, connect_within: settings.connect_within })
    }

    /// Connects to a hub node from a socket of its own. The peer's key is proven, its name is not: that is in its first
    /// frame.
    pub async fn connect(&self, address: SocketAddr) -> Result<Link, LinkError> {
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        self.connect_from(Endpoint::client(SocketAddr::new(any, 0))?, address).await
    }

    /// As [`Self::connect`], over what the caller brings.
    pub async fn connect_over(&self, carrier: Carrier, address: SocketAddr) -> Result<Link, LinkError> {
        self.connect_from(carrier.endpoint(EndpointConfig::default(), None)?, address).await
    }

    async fn connect_from(&self, endpoint: Endpoint, address: SocketAddr) -> Result<Link, LinkError> {
        let mut connecting = endpoint.connect_with(self.client.clone(), address, "hub")?;
        let Ok(connection) = tokio::time::timeout(self.connect_within, &mut connecting).await else {
            // A goodbye would be the first that a hub hears of an attempt whose packets were lost: one that is busy asks
            // for its address, to which a goodbye is the answer, and so on for seconds.
            endpoint.rebind_abstract(carrier::mute(endpoint.local_addr()?))?;
            return Err(LinkError::NoAnswer(address));
        };
        // Who lets no stream begin is no hub, and keeps nobody from the next one.
        let opened = tokio::time::timeout(self.connect_within, Link::opened(connection?, endpoint));
        opened.await.map_err(|_| LinkError::NoAnswer(address))?
    }
}

/// Connects to a hub node once, with the default limits.
pub async fn connect(address: SocketAddr, identity: &SigningKey) -> Result<Link, LinkError> {
    Dialer::new(identity, &Settings::default())?.connect(address).await
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
