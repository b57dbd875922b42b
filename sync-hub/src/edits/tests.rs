use documents::{Author, Document, Documents, Path, ProductField, Refusal, Setting, SignedBy, SignedEnvelope};
use domain::{
    id::device_id,
    staff::{Member, StaffRoles},
    trust::{Certificate, CertificateChain, Purpose, Scope, SignedCertificate},
};
use screens::view::ManagerView;
use sync::{Delta, Section, frame::Edit};

use crate::{
    Hub,
    deltas::feed::Next,
    sample::{self, festival, founding, key},
};

/// A manager with key `n`.
fn manager(n: u8) -> SignedBy {
    let certificate = Certificate {
        version: 1,
        festival: festival(),
        purpose: Purpose::Manager,
        subject: key(n).verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [n; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope::nothing(&format!("Manager {n}")),
    };
    SignedBy { key: key(n), chain: CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))]) }
}

fn author(n: u8) -> Author {
    Author { device: device_id(&[n; 32]), epoch: 0, operator: n.into(), at_ms: 5 }
}

fn price(cents: u32) -> Setting {
    Setting::to(Path::Product(1, ProductField::Price), cents)
}

fn price_of(documents: &Documents) -> u32 {
    documents.catalogue().value.product(1).unwrap().price.get()
}

/// What a box that has everything holds.
fn box_of(hub: &mut Hub) -> Documents {
    let mut documents = Documents::new(founding());
    hub.publish().unwrap();
    hub.snapshot(Section::Documents).unwrap();
    let Next::Part(signed) = hub.feeds().next(Section::Documents, 0, 0, None) else { panic!("no snapshot") };
    let delta = Delta::from_bytes(&signed.body).unwrap();
    let mut input = domain::wire::Reader::new(&delta.items);
    while !input.rest().is_empty() {
        let edit = Edit::read_item(&mut input).unwrap();
        let signed = SignedEnvelope::from_bytes(&edit.envelope).unwrap();
        let verified = documents.verify(&signed).unwrap();
        assert_eq!(verified.hash().0, edit.change);
        documents.confirm(&verified).unwrap();
    }
    documents
}

fn made(at: &mut Documents, n: u8, settings: &[Setting]) -> Edit {
    let signed = at.author(Document::Catalogue, settings, &author(n), &manager(n)).unwrap();
    let verified = at.verify(&signed).unwrap();
    let edit = Edit { change: verified.hash().0, envelope: signed.to_bytes() };
    at.add_pending(verified).unwrap();
    edit
}

#[test]
fn the_file_seeds_the_documents_once() {
    let dir = sample::hub_dir();
    let toml = format!(
        "{}\n[[zone]]\nnumber = 1\nname_fr = \"Scène\"\nname_en = \"Stage\"\ncapacity = 300\n[[reason]]\ncode = \"lost\"\nfr = \"Perdu\"\nen = \"Lost\"\n",
        sample::TOML
    );
    std::fs::write(dir.path().join("festival.toml"), &toml).unwrap();
    let mut hub = sample::open(dir.path());
    assert_eq!(price_of(hub.documents()), 350);
    assert_eq!(hub.documents().zones().value.zone(1).unwrap().capacity, Some(300));
    assert_eq!(hub.documents().reasons().value[0].code, "lost");
    hub.edit(Document::Catalogue, &[price(400)]).unwrap();
    drop(hub);
    std::fs::write(dir.path().join("festival.toml"), toml.replace("price_cents = 350", "price_cents = 999")).unwrap();
    let hub = sample::open(dir.path());
    assert_eq!(price_of(hub.documents()), 400, "what people edited holds");
}

#[test]
fn a_boxs_edit_is_confirmed_sent_to_everybody_and_answered_alike_when_it_comes_again() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = box_of(&mut hub);
    let edit = made(&mut bar, 30, &[price(420)]);
    let answer = hub.take_edit(&edit).unwrap();
    assert_eq!((answer.change, answer.code, answer.entered_again), (edit.change, 0, false));
    assert_eq!(hub.take_edit(&edit).unwrap(), answer);
    assert_eq!(hub.publish().unwrap(), [Section::Documents]);
    let (revision, everybody) = (hub.documents().revision(), box_of(&mut hub));
    assert_eq!((price_of(&everybody), everybody.revision()), (420, revision));
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!((price_of(hub.documents()), hub.documents().revision()), (420, revision));
    assert_eq!(hub.take_edit(&edit).unwrap(), answer);
}

#[test]
fn a_revoked_managers_edits_are_refused_but_what_is_confirmed_stays_and_later_honest_ones_are_entered_again() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = box_of(&mut hub);
    let confirmed = made(&mut bar, 30, &[price(420)]);
    assert_eq!(hub.take_edit(&confirmed).unwrap().code, 0);
    let late = made(&mut bar, 30, &[price(999)]);
    let honest = made(&mut bar, 31, &[Setting::to(Path::Product(1, ProductField::SoldOut), true)]);
    assert!(hub.revoke_manager(&key(30).verifying_key().to_bytes()).unwrap());
    assert_eq!(hub.take_edit(&late).unwrap().code, Refusal::Revoked.number());
    let again = hub.take_edit(&honest).unwrap();
    assert_eq!((again.code, again.entered_again), (0, true));
    assert_eq!(hub.take_edit(&honest).unwrap(), again);
    let catalogue = hub.documents().catalogue().value;
    let product = catalogue.product(1).unwrap();
    assert_eq!((product.price.get(), product.sold_out), (420, true));
    assert_eq!(hub.store().answered_edits(10).unwrap().len(), 2);
}

