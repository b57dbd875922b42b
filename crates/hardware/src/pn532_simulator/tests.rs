//! A host that speaks to the simulator as libnfc does, in small.

use std::{
    fs::File,
    io::{Read, Write},
    time::Instant,
};

use super::*;
use crate::{
    chip::{Ntag21x, NtagType, SharedBand, WRITE},
    crc_a,
    fault::Fault,
};

const BOUND: Duration = Duration::from_secs(5);
const RX_CRC_OFF: [u8; 4] = [0x08, 0x63, 0x03, 0x00];
const LIST: [u8; 3] = [0x4A, 1, 0];

struct Host(UnixStream);

impl Host {
    fn say(&mut self, command: &[u8]) {
        let mut data = vec![0xD4];
        data.extend(command);
        let length = u8::try_from(data.len()).unwrap();
        let sum = data.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
        let frame = [&[0x55, 0x55, 0, 0, 0, 0, 0xFF, length, 0u8.wrapping_sub(length)], data.as_slice(), &[sum, 0]];
        self.0.write_all(&frame.concat()).unwrap();
    }

    /// The answer's parameters; `None`: not the answer of a chip that works.
    fn ask(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        self.say(command);
        let mut ack = [0; 6];
        self.0.read_exact(&mut ack).ok()?;
        let mut head = [0; 5];
        self.0.read_exact(&mut head).ok()?;
        let mut data = vec![0; usize::from(head[3]) + 2];
        self.0.read_exact(&mut data).ok()?;
        let sum = data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let right = ack == [0, 0, 0xFF, 0, 0xFF, 0] && sum == 0 && data[..2] == [0xD5, command[0] + 1];
        right.then(|| data[2..data.len() - 2].to_vec())
    }
}

fn host(patience: Duration) -> (Host, Pn532Simulator) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_read_timeout(Some(patience)).unwrap();
    let simulator = Pn532Simulator::on_stream(there, &SimulatedField::new()).unwrap();
    // a search ends after two more tries
    let mut host = Host(here);
    assert_eq!(host.ask(&[0x32, 5, 0, 1, 2]), Some(Vec::new()));
    (host, simulator)
}

fn band() -> SharedBand {
    SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]))
}

#[test]
fn a_band_is_found_read_and_written() {
    let (mut host, simulator) = host(BOUND);
    assert_eq!(host.ask(&[0x02]), Some(vec![0x32, 1, 6, 7]));
    assert_eq!(host.ask(&LIST), Some(vec![0]));
    let band = band();
    simulator.field().present(&band, Vec::new());
    assert_eq!(host.ask(&LIST), Some(vec![1, 1, 0, 0x44, 0, 7, 4, 1, 2, 3, 4, 5, 6]));
    assert_eq!(host.ask(&[0x42, 0x60]), Some(vec![0, 0, 4, 4, 2, 1, 0, 0x11, 3]));
    assert_eq!(host.ask(&[0x40, 1, WRITE, 9, 1, 2, 3, 4]), Some(vec![0]));
    assert_eq!(band.chip().memory()[36..40], [1, 2, 3, 4]);
}

#[test]
fn four_bits_are_a_crc_error_until_the_host_checks_crcs_itself() {
    let (mut host, simulator) = host(BOUND);
    simulator.field().present(&band(), Vec::new());
    host.ask(&LIST).unwrap();
    assert_eq!(host.ask(&[0x42, WRITE, 9, 1, 2, 3, 4]), Some(vec![2]));
    host.ask(&RX_CRC_OFF).unwrap();
    assert_eq!(host.ask(&[0x42, WRITE, 9, 1, 2, 3, 4]), Some(vec![0, 0x0A]));
    let version = host.ask(&[0x42, 0x60]).unwrap();
    assert_eq!(crc_a::checked(&version[1..]).unwrap().len(), 8);
    assert_eq!(host.ask(&[0x42, 0x30, 0xFF]), Some(vec![0, 0]), "NAK 0");
    assert_eq!(host.ask(&[0x42, 0x60]), Some(vec![1]), "asleep after the NAK");
    host.ask(&LIST).unwrap();
    assert_eq!(host.ask(&[0x42, WRITE, 9, 1, 2, 3, 4]), Some(vec![2]), "each selection sets the registers again");
}

