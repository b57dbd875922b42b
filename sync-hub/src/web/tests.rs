//! The whole hub over real HTTPS and QUIC.
use std::{path::Path, time::Duration};

use domain::{bundle::Bundle, trust::Roles};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sync::{
    Delta, Frame, VersionVector,
    frame::{Hello, RefuseCode, SectionHeld, WantBundle},
};
use sync_quic::Link;
use tempfile::TempDir;

use crate::{
    run::{self, Running},
    sample::{self, SampleBox, wallet},
};

mod boxes;

const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

struct Site {
    dir: TempDir,
    hub: Running,
    client: Client,
}

fn with_tls(dir: &Path, delta_ms: u32) -> reqwest::Certificate {
    let cert = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::create_dir(dir.join("tls")).unwrap();
    std::fs::write(dir.join("tls/cert.pem"), cert.cert.pem()).unwrap();
    std::fs::write(dir.join("tls/key.pem"), cert.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("console.token"), TOKEN).unwrap();
    let toml = "listen_quic = \"127.0.0.1:0\"\nlisten_https = \"127.0.0.1:0\"\nlanguage = \"fr\"\n";
    std::fs::write(dir.join("hub.toml"), format!("{toml}delta_ms = {delta_ms}\n")).unwrap();
    reqwest::Certificate::from_pem(cert.cert.pem().as_bytes()).unwrap()
}

async fn site() -> Site {
    site_that_publishes_every(20).await
}

async fn site_that_publishes_every(delta_ms: u32) -> Site {
    let dir = sample::hub_dir();
    let root = with_tls(dir.path(), delta_ms);
    let hub = run::start(dir.path(), crate::wall_clock()).await.unwrap();
    let client = Client::builder()
        .tls_certs_only([root])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    Site { dir, hub, client }
}

