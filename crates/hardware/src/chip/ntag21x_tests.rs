//! Each command of NTAG21x as the data sheet has it.

use proptest::prelude::*;

use super::*;

const UID: [u8; 7] = [0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0x80];
const ALL: [NtagType; 3] = [NtagType::Ntag213, NtagType::Ntag215, NtagType::Ntag216];

fn selected(ntag_type: NtagType) -> Ntag21x {
    let mut chip = Ntag21x::new(ntag_type, UID);
    chip.enter_field();
    chip
}

fn write(chip: &mut Ntag21x, page: usize, content: [u8; 4]) -> Reply {
    let mut command = vec![WRITE, u8::try_from(page).unwrap()];
    command.extend(content);
    chip.select();
    chip.transmit(&command)
}

fn read(chip: &mut Ntag21x, page: usize) -> Reply {
    chip.select();
    chip.transmit(&[READ, u8::try_from(page).unwrap()])
}

fn data(reply: Reply) -> Vec<u8> {
    let Reply::Data(bytes) = reply else {
        panic!("data expected, not {reply:?}");
    };
    bytes
}

/// A chip with a password from page 8 on.
fn with_password(access: u8) -> Ntag21x {
    let mut chip = selected(NtagType::Ntag213);
    assert_eq!(write(&mut chip, 0x2B, [1, 2, 3, 4]), Reply::Ack);
    assert_eq!(write(&mut chip, 0x2C, [0xAB, 0xCD, 0, 0]), Reply::Ack);
    assert_eq!(write(&mut chip, 0x2A, [access, 0, 0, 0]), Reply::Ack);
    assert_eq!(write(&mut chip, 0x29, [0x04, 0, 0, 8]), Reply::Ack);
    chip
}

const RIGHT: [u8; 5] = [PWD_AUTH, 1, 2, 3, 4];
const WRONG: [u8; 5] = [PWD_AUTH, 1, 2, 3, 5];

#[test]
fn get_version_tells_the_kind() {
    for ntag_type in ALL {
        let version = data(selected(ntag_type).transmit(&[GET_VERSION]));
        assert_eq!(TagKind::from_version(&version), ntag_type.kind());
    }
}

#[test]
fn a_new_chip_carries_its_uid_with_check_bytes() {
    let mut chip = selected(NtagType::Ntag216);
    assert_eq!(chip.uid().as_bytes(), UID);
    assert_eq!(
        data(read(&mut chip, 0)),
        [0x04, 0xA1, 0xB2, 0x9F, 0xC3, 0xD4, 0xE5, 0x80, 0x72, 0x48, 0, 0, 0xE1, 0x10, 0x6D, 0]
    );
}

#[test]
fn read_rolls_over_to_page_zero() {
    for ntag_type in ALL {
        let mut chip = selected(ntag_type);
        let last = ntag_type.pages() - 1;
        let rolled = data(read(&mut chip, last));
        assert_eq!(rolled[4..], data(read(&mut chip, 0))[..12]);
        assert_eq!(read(&mut chip, last + 1), Reply::Nak(NAK_INVALID_ARGUMENT));
    }
}

#[test]
fn fast_read_gives_exactly_the_range() {
    let mut chip = selected(NtagType::Ntag215);
    for page in 4..0x82 {
        assert_eq!(write(&mut chip, page, [page as u8; 4]), Reply::Ack);
    }
    let bytes = data(chip.transmit(&[FAST_READ, 10, 12]));
    assert_eq!(bytes, [10, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12]);
    for (first, last) in [(12, 10), (0, 0x87)] {
        chip.select();
        let reply = chip.transmit(&[FAST_READ, first, last]);
        assert_eq!(reply, Reply::Nak(NAK_INVALID_ARGUMENT));
    }
}

#[test]
fn write_changes_one_page_and_none_of_the_uid() {
    let mut chip = selected(NtagType::Ntag213);
    assert_eq!(write(&mut chip, 9, [1, 2, 3, 4]), Reply::Ack);
    assert_eq!(data(read(&mut chip, 9))[..4], [1, 2, 3, 4]);
    for page in [0, 1, 0x2D, 0xFF] {
        let before = chip.dump();
        assert_eq!(write(&mut chip, page, [9; 4]), Reply::Nak(NAK_INVALID_ARGUMENT));
        assert_eq!(chip.dump(), before);
    }
}

