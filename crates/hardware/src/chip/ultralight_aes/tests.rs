//! Each command of the chip, free, behind its key and in a session with MACs.

use proptest::prelude::*;

use super::*;
use crate::{
    chip::Chip,
    fault::{Exchange, Fault, Presentation},
    tag::TagKind,
};

const UID: [u8; 7] = [0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0x80];
const KEY: [u8; BLOCK] = *b"data key of band";
const UID_KEY: [u8; BLOCK] = *b"uid key of band.";

fn selected() -> UltralightAes {
    let mut chip = UltralightAes::new(UID, [7; BLOCK]);
    chip.enter_field();
    chip
}

fn write_command(page: usize, content: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = content;
    vec![WRITE, u8::try_from(page).unwrap(), a, b, c, d]
}

fn data(reply: Reply) -> Vec<u8> {
    let Reply::Data(bytes) = reply else { panic!("data expected, not {reply:?}") };
    bytes
}

/// A chip with keys, protected from page 4 on against writing, messages with MACs; `cfg1` as given.
fn protected(cfg1: [u8; 4]) -> UltralightAes {
    let mut chip = selected();
    for (first, key) in [(0x30, KEY), (0x34, UID_KEY)] {
        let mut reversed = key;
        reversed.reverse();
        for (at, page) in reversed.as_chunks::<4>().0.iter().enumerate() {
            assert_eq!(chip.transmit(&write_command(first + at, *page)), Reply::Ack);
        }
    }
    assert_eq!(chip.transmit(&write_command(CFG1_PAGE, cfg1)), Reply::Ack);
    assert_eq!(chip.transmit(&write_command(CFG0_PAGE, [SEC_MSG_ACT, 0, 0, 4])), Reply::Ack);
    chip.leave_field();
    chip.enter_field();
    chip
}

const OURS: [u8; 4] = [CNT_RD_EN, 5, 0, 0];

/// The reader's end of a session.
struct Reader {
    key: [u8; BLOCK],
    counter: u16,
}

impl Reader {
    fn authenticated(chip: &mut UltralightAes, number: u8, key: [u8; BLOCK]) -> Result<Self, Reply> {
        let first = match chip.transmit(&[AUTHENTICATE, number]) {
            Reply::Data(first) => first,
            refused @ (Reply::Ack | Reply::Nak(_) | Reply::Silent) => return Err(refused),
        };
        assert_eq!((first.len(), first[0]), (17, AUTHENTICATE_PART_2));
        let rnd_a = *b"sixteen of mine.";
        let [rnd_b] = card_crypto::decrypt(&key, [first[1..].try_into().unwrap()]);
        let mut second = vec![AUTHENTICATE_PART_2];
        second.extend(card_crypto::encrypt(&key, &[rnd_a, card_crypto::rotated(rnd_b)]));
        match chip.transmit(&second) {
            Reply::Data(proof) => {
                assert_eq!(proof[1..], card_crypto::encrypt(&key, &[card_crypto::rotated(rnd_a)]));
                Ok(Self { key: card_crypto::session_key(&key, &rnd_a, &rnd_b), counter: 0 })
            }
            refused @ (Reply::Ack | Reply::Nak(_) | Reply::Silent) => Err(refused),
        }
    }

    fn wrapped(&self, command: &[u8]) -> Vec<u8> {
        [command, &card_crypto::message_mac(&self.key, self.counter, command)].concat()
    }

    fn send(&mut self, chip: &mut UltralightAes, command: &[u8]) -> Reply {
        let reply = chip.transmit(&self.wrapped(command));
        let Reply::Data(bytes) = reply else { return reply };
        let (plain, mac) = bytes.split_last_chunk::<MAC>().unwrap();
        assert_eq!(*mac, card_crypto::message_mac(&self.key, self.counter + 1, plain));
        self.counter += 2;
        Reply::Data(plain.to_vec())
    }
}

