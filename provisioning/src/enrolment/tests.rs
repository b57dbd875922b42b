//! A technician and a blank box at the two ends of a Unix socket.
use std::{os::unix::net::UnixStream, thread};

use domain::{
    bundle::{BundleBody, Policy},
    id::FestivalId,
    money::{Cents, Currency},
    trust::{CertificateChain, ChainError, Roles},
};
use ed25519_dalek::SigningKey;
use sync::enrolment::{BlankBox, BlankStep, Enrolled};

use super::*;
use crate::issuer::EnrolCaps;

struct Office {
    temp: tempfile::TempDir,
    festival: Festival,
    bundle: (Bundle, Vec<u8>),
}

/// What happened on the box's side.
type Stored = Result<(Enrolled, Vec<u8>), EnrolError>;

impl Office {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let bundle = bundle(&festival);
        Self { temp, festival, bundle }
    }

    fn enrol(
        &self,
        issuer: &Issuer,
        plan: &BoxPlan,
        key: u8,
        enrolled: Option<(FestivalId, u32)>,
    ) -> (Result<Label, Failure>, Stored) {
        let (mut here, there) = UnixStream::pair().unwrap();
        let side = thread::spawn(move || box_side(there, &SigningKey::from_bytes(&[key; 32]), enrolled, [key; 32]));
        let label = enrol(&self.festival, issuer, &mut here, "test", plan, 5);
        drop(here);
        (label, side.join().unwrap())
    }

    fn plan(&self, place: &str, roles: &[Role]) -> BoxPlan {
        BoxPlan {
            place: place.into(),
            roles: roles.to_vec(),
            zone: 0,
            pairs_bands: roles.contains(&Role::Gate),
            lang: Lang::Fr,
            hubs: vec!["127.0.0.1:4433".into()],
            https: "127.0.0.1:0".into(),
            names: Vec::new(),
            reader: "virtual".into(),
            quota_cents: 100_000,
            bundle: self.bundle.0.clone(),
            bundle_bytes: self.bundle.1.clone(),
            re_enrol: false,
        }
    }

    fn by_root(
        &self,
        plan: &BoxPlan,
        key: u8,
        enrolled: Option<(FestivalId, u32)>,
    ) -> (Result<Label, Failure>, Stored) {
        self.enrol(&Issuer::root(&self.festival).unwrap(), plan, key, enrolled)
    }
}

/// A bundle as a hub signs it, with nothing in it yet.
fn bundle(festival: &Festival) -> (Bundle, Vec<u8>) {
    let key = SigningKey::from_bytes(&[99; 32]);
    let subject = key.verifying_key().to_bytes();
    let chain = festival.issue_certificate(Purpose::Bundle, subject, Scope::nothing("bundle")).unwrap();
    let cents = |n| Cents::new(n).unwrap();
    let body = BundleBody {
        version: 1,
        founding: festival.founding().to_bytes(),
        number: 3,
        issued: 1,
        policy: Policy {
            maximum_balance: cents(1),
            offline_limit: cents(1),
            cup_deposit: cents(1),
            time_uncertainty_s: 1,
            admit_when_time_uncertain: false,
            stale_after_s: 3_600,
            admit_when_stale: true,
            correction_quota: cents(5_000),
            top_up_fee: cents(0),
        },
        ticket_keys: vec![],
        credit_keys: vec![],
        categories: vec![],
        events: vec![],
        products: vec![],
        price_revision: 1,
        catalogue: vec![],
        revoked: vec![],
        blocked: vec![],
        places: vec![],
        sections: vec![],
    };
    let bytes = body.sign(&festival.id(), &key, &chain);
    (Bundle::verify(&bytes, Some(festival.id())).unwrap(), bytes)
}

