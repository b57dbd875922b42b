//! What happens when nothing is heard.
use super::*;
use crate::frame::{HaveBundle, Ping};

#[test]
fn a_hub_that_says_nothing_is_left() {
    let mut a = BoxShell::new(vec![journal(BOX, 0, 1)]);
    a.side.connected(public(HUB), 1_000);
    a.side.tick(5_000);
    a.work();
    assert_eq!(a.closed, None);
    a.side.tick(12_000);
    a.work();
    assert_eq!(a.closed, Some(CloseReason::Refusing(RefuseCode::Silence)));
}

#[test]
fn a_box_that_was_told_all_asks_for_no_sign_of_life_for_a_while_and_one_that_hears_nothing_leaves() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 1)]), whole_hub());
    hub.side.connected(public(BOX), 1_000);
    a.side.connected(public(HUB), 1_000);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 1_000));
    hub.work().into_iter().for_each(|frame| a.side.frame(frame, 1_000));
    a.work();
    assert!(a.side.is_online());
    let asks = |a: &mut BoxShell, now| {
        a.side.tick(now);
        a.work().iter().filter(|frame| matches!(frame, Frame::Ping(_))).count()
    };
    a.side.frame(Frame::Pong(Ping { token: 0, time_ms: 9_000 }), 10_000);
    assert_eq!(asks(&mut a, 24_000), 0, "it was told all 14 s ago");
    assert_eq!(asks(&mut a, 26_000), 1);
    assert_eq!(asks(&mut a, 27_000), 0, "one is on its way");
    assert_eq!(asks(&mut a, 42_000), 1);
    assert_eq!(a.closed, None);
    asks(&mut a, 56_000);
    assert_eq!(a.closed, Some(CloseReason::Silence));
}

/// Carries frames to and fro until nobody has anything to say.
fn talk(a: &mut BoxShell, hub: &mut HubShell, now: u64) {
    loop {
        let up = a.work();
        up.iter().cloned().for_each(|frame| hub.side.frame(frame, now));
        let down = hub.work();
        down.iter().cloned().for_each(|frame| a.side.frame(frame, now));
        if up.is_empty() && down.is_empty() {
            return;
        }
    }
}

fn connected(standing: Standing) -> (BoxShell, HubShell) {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 1)]), whole_hub());
    hub.standing = standing;
    hub.side.connected(public(BOX), 1_000);
    a.side.connected(public(HUB), 1_000);
    (a, hub)
}

#[test]
fn a_welcome_alone_tells_nothing_and_a_box_asks_until_it_was_told_all() {
    let (mut a, mut hub) = connected(Standing::Good);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 1_000));
    let mut down = hub.work();
    // the line breaks, or the hub is slow, before any batch arrives
    down.retain(|frame| !matches!(frame, Frame::Delta(_)));
    let sent = down.len();
    down.into_iter().for_each(|frame| a.side.frame(frame, 1_000));
    assert!(sent > 1 && a.side.is_online());
    for now in [2_500, 4_000] {
        a.side.tick(now);
        talk(&mut a, &mut hub, now);
        assert_eq!(a.told_all, [], "the batch that was sent is not confirmed");
    }
    a.side.closed();

    let (mut a, mut hub) = connected(Standing::Good);
    talk(&mut a, &mut hub, 1_000);
    assert_eq!(a.told_all, []);
    a.side.tick(2_500);
    talk(&mut a, &mut hub, 2_600);
    assert_eq!(a.told_all, [100], "as it was when the box asked");
    a.side.tick(16_000);
    talk(&mut a, &mut hub, 16_000);
    assert_eq!(a.told_all.len(), 1);
    a.side.frame(Frame::HaveBundle(HaveBundle { number: 0 }), 17_000);
    a.side.tick(18_000);
    talk(&mut a, &mut hub, 18_000);
    assert_eq!(a.told_all, [100, 0], "also where it hears of other things all the time");
}

#[test]
fn a_box_that_is_told_nothing_more_is_never_told_all_and_asks_seldom() {
    for standing in [Standing::Revoked, Standing::Expired] {
        let (mut a, mut hub) = connected(standing);
        talk(&mut a, &mut hub, 1_000);
        assert_eq!(a.refused.len(), 1);
        let mut asked = 0;
        for now in (2_000..62_000).step_by(500) {
            a.side.tick(now);
            let up = a.work();
            asked += up.iter().filter(|frame| matches!(frame, Frame::Ping(_))).count();
            up.into_iter().for_each(|frame| hub.side.frame(frame, now));
            talk(&mut a, &mut hub, now);
        }
        assert_eq!((a.closed, a.told_all.as_slice(), asked), (None, [].as_slice(), 3), "{standing:?}");
    }
    let (mut a, mut hub) = connected(Standing::Good);
    talk(&mut a, &mut hub, 1_000);
    hub.side.revoked();
    a.side.tick(2_500);
    talk(&mut a, &mut hub, 2_500);
    assert_eq!(a.told_all, [], "revoked while it was connected");
}
