//! What happens when nothing is heard.
use super::*;
use crate::frame::Ping;

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
fn a_box_that_hears_its_hub_asks_for_no_sign_of_life_and_one_that_hears_nothing_leaves() {
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
    a.side.frame(Frame::Pong(Ping { token: 0, time_ms: 0 }), 10_000);
    assert_eq!(asks(&mut a, 24_000), 0, "it heard something 14 s ago");
    assert_eq!(asks(&mut a, 26_000), 1);
    assert_eq!(asks(&mut a, 27_000), 0, "one is on its way");
    assert_eq!(asks(&mut a, 42_000), 1);
    assert_eq!(a.closed, None);
    asks(&mut a, 56_000);
    assert_eq!(a.closed, Some(CloseReason::Silence));
}