#[test]
fn a_new_chip_is_open_and_carries_its_uid() {
    let mut chip = selected();
    assert_eq!(TagKind::from_version(&data(chip.transmit(&[GET_VERSION]))), TagKind::UltralightAes);
    assert_eq!(chip.uid().as_bytes(), UID);
    assert_eq!(chip.transmit(&write_command(4, [1, 2, 3, 4])), Reply::Ack);
    assert_eq!(data(chip.transmit(&[READ, 4]))[..4], [1, 2, 3, 4]);
    assert_eq!(data(chip.transmit(&[FAST_READ, 0, 0x3B])).len(), 240);
    assert_eq!(data(chip.transmit(&[READ, 0x3B]))[4..7], UID[..3], "it rolls over to page 0");
    let mut signed = selected().with_signature([6; SIGNATURE_BYTES]);
    signed.enter_field();
    assert_eq!(data(signed.transmit(&[READ_SIG, 0])), [6; SIGNATURE_BYTES]);
}

#[test]
fn who_has_no_key_reads_and_neither_writes_nor_counts() {
    let before = protected(OURS);
    for page in 2..PAGES {
        let mut chip = before.clone();
        let expected = if page < 4 { Reply::Ack } else { Reply::Nak(NAK_INVALID_ARGUMENT) };
        assert_eq!(chip.transmit(&write_command(page, [0xFF; 4])), expected, "page {page}");
    }
    let mut chip = before.clone();
    assert_eq!(chip.transmit(&[INCR_CNT, 2, 1, 0, 0, 0]), Reply::Nak(NAK_INVALID_ARGUMENT));
    chip.select();
    assert_eq!(data(chip.transmit(&[READ_CNT, 2])), [0; 3], "reading is free");
    assert_eq!(data(chip.transmit(&[FAST_READ, 0x30, 0x37])), [0; 32], "a key never reads back");
    assert_eq!(chip.transmit(&[INCR_CNT, 0, 5, 0, 0, 0]), Reply::Ack, "counters 0 and 1 are anybody's");
    assert_eq!(chip.counters(), [5, 0, 0]);
    chip.leave_field();
    assert_eq!(chip.memory(), before.memory());
}

#[test]
fn a_session_reads_writes_and_counts() {
    let mut chip = protected(OURS);
    let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
    assert_eq!(reader.send(&mut chip, &write_command(9, [1, 2, 3, 4])), Reply::Data(Vec::new()), "a MAC for an ACK");
    assert_eq!(data(reader.send(&mut chip, &[FAST_READ, 9, 9])), [1, 2, 3, 4]);
    assert_eq!(data(reader.send(&mut chip, &[INCR_CNT, 2, 0x56, 0x34, 0x12, 0xFF])), []);
    assert_eq!(data(reader.send(&mut chip, &[READ_CNT, 2])), [0x56, 0x34, 0x12]);
    assert_eq!(chip.counters(), [0, 0, 0x12_3456]);
    assert_eq!(reader.send(&mut chip, &[INCR_CNT, 2, 0xFF, 0xFF, 0xFF, 0]), Reply::Nak(NAK_INVALID_ARGUMENT));
    assert_eq!(chip.counters(), [0, 0, 0x12_3456], "a counter does not run over");
    chip.select();
    assert_eq!(chip.transmit(&write_command(9, [0; 4])), Reply::Nak(NAK_INVALID_ARGUMENT), "the session went with it");
}

#[test]
fn a_wrong_mac_changes_nothing_and_ends_the_session() {
    for flipped in 0..14 {
        let mut chip = protected(OURS);
        let reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
        let mut command = reader.wrapped(&write_command(9, [1, 2, 3, 4]));
        command[flipped] ^= 1;
        if flipped == 0 {
            command[0] = READ;
        }
        let before = chip.memory().to_vec();
        assert_eq!(chip.transmit(&command), Reply::Nak(NAK_INVALID_ARGUMENT), "byte {flipped}");
        chip.select();
        assert_eq!(chip.transmit(&reader.wrapped(&write_command(9, [1; 4]))), Reply::Nak(NAK_INVALID_ARGUMENT));
        assert_eq!(chip.memory(), before);
    }
}

#[test]
fn a_message_is_taken_once() {
    let mut chip = protected(OURS);
    let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
    let recorded = reader.wrapped(&[INCR_CNT, 2, 7, 0, 0, 0]);
    reader.send(&mut chip, &[INCR_CNT, 2, 7, 0, 0, 0]);
    assert_eq!(chip.transmit(&recorded), Reply::Nak(NAK_INVALID_ARGUMENT));
    assert_eq!(chip.counters()[2], 7);
}

