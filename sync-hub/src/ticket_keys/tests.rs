use domain::{
    bundle::Bundle,
    ticket::{TicketError, own::ParsedOwn},
};

use super::*;
use crate::{sample, tickets::Order};

const NOW: u64 = 1_800_000_000;

fn ticket(hub: &mut Hub) -> String {
    let order = Order { category: 1, holder: String::new(), valid_from: 0, valid_until: 0 };
    hub.issue(&order, 1).unwrap().remove(0).text
}

fn id(n: u8) -> KeyId {
    key_id(sample::key(n).verifying_key().as_bytes())
}

fn bundle(hub: &mut Hub) -> Bundle {
    Bundle::verify(&hub.current_bundle().unwrap().bytes, Some(sample::festival())).unwrap()
}

fn states(hub: &Hub) -> Vec<(String, &'static str, u64)> {
    let issued = issued_by_key(&hub.reading().unwrap()).unwrap();
    hub.ticket_key_views(&issued).into_iter().map(|view| (view.id, view.state, view.tickets)).collect()
}

#[test]
fn after_activation_the_new_key_signs_and_old_tickets_stay_good_until_their_key_is_retired() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    sample::lay_ticket_key(dir.path(), 60, 0, 0);
    assert_eq!(hub.adopt_ticket_keys().unwrap().adopted, [id(60).to_hex()]);
    assert_eq!(hub.adopt_ticket_keys().unwrap(), Adopted::default(), "it is here already");
    let old = ticket(&mut hub);
    assert_eq!(ParsedOwn::parse(&old).unwrap().key(), id(4));
    let before = bundle(&mut hub);

    assert!(hub.activate_ticket_key(id(60)).unwrap());
    assert!(!hub.activate_ticket_key(id(60)).unwrap());
    let new = ticket(&mut hub);
    assert_eq!(ParsedOwn::parse(&new).unwrap().key(), id(60));
    let rotated = bundle(&mut hub);
    for text in [&old, &new] {
        assert!(rotated.verifier(&[]).read(text).is_ok());
        assert!(before.verifier(&[]).read(text).is_ok(), "the bundle from before announced the next key");
    }

    assert!(hub.retire_ticket_key(id(4)).unwrap());
    assert!(!hub.retire_ticket_key(id(4)).unwrap());
    let retired = bundle(&mut hub);
    assert!(retired.body.number > rotated.body.number);
    assert_eq!(retired.verifier(&[]).read(&old).unwrap_err(), TicketError::KeyRevoked);
    assert!(retired.verifier(&[]).read(&new).is_ok());
    let expected = [(id(4).to_hex(), "retired", 1), (id(60).to_hex(), "issues", 1)];
    assert_eq!(states(&hub), expected);

    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(states(&hub), expected, "a restart changes nothing");
    assert_eq!(bundle(&mut hub), retired);
    assert_eq!(ParsedOwn::parse(&ticket(&mut hub)).unwrap().key(), id(60));
}

#[test]
fn what_would_leave_gates_or_guests_without_a_key_is_refused() {
    let dir = sample::hub_dir();
    sample::lay_ticket_key(dir.path(), 60, NOW + 1, 0);
    sample::lay_ticket_key(dir.path(), 61, 0, NOW - 1);
    sample::lay_ticket_key(dir.path(), 62, NOW, NOW);
    let mut hub = sample::open(dir.path());
    let refused = |done: Result<bool, HubError>| match done {
        Err(HubError::Refused(code)) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(hub.retire_ticket_key(id(4))), "ticket_key.issues");
    assert_eq!(refused(hub.activate_ticket_key(id(60))), "ticket_key.not_in_force");
    assert_eq!(refused(hub.activate_ticket_key(id(61))), "ticket_key.not_in_force");
    assert!(hub.activate_ticket_key(id(62)).unwrap());
    assert!(hub.retire_ticket_key(id(4)).unwrap());
    assert_eq!(refused(hub.activate_ticket_key(id(4))), "ticket_key.retired");
    assert!(matches!(hub.activate_ticket_key(id(99)), Err(HubError::NotFound(_))));
    for code in ["ticket_key.issues", "ticket_key.not_in_force", "ticket_key.retired"] {
        assert!(screens::REASON_CODES.contains(&code), "{code}");
    }
}

#[test]
fn a_bundle_carries_the_keys_in_use_and_the_next_two() {
    let dir = sample::hub_dir();
    (60..64).for_each(|n| sample::lay_ticket_key(dir.path(), n, 0, 0));
    let mut hub = sample::open(dir.path());
    let carried =
        |hub: &mut Hub| -> Vec<KeyId> { bundle(hub).verifier(&[]).ticket_keys.iter().map(|key| key.id).collect() };
    assert_eq!(carried(&mut hub), [id(4), id(60), id(61)]);
    let shown: Vec<&str> = states(&hub).into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(shown, ["issues", "next", "next", "waiting", "waiting"]);
    hub.activate_ticket_key(id(60)).unwrap();
    assert_eq!(carried(&mut hub), [id(4), id(60), id(61), id(62)]);
}

#[test]
fn files_that_are_no_ticket_key_of_this_festival_are_named_and_passed_over() {
    let dir = sample::hub_dir();
    sample::lay_ticket_key(dir.path(), 60, 0, 0);
    sample::lay_ticket_key(dir.path(), 61, 0, 0);
    let folder = dir.path().join("ticket-keys");
    std::fs::copy(folder.join("61.chain"), folder.join("60.chain")).unwrap();
    std::fs::write(folder.join("70.key"), [70; 31]).unwrap();
    std::fs::copy(dir.path().join("keys/bundle.key"), folder.join("71.key")).unwrap();
    std::fs::copy(dir.path().join("keys/bundle.chain"), folder.join("71.chain")).unwrap();
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.adopt_ticket_keys().unwrap().passed_over, ["60", "70", "71"]);
    assert_eq!(states(&hub).len(), 2, "the enrolment's key and 61");
}

#[test]
fn a_hub_whose_issuing_key_is_gone_signs_nothing_until_another_one_is_activated() {
    let dir = sample::hub_dir();
    sample::lay_ticket_key(dir.path(), 60, 0, 0);
    let mut hub = sample::open(dir.path());
    hub.activate_ticket_key(id(60)).unwrap();
    drop(hub);
    std::fs::remove_dir_all(dir.path().join("ticket-keys")).unwrap();
    let mut hub = sample::open(dir.path());
    let order = Order { category: 1, holder: String::new(), valid_from: 0, valid_until: 0 };
    assert!(matches!(hub.issue(&order, 1), Err(HubError::NotFound(_))));
    assert!(hub.activate_ticket_key(id(4)).unwrap());
    assert_eq!(ParsedOwn::parse(&ticket(&mut hub)).unwrap().key(), id(4));
}
