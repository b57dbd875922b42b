//! Chips of every kind on a reader of this process: pulled away, laid there again, refused, and what the list says.
use std::{
    cell::{Cell, RefCell},
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use domain::{
    id::FestivalId,
    money::Cents,
    secrets::MasterSecret,
    wristband::{BandKeys, CreditRecord, IssueRefusal, layout},
};
use ed25519_dalek::SigningKey;
use hardware::{
    bench_reader::BenchReader,
    chip::{Chip, Ntag21x, NtagType, Reply, SharedBand, UidOnly, UltralightAes, WRITE},
    fault::Fault,
    signal::Signal,
    tag::{ReaderError, Tag, TagKind, TagReader, Uid},
};

use super::*;
use crate::Failure;

const FESTIVAL: FestivalId = FestivalId([1; 16]);
const NOW: u64 = 1_800_000_000;
const PLAN: Plan = Plan { kinds: Kinds::Any, again: false, spare: false, count: None };
const ANOTHER_FESTIVAL: FestivalId = FestivalId([9; 16]);

fn supplies() -> Supplies {
    supplies_of(FESTIVAL)
}

fn supplies_of(festival: FestivalId) -> Supplies {
    let secrets = MasterSecret([2; 32]).band_secrets(&festival);
    Supplies { festival, secrets, epoch: 0, credit_key: SigningKey::from_bytes(&[3; 32]) }
}

fn uid(number: u8) -> [u8; 7] {
    [0x04, 0xab, 0xcd, 0xef, 0x12, number, 0x80]
}

/// Blank chips of every kind that can be written to.
fn blanks() -> [Chip; 4] {
    [
        Ntag21x::new(NtagType::Ntag213, uid(1)).into(),
        Ntag21x::new(NtagType::Ntag215, uid(2)).into(),
        Ntag21x::new(NtagType::Ntag216, uid(3)).into(),
        UltralightAes::new(uid(4), [9; 16]).into(),
    ]
}

/// A desk, its reader, and the folder of its list.
struct Bench {
    temp: tempfile::TempDir,
    reader: BenchReader,
    desk: IssuingDesk,
}

impl Bench {
    fn new(plan: Plan) -> Self {
        Self::of(plan, FESTIVAL)
    }

    fn of(plan: Plan, festival: FestivalId) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let list = BandList::open(&temp.path().join("bands.csv")).unwrap();
        Self { desk: IssuingDesk::new(supplies_of(festival), plan, list), reader: BenchReader::new(), temp }
    }

    /// The same list after the program was started again.
    fn restarted(self, plan: Plan) -> Self {
        let Self { temp, desk, .. } = self;
        drop(desk);
        let list = BandList::open(&temp.path().join("bands.csv")).unwrap();
        Self { desk: IssuingDesk::new(supplies(), plan, list), reader: BenchReader::new(), temp }
    }

    fn path(&self) -> PathBuf {
        self.temp.path().join("bands.csv")
    }

    fn lines(&self) -> Vec<String> {
        lines(&self.path())
    }

    /// Lays a chip on the reader until something came of it, and takes it away.
    fn lay(&mut self, band: &SharedBand, faults: &str) -> Event {
        let mut reader = self.reader.clone();
        reader.present(band, Fault::parse_several(faults).unwrap());
        let event = self.desk.step(&mut reader, NOW).unwrap();
        reader.take_away();
        assert_eq!(self.desk.step(&mut reader, NOW).unwrap(), Event::Nothing);
        event
    }

    fn lights(&self) -> Vec<Signal> {
        self.reader.signals()
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect()
}

fn refused(refusal: IssueRefusal) -> Event {
    Event::Refused(Refused::Chip(refusal))
}

#[test]
fn a_new_band_has_the_epoch_that_was_asked_for_and_one_of_another_epoch_is_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let later = MasterSecret([5; 32]).epoch_secrets(1, &FESTIVAL).unwrap();
    let secrets = supplies().secrets.with(later);
    let again = Plan { again: true, ..PLAN };
    let bench = |epoch: u8, name: &str| {
        let list = BandList::open(&temp.path().join(name)).unwrap();
        let supplies = Supplies { secrets: secrets.clone(), epoch, ..supplies() };
        let temp = tempfile::tempdir().unwrap();
        Bench { temp, reader: BenchReader::new(), desk: IssuingDesk::new(supplies, again, list) }
    };
    let (mut first, mut second) = (bench(0, "first.csv"), bench(1, "second.csv"));
    for chip in blanks() {
        let band = SharedBand::new(chip);
        assert_eq!(second.lay(&band, ""), Event::Issued);
        assert_eq!(second.lay(&band, ""), Event::Issued, "anew, in its own epoch");
        let before = band.chip().memory().to_vec();
        assert_eq!(before[6 * 4], 1, "the header says which");
        assert_eq!(first.lay(&band, ""), Event::Refused(Refused::OtherEpoch));
        assert_eq!(band.chip().memory(), before);
        let uid = band.uid();
        let keys = BandKeys::of_epoch(1, &secrets, &FESTIVAL, uid.as_bytes()).unwrap();
        let old = BandKeys::of_epoch(0, &secrets, &FESTIVAL, uid.as_bytes()).unwrap();
        assert_ne!(keys.password(), old.password());
        if let (Some(map), Chip::Ntag21x(_)) = (map_of(&band), band.chip()) {
            let pages = domain::wristband::PursePages::ntag21x(&before[16..16 + map.length()]).unwrap();
            let public = supplies().credit_key.verifying_key().to_bytes();
            let credit = domain::wristband::CreditKey { id: domain::id::key_id(&public), public, revoked: false };
            assert!(pages.judge(&keys, &[credit]).is_ok() && pages.judge(&old, &[credit]).is_err());
        }
    }
    assert!(first.desk.list().summary().bad.is_empty(), "such a chip is not bad");
}

