//! The memory of a wristband as it was read: purses of both chips, pointers.
use domain::{
    id::{BoxNumber, key_id},
    journal::BandProfile,
    money::Cents,
    trust::{SignatureTag, sign},
    wristband::{
        BandKeys, CREDIT_RECORD_LEN, CreditId, CreditKey, CreditRecord, PurseImage, PursePages, RecordId,
        SPENT_RECORD_LEN, SpentRecord, check_pointer,
        layout::{HEADER_PAGE, NTAG21X, POINTER_READ_LEN, PurseMap, ULTRALIGHT_AES, header, page_writes},
    },
};
use std::sync::LazyLock;

use crate::{
    festival::{DESK, FESTIVAL, NUMBER, REVOKED_DESK, SECRETS, UID, key, public},
    memory, one_bit_off, take, taken_as,
};

static BAND: LazyLock<BandKeys> = LazyLock::new(|| BandKeys::new(&SECRETS, &FESTIVAL, &UID));
static KEYS: LazyLock<[CreditKey; 2]> = LazyLock::new(|| {
    [(DESK, false), (REVOKED_DESK, true)].map(|(n, revoked)| {
        let public = public(n);
        CreditKey { id: key_id(&public), public, revoked }
    })
});

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 6) else { return };
    memory::within(32_768, 8, rest.len(), || match how {
        0 | 1 => {
            let (map, counter) = if how == 0 { (&NTAG21X, None) } else { (&ULTRALIGHT_AES, Some(())) };
            let mut rest = rest;
            let counter = counter.map(|()| amount(take(&mut rest)));
            judge(map, rest, counter);
        }
        2 | 3 => {
            let map = if how == 2 { &NTAG21X } else { &ULTRALIGHT_AES };
            let (bytes, counter) = made(map, rest);
            judge(map, &bytes, counter);
        }
        4 => {
            let mut rest = rest;
            let read: [u8; POINTER_READ_LEN] = take(&mut rest);
            pointer(&read);
        }
        _ => {
            let mut rest = rest;
            let [by] = take(&mut rest);
            let by = if by & 1 == 0 { DESK } else { REVOKED_DESK };
            let header = header(BandProfile::Pointer, &FESTIVAL, 0);
            let id = key_id(&public(by));
            let parts: [&[u8]; 4] = [&[UID.len() as u8], &UID, &header, &id.0];
            let signature = sign(key(by), SignatureTag::Band, &FESTIVAL, &parts);
            let read: [u8; POINTER_READ_LEN] =
                [header.as_slice(), &id.0, &signature].concat().try_into().expect("80 bytes");
            assert_eq!(check_pointer(&read, &BAND, &*KEYS).is_ok(), by == DESK);
            pointer(&read);
        }
    });
}

fn amount([a, b, c]: [u8; 3]) -> Cents {
    Cents::new(u32::from_le_bytes([a, b, c, 0])).expect("24 bits")
}

fn pages(map: &PurseMap, bytes: &[u8], counter: Option<Cents>) -> Option<PursePages> {
    match (map.profile, counter) {
        (BandProfile::UltralightAes, Some(counter)) => PursePages::ultralight_aes(bytes, counter),
        _ => PursePages::ntag21x(bytes),
    }
}

/// A band whose records are sealed or signed with the festival's keys where the input says so: a byte for each record,
/// bit 0: as it is, without a seal; bit 1 (C): by the revoked desk; bit 2 (S): with the credit sequence and link that fit.
fn made(map: &PurseMap, mut rest: &[u8]) -> (Vec<u8>, Option<Cents>) {
    let mut credits = Vec::new();
    for _ in map.credit_pages {
        let ([how, seq], sum, link): ([u8; 2], [u8; 3], [u8; 4]) = (take(&mut rest), take(&mut rest), take(&mut rest));
        let by = if how & 2 == 0 { DESK } else { REVOKED_DESK };
        let link = credits.last().filter(|_| how & 4 != 0).map_or(CreditId(link), CreditId::of);
        let mut record: [u8; CREDIT_RECORD_LEN] =
            CreditRecord::sign(amount(sum), seq, link, key(by), &FESTIVAL, BAND.wallet());
        if how & 1 != 0 {
            record[how as usize % CREDIT_RECORD_LEN] ^= how | 1;
        }
        credits.push(record);
    }
    let mut spent: Vec<[u8; SPENT_RECORD_LEN]> = Vec::new();
    for _ in map.spent_pages {
        let ([how, credit_seq], taps, sum): ([u8; 2], [u8; 2], [u8; 3]) =
            (take(&mut rest), take(&mut rest), take(&mut rest));
        let (number, link): ([u8; 2], [u8; 4]) = (take(&mut rest), take(&mut rest));
        let fits = how & 4 != 0;
        let record = SpentRecord {
            tap_counter: u16::from_le_bytes(taps),
            spent: amount(sum),
            credit_seq: credits.last().filter(|_| fits).map_or(credit_seq, |last| CreditRecord::read(last).seq),
            box_number: BoxNumber(u16::from_le_bytes(number)),
            link: spent.last().filter(|_| fits).map_or(RecordId(link), RecordId::of),
        };
        let mut bytes = record.seal(&BAND);
        if how & 1 != 0 {
            bytes[how as usize % SPENT_RECORD_LEN] ^= how | 1;
        }
        spent.push(bytes);
    }
    let mut bytes = vec![0; map.length()];
    bytes[..12].copy_from_slice(&header(map.profile, &FESTIVAL, 0));
    let mut put = |page: u8, record: &[u8]| {
        let at = usize::from(page - HEADER_PAGE) * 4;
        bytes[at..at + record.len()].copy_from_slice(record);
    };
    map.credit_pages.iter().zip(&credits).for_each(|(page, record)| put(*page, record));
    map.spent_pages.iter().zip(&spent).for_each(|(page, record)| put(*page, record));
    let counter = (map.profile == BandProfile::UltralightAes).then(|| match take::<4>(&mut rest) {
        // the counter of a band that nobody tampered with says what one of the records does
        [0, ..] => SpentRecord::open(&spent[0], &BAND).map_or(Cents::ZERO, |record| record.spent),
        [1, ..] => SpentRecord::open(&spent[1], &BAND).map_or(Cents::ZERO, |record| record.spent),
        [_, a, b, c] => amount([a, b, c]),
    });
    (bytes, counter)
}

