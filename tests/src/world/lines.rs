//! The lines between boxes and their LAN's broker: a TCP relay that knows by its MQTT name who is at the other end, and
//! gives each a line of its own that can be cut, silenced and mended.
//! Invariant: once a line is not open no byte passes in either direction; what was sent into a silent line arrives late,
//! as TCP sends it again, or never.
//! Not here: the broker, what boxes say.
use std::{
    collections::HashMap,
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Longest greeting: names of boxes are short.
const GREETING_MAX: usize = 512;
/// Whoever does not say by then who it is, is nobody.
const GREETS_WITHIN: Duration = Duration::from_secs(5);

/// State of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// Bytes pass.
    #[default]
    Open,
    /// A black hole: connections stay, nothing passes, nobody is told.
    Silent,
    /// Connections end at once.
    Closed,
}

type States = Arc<Mutex<HashMap<String, watch::Sender<Line>>>>;

/// All of them.
pub struct Lines {
    near: SocketAddr,
    states: States,
    accepting: JoinHandle<()>,
}

impl Lines {
    /// Lays lines to a broker.
    pub async fn lay(broker: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (near, states) = (listener.local_addr()?, States::default());
        let accepting = tokio::spawn(accept(listener, broker, Arc::clone(&states)));
        Ok(Self { near, states, accepting })
    }

    /// Where boxes find the broker.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Sets the line of whoever calls itself this.
    pub fn set(&self, name: &str, line: Line) {
        state_of(&self.states, name).send_replace(line);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn state_of(states: &States, name: &str) -> watch::Sender<Line> {
    let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
    states.entry(name.to_owned()).or_default().clone()
}

async fn accept(listener: TcpListener, broker: SocketAddr, states: States) {
    // ends with the lines, and all that passes over them with it
    let mut serving = tokio::task::JoinSet::new();
    loop {
        if let Ok((near, _)) = listener.accept().await {
            serving.spawn(serve(near, broker, Arc::clone(&states)));
        }
        while serving.try_join_next().is_some() {}
    }
}

async fn serve(mut near: TcpStream, broker: SocketAddr, states: States) -> Result<()> {
    near.set_nodelay(true)?;
    let greeting = tokio::time::timeout(GREETS_WITHIN, greeting(&mut near)).await??;
    let mut line = state_of(&states, name_in(&greeting)?).subscribe();
    let began_as = *line.borrow_and_update();
    if began_as != Line::Open {
        // a connection that nobody answers, or none; it comes to nothing, whatever becomes of the line
        while began_as == Line::Silent && *line.borrow_and_update() == Line::Silent && line.changed().await.is_ok() {}
        return Ok(());
    }
    let mut far = TcpStream::connect(broker).await?;
    far.set_nodelay(true)?;
    far.write_all(&greeting).await?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        ended = pass(near_in, far_out, line.clone()) => ended,
        ended = pass(far_in, near_out, line) => ended,
    }
}

/// The whole CONNECT packet.
async fn greeting(near: &mut TcpStream) -> Result<Vec<u8>> {
    let mut bytes = vec![near.read_u8().await?];
    let (mut length, mut shift) = (0, 0);
    loop {
        let next = near.read_u8().await?;
        bytes.push(next);
        length |= usize::from(next & 0x7f) << shift;
        shift += 7;
        if next & 0x80 == 0 {
            break;
        }
        if shift > 21 {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    if length > GREETING_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let head = bytes.len();
    bytes.resize(head + length, 0);
    near.read_exact(&mut bytes[head..]).await?;
    Ok(bytes)
}

/// Client identifier of a CONNECT packet of MQTT 3.1.1, section 3.1: behind the protocol's name, its level, flags and the
/// keep-alive.
fn name_in(greeting: &[u8]) -> Result<&str> {
    let nobody = || Error::from(ErrorKind::InvalidData);
    let start = greeting.windows(6).position(|bytes| bytes == b"\x00\x04MQTT").ok_or_else(nobody)? + 10;
    let [high, low] = *greeting.get(start..).and_then(<[u8]>::first_chunk).ok_or_else(nobody)?;
    let end = start + 2 + usize::from(u16::from_be_bytes([high, low]));
    std::str::from_utf8(greeting.get(start + 2..end).ok_or_else(nobody)?).map_err(|_| nobody())
}

/// One direction, until an end closes it or the line is cut.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) -> Result<()> {
    let mut buffer = vec![0; 16_384];
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => read?,
            closed = closed(line.clone()) => return closed,
        };
        if length == 0 {
            return Ok(());
        }
        // what came while nothing passes waits, and so does whatever comes behind it
        loop {
            let now = *line.borrow_and_update();
            match now {
                Line::Open => break,
                Line::Closed => return Ok(()),
                Line::Silent => line.changed().await.map_err(|_| Error::from(ErrorKind::NotConnected))?,
            }
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Once the line is cut.
async fn closed(mut line: watch::Receiver<Line>) -> Result<()> {
    while *line.borrow_and_update() != Line::Closed {
        line.changed().await.map_err(|_| Error::from(ErrorKind::NotConnected))?;
    }
    Ok(())
}
