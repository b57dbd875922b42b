//! The link to the hub, which comes and goes without anyone's help.
//! Invariant: the session's state machine decides; here its actions are carried out, one after another.
//! Not here: what is sent when (`sync`), sockets (`sync-quic`).
use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use box_store::{DeltaOutcome, NewerSelf};
use domain::{
    id::{BoxNumber, EntryRef},
    journal::Head,
};
use sync::{
    BoxAction, BoxSide, BoxStart, Frame, Section, SignedDelta, VersionVector,
    frame::{HaveDelta, SectionHeld},
};
use sync_quic::{Backoff, Dialer, Link, Settings};

use crate::{lan::forwarding::Forwarding, loaded::Taken, station::Station};

/// Sections that a box keeps.
pub(crate) const SECTIONS: [Section; 7] = [
    Section::Wallets,
    Section::Tickets,
    Section::Revocations,
    Section::Documents,
    Section::Zones,
    Section::Credits,
    Section::Shares,
];
const TICK: Duration = Duration::from_millis(500);
/// A session of such a length worked.
const WORKED: Duration = Duration::from_secs(10);
/// Taken for the way of the hub's time to the box.
const ROUND_TRIP_MS: u64 = 500;

/// Keeps a session with one of the hub's nodes until the box stops.
pub(crate) async fn keep(station: Arc<Station>) {
    let mut side = match tokio::task::block_in_place(|| side(&station)) {
        Ok(side) => side,
        Err(error) => return tracing::error!("no sync: {error:#}"),
    };
    let dialer = match Dialer::new(&station.enrolled().identity, &Settings::default()) {
        Ok(dialer) => dialer,
        Err(error) => return tracing::error!("no sync: {error}"),
    };
    let (mut backoff, mut forwarding) = (Backoff::default(), Forwarding::default());
    let started = Instant::now();
    let hubs = station.enrolled().config.hubs.clone();
    for hub in hubs.iter().cycle() {
        let mut began = None;
        if let Err(error) = session(&station, &dialer, &mut side, &mut forwarding, hub, started, &mut began).await {
            tracing::debug!(hub, "no session: {error:#}");
        }
        forgive(&mut backoff, began.map(|began| began.elapsed()));
        side.closed();
        if station.hub().connected {
            station.hub_is(false);
        }
        let mut random = [0; 4];
        // without randomness every box retries in step; that is a nuisance, not an error
        let _ = getrandom::fill(&mut random);
        tokio::select! {
            () = tokio::time::sleep(backoff.next(u32::from_le_bytes(random))) => {}
            () = station.stopping() => return,
        }
    }
}

/// A line that held for a while is tried again soon, however it ended: most of them just break.
fn forgive(backoff: &mut Backoff, held: Option<Duration>) {
    if held.is_some_and(|held| held > WORKED) {
        backoff.reset();
    }
}

fn side(station: &Station) -> Result<BoxSide> {
    let enrolled = station.enrolled();
    let epoch = station.store.read(|view| view.head().map_or(0, |head| head.at.epoch))?;
    let loaded = station.bundle();
    let bundle = &loaded.bundle;
    Ok(BoxSide::new(BoxStart {
        founding: enrolled.founding.clone(),
        public_key: enrolled.identity.verifying_key().to_bytes(),
        chain: enrolled.chain.clone(),
        epoch,
        roles: enrolled.config.roles,
        software: concat!("edge ", env!("CARGO_PKG_VERSION")).into(),
        held: VersionVector::new(station.store.vector()?),
        acked: station.store.acked()?,
        sections: station.store.sections_held(&SECTIONS)?,
        // one whose blobs are lost is fetched again
        bundle: if loaded.is_whole() { bundle.body.number } else { 0 },
        bundle_keys: vec![bundle.signer],
    })
    .presenting(enrolled.further.clone()))
}