#[test]
fn the_one_time_pages_only_gain_bits() {
    let mut chip = selected(NtagType::Ntag213);
    write(&mut chip, 3, [0x02, 0, 0, 0x0F]);
    write(&mut chip, 3, [0, 0, 0, 0xF0]);
    assert_eq!(data(read(&mut chip, 3))[..4], [0xE3, 0x10, 0x12, 0xFF]);
    write(&mut chip, 2, [0xFF, 0xFF, 0, 0x80]);
    write(&mut chip, 2, [0, 0, 0, 0]);
    assert_eq!(data(read(&mut chip, 2))[..4], [0x72, 0x48, 0, 0x80]);
}

#[test]
fn locked_pages_refuse_writes_and_stay_readable() {
    for (ntag_type, locks, first, last) in [
        (NtagType::Ntag213, [0b1, 0, 0, 0], 16, 17),
        (NtagType::Ntag213, [0, 0b1000, 0, 0], 38, 39),
        (NtagType::Ntag215, [0x80, 0, 0, 0], 128, 129),
        (NtagType::Ntag216, [0, 0b10_0000, 0, 0], 224, 225),
    ] {
        let mut chip = selected(ntag_type);
        let lock_page = ntag_type.dynamic_lock_page();
        assert_eq!(write(&mut chip, lock_page, locks), Reply::Ack);
        for page in 4..lock_page {
            let locked = (first..=last).contains(&page);
            let reply = write(&mut chip, page, [7; 4]);
            assert_eq!(reply != Reply::Ack, locked, "{ntag_type:?} page {page}");
        }
        assert_eq!(data(read(&mut chip, first))[..4], [0; 4]);
        let config = ntag_type.config_page();
        assert_eq!(write(&mut chip, config, [4, 0, 0, 0xFF]), Reply::Ack);
    }
}

#[test]
fn a_static_lock_stops_writes_at_once() {
    let mut chip = selected(NtagType::Ntag215);
    assert_eq!(write(&mut chip, 2, [0, 0, 0x10, 0]), Reply::Ack);
    assert_eq!(write(&mut chip, 4, [1; 4]), Reply::Nak(NAK_INVALID_ARGUMENT));
    assert_eq!(write(&mut chip, 5, [1; 4]), Reply::Ack);
}

#[test]
fn writing_above_auth0_needs_the_password() {
    let mut chip = with_password(0);
    assert_eq!(write(&mut chip, 7, [1; 4]), Reply::Ack);
    assert_eq!(write(&mut chip, 8, [1; 4]), Reply::Nak(NAK_INVALID_ARGUMENT));
    assert_eq!(data(read(&mut chip, 8))[..4], [0; 4]);
    assert_eq!(data(chip.transmit(&RIGHT)), [0xAB, 0xCD]);
    assert_eq!(write(&mut chip, 8, [1; 4]), Reply::Ack);
}

#[test]
fn reading_above_auth0_needs_the_password_when_prot_is_set() {
    let mut chip = with_password(PROT);
    assert_eq!(read(&mut chip, 8), Reply::Nak(NAK_INVALID_ARGUMENT));
    chip.select();
    let reply = chip.transmit(&[FAST_READ, 6, 8]);
    assert_eq!(reply, Reply::Nak(NAK_INVALID_ARGUMENT));
    let rolled = data(read(&mut chip, 6));
    assert_eq!(rolled[8..], data(read(&mut chip, 0))[..8]);
    data(chip.transmit(&RIGHT));
    assert_eq!(data(chip.transmit(&[FAST_READ, 6, 20])).len(), 60);
}

#[test]
fn the_password_never_reads_back() {
    let mut chip = with_password(0);
    data(chip.transmit(&RIGHT));
    let tail = data(chip.transmit(&[FAST_READ, 0x2B, 0x2C]));
    assert_eq!(tail, [0; 8]);
    assert_eq!(chip.memory()[0x2B * 4..], [1, 2, 3, 4, 0xAB, 0xCD, 0, 0]);
}

