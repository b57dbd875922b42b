//! Bodies and connections that no screen makes, against a real box and a real hub.
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use evening::world::{BAR, DESK, GATE_A, World, https::Https, place::Place};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tokio::task::block_in_place;

/// A slow connection is gone after this long at the latest: the box gives each step 10 s.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(40);

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A raw way to a daemon's HTTPS.
pub(super) struct Raw {
    at: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Raw {
    pub(super) fn to(api: &Https, world: &World) -> Self {
        let at = api.url("").trim_start_matches("https://").parse().unwrap();
        Self { at, tls: trusting(&world.dir().join("hub/tls/ca.pem")) }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(GIVEN_UP_WITHIN)).unwrap();
        stream.set_write_timeout(Some(GIVEN_UP_WITHIN)).unwrap();
        stream
    }

    fn open(&self) -> Tls {
        let name = ServerName::try_from(self.at.ip().to_string()).unwrap();
        StreamOwned::new(ClientConnection::new(self.tls.clone(), name).unwrap(), self.tcp())
    }

    /// One request as it stands; status and body of the answer.
    pub(super) fn send(&self, head: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = self.open();
        stream.write_all(format!("{head}\r\nhost: box\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        // who refuses early may hang up while the rest is on its way
        let _ = stream.write_all(body).and_then(|()| stream.flush());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let json = body.find('{').map_or("", |start| &body[start..]);
        let json = json.rfind('}').map_or("", |end| &json[..=end]);
        (status, serde_json::from_str(json).unwrap_or_default())
    }

    /// A POST of JSON with a key.
    pub(super) fn post(&self, path: &str, key: &str, body: &[u8]) -> (u16, Value) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        self.send(&head, body)
    }
}

fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn recorded(place: &Place) -> u64 {
    place.view().await.unwrap().unsent
}

fn deep(depth: usize) -> Vec<u8> {
    let mut body = b"{\"id\":".to_vec();
    body.extend(std::iter::repeat_n(b'[', depth));
    body.extend(std::iter::repeat_n(b']', depth));
    body.push(b'}');
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_not_what_the_route_takes_change_nothing() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    world.wait_until_agreed(Duration::from_secs(30)).await.unwrap();
    world.cut(&[DESK.name]).unwrap();
    let before = recorded(desk).await;
    let raw = Raw::to(&desk.api, &world);
    let key = desk.api.bearer();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("no JSON", b"amount=5000".to_vec()),
        ("a lone surrogate", br#"{"id":"\ud800","amount_cents":100,"paid_with":"cash"}"#.to_vec()),
        ("invalid UTF-8", b"{\"id\":\"\xff\xfe\",\"amount_cents\":100,\"paid_with\":\"cash\"}".to_vec()),
        (
            "a key twice",
            br#"{"id":"00112233445566778899aabbccddeeff","amount_cents":100,"amount_cents":9,"paid_with":"cash"}"#
                .to_vec(),
        ),
        (
            "an unknown field",
            br#"{"id":"00112233445566778899aabbccddeeff","amount_cents":100,"paid_with":"cash","free":true}"#.to_vec(),
        ),
        ("another type", br#"{"id":7,"amount_cents":"100","paid_with":"cash"}"#.to_vec()),
        ("a fraction", br#"{"id":"00112233445566778899aabbccddeeff","amount_cents":1.5,"paid_with":"cash"}"#.to_vec()),
        ("2000 levels", deep(2_000)),
        ("7000 levels", deep(7_000)),
        ("NUL bytes", vec![0; 500]),
        ("a byte order mark", b"\xef\xbb\xbf{\"id\":\"00\"}".to_vec()),
    ];
    // who announces more than he sends is waited for: all of them at once
    let takes = |path: &str| {
        for (name, body) in &bodies {
            let (status, answer) = raw.post(path, &key, body);
            assert!((400..500).contains(&status), "{path} {name}: {status} {answer}");
            let code = answer["code"].as_str().unwrap_or("");
            assert!(code.starts_with("api.") || code.starts_with("gate."), "{path} {name}: {answer}");
        }
        let (status, answer) = raw.post(path, &key, &vec![b' '; 1 << 20]);
        // who still sends when the answer is there may find the line closed instead of reading it
        let refused = (status, &answer["code"]) == (413, &"api.body".into());
        assert!(refused || status == 0, "{path}: {status} {answer}");
        let body = br#"{"id":"00112233445566778899aabbccddeeff"}"#;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-type: {kind}\r\ncontent-length: {}",
                body.len()
            );
            let (status, answer) = raw.send(&head, body);
            assert_eq!((status, &answer["code"]), (400, &"api.body".into()), "{path} {kind}: {answer}");
        }
        for claim in ["content-length: 99999999999", "content-length: -1", "transfer-encoding: chunked, chunked"] {
            let head = format!("POST {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\n{claim}");
            let (status, _) = raw.send(&head, b"");
            assert!(status == 0 || (400..500).contains(&status), "{path} {claim}: {status}");
        }
    };
    block_in_place(|| {
        std::thread::scope(|scope| {
            for path in ["/api/top-up", "/api/till/sale", "/api/till/handed-over", "/api/band/refund", "/api/gate/scan"]
            {
                let takes = &takes;
                scope.spawn(move || takes(path));
            }
        });
    });
    assert_eq!(recorded(desk).await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_beyond_sense_move_no_money() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    world.wait_until_agreed(Duration::from_secs(30)).await.unwrap();
    world.cut(&[DESK.name]).unwrap();
    let before = recorded(desk).await;
    let raw = Raw::to(&desk.api, &world);
    let key = desk.api.bearer();
    block_in_place(|| {
        for amount in
            ["-1", "0", "1e9", "1.0", "4294967295", "4294967296", "16777216", "1e999", "null", "\"5\"", "true"]
        {
            let body = format!(
                r#"{{"id":"00112233445566778899aabbccddeef{}","amount_cents":{amount},"paid_with":"cash"}}"#,
                amount.len() % 10
            );
            let (status, answer) = raw.post("/api/top-up", &key, body.as_bytes());
            assert!((400..500).contains(&status), "{amount}: {status} {answer}");
        }
        for lines in [
            r#"[{"product":1,"quantity":4294967295}]"#,
            r#"[{"product":1,"quantity":-1}]"#,
            r#"[{"product":1,"quantity":0}]"#,
            r#"[{"product":4294967295,"quantity":1}]"#,
            r#"[{"product":1,"quantity":4000000},{"product":1,"quantity":4000000}]"#,
            "[]",
            "{}",
        ] {
            let body = format!(r#"{{"id":"00112233445566778899aabbccddeeff","lines":{lines},"cups_back":0}}"#);
            let (status, answer) = raw.post("/api/till/sale", &key, body.as_bytes());
            assert!((400..500).contains(&status), "{lines}: {status} {answer}");
            assert!(answer["code"].as_str().is_some(), "{lines}: {answer}");
        }
        let many = vec![r#"{"product":1,"quantity":1}"#; 400].join(",");
        let body = format!(r#"{{"id":"00112233445566778899aabbccddeeff","lines":[{many}],"cups_back":0}}"#);
        assert!((400..500).contains(&raw.post("/api/till/sale", &key, body.as_bytes()).0));
        let cups = r#"{"id":"00112233445566778899aabbccddeeff","lines":[],"cups_back":4294967295}"#;
        assert!((400..500).contains(&raw.post("/api/till/sale", &key, cups.as_bytes()).0));
    });
    assert_eq!(recorded(desk).await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_without_the_key_gets_in() {
    let world = World::of(&[GATE_A, BAR]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let other = world.place(BAR.name).unwrap().api.bearer();
    let raw = Raw::to(&gate.api, &world);
    let right = gate.api.bearer();
    let mut cut = right.clone();
    cut.pop();
    block_in_place(|| {
        for key in ["", "x", &other, &cut, &format!("{right}0"), &right.to_uppercase(), &"k".repeat(6_000)] {
            for path in ["/api/gate/scan", "/api/top-up", "/api/till/sale"] {
                if key == right {
                    continue;
                }
                let (status, answer) = raw.post(path, key, br#"{"text":"x"}"#);
                assert_eq!((status, &answer["code"]), (401, &"box.screen_key".into()), "{path} {key}: {answer}");
            }
        }
        let (status, _) = raw.post("/api/gate/scan", &right, br#"{"text":"x"}"#);
        assert_eq!(status, 200);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_are_closed_and_others_are_served_meanwhile() {
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    for api in [&gate.api, &world.hub.api] {
        let raw = Raw::to(api, &world);
        block_in_place(|| {
            let silent: Vec<TcpStream> = (0..20).map(|_| raw.tcp()).collect();
            let mut half_hello = raw.tcp();
            half_hello.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).unwrap();
            let mut idle: Vec<Tls> = (0..10).map(|_| raw.open()).collect();
            for stream in &mut idle {
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock).unwrap();
                }
            }
            let mut half_head = raw.open();
            half_head.write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
            half_head.flush().unwrap();
            let (status, _) = raw.send("GET /api/health HTTP/1.1", b"");
            assert_eq!(status, 200, "served meanwhile");
            let started = Instant::now();
            let mut byte = [0; 64];
            for mut stream in silent.into_iter().chain([half_hello]) {
                assert!(
                    !matches!(stream.read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
                );
            }
            for mut stream in idle.into_iter().chain([half_head]) {
                while matches!(stream.read(&mut byte), Ok(length) if length > 0) {}
                assert!(started.elapsed() < GIVEN_UP_WITHIN, "an idle connection is closed");
            }
        });
    }
    assert!(gate.view().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hub_refuses_bodies_that_are_not_what_the_route_takes() {
    let world = World::of(&[]).await.unwrap();
    let raw = Raw::to(&world.hub.api, &world);
    let token = world.hub.api.bearer();
    let before = world.hub.bundle().await.unwrap();
    block_in_place(|| {
        for path in ["/api/tickets", "/api/categories", "/api/boxes/revoke", "/api/bands/block", "/api/credit-keys"] {
            for body in [
                &b""[..],
                b"{",
                b"[]",
                br#"{"category":1,"category":1}"#,
                br#"{"number":1,"number":2}"#,
                b"{\"holder\":\"\xff\"}",
                &deep(5_000),
                &vec![0; 1_000],
            ] {
                let (status, answer) = raw.post(path, &token, body);
                assert_eq!(status, 400, "{path}: {answer}");
                assert_eq!(answer["code"], "hub.bad_request", "{path}: {answer}");
            }
            let (status, answer) = raw.post(path, &token, &vec![b' '; 200_000]);
            assert_eq!((status, &answer["code"]), (413, &"hub.too_large".into()), "{path}: {answer}");
        }
        for (list, body) in [
            ("tickets", &b"\x00\x01\x02"[..]),
            ("categories", b"number;name_fr\n1;x\n"),
            ("bands", b"uid,profile,batch\nzz,uid,a\n"),
        ] {
            let (status, answer) = raw.post(&format!("/api/csv/{list}"), &token, body);
            assert_eq!((status, &answer["code"]), (422, &"hub.csv".into()), "{list}: {answer}");
        }
        assert_eq!(raw.post("/api/csv/poems", &token, b"").0, 404);
        let (status, answer) = raw.post("/api/pretix/import", &token, &deep(5_000));
        assert_eq!((status, &answer["code"]), (422, &"hub.pretix".into()), "{answer}");
    });
    assert_eq!(world.hub.bundle().await.unwrap(), before, "nothing was changed");
}
