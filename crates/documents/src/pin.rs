//! PINs: a salted hash to check one, and a manager's key sealed under it.
//! Invariant: a PIN is never kept; salt and nonce come from the caller, fresh each time.
//! Not here: how often somebody may try (a shell).
//!
//! A sealed key: version u8 = 1 · salt 16 · nonce 24 · XChaCha20-Poly1305 of the 32-byte seed (48) · the manager's
//! certificate chain (canonical CBOR), which is authenticated along with version and salt. The key is
//! BLAKE3-derive-key("festival manager key seal v1", Argon2id(PIN, salt, 19 MiB, 2 passes, 1 lane)).
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{PasswordHash, SaltString},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use domain::{trust::CertificateChain, wire::Reader};
use ed25519_dalek::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::author::SignedBy;

/// How many digits a PIN has.
pub const PIN_LEN: std::ops::RangeInclusive<usize> = 4..=12;

const VERSION: u8 = 1;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const CONTEXT: &str = "festival manager key seal v1";

/// A PIN or a sealed key that is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PinError {
    /// Not 4 to 12 digits.
    #[error("a PIN has {} to {} digits", PIN_LEN.start(), PIN_LEN.end())]
    NotAPin,
    /// The wrong PIN, or a sealed key that was tampered with.
    #[error("the PIN does not open this key")]
    Wrong,
    /// Not a sealed key.
    #[error("not a sealed key")]
    Malformed,
}

fn check(pin: &str) -> Result<(), PinError> {
    let is_pin = PIN_LEN.contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
    if is_pin { Ok(()) } else { Err(PinError::NotAPin) }
}

fn argon2() -> Result<Argon2<'static>, PinError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| PinError::Malformed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hash of a PIN as `Member::pin` keeps it (PHC string).
pub fn hash_pin(pin: &str, salt: &[u8; 16]) -> Result<String, PinError> {
    check(pin)?;
    let salt = SaltString::encode_b64(salt).map_err(|_| PinError::Malformed)?;
    let hash = argon2()?.hash_password(pin.as_bytes(), &salt).map_err(|_| PinError::Malformed)?;
    Ok(hash.to_string())
}

/// Whether `pin` is the one behind `hash`. It takes a tenth of a second and 19 MiB on purpose.
pub fn verify_pin(pin: &str, hash: &str) -> bool {
    // Whoever may write the staff document may not make every login take an hour.
    let bounded = |hash: &PasswordHash<'_>| {
        let params = Params::try_from(hash).ok()?;
        (params.m_cost() <= 4 * MEMORY_KIB && params.t_cost() <= 8 && params.p_cost() == 1).then_some(())
    };
    let parsed = PasswordHash::new(hash).ok().filter(|hash| bounded(hash).is_some());
    match (check(pin), parsed, argon2()) {
        (Ok(()), Some(parsed), Ok(argon2)) => argon2.verify_password(pin.as_bytes(), &parsed).is_ok(),
        _ => false,
    }
}

fn cipher(pin: &str, salt: &[u8; 16]) -> Result<XChaCha20Poly1305, PinError> {
    check(pin)?;
    let mut stretched = Zeroizing::new([0; 32]);
    argon2()?.hash_password_into(pin.as_bytes(), salt, stretched.as_mut()).map_err(|_| PinError::Malformed)?;
    let key = Zeroizing::new(blake3::derive_key(CONTEXT, stretched.as_ref()));
    Ok(XChaCha20Poly1305::new(key.as_slice().into()))
}

fn bound(salt: &[u8; 16], chain: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(salt);
    out.extend_from_slice(chain);
    out
}

/// Seals a manager's seed under a PIN, with the chain that makes it a manager's.
pub fn seal(
    pin: &str,
    seed: &[u8; 32],
    chain: &CertificateChain,
    salt: [u8; 16],
    nonce: [u8; 24],
) -> Result<Vec<u8>, PinError> {
    let chain = chain.to_bytes();
    let aad = bound(&salt, &chain);
    let payload = Payload { msg: seed, aad: &aad };
    let sealed = cipher(pin, &salt)?.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| PinError::Malformed)?;
    let mut out = vec![VERSION];
    out.extend_from_slice(&salt);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    out.extend_from_slice(&chain);
    Ok(out)
}

/// Whose public key [`seal`] sealed, as the chain beside it says; nothing is opened.
pub fn sealed_for(sealed: &[u8]) -> Option<[u8; 32]> {
    // version, salt, nonce, seed with its tag; then the chain
    let chain = CertificateChain::from_bytes(sealed.get(1 + 16 + 24 + 48..)?).ok()?;
    chain.0.first().and_then(|signed| signed.read().ok()).map(|certificate| certificate.subject)
}

