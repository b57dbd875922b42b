use domain::{
    id::TicketUid,
    journal::{Admission, Detail, Effect, Entry, Kind, Marks},
    time::Hlc,
};

use super::*;
use crate::{
    sample::{self, SampleBox},
    totals,
};

const DOUBLED: u16 = 501;

fn ticket(n: u16) -> TicketUid {
    let mut id = [0x40; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    TicketUid(id)
}

fn admit(gate: &mut SampleBox, n: u16, at_ms: u64) {
    let (marks, product) = (Marks::default(), [1, 0, 0, 0]);
    let part = Detail::Admission(Admission { scheme: 1, marks, product, reason: String::new() }).to_bytes();
    let entry = gate.entry(Kind::ADMISSION, Effect::In, 0);
    gate.commit(Entry { subject: ticket(n).into(), part, hlc: Hlc::default().tick(at_ms), ..entry });
}

#[test]
fn of_more_conflicts_than_the_console_shows_the_newest_are_shown_with_how_many_there_are() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for n in [20, 21] {
        let mut gate = SampleBox::new(n, Roles::GATE);
        (0..DOUBLED).for_each(|n| admit(&mut gate, n, 1_000_000 + u64::from(n)));
        hub.ingest(&gate.segments(400)).unwrap();
    }
    hub.publish().unwrap();
    let reading = hub.reading().unwrap();
    let books = totals::books(&reading).unwrap();
    let view = hub.overview().unwrap().complete(&books, &reading).unwrap();
    assert_eq!((view.conflicts.len(), view.conflicts_total), (500, 501));
    let newest = domain::wire::hex(&ticket(DOUBLED - 1).0);
    let oldest = domain::wire::hex(&ticket(0).0);
    let shows = |id: &str| view.conflicts.iter().any(|conflict| conflict.id.ends_with(id));
    assert!(shows(&newest) && !shows(&oldest), "{}", view.conflicts[0].id);
}

#[test]
fn a_restored_hub_says_that_what_was_revoked_and_blocked_since_must_be_so_again_until_somebody_confirms_it() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let shown = |hub: &mut Hub| hub.overview().unwrap().view.notices;
    assert!(shown(&mut hub).is_empty());
    hub.raise_term(1).unwrap();
    let notice = shown(&mut hub).pop().unwrap();
    assert_eq!((notice.code.as_str(), notice.confirm), ("hub.restored", Some(2)));
    for lang in [screens::Lang::Fr, screens::Lang::En] {
        let text = screens::reason(lang, &notice.code, &notice.args);
        assert!(text.contains('2') && !text.contains('?'), "{text}");
    }
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(shown(&mut hub), [notice], "it stands until somebody has done it");
    assert!(matches!(hub.confirm_restored(1), Err(HubError::Refused("hub.restored_again"))), "an older page");
    hub.confirm_restored(2).unwrap();
    assert!(shown(&mut hub).is_empty());
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert!(shown(&mut hub).is_empty());
    hub.raise_term(2).unwrap();
    assert_eq!(shown(&mut hub).pop().and_then(|notice| notice.confirm), Some(3), "and with the next restore again");
}