/// The box's end, as its shell runs it.
fn box_side(mut line: UnixStream, key: &SigningKey, enrolled: Option<(FestivalId, u32)>, nonce: [u8; 32]) -> Stored {
    let mut blank = BlankBox::new(enrolled, "Bench box\u{1b}[2J 1".into(), nonce);
    let mut kept = None;
    let mut talk = Talk { line: &mut line, target: "technician", reader: FrameReader::new() };
    while let Ok(frame) = talk.receive() {
        match blank.frame(frame, key) {
            Ok(BlankStep::Wait) => {}
            Ok(BlankStep::Send(frame)) => talk.send(&frame).unwrap(),
            Ok(BlankStep::Store { enrolled, bundle }) => {
                kept = Some((*enrolled, bundle));
                talk.send(&blank.stored(key).unwrap()).unwrap();
            }
            Err(error) => {
                let _ = talk.send(&EnrolFrame::Refusal(Refusal { text: error.to_string() }));
                return Err(error);
            }
        }
    }
    kept.ok_or(EnrolError::OutOfTurn)
}

#[test]
fn a_blank_desk_gets_its_number_both_chains_and_its_secrets() {
    let office = Office::new();
    let (label, stored) = office.by_root(&office.plan("Top-up 1", &[Role::TopUp]), 7, None);
    let (label, (enrolled, bundle)) = (label.unwrap(), stored.unwrap());
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();

    let certificate = enrolled.check(&key).unwrap();
    assert_eq!((certificate.scope.box_numbers, certificate.scope.place.as_str()), ((1, 8), "Top-up 1"));
    let credit = CertificateChain::from_bytes(&enrolled.further[0]).unwrap();
    let credit = credit.verify_for(office.festival.founding(), Purpose::Credit).unwrap();
    assert_eq!((credit.subject, credit.scope.quota_cents), (key, 100_000));
    let config = &enrolled.config;
    assert_eq!((config.box_number, config.roles, config.language.as_str()), (BoxNumber(1), Roles::TOP_UP, "fr"));
    assert_eq!(config.band, office.festival.band_secrets().unwrap());
    assert_eq!((config.devices.as_str(), bundle), ("virtual", office.bundle.1.clone()));

    assert_eq!((&label.screen_key, label.bundle), (&config.screen_key, 3));
    assert_eq!(label.screen_key.len(), 64);
    assert_eq!(label.hardware, "Bench box[2J 1", "what a terminal would obey is gone");
    assert_eq!(office.festival.boxes().unwrap(), std::slice::from_ref(&label.record));
    assert_eq!((label.record.standing, label.record.device()), (Standing::Enrolled, Some(device_id(&key))));
}

#[test]
fn every_box_has_numbers_of_its_own_and_a_bar_no_credit_chain() {
    let office = Office::new();
    let (gate, _) = office.by_root(&office.plan("Gate B", &[Role::Gate]), 1, None);
    let (bar, stored) = office.by_root(&office.plan("Bar 3", &[Role::Bar]), 2, None);
    assert_eq!((gate.unwrap().record.numbers, bar.unwrap().record.numbers), ((1, 8), (9, 16)));
    assert!(stored.unwrap().0.further.is_empty());
}

#[test]
fn a_second_enrolment_needs_the_word_and_gives_new_numbers() {
    let office = Office::new();
    let id = office.festival.id();
    let first = office.plan("Bar 3", &[Role::Bar]);
    office.by_root(&first, 1, None).0.unwrap();

    let (label, stored) = office.by_root(&first, 1, Some((id, 0)));
    assert!(matches!(label, Err(Failure::BoxRefused(_))), "{label:?}");
    assert_eq!(stored.unwrap_err(), EnrolError::AlreadyEnrolled(id));
    // A box that forgot it is known here all the same.
    let (label, stored) = office.by_root(&first, 1, None);
    assert_eq!(label, Err(Failure::AlreadyEnrolled { number: Some(1), place: Some("Bar 3".into()) }));
    assert!(matches!(stored, Err(EnrolError::Refused(_))));
    assert_eq!(office.festival.boxes().unwrap().len(), 1, "a refusal takes no number");

    let again = BoxPlan { re_enrol: true, place: "Bar 4".into(), ..first.clone() };
    let (label, stored) = office.by_root(&again, 1, Some((id, 0)));
    assert_eq!((label.unwrap().record.numbers, stored.unwrap().0.epoch), ((9, 16), 1));
    let standings: Vec<Standing> = office.festival.boxes().unwrap().iter().map(|record| record.standing).collect();
    assert_eq!(standings, [Standing::Replaced, Standing::Enrolled]);

    let (label, _) = office.by_root(&again, 1, None);
    assert_eq!(label, Err(Failure::JournalLost { offered: 0, enrolled: 1 }));
    // a box whose key alone was removed refuses its own enrolment
    for lang in [Lang::Fr, Lang::En] {
        let said = label.as_ref().unwrap_err().message(lang);
        assert!(
            said.contains("`edge blank`") && (said.contains("everything in its folder") || lang == Lang::Fr),
            "{said}"
        );
    }
}

