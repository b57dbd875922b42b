//! A browser offers HTTP/2 and HTTP/1.1 in its handshake; what hub and box choose there is what they speak.
#![allow(clippy::unwrap_used, reason = "a failed test should panic")]
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use evening::world::{BAR, World};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;

/// What is negotiated, and the first line of the answer to a request in HTTP/1.1.
fn asked(address: SocketAddr, ca_pem: &[u8]) -> (Option<Vec<u8>>, String) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let line = TcpStream::connect(address).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), line);
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let first = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    (stream.conn.alpn_protocol().map(<[u8]>::to_vec), first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_knows_http_2_is_answered_by_hub_and_box() {
    let world = World::of(&[BAR]).await.unwrap();
    let ca = fs::read(world.dir().join("organiser/tls/ca.pem")).unwrap();
    for folder in ["hub", "box-1"] {
        let run = fs::read(world.dir().join(folder).join("run.json")).unwrap();
        let run: Value = serde_json::from_slice(&run).unwrap();
        let address: SocketAddr = run["https"].as_str().unwrap().parse().unwrap();
        let (protocol, answer) = tokio::task::block_in_place(|| asked(address, &ca));
        assert_ne!(protocol.as_deref(), Some(&b"h2"[..]), "{folder} speaks HTTP/1.1 and offers more");
        assert!(answer.starts_with("HTTP/1.1 "), "{folder}: {answer:?}");
    }
}
