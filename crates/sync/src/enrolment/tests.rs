use domain::{id::BoxNumber, secrets::MasterSecret, trust::Roles};

use super::*;
use crate::{
    FrameReader,
    sample::{self, key, public},
};

const BOX: u8 = 20;

fn config(number: u16, roles: Roles) -> BoxConfig {
    BoxConfig {
        version: 1,
        box_number: BoxNumber(number),
        place: "Bar 3".into(),
        roles,
        zone: 2,
        language: "fr".into(),
        hubs: vec!["hub.example:4433".into(), "10.0.0.2:4433".into()],
        pairs_bands: false,
        screen: ScreenTls { certificate_pem: "certificate".into(), key_pem: "key".into() },
        band: MasterSecret([9; 32]).band_secrets(&sample::founding().festival()),
        screen_key: "00ff".into(),
        listen_https: "127.0.0.1:0".into(),
        devices: "virtual".into(),
        names: roles.has(Roles::GATE).then(|| MasterSecret([9; 32]).names_key(&sample::founding().festival())),
    }
}

fn plan() -> GrantPlan {
    GrantPlan {
        chain: sample::chain(BOX, Purpose::Device, 1).to_bytes(),
        further: vec![
            sample::chain(BOX, Purpose::Credit, 1).to_bytes(),
            sample::chain(22, Purpose::Ticket, 1).to_bytes(),
        ],
        config: config(12, Roles::BAR),
        bundle_number: 3,
        bundle: vec![5; 600_000],
    }
}

fn through(frame: &EnrolFrame) -> EnrolFrame {
    let mut reader = FrameReader::new();
    reader.push(&frame.encode().unwrap());
    EnrolFrame::from_raw(&reader.next_raw().unwrap().unwrap()).unwrap()
}

fn blank(enrolled: Option<(FestivalId, u32)>, nonce: u8) -> BlankBox {
    BlankBox::new(enrolled, "Pi 3B, 0000f00d".into(), [nonce; 32])
}

/// Both ends up to the grant's frames.
fn up_to_grant(technician: &mut Technician, a: &mut BlankBox, plan: &GrantPlan) -> Result<Vec<EnrolFrame>, EnrolError> {
    let BlankStep::Send(offer) = a.frame(through(&technician.begin()), &key(BOX))? else { panic!("no offer") };
    assert!(
        matches!(technician.frame(through(&offer))?, TechnicianStep::Offered(offered) if offered.public_key == public(BOX))
    );
    technician.grant(plan, &key(1))
}

fn give(a: &mut BlankBox, frames: &[EnrolFrame]) -> Result<(Enrolled, Vec<u8>), EnrolError> {
    let mut stored = None;
    for frame in frames {
        if let BlankStep::Store { enrolled, bundle } = a.frame(through(frame), &key(BOX))? {
            stored = Some((*enrolled, bundle));
        }
    }
    Ok(stored.expect("nothing to store"))
}

#[test]
fn a_blank_box_joins_the_festival_and_reads_its_identity_back() {
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let frames = up_to_grant(&mut technician, &mut a, &plan()).unwrap();
    let (enrolled, bundle) = give(&mut a, &frames).unwrap();
    assert_eq!(bundle, plan().bundle);
    assert_eq!(enrolled.epoch, 0);
    assert_eq!(enrolled.config, plan().config);
    let receipt = a.stored(&key(BOX)).unwrap();
    assert_eq!(technician.frame(through(&receipt)), Ok(TechnicianStep::Enrolled(device_id(&public(BOX)))));
    assert_eq!(Enrolled::from_bytes(&enrolled.to_bytes(), &public(BOX)), Ok(enrolled.clone()));
    assert_eq!(Enrolled::from_bytes(&enrolled.to_bytes(), &public(BOX + 1)), Err(EnrolError::Key));
}

#[test]
fn a_configuration_holds_what_fits_on_its_screens() {
    type Change<'a> = &'a dyn Fn(&mut BoxConfig, usize);
    let fits = |change: Change, length: usize| {
        let mut config = config(12, Roles::BAR);
        change(&mut config, length);
        BoxConfig::from_bytes(&config.to_bytes()).is_ok()
    };
    let bounds: [(usize, Change); 6] = [
        (64, &|config, length| config.place = "x".repeat(length)),
        (16, &|config, length| config.hubs = vec!["hub:4433".into(); length]),
        (128, &|config, length| config.language = "x".repeat(length)),
        (128, &|config, length| config.screen_key = "x".repeat(length)),
        (128, &|config, length| config.listen_https = "x".repeat(length)),
        (128, &|config, length| config.devices = "x".repeat(length)),
    ];
    for (most, change) in bounds {
        assert!(fits(change, most) && !fits(change, most + 1) && !fits(change, most + 2), "{most}");
    }
}

#[test]
fn a_replayed_grant_is_refused() {
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let frames = up_to_grant(&mut technician, &mut a, &plan()).unwrap();
    let mut again = blank(None, 3);
    again.frame(technician.begin(), &key(BOX)).unwrap();
    assert_eq!(give(&mut again, &frames).unwrap_err(), EnrolError::Replayed);
    // nor does it serve the same box for a later epoch, should its numbers ever come again
    let later = Technician::new(sample::founding(), [1; 32], true);
    let mut again = blank(Some((sample::founding().festival(), 0)), 2);
    again.frame(later.begin(), &key(BOX)).unwrap();
    assert_eq!(give(&mut again, &frames).unwrap_err(), EnrolError::Replayed);
}

