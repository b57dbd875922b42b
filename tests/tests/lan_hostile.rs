//! A foreign client on the LAN, and a broker that is not ours: nothing wrong is believed, and guests go on coming in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed test should panic, and what was measured is told"
)]
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    id::{DeviceId, TicketUid, device_id},
    lan::{ClaimKey, Envelope, Holder, MESSAGE_MAX, Message, Presence, Told},
};
use ed25519_dalek::SigningKey;
use evening::world::{
    lan::{NAMES, ThreeGates, show, standing},
    place::Place,
    wait::until,
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use rusqlite::{Connection, OpenFlags};
use screens::view::DecidedBy;

const SOON: Duration = Duration::from_secs(40);
/// A guest is not kept waiting longer than this, whatever happens on the LAN.
const PATIENCE: Duration = Duration::from_secs(3);

type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Somebody on the LAN who hears everything and may say anything.
async fn stranger(broker: SocketAddr) -> (AsyncClient, Heard) {
    let mut options = MqttOptions::new("stranger", broker.ip().to_string(), broker.port());
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 10_000);
    client.subscribe("#", QoS::AtMostOnce).await.unwrap();
    let heard = Heard::default();
    let (keeps, subscribed) = (heard.clone(), Arc::new(AtomicBool::new(false)));
    let told = subscribed.clone();
    tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => told.store(true, Ordering::Relaxed),
                Ok(Event::Incoming(Packet::Publish(said))) => {
                    keeps.lock().unwrap().push((said.topic, said.payload.to_vec()));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    until("the stranger listens", SOON, async || Ok(subscribed.load(Ordering::Relaxed).then_some(()))).await.unwrap();
    (client, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_floods_replays_corrupts_and_forges_is_not_believed_and_guests_come_in() {
    let gates = ThreeGates::apart_from_the_hub(1, 24).await.unwrap();
    let (a, b) = (gates.gate("Gate A").unwrap(), gates.gate("Gate B").unwrap());
    let (client, heard) = stranger(gates.broker.address()).await;
    let mut tickets = gates.tickets.iter();
    for _ in 0..6 {
        assert!(show(a, tickets.next().unwrap()).await.unwrap().admitted);
    }
    let genuine = heard.lock().unwrap().clone();
    let claims = genuine.iter().filter(|(_, bytes)| matches!(bytes.get(1), Some(2))).count();
    assert!(claims >= 6, "the stranger heard {} messages, {claims} claims", genuine.len());
    let topic = genuine.iter().map(|(topic, _)| topic).find(|topic| topic.ends_with("/all")).unwrap().clone();
    let before = standing(b).await.unwrap().suspicious;

    // all that was said, again; and with a bit changed; and under every topic
    for (index, (said_to, bytes)) in genuine.iter().enumerate() {
        client.publish(said_to.clone(), QoS::AtMostOnce, false, bytes.clone()).await.unwrap();
        client.publish(topic.clone(), QoS::AtMostOnce, false, bytes.clone()).await.unwrap();
        let mut changed = bytes.clone();
        let at = (index * 37) % changed.len();
        changed[at] ^= 1 << (index % 8);
        client.publish(topic.clone(), QoS::AtMostOnce, false, changed).await.unwrap();
    }
    // a box that nobody enrolled: who it is, a claim, a release in a gate's name, an admission of the next ticket
    let key = SigningKey::from_bytes(&[77; 32]);
    let me = device_id(&key.verifying_key().to_bytes());
    let (festival, group) = (gates.world.festival(), 1);
    let victim = Envelope::read(&genuine.iter().find(|(_, bytes)| bytes[1] == 2).unwrap().1).unwrap();
    let Message::Claim { key: claimed, claimant, .. } = victim.message else { panic!("not a claim") };
    let other = ClaimKey::ticket(TicketUid([5; 16]), 0);
    let forged = [
        Message::Presence(Presence {
            epoch: 0,
            box_number: domain::id::BoxNumber(1),
            list: 1,
            asks: true,
            chain: vec![0x80],
        }),
        Message::Claim { list: 1, key: other, claimant: Holder { device: me, epoch: 0, claim: 1 } },
        Message::Release { key: claimed, released: claimant },
        Message::Commit(Told {
            device: claimant.device,
            epoch: 0,
            first: 9_000,
            prev: [1; 32],
            signature: [2; 64],
            bodies: vec![vec![1, 1, 1, 0, 6, 0]],
        }),
        Message::Copy { device: DeviceId([9; 16]), epoch: 0, seq: 1, hash: [0; 16] },
    ];
    for message in forged {
        let bytes = Envelope::seal(&festival, group, &key, &message);
        client.publish(topic.clone(), QoS::AtMostOnce, false, bytes).await.unwrap();
    }
    until("what is wrong is noticed", SOON, async || Ok((standing(b).await?.suspicious > before + 5).then_some(())))
        .await
        .unwrap();
    for _ in 0..4 {
        let text = tickets.next().unwrap();
        let said = show(b, text).await.unwrap();
        assert_eq!((said.admitted, said.decided), (true, DecidedBy::Group), "{said:#?}");
        // until A hears of the admission, it knows of B's claim: no is said from the first moment
        until("A hears of the admission", SOON, async || {
            let again = show(a, text).await?;
            assert!(!again.admitted, "{again:#?}");
            Ok((again.code.as_deref() == Some("ticket.already_used")).then_some(()))
        })
        .await
        .unwrap();
    }

    // a flood while guests come in; whether the group answers in time or not, nobody waits and nobody enters twice
    let flooding = Arc::new(AtomicBool::new(true));
    let goes_on = flooding.clone();
    let flood = tokio::spawn(async move {
        let mut sent = 0u64;
        let large = vec![0xaa; MESSAGE_MAX];
        while goes_on.load(Ordering::Relaxed) {
            let (_, bytes) = &genuine[usize::try_from(sent).unwrap() % genuine.len()];
            let bytes = if sent.is_multiple_of(2) { bytes.clone() } else { large.clone() };
            if client.try_publish(topic.clone(), QoS::AtMostOnce, false, bytes).is_ok() {
                sent += 1;
            }
            if sent.is_multiple_of(20) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        sent
    });
    let (mut by_group, mut alone) = (0, 0);
    for _ in 0..10 {
        let text = tickets.next().unwrap();
        let since = Instant::now();
        let said = show(a, text).await.unwrap();
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        assert!(said.admitted, "{said:#?}");
        by_group += u32::from(said.decided == DecidedBy::Group);
        alone += u32::from(said.decided == DecidedBy::Alone);
        assert!(!show(a, text).await.unwrap().admitted);
    }
    flooding.store(false, Ordering::Relaxed);
    let sent = flood.await.unwrap();
    println!("under a flood of {sent} messages: {by_group} admitted by the group, {alone} alone");
    assert!(sent > 100);
    gates.wait_for_group(&NAMES, 1).await.unwrap();
}

/// A broker that is not ours: garbage at once, or MQTT as it should be and then garbage, replays and a packet without end.
fn hostile_broker(at: SocketAddr, said: Vec<(String, Vec<u8>)>, served: Arc<AtomicUsize>) {
    let listener = TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (said, served) = (said.clone(), served.clone());
            std::thread::spawn(move || {
                let mut stream = stream;
                let turn = served.fetch_add(1, Ordering::Relaxed);
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let mut rest = [0; 4096];
                let _ = stream.read(&mut rest);
                if turn.is_multiple_of(3) {
                    let _ = stream.write_all(&[0xf7; 70_000]);
                    return;
                }
                let _ = stream.write_all(&[0x20, 2, 0, 0]);
                let _ = stream.read(&mut rest);
                let _ = stream.read(&mut rest);
                for id in 1..=2 {
                    let _ = stream.write_all(&[0x90, 3, 0, id, 0]);
                }
                for (index, (topic, bytes)) in said.iter().cycle().take(2 * said.len()).enumerate() {
                    let mut bytes = bytes.clone();
                    if index % 2 == 1 {
                        let at = index % bytes.len();
                        bytes[at] ^= 0x10;
                    }
                    let mut packet = vec![0x30];
                    let mut length = 2 + topic.len() + bytes.len();
                    while length >= 0x80 {
                        packet.push((length & 0x7f) as u8 | 0x80);
                        length >>= 7;
                    }
                    packet.push(length as u8);
                    packet.extend([0, u8::try_from(topic.len()).unwrap()]);
                    packet.extend(topic.as_bytes());
                    packet.extend(bytes);
                    let _ = stream.write_all(&packet);
                }
                std::thread::sleep(Duration::from_millis(500));
                let _ = stream.write_all(&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff]);
            });
            // the real broker wants its port back
            if STOP.load(Ordering::Relaxed) {
                return;
            }
        }
    });
}

