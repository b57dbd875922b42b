//! Both sides over a real socket.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    frame::{Answer, FromBox, FromWorld},
    *,
};
use crate::{
    chip::{Ntag21x, NtagType, SharedBand, UidOnly, WRITE},
    fault::Fault,
    link::Link,
    signal::Signal,
    tag::{ReaderError, Tag, TagKind, TagReader, Uid},
};

/// Longer than anything here takes, shorter than anybody's patience.
const BOUND: Duration = Duration::from_secs(10);

struct Place {
    _folder: TempDir,
    path: PathBuf,
    reader: VirtualReader,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reader.sock");
    let reader = VirtualReader::bind(&path).unwrap();
    Place { _folder: folder, path, reader }
}

fn band(last: u8) -> SharedBand {
    SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, last]))
}

fn faults(text: &str) -> Vec<Fault> {
    Fault::parse_several(text).unwrap()
}

/// Polls until the reader says what is wanted.
fn poll_until(
    reader: &mut VirtualReader,
    wanted: impl Fn(&Result<Option<Tag>, ReaderError>) -> bool,
) -> Result<Option<Tag>, ReaderError> {
    let deadline = Instant::now() + BOUND;
    loop {
        let polled = reader.poll_tag();
        if wanted(&polled) {
            return polled;
        }
        assert!(Instant::now() < deadline, "still {polled:?}");
    }
}

fn next_tag(reader: &mut VirtualReader) -> Tag {
    let polled = poll_until(reader, |polled| matches!(polled, Ok(Some(_))));
    polled.unwrap().unwrap()
}

fn page(band: &SharedBand, page: usize) -> [u8; 4] {
    let start = page * 4;
    band.with(|chip| chip.memory()[start..start + 4].try_into().unwrap())
}

fn write(page: u8, value: u8) -> [u8; 6] {
    [WRITE, page, value, value, value, value]
}

/// A world made by hand, to misbehave.
struct RawWorld(UnixStream);

impl RawWorld {
    fn connect(place: &Place) -> Self {
        let stream = UnixStream::connect(&place.path).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        Self(stream)
    }

    fn say(&mut self, frame: &FromWorld) {
        let frame = frame.encode();
        let length = u16::try_from(frame.len()).unwrap();
        self.0.write_all(&length.to_be_bytes()).unwrap();
        self.0.write_all(&frame).unwrap();
    }

    fn present(&mut self, presence: u32) {
        let tag = Tag { uid: Uid::seven([4, 1, 2, 3, 4, 5, 6]), kind: TagKind::Ntag215 };
        self.say(&FromWorld::Present { presence, tag });
    }

    fn hear(&mut self) -> FromBox {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut frame).unwrap();
        FromBox::decode(&frame).unwrap()
    }
}

#[test]
fn a_band_is_read_written_and_taken_away() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let band = band(6);
    let presented = field.present(&band, Vec::new()).unwrap();
    let tag = next_tag(&mut place.reader);
    assert_eq!((tag.uid, tag.kind), (band.uid(), TagKind::Ntag215));
    assert_eq!(place.reader.transceive(&write(9, 7)), Ok(Vec::new()));
    assert_eq!(page(&band, 9), [7; 4]);
    assert_eq!(place.reader.transceive(&[0x3A, 0, 63]).unwrap().len(), 256);
    assert_eq!(place.reader.poll_tag(), Ok(Some(tag)));
    presented.remove();
    assert!(presented.is_gone());
    assert_eq!(place.reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    assert_eq!(place.reader.poll_tag(), Ok(None));
    assert_eq!(place.reader.poll_tag(), Ok(None));
}

#[test]
fn a_band_with_only_a_uid_is_seen_and_stays_seen() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let uid = Uid::from_bytes(&[1, 2, 3, 4]).unwrap();
    let band = SharedBand::new(UidOnly::new(uid));
    let _presented = field.present(&band, Vec::new()).unwrap();
    let tag = next_tag(&mut place.reader);
    assert_eq!((tag.uid, tag.kind), (uid, TagKind::UidOnly));
    assert_eq!(place.reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    assert_eq!(place.reader.poll_tag(), Ok(Some(tag)));
}

