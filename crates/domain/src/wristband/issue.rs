//! Making a blank chip a band.
//! Invariant: the header comes after the records and the password after everything, so that a chip pulled away
//! half-way is no band and can be started again; what an earlier issue left is wiped.
//! Not here: blank bands' payment (a top-up follows), pairing with a ticket.
use alloc::vec::Vec;

use ed25519_dalek::SigningKey;

use super::{
    BandKeys, CREDIT_RECORD_LEN, CreditId, CreditRecord, RecordId, SPENT_RECORD_LEN, SpentRecord,
    layout::{CREDIT_PAGES, ChipKind, HEADER_PAGE, PageWrite, SPENT_PAGES, header, page_writes},
    pointer,
};
use crate::{
    id::{BoxNumber, FestivalId},
    money::Cents,
    secrets::BandSecrets,
};

/// The S record of a new band: counter 0, nothing spent, no box.
pub fn genesis_record() -> SpentRecord {
    SpentRecord {
        tap_counter: 0,
        spent: Cents::ZERO,
        credit_seq: 0,
        box_number: BoxNumber(0),
        link: RecordId::default(),
    }
}

/// The page writes that make the chip with this UID a band of the festival, in order. The same inputs give the same
/// pages. A chip that has its password already must be given it first (`layout::password_auth`).
pub fn initial_pages(
    uid: &[u8],
    kind: ChipKind,
    secrets: &BandSecrets,
    festival: &FestivalId,
    credit_key: &SigningKey,
) -> Vec<PageWrite> {
    let band = BandKeys::new(secrets, festival, uid);
    let header = header(kind.profile(), festival);
    let mut pages = match kind {
        ChipKind::Ntag213 => pointer::signed_pages(&header, &band, credit_key),
        ChipKind::Ntag215 | ChipKind::Ntag216 => {
            let credit =
                CreditRecord::sign(Cents::ZERO, 0, CreditId::default(), credit_key, band.festival(), band.wallet());
            let records: [&[u8]; 4] =
                [&genesis_record().seal(&band), &[0; SPENT_RECORD_LEN], &credit, &[0; CREDIT_RECORD_LEN]];
            let firsts = SPENT_PAGES.into_iter().chain(CREDIT_PAGES);
            firsts.zip(records).flat_map(|(first, record)| page_writes(first, record)).collect()
        }
    };
    pages.extend(page_writes(HEADER_PAGE, &header));
    pages.extend(kind.config_writes(band.password(), band.pack()));
    pages
}
