use super::{revoked::beyond, *};

/// A bar that was restored from an image and went on: 3.00 on one branch, 5.00 on the other.
fn forked(dir: &std::path::Path) -> (Hub, SampleBox) {
    let (hub, bar, _) = two_histories(dir, false);
    (hub, bar)
}

/// The same with the other history; whether the hub countersigned the first before it heard of the other.
pub(super) fn two_histories(dir: &std::path::Path, countersigned: bool) -> (Hub, SampleBox, SampleBox) {
    let mut hub = sample::open(dir);
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 2_000);
    let mut bar = SampleBox::new(21, ALL);
    bar.sale(wallet(1), 100);
    let mut other = bar.restored(2);
    bar.sale(wallet(1), 300);
    other.sale(wallet(1), 500);
    adopt(&mut hub, &desk);
    adopt(&mut hub, &bar);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.ingest(&bar.segments(10)).unwrap();
    if countersigned {
        assert_eq!(hub.countersign(true).unwrap(), 2);
    }
    hub.ingest(&[other.segment(2, 3)]).unwrap();
    (hub, bar, other)
}

/// Standing of each history by its head, and whether it may be chosen.
fn histories(hub: &mut Hub, id: &MatterId) -> Vec<(String, &'static str, bool)> {
    let branches = hub.evidence(id).unwrap().branches.into_iter();
    branches.map(|branch| (branch.head, branch.standing, branch.may_hold)).collect()
}

fn choosing(hub: &mut Hub, id: &MatterId, one: &SampleBox) -> Asked {
    Asked { head: hex(&one.heads.last().unwrap().hash), ..again(hub, id, RulingAction::ConfirmBranch) }
}

#[test]
fn a_history_beside_one_that_was_countersigned_is_not_chosen_since_neither_would_count_then() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar, other) = two_histories(dir.path(), true);
    let id = the(&mut hub, MatterKind::Fork);
    let (held, before) = (histories(&mut hub, &id), money(&mut hub));
    let (this, that) = (hex(&bar.heads[2].hash), hex(&other.heads[2].hash));
    assert_eq!(held, [(this.clone(), "in_force", true), (that, "disputed", false)]);
    let wrong = choosing(&mut hub, &id, &other);
    assert_eq!(refused(&mut hub, &id, &wrong), "hub.ruling_confirmed");
    assert_eq!((histories(&mut hub, &id), money(&mut hub)), (held, before), "nothing was changed");
    assert!(hub.matter(&id).unwrap().open);

    // what the box wrote behind the countersigned head may be chosen, and the head itself
    bar.sale(wallet(1), 50);
    hub.ingest(&[bar.segment(3, 4)]).unwrap();
    let further = hex(&bar.heads[3].hash);
    assert_eq!(histories(&mut hub, &id)[0], (further.clone(), "disputed", true));
    let right = choosing(&mut hub, &id, &bar);
    assert!(!hub.resolve(&id, &right).unwrap().matter.open);
    assert_eq!(histories(&mut hub, &id)[0], (further, "in_force", true));
}

#[test]
fn of_two_histories_one_is_chosen_and_never_the_other_as_well() {
    let dir = sample::hub_dir();
    let (mut hub, bar, other) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    assert!(histories(&mut hub, &id).iter().all(|(_, standing, may)| *standing == "disputed" && *may));
    let chosen = choosing(&mut hub, &id, &bar);
    hub.resolve(&id, &chosen).unwrap();
    let (held, before) = (histories(&mut hub, &id), money(&mut hub));
    let too = choosing(&mut hub, &id, &other);
    assert_eq!(refused(&mut hub, &id, &too), "hub.ruling_confirmed");
    assert_eq!((histories(&mut hub, &id), money(&mut hub)), (held, before));
    let same = choosing(&mut hub, &id, &bar);
    assert!(!hub.resolve(&id, &same).unwrap().matter.open, "the same one again harms nothing");
}

#[test]
fn what_the_chosen_history_writes_after_the_choice_counts_when_somebody_has_chosen_it_again() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar, _) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    let chosen = choosing(&mut hub, &id, &bar);
    assert_eq!(hub.resolve(&id, &chosen).unwrap().matter.waits, None);
    // more than the evidence shows of a history
    (0..60).for_each(|_| _ = bar.sale(wallet(1), 10));
    hub.ingest(&[bar.segment(3, 63)]).unwrap();
    let before = money(&mut hub);
    let again = hub.matter(&id).unwrap();
    assert_eq!((again.open, again.waits.as_deref()), (true, Some("went_on")), "{again:?}");
    let head = hex(&bar.heads[62].hash);
    assert_eq!(histories(&mut hub, &id)[0], (head.clone(), "disputed", true));
    assert_eq!(refused(&mut hub, &id, &chosen), "hub.ruling_changed");
    let chosen = choosing(&mut hub, &id, &bar);
    let done = hub.resolve(&id, &chosen).unwrap().matter;
    assert_eq!((done.open, done.waits), (false, None));
    assert_eq!(histories(&mut hub, &id)[0], (head, "in_force", true));
    assert_eq!(money(&mut hub).spent, before.spent, "disputed spends count once, and in force no more");
    bar.sale(wallet(1), 10);
    hub.ingest(&[bar.segment(63, 64)]).unwrap();
    assert_eq!(histories(&mut hub, &id)[0].1, "disputed", "behind the entries that are shown");
}

