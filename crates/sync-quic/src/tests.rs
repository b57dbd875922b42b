use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use quinn::{
    ConnectionError, Endpoint, ServerConfig, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use sync::{
    Frame, FrameError, SignedDelta,
    frame::{BundlePart, FRAME_MAX, Ping},
};
use tokio::runtime::Runtime;

use crate::{Dialer, HubListener, Link, LinkError, ListenerConfig, ListenerLimits, Settings, connect, key};

const BOUND: Duration = Duration::from_secs(20);

fn identity(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(n: u8) -> [u8; 32] {
    identity(n).verifying_key().to_bytes()
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn hub(settings: Settings, address: SocketAddr) -> HubListener {
    let config = ListenerConfig { settings, ..ListenerConfig::new(address, identity(1), [7; 32]) };
    HubListener::bind(&config).unwrap()
}

fn quick() -> Settings {
    Settings { idle: Duration::from_secs(1), keep_alive: Duration::from_millis(200), ..Settings::default() }
}

fn ping(token: u64) -> Frame {
    Frame::Ping(Ping { token, time_ms: 0 })
}

fn part(number: u64, bytes: usize) -> Frame {
    Frame::Bundle(BundlePart { number, offset: 0, total: bytes as u32, bytes: vec![number as u8; bytes] })
}

/// A box and the hub's end of its connection. The first frame makes the connection known to the hub.
async fn pair(hub: &mut HubListener, n: u8, settings: &Settings) -> (Link, Link) {
    let address = hub.local_address().unwrap();
    let mut a = Dialer::new(&identity(n), settings).unwrap().connect(address).await.unwrap();
    a.send(&ping(0)).await.unwrap();
    let mut b = hub.accept().await.unwrap();
    assert_eq!(b.next().await.unwrap(), Some(ping(0)));
    (a, b)
}

fn batch(bytes: usize) -> Frame {
    Frame::Delta(SignedDelta { body: vec![7; bytes], signature: [0; 64], key: [0; 32] })
}

#[tokio::test]
async fn batches_that_come_together_are_taken_together() {
    let mut hub = hub(Settings::default(), anywhere());
    let (mut a, mut b) = pair(&mut hub, 2, &Settings::default()).await;
    let sent = [batch(1_000), batch(2_000), part(1, 10), batch(3), batch(30_000), batch(4)];
    b.send(&ping(1)).await.unwrap();
    assert_eq!(a.next().await.unwrap(), Some(ping(1)));
    for frame in &sent {
        b.send(frame).await.unwrap();
    }
    let mut taken = Vec::new();
    while taken.iter().map(Vec::len).sum::<usize>() < sent.len() {
        let first = tokio::time::timeout(BOUND, a.next()).await.unwrap().unwrap().unwrap();
        taken.push(a.with_its_like(first).await);
    }
    let [short, long, last] = taken.try_into().unwrap();
    assert_eq!((&short[..], &long[..], &last[..]), (&sent[..3], &sent[3..5], &sent[5..]));
    b.send(&batch(5)).await.unwrap();
    let first = tokio::time::timeout(BOUND, a.next()).await.unwrap().unwrap().unwrap();
    b.close().await;
    assert_eq!(a.with_its_like(first).await, [batch(5)], "what was taken outlives its link");
}

#[tokio::test]
async fn both_ends_know_the_others_key_and_frames_go_both_ways() {
    let mut hub = hub(Settings::default(), anywhere());
    let mut a = connect(hub.local_address().unwrap(), &identity(2)).await.unwrap();
    a.send(&ping(9)).await.unwrap();
    let mut b = hub.accept().await.unwrap();
    assert_eq!((a.peer_public_key(), b.peer_public_key()), (public(1), public(2)));
    assert_eq!(b.next().await.unwrap(), Some(ping(9)));
    for round in 0..20 {
        a.send(&part(round, 200_000)).await.unwrap();
        b.send(&part(round, 200_000)).await.unwrap();
    }
    b.send(&ping(1)).await.unwrap();
    assert_eq!(a.next().await.unwrap(), Some(ping(1)), "what names the peer comes before bulk data");
    for round in 0..20 {
        assert_eq!(a.next().await.unwrap(), Some(part(round, 200_000)));
        assert_eq!(b.next().await.unwrap(), Some(part(round, 200_000)));
    }
    b.send(&Frame::Bye).await.unwrap();
    b.close().await;
    assert_eq!(a.next().await.unwrap(), Some(Frame::Bye), "what was sent last arrives");
    assert_eq!(a.next().await.unwrap(), None);
    assert!(matches!(b.send(&ping(2)).await, Err(LinkError::Closed)));
}

/// What a box with this TLS configuration comes to: an error, or the connection that the hub closes.
async fn attempt(tls: rustls::ClientConfig) -> Result<Option<Frame>, LinkError> {
    let hub = hub(quick(), anywhere());
    let mut link = Dialer::showing(tls, &quick()).unwrap().connect(hub.local_address().unwrap()).await?;
    let _ = link.send(&ping(1)).await;
    link.next().await
}

#[tokio::test]
async fn a_key_of_another_kind_is_refused() {
    let p256 = rcgen::KeyPair::generate().unwrap();
    let spki = CertificateDer::from(rcgen::PublicKeyData::subject_public_key_info(&p256));
    let signer = ring::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(p256.serialize_der()).into()).unwrap();
    let tls = key::client_showing(Arc::new(CertifiedKey::new(vec![spki], signer))).unwrap();
    assert!(attempt(tls).await.is_err());
}

#[tokio::test]
async fn a_key_that_the_peer_does_not_hold_is_refused() {
    let pkcs8 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.serialize_der())).unwrap();
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    spki.extend_from_slice(&public(2));
    let tls = key::client_showing(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer))).unwrap();
    assert!(attempt(tls).await.is_err());
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let mut tls = key::client(&identity(2)).unwrap();
    tls.alpn_protocols = vec![b"festival-sync/2".to_vec()];
    assert!(attempt(tls).await.is_err());
}

