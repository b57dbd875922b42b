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
