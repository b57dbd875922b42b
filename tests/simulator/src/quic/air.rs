//! The network between boxes and hub, in memory, over the paused clock: packets that come late, twice, in another order
//! or never; lines that are cut; sockets whose owner is gone.
//! Invariant: a function of the seed and of what is sent when; everything that is sent goes into the trace.
//! Not here: when lines are cut (`weather`), what packets say (quinn).
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    fmt,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use sync_quic::{
    Carrier,
    carrier::{AsyncUdpSocket, RecvMeta, Transmit, UdpPoller},
};
use tokio::{sync::Notify, time::Instant};

use crate::dice::Dice;

/// What a path carries in one packet.
const MTU: usize = 1472;
/// Radio gives its turns in steps of so many milliseconds: what is under way meanwhile comes together.
const TURN_MS: u64 = 8;
/// Where the hub is.
pub(crate) const HUB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)), 4433);

/// How good a box's line is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Packets in ten thousand that are lost.
    pub(crate) loss: usize,
    /// Packets in ten thousand that come twice.
    pub(crate) twice: usize,
    /// Shortest way, in milliseconds.
    pub(crate) way_ms: u64,
    /// What chance adds to it, at most: packets overtake each other.
    pub(crate) jitter_ms: u64,
    /// Until when nothing goes through.
    pub(crate) cut_until: Instant,
}

/// What went through the air.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Packets sent.
    pub(crate) packets: u64,
    /// Of them, lost by chance.
    pub(crate) lost: u64,
    /// Of them, that met a cut line or a socket that was gone.
    pub(crate) cut: u64,
    /// That came twice.
    pub(crate) twice: u64,
    /// Bytes sent.
    pub(crate) bytes: u64,
}

type Packet = (SocketAddr, Vec<u8>);

#[derive(Default)]
struct Inbox {
    gone: AtomicBool,
    packets: Mutex<(VecDeque<Packet>, Option<Waker>)>,
}

/// Due at so many milliseconds, as the so-manieth packet, to whom, from whom, what.
type Flying = Reverse<(u64, u64, SocketAddr, SocketAddr, Vec<u8>)>;

struct State {
    dice: Dice,
    lines: Vec<Line>,
    inboxes: HashMap<SocketAddr, Arc<Inbox>>,
    flying: BinaryHeap<Flying>,
    counts: Counts,
    trace: u64,
    ports: u16,
}

/// See the module.
pub(crate) struct Air {
    start: Instant,
    state: Mutex<State>,
    earlier: Notify,
}

impl fmt::Debug for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Air")
    }
}

fn box_ip(n: usize) -> IpAddr {
    let [high, low] = u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low).into()
}

/// The box at this end of a packet's way that is none of the hub's.
fn box_of(from: SocketAddr, to: SocketAddr) -> Option<usize> {
    let ip = if from == HUB { to.ip() } else { from.ip() };
    match ip {
        IpAddr::V4(ip) => {
            let [_, _, high, low] = ip.octets();
            Some(usize::from(u16::from_be_bytes([high, low])))
        }
        IpAddr::V6(_) => None,
    }
}