fn map_of(band: &SharedBand) -> Option<&'static layout::PurseMap> {
    matches!(band.kind(), TagKind::Ntag215 | TagKind::Ntag216).then_some(&layout::NTAG21X)
}

#[test]
fn every_kind_of_chip_becomes_a_band_and_is_listed_without_its_uid() {
    let mut bench = Bench::new(PLAN);
    for chip in blanks() {
        assert_eq!(bench.lay(&SharedBand::new(chip), ""), Event::Issued);
    }
    assert_eq!(bench.lay(&SharedBand::new(UidOnly::new(Uid::seven(uid(5)))), ""), Event::Issued);
    assert_eq!(bench.lights(), [Signal::Ok; 5]);
    let kinds = ["ntag213", "ntag215", "ntag216", "ultralight_aes", "uid"];
    for ((line, kind), number) in bench.lines().iter().zip(kinds).zip(1..) {
        let wallet = supplies().secrets.wallet(&uid(number)).to_hex();
        assert_eq!(*line, format!("{wallet},{kind},issued,,2027-01-15 08:00:00 UTC"));
    }
    let text = fs::read_to_string(bench.path()).unwrap().to_lowercase();
    assert_eq!(text.lines().count(), 6);
    assert!(!text.contains("04abcdef"));
}

#[test]
fn a_chip_pulled_away_at_any_command_is_issued_once_and_listed_once() {
    for blank in blanks() {
        let whole = SharedBand::new(blank.clone());
        assert_eq!(Bench::new(PLAN).lay(&whole, ""), Event::Issued);
        let mut struck = 0;
        for fault in ["leave before", "leave after"] {
            for command in 1.. {
                let (mut bench, band) = (Bench::new(PLAN), SharedBand::new(blank.clone()));
                let first = bench.lay(&band, &format!("{fault} command {command}"));
                if first == Event::Issued {
                    assert_eq!((bench.lights(), bench.lines().len()), (vec![Signal::Ok], 1));
                    break;
                }
                struck += 1;
                let name = format!("{:?}, {fault} {command}", blank.kind());
                assert_eq!(first, refused(IssueRefusal::Left), "{name}");
                assert_eq!((bench.lights(), bench.lines().len()), (vec![Signal::TapAgain], 0), "{name}");
                let mut bench = bench.restarted(PLAN);
                assert_eq!(bench.lay(&band, ""), Event::Issued, "{name}");
                assert_eq!((bench.lights(), bench.lines().len()), (vec![Signal::Ok], 1), "{name}");
                assert_eq!(band.chip().memory(), whole.chip().memory(), "{name}");
            }
        }
        assert!(struck > 40, "{:?}: only {struck} commands", blank.kind());
    }
}

