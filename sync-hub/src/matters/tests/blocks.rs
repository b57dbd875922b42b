use domain::journal::{Detail, Ruling};

use super::*;

fn is_blocked(hub: &Hub) -> bool {
    flags(hub, 1).has(WalletFlags::BLOCKED)
}

#[test]
fn a_decision_lifts_no_block_that_was_put_by_hand_before_or_after_it() {
    for by_hand_first in [true, false] {
        let dir = sample::hub_dir();
        let mut hub = overspent(dir.path());
        let id = the(&mut hub, MatterKind::Overspend);
        if by_hand_first {
            assert!(hub.block_wallet(wallet(1)).unwrap());
        }
        decides(&mut hub, &id, RulingAction::Block);
        if !by_hand_first {
            assert!(!hub.block_wallet(wallet(1)).unwrap(), "it was not free");
        }
        assert!(!decides(&mut hub, &id, RulingAction::Lift).open);
        assert!(is_blocked(&hub), "stolen as well: {by_hand_first}");
        assert!(hub.unblock_wallet(wallet(1)).unwrap());
        hub.publish().unwrap();
        assert!(!is_blocked(&hub));
    }
}

/// A decision to block as it was written before such blocks had a reason of their own; where the band was blocked already
/// it wrote no block.
fn as_before(hub: &mut Hub, id: &MatterId, with_block: bool) {
    let ruling = Ruling {
        matter: id.kind,
        action: RulingAction::Block,
        what: id.what,
        places_seen: 2,
        cents_seen: 200,
        replaces: Vec::new(),
        by: "Ana".into(),
        reason: "seen at the office".into(),
    };
    let mut entries = Vec::new();
    if with_block {
        entries.push(hub.block_entry(id.what, id.subject, "band.blocked"));
    }
    let entry = hub.entry(Kind::RULING, Effect::None, id.subject);
    entries.push(Entry { part: Detail::Ruling(ruling).to_bytes(), ..entry });
    hub.act(entries).unwrap();
    hub.publish().unwrap();
}

#[test]
fn a_block_of_an_older_decision_is_lifted_with_it_and_one_that_it_found_is_not() {
    for with_block in [true, false] {
        let dir = sample::hub_dir();
        let mut hub = overspent(dir.path());
        let id = the(&mut hub, MatterKind::Overspend);
        if !with_block {
            hub.block_wallet(wallet(1)).unwrap();
        }
        as_before(&mut hub, &id, with_block);
        assert!(!hub.matter(&id).unwrap().open && is_blocked(&hub));
        decides(&mut hub, &id, RulingAction::Lift);
        assert_eq!(is_blocked(&hub), !with_block);
    }
}