#[tokio::test]
async fn a_box_without_a_key_is_refused() {
    let with_key = key::client(&identity(2)).unwrap();
    let mut tls = with_key.clone();
    tls.client_auth_cert_resolver = Arc::new(NoKey);
    assert!(attempt(tls).await.is_err());
    assert!(attempt_is_taken(with_key).await);
}

#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

async fn attempt_is_taken(tls: rustls::ClientConfig) -> bool {
    let mut hub = hub(quick(), anywhere());
    let mut link = Dialer::showing(tls, &quick()).unwrap().connect(hub.local_address().unwrap()).await.unwrap();
    link.send(&ping(1)).await.unwrap();
    hub.accept().await.unwrap().next().await.unwrap() == Some(ping(1))
}

#[tokio::test]
async fn a_frame_beyond_the_limit_or_of_rubbish_ends_that_connection_alone() {
    let mut hub = hub(Settings::default(), anywhere());
    let (mut good, mut good_at_hub) = pair(&mut hub, 2, &Settings::default()).await;
    for (bytes, is_right) in [
        ((FRAME_MAX as u32 + 1).to_le_bytes().to_vec(), is_too_long as fn(&LinkError) -> bool),
        (vec![1, 0, 0, 0, 99], is_unknown_type),
    ] {
        let crypto = QuicClientConfig::try_from(key::client(&identity(3)).unwrap()).unwrap();
        let client = Endpoint::client(anywhere()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let connection = client.connect_with(config, hub.local_address().unwrap(), "hub").unwrap().await.unwrap();
        let (mut stream, _receive) = connection.open_bi().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut bad = hub.accept().await.unwrap();
        let error = bad.next().await.unwrap_err();
        assert!(is_right(&error), "{error}");
        connection.closed().await;
    }
    good.send(&ping(5)).await.unwrap();
    assert_eq!(good_at_hub.next().await.unwrap(), Some(ping(5)));
}

fn is_too_long(error: &LinkError) -> bool {
    matches!(error, LinkError::Frame(FrameError::TooLong(_)))
}

fn is_unknown_type(error: &LinkError) -> bool {
    matches!(error, LinkError::Frame(FrameError::Type(99)))
}

/// A hub on a runtime of its own, so that it can be killed without a word.
async fn hub_to_kill(settings: Settings, address: SocketAddr) -> (Runtime, SocketAddr) {
    tokio::task::spawn_blocking(move || start_hub_to_kill(settings, address)).await.unwrap()
}

fn start_hub_to_kill(settings: Settings, address: SocketAddr) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(async {
        let mut hub = hub(settings, address);
        let address = hub.local_address().unwrap();
        tokio::spawn(async move {
            let mut links = vec![];
            while let Some(mut link) = hub.accept().await {
                let frame = link.next().await.unwrap().unwrap();
                link.send(&frame).await.unwrap();
                links.push(link);
            }
        });
        address
    });
    (runtime, address)
}

