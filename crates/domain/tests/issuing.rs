//! Making bands of chip models: torn at any command, started again, locked, refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{
    AesChip, Card, FESTIVAL, Fault, Till, UID, aes::answer, aes::issue, band, credit_key, done, sale, top_up, trusted,
};
use domain::{
    money::Cents,
    secrets::MasterSecret,
    wristband::{BandKeys, ChipKind, IssueRefusal, IssueStep, Issuing, PursePages, check_pointer, layout},
};
use hardware::chip::{AES_SIGNATURE_BYTES, Chip, INCR_CNT, Ntag21x, NtagType, Reply, UltralightAes, WRITE};

const KINDS: [ChipKind; 4] = [ChipKind::Ntag213, ChipKind::Ntag215, ChipKind::Ntag216, ChipKind::UltralightAes];

fn blank(kind: ChipKind) -> Chip {
    match kind {
        ChipKind::Ntag213 => Ntag21x::new(NtagType::Ntag213, UID).into(),
        ChipKind::Ntag215 => Ntag21x::new(NtagType::Ntag215, UID).into(),
        ChipKind::Ntag216 => Ntag21x::new(NtagType::Ntag216, UID).into(),
        ChipKind::UltralightAes => UltralightAes::new(UID, [3; 16]).into(),
    }
}

/// Whether it is a band with nothing on it.
fn is_band(chip: &Chip, kind: ChipKind) -> bool {
    let keys = [trusted(&credit_key())];
    let bytes = |length: usize| &chip.memory()[16..16 + length];
    let pages = match kind {
        ChipKind::Ntag213 => {
            let read = bytes(layout::POINTER_READ_LEN).try_into().unwrap();
            return check_pointer(&read, &band(), &keys).is_ok();
        }
        ChipKind::Ntag215 | ChipKind::Ntag216 => PursePages::ntag21x(bytes(layout::NTAG21X.length())),
        ChipKind::UltralightAes => PursePages::ultralight_aes(bytes(layout::ULTRALIGHT_AES.length()), Cents::ZERO),
    };
    pages.unwrap().judge(&band(), &keys).is_ok_and(|image| image.credit().credits == Cents::ZERO)
}

/// Whether anything can still be written by who has no key, or changed in the configuration by who has.
fn is_closed(chip: &Chip, kind: ChipKind) -> bool {
    let mut chip = chip.clone();
    let mut refuses = |command: &[u8]| {
        chip.leave_field();
        chip.enter_field();
        matches!(chip.transmit(command), Reply::Nak(_))
    };
    let config = kind.config_page();
    let free = [4, 6, 8, 17, config, config + 1].map(|page| refuses(&[WRITE, page, 1, 2, 3, 4]));
    let lock_bits =
        kind != ChipKind::UltralightAes || (refuses(&[WRITE, 2, 0, 0, 0xff, 0]) && refuses(&[WRITE, 3, 1, 1, 1, 1]));
    // those of the pages from 16 on are behind the password
    let dynamic_bits = kind == ChipKind::UltralightAes || refuses(&[WRITE, config - 1, 0xff, 0xff, 0xff, 0]);
    let uncounted = kind != ChipKind::UltralightAes || refuses(&[INCR_CNT, 2, 1, 0, 0, 0]);
    if kind != ChipKind::UltralightAes {
        chip.leave_field();
        chip.enter_field();
        chip.transmit(&layout::password_auth(band().password()));
        let locked = matches!(chip.transmit(&[WRITE, config, 4, 0, 0, 0xff]), Reply::Nak(_));
        return locked && free == [true; 6] && dynamic_bits && !can_be_ruined(chip, kind);
    }
    free == [true; 6] && uncounted && lock_bits && chip.memory()[0x2a * 4..0x2a * 4 + 4] == [0x44, 5, 0, 0]
}

/// Whether somebody with a phone, who has no password, can make a page of an NTAG21x read-only for those who have it.
fn can_be_ruined(mut chip: Chip, kind: ChipKind) -> bool {
    let afresh = |chip: &mut Chip| {
        chip.leave_field();
        chip.enter_field();
    };
    for lock_bytes in [[0xff, 0xff], [0x10, 0], [0, 0x80]] {
        afresh(&mut chip);
        // the chip takes the command, since page 2 has no password, and keeps nothing of it
        assert_eq!(chip.transmit(&[WRITE, 2, 0, 0, lock_bytes[0], lock_bytes[1]]), Reply::Ack);
    }
    afresh(&mut chip);
    chip.transmit(&layout::password_auth(band().password()));
    let last = kind.purse().map_or(23, |map| map.credit_read.1);
    (4..=last).any(|page| chip.transmit(&[WRITE, page, 1, 2, 3, 4]) != Reply::Ack)
}