#[test]
fn a_write_torn_at_any_byte_is_completed_by_laying_the_chip_there_again() {
    for blank in blanks() {
        for write in 1.. {
            let mut was_struck = false;
            for byte in 0..4 {
                let (mut bench, band) = (Bench::new(PLAN), SharedBand::new(blank.clone()));
                was_struck = bench.lay(&band, &format!("tear write {write} at byte {byte}")) != Event::Issued;
                if was_struck {
                    assert_eq!(bench.lay(&band, ""), Event::Issued, "{:?} {write} {byte}", blank.kind());
                }
                assert_eq!(bench.lines().len(), 1);
            }
            if !was_struck {
                assert!(write > 15);
                break;
            }
        }
    }
}

#[test]
fn a_chip_that_stays_and_does_not_answer_is_not_tried_for_ever() {
    let mut bench = Bench::new(PLAN);
    let band = SharedBand::new(blanks()[1].clone());
    let errors: Vec<String> = (1..=30).map(|command| format!("line error at command {command}")).collect();
    let mut reader = bench.reader.clone();
    reader.present(&band, Fault::parse_several(&errors.join(";")).unwrap());
    let events: Vec<Event> = (0..6).map(|_| bench.desk.step(&mut reader, NOW).unwrap()).collect();
    assert_eq!(events[..3], [refused(IssueRefusal::Left); 3]);
    assert_eq!(events[3..], [Event::Nothing; 3]);
}

#[test]
fn the_same_chip_twice_is_refused_also_after_a_restart_unless_it_is_asked_for() {
    for blank in blanks() {
        let (mut bench, band) = (Bench::new(PLAN), SharedBand::new(blank));
        assert_eq!(bench.lay(&band, ""), Event::Issued);
        let issued = band.chip();
        let again = Event::Refused(Refused::AlreadyIssued);
        assert_eq!(bench.lay(&band, ""), again);
        let mut bench = bench.restarted(PLAN);
        assert_eq!(bench.lay(&band, ""), again);
        assert_eq!((bench.lights(), bench.lines().len()), (vec![Signal::Refuse], 1));
        let mut bench = bench.restarted(Plan { again: true, ..PLAN });
        assert_eq!(bench.lay(&band, ""), Event::Issued);
        assert_eq!((bench.lines().len(), bench.desk.list().summary().issued), (2, 1), "two lines, one band");
        assert_eq!(band.chip().memory(), issued.memory());
    }
}

#[test]
fn a_band_that_stays_on_the_reader_is_issued_once() {
    let mut bench = Bench::new(PLAN);
    let mut reader = bench.reader.clone();
    reader.present(&SharedBand::new(blanks()[1].clone()), Vec::new());
    let events: Vec<Event> = (0..5).map(|_| bench.desk.step(&mut reader, NOW).unwrap()).collect();
    assert_eq!(events, [Event::Issued, Event::Nothing, Event::Nothing, Event::Nothing, Event::Nothing]);
    assert_eq!(bench.lights(), [Signal::Ok]);
}

#[test]
fn a_finished_chip_whose_line_was_lost_is_taken_again() {
    for blank in blanks() {
        let band = SharedBand::new(blank);
        Bench::new(PLAN).lay(&band, "");
        let mut bench = Bench::new(PLAN);
        assert_eq!(bench.lay(&band, ""), Event::Issued);
        assert_eq!(bench.lines().len(), 1);
    }
}

#[test]
fn bad_chips_are_refused_each_with_its_reason_and_listed_once() {
    let mut bench = Bench::new(PLAN);
    let somebody_elses: Vec<SharedBand> = blanks().map(SharedBand::new).into();
    for band in &somebody_elses {
        assert_eq!(Bench::of(PLAN, ANOTHER_FESTIVAL).lay(band, ""), Event::Issued);
    }
    let mut locked = blanks()[1].clone();
    locked.enter_field();
    assert_eq!(locked.transmit(&[WRITE, 0x84, 0x40, 5, 0, 0]), Reply::Ack);
    locked.leave_field();
    let mut cases: Vec<(SharedBand, Refused)> =
        somebody_elses.iter().map(|band| (band.clone(), Refused::Chip(IssueRefusal::NotOurs))).collect();
    let of_kind = |number, kind| SharedBand::new(UidOnly::unmodelled(Uid::seven(uid(number)), kind));
    cases.push((of_kind(20, TagKind::UltralightC), Refused::UltralightC));
    cases.push((of_kind(21, TagKind::Other), Refused::Unsupported));
    for (band, reason) in &cases {
        let before = band.chip();
        assert_eq!(bench.lay(band, ""), Event::Refused(*reason));
        assert_eq!(bench.lay(band, ""), Event::Refused(*reason), "and again");
        assert_eq!(band.chip().memory(), before.memory(), "it was left as it was");
    }
    assert!(bench.lights().iter().all(|light| *light == Signal::Refuse));
    assert_eq!(bench.lines().len(), cases.len());
    let summary = BandList::check(&bench.path()).unwrap();
    let counts = [("band.not_ours", 4), ("band.ultralight_c", 1), ("band.unsupported", 1)];
    assert_eq!((summary.issued, summary.bad), (0, counts.into()));
    // the same UID as one of the bad ones: its last state counts
    assert_eq!(bench.lay(&SharedBand::new(locked), ""), Event::Refused(Refused::Chip(IssueRefusal::ConfigLocked)));
    assert_eq!(BandList::check(&bench.path()).unwrap().bad.get("band.config_locked"), Some(&1));
}