#[test]
fn every_managers_key_is_listed_with_what_is_confirmed_of_it_and_whether_it_is_revoked() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.edit(Document::Catalogue, &[price(400)]).unwrap();
    assert_eq!(hub.managers().unwrap(), [], "the hub's own key is nobody's");
    let mut bar = box_of(&mut hub);
    for cents in [420, 430] {
        hub.take_edit(&made(&mut bar, 30, &[price(cents)])).unwrap();
    }
    let SignedBy { chain, .. } = manager(31);
    let sealed_key = documents::seal("482913", &[31; 32], &chain, [1; 16], [2; 24]).unwrap();
    let member = Member {
        number: 7,
        name: "Ana".into(),
        roles: StaffRoles::MANAGER,
        pin: None,
        badge: None,
        zones: 0,
        active: true,
        sealed_key,
    };
    hub.edit(Document::Staff, &documents::member(&member)).unwrap();
    assert!(hub.revoke_manager(&key(30).verifying_key().to_bytes()).unwrap());
    let told = hub.managers().unwrap();
    let shown = |view: &ManagerView| (view.number, view.name.clone(), view.revoked, view.confirmed, view.last_at_ms);
    let expected = [(7, "Ana".to_owned(), false, 0, None), (0, "Manager 30".to_owned(), true, 2, Some(5))];
    assert_eq!(told.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(told[0].key, domain::wire::hex(&key(31).verifying_key().to_bytes()));
}

#[test]
fn two_prices_at_once_are_a_conflict_until_somebody_settles_it() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = box_of(&mut hub);
    hub.edit(Document::Catalogue, &[price(380)]).unwrap();
    let edit = made(&mut bar, 30, &[price(420)]);
    assert_eq!(hub.take_edit(&edit).unwrap().code, 0);
    let conflict = hub.documents().catalogue().conflicts.remove(0);
    let loser = conflict.others[0].clone();
    assert!(hub.settle(Document::Catalogue, "product/2/price", loser.change).is_err());
    hub.settle(Document::Catalogue, "product/1/price", loser.change).unwrap();
    assert_eq!(hub.documents().catalogue().conflicts, []);
    assert_eq!(documents::Value::from(price_of(hub.documents())), loser.value);
}

#[test]
fn bytes_that_are_no_edit_are_refused_and_remembered() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let junk = Edit { change: [9; 32], envelope: vec![1, 2, 3] };
    assert_eq!(hub.take_edit(&junk).unwrap().code, Refusal::Malformed.number());
    let mut bar = box_of(&mut hub);
    let edit = made(&mut bar, 30, &[price(420)]);
    let other_name = Edit { change: [8; 32], ..edit.clone() };
    assert_eq!(hub.take_edit(&other_name).unwrap().code, Refusal::Malformed.number());
    assert_eq!(hub.take_edit(&edit).unwrap().code, 0);
}

#[test]
fn a_hub_restored_from_a_backup_takes_the_edits_that_boxes_still_hold() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = box_of(&mut hub);
    let first = made(&mut bar, 30, &[price(420)]);
    assert_eq!(hub.take_edit(&first).unwrap().code, 0);
    let second = made(&mut bar, 30, &[price(440)]);
    assert_eq!(hub.take_edit(&second).unwrap().code, 0);
    // A backup from before both.
    let restored = sample::hub_dir();
    let mut restored_hub = sample::open(restored.path());
    assert_eq!(price_of(restored_hub.documents()), 350);
    assert_eq!(restored_hub.take_edit(&first).unwrap().code, 0);
    assert_eq!(restored_hub.take_edit(&second).unwrap().code, 0);
    assert_eq!(price_of(restored_hub.documents()), 440);
}

#[test]
fn people_whose_files_lie_in_the_folder_are_taken_on_once() {
    let dir = sample::hub_dir();
    std::fs::create_dir(dir.path().join("staff")).unwrap();
    let file = r#"{"document":"staff","set":{"member/7/name":"Ana","member/7/roles":"2","member/7/active":"true"}}"#;
    std::fs::write(dir.path().join("staff/7.json"), file).unwrap();
    std::fs::write(dir.path().join("staff/readme.txt"), "not a person").unwrap();
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.documents().staff().value.member(7).unwrap().name, "Ana");
    let name = documents::Path::Member(7, documents::MemberField::Name);
    hub.edit(Document::Staff, &[Setting::to(name, "Anaïs")]).unwrap();
    drop(hub);
    let hub = sample::open(dir.path());
    assert_eq!(hub.documents().staff().value.member(7).unwrap().name, "Anaïs");
}