async fn session(
    station: &Station,
    dialer: &Dialer,
    side: &mut BoxSide,
    forwarding: &mut Forwarding,
    hub: &str,
    started: Instant,
    began: &mut Option<Instant>,
) -> Result<()> {
    let now = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let address = resolve(hub.to_owned()).await?;
    let mut link = tokio::select! {
        link = dialer.connect(address) => link.context("connecting")?,
        () = station.stopping() => return Ok(()),
    };
    *began = Some(Instant::now());
    side.edits_waiting(tokio::task::block_in_place(|| station.edits_waiting())?);
    let mut changes = station.follow();
    // nobody listened between the sessions, and neighbours may have carried to the hub what was sold meanwhile
    tokio::task::block_in_place(|| tell_commits(station, side))?;
    side.connected(link.peer_public_key(), now());
    let mut tick = tokio::time::interval(TICK);
    loop {
        if carry_out(station, side, &mut link).await? {
            link.close().await;
            return Ok(());
        }
        tokio::select! {
            // what the hub says is compared with what this box holds: it hears of its own commits first
            biased;
            changed = changes.changed() => {
                changed?;
                tokio::task::block_in_place(|| tell_commits(station, side))?;
            }
            frame = link.next() => {
                let Some(frame) = frame.context("the link broke")? else { return Ok(()) };
                station.hub_heard();
                for frame in link.with_its_like(frame).await {
                    side.frame(frame, now());
                }
            }
            _ = tick.tick() => {
                side.tick(now());
                if side.is_online() {
                    let due = tokio::task::block_in_place(|| forwarding.due(&station.store))?;
                    side.held_all(due);
                }
            }
            () = station.stopping(), if !station.is_stopping() => {}
        }
        if station.is_stopping() {
            tokio::task::block_in_place(|| tell_commits(station, side))?;
            side.leave();
        }
    }
}

async fn resolve(hub: String) -> Result<SocketAddr> {
    let found = tokio::task::spawn_blocking(move || {
        let mut found = hub.to_socket_addrs().with_context(|| format!("hub address {hub:?}"))?;
        found.next().with_context(|| format!("hub address {hub:?} names nobody"))
    });
    found.await?
}

fn tell_commits(station: &Station, side: &mut BoxSide) -> Result<()> {
    if station.must_ask_again() {
        for SectionHeld { section, term, number } in station.store.sections_held(&SECTIONS)? {
            side.delta_stored(HaveDelta { section, term, number, next_part: None, own: None });
        }
    }
    if station.has_new_edits() {
        side.edits_waiting(station.edits_waiting()?);
    }
    if let Some(head) = station.store.read(|view| view.head())? {
        side.local_commit(head.at.epoch, Head { seq: head.at.seq, hash: head.hash });
    }
    Ok(())
}

/// Carries out what the state machine asks for. `true`: the session is over.
async fn carry_out(station: &Station, side: &mut BoxSide, link: &mut Link) -> Result<bool> {
    while let Some(action) = side.next_action() {
        match action {
            BoxAction::Send(frame) => {
                if matches!(&frame, Frame::Segment(segment) if segment.device != station.device()) {
                    station.lan.numbers.forwarded.inc();
                }
                link.send(&frame).await.context("sending")?;
            }
            BoxAction::Close(reason) => {
                tracing::info!(?reason, "session ended");
                return Ok(true);
            }
            BoxAction::Online { hub, term } => {
                tracing::info!(%hub, term, "session");
                station.hub_sessions.inc();
                station.hub_is(true);
                tokio::task::block_in_place(|| crate::escrow::answer(station))?;
            }
            BoxAction::HubTime { unix_ms } => station.clock.hub_says(unix_ms, ROUND_TRIP_MS, Instant::now()),
            BoxAction::EditAnswered(answer) => {
                tokio::task::block_in_place(|| station.edit_answered(&answer))?;
                side.edits_waiting(station.edits_waiting()?);
            }
            BoxAction::ToldAll { ago_ms } => station.hub_told_all(ago_ms),
            BoxAction::Refused { code, text } => {
                tracing::warn!(code, text, "the hub refused");
                station.hub_refused(code);
            }
            on_disk @ (BoxAction::ReadSegment { .. }
            | BoxAction::MarkAcked(_)
            | BoxAction::ApplyDelta(_)
            | BoxAction::StoreBundle { .. }
            | BoxAction::StoreBlobPart { .. }
            | BoxAction::StoreChain(_)
            | BoxAction::NewerSelf { .. }) => tokio::task::block_in_place(|| store(station, side, on_disk))?,
        }
    }
    Ok(false)
}

