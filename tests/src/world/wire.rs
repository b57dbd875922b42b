//! The network between one box and the hub: a UDP relay on loopback that can be cut and healed.
//! Invariant: while it is cut no datagram passes, in either direction.
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// Most client addresses of one box that are remembered; a box that restarts takes a new port.
const CLIENTS_MAX: usize = 64;
/// Longest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// One wire.
pub struct Wire {
    near: SocketAddr,
    is_cut: Arc<AtomicBool>,
    relay: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire to the hub at `far`.
    pub async fn lay(far: SocketAddr) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let near = socket.local_addr()?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let relay = tokio::spawn(relay(socket, far, Arc::clone(&is_cut)));
        Ok(Self { near, is_cut, relay })
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

async fn relay(near: Arc<UdpSocket>, far: SocketAddr, is_cut: Arc<AtomicBool>) {
    let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, client)) = near.recv_from(&mut buffer).await else { continue };
        if is_cut.load(Ordering::SeqCst) {
            continue;
        }
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
