//! Edits of documents over a session that breaks.
#![allow(clippy::wildcard_enum_match_arm, reason = "these tests look at edits alone")]
use super::*;
use crate::frame::{Edit, EditAnswer};

/// What a hub answered, and the edits in the order in which it first judged them.
#[derive(Default)]
struct Judge {
    judged: Vec<[u8; 32]>,
    answers: usize,
}

/// Carries frames of one connection until nobody has anything to say or `cut` frames were carried.
fn carry(a: &mut BoxSide, hub: &mut HubSide, judge: &mut Judge, answered: &mut Vec<EditAnswer>, cut: usize) -> usize {
    hub.connected(public(BOX), 0);
    a.connected(public(HUB), 0);
    let mut carried = 0;
    loop {
        let mut quiet = true;
        while let Some(action) = a.next_action() {
            quiet = false;
            match action {
                BoxAction::Send(frame) if carried < cut => {
                    carried += 1;
                    hub.frame(frame, 0);
                }
                BoxAction::EditAnswered(answer) => answered.push(answer),
                _ => {}
            }
        }
        while let Some(action) = hub.next_action() {
            quiet = false;
            match action {
                HubAction::Send(frame) if carried < cut => {
                    carried += 1;
                    a.frame(frame, 0);
                }
                HubAction::LookUpBox { .. } => hub.box_known(BoxStanding {
                    standing: Standing::Good,
                    heads: VersionVector::default(),
                    quota: Quota::default(),
                    hub_time_ms: 0,
                    bundle: 0,
                    renewal: None,
                }),
                HubAction::JudgeEdit(edit) => {
                    if !judge.judged.contains(&edit.change) {
                        judge.judged.push(edit.change);
                    }
                    judge.answers += 1;
                    let code = u16::from(edit.change[0] == 2);
                    hub.edit_judged(Some(EditAnswer { change: edit.change, code, entered_again: false }));
                }
                _ => {}
            }
        }
        if quiet {
            a.closed();
            hub.closed();
            while let Some(action) = a.next_action() {
                if let BoxAction::EditAnswered(answer) = action {
                    answered.push(answer);
                }
            }
            return carried;
        }
    }
}

fn waiting() -> Vec<([u8; 32], Vec<u8>)> {
    (1..=5).map(|n| ([n; 32], vec![n; 9])).collect()
}

fn sides() -> (BoxSide, HubSide) {
    let side = BoxShell::new(vec![]).side;
    (side, HubShell::new(1).side)
}

#[test]
fn edits_reach_the_hub_in_their_order_and_each_is_answered() {
    let (mut a, mut hub) = sides();
    let (mut judge, mut answered) = (Judge::default(), vec![]);
    a.edits_waiting(waiting());
    carry(&mut a, &mut hub, &mut judge, &mut answered, usize::MAX);
    assert_eq!(judge.judged, (1..=5).map(|n| [n; 32]).collect::<Vec<_>>());
    assert_eq!(answered.iter().map(|answer| answer.code).collect::<Vec<_>>(), [0, 1, 0, 0, 0]);
    assert_eq!(judge.answers, 5);
}

#[test]
fn an_edit_is_sent_again_until_it_is_answered_wherever_the_connection_breaks() {
    let whole = {
        let (mut a, mut hub) = sides();
        a.edits_waiting(waiting());
        carry(&mut a, &mut hub, &mut Judge::default(), &mut vec![], usize::MAX)
    };
    for cut in 0..whole {
        let (mut a, mut hub) = sides();
        let (mut judge, mut answered) = (Judge::default(), vec![]);
        a.edits_waiting(waiting());
        carry(&mut a, &mut hub, &mut judge, &mut answered, cut);
        carry(&mut a, &mut hub, &mut judge, &mut answered, usize::MAX);
        assert_eq!(answered.len(), 5, "cut at {cut}");
        assert_eq!(judge.judged.len(), 5, "cut at {cut}");
        assert!(judge.judged.is_sorted(), "cut at {cut}");
    }
}

#[test]
fn a_second_edit_before_the_first_is_answered_ends_the_session() {
    let (mut a, mut hub) = sides();
    hub.connected(public(BOX), 0);
    a.connected(public(HUB), 0);
    let Some(BoxAction::Send(hello)) = a.next_action() else { panic!("no hello") };
    hub.frame(hello, 0);
    let Some(HubAction::LookUpBox { .. }) = hub.next_action() else { panic!("no look-up") };
    let (heads, quota) = (VersionVector::default(), Quota::default());
    let standing = Standing::Good;
    hub.box_known(BoxStanding { standing, heads, quota, hub_time_ms: 0, bundle: 0, renewal: None });
    for n in 0..2 {
        hub.frame(Frame::Edit(Edit { change: [n; 32], envelope: vec![] }), 0);
    }
    let mut closed = None;
    while let Some(action) = hub.next_action() {
        if let HubAction::Close(reason) = action {
            closed = Some(reason);
        }
    }
    assert_eq!(closed, Some(CloseReason::Refusing(RefuseCode::Flood)));
}
