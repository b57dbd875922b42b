//! Puts the hub together: writer, sessions, console; and takes it down in order.
//! Invariant: on a signal nothing new is taken, what was taken is stored, then everybody is told goodbye.
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use sync_quic::{HubListener, ListenerConfig};
use tokio::sync::watch;

use crate::{
    blobs::{BlobFolder, make},
    config::HubConfig,
    hub::{Clock, Hub, HubError},
    identity::Identity,
    integrity,
    metrics::Metrics,
    net::{Sessions, is_down},
    overview::Overview,
    store::Reading,
    totals,
    web::{App, Parts, router},
    writer::Writer,
};

/// The view is put together at most so often, and at least so often.
const VIEW_MIN: Duration = Duration::from_millis(400);
const VIEW_MAX: Duration = Duration::from_secs(4);
/// A request's head must be whole within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// A hub that runs.
#[derive(Debug)]
pub struct Running {
    /// Where boxes connect.
    pub quic: SocketAddr,
    /// Where the console is.
    pub https: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    pub(crate) writer: Writer,
    thread: std::thread::JoinHandle<()>,
    handle: axum_server::Handle<SocketAddr>,
    file: PathBuf,
}

/// Whether a hub of this directory runs on this machine: what `run.json` names is alive, and the same program. After a
/// power cut its number may be anybody's.
pub fn is_running(dir: &Path) -> bool {
    let text = std::fs::read_to_string(dir.join("run.json")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let name = |process: &str| std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let alive = |pid: u64| {
        pid != u64::from(std::process::id()) && name(&pid.to_string()).is_some_and(|other| name("self") == Some(other))
    };
    json["pid"].as_u64().is_some_and(alive)
}

/// Starts the hub of a directory.
pub async fn start(dir: &Path, clock: Clock) -> anyhow::Result<Running> {
    // Another part of the process may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    anyhow::ensure!(!is_running(dir), "a hub of this directory runs already (run.json)");
    let config = HubConfig::read(&dir.join("hub.toml"))?;
    let identity = Arc::new(Identity::read(dir)?);
    let token = std::fs::read_to_string(dir.join("console.token")).context("console.token")?;
    anyhow::ensure!(token.trim().len() >= 32, "console.token: at least 32 hexadecimal digits are needed");
    let mut hub = Hub::open(dir, identity.clone(), clock.clone())?;
    hub.refresh_blobs()?;
    hub.current_bundle()?;
    let readings = (0..4).map(|_| hub.reading()).collect::<Result<Vec<_>, _>>()?;
    let viewing = hub.reading()?;
    let making = hub.reading()?;
    let checking = hub.reading()?;
    let feeds = hub.feeds();
    let metrics = Metrics::default();
    let delta_every = Duration::from_millis(config.delta_ms.clamp(20, 10_000));
    let (writer, thread) = Writer::start(hub, delta_every, metrics.clone())?;

    let reset_key = blake3::derive_key("festival 2026-11 hub quic reset", identity.hub.key.as_bytes());
    let listener = HubListener::bind(&ListenerConfig::new(config.listen_quic, identity.hub.key.clone(), reset_key))?;
    let quic = listener.local_address()?;
    let https = std::net::TcpListener::bind(config.listen_https).context("listen_https")?;
    https.set_nonblocking(true)?;
    let https_address = https.local_addr()?;
    let tls = RustlsConfig::from_pem_file(dir.join("tls/cert.pem"), dir.join("tls/key.pem")).await.context("tls/")?;
    // what is offered in the handshake is what is spoken behind it: a browser takes HTTP/2 where it is offered
    let mut offered = (*tls.get_inner()).clone();
    offered.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls.reload_from_config(Arc::new(offered));

    let (stop, down) = watch::channel(false);
    let (view_out, view) = watch::channel::<Arc<str>>(Arc::from(""));
    let festival = identity.festival;
    let app = App::new(Parts {
        writer: writer.clone(),
        identity: identity.clone(),
        feeds: feeds.clone(),
        metrics: metrics.clone(),
        console_token: token,
        view,
        readings,
    });
    let handle = axum_server::Handle::new();
    let mut server = axum_server::from_tcp_rustls(https, tls)?.handle(handle.clone()).http1_only();
    // Who does not say what they want in time makes room for others.
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let server = server.serve(router(app).into_make_service_with_connect_info::<SocketAddr>());
    let sessions =
        Sessions::new(writer.clone(), feeds, identity, BlobFolder::new(dir), metrics.clone(), clock, down.clone());
    let tasks = vec![
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the console's server ended");
            }
        }),
        tokio::spawn(async move { sessions.serve(listener).await }),
        tokio::spawn(bundles(writer.clone(), making, down.clone())),
        tokio::spawn(integrity::watch(writer.clone(), checking, festival, down.clone())),
        tokio::spawn(views(writer.clone(), viewing, metrics, view_out, down)),
    ];
    let file = dir.join("run.json");
    write_run_file(&file, https_address, quic)?;
    tracing::info!(%quic, https = %https_address, "the hub runs");
    Ok(Running { quic, https: https_address, stop, tasks, writer, thread, handle, file })
}

