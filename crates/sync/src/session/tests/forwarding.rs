//! Journals of neighbours: what a box may bring to the hub in another's name, and what not.
use super::*;

#[test]
fn a_neighbours_journal_needs_its_genesis_first() {
    let neighbour = journal(21, 0, 7);
    let mut hub = HubShell::new(1);
    hub.side.connected(public(BOX), 0);
    let mut a = BoxShell::new(vec![journal(BOX, 0, 1)]);
    a.side.connected(public(HUB), 0);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work();
    hub.side.frame(Frame::Segment(neighbour.segment(3, 2).unwrap()), 0);
    let answer = hub.work();
    assert!(
        matches!(answer.as_slice(), [Frame::Ack(ack), Frame::WantFrom(want)] if ack.contiguous == 0 && want.seq == 0)
    );
    hub.side.frame(Frame::Segment(neighbour.segment(0, 3).unwrap()), 0);
    hub.side.frame(Frame::Segment(neighbour.segment(3, 5).unwrap()), 0);
    hub.work();
    assert_eq!(hub.entries.len(), 8);
}

/// A box that holds these ranges of a neighbour's journal brings them to the hub; gives what it sends.
fn goes_up(a: &mut BoxShell, hub: &mut HubShell, neighbour: &Journal, ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let own = journal(BOX, 0, 1);
    let branch = Branch { ranges: ranges.to_vec(), ..Branch::default() };
    a.side.held(JournalHeads { device: neighbour.device, epoch: 0, branches: vec![branch] });
    let mut sent = Vec::new();
    for _ in 0..40 {
        while let Some(action) = a.side.next_action() {
            match action {
                BoxAction::Send(frame) => {
                    if let Frame::Segment(segment) = &frame
                        && segment.device == neighbour.device
                    {
                        sent.push((segment.first, segment.last()));
                    }
                    hub.side.frame(frame, 0);
                }
                BoxAction::ReadSegment { device, from, max, .. } if device != neighbour.device => {
                    a.side.segment_read(own.segment(from, max));
                }
                BoxAction::ReadSegment { from, max, .. } => {
                    let held = ranges.iter().find(|(_, last)| from <= *last);
                    a.side.segment_read(held.and_then(|(first, last)| {
                        let first = from.max(*first);
                        neighbour.segment(first, usize::try_from(last + 1 - first).unwrap().min(max))
                    }));
                }
                BoxAction::MarkAcked(_) | BoxAction::HubTime { .. } | BoxAction::Online { .. } => {}
                other @ (BoxAction::ApplyDelta(_)
                | BoxAction::ToldAll { .. }
                | BoxAction::StoreBundle { .. }
                | BoxAction::StoreBlobPart { .. }
                | BoxAction::StoreChain(_)
                | BoxAction::NewerSelf { .. }
                | BoxAction::EditAnswered(_)
                | BoxAction::Refused { .. }
                | BoxAction::Close(_)) => panic!("{other:?}"),
            }
        }
        hub.work().into_iter().for_each(|frame| a.side.frame(frame, 0));
    }
    sent
}

#[test]
fn what_is_held_of_a_neighbours_journal_goes_up_also_beyond_a_gap_and_once() {
    let neighbour = journal(21, 0, 20);
    let device = neighbour.device;
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 1)]), HubShell::new(1));
    hub.side.connected(public(BOX), 0);
    a.side.connected(public(HUB), 0);
    // the hub has heard the neighbour itself, up to entry 2
    let heard = neighbour.segment(0, 3).unwrap();
    let heads = heard.verify(sample::founding().festival(), &public(21)).unwrap();
    hub.store(&heard, &heads);
    // this box was told entry 5 and what follows
    let mut goes_up = |hub: &mut HubShell, last: u32| {
        let sent = goes_up(&mut a, hub, &neighbour, &[(5, last)]);
        let stored: Vec<u32> = hub.entries.keys().filter(|key| key.0 == device).map(|key| key.2).collect();
        (sent, stored)
    };
    let (sent, stored) = goes_up(&mut hub, 9);
    assert_eq!(stored, [0, 1, 2, 5, 6, 7, 8, 9]);
    assert!(sent.len() <= 2, "asked for what is missing, it says once more what it has: {sent:?}");
    assert_eq!(goes_up(&mut hub, 9).0, [], "nothing more is held");
    let (sent, stored) = goes_up(&mut hub, 14);
    assert_eq!((sent, stored.len()), (vec![(10, 14)], 13));
    assert_eq!(hub.closed, None);
}

