use domain::trust::Roles;
use sync_quic::{LinkReceiver, ListenerConfig};
use tempfile::TempDir;

use super::*;
use crate::sample::{self, SampleBox};

/// A session that has begun, as far as the box at its other end has been welcomed.
struct Begun {
    session: Session,
    peer: Link,
    _frames: LinkReceiver,
    _listener: HubListener,
    _dir: TempDir,
}

async fn begun(one: &SampleBox) -> Begun {
    let dir = sample::hub_dir();
    let hub = sample::open(dir.path());
    let (feeds, identity, metrics) = (hub.feeds(), hub.identity().clone(), Metrics::default());
    let (writer, _) = Writer::start(hub, Duration::from_secs(10), metrics.clone()).unwrap();
    let (_, down) = watch::channel(false);
    let clock: Clock = Arc::new(|| 1_800_000_000_000);
    let sessions = Sessions::new(writer, feeds, identity, BlobFolder::new(dir.path()), metrics, clock, down);
    let address = "127.0.0.1:0".parse().unwrap();
    let mut listener = HubListener::bind(&ListenerConfig::new(address, sample::key(2), [7; 32])).unwrap();
    let at = listener.local_address().unwrap();
    let mut peer = sync_quic::connect(at, &one.key).await.unwrap();
    let hello = one.hello();
    // a connection is one once something came over it
    peer.send(&Frame::Hello(hello)).await.unwrap();
    let (wire, mut frames) = listener.accept().await.unwrap().split();
    let mut session = Session::new(sessions.inner.clone(), wire);
    session.side.frame(frames.next().await.unwrap().unwrap(), 1_800_000_000_000);
    assert!(session.act().await.is_ok());
    Begun { session, peer, _frames: frames, _listener: listener, _dir: dir }
}

impl Begun {
    /// It missed what it was told, and does what there is to do then.
    async fn lags(&mut self) {
        let told = self.session.told(Err(RecvError::Lagged(1))).await;
        assert!(told.is_ok());
        let _ = self.session.act().await;
    }