fn write_run_file(file: &Path, https: SocketAddr, quic: SocketAddr) -> anyhow::Result<()> {
    let next = file.with_extension("next");
    let json = serde_json::json!({ "https": https.to_string(), "quic": quic.to_string(), "pid": std::process::id() });
    std::fs::write(&next, json.to_string())?;
    std::fs::rename(&next, file)?;
    Ok(())
}

/// Keeps the console's view fresh.
async fn views(
    writer: Writer,
    reading: Reading,
    metrics: Metrics,
    view: watch::Sender<Arc<str>>,
    mut down: watch::Receiver<bool>,
) {
    let mut events = writer.events();
    let mut reading = Some(reading);
    let mut made = Instant::now();
    let mut failed = false;
    loop {
        let overview = match writer.call(Hub::overview).await {
            Ok(Ok(overview)) => overview,
            Ok(Err(error)) => {
                tracing::error!(%error, "the console's view could not be made");
                Overview::default()
            }
            Err(_) => return,
        };
        let Some(held) = reading.take() else { return };
        let done = tokio::task::spawn_blocking(move || {
            let done =
                totals::books(&held).and_then(|books| Ok((books.money.top_up, overview.complete(&books, &held)?)));
            (held, done)
        })
        .await;
        match done {
            Ok((held, Ok((top_up, whole)))) => {
                reading = Some(held);
                failed = false;
                metrics.top_ups(top_up);
                if let Ok(json) = serde_json::to_string(&whole) {
                    view.send_replace(Arc::from(json));
                }
            }
            Ok((held, Err(error))) => {
                reading = Some(held);
                if !std::mem::replace(&mut failed, true) {
                    tracing::error!(%error, "the books could not be read");
                }
            }
            Err(_) => return,
        }
        let rest = VIEW_MIN.saturating_sub(made.elapsed());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = is_down(&mut down) => return,
        }
        tokio::select! {
            _ = events.recv() => {}
            () = tokio::time::sleep(VIEW_MAX.saturating_sub(made.elapsed())) => {}
            () = is_down(&mut down) => return,
        }
        made = Instant::now();
    }
}

/// Looks so often whether blobs are to be made and keys were left for the hub.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps the bundle's blobs up to date, beside the writer.
async fn bundles(writer: Writer, reading: Reading, mut down: watch::Receiver<bool>) {
    let mut reading = Some(reading);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = is_down(&mut down) => return,
        }
        let due = writer.call(|hub| {
            let due = hub.blobs_due()?;
            if due.is_some() {
                hub.blobs_begun();
            }
            Ok::<_, HubError>(due)
        });
        let plan = match due.await {
            Ok(Ok(Some(plan))) => plan,
            Ok(Ok(None)) => continue,
            Ok(Err(error)) => {
                tracing::error!(%error, "whether the bundle's blobs are due is not known");
                continue;
            }
            Err(_) => return,
        };
        let Some(held) = reading.take() else { return };
        let made = tokio::task::spawn_blocking(move || {
            let made = make(&held, &plan);
            (held, made)
        });
        let Ok((held, made)) = made.await else { return };
        reading = Some(held);
        let taken = writer.call(move |hub| {
            let taken = made.and_then(|made| hub.take_blobs(made));
            if taken.is_err() {
                hub.blobs_failed();
            }
            taken.and_then(|()| hub.current_bundle())
        });
        match taken.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the bundle's blobs could not be made"),
            Err(_) => return,
        }
    }
}

impl Running {
    /// Takes the hub down in order.
    pub async fn stop(self) {
        tracing::info!("the hub goes down");
        let _ = self.stop.send(true);
        self.handle.graceful_shutdown(Some(Duration::from_secs(2)));
        for task in self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(6), task).await;
        }
        self.writer.close();
        let thread = self.thread;
        let ended = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
        if !matches!(ended, Ok(true)) {
            tracing::error!("the writer did not end in order");
        }
        let _ = std::fs::remove_file(self.file);
    }
}