#[test]
fn a_refused_command_needs_a_new_selection() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let band = band(6);
    let _presented = field.present(&band, faults("nak write 2")).unwrap();
    let tag = next_tag(&mut place.reader);
    assert_eq!(place.reader.transceive(&write(8, 1)), Ok(Vec::new()));
    assert_eq!(place.reader.transceive(&write(9, 1)), Err(ReaderError::Nak(5)));
    assert_eq!(place.reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    assert_eq!(next_tag(&mut place.reader), tag);
    assert_eq!(place.reader.transceive(&write(9, 1)), Ok(Vec::new()));
    assert_eq!(page(&band, 9), [1; 4]);
}

#[test]
fn a_band_pulled_away_at_any_write_leaves_what_the_fault_says() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let mut last = 0;
    for (fault, stored) in [("leave before", 0), ("leave after", 4), ("tear", 2)] {
        for nth in 1..=5u8 {
            last += 1;
            let band = band(last);
            let text = match stored {
                2 => format!("tear write {nth} at byte 2"),
                _ => format!("{fault} write {nth}"),
            };
            let presented = field.present(&band, faults(&text)).unwrap();
            assert_eq!(next_tag(&mut place.reader).uid, band.uid());
            for page in 1..=5 {
                let expected = match page < nth {
                    true => Ok(Vec::new()),
                    false => Err(ReaderError::TagGone),
                };
                assert_eq!(place.reader.transceive(&write(8 + page, 9)), expected);
            }
            assert!(presented.wait_gone(BOUND));
            let mut torn = [0; 4];
            torn[..stored].fill(9);
            assert_eq!(page(&band, usize::from(8 + nth)), torn, "{text}");
            assert_eq!(page(&band, usize::from(9 + nth)), [0; 4], "{text}");
        }
    }
}

#[test]
fn a_damaged_answer_is_malformed_and_the_write_is_done() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let band = band(6);
    let _presented = field.present(&band, faults("line error at command 1")).unwrap();
    next_tag(&mut place.reader);
    assert_eq!(place.reader.transceive(&write(8, 1)), Err(ReaderError::Malformed));
    assert_eq!(page(&band, 8), [1; 4]);
    assert_eq!(place.reader.transceive(&write(9, 1)), Ok(Vec::new()));
}

#[test]
fn an_unplugged_reader_says_so_until_it_is_plugged_in() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let presented = field.present(&band(1), faults("unplug at command 2"));
    let presented = presented.unwrap();
    next_tag(&mut place.reader);
    assert_eq!(place.reader.transceive(&write(8, 1)), Ok(Vec::new()));
    assert_eq!(place.reader.transceive(&write(9, 1)), Err(ReaderError::Unplugged));
    assert!(presented.wait_gone(BOUND));
    for _ in 0..3 {
        let polled = poll_until(&mut place.reader, |polled| *polled != Ok(None));
        assert_eq!(polled, Err(ReaderError::Unplugged));
        assert_eq!(place.reader.signal(Signal::Warn), Err(ReaderError::Unplugged));
    }
    let other = band(2);
    let presented = std::thread::spawn(move || {
        let presented = field.present(&other, Vec::new()).unwrap();
        (field, other, presented)
    });
    let tag = next_tag(&mut place.reader);
    let (_field, other, _presented) = presented.join().unwrap();
    assert_eq!(tag.uid, other.uid());
    assert_eq!(place.reader.transceive(&write(9, 1)), Ok(Vec::new()));
}

#[test]
fn a_command_never_reaches_another_band() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let (first, second) = (band(1), band(2));
    let first_presented = field.present(&first, Vec::new()).unwrap();
    assert_eq!(next_tag(&mut place.reader).uid, first.uid());
    let _second_presented = field.present(&second, Vec::new()).unwrap();
    assert!(first_presented.is_gone());
    for _ in 0..2 {
        let late = place.reader.transceive(&write(8, 1));
        assert_eq!(late, Err(ReaderError::TagGone));
    }
    assert_eq!(page(&second, 8), [0; 4]);
    assert_eq!(place.reader.poll_tag(), Ok(None));
    assert_eq!(next_tag(&mut place.reader).uid, second.uid());
    assert_eq!(place.reader.transceive(&write(8, 1)), Ok(Vec::new()));
    assert_eq!(page(&first, 8), [0; 4]);
}