impl Site {
    fn address(&self, path: &str) -> String {
        format!("https://{}{path}", self.hub.https)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, self.address(path)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_or_changes_anything_without_logging_in() {
    let site = site().await;
    for (method, path) in [
        ("GET", "/api/state"),
        ("GET", "/events"),
        ("GET", "/api/agreement"),
        ("GET", "/api/totals"),
        ("GET", "/api/bundle"),
        ("GET", "/api/wallets/00"),
        ("GET", "/api/tickets/00/qr.svg"),
        ("POST", "/api/tickets"),
        ("POST", "/api/tickets/revoke"),
        ("POST", "/api/bands/block"),
        ("POST", "/api/boxes/revoke"),
        ("POST", "/api/lan/adopt"),
        ("POST", "/api/restored/confirm"),
        ("POST", "/api/pretix/import"),
        ("POST", "/api/categories"),
        ("GET", "/api/csv/tickets"),
        ("POST", "/api/csv/bands"),
        ("GET", "/api/ticket-keys"),
        ("POST", "/api/ticket-keys/retire"),
        ("GET", "/api/managers"),
        ("GET", "/api/matters"),
        ("POST", "/api/matters/x/resolve"),
    ] {
        for token in [None, Some("wrong"), Some("")] {
            let mut request = site.client.request(method.parse().unwrap(), site.address(path)).body("{}");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(body["error"]["code"], "hub.login");
            assert!(!body["error"]["message_fr"].as_str().unwrap().is_empty());
        }
    }
    for path in
        ["/", "/api/health", "/api/health/live", "/api/health/ready", "/monitoring/metrics", "/monitoring/metrics/json"]
    {
        let answer = site.client.get(site.address(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        let headers = answer.headers();
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers["strict-transport-security"].to_str().unwrap().contains("max-age="));
    }
    site.hub.stop().await;
    assert!(!site.dir.path().join("run.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_pins_at_the_console_make_the_right_one_wait_and_a_colleague_goes_on() {
    let site = site().await;
    let hash = documents::hash_pin("482913", b"of these tests..").unwrap();
    for number in [7, 8] {
        let field = |name: &str| format!("member/{number}/{name}");
        let set = json!({ field("name"): "Ana", field("roles"): "8", field("active"): "true", field("pin"): hash });
        let edit = json!({ "document": "staff", "set": set });
        assert_eq!(site.ask(Method::POST, "/api/documents/edit", Some(edit)).await.0, StatusCode::OK);
    }
    let matter = format!("/api/matters/overspend~wallet~{}/resolve", "01".repeat(16));
    let decide = async |number: u32, pin: &str| {
        let body = json!({ "action": "accept", "reason": "x", "pin": { "number": number, "pin": pin } });
        let (_, body) = site.ask(Method::POST, &matter, Some(body)).await;
        body["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(decide(7, "482913").await, "hub.not_found", "the PIN is right, the matter is none");
    for _ in 0..5 {
        assert_eq!(decide(7, "0000").await, "staff.wrong_pin");
    }
    assert_eq!(decide(7, "482913").await, "staff.wait");
    assert_eq!(decide(8, "482913").await, "hub.not_found");
    assert_eq!(decide(9, "482913").await, "staff.wrong_pin", "whether there is such a number is not said");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_reads_but_changes_nothing_from_another_sites_page() {
    let site = site().await;
    let login = |body: String| site.client.post(site.address("/login")).body(body).send();
    assert_eq!(login(json!({ "token": "no" }).to_string()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let answer = login(json!({ "token": TOKEN }).to_string()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_string();
    for word in ["__Host-console=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{word}");
    }
    let cookie = cookie.split(';').next().unwrap().to_string();
    let page = site.client.get(site.address("/")).header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("console.js"), "the console is shown");
    let order = json!({ "category": 1, "holder": "" }).to_string();
    let post = || site.client.post(site.address("/api/tickets")).header("cookie", &cookie).body(order.clone());
    assert_eq!(post().send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(post().header("sec-fetch-site", "cross-site").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(post().header("x-requested-with", "console").send().await.unwrap().status(), StatusCode::CREATED);
    let out = site.client.post(site.address("/logout")).header("cookie", &cookie).header("x-requested-with", "console");
    assert_eq!(out.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(post().header("x-requested-with", "console").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for _ in 0..10 {
        login(json!({ "token": "guess" }).to_string()).await.unwrap();
    }
    let tired = login(json!({ "token": TOKEN }).to_string()).await.unwrap();
    assert_eq!(tired.status(), StatusCode::TOO_MANY_REQUESTS);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_sold_drawn_and_revoked() {
    let site = site().await;
    let (status, ticket) =
        site.ask(Method::POST, "/api/tickets", Some(json!({ "category": 1, "holder": "Ana" }))).await;
    assert_eq!(status, StatusCode::CREATED);
    let id = ticket["id"].as_str().unwrap();
    let png =
        site.client.get(site.address(&format!("/api/tickets/{id}/qr.png"))).bearer_auth(TOKEN).send().await.unwrap();
    let picture = image::load_from_memory(&png.bytes().await.unwrap()).unwrap().to_luma8();
    let (_, text) = rqrr::PreparedImage::prepare(picture).detect_grids()[0].decode().unwrap();
    assert_eq!(text, ticket["text"]);
    let bundle = || async {
        let answer = site.client.get(site.address("/api/bundle")).bearer_auth(TOKEN).send().await.unwrap();
        Bundle::verify(&answer.bytes().await.unwrap(), Some(sample::festival())).unwrap()
    };
    let before = bundle().await;
    assert!(before.verifier(&[]).read(&text).is_ok());
    let (status, _) = site.ask(Method::POST, "/api/tickets/revoke", Some(json!({ "id": id }))).await;
    assert_eq!(status, StatusCode::OK);
    let after = bundle().await;
    assert_eq!(after.body.revoked.len(), 1);
    assert_eq!(after.body.number, before.body.number + 1);
    let more = json!({ "number": 7, "name_fr": "Vendredi", "name_en": "Friday", "price_cents": 5000, "zones": 1 });
    assert_eq!(site.ask(Method::POST, "/api/categories", Some(more.clone())).await.0, StatusCode::CREATED);
    assert_eq!(site.ask(Method::POST, "/api/categories", Some(more)).await.0, StatusCode::CONFLICT);
    assert_eq!(site.get("/api/categories").await[1]["number"], 7);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_fields_are_refused_in_one_shape_and_change_nothing() {
    let site = site().await;
    let before = site.get("/api/health").await;
    let hostile = [
        json!("'; DROP TABLE entries; --"),
        json!("<script>alert(1)</script>"),
        json!("\u{0}\u{202e}\u{feff}"),
        json!("../../../etc/passwd"),
        json!("9".repeat(5000)),
        json!(-1),
        json!(1e300),
        json!(4_294_967_296u64),
        json!(null),
        json!([]),
        json!({ "a": 1 }),
    ];
    for value in &hostile {
        for (path, body) in [
            ("/api/tickets", json!({ "category": value })),
            ("/api/tickets", json!({ "category": 1, "valid_from": value, "valid_until": 1 })),
            ("/api/tickets/revoke", json!({ "id": value })),
            ("/api/bands/block", json!({ "wallet": value })),
            ("/api/bands/block", json!({ "uid": value })),
            ("/api/bands/unblock", json!({ "wallet": value, "uid": value })),
            ("/api/boxes/revoke", json!({ "number": value })),
            ("/api/categories", json!({ "number": value, "name_fr": value, "name_en": value })),
            ("/api/credit-keys", json!({ "chain": value })),
            ("/api/pretix/import", json!({ "slug": value, "valid_keys": value })),
            ("/api/pretix/import", value.clone()),
        ] {
            let allowed = path == "/api/tickets" && value.is_null();
            let (status, answer) = site.ask(Method::POST, path, Some(body.clone())).await;
            if allowed && status == StatusCode::CREATED {
                continue;
            }
            assert!(status.is_client_error(), "{path} {body}: {status}");
            let code = answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{path} {body}: {answer}"));
            assert!(code.starts_with("hub."), "{code}");
            assert_eq!(answer["code"], code, "as the pages read it");
        }
    }
    for path in [
        "/api/entries/zz/1/2",
        "/api/entries/00/0/-1",
        "/api/wallets/%00",
        "/api/tickets/..%2f..%2f/qr.svg",
        "/../Cargo.toml",
        "/texts/xx.json",
    ] {
        let (status, _) = site.ask(Method::GET, path, None).await;
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let huge = "x".repeat(100_000);
    let (status, answer) = site.ask(Method::POST, "/api/tickets", Some(json!({ "category": 1, "holder": huge }))).await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, Some("hub.too_large")));
    // A name is a name, whatever stands in it.
    let strange = json!({ "category": 1, "holder": "Robert'); DROP TABLE entries;-- <b>é</b>" });
    assert_eq!(site.ask(Method::POST, "/api/tickets", Some(strange)).await.0, StatusCode::CREATED);
    assert_eq!(site.get("/api/health").await["term"], before["term"]);
    site.hub.stop().await;
}

struct Peer {
    link: Link,
}

impl Peer {
    async fn connect(site: &Site, one: &SampleBox) -> Self {
        let mut link = sync_quic::connect(site.hub.quic, &one.key).await.unwrap();
        let hello = Hello {
            sections: crate::deltas::FED.map(|section| SectionHeld { section, term: 0, number: 0 }).to_vec(),
            further: vec![sample::credit_chain(60).to_bytes().into()],
            ..one.hello()
        };
        link.send(&Frame::Hello(hello)).await.unwrap();
        Self { link }
    }

    /// The next frame that `wanted` picks; others are passed over.
    async fn until<T>(&mut self, wanted: impl Fn(&Frame) -> Option<T>) -> T {
        let find = async {
            loop {
                let frame = self.link.next().await.unwrap().expect("the hub closed");
                if let Frame::Delta(delta) = &frame {
                    let delta = Delta::from_bytes(&delta.body).unwrap();
                    let have = sync::frame::HaveDelta {
                        section: delta.section,
                        term: delta.term,
                        number: delta.number,
                        next_part: (delta.part + 1 < delta.parts).then_some(delta.part + 1),
                        own: None,
                    };
                    self.link.send(&Frame::HaveDelta(have)).await.unwrap();
                }
                if let Some(found) = wanted(&frame) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), find).await.expect("the frame never came")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_delivers_is_acknowledged_and_learns_what_others_did() {
    let site = site().await;
    let mut desk = SampleBox::new(20, Roles(7));
    desk.top_up(wallet(1), 1_000);
    let mut peer = Peer::connect(&site, &desk).await;
    let held = peer.until(|frame| if let Frame::Heads(heads) = frame { Some(heads.clone()) } else { None }).await;
    assert_eq!(held, VersionVector::default());
    peer.link.send(&Frame::Segment(desk.segment(0, 2).segment().clone())).await.unwrap();
    let ack = peer.until(|frame| if let Frame::Ack(ack) = frame { Some(*ack) } else { None }).await;
    assert_eq!((ack.contiguous, ack.term), (2, 1));
    let balance = |frame: &Frame| {
        let Frame::Delta(delta) = frame else { return None };
        let delta = Delta::from_bytes(&delta.body).unwrap();
        let state = (delta.section == sync::Section::Wallets)
            .then(|| domain::ledger::WalletState::from_bytes(&delta.items).ok())??;
        Some(state.balance)
    };
    assert_eq!(peer.until(balance).await, 1_000);

    // Another box spends: this one is told.
    let mut bar = SampleBox::new(21, Roles(7));
    bar.sale(wallet(1), 350);
    let mut other = Peer::connect(&site, &bar).await;
    other.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    other.link.send(&Frame::Segment(bar.segment(0, 2).segment().clone())).await.unwrap();
    assert_eq!(peer.until(balance).await, 650);

    // The bundle with its place and credit key.
    let file =
        site.client.get(site.address("/api/bundle")).bearer_auth(TOKEN).send().await.unwrap().bytes().await.unwrap();
    let number = Bundle::verify(&file, None).unwrap().body.number;
    peer.link.send(&Frame::WantBundle(WantBundle { number, offset: 0 })).await.unwrap();
    let part = peer.until(|frame| if let Frame::Bundle(part) = frame { Some(part.clone()) } else { None }).await;
    assert_eq!(part.bytes, file);
    let bundle = Bundle::verify(&part.bytes, Some(sample::festival())).unwrap();
    assert_eq!(bundle.place(domain::id::BoxNumber(21)), "Place 21");
    assert_eq!(bundle.body.credit_keys.len(), 2);

    // What the API says of it.
    let entry = site.get(&format!("/api/entries/{}/0/1", desk.device)).await;
    assert_eq!((entry["kind"].as_u64(), entry["amount_cents"].as_u64()), (Some(3), Some(1_000)));
    assert_eq!(
        site.ask(Method::GET, &format!("/api/entries/{}/0/9", desk.device), None).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(site.get(&format!("/api/wallets/{}", wallet(1))).await["balance_cents"], 650);
    let totals = site.get("/api/totals").await;
    assert_eq!((totals["top_up_cents"].as_i64(), totals["spent_cents"].as_i64()), (Some(1_000), Some(350)));
    assert_eq!(totals["sources_cents"], totals["uses_cents"]);
    let agreement = site.get("/api/agreement").await;
    assert_eq!(agreement["digest"].as_str().unwrap().len(), 64);
    assert_eq!(agreement["boxes"].as_array().unwrap().len(), 2);

    // The live state shows both boxes.
    let mut events = site.client.get(site.address("/events")).bearer_auth(TOKEN).send().await.unwrap();
    let mut text = String::new();
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        while !text.contains("Place 21") {
            text.push_str(&String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap()));
        }
    });
    seen.await.unwrap();
    assert!(text.contains("event: state"));
    drop(events);

    // A revoked box is told so, and gets nothing more.
    site.ask(Method::POST, "/api/boxes/revoke", Some(json!({ "number": 21, "reason": "stolen" }))).await;
    let code = other.until(|frame| if let Frame::Refuse(refuse) = frame { Some(refuse.code) } else { None }).await;
    assert_eq!(code, RefuseCode::Revoked.number());
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_ends_that_boxs_session_only_and_is_on_record() {
    let site = site().await;
    let (desk, bad) = (SampleBox::new(20, Roles(7)), SampleBox::new(22, Roles(7)));
    let mut good = Peer::connect(&site, &desk).await;
    let mut peer = Peer::connect(&site, &bad).await;
    peer.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    let mut segment = bad.segment(0, 1).segment().clone();
    segment.signature[0] ^= 1;
    peer.link.send(&Frame::Segment(segment)).await.unwrap();
    let code = peer.until(|frame| if let Frame::Refuse(refuse) = frame { Some(refuse.code) } else { None }).await;
    assert_eq!(code, RefuseCode::Poison.number());
    good.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    good.link.send(&Frame::Segment(desk.segment(0, 1).segment().clone())).await.unwrap();
    assert_eq!(good.until(|frame| if let Frame::Ack(ack) = frame { Some(ack.contiguous) } else { None }).await, 1);
    let shown = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let (_, state) = site.ask(Method::GET, "/api/state", None).await;
            let found = state["conflicts"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["places"][0]["box_number"] == 22));
            if found {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    shown.await.expect("the refused segment is shown");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_hears_of_its_revocation_although_the_request_that_revoked_it_failed_behind_it() {
    let site = site().await;
    let bar = SampleBox::new(21, Roles(7));
    let mut peer = Peer::connect(&site, &bar).await;
    peer.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    // a bundle that names the box, so that one without it is another
    site.client.get(site.address("/api/bundle")).bearer_auth(TOKEN).send().await.unwrap();
    let database = rusqlite::Connection::open(site.dir.path().join("hub.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON bundles BEGIN SELECT RAISE(ABORT, 'no bundle today'); END";
    database.execute_batch(fails).unwrap();
    let (status, _) = site.ask(Method::POST, "/api/boxes/revoke", Some(json!({ "number": 21 }))).await;
    assert!(status.is_server_error(), "{status}");
    let code = peer.until(|frame| if let Frame::Refuse(refuse) = frame { Some(refuse.code) } else { None }).await;
    assert_eq!(code, RefuseCode::Revoked.number());
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_act_publishes_is_told_to_boxes_that_know_everything_else() {
    let site = site_that_publishes_every(10_000).await;
    let (bar, mut desk) = (SampleBox::new(21, Roles(7)), SampleBox::new(20, Roles(7)));
    let mut peer = Peer::connect(&site, &bar).await;
    let lacks = std::cell::RefCell::new(std::collections::BTreeSet::from(crate::deltas::FED));
    let told = |frame: &Frame| {
        if let Frame::Delta(delta) = frame {
            lacks.borrow_mut().remove(&Delta::from_bytes(&delta.body).unwrap().section);
        }
        lacks.borrow().is_empty().then_some(())
    };
    peer.until(told).await;
    // the hub has taken what the peer said that it holds
    peer.link.send(&Frame::Ping(sync::frame::Ping { token: 7, time_ms: 0 })).await.unwrap();
    peer.until(|frame| matches!(frame, Frame::Pong(_)).then_some(())).await;
    desk.top_up(wallet(1), 1_000);
    let segments = desk.segments(10);
    let act = move |hub: &mut crate::Hub| {
        hub.ingest(&segments).unwrap();
        hub.snapshot(sync::Section::Credits)
    };
    site.hub.writer.call(act).await.unwrap().unwrap();
    let balance = |frame: &Frame| {
        let Frame::Delta(delta) = frame else { return None };
        let delta = Delta::from_bytes(&delta.body).unwrap();
        let state = || domain::ledger::WalletState::from_bytes(&delta.items).ok();
        (delta.section == sync::Section::Wallets).then(state)?.map(|state| state.balance)
    };
    assert_eq!(peer.until(balance).await, 1_000);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_nobody_knows_are_measured_as_one() {
    let site = site().await;
    for n in 0..200 {
        let method = Method::from_bytes(format!("BREW{n}").as_bytes()).unwrap();
        site.client.request(method, site.address("/api/state")).send().await.unwrap();
    }
    let answer = site.client.get(site.address("/monitoring/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!answer.contains("BREW"), "{answer}");
    let counted: Vec<&str> = answer.lines().filter(|line| line.starts_with("http_requests_total{")).collect();
    assert!(counted.len() < 5 && counted.iter().any(|line| line.contains("method=\"other\"")), "{counted:?}");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_hub_is_is_told_at_once_also_while_its_writer_is_held_up() {
    let site = site().await;
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let writer = site.hub.writer.clone();
    let holding = tokio::spawn(async move { writer.call(move |_| held.recv().is_ok()).await });
    let until = async |status: &str| {
        let is_so = async { while site.get("/api/health").await["status"] != status {} };
        tokio::time::timeout(Duration::from_secs(20), is_so).await.unwrap_or_else(|_| panic!("never {status}"));
    };
    until("busy").await;
    let asked = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(site.get("/api/health").await["status"], "busy");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "each waits for the writer");
    assert_eq!(site.ask(Method::GET, "/api/health/ready", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let_go.send(()).unwrap();
    assert_eq!(holding.await.unwrap(), Ok(true));
    until("ok").await;
    assert_eq!(site.ask(Method::GET, "/api/health/ready", None).await.0, StatusCode::NO_CONTENT);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_the_token_makes_nobody_wait_who_asks_from_elsewhere() {
    let dir = sample::hub_dir();
    let root = with_tls(dir.path(), 20);
    let hub = run::start(dir.path(), crate::wall_clock()).await.unwrap();
    let from = |address: [u8; 4]| {
        let client = Client::builder().tls_certs_only([root.clone()]).local_address(std::net::IpAddr::from(address));
        client.timeout(Duration::from_secs(20)).build().unwrap()
    };
    let login = async |client: &Client, token: &str| {
        let asked = client.post(format!("https://{}/login", hub.https)).body(json!({ "token": token }).to_string());
        asked.send().await.unwrap().status()
    };
    let (stranger, operator) = (from([127, 0, 0, 2]), from([127, 0, 0, 1]));
    for _ in 0..10 {
        assert_eq!(login(&stranger, "guess").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(login(&stranger, TOKEN).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(login(&operator, TOKEN).await, StatusCode::NO_CONTENT);
    hub.stop().await;
}