#[test]
fn authentication_ends_with_the_field_a_halt_or_a_nak() {
    let end: [fn(&mut Ntag21x); 3] = [
        |chip| {
            chip.leave_field();
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.select();
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.enter_field();
        },
        |chip| {
            assert_eq!(chip.transmit(&[HALT, 0]), Reply::Silent);
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.select();
        },
        |chip| {
            assert_eq!(chip.transmit(&WRONG), Reply::Nak(NAK_INVALID_ARGUMENT));
            assert_eq!(chip.transmit(&[GET_VERSION]), Reply::Silent);
            chip.select();
        },
    ];
    for end in end {
        let mut chip = with_password(0);
        data(chip.transmit(&RIGHT));
        chip.select();
        assert_eq!(write(&mut chip, 8, [1; 4]), Reply::Ack);
        end(&mut chip);
        assert_eq!(write(&mut chip, 8, [2; 4]), Reply::Nak(NAK_INVALID_ARGUMENT));
    }
}

#[test]
fn too_many_wrong_passwords_shut_the_chip_for_good() {
    let mut chip = with_password(2);
    chip.transmit(&WRONG);
    chip.select();
    data(chip.transmit(&RIGHT));
    for _ in 0..2 {
        chip.select();
        assert_eq!(chip.transmit(&WRONG), Reply::Nak(NAK_INVALID_ARGUMENT));
    }
    let mut copy = Ntag21x::from_dump(NtagType::Ntag213, &chip.dump()).unwrap();
    copy.enter_field();
    assert_eq!(copy.transmit(&RIGHT), Reply::Nak(NAK_TOO_MANY_PASSWORDS));
}

#[test]
fn a_locked_configuration_takes_effect_at_the_next_power_up() {
    let mut chip = selected(NtagType::Ntag216);
    assert_eq!(write(&mut chip, 0xE4, [CFGLCK, 0, 0, 0]), Reply::Ack);
    assert_eq!(write(&mut chip, 0xE3, [4, 0, 0, 0xE6]), Reply::Ack);
    chip.leave_field();
    chip.enter_field();
    for page in [0xE3, 0xE4] {
        assert_eq!(write(&mut chip, page, [0; 4]), Reply::Nak(NAK_INVALID_ARGUMENT));
    }
    assert_eq!(write(&mut chip, 0xE5, [5; 4]), Reply::Ack);
}

#[test]
fn read_sig_answers_the_signature() {
    let mut chip = Ntag21x::new(NtagType::Ntag213, UID).with_signature([7; SIGNATURE_BYTES]);
    chip.enter_field();
    assert_eq!(data(chip.transmit(&[READ_SIG, 0])), [7; SIGNATURE_BYTES]);
}

#[test]
fn a_torn_write_leaves_the_page_half_new() {
    for bytes in 0..=4 {
        let mut chip = selected(NtagType::Ntag213);
        write(&mut chip, 8, [1, 2, 3, 4]);
        chip.transmit_torn(&[WRITE, 8, 5, 6, 7, 8], bytes);
        let mut expected = [1, 2, 3, 4];
        expected[..bytes].copy_from_slice(&[5, 6, 7, 8][..bytes]);
        assert_eq!(data(read(&mut chip, 8))[..4], expected);
    }
}

#[test]
fn a_torn_write_to_lock_bits_changes_nothing() {
    let mut chip = selected(NtagType::Ntag213);
    let before = chip.dump();
    for page in [2, 3, 0x28] {
        chip.transmit_torn(&[WRITE, page, 0xFF, 0xFF, 0xFF, 0xFF], 4);
    }
    assert_eq!(chip.dump(), before);
}

proptest! {
    #[test]
    fn no_bytes_break_a_chip(
        commands in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..40),
        which in 0..3usize,
    ) {
        let mut chip = selected(ALL[which]);
        for command in commands {
            chip.select();
            chip.transmit(&command);
            chip.transmit_torn(&command, 2);
            prop_assert_eq!(chip.uid(), Uid::seven(UID));
        }
    }
}
