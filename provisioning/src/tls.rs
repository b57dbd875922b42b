//! The certificate authority of screens and hub pages, and the certificates below it: ECDSA P-256, which browsers take.
//! Invariant: valid from 2020 to 2036, whatever the clock says, since a box may think it is any year in between.
//! Not here: the festival's own trust (`domain::trust`), which this never stands for.
use std::path::Path;

use domain::id::FestivalId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::{Failure, files};

/// The authority of one festival's pages.
pub struct ScreensCa {
    pem: String,
    key: KeyPair,
    festival: FestivalId,
}

/// A certificate and its key, PEM.
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: Zeroizing<String>,
}

fn tls(error: &rcgen::Error) -> Failure {
    Failure::Tls(error.to_string())
}

fn params(common_name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn ca_params(festival: &FestivalId) -> CertificateParams {
    let mut params = params(format!("Festival screens {festival}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl ScreensCa {
    /// Makes the authority and writes `ca.pem` and `ca.key.pem` into `folder`.
    pub fn create(folder: &Path, festival: FestivalId) -> Result<Self, Failure> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| tls(&error))?;
        let pem = ca_params(&festival).self_signed(&key).map_err(|error| tls(&error))?.pem();
        files::write_new(&folder.join("ca.key.pem"), Zeroizing::new(key.serialize_pem()).as_bytes())?;
        files::write_new(&folder.join("ca.pem"), pem.as_bytes())?;
        Ok(Self { pem, key, festival })
    }

    /// Reads what [`Self::create`] wrote.
    pub fn open(folder: &Path, festival: FestivalId) -> Result<Self, Failure> {
        let path = folder.join("ca.key.pem");
        let key = KeyPair::from_pem(&Zeroizing::new(files::read_text(&path)?));
        let key = key.map_err(|error| Failure::damaged(&path, error))?;
        Ok(Self { pem: files::read_text(&folder.join("ca.pem"))?, key, festival })
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these names and addresses, `localhost` and `127.0.0.1`.
    pub fn issue(&self, common_name: &str, hosts: &[String]) -> Result<Leaf, Failure> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| tls(&error))?;
        let mut names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        for host in hosts {
            if !names.contains(host) {
                names.push(host.clone());
            }
        }
        let mut leaf = params(common_name.into());
        leaf.subject_alt_names = CertificateParams::new(names).map_err(|error| tls(&error))?.subject_alt_names;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let issuer = rcgen::Issuer::new(ca_params(&self.festival), &self.key);
        let certificate = leaf.signed_by(&key, &issuer).map_err(|error| tls(&error))?.pem();
        Ok(Leaf { certificate, key: Zeroizing::new(key.serialize_pem()) })
    }
}

/// The host of an `ADDR:PORT`, for a certificate; none for an address that stands for every interface.
pub fn host_of(address: &str) -> Option<String> {
    let host = match address.parse::<std::net::SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => return None,
        Ok(address) => address.ip().to_string(),
        Err(_) => address.rsplit_once(':').map_or(address, |(host, _)| host).to_string(),
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_listening_address_is_what_people_type() {
        assert_eq!(host_of("10.0.0.5:443").as_deref(), Some("10.0.0.5"));
        assert_eq!(host_of("hub.local:443").as_deref(), Some("hub.local"));
        assert_eq!(host_of("[fd00::1]:443").as_deref(), Some("fd00::1"));
        assert_eq!(host_of("0.0.0.0:443"), None);
    }
}
