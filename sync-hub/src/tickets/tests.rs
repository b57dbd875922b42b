use domain::{bundle::Bundle, ticket::Product};

use super::*;
use crate::{pretix::PretixError, sample};

fn order(holder: &str) -> Order {
    Order { category: 1, holder: holder.into(), valid_from: 0, valid_until: 0 }
}

#[test]
fn an_issued_ticket_verifies_against_the_bundle_and_is_refused_once_revoked() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let tickets = hub.issue(&order("Hélène Lefèvre"), 3).unwrap();
    let bundle = Bundle::verify(&hub.current_bundle().unwrap().bytes, Some(sample::festival())).unwrap();
    for issued in &tickets {
        let read = bundle.verifier(&[]).read(&issued.text).unwrap();
        assert_eq!((read.uid, read.product), (issued.uid, Product::Category(1)));
        assert_eq!(read.holder_check, Some(holder_check("HELENE LEFEVRE")));
        let png = qr::png(&issued.text).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        let (_, text) = rqrr::PreparedImage::prepare(picture).detect_grids()[0].decode().unwrap();
        assert_eq!(text, issued.text);
    }
    let before = bundle.body.number;
    assert_eq!(hub.bar_tickets(&[tickets[0].uid], BarReason::Revoked).unwrap(), 1);
    assert_eq!(hub.bar_tickets(&[tickets[0].uid], BarReason::Revoked).unwrap(), 0);
    let bundle = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    assert_eq!(bundle.body.revoked, vec![tickets[0].uid]);
    assert_eq!(bundle.body.number, before + 1);
}

#[test]
fn a_ticket_of_no_category_or_an_impossible_window_is_refused() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    assert!(matches!(hub.issue(&Order { category: 9, ..order("") }, 1), Err(HubError::NotFound(_))));
    assert!(matches!(hub.issue(&Order { valid_from: 9, valid_until: 8, ..order("") }, 1), Err(HubError::Invalid(_))));
    assert!(matches!(hub.issue(&order(&"x".repeat(201)), 1), Err(HubError::Invalid(_))));
    assert_eq!(hub.store().issued_count().unwrap(), 0);
}

#[test]
fn a_bundle_keeps_its_number_while_nothing_changes_and_rises_over_a_restore() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let first = hub.current_bundle().unwrap();
    assert_eq!(hub.current_bundle().unwrap(), first);
    let category = Category { number: 2, ..hub.store().categories().unwrap()[0].clone() };
    hub.add_category(&category).unwrap();
    assert!(matches!(hub.add_category(&category), Err(HubError::Exists(_))));
    let second = hub.current_bundle().unwrap();
    assert!(second.number > first.number);
    assert!(hub.adopt_credit_chain(&sample::credit_chain(40).to_bytes()).unwrap());
    assert!(hub.adopt_credit_chain(&sample::box_chain(40, domain::trust::Roles(7)).to_bytes()).is_err());
    assert!(hub.current_bundle().unwrap().number > second.number);
    drop(hub);
    // The database is lost: whatever number boxes hold, the next one is higher.
    std::fs::remove_file(dir.path().join("hub.db")).unwrap();
    let mut hub = sample::open(dir.path());
    assert!(hub.current_bundle().unwrap().number > second.number + 1000);
}

#[test]
fn without_a_managers_key_a_price_edited_in_the_file_stands_in_the_next_bundle() {
    let dir = sample::hub_dir();
    std::fs::remove_file(dir.path().join("keys/manager.key")).unwrap();
    let mut hub = sample::open(dir.path());
    let first = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    assert_eq!(first.body.price_revision, 3);
    // Tickets are barred, so that there is a new bundle for another reason.
    hub.bar_tickets(&[sample::ticket(1)], crate::store::BarReason::Revoked).unwrap();
    drop(hub);
    let edited = sample::TOML.replace("price_cents = 350", "price_cents = 400");
    std::fs::write(dir.path().join("festival.toml"), edited).unwrap();
    let mut hub = sample::open(dir.path());
    let second = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    assert_eq!(second.body.catalogue[0].price.get(), 400);
    assert_eq!(second.body.price_revision, 4);
    assert!(second.body.number > first.body.number);
}