#[test]
fn a_band_that_nobody_looked_at_gets_no_command() {
    let mut place = place();
    let mut world = RawWorld::connect(&place);
    world.present(1);
    next_tag(&mut place.reader);
    world.present(2);
    for _ in 0..2 {
        assert_eq!(place.reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    }
    place.reader.signal(Signal::TapAgain).unwrap();
    assert!(matches!(world.hear(), FromBox::Command { presence: 1, .. }));
    assert!(matches!(world.hear(), FromBox::Signal { presence: 1, .. }));
}

#[test]
fn a_field_answers_only_for_the_band_that_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reader.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let field = VirtualField::connect(&path, BOUND).unwrap();
    let mut link = Link::new(listener.accept().unwrap().0).unwrap();
    let band = band(6);
    let _presented = field.present(&band, Vec::new()).unwrap();
    let mut heard = || {
        let frame = link.receive(Some(Instant::now() + BOUND)).unwrap().unwrap();
        FromWorld::decode(&frame).unwrap()
    };
    let FromWorld::Present { presence, .. } = heard() else {
        panic!("a band was presented");
    };
    let mut ask = |presence, sequence| {
        let bytes = write(8, 1).to_vec();
        let command = FromBox::Command { presence, sequence, bytes };
        link.send(&command.encode()).unwrap();
        let frame = link.receive(Some(Instant::now() + BOUND)).unwrap().unwrap();
        FromWorld::decode(&frame).unwrap()
    };
    let answer = |sequence, answer| FromWorld::Answer { sequence, answer };
    assert_eq!(ask(presence + 1, 7), answer(7, Answer::Silent));
    assert_eq!(page(&band, 8), [0; 4]);
    assert_eq!(ask(presence, 8), answer(8, Answer::Ack));
    assert_eq!(page(&band, 8), [1; 4]);
}

#[test]
fn the_light_shines_for_the_band_that_was_tapped() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let first = field.present(&band(1), faults("leave after write 1")).unwrap();
    next_tag(&mut place.reader);
    assert!(place.reader.transceive(&write(8, 1)).is_err());
    let second = field.present(&band(2), Vec::new()).unwrap();
    place.reader.signal(Signal::TapAgain).unwrap();
    assert_eq!(first.wait_signal(BOUND), Some(Signal::TapAgain));
    next_tag(&mut place.reader);
    place.reader.signal(Signal::Warn).unwrap();
    place.reader.signal(Signal::Ok).unwrap();
    assert_eq!(second.wait_signal(BOUND), Some(Signal::Warn));
    assert_eq!(second.wait_signal(BOUND), Some(Signal::Ok));
    assert_eq!(second.wait_signal(Duration::ZERO), None);
    assert_eq!(first.wait_signal(Duration::ZERO), None);
}

#[test]
fn a_band_on_the_reader_survives_a_restart_of_the_box() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let band = band(6);
    let presented = field.present(&band, faults("leave before write 2"));
    let presented = presented.unwrap();
    next_tag(&mut place.reader);
    assert_eq!(place.reader.transceive(&write(8, 1)), Ok(Vec::new()));
    let restarted = VirtualReader::bind(&place.path).unwrap();
    drop(std::mem::replace(&mut place.reader, restarted));
    assert_eq!(next_tag(&mut place.reader).uid, band.uid());
    assert_eq!(place.reader.transceive(&[0x30, 8]).unwrap()[..4], [1; 4]);
    assert!(!presented.is_gone());
    assert_eq!(place.reader.transceive(&write(9, 1)), Err(ReaderError::TagGone));
    assert!(presented.wait_gone(BOUND));
}