#[test]
fn an_enrolled_box_is_enrolled_again_only_on_request_and_in_a_new_epoch() {
    let festival = sample::founding().festival();
    let mut technician = Technician::new(sample::founding(), [1; 32], false);
    let error = up_to_grant(&mut technician, &mut blank(Some((festival, 4)), 2), &plan()).unwrap_err();
    assert_eq!(error, EnrolError::AlreadyEnrolled(festival));
    let mut technician = Technician::new(sample::founding(), [1; 32], true);
    let mut a = blank(Some((festival, 4)), 2);
    let frames = up_to_grant(&mut technician, &mut a, &plan()).unwrap();
    assert_eq!(give(&mut a, &frames).unwrap().0.epoch, 5);
}

#[test]
fn another_festival_cannot_take_an_enrolled_box() {
    let mine = FestivalId([7; 16]);
    let mut technician = Technician::new(sample::founding(), [1; 32], true);
    let error = up_to_grant(&mut technician, &mut blank(Some((mine, 0)), 2), &plan()).unwrap_err();
    assert_eq!(error, EnrolError::OtherFestival(mine));
}

#[test]
fn a_grant_of_another_root_is_refused() {
    let founding = Founding { name: "Other".into(), root: public(50), ..sample::founding() };
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let frames = up_to_grant(&mut technician, &mut a, &plan()).unwrap();
    let mut other = blank(None, 2);
    other.frame(Technician::new(founding, [1; 32], false).begin(), &key(BOX)).unwrap();
    assert_eq!(give(&mut other, &frames).unwrap_err(), EnrolError::WrongFestival);
}

#[test]
fn nothing_in_the_grant_or_the_bundle_can_be_changed() {
    let (mut technician, a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let mut offered = a.clone();
    let frames = up_to_grant(&mut technician, &mut offered, &plan()).unwrap();
    let Some(EnrolFrame::Grant(grant)) = frames.last().cloned() else { panic!("no grant") };
    for at in (0..grant.body.len()).step_by(3) {
        let mut changed = frames.clone();
        if let Some(EnrolFrame::Grant(grant)) = changed.last_mut() {
            grant.body[at] ^= 1;
        }
        assert!(give(&mut offered.clone(), &changed).is_err(), "byte {at}");
    }
    let mut changed = frames.clone();
    if let Some(EnrolFrame::Bundle(part)) = changed.first_mut() {
        part.bytes[9] ^= 1;
    }
    assert_eq!(give(&mut offered.clone(), &changed).unwrap_err(), EnrolError::Bundle);
    assert_eq!(give(&mut offered.clone(), &frames[1..]).unwrap_err(), EnrolError::Bundle);
}

#[test]
fn a_plan_beyond_the_certificate_is_refused_by_both_ends() {
    for (config, error) in
        [(config(901, Roles::BAR), EnrolError::BoxNumber(901)), (config(12, Roles::GATE), EnrolError::Roles)]
    {
        let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
        let plan = GrantPlan { config, ..plan() };
        assert_eq!(up_to_grant(&mut technician, &mut a, &plan).unwrap_err(), error);
    }
}

#[test]
fn a_box_that_does_not_hold_its_key_cannot_offer_it() {
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let Ok(BlankStep::Send(EnrolFrame::Offer(mut offer))) = a.frame(technician.begin(), &key(BOX)) else {
        panic!("no offer")
    };
    offer.public_key = public(BOX + 1);
    assert_eq!(technician.frame(EnrolFrame::Offer(offer)), Err(EnrolError::Signature("offer")));
    // Nor can an offer that was made to another tool be used again.
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let Ok(BlankStep::Send(offer)) = a.frame(Technician::new(sample::founding(), [9; 32], false).begin(), &key(BOX))
    else {
        panic!("no offer")
    };
    assert_eq!(technician.frame(offer), Err(EnrolError::Signature("offer")));
}

#[test]
fn no_secret_is_printed() {
    let text = format!("{:?}", config(12, Roles::BAR));
    assert!(text.contains("ScreenTls(..)") && text.contains("BandSecrets(..)"), "{text}");
}

#[test]
fn a_box_that_is_no_gate_is_never_given_the_key_of_the_names() {
    let certificate = sample::chain(BOX, Purpose::Device, 1).verify(&sample::founding()).unwrap();
    let mut bar = config(certificate.scope.box_numbers.0, Roles::BAR);
    assert_eq!(bar.check(&certificate), Ok(()));
    bar.names = Some(MasterSecret([9; 32]).names_key(&sample::founding().festival()));
    assert_eq!(bar.check(&certificate), Err(EnrolError::Roles));
}

#[test]
fn a_stored_enrolment_with_one_changed_bit_is_refused_and_one_of_before_still_reads() {
    let (mut technician, mut a) = (Technician::new(sample::founding(), [1; 32], false), blank(None, 2));
    let frames = up_to_grant(&mut technician, &mut a, &plan()).unwrap();
    let (enrolled, _) = give(&mut a, &frames).unwrap();
    let file = enrolled.to_file();
    assert_eq!(Enrolled::from_file(&file, &public(BOX)), Ok(enrolled.clone()));
    assert_eq!(Enrolled::from_file(&enrolled.to_bytes(), &public(BOX)), Ok(enrolled.clone()), "without a checksum");
    for bit in 0..file.len() * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Enrolled::from_file(&changed, &public(BOX)), Err(EnrolError::Damaged), "bit {bit}");
    }
    for length in 0..file.len() {
        let cut = Enrolled::from_file(&file[..length], &public(BOX));
        assert!(cut.is_err() || length == file.len() - 9, "cut to {length}");
    }
}