fn interop() -> serde_json::Value {
    let text = include_str!("../../../tests/interop/pretix_tickets.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn real_tickets_of_pretix_are_read_and_its_lists_are_kept() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let export = interop();
    let imported = hub.import_pretix(export.to_string().as_bytes()).unwrap();
    assert_eq!((imported.events.len(), imported.keys, imported.products), (3, 3, 12));
    assert_eq!((imported.revoked, imported.blocked), (1, 1));
    let bundle = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    let verifier = bundle.verifier(&[]);
    for secret in export["tickets"].as_array().unwrap() {
        let ticket = verifier.read(secret["secret"].as_str().unwrap()).unwrap();
        let Product::Pretix { event, item, .. } = ticket.product else { panic!("not of pretix") };
        let slug = bundle.body.events.iter().find(|held| held.index == event).unwrap().slug.as_str();
        assert_eq!(slug, secret["event"].as_str().unwrap());
        assert!(bundle.pretix_product(event, item).is_some());
    }
    let revoked = verifier.read(export["api_revokedsecrets"]["results"][0]["secret"].as_str().unwrap()).unwrap();
    assert_eq!(bundle.body.revoked, vec![revoked.uid]);
    // Again: nothing is new, and no new bundle.
    let number = bundle.body.number;
    let again = hub.import_pretix(export.to_string().as_bytes()).unwrap();
    assert_eq!((again.revoked, again.blocked), (0, 0));
    assert_eq!(hub.current_bundle().unwrap().number, number);
    // Lifted.
    let mut lifted = export;
    lifted["api_blockedsecrets"]["results"][0]["blocked"] = false.into();
    assert_eq!(hub.import_pretix(lifted.to_string().as_bytes()).unwrap().unblocked, 1);
    let bundle = Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    assert_eq!((bundle.body.blocked.len(), bundle.body.revoked.len()), (0, 1));
}

#[test]
fn an_import_with_a_shared_key_or_an_unknown_secret_takes_nothing() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut export = interop();
    export["events"][1]["valid_keys"] = export["events"][0]["valid_keys"].clone();
    let refused = hub.import_pretix(export.to_string().as_bytes());
    assert!(matches!(refused, Err(HubError::Pretix(PretixError::SharedKey { .. }))), "{refused:?}");
    let mut export = interop();
    export["api_revokedsecrets"]["results"][0]["secret"] = export["tampered"][1]["secret"].clone();
    let refused = hub.import_pretix(export.to_string().as_bytes());
    assert!(
        matches!(refused, Err(HubError::Pretix(PretixError::Secret { list: "revoked", index: 0, .. }))),
        "{refused:?}"
    );
    assert!(hub.store().pretix_events().unwrap().is_empty());
    // The key of an event that was imported before, under another slug.
    hub.import_pretix(interop().to_string().as_bytes()).unwrap();
    let mut one = interop()["events"][0].clone();
    one["slug"] = "copy".into();
    let refused = hub.import_pretix(one.to_string().as_bytes());
    assert!(matches!(refused, Err(HubError::Pretix(PretixError::SharedKey { .. }))), "{refused:?}");
    for json in ["", "[]", "{}", "{\"slug\":\"x\"}", "{\"slug\":\"x\",\"valid_keys\":{}}"] {
        assert!(matches!(hub.import_pretix(json.as_bytes()), Err(HubError::Pretix(_))), "{json}");
    }
}

#[test]
fn a_page_of_a_list_is_refused_and_nothing_of_the_import_is_taken() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let number = hub.current_bundle().unwrap().number;
    let sold = serde_json::json!({ "results": [] });
    for list in ["api_revokedsecrets", "api_blockedsecrets", "api_orderpositions"] {
        for (field, value) in [
            ("next", "https://pretix.example/api/?page=2".into()),
            ("previous", "https://pretix.example/api/?page=1".into()),
            ("count", 2.into()),
            ("count", 0.into()),
        ] {
            let mut export = interop();
            export["api_orderpositions"] = sold.clone();
            export[list][field] = value;
            if list == "api_orderpositions" && field == "count" {
                export[list]["count"] = 3.into();
            }
            let refused = hub.import_pretix(export.to_string().as_bytes());
            assert!(matches!(refused, Err(HubError::Pretix(_))), "{list} {field}: {refused:?}");
            let text = refused.unwrap_err().to_string();
            assert!(text.contains("page"), "{text}");
        }
    }
    assert!(hub.store().pretix_events().unwrap().is_empty());
    assert_eq!(hub.current_bundle().unwrap().number, number);
}

#[test]
fn pretixs_own_names_of_its_lists_bar_their_tickets_and_a_list_of_another_name_is_refused() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let renamed = |list: &str, to: &str| {
        let mut export = interop();
        let held = export.as_object_mut().unwrap().remove(list).unwrap();
        export[to] = held;
        export
    };
    for other in ["revoked_tickets", "Revoked"] {
        let mut export = renamed("api_revokedsecrets", other);
        let refused = hub.import_pretix(export.to_string().as_bytes());
        assert!(matches!(&refused, Err(HubError::Pretix(reason)) if reason.to_string().contains(other)), "{refused:?}");
        export[other] = export[other]["results"].clone();
        let refused = hub.import_pretix(export.to_string().as_bytes());
        assert!(matches!(&refused, Err(HubError::Pretix(reason)) if reason.to_string().contains(other)), "{refused:?}");
    }
    let mut inside = interop();
    inside["events"][0]["revokedsecrets"] = inside["api_revokedsecrets"].take();
    inside.as_object_mut().unwrap().remove("api_revokedsecrets");
    let refused = hub.import_pretix(inside.to_string().as_bytes());
    assert!(matches!(refused, Err(HubError::Pretix(_))), "{refused:?}");
    assert!(hub.store().pretix_events().unwrap().is_empty());

    let imported = hub.import_pretix(renamed("api_revokedsecrets", "revokedsecrets").to_string().as_bytes()).unwrap();
    assert_eq!((imported.revoked, imported.blocked), (1, 1));
    let other = sample::hub_dir();
    let mut hub = sample::open(other.path());
    let imported = hub.import_pretix(renamed("api_blockedsecrets", "blockedsecrets").to_string().as_bytes()).unwrap();
    assert_eq!((imported.revoked, imported.blocked), (1, 1));
    // The answer of pretix about one event, with the lists of words that it has.
    let mut event = interop()["events"][0].clone();
    event["plugins"] = serde_json::json!(["pretix.plugins.sendmail"]);
    event["limit_sales_channels"] = serde_json::json!(["web"]);
    assert_eq!(hub.import_pretix(event.to_string().as_bytes()).unwrap().events, ["main"]);
}
