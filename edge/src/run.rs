//! Puts the box together, keeps it going, and stops it in order.
//! Invariant: what was promised green is on disk before the process ends.
use std::{path::Path, sync::Arc, thread::JoinHandle, time::Instant};

use anyhow::{Context, Result};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use box_store::{Blobs, Store, StoreConfig, StoreError};
use domain::bundle::Bundle;
use hardware::signal::NoLight;
use serde_json::json;
use sync::Section;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock::TrustedClock,
    config::{Enrolled, write_durably},
    devices,
    drivers::config,
    hub_link, lan, load,
    loaded::Loaded,
    station::Station,
    watchdog, web,
};

/// Runs the box until it is told to stop; `stop_with_stdin`: the end of standard input tells it as well.
pub fn run(dir: &Path, stop_with_stdin: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(dir, stop_with_stdin))
}

async fn serve(dir: &Path, stop_with_stdin: bool) -> Result<()> {
    let drivers = config::read(dir);
    let station = Arc::new(tokio::task::block_in_place(|| open(dir))?);
    let threads = devices::start(&station, drivers)?;
    let link = tokio::spawn(hub_link::keep(Arc::clone(&station)));
    let on_lan = lan::start(&station)?;
    let loader = tokio::spawn(load::watch(Arc::clone(&station), dir.to_owned()));
    let watch = tokio::spawn(log_out_idle(Arc::clone(&station)));

    let screen = &station.enrolled().config.screen;
    let tls = RustlsConfig::from_config(Arc::new(tls(&screen.certificate_pem, &screen.key_pem)?));
    let address = station.enrolled().config.listen_https.parse().context("the address for the screens")?;
    let handle = Handle::new();
    let server = tokio::spawn(web::serve(Arc::clone(&station), address, tls, handle.clone()));
    let listening = handle.listening().await.context("the address for the screens is taken")?;
    let run = json!({ "https": listening.to_string(), "pid": std::process::id() });
    write_durably(&dir.join("run.json"), run.to_string().as_bytes())?;
    tracing::info!(place = station.enrolled().config.place, %listening, "serving");
    look_at_everything(&station)?;
    watchdog::is_ready();

    asked_to_stop(stop_with_stdin).await?;
    tracing::info!("stopping");
    watchdog::is_stopping();
    station.stop();
    let ending = Arc::clone(&station);
    let devices = tokio::task::spawn_blocking(move || ended(&ending, threads));
    handle.graceful_shutdown(Some(web::STOP_WITHIN));
    let _ = link.await;
    let _ = loader.await;
    let _ = watch.await;
    let _ = server.await;
    let desk = on_lan.ended().await;
    tokio::task::spawn_blocking(move || join(desk)).await?;
    devices.await?.map_err(anyhow::Error::from)
}

/// Waits for the devices' threads, the reader's first: what it lit green is on disk before anything slower is waited for,
/// such as a receipt that is being printed.
fn ended(station: &Station, threads: Vec<JoinHandle<()>>) -> Result<(), StoreError> {
    let mut threads = threads.into_iter();
    threads.next().into_iter().for_each(join);
    let written = station.write_green_lights();
    threads.for_each(join);
    written
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a device's thread had panicked");
    }
}

/// Checks what the start did not: the journal before its last checkpoint, every page, all that follows from it. On a
/// thread that nobody waits for: the end of the process ends it.
fn look_at_everything(station: &Arc<Station>) -> Result<()> {
    let station = Arc::clone(station);
    let look = move || {
        match station.store.check_everything() {
            Ok((entries, mended)) => {
                tracing::info!(entries, "the whole store was checked");
                station.was_mended(&mended);
            }
            // a damaged store was told of already, by whoever found it
            Err(error) => tracing::warn!(%error, "the whole store could not be checked"),
        }
        station.changed();
    };
    std::thread::Builder::new().name("store-check".into()).spawn(look)?;
    Ok(())
}

/// Looks now and then whether somebody left without logging out, or without the band that is awaited.
async fn log_out_idle(station: Arc<Station>) {
    loop {
        tokio::select! {
            () = station.stopping() => return,
            () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
        }
        let looked = Arc::clone(&station);
        let look = move || {
            looked.end_pairing(Instant::now());
            looked.log_out_idle(Instant::now())
        };
        if let Ok(Err(code)) = tokio::task::spawn_blocking(look).await {
            tracing::warn!(code, "an idle session ended and could not be recorded");
        }
    }
}

async fn asked_to_stop(stop_with_stdin: bool) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_stdin(), if stop_with_stdin => {}
    }
    Ok(())
}

/// The store's file in the box's folder.
pub(crate) const STORE: &str = "store.db";

/// How the store of this box is opened.
pub(crate) fn store_of(dir: &Path, enrolled: &Enrolled) -> StoreConfig {
    StoreConfig {
        path: dir.join(STORE),
        festival: enrolled.festival(),
        identity: enrolled.identity.clone(),
        box_number: enrolled.box_number(),
        chain: enrolled.chain.clone(),
        software: concat!("edge ", env!("CARGO_PKG_VERSION")).into(),
    }
}

/// Standard input is read on a thread of its own, which the end of the process ends: the runtime need not wait for it.
async fn end_of_stdin() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // an input that cannot be read is one that has ended
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        ended.send(())
    });
    let _ = end.await;
}