#[test]
fn presenting_to_a_dead_box_gives_up_when_patience_is_over() {
    let place = place();
    let patience = Duration::from_millis(30);
    let field = VirtualField::connect(&place.path, patience).unwrap();
    drop(place);
    let deadline = Instant::now() + BOUND;
    while field.present(&band(6), Vec::new()).is_ok() {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn looking_takes_no_longer_than_it_may() {
    let mut place = place();
    let shortest = |place: &mut Place| {
        let took = |_| {
            let began = Instant::now();
            place.reader.poll_tag().unwrap();
            began.elapsed()
        };
        // The shortest of some, since the machine may be busy.
        (0..5).map(took).min().unwrap()
    };
    let allowed = Duration::from_millis(50);
    assert!(shortest(&mut place) < allowed, "with nobody there");
    let mut world = RawWorld::connect(&place);
    assert!(shortest(&mut place) < allowed, "with an empty field");
    world.0.write_all(&[0, 10, 0x81]).unwrap();
    assert!(shortest(&mut place) < allowed, "within a frame");
    world.0.write_all(&[0, 0, 0, 1, 1, 1, 2, 3]).unwrap();
    assert!(shortest(&mut place) < allowed, "with a half-sent frame");
    world.0.write_all(&[4]).unwrap();
    assert_eq!(next_tag(&mut place.reader).uid.as_bytes(), [1, 2, 3, 4]);
    assert!(shortest(&mut place) < allowed, "with a tag");
}

#[test]
fn a_world_that_dies_within_a_command_is_a_tag_that_left() {
    let mut place = place();
    let mut world = RawWorld::connect(&place);
    world.present(1);
    next_tag(&mut place.reader);
    let dying = std::thread::spawn(move || {
        world.hear();
        drop(world);
    });
    assert_eq!(place.reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    dying.join().unwrap();
    let mut waiting = RawWorld::connect(&place);
    waiting.present(1);
    assert_eq!(place.reader.poll_tag(), Ok(None));
    next_tag(&mut place.reader);
}

#[test]
fn an_answer_to_an_earlier_question_is_not_taken_for_this_one() {
    let mut place = place();
    let mut world = RawWorld::connect(&place);
    world.present(1);
    next_tag(&mut place.reader);
    let answering = std::thread::spawn(move || {
        let FromBox::Command { sequence, .. } = world.hear() else {
            panic!("a command was sent");
        };
        for (sequence, byte) in [(sequence.wrapping_sub(1), 0xBA), (sequence, 0x60)] {
            let answer = Answer::Data(vec![byte]);
            world.say(&FromWorld::Answer { sequence, answer });
        }
        world
    });
    assert_eq!(place.reader.transceive(&[0x60]), Ok(vec![0x60]));
    answering.join().unwrap();
}

#[test]
fn a_client_that_breaks_the_protocol_is_dropped_and_the_next_is_served() {
    let mut place = place();
    for bad in [&[0, 0][..], &[2, 1], &[0xFF, 0xFF], &[0, 1, 0x81], &[0, 6, 0x81, 0, 0, 0, 1, 99], &[0, 1, 0x01]] {
        let mut world = RawWorld::connect(&place);
        world.0.write_all(bad).unwrap();
        let polled = poll_until(&mut place.reader, |polled| *polled != Ok(None));
        assert_eq!(polled, Err(ReaderError::Malformed));
        assert!(!place.reader.is_connected());
    }
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let _presented = field.present(&band(6), Vec::new()).unwrap();
    next_tag(&mut place.reader);
}

#[test]
fn a_command_longer_than_a_reader_sends_is_refused() {
    let mut place = place();
    let field = VirtualField::connect(&place.path, BOUND).unwrap();
    let _presented = field.present(&band(6), Vec::new()).unwrap();
    next_tag(&mut place.reader);
    let refused = place.reader.transceive(&[0x60; 257]);
    assert!(matches!(refused, Err(ReaderError::Io(_))));
    assert_eq!(place.reader.transceive(&[0x60]).unwrap().len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_from_the_world_break_the_reader(
        bytes in prop::collection::vec(prop_oneof![0u8..3, 0x80u8..0x8A, any::<u8>()], 0..200),
    ) {
        let mut place = place();
        let mut world = RawWorld::connect(&place);
        world.0.write_all(&bytes).unwrap();
        drop(world);
        poll_until(&mut place.reader, |_| true).ok();
        place.reader.transceive(&[0x60]).ok();
        poll_until(&mut place.reader, |polled| matches!(polled, Ok(None) | Err(ReaderError::Unplugged))).ok();
    }
}