#[test]
fn a_random_uid_and_a_kind_that_was_not_asked_for_are_refused_and_not_listed() {
    let mut bench = Bench::new(PLAN);
    let phone = SharedBand::new(UidOnly::new(Uid::four([0x08, 1, 2, 3])));
    assert_eq!(bench.lay(&phone, ""), Event::Refused(Refused::RandomUid));
    let [_, ntag215, _, aes] = blanks().map(SharedBand::new);
    let uid_only = SharedBand::new(UidOnly::new(Uid::four([1, 2, 3, 4])));
    for (kinds, fits, others) in [
        (Kinds::UltralightAes, &aes, [&ntag215, &uid_only]),
        (Kinds::Ntag21x, &ntag215, [&aes, &uid_only]),
        (Kinds::Uid, &uid_only, [&aes, &ntag215]),
    ] {
        let mut bench = Bench::new(Plan { kinds, ..PLAN });
        for other in others {
            assert_eq!(bench.lay(other, ""), Event::Refused(Refused::WrongKind), "{kinds:?}");
        }
        assert!(bench.lines().is_empty());
        assert_eq!(bench.lay(fits, ""), Event::Issued);
    }
    assert!(bench.lines().is_empty());
}

#[test]
fn a_band_with_money_is_never_made_anew() {
    for (at, credit_page) in [(1, layout::NTAG21X.credit_pages[1]), (3, layout::ULTRALIGHT_AES.credit_pages[0])] {
        let supplies = supplies();
        let band = SharedBand::new(blanks()[at].clone());
        let keys = BandKeys::new(&supplies.secrets, &FESTIVAL, band.uid().as_bytes());
        let amount = Cents::new(500).unwrap();
        let before = domain::wristband::CreditId::default();
        let (key, wallet) = (&supplies.credit_key, keys.wallet());
        let record = CreditRecord::sign(amount, 1, before, key, &FESTIVAL, wallet);
        let mut bench = Bench::new(PLAN);
        if at == 1 {
            assert_eq!(bench.lay(&band, ""), Event::Issued);
            band.with(|chip| {
                chip.enter_field();
                assert!(matches!(chip.transmit(&layout::password_auth(keys.password())), Reply::Data(_)));
                for page in layout::page_writes(credit_page, &record) {
                    assert_eq!(chip.transmit(&layout::write(page)), Reply::Ack);
                }
                chip.leave_field();
            });
        } else {
            // before its lock: the header stands, the key is not asked for yet
            assert_eq!(bench.lay(&band, "leave after write 41"), refused(IssueRefusal::Left));
            band.with(|chip| {
                chip.enter_field();
                for page in layout::page_writes(credit_page, &record) {
                    chip.transmit(&layout::write(page));
                }
                chip.leave_field();
            });
        }
        let charged = band.chip();
        for plan in [PLAN, Plan { again: true, ..PLAN }] {
            let mut bench = Bench::new(plan);
            assert_eq!(bench.lay(&band, ""), Event::Refused(Refused::InUse));
            assert!(bench.lines().is_empty());
        }
        assert_eq!(band.chip().memory(), charged.memory());
    }
}