/// Opens the box in this folder.
pub(crate) fn open(dir: &Path) -> Result<Station> {
    let enrolled = Enrolled::read(dir)?;
    let (store, report) = box_store::open(store_of(dir, &enrolled), crate::clock::RELEASED.saturating_mul(1000))
        .context("the box's store")?;
    tracing::info!(
        entries = report.entries,
        epoch = report.epoch,
        open_intents = report.open_intents.len(),
        unconfirmed = report.unconfirmed.len(),
        degraded = report.degraded.as_ref().map(box_store::Degraded::code),
        "store"
    );
    let bundle = newest_bundle(&enrolled, &store)?;
    let known = store.read(|view| {
        let hub = [Section::Wallets, Section::Tickets].into_iter().filter_map(|section| view.knowledge(section));
        (view.last_hlc().unix_ms(), hub.map(|known| known.hub_time_ms).max().unwrap_or(0))
    });
    // a store that cannot even be read still has a box that shows what is wrong
    let (last_entry_ms, last_hub_ms) = known.or_else(|error| store.degraded().map(|_| (0, 0)).ok_or(error))?;
    // a bundle is signed at the hub's time, so it is at least as late as that
    let last_hub_ms = last_hub_ms.max(bundle.body.issued.saturating_mul(1000));
    let clock = TrustedClock::at_boot(last_entry_ms, last_hub_ms, Instant::now());
    let blobs = Blobs::beside(&dir.join(STORE));
    let loaded = Loaded::new(bundle, &blobs, enrolled.config.roles, &enrolled.identity)?;
    if let Some(tickets) = loaded.tickets_held() {
        tracing::info!(tickets, "ticket snapshot");
    }
    let station = Station::new(enrolled, store, blobs, loaded, clock, Box::new(NoLight));
    if report.degraded.is_none() {
        open_enrolled_epoch(&station)?;
    }
    station.was_mended(&report.mended);
    if let Err(error) = station.load_attempts() {
        tracing::warn!(%error, "wrong PINs of before the start are forgotten");
    }
    match station.load_documents() {
        Err(error) if station.store.degraded().is_some() => {
            tracing::warn!(error = %error, "the documents cannot be read from a damaged store");
        }
        loaded => loaded?,
    }
    Ok(station)
}

/// The newest bundle that this box ever verified: the store's, or the one that came with the enrolment.
fn newest_bundle(enrolled: &Enrolled, store: &Store) -> Result<Bundle> {
    let stored = store.bundle().unwrap_or_else(|error| {
        tracing::warn!(%error, "the stored bundle is unreadable; the hub will send it again");
        None
    });
    let stored = stored.and_then(|(number, bytes)| match Bundle::verify(&bytes, Some(enrolled.festival())) {
        Ok(bundle) => Some(bundle),
        Err(error) => {
            tracing::warn!(number, %error, "the stored bundle does not verify; the hub will send it again");
            None
        }
    });
    let (first_bytes, first) = match (enrolled.first_bundle(), stored.as_ref()) {
        (Ok(first), _) => first,
        // The newer one is at hand: the one that came with the enrolment is only missed if that one is lost too.
        (Err(error), Some(_)) => {
            tracing::warn!(error = format!("{error:#}"), "the bundle that came with the enrolment is damaged");
            return stored.context("the stored bundle");
        }
        (Err(error), None) => return Err(error),
    };
    match stored {
        Some(stored) if stored.body.number >= first.body.number => Ok(stored),
        _ => {
            // Where a newer one was stored and is damaged, the store waits for that one; the box works on this meanwhile.
            match store.degraded().map_or_else(|| store.store_bundle(first.body.number, &first_bytes), |_| Ok(())) {
                Err(StoreError::OlderBundle { .. }) => {}
                stored => stored?,
            }
            Ok(first)
        }
    }
}

/// A box that was enrolled again opens the next epoch, since an epoch's rights are those of the chain in its genesis:
/// also where it went on by itself meanwhile, up to the epoch of its new enrolment. Epochs that it opens by itself carry
/// the enrolled chain, so this happens once.
pub(crate) fn open_enrolled_epoch(station: &Station) -> Result<()> {
    let enrolled = station.enrolled();
    let Some(head) = station.store.read(|view| view.head())? else { return Ok(()) };
    let genesis = station.store.read(|view| view.genesis(head.at.epoch)).unwrap_or_else(|error| {
        tracing::warn!(%error, "under which certificate this epoch stands cannot be read; it is written on");
        None
    });
    let under_another = genesis.is_some_and(|genesis| genesis.chain != enrolled.chain);
    if head.at.epoch < enrolled.epoch || under_another {
        let epoch = station.store.open_next_epoch(enrolled.box_number(), None)?;
        tracing::info!(epoch, number = enrolled.box_number().0, "enrolled again: it goes on in a new epoch");
    }
    Ok(())
}

fn tls(certificate_pem: &str, key_pem: &str) -> Result<rustls::ServerConfig> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let certificates = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .context("the screens' certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).context("the screens' key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::bench::Bench;

    #[test]
    fn what_was_lit_green_is_on_disk_while_a_receipt_is_still_being_printed() {
        let bench = Bench::new();
        let unconfirmed = || bench.station.store.read(|view| view.unconfirmed()).unwrap().len();
        let (done, printed) = mpsc::channel::<()>();
        bench.top_up(&bench.purse(1), 2_000);
        assert_eq!((bench.station.seen_green().len(), unconfirmed()), (1, 1));
        let reader = thread::spawn(|| {});
        let printer = thread::spawn(move || assert!(printed.recv().is_err()));
        let station = Arc::clone(&bench.station);
        let ending = thread::spawn(move || ended(&station, vec![reader, printer]));
        let deadline = Instant::now() + Duration::from_secs(20);
        while unconfirmed() > 0 {
            assert!(Instant::now() < deadline, "it waits for the printer");
            thread::sleep(Duration::from_millis(2));
        }
        assert!(!ending.is_finished());
        drop(done);
        ending.join().unwrap().unwrap();
    }
}
