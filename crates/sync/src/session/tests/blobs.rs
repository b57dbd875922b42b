//! A bundle whose blobs must be fetched before it is used.
use super::*;

fn blob(seed: u8, length: usize) -> (BlobRef, Vec<u8>) {
    let bytes: Vec<u8> = (0..length).map(|at| seed.wrapping_add(at as u8)).collect();
    (BlobRef::of(&bytes, 1), bytes)
}

fn hub() -> HubShell {
    let mut hub = HubShell::new(1);
    hub.bundle = (3, (0..40).collect());
    hub.blobs = vec![blob(1, 100), blob(2, 33)];
    hub
}

fn gate(hub: &HubShell) -> BoxShell {
    let mut gate = BoxShell::new(vec![journal(BOX, 0, 1)]);
    gate.needs = hub.blobs.iter().map(|(blob, _)| *blob).collect();
    gate
}

fn assert_whole(gate: &BoxShell, hub: &HubShell) {
    assert_eq!(gate.bundle, Some(hub.bundle.clone()));
    for (blob, bytes) in &hub.blobs {
        assert_eq!(gate.blobs.get(&blob.hash), Some(bytes));
    }
}

#[test]
fn a_bundle_is_used_once_its_blobs_are_there() {
    let mut hub = hub();
    let mut gate = gate(&hub);
    run(&mut gate, &mut hub, usize::MAX);
    assert_whole(&gate, &hub);
    assert_eq!(hub.blob_bytes, 133);
}

#[test]
fn a_connection_cut_anywhere_costs_at_most_the_piece_under_way() {
    let mut cut = 1;
    loop {
        let mut hub = hub();
        let mut gate = gate(&hub);
        let carried = run(&mut gate, &mut hub, cut);
        run(&mut gate, &mut hub, usize::MAX);
        assert_whole(&gate, &hub);
        assert!(hub.blob_bytes <= 133 + 7, "cut after {cut} frames: {} bytes", hub.blob_bytes);
        if carried < cut {
            break;
        }
        cut += 1;
    }
    assert!(cut > 20, "the cuts went through the transfer");
}

#[test]
fn what_is_held_already_is_not_fetched_again() {
    let mut hub = hub();
    let mut gate = gate(&hub);
    let (held, bytes) = hub.blobs[0].clone();
    gate.blobs.insert(held.hash, bytes[..98].to_vec());
    run(&mut gate, &mut hub, usize::MAX);
    assert_whole(&gate, &hub);
    assert_eq!(hub.blob_bytes, 2 + 33);
}

#[test]
fn a_newer_bundle_that_comes_meanwhile_takes_the_place_of_the_one_under_way() {
    let mut hub = hub();
    let mut gate = gate(&hub);
    run(&mut gate, &mut hub, 24);
    assert_eq!(gate.bundle, None, "still under way");
    hub.bundle = (4, (7..60).collect());
    hub.blobs = vec![hub.blobs[0].clone(), blob(9, 50)];
    gate.needs = hub.blobs.iter().map(|(blob, _)| *blob).collect();
    run(&mut gate, &mut hub, usize::MAX);
    assert_whole(&gate, &hub);
    assert_eq!(gate.bundle.map(|bundle| bundle.0), Some(4));
}

#[test]
fn a_blob_that_the_hub_no_longer_has_or_that_is_wrong_leaves_the_bundle_in_use() {
    let mut gone = hub();
    gone.blobs.pop();
    let mut wrong = hub();
    wrong.blobs[1].1[32] ^= 1;
    let mut hubs = [gone, wrong];
    for hub in &mut hubs {
        let mut gate = gate(&super::blobs::hub());
        run(&mut gate, hub, usize::MAX);
        assert_eq!((gate.bundle.clone(), gate.closed, hub.closed), (None, None, None));
        // The session lives, and the bundle is fetched as soon as its blobs are right.
        let mut whole = super::blobs::hub();
        run(&mut gate, &mut whole, usize::MAX);
        assert_whole(&gate, &whole);
    }
}

#[test]
fn a_hub_that_sends_more_than_the_blob_has_is_shown_the_door() {
    let mut hub = hub();
    let mut gate = gate(&hub);
    let (named, bytes) = hub.blobs[0].clone();
    hub.blobs[0] = (named, [&bytes[..], &bytes[..]].concat());
    run(&mut gate, &mut hub, usize::MAX);
    assert_eq!(gate.closed, Some(CloseReason::Refusing(RefuseCode::Frame)));
    assert_eq!(gate.bundle, None);
}

#[test]
fn a_piece_of_a_blob_that_nobody_asked_for_is_passed_over() {
    let mut hub = hub();
    let mut gate = gate(&hub);
    run(&mut gate, &mut hub, usize::MAX);
    hub.side.connected(public(BOX), 1_000);
    gate.side.connected(public(HUB), 1_000);
    for frame in gate.work() {
        hub.side.frame(frame, 1_000);
    }
    for frame in hub.work() {
        gate.side.frame(frame, 1_000);
    }
    gate.work();
    gate.side.frame(Frame::Blob(BlobPart { hash: [9; 32], offset: 0, bytes: vec![1] }), 1_000);
    assert!(gate.work().is_empty());
    assert!(gate.side.is_online());
}

#[test]
fn pieces_asked_for_before_the_last_one_came_are_counted_like_any_chatter() {
    let want = || {
        [
            Frame::WantBlob(crate::frame::WantBlob { hash: [3; 32], offset: 0 }),
            Frame::WantBundle(crate::frame::WantBundle { number: 3, offset: 0 }),
        ]
    };
    let greeted = || {
        let (mut a, mut hub) = (BoxShell::new(vec![]), whole_hub());
        hub.side.connected(public(BOX), 0);
        a.side.connected(public(HUB), 0);
        a.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
        hub.work();
        hub
    };
    for which in 0..2 {
        let mut hub = greeted();
        for _ in 0..2_000 {
            hub.side.frame(want()[which].clone(), 0);
            hub.work();
        }
        assert_eq!(hub.closed, None, "each is answered before the next one");
        let asked = (0..2_000).take_while(|_| {
            // nobody reads a piece
            hub.side.frame(want()[which].clone(), 0);
            let closes = |action| matches!(action, HubAction::Close(CloseReason::Refusing(RefuseCode::Flood)));
            !std::iter::from_fn(|| hub.side.next_action()).any(closes)
        });
        assert_eq!(asked.count(), 501);
    }
}
