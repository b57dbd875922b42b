//! The network between one box and the hub: a UDP relay on loopback that can be cut and mended.
//! Invariant: while it is cut no datagram passes, in either direction.
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// Most client addresses of one box that are remembered; a box that restarts takes a new port.
const CLIENTS_MAX: usize = 64;
/// Longest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Where the wire ends: nowhere until the hub listens, elsewhere once it was restarted.
type Far = Arc<RwLock<Option<SocketAddr>>>;

/// One wire.
pub struct Wire {
    near: SocketAddr,
    far: Far,
    is_cut: Arc<AtomicBool>,
    relay: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire that leads nowhere yet.
    pub async fn lay() -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let near = socket.local_addr()?;
        let (far, is_cut) = (Far::default(), Arc::new(AtomicBool::new(false)));
        let relay = tokio::spawn(relay(socket, Arc::clone(&far), Arc::clone(&is_cut)));
        Ok(Self { near, far, is_cut, relay })
    }

    /// Lets it end at the hub that listens at `far`.
    pub fn lead_to(&self, far: SocketAddr) {
        *self.far.write().unwrap_or_else(PoisonError::into_inner) = Some(far);
    }

    /// Where the box finds the hub.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(near: Arc<UdpSocket>, far: Far, is_cut: Arc<AtomicBool>) {
    let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
    let mut leads_to = None;
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, client)) = near.recv_from(&mut buffer).await else { continue };
        let now = *far.read().unwrap_or_else(PoisonError::into_inner);
        if now != leads_to {
            leads_to = now;
            clients.drain().for_each(|(_, (_, back))| back.abort());
        }
        let Some(far) = leads_to.filter(|_| !is_cut.load(Ordering::SeqCst)) else { continue };
        if !clients.contains_key(&client) {
            if clients.len() >= CLIENTS_MAX {
                clients.drain().for_each(|(_, (_, back))| back.abort());
            }
            let Ok(up) = UdpSocket::bind("127.0.0.1:0").await else { continue };
            if up.connect(far).await.is_err() {
                continue;
            }
            let up = Arc::new(up);
            let back = tokio::spawn(relay_back(Arc::clone(&up), Arc::clone(&near), client, Arc::clone(&is_cut)));
            clients.insert(client, (up, back));
        }
        if let Some((up, _)) = clients.get(&client) {
            // an unreachable hub looks like a lost datagram, as on a real network
            let _ = up.send(&buffer[..length]).await;
        }
    }
}

async fn relay_back(up: Arc<UdpSocket>, near: Arc<UdpSocket>, client: SocketAddr, is_cut: Arc<AtomicBool>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        match up.recv(&mut buffer).await {
            Ok(length) if !is_cut.load(Ordering::SeqCst) => {
                let _ = near.send_to(&buffer[..length], client).await;
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}
