//! The two records of a purse: credits, signed by a desk, and spent, MACed by a bar.
//! Invariant: each has one byte form, bound to the festival and to one chip: *spent* to its UID, *credits* to its
//! wallet, which the hub knows and signs for without ever seeing a UID; only [`SpentRecord::open`] and
//! [`CreditRecord::verify`] make bytes count.
//! Not here: where they stand on the chip (`layout`), which one is in force (`purse`).
use ed25519_dalek::SigningKey;

use super::{BandKeys, CREDIT_RECORD_LEN, CreditId, RecordId, SPENT_RECORD_LEN, layout::LAYOUT_VERSION};
use crate::{
    id::{BoxNumber, FestivalId, KeyId, WalletId, key_id},
    money::Cents,
    trust::{BadSignature, SignatureTag, sign, verify},
};

impl CreditId {
    /// Name of the C record with these bytes.
    pub fn of(record: &[u8; CREDIT_RECORD_LEN]) -> Self {
        let [a, b, c, d, ..] = *blake3::hash(record).as_bytes();
        Self([a, b, c, d])
    }
}

impl RecordId {
    /// Name of the S record with these bytes.
    pub fn of(record: &[u8; SPENT_RECORD_LEN]) -> Self {
        let [.., a, b, c, d, _, _, _, _] = *record;
        Self([a, b, c, d])
    }
}

/// C: all that was ever put on the band.
/// 76 bytes: credits u24 LE · sequence u8 · key id 4 · link 4 · Ed25519 signature 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditRecord {
    /// Sum of all credits.
    pub credits: Cents,
    /// Rises with every C of this band.
    pub seq: u8,
    /// Which credit key signed it.
    pub key: KeyId,
    /// The C that it replaces.
    pub link: CreditId,
}

impl CreditRecord {
    /// Signs a record for the band of this wallet under [`SignatureTag::Credit`]; the key id is the key's own.
    /// Parts: wallet 16 ‖ layout version u8 ‖ the 12 field bytes.
    pub fn sign(
        credits: Cents,
        seq: u8,
        link: CreditId,
        key: &SigningKey,
        festival: &FestivalId,
        wallet: WalletId,
    ) -> [u8; CREDIT_RECORD_LEN] {
        let record = Self { credits, seq, key: key_id(&key.verifying_key().to_bytes()), link };
        let fields = record.fields();
        let parts: [&[u8]; 3] = [&wallet.0, &[LAYOUT_VERSION], &fields];
        let signature = sign(key, SignatureTag::Credit, festival, &parts);
        let mut out = [0; CREDIT_RECORD_LEN];
        let (head, tail) = out.split_at_mut(fields.len());
        head.copy_from_slice(&fields);
        tail.copy_from_slice(&signature);
        out
    }

    /// What the bytes say, without trusting them.
    pub fn read(bytes: &[u8; CREDIT_RECORD_LEN]) -> Self {
        let [c0, c1, c2, seq, k0, k1, k2, k3, l0, l1, l2, l3, ..] = *bytes;
        Self { credits: u24(c0, c1, c2), seq, key: KeyId([k0, k1, k2, k3]), link: CreditId([l0, l1, l2, l3]) }
    }

    /// Whether the holder of `public` signed exactly these bytes for the band of this wallet.
    pub fn verify(
        bytes: &[u8; CREDIT_RECORD_LEN],
        public: &[u8; 32],
        festival: &FestivalId,
        wallet: WalletId,
    ) -> Result<Self, BadSignature> {
        let record = Self::read(bytes);
        let [_, _, _, _, _, _, _, _, _, _, _, _, signature @ ..] = *bytes;
        let parts: [&[u8]; 3] = [&wallet.0, &[LAYOUT_VERSION], &record.fields()];
        verify(public, SignatureTag::Credit, festival, &parts, &signature)?;
        Ok(record)
    }

    fn fields(&self) -> [u8; 12] {
        let ([c0, c1, c2, _], [k0, k1, k2, k3], [l0, l1, l2, l3]) =
            (self.credits.get().to_le_bytes(), self.key.0, self.link.0);
        [c0, c1, c2, self.seq, k0, k1, k2, k3, l0, l1, l2, l3]
    }
}

/// S: all that was ever taken off the band.
/// 20 bytes: tap counter u16 LE · spent u24 LE · credit sequence u8 · box number u16 LE · link 4 · MAC 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentRecord {
    /// Rises by one with every record.
    pub tap_counter: u16,
    /// Sum of all that was spent.
    pub spent: Cents,
    /// Sequence of the C that it was written under.
    pub credit_seq: u8,
    /// Which box wrote it.
    pub box_number: BoxNumber,
    /// The S record that it follows.
    pub link: RecordId,
}