#[test]
fn spare_bands_are_listed_as_such_and_are_issued() {
    let mut bench = Bench::new(Plan { spare: true, ..PLAN });
    let band = SharedBand::new(blanks()[1].clone());
    assert_eq!(bench.lay(&band, ""), Event::Issued);
    assert_eq!(bench.lay(&band, ""), Event::Refused(Refused::AlreadyIssued));
    let summary = bench.desk.list().summary();
    assert_eq!((summary.issued, summary.spare), (0, 1));
}

/// A reader that looks at the list whenever its light shows.
struct Watching {
    reader: BenchReader,
    list: PathBuf,
    seen: Vec<(Signal, usize)>,
}

impl TagReader for Watching {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        self.reader.poll_tag()
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.reader.transceive(command)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        self.seen.push((signal, lines(&self.list).len()));
        Err(ReaderError::Unplugged)
    }
}

#[test]
fn the_light_is_green_after_the_band_is_on_the_list_and_a_broken_light_takes_nothing_back() {
    let mut bench = Bench::new(PLAN);
    let mut watching = Watching { reader: bench.reader.clone(), list: bench.path(), seen: Vec::new() };
    for chip in blanks() {
        watching.reader.present(&SharedBand::new(chip), Vec::new());
        while bench.desk.step(&mut watching, NOW).unwrap() != Event::Issued {}
    }
    assert_eq!(watching.seen, [(Signal::Ok, 1), (Signal::Ok, 2), (Signal::Ok, 3), (Signal::Ok, 4)]);
}

const QUICK: Patience = Patience { tries: 5, first: Duration::from_millis(1), longest: Duration::from_millis(2) };

#[test]
fn a_reader_unplugged_in_the_midst_of_a_chip_is_waited_for_and_the_chip_completed() {
    for command in [1, 5, 20, 30] {
        let mut bench = Bench::new(Plan { count: Some(2), ..PLAN });
        let (bands, hand) = (blanks().map(SharedBand::new), bench.reader.clone());
        hand.present(&bands[1], vec![format!("unplug at command {command}").parse().unwrap()]);
        let opened = Cell::new(0);
        let mut open = || {
            opened.set(opened.get() + 1);
            match opened.get() {
                2 | 3 => return Err(ReaderError::Unplugged),
                4 => hand.present(&bands[1], Vec::new()),
                _ => {}
            }
            Ok(Box::new(hand.clone()) as Box<dyn TagReader>)
        };
        let happened = RefCell::new(Vec::new());
        let mut watch = |happening: Happening, _: &Tally| {
            if happening == Happening::Event(Event::Issued) {
                hand.present(&bands[3], Vec::new());
            }
            happened.borrow_mut().push(happening);
        };
        let stop = AtomicBool::new(false);
        assert_eq!(serve(&mut bench.desk, QUICK, &stop, &|| NOW, &mut open, &mut watch), Ok(()));
        let away = Happening::Away(ReaderError::Unplugged.to_string());
        let issued = Happening::Event(Event::Issued);
        assert_eq!(*happened.borrow(), [Happening::Ready, away, Happening::Ready, issued.clone(), issued], "{command}");
        assert_eq!((opened.get(), bench.lines().len()), (4, 2));
    }
}

#[test]
fn a_reader_that_stays_away_is_tried_a_bounded_number_of_times_and_not_once_the_run_is_to_stop() {
    let mut bench = Bench::new(PLAN);
    let opened = Cell::new(0);
    let mut away = || {
        opened.set(opened.get() + 1);
        Err(ReaderError::Unplugged)
    };
    let stop = AtomicBool::new(false);
    let served = serve(&mut bench.desk, QUICK, &stop, &|| NOW, &mut away, &mut |_, _| {});
    assert_eq!(served, Err(Failure::ReaderAway(ReaderError::Unplugged.to_string())));
    assert_eq!(opened.get(), 6);

    let mut asked_to_stop = |_: Happening, _: &Tally| stop.store(true, Ordering::Relaxed);
    let long = Patience { first: Duration::from_secs(600), ..QUICK };
    assert_eq!(serve(&mut bench.desk, long, &stop, &|| NOW, &mut away, &mut asked_to_stop), Ok(()));
    assert_eq!(opened.get(), 7);

    let mut unusable = || Err(ReaderError::Io("no such driver".into()));
    let stop = AtomicBool::new(false);
    let served = serve(&mut bench.desk, long, &stop, &|| NOW, &mut unusable, &mut |_, _| {});
    assert_eq!(served, Err(Failure::ReaderAway("the reader failed: no such driver".into())));
}
