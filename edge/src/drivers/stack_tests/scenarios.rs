//! What happens at a reader, whatever its library.
use std::{collections::BTreeSet, sync::Arc, thread, time::Instant};

use hardware::{
    chip::{Ntag21x, NtagType, Reply, SharedBand, UidOnly},
    tag::{TagKind, Uid},
};

use super::*;
use crate::devices;

/// A sale of one basket, torn at every byte of every write, and its answers lost: the band comes again, and it was charged
/// once.
pub(super) fn a_sale_torn_anywhere_charges_once(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.loaded(1);
    let mut left = LOADED;
    let tears = (1..=5).flat_map(|write| (0..4).map(move |byte| format!("tear write {write} at byte {byte}")));
    let others = (1..=5).flat_map(|write| {
        ["leave before write", "leave after write", "line error at write"].map(|fault| format!("{fault} {write}"))
    });
    let mut outcomes = BTreeSet::new();
    for fault in tears.chain(others).chain(["leave after command 9".to_owned()]) {
        let id = fresh_id();
        let torn = hand.tap(id, hand.chips(), &band, &fault);
        assert!(!torn.ok, "{fault}: {torn:?}");
        outcomes.insert(torn.code.clone().unwrap_or_default());
        let (chip, _) = hand.bench.balances(&band);
        assert!([left, left - PRICE].contains(&chip), "{fault}: {chip} of {left}");
        let again = hand.tap(id, hand.chips(), &band, "");
        assert!(again.ok, "{fault}, then: {again:?}");
        left -= PRICE;
        assert_eq!(hand.bench.balances(&band), (left, left), "{fault}");
    }
    let expected = ["band.pulled_away", "till.in_doubt"].map(str::to_owned);
    assert_eq!(outcomes, BTreeSet::from(expected));
}

/// The same on a chip with AES: its sixth write is the increment, which commits.
pub(super) fn an_aes_sale_torn_anywhere_charges_once(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.bench.aes_purse(1);
    let band = hand.topped_up(band);
    let mut left = LOADED;
    let tears = (1..=5).flat_map(|write| (0..4).map(move |byte| format!("tear write {write} at byte {byte}")));
    let others = (1..=6).flat_map(|write| {
        ["leave before write", "leave after write", "line error at write"].map(|fault| format!("{fault} {write}"))
    });
    let stores = ["before", "after"].map(|when| format!("tear write 6 {when} store"));
    for fault in tears.chain(others).chain(stores) {
        let id = fresh_id();
        let torn = hand.tap(id, hand.chips(), &band, &fault);
        assert!(!torn.ok, "{fault}: {torn:?}");
        let (chip, _) = hand.bench.balances(&band);
        assert!([left, left - PRICE].contains(&chip), "{fault}: {chip} of {left}");
        let again = hand.tap(id, hand.chips(), &band, "");
        assert!(again.ok, "{fault}, then: {again:?}");
        left -= PRICE;
        assert_eq!(hand.bench.balances(&band), (left, left), "{fault}");
    }
}