/// Entries of its neighbours that a gate holds.
pub(crate) fn told_by_neighbours(gate: &Place) -> usize {
    let store = Connection::open_with_flags(gate.dir.join("store.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let held: i64 = store.query_row("SELECT count(*) FROM neighbour_entry", [], |row| row.get(0)).unwrap();
    usize::try_from(held).unwrap()
}

/// The hostile broker leaves.
static STOP: AtomicBool = AtomicBool::new(false);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_ours_makes_islands_and_no_more() {
    let gates = ThreeGates::apart_from_the_hub(1, 20).await.unwrap();
    let (a, b) = (gates.gate("Gate A").unwrap(), gates.gate("Gate B").unwrap());
    let (_client, heard) = stranger(gates.broker.address()).await;
    let (before, under, after) = (&gates.tickets[..3], &gates.tickets[3..9], &gates.tickets[9..]);
    for text in before {
        assert!(show(a, text).await.unwrap().admitted);
    }
    let told = async || Ok((told_by_neighbours(b) >= before.len()).then_some(()));
    until("Gate B was told of all three", SOON, told).await.unwrap();
    let said = heard.lock().unwrap().clone();
    assert!(said.len() > 6);
    gates.broker.kill();
    let served = Arc::new(AtomicUsize::new(0));
    hostile_broker(gates.broker.address(), said, served.clone());
    until("the gates met the hostile broker", SOON, async || Ok((served.load(Ordering::Relaxed) >= 7).then_some(())))
        .await
        .unwrap();
    for text in under {
        let since = Instant::now();
        let said = show(b, text).await.unwrap();
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        assert_eq!((said.admitted, said.decided), (true, DecidedBy::Alone), "{said:#?}");
    }
    for text in before {
        let said = show(b, text).await.unwrap();
        assert_eq!(said.code.as_deref(), Some("ticket.already_used"), "what was told before stays: {said:#?}");
    }
    STOP.store(true, Ordering::Relaxed);
    // its last guest lets go of the port
    let _ = std::net::TcpStream::connect(gates.broker.address());
    until("the port is free", SOON, async || Ok(TcpListener::bind(gates.broker.address()).is_ok().then_some(())))
        .await
        .unwrap();
    gates.broker.again().unwrap();
    gates.wait_for_group(&NAMES, 1).await.unwrap();
    let mut by_group = 0;
    for text in after {
        let said = show(a, text).await.unwrap();
        assert!(said.admitted, "{said:#?}");
        by_group += usize::from(said.decided == DecidedBy::Group);
    }
    assert!(by_group > 0, "with the right broker back, the group decides");
    assert!(!b.log().contains("panicked"), "no gate's program panicked");
}