#[test]
fn a_phone_that_sets_lock_bits_ruins_a_blank_ntag_and_no_band() {
    for kind in [ChipKind::Ntag213, ChipKind::Ntag215, ChipKind::Ntag216] {
        let mut chip = blank(kind);
        assert!(can_be_ruined(chip.clone(), kind), "{kind:?}: the attack works");
        issue(&mut chip, kind, usize::MAX).unwrap();
        assert!(!can_be_ruined(chip.clone(), kind), "{kind:?}");
        assert_eq!(chip.memory()[10..12], [0x07, 0], "frozen, and open");
        // one that was ruined before is no band
        let mut ruined = blank(kind);
        ruined.enter_field();
        ruined.transmit(&[WRITE, 2, 0, 0, 0, 0x80]);
        ruined.leave_field();
        assert_eq!(issue(&mut ruined, kind, usize::MAX), Err(IssueRefusal::RefusedWrite), "{kind:?}");
    }
}

#[test]
fn every_kind_of_chip_becomes_a_band_that_is_closed() {
    for kind in KINDS {
        let mut chip = blank(kind);
        assert!(!is_band(&chip, kind) && !is_closed(&chip, kind));
        assert!(issue(&mut chip, kind, usize::MAX).is_ok(), "{kind:?}");
        assert!(is_band(&chip, kind) && is_closed(&chip, kind), "{kind:?}");
    }
}

#[test]
fn a_chip_pulled_away_at_any_command_is_a_closed_band_or_can_be_started_again() {
    for kind in KINDS {
        for leaves in 0..90 {
            let mut chip = blank(kind);
            let first = issue(&mut chip, kind, leaves);
            assert!(matches!(first, Ok(_) | Err(IssueRefusal::Left)), "{kind:?} {leaves}: {first:?}");
            if first.is_ok() {
                assert!(leaves > 20);
            }
            assert!(issue(&mut chip, kind, usize::MAX).is_ok(), "{kind:?} after {leaves} commands");
            assert!(is_band(&chip, kind) && is_closed(&chip, kind), "{kind:?} {leaves}");
        }
    }
}

#[test]
fn a_page_that_is_not_kept_makes_no_band() {
    for kind in KINDS {
        let count = {
            let (mut chip, mut writes) = (blank(kind), 0);
            run(&mut chip, kind, &mut |_, command| {
                writes += usize::from(command[0] == WRITE);
                true
            })
            .unwrap();
            writes
        };
        for forgotten in 0..count {
            let (mut chip, mut writes) = (blank(kind), 0);
            let end = run(&mut chip, kind, &mut |_, command| {
                let is_this = command[0] == WRITE && writes == forgotten;
                writes += usize::from(command[0] == WRITE);
                !is_this
            });
            // what is written as the chip had it already is not missed
            let was = end.is_ok() && !(is_band(&chip, kind) && is_closed(&chip, kind));
            assert!(!was, "{kind:?}: write {forgotten} was forgotten and nobody noticed");
        }
    }
}

/// An issue in which `keeps` decides about each command whether the chip hears it; otherwise it is acknowledged only.
fn run(chip: &mut Chip, kind: ChipKind, keeps: &mut dyn FnMut(&Chip, &[u8]) -> bool) -> Result<Vec<u8>, IssueRefusal> {
    let mut issuing = Issuing::new(kind, band(), &credit_key(), [[1; 16], [2; 16]]);
    chip.enter_field();
    loop {
        match issuing.step().clone() {
            IssueStep::Finished(end) => return end,
            IssueStep::Reselect => {
                chip.leave_field();
                chip.enter_field();
                issuing.reselected();
            }
            IssueStep::Chip(command) => {
                // a session's own writes are always heard: their answers cannot be made up
                let heard = keeps(chip, &command) || command.len() > 6;
                let answered = if heard { answer(chip.transmit(&command)) } else { Ok(Vec::new()) };
                issuing.reply(answered.as_deref().map_err(|fault| *fault));
            }
        }
    }
}