/// What a sale sends to a chip with AES after its selection: two steps of authentication, the counter, one read, five
/// writes, one read, the increment.
pub(super) fn an_aes_sale_takes_no_more_commands_than_it_must(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.bench.aes_purse(1);
    let band = hand.topped_up(band);
    hand.ask(fresh_id(), hand.chips());
    hand.stack.field.present(&band.chip, Vec::new());
    let tag = hand.next_tag();
    hand.stack.field.take_spent();
    hand.serve_tag(tag);
    let sale = hand.stack.field.take_spent();
    assert_eq!(sale.commands, [0x1A, 0xAF, 0x39, 0x3A, 0xA2, 0xA2, 0xA2, 0xA2, 0xA2, 0x3A, 0xA5]);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// A chip that refuses a write is not charged, and the next band is served. Where it refuses the last one the box takes
/// nobody's word for it: the band comes again.
pub(super) fn a_refused_write_charges_nothing(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.loaded(1);
    for write in 1..=4 {
        let refused = hand.tap(fresh_id(), hand.chips(), &band, &format!("nak write {write}"));
        assert_eq!(refused.code.as_deref(), Some("band.refused_write"), "write {write}: {refused:?}");
        assert_eq!(hand.bench.balances(&band), (LOADED, LOADED), "write {write}");
    }
    let id = fresh_id();
    let last = hand.tap(id, hand.chips(), &band, "nak write 5");
    assert_eq!(last.code.as_deref(), Some("till.in_doubt"), "{last:?}");
    let sold = hand.tap(id, hand.chips(), &band, "");
    assert!(sold.ok, "{sold:?}");
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// After a torn tap another band comes: it is turned away, and the first still pays.
pub(super) fn another_band_on_the_second_tap_is_not_charged(stack: Stack) {
    let mut hand = Hand::new(stack);
    let (band, other) = (hand.loaded(1), hand.loaded(2));
    let id = fresh_id();
    let torn = hand.tap(id, hand.chips(), &band, "leave after write 5");
    assert_eq!(torn.code.as_deref(), Some("till.in_doubt"));
    let wrong = hand.tap(id, hand.chips(), &other, "");
    assert_eq!(wrong.code.as_deref(), Some("band.wrong_band"));
    assert_eq!(hand.bench.balances(&other), (LOADED, LOADED));
    assert!(hand.tap(id, hand.chips(), &band, "").ok);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// One flipped bit on the way to the chip is no refusal: a band is the kind it is, and takes part again when it comes again.
pub(super) fn a_command_damaged_on_air_is_not_taken_for_a_refusal(stack: Stack) {
    let mut hand = Hand::new(stack);
    let aes = hand.bench.aes_purse(2);
    for band in [hand.loaded(1), hand.topped_up(aes)] {
        // the chip's kind is asked by the first command; the tap begins with the second
        let sold = hand.tap(fresh_id(), hand.chips(), &band, "crc nak at command 1");
        assert!(sold.ok, "{sold:?}");
        let id = fresh_id();
        let away = hand.tap(id, hand.chips(), &band, "crc nak at command 2");
        assert_eq!(away.code.as_deref(), Some("band.pulled_away"), "{away:?}");
        assert!(hand.tap(id, hand.chips(), &band, "").ok);
        assert_eq!(hand.bench.balances(&band), (LOADED - 2 * PRICE, LOADED - 2 * PRICE));
    }
}

/// Two bands at once: the reader answers for one of them only, and the other is as it was.
pub(super) fn of_two_bands_one_is_charged(stack: Stack) {
    let mut hand = Hand::new(stack);
    let (band, other) = (hand.loaded(1), hand.loaded(2));
    hand.ask(fresh_id(), hand.chips());
    hand.reader();
    hand.stack.field.present(&band.chip, Vec::new());
    hand.stack.field.present_beside(&other.chip);
    assert!(hand.serve().ok);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
    assert_eq!(hand.bench.balances(&other), (LOADED, LOADED));
}

/// A phone's number is drawn anew each time; a card with only a UID has an account; Ultralight C is refused.
pub(super) fn what_is_no_purse_is_told_by_its_kind(stack: Stack) {
    let mut hand = Hand::new(stack);
    let uid = |bytes: &[u8]| Uid::from_bytes(bytes).unwrap();
    let phone = SharedBand::new(UidOnly::new(uid(&[0x08, 1, 2, 3])));
    // a UID of each cascade level
    let one = SharedBand::new(UidOnly::new(uid(&[0xA1, 1, 2, 3])));
    let two = SharedBand::new(UidOnly::new(uid(&[4, 1, 2, 3, 4, 5, 6])));
    let three = SharedBand::new(UidOnly::new(uid(&[4, 1, 2, 3, 4, 5, 6, 7, 8, 9])));
    let unknown = SharedBand::new(UidOnly::unmodelled(Uid::seven([4, 9, 9, 9, 9, 9, 9]), TagKind::Other));
    let accounts = [one, two, three].map(|chip| (chip, "till.not_enough"));
    for (chip, code) in accounts.into_iter().chain([(phone, "band.random_uid"), (unknown, "band.unsupported")]) {
        let band = Band { wallet: hand.bench.uid_band(1).wallet, chip };
        let refused = hand.tap(fresh_id(), hand.chips(), &band, "");
        assert_eq!(refused.code.as_deref(), Some(code), "{refused:?}");
    }
}

/// HLTA ends what a password opened, and one of the next looks selects the same tag anew: how bands are issued.
pub(super) fn a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew(stack: Stack, looks: u32) {
    let mut hand = Hand::new(stack);
    let chip = SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]));
    chip.with(|chip| {
        chip.enter_field();
        assert_eq!(chip.transmit(&[0xA2, 0x83, 4, 0, 0, 4]), Reply::Ack, "a password from page 4 on");
        chip.leave_field();
    });
    hand.reader();
    hand.stack.field.present(&chip, Vec::new());
    let tag = hand.next_tag();
    let (password, write) = ([0x1B, 0xFF, 0xFF, 0xFF, 0xFF], [0xA2, 9, 1, 2, 3, 4]);
    assert_eq!(hand.reader().transceive(&password), Ok(vec![0, 0]));
    assert_eq!(hand.reader().transceive(&write), Ok(Vec::new()));
    assert_eq!(hand.reader().transceive(&[0x50, 0x00]), Err(ReaderError::TagGone));
    let mut awake = |command: &[u8]| {
        (0..looks).find_map(|_| {
            let seen = hand.reader().poll_tag().ok().flatten()?;
            assert_eq!(seen, tag);
            Some(hand.reader().transceive(command)).filter(|answer| *answer != Err(ReaderError::TagGone))
        })
    };
    assert!(matches!(awake(&write), Some(Err(ReaderError::Nak(_)))));
    assert_eq!(awake(&password), Some(Ok(vec![0, 0])));
}

