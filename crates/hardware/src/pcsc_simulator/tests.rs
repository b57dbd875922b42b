use super::*;
use crate::chip::{Ntag21x, NtagType, SharedBand, WRITE};

/// The driver in pcscd, in small.
struct Driver {
    questions: UnixStream,
    events: UnixStream,
}

impl Driver {
    fn connect(path: &Path) -> Self {
        let line = |hello: u8| {
            let mut line = UnixStream::connect(path).unwrap();
            line.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            line.write_all(&[hello]).unwrap();
            line
        };
        let mut driver = Self { events: line(b'E'), questions: line(b'Q') };
        assert!(driver.hears_a_change(), "whatever was before");
        driver
    }

    fn ask(&mut self, code: u8, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        self.questions.write_all(&[&[code], &length[..], body].concat())?;
        let mut head = [0; 3];
        self.questions.read_exact(&mut head)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        self.questions.read_exact(&mut answer)?;
        Ok((head[0] == 0).then_some(answer))
    }

    fn hears_a_change(&mut self) -> bool {
        self.events.read_exact(&mut [0]).is_ok()
    }
}

struct Place {
    simulator: PcscSimulator,
    driver: Driver,
    band: SharedBand,
    _folder: tempfile::TempDir,
}

fn place(model: ReaderModel) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reader");
    let simulator = PcscSimulator::bind(&path, model, &SimulatedField::new()).unwrap();
    let driver = Driver::connect(&path);
    let band = SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]));
    Place { simulator, driver, band, _folder: folder }
}

#[test]
fn a_tag_that_comes_is_told_powered_and_named() {
    let Place { simulator, mut driver, band, _folder } = place(ReaderModel::Acr122u);
    assert_eq!(driver.ask(b'p', &[]).unwrap(), None);
    simulator.field().present(&band, Vec::new());
    assert!(driver.hears_a_change());
    assert_eq!(driver.ask(b'p', &[]).unwrap(), Some(Vec::new()));
    let atr = driver.ask(b'u', &[]).unwrap().unwrap();
    assert_eq!(atr[13..15], [0, 3]);
    assert_eq!(atr[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
    let uid = driver.ask(b't', &[0xFF, 0xCA, 0, 0, 0]).unwrap().unwrap();
    assert_eq!(uid, [4, 1, 2, 3, 4, 5, 6, 0x90, 0]);
    simulator.field().take_away();
    assert!(driver.hears_a_change());
    assert_eq!(driver.ask(b't', &[0xFF, 0xCA, 0, 0, 0]).unwrap(), None);
}

#[test]
fn an_acr122u_passes_commands_to_its_chip() {
    let Place { simulator, mut driver, band, _folder } = place(ReaderModel::Acr122u);
    simulator.field().present(&band, Vec::new());
    assert!(driver.hears_a_change());
    driver.ask(b'u', &[]).unwrap().unwrap();
    let mut direct = |command: &[u8]| {
        let length = u8::try_from(command.len() + 1).unwrap();
        driver.ask(b't', &[&[0xFF, 0, 0, 0, length, 0xD4], command].concat()).unwrap().unwrap()
    };
    assert_eq!(direct(&[0x42, WRITE, 9, 1, 2, 3, 4]), [0xD5, 0x43, 2, 0x90, 0]);
    assert_eq!(direct(&[0x08, 0x63, 3, 0]), [0xD5, 0x09, 0x90, 0]);
    assert_eq!(direct(&[0x42, WRITE, 9, 1, 2, 3, 4]), [0xD5, 0x43, 0, 0x0A, 0x90, 0]);
    assert_eq!(band.chip().memory()[36..40], [1, 2, 3, 4]);
    assert_eq!(direct(&[0x4A, 1, 0]), FAILED);
}

#[test]
fn a_transparent_exchange_says_how_many_bits_came() {
    let Place { simulator, mut driver, band, _folder } = place(ReaderModel::Transparent);
    simulator.field().present(&band, Vec::new());
    assert!(driver.hears_a_change());
    driver.ask(b'u', &[]).unwrap().unwrap();
    let mut exchange = |flags: u8, command: &[u8]| {
        let length = u8::try_from(command.len()).unwrap();
        let objects = [&[0x90, 2, 0, flags, 0x95, length], command].concat();
        let apdu = [&EXCHANGE[..], &[u8::try_from(objects.len()).unwrap()], &objects, &[0]].concat();
        driver.ask(b't', &apdu).unwrap().unwrap()
    };
    const EXCHANGE: [u8; 4] = [0xFF, 0xC2, 0, 1];
    assert_eq!(exchange(2, &[WRITE, 9, 1, 2, 3, 4]), [0xC0, 3, 0, 0x90, 0, 0x92, 1, 4, 0x97, 1, 0x0A, 0x90, 0]);
    assert_eq!(exchange(0, &[WRITE, 9, 1, 2, 3, 4])[3..5], [0x65, 0x81]);
    assert_eq!(exchange(2, &[0x60])[9], 10, "8 bytes and their CRC");
    assert_eq!(exchange(0, &[0x60])[9], 8);
}

#[test]
fn an_unplugged_reader_hangs_up_until_it_is_plugged_in() {
    let Place { simulator, mut driver, band: _, _folder } = place(ReaderModel::Acr122u);
    simulator.field().unplug();
    assert!(driver.ask(b'p', &[]).is_err());
    simulator.field().plug_in();
    let mut again = Driver::connect(&_folder.path().join("reader"));
    assert_eq!(again.ask(b'p', &[]).unwrap(), None);
    assert!(again.ask(b'?', &[]).is_err(), "no question");
}

#[test]
fn escapes_are_remembered_and_other_controls_refused() {
    let Place { simulator, mut driver, .. } = place(ReaderModel::Acr122u);
    let control = |code: u32, command: &[u8]| [&code.to_be_bytes()[..], command].concat();
    assert_eq!(driver.ask(b'c', &control(ESCAPES[0], &[0xFF, 0, 0x52, 0, 0])).unwrap(), Some(OK.to_vec()));
    assert_eq!(driver.ask(b'c', &control(7, &[1])).unwrap(), None);
    assert_eq!(driver.ask(b'c', &[1]).unwrap(), None);
    assert_eq!(simulator.take_escapes(), [[0xFF, 0, 0x52, 0, 0]]);
}