impl SpentRecord {
    /// Its bytes for this band, with the MAC. The same record always has the same bytes.
    pub fn seal(&self, band: &BandKeys) -> [u8; SPENT_RECORD_LEN] {
        let ([t0, t1], [s0, s1, s2, _], [b0, b1], [l0, l1, l2, l3]) = (
            self.tap_counter.to_le_bytes(),
            self.spent.get().to_le_bytes(),
            self.box_number.0.to_le_bytes(),
            self.link.0,
        );
        let fields = [t0, t1, s0, s1, s2, self.credit_seq, b0, b1, l0, l1, l2, l3];
        let mut out = [0; SPENT_RECORD_LEN];
        let (head, tail) = out.split_at_mut(fields.len());
        head.copy_from_slice(&fields);
        tail.copy_from_slice(&band.spent_mac(&fields));
        out
    }

    /// The record in these bytes, if its MAC is this band's.
    pub fn open(bytes: &[u8; SPENT_RECORD_LEN], band: &BandKeys) -> Option<Self> {
        let [t0, t1, s0, s1, s2, credit_seq, b0, b1, l0, l1, l2, l3, ..] = *bytes;
        let record = Self {
            tap_counter: u16::from_le_bytes([t0, t1]),
            spent: u24(s0, s1, s2),
            credit_seq,
            box_number: BoxNumber(u16::from_le_bytes([b0, b1])),
            link: RecordId([l0, l1, l2, l3]),
        };
        (record.seal(band) == *bytes).then_some(record)
    }
}

fn u24(a: u8, b: u8, c: u8) -> Cents {
    Cents::new(u32::from_le_bytes([a, b, c, 0])).unwrap_or(Cents::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::MasterSecret;

    fn band(uid: u8) -> BandKeys {
        let festival = FestivalId([1; 16]);
        BandKeys::new(&MasterSecret([3; 32]).band_secrets(&festival), &festival, &[4, 1, 2, 3, 4, 5, uid])
    }

    fn spent() -> SpentRecord {
        SpentRecord {
            tap_counter: 0x0102,
            spent: Cents::new(0x0a0b0c).unwrap(),
            credit_seq: 7,
            box_number: BoxNumber(0x0304),
            link: RecordId([5, 6, 7, 8]),
        }
    }

    #[test]
    fn a_spent_record_reads_back_from_its_twenty_bytes() {
        let bytes = spent().seal(&band(6));
        assert_eq!(bytes[..12], [2, 1, 0x0c, 0x0b, 0x0a, 7, 4, 3, 5, 6, 7, 8]);
        assert_eq!(RecordId::of(&bytes).0, bytes[12..16]);
        assert_eq!(SpentRecord::open(&bytes, &band(6)), Some(spent()));
        assert_eq!(SpentRecord::open(&bytes, &band(7)), None, "another band's record");
    }

    #[test]
    fn a_credit_record_reads_back_from_its_76_bytes() {
        let key = SigningKey::from_bytes(&[8; 32]);
        let public = key.verifying_key().to_bytes();
        let bytes = CreditRecord::sign(
            Cents::new(0x010203).unwrap(),
            9,
            CreditId([1, 2, 3, 4]),
            &key,
            band(6).festival(),
            band(6).wallet(),
        );
        assert_eq!(bytes[..4], [3, 2, 1, 9]);
        assert_eq!(bytes[8..12], [1, 2, 3, 4]);
        let record = CreditRecord::verify(&bytes, &public, band(6).festival(), band(6).wallet()).unwrap();
        assert_eq!(record, CreditRecord::read(&bytes));
        assert_eq!(record.key, key_id(&public));
        assert_eq!(CreditRecord::verify(&bytes, &public, band(7).festival(), band(7).wallet()), Err(BadSignature));
    }

    #[test]
    fn no_flipped_bit_of_a_record_counts() {
        let band = band(6);
        let key = SigningKey::from_bytes(&[8; 32]);
        let public = key.verifying_key().to_bytes();
        let (s, c) = (
            spent().seal(&band),
            CreditRecord::sign(Cents::MAX, 9, CreditId::default(), &key, band.festival(), band.wallet()),
        );
        for bit in 0..s.len() * 8 {
            let mut bytes = s;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SpentRecord::open(&bytes, &band), None, "S bit {bit}");
        }
        for bit in 0..c.len() * 8 {
            let mut bytes = c;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(CreditRecord::verify(&bytes, &public, band.festival(), band.wallet()).is_err(), "C bit {bit}");
        }
    }
}