#[tokio::test]
async fn a_killed_peer_is_noticed_within_the_idle_time() {
    let (runtime, address) = hub_to_kill(quick(), anywhere()).await;
    let mut a = Dialer::new(&identity(2), &quick()).unwrap().connect(address).await.unwrap();
    a.send(&ping(1)).await.unwrap();
    assert_eq!(a.next().await.unwrap(), Some(ping(1)));
    let killed = Instant::now();
    runtime.shutdown_background();
    let end = tokio::time::timeout(BOUND, a.next()).await.unwrap();
    assert!(matches!(end, Err(LinkError::Connection(ConnectionError::TimedOut))), "{end:?}");
    assert!(killed.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_restarted_hub_is_noticed_long_before_the_idle_time() {
    let settings = Settings { keep_alive: Duration::from_millis(200), idle: BOUND, ..Settings::default() };
    let (runtime, address) = hub_to_kill(settings, anywhere()).await;
    let mut a = Dialer::new(&identity(2), &settings).unwrap().connect(address).await.unwrap();
    a.send(&ping(1)).await.unwrap();
    assert_eq!(a.next().await.unwrap(), Some(ping(1)));
    let killed = Instant::now();
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
    let (restarted, same) = hub_to_kill(settings, address).await;
    assert_eq!(same, address);
    let end = tokio::time::timeout(BOUND, a.next()).await.unwrap();
    assert!(matches!(end, Err(LinkError::Connection(ConnectionError::Reset))), "{end:?}");
    assert!(killed.elapsed() < BOUND / 2, "{:?}", killed.elapsed());
    tokio::task::spawn_blocking(move || drop(restarted)).await.unwrap();
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_given_up() {
    let socket = std::net::UdpSocket::bind(anywhere()).unwrap();
    let settings = Settings { connect_within: Duration::from_millis(300), ..quick() };
    let error = Dialer::new(&identity(2), &settings).unwrap().connect(socket.local_addr().unwrap()).await.unwrap_err();
    assert!(matches!(error, LinkError::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn an_attempt_that_was_given_up_says_nothing_more() {
    let nobody = tokio::net::UdpSocket::bind(anywhere()).await.unwrap();
    let settings = Settings { connect_within: Duration::from_millis(300), ..quick() };
    let dialer = Dialer::new(&identity(2), &settings).unwrap();
    let mut bytes = [0; 2_000];
    tokio::select! {
        given_up = dialer.connect(nobody.local_addr().unwrap()) => assert!(given_up.is_err()),
        () = async { loop { nobody.recv_from(&mut bytes).await.unwrap(); } } => {}
    }
    let more = tokio::time::timeout(Duration::from_millis(500), nobody.recv_from(&mut bytes)).await;
    assert!(more.is_err(), "it still sends: {more:?}");
}

#[tokio::test]
async fn an_attempt_outlives_a_line_that_loses_everything_for_six_seconds() {
    let hub = hub(Settings::default(), anywhere());
    let line = tokio::net::UdpSocket::bind(anywhere()).await.unwrap();
    let (here, there) = (line.local_addr().unwrap(), hub.local_address().unwrap());
    let began = Instant::now();
    let carries = async {
        let (mut bytes, mut caller) = ([0; 2_000], here);
        loop {
            let (length, from) = line.recv_from(&mut bytes).await.unwrap();
            let to = if from == there { caller } else { there };
            if from != there {
                caller = from;
            }
            if began.elapsed() > Duration::from_secs(6) {
                line.send_to(&bytes[..length], to).await.unwrap();
            }
        }
    };
    let key = identity(2);
    tokio::select! {
        link = connect(here, &key) => assert!(link.is_ok(), "{:?} after {:?}", link.err(), began.elapsed()),
        () = carries => {}
    }
}

#[tokio::test]
async fn a_peer_that_lets_no_stream_begin_is_given_up() {
    let crypto = QuicServerConfig::try_from(key::server(&identity(1)).unwrap()).unwrap();
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(0_u32.into());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    let peer = Endpoint::server(config, anywhere()).unwrap();
    let address = peer.local_addr().unwrap();
    let settings = Settings { connect_within: Duration::from_millis(500), ..Settings::default() };
    let dialer = Dialer::new(&identity(2), &settings).unwrap();
    let accepted = async {
        let connection = peer.accept().await.unwrap().await.unwrap();
        connection.closed().await;
    };
    let ((), link) = tokio::join!(accepted, tokio::time::timeout(BOUND, dialer.connect(address)));
    assert!(matches!(link, Ok(Err(LinkError::NoAnswer(_)))), "{link:?}");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_makes_the_sender_wait() {
    let mut hub = hub(Settings::default(), anywhere());
    let (mut a, _idle) = pair(&mut hub, 2, &Settings::default()).await;
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(500), a.send(&part(sent, 200_000))).await.is_ok() {
        sent += 1;
        assert!(sent < 200, "nothing holds the sender back");
    }
    assert!(sent >= 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_boxes_at_once_are_all_served_though_most_are_asked_to_come_again() {
    let limits = ListenerLimits { retry_above: 4, ..ListenerLimits::default() };
    let config = ListenerConfig { limits, ..ListenerConfig::new(anywhere(), identity(1), [7; 32]) };
    let mut hub = HubListener::bind(&config).unwrap();
    let address = hub.local_address().unwrap();
    let boxes: Vec<_> = (0..100)
        .map(|n| {
            tokio::spawn(async move {
                let settings = Settings { connect_within: BOUND, ..Settings::default() };
                let mut link = Dialer::new(&identity(100 + n), &settings).unwrap().connect(address).await.unwrap();
                link.send(&ping(n.into())).await.unwrap();
                link.send(&part(n.into(), 50_000)).await.unwrap();
                assert_eq!(link.next().await.unwrap(), Some(ping(n.into())));
                link.close().await;
            })
        })
        .collect();
    let served = tokio::spawn(async move {
        let mut keys = std::collections::BTreeSet::new();
        let mut tasks = vec![];
        while keys.len() < 100 {
            let mut link = hub.accept().await.unwrap();
            keys.insert(link.peer_public_key());
            tasks.push(tokio::spawn(async move {
                let hello = link.next().await.unwrap().unwrap();
                assert!(matches!(link.next().await.unwrap(), Some(Frame::Bundle(_))));
                link.send(&hello).await.unwrap();
                while let Ok(Some(_)) = link.next().await {}
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        keys.len()
    });
    for one in boxes {
        tokio::time::timeout(BOUND, one).await.unwrap().unwrap();
    }
    assert_eq!(tokio::time::timeout(BOUND, served).await.unwrap().unwrap(), 100);
}