#[test]
fn the_makers_signature_is_read() {
    let mut chip = Chip::from(UltralightAes::new(UID, [3; 16]).with_signature([7; AES_SIGNATURE_BYTES]));
    assert_eq!(issue(&mut chip, ChipKind::UltralightAes, usize::MAX), Ok(vec![7; AES_SIGNATURE_BYTES]));
    let mut chip = Chip::from(Ntag21x::new(NtagType::Ntag215, UID).with_signature([8; 32]));
    assert_eq!(issue(&mut chip, ChipKind::Ntag215, usize::MAX), Ok(vec![8; 32]));
}

#[test]
fn a_band_that_is_locked_is_issued_again_and_what_it_held_is_wiped() {
    for kind in [ChipKind::Ntag215, ChipKind::UltralightAes] {
        let mut chip = blank(kind);
        issue(&mut chip, kind, usize::MAX).unwrap();
        let fresh = chip.clone();
        let mut desk = Till::new(9);
        if let Chip::UltralightAes(aes) = &chip {
            let mut card = AesChip((**aes).clone());
            done(&desk.tap(&mut card, top_up(500, None), Fault::None));
            chip = Chip::from(card.0);
        }
        issue(&mut chip, kind, usize::MAX).unwrap();
        assert!(is_band(&chip, kind) && is_closed(&chip, kind));
        assert_eq!(chip.memory(), fresh.memory());
    }
}

#[test]
fn a_chip_that_has_counted_is_no_new_band() {
    let (mut chip, mut desk) = (AesChip::issued(), Till::new(9));
    done(&desk.tap(&mut chip, top_up(500, None), Fault::None));
    done(&desk.tap(&mut chip, sale(1, None), Fault::None));
    let before = chip.0.memory().to_vec();
    let mut chip = Chip::from(chip.0);
    assert_eq!(issue(&mut chip, ChipKind::UltralightAes, usize::MAX), Err(IssueRefusal::CounterUsed));
    assert_eq!(chip.memory(), before, "and its money stays");
}

#[test]
fn another_festivals_band_is_left_as_it_is() {
    for kind in KINDS {
        let mut chip = blank(kind);
        issue(&mut chip, kind, usize::MAX).unwrap();
        let before = chip.memory().to_vec();
        let others = MasterSecret([99; 32]).band_secrets(&FESTIVAL);
        let mut issuing =
            Issuing::new(kind, BandKeys::new(&others, &FESTIVAL, &UID), &credit_key(), [[1; 16], [2; 16]]);
        chip.enter_field();
        let end = loop {
            match issuing.step().clone() {
                IssueStep::Finished(end) => break end,
                IssueStep::Reselect => {
                    chip.leave_field();
                    chip.enter_field();
                    issuing.reselected();
                }
                IssueStep::Chip(command) => {
                    let answered = answer(chip.transmit(&command));
                    issuing.reply(answered.as_deref().map_err(|fault| *fault));
                }
            }
        };
        assert_eq!(end, Err(IssueRefusal::NotOurs), "{kind:?}");
        assert_eq!(chip.memory(), before);
        assert_ne!(BandKeys::new(&others, &FESTIVAL, &UID).password(), band().password());
    }
}

#[test]
fn a_locked_chip_that_answers_another_pack_is_not_ours() {
    let mut chip = blank(ChipKind::Ntag215);
    issue(&mut chip, ChipKind::Ntag215, usize::MAX).unwrap();
    let before = chip.memory().to_vec();
    let end = run(&mut chip, ChipKind::Ntag215, &mut |_, command| command[0] != 0x1b);
    assert_eq!(end, Err(IssueRefusal::NotOurs));
    assert_eq!(chip.memory(), before);
}

#[test]
fn a_chip_locked_otherwise_is_refused() {
    let mut chip = blank(ChipKind::Ntag215);
    chip.enter_field();
    assert_eq!(chip.transmit(&[WRITE, 0x84, 0x40, 5, 0, 0]), Reply::Ack);
    chip.leave_field();
    assert_eq!(issue(&mut chip, ChipKind::Ntag215, usize::MAX), Err(IssueRefusal::ConfigLocked));
    let mut chip = blank(ChipKind::UltralightAes);
    chip.enter_field();
    assert_eq!(chip.transmit(&[WRITE, 0x2a, 0xcc, 5, 0, 0]), Reply::Ack);
    chip.leave_field();
    assert_eq!(issue(&mut chip, ChipKind::UltralightAes, usize::MAX), Err(IssueRefusal::ConfigLocked));
}
