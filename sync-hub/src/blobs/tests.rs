use domain::{
    bundle::{Bundle, PackageError, SECTION_NAMES},
    id::FestivalId,
    names,
    secrets::{MasterSecret, NamesKey},
    ticket::snapshot::SnapshotTicket,
    trust::Roles,
};

use super::*;
use crate::{sample, tickets::Order};

fn names_key() -> NamesKey {
    MasterSecret([9; 32]).names_key(&sample::festival())
}

fn hub(dir: &Path) -> Hub {
    fs::write(dir.join("secrets/names.key"), names_key().bytes()).unwrap();
    sample::open(dir)
}

fn issue(hub: &mut Hub, holder: &str) -> TicketUid {
    let order = Order { category: 1, holder: holder.into(), valid_from: 0, valid_until: 1_900_000_000 };
    hub.issue(&order, 1).unwrap()[0].uid
}

fn bundle(hub: &mut Hub) -> Bundle {
    hub.refresh_blobs().unwrap();
    Bundle::verify(&hub.current_bundle().unwrap().bytes, Some(sample::festival())).unwrap()
}

fn whole(hub: &Hub, bundle: &Bundle, section: u16) -> Vec<u8> {
    let blob = bundle.blob(section).unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < blob.length {
        let piece = hub.blobs.folder.piece(&blob.hash, bytes.len() as u64, 50);
        assert!(!piece.is_empty());
        bytes.extend(piece);
    }
    blob.check(&bytes).unwrap();
    bytes
}

fn find(hub: &Hub, bundle: &Bundle, uid: TicketUid) -> Option<SnapshotTicket> {
    let bytes = whole(hub, bundle, SECTION_TICKETS);
    Snapshot::open(&bytes, &sample::festival()).unwrap().find(&uid)
}

#[test]
fn the_snapshot_holds_every_ticket_and_the_lists_only_what_came_after_it() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    assert_eq!(bundle(&mut hub).blobs().count(), 0, "no ticket yet");
    let (one, two) = (issue(&mut hub, ""), issue(&mut hub, ""));
    hub.bar_tickets(&[one], BarReason::Revoked).unwrap();
    let first = bundle(&mut hub);
    assert!(first.body.revoked.is_empty(), "it stands in the snapshot");
    assert!(find(&hub, &first, one).unwrap().revoked);
    let held = find(&hub, &first, two).unwrap();
    assert_eq!((held.revoked, held.window, held.zones), (false, Some((0, 1_900_000_000)), 1));
    assert!(held.ticket().is_some(), "enough to judge it without its code");

    hub.bar_tickets(&[two], BarReason::Blocked).unwrap();
    let since = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    assert_eq!(since.blob(SECTION_TICKETS), first.blob(SECTION_TICKETS), "too early for a new one");
    assert_eq!((since.body.revoked, since.body.blocked), (vec![], vec![two]));
    let next = bundle(&mut hub);
    assert!(next.body.number > first.body.number && next.body.blocked.is_empty());
    assert!(find(&hub, &next, two).unwrap().blocked);
}

#[test]
fn blobs_are_made_when_something_changed_and_not_more_often_than_every_ten_seconds() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let one = issue(&mut hub, "");
    assert!(hub.blobs_due().unwrap().is_some());
    let first = bundle(&mut hub);
    assert!(hub.blobs_due().unwrap().is_none(), "nothing changed");
    hub.bar_tickets(&[one], BarReason::Blocked).unwrap();
    assert!(hub.blobs_due().unwrap().is_none(), "the sample's clock stands still");
    assert!(bundle(&mut hub).body.number > first.body.number);
    // A lifted block cannot be told by a list: the next snapshot is made at once.
    hub.unblock_ticket(one).unwrap();
    assert!(hub.blobs_due().unwrap().is_some());
    let free = bundle(&mut hub);
    assert!(!find(&hub, &free, one).unwrap().blocked);
}

#[test]
fn a_restart_names_the_same_blobs_and_a_lost_file_is_made_again() {
    let dir = sample::hub_dir();
    let mut first = hub(dir.path());
    let one = issue(&mut first, "Hélène Lefèvre");
    let before = bundle(&mut first);
    drop(first);
    let mut again = hub(dir.path());
    assert_eq!(bundle(&mut again).body, before.body);
    drop(again);
    fs::remove_dir_all(dir.path().join("blobs")).unwrap();
    let mut again = hub(dir.path());
    let made = bundle(&mut again);
    assert!(find(&again, &made, one).is_some());
}

#[test]
fn a_holder_is_found_and_no_file_of_the_hub_shows_the_name() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let uid = issue(&mut hub, "Hélène Lefèvre-Quarantesept");
    let bundle = bundle(&mut hub);
    let sealed = whole(&hub, &bundle, SECTION_NAMES);
    let found = names::search(&sealed, &sample::festival(), &names_key(), "quarante").unwrap();
    assert_eq!((found.names.len(), found.names[0].ticket), (1, uid));
    assert_eq!(found.names[0].name, "Hélène Lefèvre-Quarantesept");
    fs::write(dir.path().join("stick.fpkg"), hub.package().unwrap().1).unwrap();
    drop(hub);
    let mut files = vec![dir.path().to_owned()];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|file| file.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        looked_at += 1;
        for part in ["Quarantesept", "quarantesept", "QUARANTESEPT", "Lefèvre", "lefevre"] {
            let shows = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!shows, "{} shows {part}", path.display());
        }
    }
    assert!(looked_at > 10, "{looked_at} files");
}

#[test]
fn a_package_from_this_hub_is_taken_whole_and_by_this_festival_only() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    issue(&mut hub, "Hélène Lefèvre");
    let (number, bytes) = hub.package().unwrap();
    let package = Package::read(&bytes).unwrap();
    let (bundle, blobs) = package.verify(sample::festival(), None, Roles::GATE, |_| false).unwrap();
    assert_eq!((bundle.body.number, blobs.len()), (number, 2));
    let elsewhere = package.verify(FestivalId([3; 16]), None, Roles::GATE, |_| false);
    assert!(matches!(elsewhere, Err(PackageError::Bundle(_))));
    let older = package.verify(sample::festival(), Some(number + 1), Roles::GATE, |_| false);
    assert!(matches!(older, Err(PackageError::Bundle(_))));
}
