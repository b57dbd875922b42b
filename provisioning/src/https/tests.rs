//! A daemon whose certificate the screens authority issued, on a real socket.
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use domain::id::FestivalId;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

use super::*;
use crate::tls::ScreensCa;

/// Serves these answers, a connection each; gives the port and what was asked.
pub(crate) fn daemon(ca: &ScreensCa, answers: &'static [&'static str]) -> (u16, thread::JoinHandle<String>) {
    let leaf = ca.issue("Box", &[]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    let serving = thread::spawn(move || {
        let serve = |answer: &&str| serve(listener.accept().unwrap().0, Arc::clone(&config), answer);
        answers.iter().map(serve).collect()
    });
    (port, serving)
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, answer: &str) -> String {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        asked.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&asked).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    asked.extend(body);
    let _ = stream.write_all(answer.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
    String::from_utf8(asked).unwrap()
}

pub(crate) fn ca(folder: &str) -> (tempfile::TempDir, ScreensCa) {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join(folder)).unwrap();
    let ca = ScreensCa::create(&temp.path().join(folder), FestivalId([1; 16])).unwrap();
    (temp, ca)
}

#[test]
fn a_box_under_the_festivals_authority_is_asked_with_its_key() {
    let (_temp, ca) = ca("tls");
    let (port, serving) = daemon(&ca, &["HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\n{\"status\":42}"]);
    let daemon = Daemon::new(&format!("https://localhost:{port}/"), ca.pem().as_bytes()).unwrap();
    let answer = daemon.get("/api/health", Some("abc")).unwrap();
    assert_eq!(answer, Answer { status: 200, body: json!({"status": 42}) });
    let asked = serving.join().unwrap();
    assert!(
        asked.starts_with("GET /api/health HTTP/1.0\r\n") && asked.contains("Authorization: Bearer abc\r\n"),
        "{asked}"
    );
}

#[test]
fn a_request_with_a_body_arrives_whole() {
    let (_temp, ca) = ca("tls");
    let (port, serving) = daemon(&ca, &["HTTP/1.0 200 OK\r\n\r\n{}"]);
    let daemon = Daemon::new(&format!("https://127.0.0.1:{port}"), ca.pem().as_bytes()).unwrap();
    daemon.post("/api/boxes/revoke", Some("token"), &json!({"number": 9})).unwrap();
    let asked = serving.join().unwrap();
    assert!(
        asked.starts_with("POST /api/boxes/revoke HTTP/1.0\r\n") && asked.ends_with("\r\n\r\n{\"number\":9}"),
        "{asked}"
    );
    assert!(daemon.get("/", Some("two\r\nlines")).is_err(), "a key cannot add a header");
}

#[test]
fn a_certificate_that_was_read_back_from_the_folder_still_issues() {
    let (temp, first) = ca("tls");
    let again = ScreensCa::open(&temp.path().join("tls"), FestivalId([1; 16])).unwrap();
    let (port, serving) = daemon(&again, &["HTTP/1.1 503 Service Unavailable\r\n\r\n{\"reason\":\"box.starting\"}"]);
    let daemon = Daemon::new(&format!("https://127.0.0.1:{port}"), first.pem().as_bytes()).unwrap();
    let answer = daemon.get("/", None).unwrap();
    let refused = Failure::Answer { url: "u".into(), status: 503, reason: "box.starting".into() };
    assert_eq!(answer.accepted("u"), Err(refused));
    serving.join().unwrap();
}

#[test]
fn a_box_under_another_authority_is_not_believed() {
    let ((_a, ours), (_b, other)) = (ca("tls"), ca("tls"));
    let (port, serving) = daemon(&other, &["HTTP/1.0 200 OK\r\n\r\n{}"]);
    let daemon = Daemon::new(&format!("https://localhost:{port}"), ours.pem().as_bytes()).unwrap();
    assert!(matches!(daemon.get("/", Some("secret")), Err(Failure::Unreachable { .. })));
    assert_eq!(serving.join().unwrap(), "", "the key was never sent");
}

#[test]
fn an_answer_that_ends_too_early_is_none() {
    assert_eq!(parse(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n{}"), None);
    assert_eq!(parse(b"HTTP/1.0 200 OK\r\n"), None);
    assert_eq!(parse(b"SSH-2.0\r\n\r\n"), None);
    assert_eq!(parse(b"HTTP/1.0 204 No Content\r\n\r\n"), Some(Answer { status: 204, body: Value::Null }));
}

#[test]
fn an_address_is_https_and_nothing_but_a_host_and_port() {
    let (_temp, ca) = ca("tls");
    for url in ["http://localhost", "localhost:1", "https://", "https://a/b", "https://a:99999", "https://u@a"] {
        assert_eq!(Daemon::new(url, ca.pem().as_bytes()).err(), Some(Failure::Address(url.into())));
    }
    assert_eq!(split("[::1]:8443"), Some(("::1".into(), 8443)));
    assert_eq!(split("gate-b.local"), Some(("gate-b.local".into(), 443)));
}
