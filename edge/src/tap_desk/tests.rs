use super::*;

fn top_up(cents: u32) -> Purpose {
    Purpose::TopUp(TopUpOrder { amount: Cents::new(cents).unwrap(), fee: Cents::ZERO, means: Means::Cash })
}

fn done() -> TapResult {
    TapResult { ok: true, entry: "x".into(), ..TapResult::default() }
}

#[test]
fn the_same_request_posted_twice_gets_the_same_answer_and_one_tap() {
    let desk = TapDesk::default();
    assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
    assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
    desk.answer([1; 16], Phase::Paid, done());
    assert_eq!(desk.waiting(), None);
    assert_eq!(desk.ask([1; 16], top_up(500)), Ok(Some(done())));
    assert_eq!(desk.waiting(), None);
}

#[test]
fn the_same_id_with_other_content_is_an_error_and_another_request_is_told_to_wait() {
    let desk = TapDesk::default();
    assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
    assert_eq!(desk.ask([1; 16], top_up(600)), Err(NotTaken::OtherContent));
    assert_eq!(desk.ask([2; 16], top_up(500)), Err(NotTaken::Busy));
    desk.answer([1; 16], Phase::Paid, done());
    assert_eq!(desk.ask([1; 16], top_up(600)), Err(NotTaken::OtherContent));
}

#[test]
fn a_sale_may_begin_while_a_gate_waits_for_a_band_to_pair() {
    let desk = TapDesk::default();
    assert_eq!(desk.ask([1; 16], Purpose::Pairing(ForTicket::of(TicketUid([7; 16])))), Ok(None));
    assert_eq!(desk.ask([2; 16], top_up(500)), Ok(None));
    assert_eq!(desk.waiting().unwrap().id, [2; 16]);
}

#[test]
fn a_cancelled_request_leaves_the_desk_free() {
    let desk = TapDesk::default();
    assert_eq!(desk.ask([1; 16], top_up(500)), Ok(None));
    assert_eq!(desk.cancel(), Some([1; 16]));
    assert_eq!(desk.cancel(), None);
    assert_eq!(desk.progress().phase, Phase::Idle);
}

fn code(progress: &Progress) -> Option<&str> {
    progress.result.as_ref().and_then(|result| result.code.as_deref())
}

#[test]
fn a_tap_that_crosses_cancel_leaves_no_screen_that_nobody_can_leave() {
    let desk = TapDesk::default();
    let doubt = TapResult { code: Some("till.in_doubt".into()), ..TapResult::default() };
    desk.ask([1; 16], top_up(500)).unwrap();
    desk.writing([1; 16]);
    desk.cancel();
    desk.tap_again([1; 16], None, Phase::TapAgain, doubt);
    assert_eq!((desk.progress().phase, code(&desk.progress())), (Phase::Idle, Some("till.in_doubt")));
    desk.cancel();
    assert_eq!(desk.progress().phase, Phase::Idle);
}

#[test]
fn a_request_that_is_left_is_called_cancelled_only_while_no_tap_can_pay_it() {
    let desk = TapDesk::default();
    desk.ask([1; 16], top_up(500)).unwrap();
    desk.cancel();
    assert_eq!(code(&desk.progress()), Some("till.cancelled"));
    desk.ask([2; 16], top_up(500)).unwrap();
    let tap = desk.begin_tap();
    desk.writing([2; 16]);
    desk.cancel();
    assert_eq!((desk.progress().phase, desk.progress().result), (Phase::Idle, None));
    desk.answer([2; 16], Phase::Paid, done());
    drop(tap);
    assert_eq!(desk.progress().phase, Phase::Paid);
}