/// Actions that read or write the store.
fn store(station: &Station, side: &mut BoxSide, action: BoxAction) -> Result<()> {
    match action {
        BoxAction::ReadSegment { device, epoch, from, max } => {
            let segment = station.store.segment(device, epoch, from, max)?;
            if let Some(own) = segment.as_ref().filter(|_| device == station.device()) {
                station.tells(EntryRef { device, epoch, seq: own.last() });
            }
            side.segment_read(segment);
        }
        BoxAction::MarkAcked(acked) => {
            if acked.device == station.device() {
                station.store.mark_acked(acked.epoch, acked.contiguous, acked.hash, acked.term)?;
                station.changed();
            }
        }
        BoxAction::ApplyDelta(parts) => apply(station, side, parts)?,
        BoxAction::StoreBundle { number, bytes } => match station.take_bundle(&bytes) {
            Ok(Taken::Needs(blobs)) => {
                tracing::info!(number, blobs = blobs.len(), "a newer bundle; fetching its blobs");
                side.needs_blobs(blobs);
            }
            Ok(Taken::InUse) => {
                let held = &station.bundle().bundle;
                side.bundle_stored(Some((held.body.number, vec![held.signer])));
                // the festival's rule for accounts may be another one now
                crate::escrow::answer(station)?;
                tell_commits(station, side)?;
            }
            Err(error) => {
                tracing::warn!(number, %error, "bundle refused; the one in use stays");
                side.bundle_stored(None);
            }
        },
        BoxAction::StoreBlobPart { blob, offset, bytes } => {
            let held = station.blobs.add(&blob, offset, &bytes);
            let held =
                held.inspect_err(|error| tracing::warn!(%error, "a blob was not taken; the bundle in use stays"));
            side.blob_stored(&blob.hash, held.ok());
        }
        BoxAction::StoreChain(_) => {
            tracing::info!("a renewed certificate arrived; it takes effect at the next enrolment")
        }
        // its own commit, which neighbours brought to the hub before the session heard of it
        BoxAction::NewerSelf { epoch, head } if station.store.hash16(epoch, head.seq)? == Some(head.hash) => {}
        BoxAction::NewerSelf { epoch, head } => {
            let newer = NewerSelf { epoch, contiguous: head.seq.saturating_add(1), hash: head.hash };
            next_epoch(station, side, newer)?;
        }
        BoxAction::Send(_)
        | BoxAction::Close(_)
        | BoxAction::Online { .. }
        | BoxAction::HubTime { .. }
        | BoxAction::ToldAll { .. }
        | BoxAction::EditAnswered(_)
        | BoxAction::Refused { .. } => {}
    }
    Ok(())
}

fn apply(station: &Station, side: &mut BoxSide, parts: Vec<SignedDelta>) -> Result<()> {
    // several sections may say that the box has written further; that closes one epoch, and opens one
    let mut newer: Option<NewerSelf> = None;
    for outcome in station.store.apply_delta(parts)? {
        match outcome {
            DeltaOutcome::Staged(have) => side.delta_stored(have),
            DeltaOutcome::Applied { have, newer_self } => {
                applied(station, side, have.section)?;
                side.delta_stored(have);
                newer = newer.max(newer_self);
            }
            DeltaOutcome::NeedSnapshot(have) => {
                tracing::warn!(section = ?have.section, "a batch is missing: asking for a snapshot");
                side.delta_stored(have);
            }
            DeltaOutcome::Refused(error) => anyhow::bail!("the hub's batch cannot be read: {error}"),
        }
    }
    if let Some(newer) = newer {
        next_epoch(station, side, newer)?;
    }
    station.changed();
    Ok(())
}

/// More is known of a section: what was asked may be answered by it.
fn applied(station: &Station, side: &mut BoxSide, section: Section) -> Result<()> {
    match section {
        Section::Documents => {
            station.read_confirmed_edits()?;
            side.edits_waiting(station.edits_waiting()?);
        }
        Section::Zones => {
            crate::share::answer(station)?;
            tell_commits(station, side)?;
        }
        Section::Shares => {
            crate::escrow::answer(station)?;
            tell_commits(station, side)?;
        }
        Section::Wallets | Section::Tickets | Section::Revocations | Section::Bundle | Section::Credits => {}
    }
    Ok(())
}

/// This box was restored from an older image: it goes on in a new epoch, under a new number of its own. Where none can be
/// opened the session goes on all the same: what the box has written is heard.
fn next_epoch(station: &Station, side: &mut BoxSide, newer: NewerSelf) -> Result<()> {
    let opened = open_next_epoch(station, newer);
    station.changed();
    match opened {
        Ok((epoch, BoxNumber(number))) => {
            tracing::warn!(epoch, number, "the hub knows entries of this box that it lacks: it goes on in a new epoch");
            // what was sold in the old epoch while nobody listened: from here on only the new one's head is told
            side.held_all(station.store.vector()?);
            tell_commits(station, side)
        }
        Err(error) => {
            tracing::error!("the hub knows entries of this box that it lacks, and it cannot go on: {error:#}");
            Ok(())
        }
    }
}

/// Gives the epoch that is open now, and its number. Where there is none the box writes nothing more.
fn open_next_epoch(station: &Station, newer: NewerSelf) -> Result<(u32, BoxNumber)> {
    let opened = next_number(station, newer).and_then(|number| {
        let number = number.context("this box was restored so often that it has no number left: enrol it again")?;
        Ok((station.store.open_next_epoch(number, Some(newer))?, number))
    });
    if opened.is_err()
        && let Err(error) = station.store.stop_epoch()
    {
        tracing::error!(%error, "its epoch could not be closed");
    }
    opened
}

