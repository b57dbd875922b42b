use std::{io::Write, thread, time::Instant};

use super::*;
use crate::{
    bench_reader::BenchReader,
    chip::{Ntag21x, NtagType, SharedBand, WRITE},
};

const BOUND: Duration = Duration::from_secs(5);

fn band() -> SharedBand {
    SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]))
}

/// A driver's process (a thread here) with a reader on the workbench.
fn remote(bench: &BenchReader) -> (RemoteReader, thread::JoinHandle<Result<(), ReaderError>>) {
    let (here, there) = UnixStream::pair().unwrap();
    let reader = bench.clone();
    let serving = thread::spawn(move || serve(there, || Ok((Box::new(reader), "bench".to_owned()))));
    (RemoteReader::connect(here, BOUND).unwrap(), serving)
}

#[test]
fn a_band_is_read_and_written_through_another_process_as_if_it_were_here() {
    let bench = BenchReader::new();
    let (mut reader, serving) = remote(&bench);
    assert_eq!(reader.name(), "bench");
    assert_eq!(reader.poll_tag(), Ok(None));
    let band = band();
    bench.present(&band, vec!["nak write 2".parse().unwrap()]);
    let tag = reader.poll_tag().unwrap().unwrap();
    assert_eq!((tag.uid, tag.kind), (band.uid(), band.kind()));
    assert_eq!(reader.transceive(&[WRITE, 9, 1, 2, 3, 4]), Ok(Vec::new()));
    assert_eq!(reader.transceive(&[0x3A, 0, 63]).unwrap().len(), 256);
    assert_eq!(reader.transceive(&[WRITE, 9, 5, 5, 5, 5]), Err(ReaderError::Nak(5)));
    assert_eq!(reader.transceive(&[0x60; MAX_EXCHANGE + 1]), Err(ReaderError::Malformed));
    reader.signal(Signal::Warn).unwrap();
    assert_eq!(bench.signals(), [Signal::Warn]);
    bench.take_away();
    assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::TagGone));
    drop(reader);
    assert_eq!(serving.join().unwrap(), Ok(()));
}

#[test]
fn a_reader_that_fails_is_told_and_its_process_ends() {
    let bench = BenchReader::new();
    let (mut reader, serving) = remote(&bench);
    bench.present(&band(), vec!["unplug at command 1".parse().unwrap()]);
    reader.poll_tag().unwrap().unwrap();
    for _ in 0..2 {
        assert_eq!(reader.transceive(&[0x60]), Err(ReaderError::Unplugged));
    }
    assert_eq!(serving.join().unwrap(), Err(ReaderError::Unplugged));
    assert_eq!(reader.poll_tag(), Err(ReaderError::Unplugged));
}

#[test]
fn a_reader_that_does_not_open_says_why() {
    let (here, there) = UnixStream::pair().unwrap();
    let why = ReaderError::Io("the port is taken".to_owned());
    let told = why.clone();
    let serving = thread::spawn(move || serve(there, || Err(told)));
    assert_eq!(RemoteReader::connect(here, BOUND).map(|_| ()), Err(why.clone()));
    assert_eq!(serving.join().unwrap(), Err(why));
}

#[test]
fn a_process_that_dies_or_hangs_is_told_from_a_tag_that_left() {
    let bench = BenchReader::new();
    let (here, there) = UnixStream::pair().unwrap();
    let ready = Answer::Ready(String::new()).encode();
    let mut raw = there.try_clone().unwrap();
    raw.write_all(&[0, u8::try_from(ready.len()).unwrap()]).unwrap();
    raw.write_all(&ready).unwrap();
    let mut hung = RemoteReader::connect(here, BOUND).unwrap();
    let began = Instant::now();
    assert!(matches!(hung.poll_tag(), Err(ReaderError::Io(_))));
    assert!(began.elapsed() >= ANSWER);
    // what comes too late is nobody's answer
    raw.write_all(&[0, 1, 0x83]).unwrap();
    assert!(matches!(hung.poll_tag(), Err(ReaderError::Io(_))));

    let (mut dying, serving) = remote(&bench);
    drop(there);
    dying.poll_tag().unwrap();
    let (_, closed) = UnixStream::pair().unwrap();
    dying.link = Link::new(closed).unwrap();
    assert!(matches!(dying.poll_tag(), Err(ReaderError::Io(_))));
    assert_eq!(serving.join().unwrap(), Ok(()));
}

#[test]
fn a_process_that_breaks_the_protocol_is_given_up() {
    for bad in [&[0, 1, 0x99][..], &[0, 1, 0x83], &[0, 0], &[0xFF, 0xFF]] {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(bad).unwrap();
        assert!(matches!(RemoteReader::connect(here, BOUND), Err(ReaderError::Io(_))));
    }
}