#[test]
fn what_is_left_in_doubt_is_called_so_even_while_another_band_is_looked_at() {
    let desk = TapDesk::default();
    let intent = EntryRef { device: domain::id::DeviceId([1; 16]), epoch: 0, seq: 7 };
    desk.ask_again([1; 16], Screen::Desk, top_up(500), Some(intent), false).unwrap();
    let _tap = desk.begin_tap();
    desk.cancel();
    let is_in_doubt = |desk: &TapDesk| {
        assert_eq!((desk.progress().phase, code(&desk.progress())), (Phase::Idle, Some("till.in_doubt")));
    };
    is_in_doubt(&desk);
    let said = |code: &str| TapResult { code: Some(code.into()), ..TapResult::default() };
    for unpaid in ["band.pulled_away", "band.wrong_band"] {
        desk.tap_again([1; 16], None, Phase::TapAgain, said(unpaid));
        is_in_doubt(&desk);
    }
    desk.answer([1; 16], Phase::Refused, said("till.not_enough"));
    is_in_doubt(&desk);
}

#[test]
fn what_was_left_in_doubt_is_no_longer_once_its_tap_has_settled_it() {
    let desk = TapDesk::default();
    let intent = EntryRef { device: domain::id::DeviceId([1; 16]), epoch: 0, seq: 7 };
    let refused = || TapResult { code: Some("till.not_enough".into()), ..TapResult::default() };
    let left = |id| {
        desk.ask_again(id, Screen::Desk, top_up(500), Some(intent), false).unwrap();
        let tap = desk.begin_tap();
        desk.writing(id);
        desk.cancel();
        tap
    };
    // it took nothing, and what was asked is refused now
    let tap = left([1; 16]);
    desk.settled([1; 16]);
    desk.answer([1; 16], Phase::Refused, refused());
    assert_eq!((desk.progress().phase, code(&desk.progress())), (Phase::Refused, Some("till.not_enough")));
    drop(tap);
    // it had paid
    let tap = left([2; 16]);
    desk.answer([2; 16], Phase::Paid, done());
    assert_eq!((desk.progress().phase, desk.progress().result), (Phase::Paid, Some(done())));
    drop(tap);
    // the next one has nothing to do with it
    desk.ask([3; 16], top_up(500)).unwrap();
    desk.answer([3; 16], Phase::Refused, refused());
    assert_eq!((desk.progress().phase, code(&desk.progress())), (Phase::Refused, Some("till.not_enough")));
}

#[test]
fn nothing_new_is_asked_while_the_tap_of_what_was_left_goes_on() {
    let desk = TapDesk::default();
    desk.ask([1; 16], top_up(500)).unwrap();
    let tap = desk.begin_tap();
    desk.writing([1; 16]);
    desk.cancel();
    assert_eq!(desk.ask([2; 16], top_up(500)), Err(NotTaken::Busy));
    desk.answer([1; 16], Phase::Paid, done());
    assert_eq!(desk.ask([2; 16], top_up(500)), Ok(None));
    drop(tap);
}

#[test]
fn a_ticket_may_wait_for_its_band_while_the_band_of_the_one_before_is_paired() {
    let desk = TapDesk::default();
    let pairing = |ticket: u8| Purpose::Pairing(ForTicket::of(TicketUid([ticket; 16])));
    desk.ask([1; 16], pairing(1)).unwrap();
    let _tap = desk.begin_tap();
    desk.writing([1; 16]);
    desk.cancel_pairing();
    assert_eq!(desk.ask([2; 16], pairing(2)), Ok(None));
}

#[test]
fn nothing_is_given_up_while_a_band_is_being_served() {
    let desk = TapDesk::default();
    let tap = desk.begin_tap();
    assert!(desk.between_taps().is_none());
    drop(tap);
    assert!(desk.between_taps().is_some());
}

#[test]
fn the_list_of_answers_is_bounded() {
    let desk = TapDesk::default();
    for n in 0..1000u16 {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        desk.ask(id, top_up(500)).unwrap();
        desk.answer(id, Phase::Paid, done());
    }
    assert_eq!(desk.lock().answered.len(), REMEMBERED);
}