#[test]
fn another_key_is_no_session_and_tries_may_be_limited() {
    let wrong = Err(Reply::Nak(NAK_INVALID_ARGUMENT));
    let mut chip = protected([CNT_RD_EN, 5, 3, 0]);
    for _ in 0..2 {
        chip.select();
        assert_eq!(Reader::authenticated(&mut chip, 0, UID_KEY).map(drop), wrong);
    }
    chip.select();
    Reader::authenticated(&mut chip, 0, KEY).map(drop).unwrap();
    for _ in 0..3 {
        chip.select();
        assert_eq!(Reader::authenticated(&mut chip, 0, UID_KEY).map(drop), wrong);
        chip.deselect();
    }
    chip.select();
    assert_eq!(Reader::authenticated(&mut chip, 0, KEY).map(drop), Err(Reply::Nak(NAK_TOO_MANY_PASSWORDS)));
    let mut again = UltralightAes::from_dump(&chip.dump()).unwrap();
    again.enter_field();
    assert_eq!(again.transmit(&[AUTHENTICATE, 0]), Reply::Nak(NAK_TOO_MANY_PASSWORDS), "it outlives the field");
    let mut unlimited = protected(OURS);
    for _ in 0..50 {
        unlimited.select();
        assert_eq!(Reader::authenticated(&mut unlimited, 0, UID_KEY).map(drop), wrong);
    }
    unlimited.select();
    assert!(Reader::authenticated(&mut unlimited, 0, KEY).is_ok());
}

#[test]
fn what_is_locked_stays_so_for_whoever_has_the_key() {
    let mut chip = protected(OURS);
    let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
    let locks = [LOCK_KEY_0 | LOCK_KEY_1 | LOCK_KEYS_BLOCKED, 0, 0, 0];
    for command in [write_command(LOCK_KEYS_PAGE, locks), write_command(CFG1_PAGE, [CFGLCK | CNT_RD_EN, 5, 0, 0])] {
        assert_eq!(data(reader.send(&mut chip, &command)), []);
    }
    for page in [0x29, 0x2A, 0x2D, 0x30, 0x33, 0x34, 0x37] {
        chip.leave_field();
        chip.enter_field();
        let before = chip.memory().to_vec();
        let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
        let refused = reader.send(&mut chip, &write_command(page, [0xFF; 4]));
        assert_eq!(refused, Reply::Nak(NAK_INVALID_ARGUMENT), "page {page:x}");
        assert_eq!(chip.memory(), before);
    }
}

#[test]
fn lock_bits_make_pages_read_only_for_good() {
    let mut chip = selected();
    assert_eq!(chip.transmit(&write_command(STATIC_LOCK_PAGE, [0, 0, 0x10, 0x80])), Reply::Ack);
    assert_eq!(chip.transmit(&write_command(LOCK_PAGE, [0x01, 0x08, 0, 0])), Reply::Ack);
    let locked: Vec<usize> = (4..LOCK_PAGE)
        .filter(|page| {
            chip.select();
            chip.transmit(&write_command(*page, [1; 4])) != Reply::Ack
        })
        .collect();
    assert_eq!(locked, [4, 15, 16, 17, 38, 39]);
    chip.select();
    assert_eq!(chip.transmit(&write_command(LOCK_PAGE, [0; 4])), Reply::Ack);
    assert_eq!(chip.page(LOCK_PAGE)[..2], [0x01, 0x08], "a lock bit once set stays set");
}

#[test]
fn prot_hides_what_the_key_guards() {
    let mut chip = protected([PROT, 5, 0, 0]);
    assert_eq!(data(chip.transmit(&[FAST_READ, 0, 3])).len(), 16);
    for command in [&[READ, 4][..], &[FAST_READ, 3, 4], &[READ_CNT, 2]] {
        assert_eq!(chip.transmit(command), Reply::Nak(NAK_INVALID_ARGUMENT));
        chip.select();
    }
    let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
    assert_eq!(data(reader.send(&mut chip, &[FAST_READ, 4, 39])).len(), 144);
    assert_eq!(data(reader.send(&mut chip, &[READ_CNT, 2])), [0; 3]);
}