#[test]
fn all_that_is_held_of_a_neighbour_beyond_a_gap_goes_up_in_one_session() {
    let neighbour = journal(21, 0, 1_400);
    // twelve commits with a gap before each, or one long stretch
    let runs: Vec<(u32, u32)> = (0..12).map(|n| (10 * n + 5, 10 * n + 9)).collect();
    for ranges in [runs, vec![(5, 1_399)]] {
        let mut hub = HubShell::new(1);
        let heard = neighbour.segment(0, 3).unwrap();
        let heads = heard.verify(sample::founding().festival(), &public(21)).unwrap();
        hub.store(&heard, &heads);
        let mut a = BoxShell::new(vec![journal(BOX, 0, 1)]);
        hub.side.connected(public(BOX), 0);
        a.side.connected(public(HUB), 0);
        let sent = goes_up(&mut a, &mut hub, &neighbour, &ranges);
        let there = |seq: u32| hub.entries.keys().any(|key| key.0 == neighbour.device && key.2 == seq);
        let missing: Vec<u32> =
            ranges.iter().flat_map(|(first, last)| *first..=*last).filter(|seq| !there(*seq)).collect();
        assert_eq!(missing, [], "{sent:?}");
        let mut once = sent.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), sent.len(), "nothing goes up a second time: {sent:?}");
        assert_eq!(hub.closed, None);
    }
}

/// A hub and a box in session, and what both know of each other.
fn in_session() -> (BoxShell, HubShell) {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 1)]), HubShell::new(1));
    hub.side.connected(public(BOX), 0);
    a.side.connected(public(HUB), 0);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work();
    (a, hub)
}

/// Whether the answer says that nothing more of this journal is wanted.
fn wants_no_more(answer: &[Frame], journal: &Journal) -> bool {
    matches!(answer, [Frame::Ack(ack), Frame::WantFrom(want)]
        if (ack.device, ack.epoch, ack.contiguous) == (journal.device, journal.epoch, 0)
            && (want.device, want.epoch, want.seq) == (journal.device, journal.epoch, u32::MAX))
}

#[test]
fn a_forged_entry_of_a_neighbour_is_not_taken_and_ends_nobodys_session() {
    let neighbour = journal(21, 0, 7);
    let mut forged = neighbour.segment(0, 8).unwrap();
    forged.bodies[3][30] ^= 1;
    let (_, mut hub) = in_session();
    for _ in 0..3 {
        hub.side.frame(Frame::Segment(forged.clone()), 0);
        assert!(wants_no_more(&hub.work(), &neighbour));
    }
    assert_eq!((hub.closed, hub.not_taken.as_slice()), (None, &[(neighbour.device, 0)][..]));
    assert!(hub.entries.is_empty());
    // not by whoever lied once in this session
    hub.side.frame(Frame::Segment(neighbour.segment(0, 8).unwrap()), 0);
    assert!(wants_no_more(&hub.work(), &neighbour) && hub.entries.is_empty());
    hub.side.frame(Frame::Segment(journal(BOX, 0, 1).segment(0, 2).unwrap()), 0);
    assert!(matches!(hub.work().as_slice(), [Frame::Ack(ack)] if ack.contiguous == 2));
    // its own journal is its own doing
    let mut own = journal(BOX, 0, 7).segment(2, 3).unwrap();
    own.bodies[0][30] ^= 1;
    hub.side.frame(Frame::Segment(own), 0);
    hub.work();
    assert_eq!(hub.closed, Some(CloseReason::Refusing(RefuseCode::Poison)));
}

#[test]
fn a_neighbours_journal_that_nothing_opens_keeps_nothing_else_from_the_hub() {
    // signed by a box of the festival, and told on the LAN to everybody
    let mut thief = Journal::without_genesis(22, 5);
    (0..12).for_each(|n| {
        thief.note(&format!("not a genesis {n}"));
    });
    let journals = || vec![journal(BOX, 0, 40), journal(21, 0, 7), journal(23, 0, 9)];
    let (mut a, mut hub) = (BoxShell::new(journals()), whole_hub());
    a.journals.push(thief);
    a.side = BoxSide::new(a.start());
    for session in 1..=2 {
        let frames = run(&mut a, &mut hub, 2_000);
        assert_eq!((a.closed, hub.closed), (None, None), "session {session}");
        assert!(frames < 200, "it does not go on for ever: {frames}");
        assert_eq!(hub.not_taken.len(), session);
    }
    let thief = a.journals.pop().unwrap();
    assert!(hub.entries.keys().all(|key| key.0 != thief.device));
    assert_all_is_delivered(&a, &hub);
}

