//! Floods of QUIC: genuine first packets of clients that never go on, and rubbish, from one address and from many. The hub's
//! memory keeps its bounds, its boxes come back and deliver meanwhile, and taps notice nothing.
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use evening::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        DESK, World,
        counter::{Request, Tapped},
        wait::until,
    },
};
use tokio::{net::UdpSocket, task::block_in_place};

const SOON: Duration = Duration::from_secs(30);
/// A box that starts in the middle of the flood has delivered everything by then.
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);
/// Whoever stands at the reader is served in this time.
const SERVED_WITHIN: Duration = Duration::from_secs(5);
/// What the flood may add to the hub's memory: eight megabytes of waiting packets are allowed, and what handshakes hold.
const MORE_KB: u64 = 32 * 1024;
/// First packets of so many clients; each is sent again and again.
const CLIENTS: usize = 2_000;
/// Shortest datagram that begins a connection, RFC 9000, section 14.1.
const INITIAL_MIN: usize = 1_200;
/// Sent at a time.
const BURST: usize = 24;

/// The first datagrams of clients that this machine's own QUIC wrote: each is one that the hub must look at.
async fn genuine(count: usize) -> Vec<Vec<u8>> {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = nobody.local_addr().unwrap();
    let (mut packets, mut names, mut buffer) = (Vec::new(), BTreeSet::new(), vec![0; 2_048]);
    for n in 0.. {
        let key = SigningKey::from_bytes(&[u8::try_from(n % 251).unwrap(); 32]);
        let client = tokio::spawn(async move { sync_quic::connect(at, &key).await.is_ok() });
        let (length, _) = tokio::time::timeout(SOON, nobody.recv_from(&mut buffer)).await.unwrap().unwrap();
        client.abort();
        let packet = &buffer[..length];
        // a long header of an Initial, RFC 9000, section 17.2.2; the client's name for the hub is the connection's
        let name = packet.get(6..6 + usize::from(packet[5])).unwrap_or_default().to_vec();
        if length >= INITIAL_MIN && packet[0] & 0xf0 == 0xc0 && names.insert(name) {
            packets.push(packet.to_vec());
        }
        if packets.len() == count {
            return packets;
        }
        assert!(n < 20 * count, "{} of {n} datagrams began a connection", packets.len());
    }
    unreachable!()
}

/// What only looks like QUIC: versions that nobody knows, first packets that do not decrypt, packets of no connection.
fn rubbish(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let heads: [&[u8]; 3] = [&[0xc3, 0, 0, 0, 1, 8], &[0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8], &[0x43]];
    let packet = |n: usize| {
        let mut packet: Vec<u8> = (0..INITIAL_MIN).map(|_| next()).collect();
        let head = heads[n % heads.len()];
        packet[..head.len()].copy_from_slice(head);
        packet
    };
    (0..count).map(packet).collect()
}

/// Somebody who sends without end; stops when dropped.
struct Flood {
    goes_on: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    sender: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(hub: SocketAddr, from: &[SocketAddr], packets: Arc<Vec<Vec<u8>>>) -> Self {
        let sockets: Vec<std::net::UdpSocket> =
            from.iter().map(|from| std::net::UdpSocket::bind(from).unwrap()).collect();
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        let (goes_on, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (Arc::clone(&goes_on), Arc::clone(&sent));
        let sender = std::thread::spawn(move || {
            let mut answer = [0; 2_048];
            for (n, packet) in (0..).zip(packets.iter().cycle()) {
                let socket = &sockets[n % sockets.len()];
                if socket.send_to(packet, hub).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                // answers go nowhere
                while socket.recv(&mut answer).is_ok() {}
                if n % BURST == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if !until.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self { goes_on, sent, sender: Some(sender) }
    }

    fn stop(mut self) -> u64 {
        self.goes_on.store(false, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            sender.join().unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

/// Most memory that the process ever held, kilobytes.
fn most_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// UDP ports on which a process waits.
fn udp_ports(process: u32) -> Vec<u16> {
    let links = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = links.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets: BTreeSet<String> =
        links.filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())).collect();
    let table = fs::read_to_string(format!("/proc/{process}/net/udp")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own = rows.filter(|row| row.get(9).is_some_and(|inode| sockets.contains(*inode)));
    own.filter_map(|row| u16::from_str_radix(row[1].split(':').nth(1)?, 16).ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_leaves_the_hubs_memory_its_boxes_and_their_taps_alone() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    let (hub, process) = (world.hub.quic().unwrap(), world.hub.pid().unwrap());
    let mut chance = Chance::new(23);
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    let mut guest = Guest::new(1, paper, world.supplier.uid_only(1));
    let mut packets = genuine(CLIENTS).await;
    packets.extend(rubbish(CLIENTS));
    let packets = Arc::new(packets);
    let address =
        |n: usize, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 66, u8::try_from(n).unwrap())), port);
    let from_one = vec![address(1, 0)];
    let from_many: Vec<SocketAddr> = (0..128).map(|n| address(1 + n % 64, 0)).collect();
    for (from, sources) in [("one address", from_one), ("64 addresses", from_many)] {
        let before = most_kb(process);
        let flood = Flood::start(hub, &sources, Arc::clone(&packets));
        // the box's own socket gets its share: nobody can begin a connection there
        let port = udp_ports(desk.pid().unwrap());
        assert_eq!(port.len(), 1, "a box speaks to its hub, and no one speaks to it: {port:?}");
        let at_box = Flood::start(SocketAddr::from(([127, 0, 0, 1], port[0])), &sources, Arc::clone(&packets));
        let since = Instant::now();
        let mut slowest = Duration::ZERO;
        for round in 0..12 {
            if round == 4 {
                // a box that starts now has a handshake to make
                block_in_place(|| desk.kill().and_then(|()| desk.start())).unwrap();
            }
            let (since, id) = (Instant::now(), chance.request_id());
            let tapped = desk.tap_until_over(&mut guest, &Request::TopUp(100), &id, Vec::new()).await.unwrap();
            assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
            slowest = slowest.max(since.elapsed());
        }
        let delivered = Instant::now();
        desk.wait_for_link(true, DELIVERED_WITHIN).await.unwrap();
        world.wait_until_agreed(DELIVERED_WITHIN.saturating_sub(delivered.elapsed())).await.unwrap();
        let delivered = delivered.elapsed();
        let lasted = async || Ok((since.elapsed() > Duration::from_secs(5)).then_some(()));
        until("the flood has lasted", SOON, lasted).await.unwrap();
        let (at_hub, at_box) = (flood.stop(), at_box.stop());
        let more = most_kb(process).saturating_sub(before);
        eprintln!(
            "{from}: {at_hub} datagrams at the hub, {at_box} at the box in {:?}; slowest tap {slowest:?}, \
             delivered after {delivered:?}, {more} kB more",
            since.elapsed()
        );
        assert!(at_hub > 20_000, "{at_hub} datagrams are no flood");
        assert!(slowest < SERVED_WITHIN, "{slowest:?}");
        assert!(more < MORE_KB, "{more} kB more");
    }
    assert_eq!(world.hub.pid(), Some(process), "the same hub");
    world.wait_until_agreed(SOON).await.unwrap();
}
