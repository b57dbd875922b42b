//! What a box is told at enrolment and keeps: its configuration and its identity.
use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{
    ByteVec, Certificate, EnrolError, FestivalId, Founding, Malformed, device_certificate, from_canonical_cbor,
    read_chain, to_cbor,
};
use domain::{
    id::BoxNumber,
    secrets::{BandSecrets, NamesKey},
    trust::Roles,
};

/// How a box serves its screens: a certificate of the festival's screen authority (ECDSA P-256).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct ScreenTls {
    /// Certificate chain, PEM.
    #[n(0)]
    pub certificate_pem: String,
    /// Private key, PEM.
    #[n(1)]
    pub key_pem: String,
}

impl fmt::Debug for ScreenTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScreenTls(..)")
    }
}

/// What this box is and does. Canonical CBOR array.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BoxConfig {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Number that it writes on chips in its present epoch.
    #[n(1)]
    pub box_number: BoxNumber,
    /// As spoken on a radio: "Gate B", "Bar 3".
    #[n(2)]
    pub place: String,
    /// What it is used for.
    #[n(3)]
    pub roles: Roles,
    /// Zone that its turnstile leads into; 0 is the site.
    #[n(4)]
    pub zone: u16,
    /// Language of its screens at start: "fr", "en".
    #[n(5)]
    pub language: String,
    /// Hub nodes, `host:port`, in the order to try.
    #[n(6)]
    pub hubs: Vec<String>,
    /// Whether this gate pairs tickets with wristbands.
    #[n(7)]
    pub pairs_bands: bool,
    /// How it serves its screens.
    #[n(8)]
    pub screen: ScreenTls,
    /// Keys of the wristbands.
    #[n(9)]
    pub band: BandSecrets,
    /// Lower-case hexadecimal key that opens its screens; on the technician's label.
    #[n(10)]
    pub screen_key: String,
    /// Where it serves its screens, `address:port`; port 0 takes a free one.
    #[n(11)]
    pub listen_https: String,
    /// Which wristband reader and scanner it has: "virtual".
    #[n(12)]
    pub devices: String,
    /// Key of the holders' names; a gate's alone.
    #[n(13)]
    pub names: Option<NamesKey>,
}

impl BoxConfig {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let config: Self = from_canonical_cbor(bytes)?;
        if config.version != 1 {
            return Err(Malformed::Value("configuration version"));
        }
        let texts = [&config.language, &config.screen_key, &config.listen_https, &config.devices];
        if config.place.len() > 64 || config.hubs.len() > 16 || texts.iter().any(|text| text.len() > 128) {
            return Err(Malformed::Value("configuration"));
        }
        Ok(config)
    }

    /// Whether `certificate` allows all of this.
    pub fn check(&self, certificate: &Certificate) -> Result<(), EnrolError> {
        let (first, last) = certificate.scope.box_numbers;
        if !(first..=last).contains(&self.box_number.0) {
            return Err(EnrolError::BoxNumber(self.box_number.0));
        }
        if !certificate.scope.roles.has(self.roles) {
            return Err(EnrolError::Roles);
        }
        if self.names.is_some() && !self.roles.has(Roles::GATE) {
            return Err(EnrolError::Roles);
        }
        Ok(())
    }
}

/// An enrolled box's identity as it is stored. Canonical CBOR array.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Enrolled {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Canonical bytes of the founding record.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub founding: Vec<u8>,
    /// The epoch that this enrolment opens.
    #[n(2)]
    pub epoch: u32,
    /// The box's certificate chain.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// Further chains: a desk's own `Credit` chain over the same key, spare desks', next ticket keys'.
    #[n(4)]
    pub further: Vec<ByteVec>,
    /// What the box is and does.
    #[n(5)]
    pub config: BoxConfig,
}

/// Stands before the checksum.
const MARK: u8 = 0xff;

fn checksum(body: &[u8]) -> [u8; 8] {
    let hash = blake3::derive_key("festival 2026-11 enrolment file", body);
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

impl Enrolled {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads canonical bytes of the box whose key is `public_key`, and verifies them up to the root again.
    pub fn from_bytes(bytes: &[u8], public_key: &[u8; 32]) -> Result<Self, EnrolError> {
        let malformed = |reason| EnrolError::Malformed { field: "stored identity", reason };
        let enrolled: Self = from_canonical_cbor(bytes).map_err(malformed)?;
        if enrolled.version != 1 {
            return Err(malformed(Malformed::Value("version")));
        }
        enrolled.check(public_key)?;
        Ok(enrolled)
    }

    /// As it stands in `enrolment.cbor`: canonical bytes ‖ 0xff ‖ 8 bytes of checksum. No value of the array can swallow
    /// the 0xff, so that one changed bit never makes a file of before there was a checksum.
    pub fn to_file(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        let sum = checksum(&bytes);
        bytes.push(MARK);
        bytes.extend(sum);
        bytes
    }

    /// The canonical bytes within a file, also within one of before there was a checksum.
    pub fn in_file(file: &[u8]) -> Result<&[u8], EnrolError> {
        if let Some((body, [MARK, sum @ ..])) = file.split_last_chunk::<9>()
            && *sum == checksum(body)
        {
            return Ok(body);
        }
        match from_canonical_cbor::<Self>(file) {
            Ok(_) => Ok(file),
            Err(_) => Err(EnrolError::Damaged),
        }
    }

    /// Reads a file as [`Self::from_bytes`] reads its bytes.
    pub fn from_file(file: &[u8], public_key: &[u8; 32]) -> Result<Self, EnrolError> {
        Self::from_bytes(Self::in_file(file)?, public_key)
    }

    /// The founding record.
    pub fn founding(&self) -> Result<Founding, EnrolError> {
        Founding::from_bytes(&self.founding).map_err(|_| EnrolError::Founding)
    }

    /// The festival.
    pub fn festival(&self) -> Result<FestivalId, EnrolError> {
        Ok(self.founding()?.festival())
    }

    /// Verifies everything up to the root and gives the box's certificate.
    pub fn check(&self, public_key: &[u8; 32]) -> Result<Certificate, EnrolError> {
        let founding = self.founding()?;
        let certificate = device_certificate(&self.chain, &founding, public_key)?;
        self.config.check(&certificate)?;
        for chain in &self.further {
            read_chain(chain)?.verify(&founding)?;
        }
        Ok(certificate)
    }
}