/// Opens what [`seal`] made; key and chain are checked to belong together.
pub fn unseal(pin: &str, sealed: &[u8]) -> Result<SignedBy, PinError> {
    let mut input = Reader::new(sealed);
    if input.u8() != Ok(VERSION) {
        return Err(PinError::Malformed);
    }
    let salt: [u8; 16] = input.array().map_err(|_| PinError::Malformed)?;
    let nonce: [u8; 24] = input.array().map_err(|_| PinError::Malformed)?;
    let sealed = input.take(48).map_err(|_| PinError::Malformed)?;
    let chain = CertificateChain::from_bytes(input.rest()).map_err(|_| PinError::Malformed)?;
    let aad = bound(&salt, input.rest());
    let payload = Payload { msg: sealed, aad: &aad };
    let seed = cipher(pin, &salt)?.decrypt(XNonce::from_slice(&nonce), payload).map_err(|_| PinError::Wrong)?;
    let seed: Zeroizing<[u8; 32]> =
        Zeroizing::new(Zeroizing::new(seed).as_slice().try_into().map_err(|_| PinError::Malformed)?);
    let key = SigningKey::from_bytes(&seed);
    let is_its_own = chain.0.first().and_then(|signed| signed.read().ok());
    match is_its_own {
        Some(certificate) if certificate.subject == key.verifying_key().to_bytes() => Ok(SignedBy { key, chain }),
        Some(_) | None => Err(PinError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn only_the_right_pin_is_taken() {
        let hash = hash_pin("4711", &[3; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_pin("4711", &hash));
        assert!(!verify_pin("4712", &hash));
        assert!(!verify_pin("", &hash));
        assert!(!verify_pin("4711", "not a hash"));
        assert_eq!(hash_pin("12a4", &[3; 16]), Err(PinError::NotAPin));
    }

    #[test]
    fn a_hash_that_would_take_for_ever_is_not_computed() {
        let greedy =
            "$argon2id$v=19$m=4194304,t=100,p=1$AwMDAwMDAwMDAwMDAwMDAw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let started = std::time::Instant::now();
        assert!(!verify_pin("4711", greedy));
        assert!(started.elapsed().as_secs() < 1);
    }

    #[test]
    fn a_hash_may_cost_some_times_what_ours_cost_and_no_more_in_any_way() {
        let with = |memory: u32, passes: u32, lanes: u32| {
            let params = Params::new(memory, passes, lanes, Some(32)).unwrap();
            let salt = SaltString::encode_b64(&[3; 16]).unwrap();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            verify_pin("4711", &argon2.hash_password(b"4711", &salt).unwrap().to_string())
        };
        assert!(with(4 * MEMORY_KIB, 1, 1) && with(64, 8, 1));
        assert!(!with(4 * MEMORY_KIB + 1, 1, 1) && !with(64, 9, 1) && !with(64, 1, 2));
    }

    #[test]
    fn whose_key_is_sealed_is_known_without_the_pin() {
        let manager = sample::manager(3);
        let sealed = seal("1234", &manager.key.to_bytes(), &manager.chain, [1; 16], [2; 24]).unwrap();
        assert_eq!(sealed_for(&sealed), Some(manager.key.verifying_key().to_bytes()));
        assert_eq!(sealed_for(&sealed[..89]), None);
        assert_eq!(unseal("1234", &[2]).unwrap_err(), PinError::Malformed);
    }

    #[test]
    fn a_managers_key_opens_with_the_pin_only() {
        let manager = sample::manager(3);
        let seed = manager.key.to_bytes();
        let sealed = seal("123456", &seed, &manager.chain, [1; 16], [2; 24]).unwrap();
        assert_eq!(unseal("123456", &sealed).unwrap().key.to_bytes(), seed);
        assert_eq!(unseal("123457", &sealed).unwrap_err(), PinError::Wrong);
        for at in [1, 20, 50, sealed.len() - 1] {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 1;
            assert!(unseal("123456", &spoilt).is_err(), "byte {at}");
        }
        // Somebody else's chain does not fit.
        let other = sample::manager(4);
        let wrong = seal("123456", &seed, &other.chain, [1; 16], [2; 24]).unwrap();
        assert_eq!(unseal("123456", &wrong).unwrap_err(), PinError::Malformed);
    }
}