    /// The next frame but greetings.
    async fn hears(&mut self) -> Option<Frame> {
        let find = async {
            loop {
                match self.peer.next().await.unwrap() {
                    Some(Frame::Welcome(_) | Frame::Heads(_) | Frame::HaveBundle(_)) => {}
                    other => return other,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), find).await.ok().flatten()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_missed_events_looks_whether_its_box_was_revoked_meanwhile() {
    let one = SampleBox::new(20, Roles(7));
    let mut begun = begun(&one).await;
    let device = one.device;
    begun.session.shared.writer.call(move |hub| hub.revoke_device(device, "stolen")).await.unwrap().unwrap();
    begun.lags().await;
    let heard = begun.hears().await;
    assert!(matches!(&heard, Some(Frame::Refuse(refuse)) if refuse.code == RefuseCode::Revoked.number()), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_missed_the_start_of_a_term_ends() {
    let one = SampleBox::new(20, Roles(7));
    let mut begun = begun(&one).await;
    begun.session.shared.writer.call(|hub| hub.raise_term(5)).await.unwrap().unwrap();
    begun.lags().await;
    let heard = begun.hears().await;
    assert!(matches!(heard, Some(Frame::Bye)), "{heard:?}");
}

/// A hub that serves, and its address.
fn serving(dir: &TempDir) -> (std::net::SocketAddr, Arc<Shared>) {
    let hub = sample::open(dir.path());
    let (feeds, identity, metrics) = (hub.feeds(), hub.identity().clone(), Metrics::default());
    let (writer, _) = Writer::start(hub, Duration::from_secs(10), metrics.clone()).unwrap();
    let (is_down, down) = watch::channel(false);
    let clock: Clock = Arc::new(|| 1_800_000_000_000);
    let sessions = Sessions::new(writer, feeds, identity, BlobFolder::new(dir.path()), metrics, clock, down);
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = HubListener::bind(&ListenerConfig::new(address, sample::key(2), [7; 32])).unwrap();
    let at = listener.local_address().unwrap();
    let shared = sessions.inner.clone();
    tokio::spawn(async move {
        let _up = is_down;
        sessions.serve(listener).await;
    });
    (at, shared)
}

/// A session of this box, welcomed.
async fn welcomed(at: std::net::SocketAddr, one: &SampleBox) -> Link {
    let mut link = sync_quic::connect(at, &one.key).await.unwrap();
    link.send(&Frame::Hello(one.hello())).await.unwrap();
    let welcome = link.next().await.unwrap();
    assert!(matches!(welcome, Some(Frame::Welcome(_))), "{welcome:?}");
    link
}

/// Whether the hub answers on this link within a moment.
async fn answers(link: &mut Link) -> bool {
    link.send(&Frame::Ping(sync::frame::Ping { token: 7, time_ms: 0 })).await.unwrap();
    let pong = async {
        loop {
            match link.next().await {
                Ok(Some(Frame::Pong(pong))) => break pong.token == 7,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break false,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), pong).await == Ok(true)
}

/// Whether the hub ends this link within a moment.
async fn is_ended(link: &mut Link) -> bool {
    let ended = async { while let Ok(Some(_)) = link.next().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_session_of_a_box_ends_the_one_before_it_and_goes_on_with_its_quota() {
    let dir = sample::hub_dir();
    let (at, shared) = serving(&dir);
    let (mut one, other) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(7)));
    for n in 0..400 {
        one.top_up(sample::wallet(n as u8), 1);
    }
    let mut others = welcomed(at, &other).await;
    let mut first = welcomed(at, &one).await;
    first.send(&Frame::Segment(one.segment(0, 401).segment().clone())).await.unwrap();
    while !matches!(first.next().await.unwrap(), Some(Frame::Ack(_))) {}
    // the box lost its line, and the hub has not noticed
    let mut second = welcomed(at, &one).await;
    assert!(is_ended(&mut first).await);
    second.send(&Frame::Segment(one.segment(0, 401).segment().clone())).await.unwrap();
    while !matches!(second.next().await.unwrap(), Some(Frame::Ack(_))) {}
    let (_, mut left) = shared.seats.take(one.device);
    assert!(!left.take(100_000 - 300, 0, 0), "what it sent came out of its quota");
    assert!(is_ended(&mut second).await, "whoever takes the seat ends the session that has it");
    assert!(answers(&mut others).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_boxes_and_of_strangers_leave_a_box_its_session() {
    let dir = sample::hub_dir();
    let (at, _shared) = serving(&dir);
    let (one, other) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(7)));
    let mut first = welcomed(at, &one).await;
    let _others = welcomed(at, &other).await;
    // its chain in a hello over another key's connection
    let mut stranger = sync_quic::connect(at, &other.key).await.unwrap();
    stranger.send(&Frame::Hello(one.hello())).await.unwrap();
    assert!(is_ended(&mut stranger).await);
    assert!(answers(&mut first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_box_was_heard_is_kept_and_nothing_is_of_strangers() {
    let dir = sample::hub_dir();
    let (at, shared) = serving(&dir);
    let (one, stranger) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(7)));
    let mut link = sync_quic::connect(at, &stranger.key).await.unwrap();
    link.send(&Frame::Ping(sync::frame::Ping { token: 7, time_ms: 0 })).await.unwrap();
    assert!(is_ended(&mut link).await);
    let _link = welcomed(at, &one).await;
    let hears = |device| shared.writer.call(move |hub| hub.hears(device));
    let is_noted = async {
        while !hears(one.device).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), is_noted).await.is_ok());
    assert!(!hears(stranger.device).await.unwrap(), "it came before the box");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_was_sent_away_may_come_back_whatever_the_wall_clock_says() {
    let dir = sample::hub_dir();
    // its wall clock stands still
    let (at, _shared) = serving(&dir);
    let mut one = SampleBox::new(20, Roles(7));
    one.top_up(sample::wallet(1), 1);
    let mut link = welcomed(at, &one).await;
    let mut wrong = one.segment(0, 2).segment().clone();
    wrong.bodies[1][60] ^= 1;
    link.send(&Frame::Segment(wrong)).await.unwrap();
    assert!(is_ended(&mut link).await);
    let comes_back = async {
        loop {
            let mut link = sync_quic::connect(at, &one.key).await.unwrap();
            link.send(&Frame::Hello(one.hello())).await.unwrap();
            if matches!(link.next().await, Ok(Some(Frame::Welcome(_)))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), comes_back).await.is_ok());
}