/// The number for the epoch after `newer`: as far above this image's as that epoch is above its own, since each epoch
/// between them took a number. `None`: the certificate has none left.
fn next_number(station: &Station, newer: NewerSelf) -> Result<Option<BoxNumber>> {
    let (first, last) = station.enrolled().box_numbers;
    let head = station.store.read(|view| view.head())?.context("a journal without a genesis")?;
    let further = newer.epoch.saturating_sub(head.at.epoch).saturating_add(1);
    let number = u16::try_from(further).ok().and_then(|further| head.box_number.0.checked_add(further));
    Ok(number.filter(|number| (first..=last).contains(number)).map(BoxNumber))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync::{
        Branch, JournalHeads,
        frame::{PROTOCOL, Welcome},
        session::box_side::KnownHead,
    };
    use sync_quic::{HubListener, ListenerConfig};

    use crate::{
        bench::{self, Bench},
        run::open_enrolled_epoch,
    };

    /// Somebody put an older image on the box's card, and the hub knows more of this epoch than it.
    fn set_back(bench: &Bench, epoch: u32) -> Result<()> {
        open_next_epoch(&bench.station, NewerSelf { epoch, contiguous: 1_000, hash: [9; 16] }).map(drop)
    }

    #[test]
    fn a_line_that_held_for_a_while_is_tried_again_soon_and_one_that_never_was_later_each_time() {
        let mut backoff = Backoff::default();
        let mut waits = |held: Option<u64>| {
            forgive(&mut backoff, held.map(Duration::from_secs));
            backoff.next(u32::MAX)
        };
        let later: Vec<_> = [None, Some(0), Some(10), None].map(|held| waits(held).as_millis()).into();
        assert_eq!(later, [500, 1_000, 2_000, 4_000]);
        assert_eq!(waits(Some(11)).as_millis(), 500);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn how_long_a_line_held_is_known_however_it_ended() {
        let bench = Bench::new();
        let (key, address) = (bench::neighbour(9).0, "127.0.0.1:0".parse().unwrap());
        let mut nobody = HubListener::bind(&ListenerConfig::new(address, key, [7; 32])).unwrap();
        let hub = nobody.local_address().unwrap().to_string();
        // it says what no hub says
        tokio::spawn(async move {
            let mut link = nobody.accept().await.unwrap();
            link.send(&Frame::Bye).await.unwrap();
            link.close().await;
        });
        let dialer = Dialer::new(&bench.station.enrolled().identity, &Settings::default()).unwrap();
        let (mut side, mut forwarding, mut began) = (side(&bench.station).unwrap(), Forwarding::default(), None);
        let started = Instant::now();
        let ended = session(&bench.station, &dialer, &mut side, &mut forwarding, &hub, started, &mut began).await;
        assert!(began.is_some(), "{ended:?}");
    }

    /// A session with a hub that holds this of the box, and says goodbye once it was sent such a frame.
    async fn session_with_a_hub(
        bench: &Bench,
        side: &mut BoxSide,
        holds: Vec<JournalHeads>,
        enough: impl Fn(&Frame) -> bool,
    ) {
        let ((key, chain), address) = (bench::hub(40), "127.0.0.1:0".parse().unwrap());
        let mut listener = HubListener::bind(&ListenerConfig::new(address, key, [7; 32])).unwrap();
        let at = listener.local_address().unwrap().to_string();
        let hub = async {
            let mut link = listener.accept().await.unwrap();
            let (chain, hub_time_ms) = (chain.to_bytes(), 1_800_000_000_000);
            let welcome = Welcome { version: PROTOCOL, chain, term: 1, hub_time_ms };
            link.send(&Frame::Welcome(welcome)).await.unwrap();
            link.send(&Frame::Heads(VersionVector::new(holds))).await.unwrap();
            while let Some(frame) = link.next().await.unwrap() {
                if enough(&frame) {
                    break;
                }
            }
            link.send(&Frame::Bye).await.unwrap();
            while let Ok(Some(_)) = link.next().await {}
        };
        let dialer = Dialer::new(&bench.station.enrolled().identity, &Settings::default()).unwrap();
        let (mut forwarding, started, mut began) = (Forwarding::default(), Instant::now(), None);
        let session = session(&bench.station, &dialer, side, &mut forwarding, &at, started, &mut began);
        let both = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(hub, session).1 });
        both.await.expect("the session ends").expect("it ends in order");
        side.closed();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_neighbours_brought_to_the_hub_while_the_line_was_down_is_no_newer_image() {
        let bench = Bench::new();
        let (mut side, band) = (side(&bench.station).unwrap(), bench.purse(1));
        for _ in 0..8 {
            bench.top_up(&band, 1_000);
            let all = bench.station.store.vector().unwrap();
            session_with_a_hub(&bench, &mut side, all, |frame| matches!(frame, Frame::Hello(_))).await;
            assert_eq!(head(&bench), (0, 12, false));
        }
    }

    #[test]
    fn a_head_that_the_box_holds_is_no_newer_image_and_another_one_is() {
        let bench = Bench::new();
        let mut side = side(&bench.station).unwrap();
        bench.top_up(&bench.purse(1), 1_000);
        let held = bench.station.store.read(|view| view.head()).unwrap().unwrap();
        let hash = *held.hash.first_chunk().unwrap();
        let mut tell = |seq, hash| {
            let action = BoxAction::NewerSelf { epoch: 0, head: KnownHead { seq, hash } };
            store(&bench.station, &mut side, action).unwrap();
            head(&bench)
        };
        assert_eq!(tell(held.at.seq, hash), (0, 12, false));
        assert_eq!(tell(held.at.seq, [9; 16]), (1, 13, false));
    }

    /// Epoch, number, and whether it is closed for writing.
    fn head(bench: &Bench) -> (u32, u16, bool) {
        let head = bench.station.store.read(|view| view.head()).unwrap().unwrap();
        (head.at.epoch, head.box_number.0, head.stopped)
    }

    fn start(bench: Bench, epoch: u32, box_numbers: (u16, u16)) -> Bench {
        let bench = bench.enrolled_again(epoch, box_numbers);
        open_enrolled_epoch(&bench.station).unwrap();
        bench
    }

    #[test]
    fn a_box_that_went_on_by_itself_writes_under_its_new_certificate_once_it_is_enrolled_again() {
        let mut bench = Bench::new();
        set_back(&bench, 0).unwrap();
        assert_eq!(head(&bench), (1, 13, false));
        for start_number in 1..=3 {
            bench = start(bench, 1, (20, 27));
            assert_eq!(head(&bench), (2, 20, false), "start {start_number}");
            let genesis = bench.station.store.read(|view| view.genesis(2)).unwrap().unwrap();
            assert_eq!(genesis.chain, bench.station.enrolled().chain);
        }
        set_back(&bench, 2).unwrap();
        assert_eq!(head(&bench), (3, 21, false));
        let bench = start(bench, 1, (20, 27));
        assert_eq!(head(&bench), (3, 21, false), "an epoch that it opened itself is under the same certificate");
    }

    #[test]
    fn a_box_without_a_number_left_writes_again_and_has_spare_numbers_once_it_is_enrolled_again() {
        let bench = Bench::new();
        (0..7).for_each(|epoch| set_back(&bench, epoch).unwrap());
        assert_eq!(head(&bench), (7, 19, false));
        assert!(set_back(&bench, 7).unwrap_err().to_string().contains("enrol it again"));
        assert_eq!(head(&bench), (7, 19, true));
        let bench = start(bench, 1, (20, 27));
        assert_eq!(head(&bench), (8, 20, false));
        (8..15).for_each(|epoch| set_back(&bench, epoch).unwrap());
        assert_eq!(head(&bench), (15, 27, false));
        assert!(set_back(&bench, 15).is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_box_that_can_open_no_further_epoch_still_delivers_what_it_wrote() {
        let bench = Bench::new();
        (0..7).for_each(|epoch| set_back(&bench, epoch).unwrap());
        let device = bench.station.device();
        let lost = JournalHeads { device, epoch: 7, branches: vec![Branch::up_to(1_000, [9; 16])] };
        let mut side = side(&bench.station).unwrap();
        for _ in 0..2 {
            session_with_a_hub(&bench, &mut side, vec![lost.clone()], |frame| matches!(frame, Frame::Segment(_))).await;
            assert_eq!(head(&bench), (7, 19, true));
        }
        // a batch says the same
        let newer = NewerSelf { epoch: 7, contiguous: 1_000, hash: [9; 16] };
        next_epoch(&bench.station, &mut side, newer).unwrap();
        assert_eq!(head(&bench), (7, 19, true));
    }

    #[test]
    fn an_image_that_is_put_back_twice_takes_no_number_twice() {
        let bench = Bench::new();
        set_back(&bench, 2).unwrap();
        assert_eq!(head(&bench), (3, 15, false));
    }
}
