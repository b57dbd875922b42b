//! One connection as frames: a control stream both ways, and a stream for bulk data in each direction.
//! Invariant: nothing of the bulk stream is given out before the first control frame, which says who the peer is; what
//! waits in memory is a few frames in each direction, packed as they came until somebody takes them.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint, ReadError, RecvStream, SendStream, VarInt};
use sync::{Frame, FrameError, FrameReader, frame::RawFrame};
use thiserror::Error;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};

use crate::key;

/// Frames that wait to be written. The session keeps fewer under way, so that both ends never wait for each other.
const WRITE_AHEAD: usize = 64;
/// Frames that wait to be taken.
const READ_AHEAD: usize = 4;
const CHUNK: usize = 64 * 1024;
/// The hub tells a box of several sections at once, in batches that come within so long of each other,
const TOGETHER_WITHIN: Duration = Duration::from_millis(20);
/// this many at most,
const TOGETHER: usize = 8;
/// and shorter than this: a longer one is a part of many, and the next comes only when this one is confirmed.
const SHORT: usize = 16 * 1024;
/// What was sent last is given so long to arrive.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);
const CODE_DONE: VarInt = VarInt::from_u32(0);
const CODE_UNREADABLE: VarInt = VarInt::from_u32(1);

/// Why a link cannot be made or is gone.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Limits that QUIC cannot express.
    #[error("the connection's limits cannot be set")]
    Settings,
    /// No socket.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The local key cannot be used.
    #[error("key: {0}")]
    Key(#[from] rustls::Error),
    /// The address cannot be connected to.
    #[error("connecting: {0}")]
    Connect(#[from] quinn::ConnectError),
    /// Nobody answered in time.
    #[error("{0} does not answer")]
    NoAnswer(SocketAddr),
    /// The handshake failed or the connection broke.
    #[error("connection: {0}")]
    Connection(#[from] ConnectionError),
    /// The peer showed no Ed25519 key.
    #[error("the peer showed no Ed25519 key")]
    NoKey,
    /// The peer sent what is no frame; the link is closed.
    #[error("frame: {0}")]
    Frame(#[from] FrameError),
    /// The stream was ended in the middle of a frame.
    #[error("the peer ended in the middle of a frame")]
    CutShort,
    /// The peer reset or stopped a stream.
    #[error("the peer stopped a stream")]
    Stopped,
    /// This end closed the link.
    #[error("the link is closed")]
    Closed,
}

/// A connection to a peer whose key is proven.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

/// Sends frames.
#[derive(Debug)]
pub struct LinkSender {
    /// `None` once this end has closed.
    queues: Option<Queues>,
    shared: Arc<Shared>,
}

/// Receives frames.
#[derive(Debug)]
pub struct LinkReceiver {
    control: Receiver<Result<RawFrame, LinkError>>,
    bulk: Receiver<Result<RawFrame, LinkError>>,
    knows_peer: bool,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Queues {
    control: Sender<Vec<u8>>,
    bulk: Sender<Vec<u8>>,
    writers: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    peer_public_key: [u8; 32],
    /// Kept alive with a connection that a box made.
    _endpoint: Option<Endpoint>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.connection.close(CODE_DONE, b"dropped");
    }
}

impl Link {
    /// The end that connected opens the control stream.
    pub(crate) async fn opened(connection: Connection, endpoint: Endpoint) -> Result<Self, LinkError> {
        let streams = connection.open_bi().await?;
        Self::on(connection, streams, Some(endpoint)).await
    }

    /// The end that was connected to: the control stream is there when the peer has written on it.
    pub(crate) async fn accepted(connection: Connection) -> Result<Self, LinkError> {
        let streams = connection.accept_bi().await?;
        Self::on(connection, streams, None).await
    }

    async fn on(
        connection: Connection,
        (send, receive): (SendStream, RecvStream),
        endpoint: Option<Endpoint>,
    ) -> Result<Self, LinkError> {
        let peer_public_key = peer_key(&connection).ok_or(LinkError::NoKey)?;
        let bulk = connection.open_uni().await?;
        // Acknowledgements go before bulk data.
        send.set_priority(1).map_err(|_| LinkError::Closed)?;
        let (control_out, control_queue) = channel(WRITE_AHEAD);
        let (bulk_out, bulk_queue) = channel(WRITE_AHEAD);
        let (control_in, control_frames) = channel(READ_AHEAD);
        let (bulk_in, bulk_frames) = channel(READ_AHEAD);
        let writers = [tokio::spawn(write(send, control_queue)), tokio::spawn(write(bulk, bulk_queue))];
        tokio::spawn(read(connection.clone(), receive, control_in));
        tokio::spawn(read_bulk(connection.clone(), bulk_in));
        let shared = Arc::new(Shared { connection, peer_public_key, _endpoint: endpoint });
        let queues = Some(Queues { control: control_out, bulk: bulk_out, writers });
        let sender = LinkSender { queues, shared: Arc::clone(&shared) };
        let receiver = LinkReceiver { control: control_frames, bulk: bulk_frames, knows_peer: false, shared };
        Ok(Self { sender, receiver })
    }

    /// The Ed25519 key that the peer proved to hold.
    pub fn peer_public_key(&self) -> [u8; 32] {
        self.sender.shared.peer_public_key
    }

    /// Where the peer is at the moment.
    pub fn peer_address(&self) -> SocketAddr {
        self.sender.shared.connection.remote_address()
    }

    /// As [`LinkSender::send`].
    pub async fn send(&mut self, frame: &Frame) -> Result<(), LinkError> {
        self.sender.send(frame).await
    }

    /// As [`LinkReceiver::next`].
    pub async fn next(&mut self) -> Result<Option<Frame>, LinkError> {
        self.receiver.next().await
    }

    /// A frame that was taken, and where it is a batch of the hub's state the frames that come with it: written
    /// together they cost a box one flush, and are confirmed in one packet. Where the link breaks, what was taken is
    /// given out first.
    pub async fn with_its_like(&mut self, first: Frame) -> Vec<Frame> {
        let mut frames = vec![first];
        while frames.len() < TOGETHER
            && matches!(frames.last(), Some(Frame::Delta(batch)) if batch.body.len() < SHORT)
            && let Ok(Ok(Some(frame))) = tokio::time::timeout(TOGETHER_WITHIN, self.next()).await
        {
            frames.push(frame);
        }
        frames
    }

    /// As [`LinkSender::close`].
    pub async fn close(&mut self) {
        self.sender.close().await;
    }

    /// Both halves, for two tasks.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }
}

impl LinkSender {
    /// The Ed25519 key that the peer proved to hold.
    pub fn peer_public_key(&self) -> [u8; 32] {
        self.shared.peer_public_key
    }

    /// Hands a frame over to be written; waits while too many wait already. Nothing is lost by dropping the future.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), LinkError> {
        let bytes = frame.encode()?;
        let queues = self.queues.as_ref().ok_or(LinkError::Closed)?;
        let queue = if frame.is_bulk() { &queues.bulk } else { &queues.control };
        queue.send(bytes).await.map_err(|_| self.shared.gone())
    }

    /// Waits (a bounded time) until the peer has what was sent, then closes the connection.
    pub async fn close(&mut self) {
        let Some(Queues { control, bulk, writers }) = self.queues.take() else { return };
        drop((control, bulk));
        let [first, second] = writers;
        let written = async {
            let _ = first.await;
            let _ = second.await;
        };
        if tokio::time::timeout(GOODBYE_WITHIN, written).await.is_err() {
            tracing::debug!("the peer did not take what was sent last");
        }
        self.shared.connection.close(CODE_DONE, b"done");
    }
}

impl LinkReceiver {
    /// The Ed25519 key that the peer proved to hold.
    pub fn peer_public_key(&self) -> [u8; 32] {
        self.shared.peer_public_key
    }

    /// The next frame; `None` when the peer closed in order. Nothing is lost by dropping the future. After an error
    /// the link is gone.
    pub async fn next(&mut self) -> Result<Option<Frame>, LinkError> {
        let next = if self.knows_peer {
            tokio::select! {
                biased;
                next = self.control.recv() => next,
                Some(next) = self.bulk.recv() => Some(next),
            }
        } else {
            self.control.recv().await
        };
        match next {
            // Unpacked only now: a thousand boxes' segments that wait their turn take a tenth of the memory.
            Some(Ok(raw)) => match Frame::from_raw(&raw) {
                Ok(frame) => {
                    self.knows_peer = true;
                    Ok(Some(frame))
                }
                Err(error) => {
                    self.shared.connection.close(CODE_UNREADABLE, b"not a frame");
                    Err(error.into())
                }
            },
            Some(Err(LinkError::Connection(ConnectionError::ApplicationClosed(close))))
                if close.error_code == CODE_DONE =>
            {
                Ok(None)
            }
            Some(Err(error)) => {
                self.shared.connection.close(CODE_UNREADABLE, b"unreadable");
                Err(error)
            }
            None => Ok(None),
        }
    }
}

impl Shared {
    fn gone(&self) -> LinkError {
        self.connection.close_reason().map_or(LinkError::Stopped, |reason| match reason {
            ConnectionError::LocallyClosed => LinkError::Closed,
            ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::ApplicationClosed(_)
            | ConnectionError::Reset
            | ConnectionError::TimedOut
            | ConnectionError::CidsExhausted => LinkError::Connection(reason),
        })
    }
}

fn peer_key(connection: &Connection) -> Option<[u8; 32]> {
    let shown = connection.peer_identity()?.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
    match shown.as_slice() {
        [key] => key::ed25519(key),
        _ => None,
    }
}

/// Writes frames until the queue is dropped, then until the peer has them all.
async fn write(mut stream: SendStream, mut queue: Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        // handed over, not copied: the peer confirms them later
        if stream.write_chunk(Bytes::from(bytes)).await.is_err() {
            return;
        }
    }
    if stream.finish().is_ok() {
        let _ = stream.stopped().await;
    }
}

async fn read_bulk(connection: Connection, frames: Sender<Result<RawFrame, LinkError>>) {
    match connection.accept_uni().await {
        Ok(stream) => read(connection, stream, frames).await,
        // The control stream tells why.
        Err(_) => drop(frames),
    }
}

/// Reads frames until the stream ends or somebody breaks a rule.
async fn read(connection: Connection, mut stream: RecvStream, frames: Sender<Result<RawFrame, LinkError>>) {
    let mut reader = FrameReader::new();
    let outcome = loop {
        let chunk = match stream.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) if reader.is_empty() => break None,
            Ok(None) => break Some(LinkError::CutShort),
            Err(ReadError::ConnectionLost(ConnectionError::LocallyClosed)) => break Some(LinkError::Closed),
            Err(ReadError::ConnectionLost(error)) => break Some(error.into()),
            Err(
                ReadError::Reset(_)
                | ReadError::ClosedStream
                | ReadError::IllegalOrderedRead
                | ReadError::ZeroRttRejected,
            ) => {
                break Some(LinkError::Stopped);
            }
        };
        reader.push(&chunk.bytes);
        match forward(&mut reader, &frames).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                connection.close(CODE_UNREADABLE, b"not a frame");
                break Some(error.into());
            }
        }
    };
    if let Some(error) = outcome {
        // Nobody may be listening any more.
        let _ = frames.send(Err(error)).await;
    }
}

/// Gives out the whole frames that are there; `false` when nobody takes them.
async fn forward(reader: &mut FrameReader, frames: &Sender<Result<RawFrame, LinkError>>) -> Result<bool, FrameError> {
    while let Some(frame) = reader.next_raw()? {
        if frames.send(Ok(frame)).await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