/// What a sale sends to the tag after its selection: the password, two reads, five writes, one read.
pub(super) fn a_sale_takes_no_more_commands_than_it_must(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.loaded(1);
    hand.ask(fresh_id(), hand.chips());
    hand.stack.field.take_spent();
    hand.stack.field.present(&band.chip, Vec::new());
    let tag = hand.next_tag();
    let activation = hand.stack.field.take_spent();
    assert_eq!(activation.commands, [0x60], "the kind is asked once");
    hand.serve_tag(tag);
    let sale = hand.stack.field.take_spent();
    assert_eq!(sale.commands, [0x3A, 0x1B, 0x3A, 0xA2, 0xA2, 0xA2, 0xA2, 0xA2, 0x3A]);
    assert_eq!(sale.activations, 0);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// The reader is pulled out in the middle of a sale, and put back: the sale is completed.
pub(super) fn a_reader_unplugged_in_a_sale_is_back_and_completes_it(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.loaded(1);
    let id = fresh_id();
    for write in [2, 5] {
        hand.ask(id, hand.chips());
        hand.reader();
        hand.stack.field.present(&band.chip, vec![format!("unplug at write {write}").parse().unwrap()]);
        let tag = hand.next_tag();
        hand.serve_tag(tag);
        assert!(!hand.bench.station.desk.progress().result.unwrap().ok);
        hand.reader = None;
        hand.stack.field.plug_in();
    }
    let sold = hand.tap(id, hand.chips(), &band, "");
    assert!(sold.ok, "{sold:?}");
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// The driver's process is killed while a band lies there: the next process sees it.
pub(super) fn a_killed_driver_is_started_again(stack: Stack) {
    let mut hand = Hand::new(stack);
    let band = hand.loaded(1);
    hand.ask(fresh_id(), hand.chips());
    hand.stack.field.present(&band.chip, Vec::new());
    let tag = hand.next_tag();
    kill(hand.reader().id());
    hand.serve_tag(tag);
    assert_eq!(hand.bench.balances(&band), (LOADED, LOADED));
    assert!(hand.serve().ok);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

/// The box's own loop: a reader that goes away is told on screen for as long and counted, and in use again within 2 s
/// of its return; so is one whose process is killed or hangs.
pub(super) fn the_box_tells_and_recovers(
    stack: Stack,
    go_away: impl Fn(&Stack),
    come_back: impl Fn(&Stack),
    code: &str,
) {
    let bench = Bench::new();
    let folder = bench.folder().to_path_buf();
    let ReaderConfig { driver, name, port } = &stack.wanted;
    let driver = clap::ValueEnum::to_possible_value(driver).unwrap();
    let key = |key: &str, value: &Option<String>| value.as_ref().map(|value| format!("{key} = '{value}'\n"));
    let lines = [Some(format!("[reader]\ndriver = '{}'\n", driver.get_name())), key("name", name), key("port", port)];
    std::fs::write(folder.join(super::super::config::FILE), lines.into_iter().flatten().collect::<String>()).unwrap();
    let (station, program) = (Arc::clone(&bench.station), stack.program.clone());
    let reading = thread::spawn(move || devices::read_tags(&station, &folder, &program));
    let shown = |troubles: &[&str], ready: bool, within: Duration| {
        let deadline = Instant::now() + within;
        loop {
            let alerts = bench.station.alerts.shown();
            let codes: Vec<_> = alerts.iter().map(|alert| alert.code.as_str()).collect();
            if codes == troubles && bench.station.reader_ready() == ready {
                return;
            }
            assert!(Instant::now() < deadline, "{alerts:?}, not {troubles:?}");
            thread::sleep(Duration::from_millis(5));
        }
    };
    shown(&[], true, BOUND);
    for round in 1..=2 {
        go_away(&stack);
        shown(&[code], false, RECOVERED);
        come_back(&stack);
        shown(&[], true, RECOVERED);
        assert!(bench.station.device_failures.get() >= round);
    }
    bench.station.stop();
    reading.join().unwrap();
}

/// Ends a process at once.
pub(super) fn kill(process: u32) {
    signal(process, rustix::process::Signal::KILL);
}

/// Sends a process a signal.
pub(super) fn signal(process: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}
