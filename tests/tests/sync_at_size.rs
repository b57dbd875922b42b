//! Sync at size, small enough for every run: `tests/soak sync-at-size` is the whole of it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test should panic")]
use evening::size::{self, Plan};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_boxes_is_reconciled_beside_liars_and_over_a_kill_and_sends_nothing_twice() {
    let report = size::run(Plan::QUICK, &|_| {}).await.unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    let boxes = Plan::QUICK.boxes as u64;
    for stage in &report.stages {
        assert_eq!(stage.entries, boxes * u64::from(Plan::QUICK.entries), "{stage:?}");
        assert_eq!(stage.resent, 0, "acknowledged entries were sent again: {stage:?}");
        assert_eq!(stage.refused, 0, "an honest box was refused: {stage:?}");
        assert!(stage.hub_mb < 512.0, "{stage:?}");
    }
    let [first, _, _, killed] = report.stages.as_slice() else { panic!("{report:?}") };
    assert_eq!(first.sessions, boxes);
    assert!(killed.sessions > boxes, "nobody noticed that the hub was killed: {killed:?}");
    // the liars were there, and were sent away
    let lies = &report.lies;
    assert!(lies.entries > 0 && lies.frames > 0 && lies.poisoned > 0 && lies.sent_away > 0, "{lies:?}");
    // a loaded machine makes short stages uneven; the whole form has the goal
    assert!(report.slowed_by_lies < 4.0, "{report:?}");
}