fn judge(map: &PurseMap, bytes: &[u8], counter: Option<Cents>) {
    let Some(pages) = pages(map, bytes, counter) else { return };
    let Ok(image) = pages.judge(&BAND, &*KEYS) else { return };
    let (record, credit) = (*image.record(), *image.credit());
    assert_eq!(credit.credits.minus(record.spent), Some(image.balance(Cents::ZERO)), "more spent than credited");
    assert_eq!(RecordId::of(&record.seal(&BAND)), image.base());
    assert_eq!(CreditRecord::read(&image.credit_bytes()), credit);
    let seen = image.seen();
    assert_eq!((seen.spent, seen.credits), (record.spent, credit.credits));
    assert_eq!(image.has_in_chain(image.base(), record.tap_counter), Some(true));
    assert!(image.includes_credit(image.credit_id()));
    assert!(pages.counter().is_none_or(|counter| counter == record.spent), "the counter is what was spent");
    next_sale(&image, &record, &credit);
    changed_bit(map, bytes, counter);
}

/// The records in the slots, as bytes.
fn records(map: &PurseMap, bytes: &[u8]) -> Vec<Vec<u8>> {
    let spent = map.spent_pages.iter().map(|page| (*page, SPENT_RECORD_LEN));
    let all = spent.chain(map.credit_pages.iter().map(|page| (*page, CREDIT_RECORD_LEN)));
    all.map(|(page, length)| {
        let at = usize::from(page - HEADER_PAGE) * 4;
        bytes[at..at + length].to_vec()
    })
    .collect()
}

/// A band with one changed bit is read by the records that were left whole, or not at all.
fn changed_bit(map: &PurseMap, bytes: &[u8], counter: Option<Cents>) {
    let whole = records(map, bytes);
    let other = pages(map, &one_bit_off(bytes), counter).expect("of the same length");
    if let Ok(image) = other.judge(&BAND, &*KEYS) {
        assert!(whole.contains(&image.record().seal(&BAND).to_vec()), "a spent record that nobody wrote");
        assert!(whole.contains(&image.credit_bytes().to_vec()), "a credit record that nobody wrote");
    }
}

fn pointer(read: &[u8; POINTER_READ_LEN]) {
    if check_pointer(read, &BAND, &*KEYS).is_ok() {
        let other: [u8; POINTER_READ_LEN] = one_bit_off(read).try_into().expect("of the same length");
        assert!(check_pointer(&other, &BAND, &*KEYS).is_err(), "a changed bit is believed");
    }
}

/// The next record in the free slot is in force, and the balance is what is left.
fn next_sale(image: &PurseImage, record: &SpentRecord, credit: &CreditRecord) {
    let (Some(tap_counter), balance) = (record.tap_counter.checked_add(1), image.balance(Cents::ZERO)) else { return };
    let price = Cents::new(balance.get() / 2).expect("less than a balance");
    let next = SpentRecord {
        tap_counter,
        spent: record.spent.plus(price).expect("at most the credits"),
        credit_seq: credit.seq,
        box_number: NUMBER,
        link: image.base(),
    };
    let writes = page_writes(image.free_spent_page(), &next.seal(&BAND));
    let after = image.after(&writes, next.spent, &BAND, &*KEYS).expect("a sale leaves a band that can be read");
    assert_eq!(*after.record(), next);
    assert_eq!(after.balance(Cents::ZERO), balance.minus(price).expect("at most the balance"));
    assert_eq!(after.has_in_chain(image.base(), record.tap_counter), Some(true));
}