impl Air {
    /// Air with these lines, one for each box.
    pub(crate) fn new(dice: Dice, lines: Vec<Line>) -> Arc<Self> {
        let (inboxes, flying) = (HashMap::new(), BinaryHeap::new());
        let state = State { dice, lines, inboxes, flying, counts: Counts::default(), trace: 0, ports: 0 };
        Arc::new(Self { start: Instant::now(), state: Mutex::new(state), earlier: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A socket of box `n`, under a port of its own.
    pub(crate) fn of_box(self: &Arc<Self>, n: usize) -> Carrier {
        let port = {
            let mut state = self.state();
            state.ports = state.ports.wrapping_add(1);
            1024 + state.ports % 60_000
        };
        self.carrier(SocketAddr::new(box_ip(n), port))
    }

    /// The hub's socket; what its last one still sends or is sent goes nowhere.
    pub(crate) fn of_hub(self: &Arc<Self>) -> Carrier {
        self.unplug_hub();
        self.carrier(HUB)
    }

    /// The hub is not there any more.
    pub(crate) fn unplug_hub(&self) {
        if let Some(inbox) = self.state().inboxes.remove(&HUB) {
            inbox.gone.store(true, Ordering::Relaxed);
        }
    }

    fn carrier(self: &Arc<Self>, address: SocketAddr) -> Carrier {
        let inbox = Arc::new(Inbox::default());
        let mut state = self.state();
        state.inboxes.insert(address, Arc::clone(&inbox));
        let mut seed = [0; 32];
        for half in seed.as_chunks_mut::<16>().0 {
            *half = state.dice.bytes();
        }
        drop(state);
        let socket = Arc::new(Socket { address, inbox, air: Arc::clone(self) });
        Carrier { socket, seed }
    }

    /// Nothing goes to or from box `n` until then.
    pub(crate) fn cut(&self, n: usize, until: Instant) {
        if let Some(line) = self.state().lines.get_mut(n) {
            line.cut_until = line.cut_until.max(until);
        }
    }

    /// All lines stand from now on.
    pub(crate) fn heal(&self) {
        let now = Instant::now();
        self.state().lines.iter_mut().for_each(|line| line.cut_until = line.cut_until.min(now));
    }

    /// Since when box `n` has a line, or until when it has none.
    pub(crate) fn cut_until(&self, n: usize) -> Instant {
        self.state().lines.get(n).map_or(self.start, |line| line.cut_until)
    }

    /// What went through it, and the trace of that.
    pub(crate) fn counts(&self) -> (Counts, u64) {
        let state = self.state();
        (state.counts, state.trace)
    }

    fn send(&self, from: SocketAddr, gone: bool, to: SocketAddr, bytes: &[u8]) {
        let now = self.now_ms();
        let mut state = self.state();
        state.counts.packets += 1;
        state.counts.bytes += bytes.len() as u64;
        let what = now ^ (bytes.len() as u64) << 44 ^ u64::from(to.port()) << 20 ^ u64::from(from.port());
        state.trace = (state.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        let line = box_of(from, to).and_then(|n| state.lines.get(n).copied());
        let Some(line) = line.filter(|line| !gone && bytes.len() <= MTU && line.cut_until <= Instant::now()) else {
            state.counts.cut += 1;
            return;
        };
        if state.dice.below(10_000) < line.loss {
            state.counts.lost += 1;
            return;
        }
        let copies = if state.dice.below(10_000) < line.twice { 2 } else { 1 };
        state.counts.twice += copies - 1;
        let first = state.flying.peek().map(|Reverse((due, ..))| *due);
        let mut sooner = false;
        for copy in 0..copies {
            let due = (now + line.way_ms + state.dice.draw() % (line.jitter_ms + 1)).next_multiple_of(TURN_MS);
            let number = state.counts.packets << 1 | copy;
            state.flying.push(Reverse((due, number, to, from, bytes.to_vec())));
            sooner |= first.is_none_or(|first| due < first);
        }
        drop(state);
        if sooner {
            self.earlier.notify_one();
        }
    }

    /// Delivers packets when they are due, for ever.
    pub(crate) async fn carry(self: Arc<Self>) {
        loop {
            let next = self.state().flying.peek().map(|Reverse((due, ..))| *due);
            match next {
                None => self.earlier.notified().await,
                Some(due) if due > self.now_ms() => {
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(self.start + Duration::from_millis(due)) => {}
                        () = self.earlier.notified() => {}
                    }
                }
                Some(_) => self.deliver(),
            }
        }
    }

    fn deliver(&self) {
        let now = self.now_ms();
        let mut woken = Vec::new();
        let mut state = self.state();
        while state.flying.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, to, from, bytes))) = state.flying.pop() else { break };
            let Some(inbox) = state.inboxes.get(&to) else {
                state.counts.cut += 1;
                continue;
            };
            let mut packets = inbox.packets.lock().unwrap_or_else(PoisonError::into_inner);
            packets.0.push_back((from, bytes));
            woken.extend(packets.1.take());
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

struct Socket {
    address: SocketAddr,
    inbox: Arc<Inbox>,
    air: Arc<Air>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.address)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.inbox.gone.load(Ordering::Relaxed) {
            self.air.state().inboxes.remove(&self.address);
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let gone = self.inbox.gone.load(Ordering::Relaxed);
        self.air.send(self.address, gone, transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut packets = self.inbox.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for (buffer, meta) in bufs.iter_mut().zip(meta) {
            let Some((from, bytes)) = packets.0.pop_front() else { break };
            let length = bytes.len().min(buffer.len());
            buffer[..length].copy_from_slice(&bytes[..length]);
            *meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (from, length, length);
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        packets.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