#[test]
fn a_box_that_falls_silent_leaves_a_number_that_is_not_used_again() {
    let office = Office::new();
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let silent = thread::spawn(move || {
        let mut blank = BlankBox::new(None, String::new(), [1; 32]);
        let mut talk = Talk { line: &mut there, target: "technician", reader: FrameReader::new() };
        let begin = talk.receive().unwrap();
        let Ok(BlankStep::Send(offer)) = blank.frame(begin, &key) else { panic!("an offer") };
        talk.send(&offer).unwrap();
        assert!(matches!(talk.receive(), Ok(EnrolFrame::Bundle(_))));
        talk.receive().unwrap()
    });
    let issuer = Issuer::root(&office.festival).unwrap();
    let label = enrol(&office.festival, &issuer, &mut here, "test", &office.plan("Bar 3", &[Role::Bar]), 5);
    assert!(matches!(label, Err(Failure::Line { .. })));
    assert!(matches!(silent.join().unwrap(), EnrolFrame::Grant(_)));
    assert_eq!(office.festival.boxes().unwrap()[0].standing, Standing::Offered);
    let (label, _) = office.by_root(&office.plan("Bar 3", &[Role::Bar]), 1, None);
    assert_eq!(label.unwrap().record.numbers, (9, 16));
}

#[test]
fn a_box_that_closes_the_line_in_the_middle_of_a_bundle_is_still_heard() {
    let office = Office::new();
    let (mut here, there) = UnixStream::pair().unwrap();
    let leaving = thread::spawn(move || {
        let (mut line, key) = (there, SigningKey::from_bytes(&[1; 32]));
        let mut blank = BlankBox::new(None, String::new(), [1; 32]);
        let mut talk = Talk { line: &mut line, target: "technician", reader: FrameReader::new() };
        let begin = talk.receive().unwrap();
        let Ok(BlankStep::Send(offer)) = blank.frame(begin, &key) else { panic!("an offer") };
        talk.send(&offer).unwrap();
        talk.send(&EnrolFrame::Refusal(Refusal { text: "no room".into() })).unwrap();
    });
    let issuer = Issuer::root(&office.festival).unwrap();
    let label = enrol(&office.festival, &issuer, &mut here, "test", &office.plan("Bar 3", &[Role::Bar]), 5);
    leaving.join().unwrap();
    assert_eq!(label, Err(Failure::BoxRefused("no room".into())));
}

#[test]
fn a_replayed_grant_is_refused_by_the_box() {
    let office = Office::new();
    let key = SigningKey::from_bytes(&[1; 32]);
    // A tap on the line keeps what the tool sent to the first attempt.
    let (mut here, there) = UnixStream::pair().unwrap();
    let side = thread::spawn({
        let key = key.clone();
        move || box_side(there, &key, None, [1; 32])
    });
    struct Tapped<'a>(&'a mut UnixStream, Vec<u8>);
    impl Read for Tapped<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Tapped<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1.extend_from_slice(bytes);
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    let mut tapped = Tapped(&mut here, Vec::new());
    let issuer = Issuer::root(&office.festival).unwrap();
    enrol(&office.festival, &issuer, &mut tapped, "test", &office.plan("Bar 3", &[Role::Bar]), 5).unwrap();
    let said = tapped.1;
    drop(here);
    side.join().unwrap().unwrap();

    // The same bytes to the same box, at its next attempt.
    let (mut here, there) = UnixStream::pair().unwrap();
    let side = thread::spawn(move || box_side(there, &key, None, [2; 32]));
    here.write_all(&said).unwrap();
    assert_eq!(side.join().unwrap().unwrap_err(), EnrolError::Replayed);
}