#[test]
fn what_neighbours_wrote_wrong_is_looked_at_sixteen_times_a_session() {
    let (_, mut hub) = in_session();
    for epoch in 0..40 {
        let mut thief = Journal::without_genesis(22, epoch);
        thief.note("not a genesis");
        hub.side.frame(Frame::Segment(thief.segment(0, 1).unwrap()), 0);
        assert!(wants_no_more(&hub.work(), &thief));
    }
    assert_eq!((hub.closed, hub.not_taken.len()), (None, 16));
    for n in 100..200 {
        let mut thief = Journal::without_genesis(n, 0);
        thief.note("not a genesis");
        hub.side.frame(Frame::Segment(thief.segment(0, 1).unwrap()), 0);
        assert!(wants_no_more(&hub.work(), &thief));
    }
    assert_eq!((hub.closed, hub.not_taken.len()), (None, 16 + 63));
}

#[test]
fn a_neighbour_that_forked_without_end_is_revoked_and_whoever_brings_its_histories_is_not() {
    let (_, mut hub) = in_session();
    for n in 0..10 {
        let mut branch = journal(21, 0, 3);
        branch.note(&format!("branch {n}"));
        hub.side.frame(Frame::Segment(branch.segment(0, 5).unwrap()), 0);
        hub.work();
    }
    assert_eq!(hub.closed, None);
    assert!(!hub.too_many_branches.is_empty());
    assert!(hub.too_many_branches.iter().all(|device| *device == device_id(&public(21))));
    for n in 0..10 {
        let mut branch = journal(BOX, 0, 3);
        branch.note(&format!("branch {n}"));
        hub.side.frame(Frame::Segment(branch.segment(0, 5).unwrap()), 0);
        hub.work();
    }
    assert_eq!(hub.closed, Some(CloseReason::Refusing(RefuseCode::Forked)));
}

#[test]
fn a_neighbours_journal_that_the_hub_keeps_no_more_of_is_not_brought_on() {
    let (_, mut hub) = in_session();
    let neighbour = journal(21, 70, 7);
    let full = |segment: &Segment| Stored {
        device: segment.device,
        epoch: segment.epoch,
        last: segment.last(),
        branch: Branch::default(),
        branches: 0,
        beyond: true,
    };
    let segment = neighbour.segment(0, 3).unwrap();
    hub.side.frame(Frame::Segment(segment.clone()), 0);
    assert!(matches!(hub.side.next_action(), Some(HubAction::StoreSegment { .. })));
    hub.side.stored(full(&segment));
    assert!(wants_no_more(&hub.work(), &neighbour));
    hub.side.frame(Frame::Segment(neighbour.segment(3, 3).unwrap()), 0);
    assert!(wants_no_more(&hub.work(), &neighbour));
    // its own it is told as before
    let own = journal(BOX, 70, 7).segment(0, 3).unwrap();
    hub.side.frame(Frame::Segment(own.clone()), 0);
    hub.side.next_action();
    hub.side.stored(full(&own));
    assert!(matches!(hub.work().as_slice(), [Frame::Ack(ack), Frame::WantFrom(want)]
        if (ack.contiguous, want.seq) == (0, 0)));
    assert_eq!((hub.closed, hub.not_taken.as_slice()), (None, &[(neighbour.device, 70)][..]));
}

#[test]
fn many_new_journals_of_a_neighbour_are_asked_about_once() {
    let (mut a, mut hub) = (BoxShell::new(vec![journal(BOX, 0, 1)]), HubShell::new(1));
    hub.side.connected(public(BOX), 0);
    a.side.connected(public(HUB), 0);
    a.work().into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work().into_iter().for_each(|frame| a.side.frame(frame, 0));
    a.work();
    let device = device_id(&public(21));
    let heads = |epoch| JournalHeads { device, epoch, branches: vec![Branch::up_to(1, [epoch as u8; 16])] };
    a.side.held_all((0..600).map(heads));
    let sent = a.work();
    let about: Vec<usize> = sent
        .iter()
        .filter_map(|frame| {
            let Frame::Heads(vector) = frame else { return None };
            Some(vector.journals().len())
        })
        .collect();
    assert_eq!(about, [600]);
    sent.into_iter().for_each(|frame| hub.side.frame(frame, 0));
    hub.work();
    assert_eq!(hub.closed, None);
}