#[test]
fn each_fault_of_the_line_strikes_once_and_at_its_command() {
    for fault in [
        LineFault::LoseCommand,
        LineFault::DropAck,
        LineFault::DropReply,
        LineFault::CorruptReply,
        LineFault::TruncateReply,
        LineFault::Nack,
    ] {
        let (mut host, simulator) = host(Duration::from_millis(30));
        let band = band();
        simulator.field().present(&band, Vec::new());
        host.ask(&LIST).unwrap();
        host.ask(&RX_CRC_OFF).unwrap();
        simulator.fault(fault, 2);
        assert!(host.ask(&[0x42, 0x60]).is_some(), "{fault:?} is for the next but this one");
        assert_eq!(host.ask(&[0x42, WRITE, 9, 7, 7, 7, 7]), None, "{fault:?}");
        let is_done = !matches!(fault, LineFault::LoseCommand | LineFault::Nack);
        assert_eq!(band.chip().memory()[36] == 7, is_done, "{fault:?}");
        while host.0.read(&mut [0; 64]).is_ok() {}
        assert!(host.ask(&[0x42, 0x60]).is_some(), "{fault:?} is over");
    }
    let (mut host, simulator) = host(BOUND);
    simulator.field().present(&band(), Vec::new());
    host.ask(&LIST).unwrap();
    simulator.fault(LineFault::BadStatus, 1);
    assert_eq!(host.ask(&[0x42, 0x60]), Some(vec![0x80]));
}

#[test]
fn a_search_without_end_ends_when_a_band_comes() {
    let (mut host, simulator) = host(BOUND);
    host.ask(&[0x32, 5, 0, 1, 0xFF]).unwrap();
    let field = simulator.field().clone();
    let hand = thread::spawn(move || field.present(&band(), Vec::new()));
    assert_eq!(host.ask(&LIST).unwrap()[0], 1);
    hand.join().unwrap();
}

#[test]
fn what_was_pulled_out_is_gone_and_comes_back_as_another_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tty");
    let simulator = Pn532Simulator::behind_pty(&path, &SimulatedField::new()).unwrap();
    let port = || File::options().read(true).write(true).open(&path);
    let mut before = port().unwrap();
    simulator.field().unplug();
    assert!(before.read(&mut [0; 8]).map_or(true, |length| length == 0));
    let deadline = Instant::now() + BOUND;
    while port().is_ok() {
        assert!(Instant::now() < deadline);
    }
    simulator.field().plug_in();
    while port().is_err() {
        assert!(Instant::now() < deadline);
    }
    drop(simulator);
    assert!(std::fs::symlink_metadata(&path).is_err());
}

#[test]
fn bytes_on_the_line_take_their_time() {
    let (mut host, simulator) = host(BOUND);
    simulator.take_bus_time();
    simulator.takes_bus_time(true);
    let began = Instant::now();
    host.ask(&[0x02]).unwrap();
    let bus = simulator.take_bus_time();
    assert!(bus > Duration::from_millis(2) && began.elapsed() > bus, "{bus:?}");
}

#[test]
fn faults_of_the_band_strike_through_the_line() {
    let (mut host, simulator) = host(BOUND);
    let band = band();
    let tear: Vec<Fault> = vec!["tear write 1 at byte 2".parse().unwrap()];
    simulator.field().present(&band, tear);
    host.ask(&LIST).unwrap();
    assert_eq!(host.ask(&[0x42, WRITE, 9, 7, 7, 7, 7]), Some(vec![1]));
    assert_eq!(band.chip().memory()[36..40], [7, 7, 0, 0]);
    assert!(!simulator.field().is_occupied());
}