#[test]
fn a_random_uid_changes_and_the_own_one_needs_its_key() {
    let mut chip = protected(OURS);
    let mut reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
    reader.send(&mut chip, &write_command(CFG0_PAGE, [SEC_MSG_ACT | RID_ACT, 0, 0, 4]));
    chip.leave_field();
    chip.enter_field();
    let first = chip.uid();
    assert!(first.is_random());
    assert_eq!(data(chip.transmit(&[READ, 0]))[..8], [0; 8]);
    let mut reader = Reader::authenticated(&mut chip, 1, UID_KEY).unwrap();
    assert_eq!(data(reader.send(&mut chip, &[READ, 0]))[..3], UID[..3]);
    let refused = reader.send(&mut chip, &write_command(9, [1; 4]));
    assert_eq!(refused, Reply::Nak(NAK_INVALID_ARGUMENT), "that key writes nothing");
    chip.leave_field();
    chip.enter_field();
    assert_ne!(chip.uid(), first);
}

#[test]
fn a_torn_write_stores_the_first_bytes_and_a_lock_page_none() {
    for bytes in 0..=4 {
        let mut chip = protected(OURS);
        let reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
        chip.transmit_torn(&reader.wrapped(&write_command(9, [9; 4])), bytes);
        let mut expected = [0; 4];
        expected[..bytes].fill(9);
        assert_eq!(chip.page(9), expected);
        let mut chip = selected();
        chip.transmit_torn(&write_command(LOCK_PAGE, [0xFF; 4]), bytes);
        assert_eq!(chip.page(LOCK_PAGE), [0; 4]);
    }
    let mut chip = protected(OURS);
    chip.transmit_torn(&write_command(9, [9; 4]), 4);
    assert_eq!(chip.page(9), [0; 4], "without a session nothing is stored");
}

#[test]
fn a_torn_increment_counts_wholly_or_not_at_all_and_both_can_be_asked_for() {
    for (fault, counted) in [
        ("tear write 1 before store", 0),
        ("tear write 1 at byte 0", 0),
        ("tear write 1 at byte 3", 0),
        ("tear write 1 after store", 450),
        ("leave before write 1", 0),
        ("leave after write 1", 450),
    ] {
        let mut aes = protected(OURS);
        let reader = Reader::authenticated(&mut aes, 0, KEY).unwrap();
        let mut presentation = Presentation::new(Fault::parse_several(fault).unwrap());
        let mut chip = Chip::from(aes);
        let [low, high, ..] = 450u32.to_le_bytes();
        let command = reader.wrapped(&[INCR_CNT, 2, low, high, 0, 0]);
        assert_eq!(presentation.exchange(&mut chip, &command), Exchange::Left, "{fault}");
        let Chip::UltralightAes(aes) = chip else { panic!("still the same chip") };
        assert_eq!(aes.counters()[2], counted, "{fault}");
    }
}

#[test]
fn a_session_ends_with_halt_and_with_the_field() {
    let ends: [fn(&mut UltralightAes); 2] = [
        |chip| {
            assert_eq!(chip.transmit(&[HALT, 0]), Reply::Silent);
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.select();
        },
        |chip| {
            chip.leave_field();
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.enter_field();
        },
    ];
    for end in ends {
        let mut chip = protected(OURS);
        let reader = Reader::authenticated(&mut chip, 0, KEY).unwrap();
        end(&mut chip);
        assert_eq!(chip.transmit(&reader.wrapped(&write_command(9, [1; 4]))), Reply::Nak(NAK_INVALID_ARGUMENT));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_count_down(commands in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let mut chip = protected(OURS);
        let mut before = chip.counters();
        for command in commands {
            chip.select();
            chip.transmit(&command);
            chip.transmit_torn(&command, 2);
            let now = chip.counters();
            prop_assert!(now.iter().zip(before).all(|(now, before)| *now >= before));
            prop_assert_eq!(now[2], 0);
            before = now;
        }
    }
}