#[test]
fn an_enrol_key_enrols_within_its_caps_and_beyond_them_nothing_is_sent() {
    let office = Office::new();
    let file = office.temp.path().join("site.key");
    let caps = EnrolCaps { name: "Site".into(), roles: vec![Role::Bar, Role::TopUp], boxes: 2, quota_cents: 500 };
    Issuer::new_enrol_key(&office.festival, &file, &caps, 1).unwrap();
    std::fs::remove_file(office.festival.dir().join("root.key")).unwrap();
    let issuer = Issuer::enrol_key(&office.festival, &file).unwrap();

    let (label, stored) = office.enrol(&issuer, &office.plan("Bar 3", &[Role::Bar]), 1, None);
    assert_eq!(label.unwrap().record.numbers, (1, 8));
    let chain = CertificateChain::from_bytes(&stored.unwrap().0.chain).unwrap();
    assert_eq!(chain.0.len(), 2);

    let (label, stored) = office.enrol(&issuer, &office.plan("Gate B", &[Role::Gate]), 2, None);
    assert_eq!(label, Err(Failure::BeyondKey(ChainError::Scope(0))));
    assert!(matches!(stored, Err(EnrolError::Refused(_))));
    let (label, _) = office.enrol(&issuer, &office.plan("Top-up 1", &[Role::TopUp]), 3, None);
    assert_eq!(label, Err(Failure::BeyondKey(ChainError::Scope(0))), "its quota is 1,000.00, the key may give 5.00");
    assert_eq!(office.festival.boxes().unwrap().len(), 1, "a refusal takes no number");
    office.enrol(&issuer, &office.plan("Bar 4", &[Role::Bar]), 4, None).0.unwrap();
    let (label, _) = office.enrol(&issuer, &office.plan("Bar 5", &[Role::Bar]), 5, None);
    assert_eq!(label, Err(Failure::NumbersUsedUp { end: 16 }));
}

#[test]
fn a_box_of_another_festival_and_a_stranger_on_the_line_are_told_apart() {
    let office = Office::new();
    let (label, _) = office.by_root(&office.plan("Bar 3", &[Role::Bar]), 1, Some((FestivalId([9; 16]), 0)));
    assert!(matches!(label, Err(Failure::BoxRefused(text)) if text.contains("belongs to festival")));

    let (mut here, mut there) = UnixStream::pair().unwrap();
    there.write_all(b"SSH-2.0-OpenSSH_9\r\n").unwrap();
    let issuer = Issuer::root(&office.festival).unwrap();
    let label = enrol(&office.festival, &issuer, &mut here, "test", &office.plan("Bar 3", &[Role::Bar]), 5);
    assert!(matches!(label, Err(Failure::Protocol(_))));
}

#[test]
fn a_plan_that_no_box_can_take_is_refused_before_a_word_is_said() {
    let office = Office::new();
    let issuer = Issuer::root(&office.festival).unwrap();
    let good = office.plan("Bar 3", &[Role::Bar]);
    for (bad, failure) in [
        (BoxPlan { roles: vec![], ..good.clone() }, Failure::NoRole),
        (BoxPlan { hubs: vec![], ..good.clone() }, Failure::NoHub),
        (BoxPlan { hubs: vec!["a:1".into(); 17], ..good.clone() }, Failure::ManyHubs(17)),
        (BoxPlan { hubs: vec!["hub".into()], ..good.clone() }, Failure::Address("hub".into())),
        (BoxPlan { https: "box.local:1".into(), ..good.clone() }, Failure::Address("box.local:1".into())),
        (BoxPlan { place: "x".repeat(65), ..good.clone() }, Failure::Place(65)),
    ] {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        assert_eq!(enrol(&office.festival, &issuer, &mut here, "test", &bad, 5), Err(failure));
        drop(here);
        let mut said = Vec::new();
        there.read_to_end(&mut said).unwrap();
        assert!(said.is_empty());
    }
}