#[test]
fn a_history_that_was_not_chosen_and_goes_on_opens_the_matter_and_one_of_a_revoked_box_does_not() {
    let dir = sample::hub_dir();
    let (mut hub, bar, mut other) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    let chosen = choosing(&mut hub, &id, &bar);
    hub.resolve(&id, &chosen).unwrap();
    other.sale(wallet(1), 10);
    hub.ingest(&[other.segment(3, 4)]).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.waits), (true, None), "the one that counts has not gone on");
    let before = money(&mut hub);
    assert!(!decides(&mut hub, &id, RulingAction::Revoke).open);
    let standings: Vec<_> = histories(&mut hub, &id).into_iter().map(|(_, standing, _)| standing).collect();
    assert_eq!(standings, ["in_force", "beyond_revocation"], "the chosen one counts, though the other is longer");
    assert_eq!(money(&mut hub).spent, before.spent - 510, "what stands in the other one does not count any more");
    other.sale(wallet(1), 10);
    hub.ingest(&[other.segment(4, 5)]).unwrap();
    assert!(!hub.matter(&id).unwrap().open);
    assert!(beyond(&mut hub, &bar).open, "it is listed as what a revoked box wrote");
}

#[test]
fn a_third_history_opens_the_matter_of_the_fork_again() {
    let dir = sample::hub_dir();
    let (mut hub, bar, _) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    let mut third = bar.restored(2);
    third.sale(wallet(1), 700);
    let chosen = choosing(&mut hub, &id, &bar);
    let decided = hub.resolve(&id, &chosen).unwrap().matter;
    assert_eq!((decided.open, decided.places.len()), (false, 1));
    hub.ingest(&[third.segment(2, 3)]).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.places.len()), (true, 2), "{view:?}");
    let accept = again(&mut hub, &id, RulingAction::Accept);
    assert!(!hub.resolve(&id, &accept).unwrap().matter.open);
}

#[test]
fn a_fork_has_both_histories_a_proof_for_anybody_and_ends_with_the_branch_that_was_chosen() {
    let dir = sample::hub_dir();
    let (mut hub, bar) = forked(dir.path());
    let id = the(&mut hub, MatterKind::Fork);
    let evidence = hub.evidence(&id).unwrap();
    assert_eq!(evidence.branches.iter().map(|branch| branch.entries.len()).collect::<Vec<_>>(), [1, 1]);
    let file = EvidenceFile::from_bytes(&hub.fork_evidence(id.about.unwrap()).unwrap()).unwrap();
    let shown = file.verify().unwrap();
    assert_eq!((shown.device, shown.seq, file.founding), (bar.device, 2, sample::founding()));

    assert_eq!(refused_now(&mut hub, &id, asked(RulingAction::ConfirmBranch)), "hub.ruling_branch");
    let chosen = hex(&bar.heads[2].hash);
    let done = resolves(&mut hub, &id, Asked { head: chosen, ..asked(RulingAction::ConfirmBranch) });
    assert!(!done.matter.open, "{:?}", done.matter);
    let standings: Vec<_> = hub.evidence(&id).unwrap().branches.iter().map(|branch| branch.standing).collect();
    assert!(standings.contains(&"in_force") && standings.contains(&"disputed"), "{standings:?}");
    assert_eq!(hub.matters(&Filter { open: Some(false), ..Filter::default() }).unwrap().total, 1);
}

#[test]
fn of_a_fork_the_ends_of_its_histories_are_shown_in_however_many_pieces_they_came() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = SampleBox::new(21, ALL);
    bar.sale(wallet(1), 100);
    let mut other = bar.restored(2);
    (0..40).for_each(|_| _ = bar.sale(wallet(1), 1));
    (0..60).for_each(|_| _ = other.sale(wallet(1), 2));
    adopt(&mut hub, &bar);
    hub.ingest(&[bar.segment(0, 2)]).unwrap();
    // each of these begins beyond a gap, which the next one closes
    for from in (2..42).step_by(4) {
        hub.ingest(&[bar.segment(from + 2, from + 4)]).unwrap();
        hub.ingest(&[bar.segment(from, from + 2)]).unwrap();
    }
    hub.ingest(&[other.segment(2, 62)]).unwrap();
    let id = the(&mut hub, MatterKind::Fork);
    let branches = hub.evidence(&id).unwrap().branches;
    let told: Vec<_> = branches.iter().map(|one| (one.head.clone(), one.last, one.entries.len())).collect();
    assert_eq!(told, [(hex(&bar.heads[41].hash), 41, 40), (hex(&other.heads[61].hash), 61, 50)]);
    for (branch, amount) in branches.iter().zip([1, 2]) {
        let seqs: Vec<String> = (2..).take(branch.entries.len()).map(|seq| format!("{}/0/{seq}", bar.device)).collect();
        assert_eq!(branch.entries.iter().map(|one| one.entry.clone()).collect::<Vec<_>>(), seqs);
        assert!(branch.entries.iter().all(|one| one.amount_cents == amount));
    }
    let chosen = choosing(&mut hub, &id, &other);
    assert!(!hub.resolve(&id, &chosen).unwrap().matter.open);
}
