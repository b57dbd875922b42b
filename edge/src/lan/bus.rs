//! The connection to the broker, which comes and goes without anyone's help.
//! Invariant: bounded on both ways; what does not fit is dropped, since sync repairs it.
//! Not here: what is believed of what arrives (`desk`).
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use domain::{
    id::{DeviceId, FestivalId},
    lan::{Envelope, MESSAGE_MAX},
    wire::hex,
};
use futures_util::FutureExt;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};
use sync_quic::Backoff;
use tokio::sync::{mpsc, watch};

use super::{HEARD_QUEUE, ToDesk};
use crate::station::Station;

/// Beside a message: the topic and MQTT's own bytes.
const PACKET_MAX: usize = MESSAGE_MAX + 256;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const CONNECT_S: u64 = 3;
const REQUESTS: usize = 512;

/// Which broker, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`.
    pub broker: String,
    /// The group.
    pub group: u16,
    /// The festival.
    pub festival: FestivalId,
    /// This box.
    pub device: DeviceId,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    All,
    One(DeviceId),
}

impl Target {
    fn topic(&self, to: To) -> String {
        let group = format!("festival/{}/{}", hex(&self.festival.0), self.group);
        match to {
            To::All => format!("{group}/all"),
            To::One(device) => format!("{group}/to/{device}"),
        }
    }
}

/// The way to the desk.
#[derive(Clone)]
pub(super) struct Heard {
    pub desk: SyncSender<ToDesk>,
    pub waiting: Arc<AtomicUsize>,
}

/// Keeps a connection to the broker of the bundle's group until the box stops.
pub(super) async fn keep(
    station: Arc<Station>,
    mut targets: watch::Receiver<Option<Target>>,
    mut outgoing: mpsc::Receiver<(To, Vec<u8>)>,
    heard: Heard,
) {
    let mut backoff = Backoff::default();
    loop {
        let target = targets.borrow_and_update().clone();
        let Some(target) = target else {
            tokio::select! {
                changed = targets.changed() => if changed.is_err() { return },
                _ = outgoing.recv() => {}
                () = station.stopping() => return,
            }
            continue;
        };
        let began = std::time::Instant::now();
        tokio::select! {
            // what a hostile broker can break in the client's library is this connection, and no more
            ended = AssertUnwindSafe(session(&station, &target, &mut outgoing, &heard)).catch_unwind() => {
                if ended.is_err() {
                    tracing::error!(broker = target.broker, "the connection to the broker panicked");
                }
            }
            changed = targets.changed() => if changed.is_err() { return },
            () = station.stopping() => return,
        }
        let _ = heard.desk.try_send(ToDesk::Connected(false));
        if began.elapsed() > Duration::from_secs(10) {
            backoff = Backoff::default();
        }
        let mut random = [0; 4];
        // without randomness every box comes back in step; that is a nuisance, not an error
        let _ = getrandom::fill(&mut random);
        let pause = tokio::time::sleep(backoff.next(u32::from_le_bytes(random)).min(Duration::from_secs(2)));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                // nobody hears it, and it must not be said late
                said = outgoing.recv() => if said.is_none() { return },
                () = station.stopping() => return,
            }
        }
    }
}

async fn session(station: &Station, target: &Target, outgoing: &mut mpsc::Receiver<(To, Vec<u8>)>, heard: &Heard) {
    let Some((host, port)) = target.broker.rsplit_once(':') else { return };
    let Ok(port) = port.parse() else { return };
    let mut options = MqttOptions::new(target.device.to_hex(), host.trim_matches(['[', ']']), port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_max_packet_size(PACKET_MAX, PACKET_MAX);
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_S);
    events.set_network_options(network);
    tokio::select! {
        () = listen(station, target, &client, &mut events, heard) => {}
        () = speak(station, target, &client, outgoing) => {}
    }
}

async fn speak(station: &Station, target: &Target, client: &AsyncClient, outgoing: &mut mpsc::Receiver<(To, Vec<u8>)>) {
    while let Some((to, bytes)) = outgoing.recv().await {
        if client.try_publish(target.topic(to), QoS::AtMostOnce, false, bytes).is_err() {
            station.lan.numbers.dropped.inc();
        }
    }
}

async fn listen(station: &Station, target: &Target, client: &AsyncClient, events: &mut EventLoop, heard: &Heard) {
    let mut subscribed = 0;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                for to in [To::All, To::One(target.device)] {
                    if client.try_subscribe(target.topic(to), QoS::AtMostOnce).is_err() {
                        return;
                    }
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                subscribed += 1;
                if subscribed == 2 {
                    tracing::info!(broker = target.broker, group = target.group, "on the venue's LAN");
                    let _ = heard.desk.try_send(ToDesk::Connected(true));
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => hear(station, target, &publish.payload, heard),
            Ok(Event::Incoming(Packet::Disconnect)) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(broker = target.broker, %error, "no broker");
                return;
            }
        }
    }
}

/// Passes on what may be a message of this group; the rest costs no more than this look.
fn hear(station: &Station, target: &Target, payload: &[u8], heard: &Heard) {
    let numbers = &station.lan.numbers;
    match Envelope::read(payload) {
        Ok(envelope) if envelope.sender == target.device => {}
        Ok(envelope) if envelope.group == target.group => {
            let has_room = heard.waiting.fetch_add(1, Ordering::Relaxed) < HEARD_QUEUE;
            if !has_room || heard.desk.try_send(ToDesk::Heard(payload.to_vec())).is_err() {
                super::taken_from_queue(&heard.waiting);
                numbers.dropped.inc();
            }
        }
        Ok(_) | Err(_) => drop(numbers.suspicious.inc()),
    }
}
