//! NTAG213: too small for a purse, so it carries a signature that makes its account one of this festival.
//! Invariant: the signature binds UID, header and key id; it proves the band, never an amount.
//! Not here: the account's money (`ledger`).
use alloc::vec::Vec;

use ed25519_dalek::SigningKey;

use super::{
    BandKeys, CreditKey, PurseFault,
    layout::{HEADER_LEN, HEADER_PAGE, POINTER_READ_LEN, PageWrite, header_epoch, page_writes},
};
use crate::{
    id::{KeyId, key_id},
    journal::BandProfile,
    trust::{SignatureTag, sign, verify},
};

/// Key id and signature under [`SignatureTag::Band`]; parts: uid length u8 ‖ uid ‖ header 12 ‖ key id 4.
pub(super) fn signed_pages(header: &[u8; HEADER_LEN], band: &BandKeys, key: &SigningKey) -> Vec<PageWrite> {
    let id = key_id(&key.verifying_key().to_bytes());
    let parts: [&[u8]; 4] = [&band.uid_length(), band.uid(), header, &id.0];
    let signature = sign(key, SignatureTag::Band, band.festival(), &parts);
    let first = HEADER_PAGE.saturating_add(3);
    page_writes(first, &[id.0.as_slice(), &signature].concat())
}

/// Whether the pages of `layout::POINTER_READ` are a band of this festival with this UID.
pub fn check_pointer(read: &[u8; POINTER_READ_LEN], band: &BandKeys, keys: &[CreditKey]) -> Result<(), PurseFault> {
    let (header, rest) = read.split_at(HEADER_LEN);
    // whatever its epoch: that one's password guards writing, and the signature covers which it is
    header_epoch(header, BandProfile::Pointer, band.festival())?;
    let ([id, ..], Some(signature)) = (rest.as_chunks::<4>().0, rest.last_chunk::<64>()) else {
        return Err(PurseFault::Unusable);
    };
    let parts: [&[u8]; 4] = [&band.uid_length(), band.uid(), header, id];
    let mut named = keys.iter().filter(|key| key.id == KeyId(*id)).peekable();
    if named.peek().is_none() {
        return Err(PurseFault::UnknownCreditKey);
    }
    match named.find(|key| verify(&key.public, SignatureTag::Band, band.festival(), &parts, signature).is_ok()) {
        Some(key) if key.revoked => Err(PurseFault::UnknownCreditKey),
        Some(_) => Ok(()),
        None => Err(PurseFault::Unusable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::FestivalId, secrets::MasterSecret, wristband::layout::header};

    #[test]
    fn a_pointer_counts_only_under_a_key_that_is_in_force() {
        let festival = FestivalId([1; 16]);
        let band = BandKeys::new(&MasterSecret([3; 32]).band_secrets(&festival), &festival, &[4, 1, 2, 3, 4, 5, 6]);
        let desk = SigningKey::from_bytes(&[5; 32]);
        let public = desk.verifying_key().to_bytes();
        let header = header(BandProfile::Pointer, &festival, 0);
        let mut read = [0; POINTER_READ_LEN];
        read[..HEADER_LEN].copy_from_slice(&header);
        for (page, bytes) in signed_pages(&header, &band, &desk) {
            let at = usize::from(page - HEADER_PAGE) * 4;
            read[at..at + 4].copy_from_slice(&bytes);
        }
        let key = CreditKey { id: key_id(&public), public, revoked: false };
        assert_eq!(check_pointer(&read, &band, &[key]), Ok(()));
        let revoked = CreditKey { revoked: true, ..key };
        assert_eq!(check_pointer(&read, &band, &[revoked]), Err(PurseFault::UnknownCreditKey));
        assert_eq!(check_pointer(&read, &band, &[]), Err(PurseFault::UnknownCreditKey));
        read[POINTER_READ_LEN - 1] ^= 1;
        assert_eq!(check_pointer(&read, &band, &[key]), Err(PurseFault::Unusable));
    }
}
