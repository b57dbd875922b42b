//! The festival of the golden files (`tests/formats`): its keys and certificates.
//! Invariant: these keys are public; nothing but tests is signed with them.
use std::sync::LazyLock;

use domain::{
    id::{BoxNumber, FestivalId},
    secrets::{BandSecrets, MasterSecret},
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wire::unhex,
};
use ed25519_dalek::SigningKey;

pub const ROOT: u8 = 1;
pub const ENROL: u8 = 2;
pub const BUNDLE: u8 = 3;
pub const TICKET: u8 = 7;
pub const DESK: u8 = 21;
pub const REVOKED_DESK: u8 = 22;
pub const BOX: u8 = 30;
pub const MANAGER: u8 = 40;
pub const PRETIX: u8 = 60;
pub const UID: [u8; 7] = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
pub const NUMBER: BoxNumber = BoxNumber(12);

/// A golden file in hexadecimal lines.
pub fn golden(lines: &str) -> Vec<u8> {
    unhex(&lines.replace('\n', "")).expect("a golden file is hexadecimal")
}

pub static FOUNDING: LazyLock<Founding> =
    LazyLock::new(|| Founding::from_bytes(&golden(include_str!("../../formats/golden/founding.hex"))).expect("golden"));
pub static FESTIVAL: LazyLock<FestivalId> = LazyLock::new(|| FOUNDING.festival());
pub static BOX_CHAIN: LazyLock<CertificateChain> = LazyLock::new(|| {
    CertificateChain::from_bytes(&golden(include_str!("../../formats/golden/chain.hex"))).expect("golden")
});
pub static MANAGER_CHAIN: LazyLock<CertificateChain> = LazyLock::new(|| chain_of(Purpose::Manager, MANAGER));
pub static SECRETS: LazyLock<BandSecrets> = LazyLock::new(|| MasterSecret([22; 32]).band_secrets(&FESTIVAL));

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| (0..64).map(|n| SigningKey::from_bytes(&[n; 32])).collect());

pub fn key(n: u8) -> &'static SigningKey {
    &KEYS[usize::from(n)]
}

pub fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

pub fn certificate(purpose: Purpose, subject: u8, issuer: u8, scope: Scope) -> SignedCertificate {
    let certificate = Certificate {
        version: 1,
        festival: *FESTIVAL,
        purpose,
        subject: public(subject),
        issuer: [0; 32],
        serial: [subject; 16],
        valid_from: 1_790_000_000,
        valid_until: 0,
        scope,
    };
    SignedCertificate::issue(certificate, key(issuer))
}

pub fn chain_of(purpose: Purpose, subject: u8) -> CertificateChain {
    CertificateChain(vec![certificate(purpose, subject, ROOT, Scope::nothing(""))])
}

/// What the golden enrolment key may give.
pub fn enrol_certificate() -> SignedCertificate {
    let scope = Scope {
        place: "Site office".into(),
        roles: Roles(7),
        kinds: u64::MAX,
        box_numbers: (8, 900),
        quota_cents: 5_000_000,
    };
    certificate(Purpose::Enrol, ENROL, ROOT, scope)
}
