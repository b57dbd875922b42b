//! A pretix event's public key, as its API hands it out: base64 of a PEM "PUBLIC KEY" (SPKI, RFC 8410).
//! Invariant: a key that exists is a point of full order; a weak one would verify anything.
use core::str;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use thiserror::Error;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4) up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key that signs one pretix event's tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PretixKey(VerifyingKey);

/// Why a text is not such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PretixKeyError {
    /// Not the base64 that pretix's API writes.
    #[error("the key is not base64 text")]
    NotBase64,
    /// No PEM "PUBLIC KEY" inside.
    #[error("the key holds no PEM public key")]
    NotPem,
    /// A key of another algorithm.
    #[error("the key is not an Ed25519 key")]
    NotEd25519,
    /// Not a point of the curve, or one that verifies anything.
    #[error("the key is a point that cannot sign")]
    Weak,
}

impl PretixKeyError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBase64 => "pretix_key.not_base64",
            Self::NotPem => "pretix_key.not_pem",
            Self::NotEd25519 => "pretix_key.not_ed25519",
            Self::Weak => "pretix_key.weak",
        }
    }
}

impl PretixKey {
    /// Reads an element of `valid_keys.pretix_sig1`; white space around it and line ends inside the PEM do not matter.
    pub fn from_api(text: &str) -> Result<Self, PretixKeyError> {
        let pem = STANDARD.decode(text.trim()).map_err(|_| PretixKeyError::NotBase64)?;
        let pem = str::from_utf8(&pem).map_err(|_| PretixKeyError::NotPem)?;
        let body =
            pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(PretixKeyError::NotPem)?;
        let spki = STANDARD.decode(body.trim()).map_err(|_| PretixKeyError::NotPem)?;
        let key = spki.strip_prefix(&SPKI_PREFIX).ok_or(PretixKeyError::NotEd25519)?;
        Self::from_bytes(key.try_into().map_err(|_| PretixKeyError::NotEd25519)?)
    }

    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PretixKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PretixKeyError::Weak)?;
        if key.is_weak() { Err(PretixKeyError::Weak) } else { Ok(Self(key)) }
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(super) fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};

    const KEY: [u8; 32] = [
        0x03, 0x26, 0x6c, 0xb1, 0x4e, 0x62, 0xab, 0xe4, 0xce, 0x5f, 0x6f, 0x28, 0xa8, 0x6d, 0xa8, 0x59, 0x50, 0xa6,
        0x7f, 0xe1, 0x25, 0x0f, 0x71, 0xdc, 0xce, 0x3b, 0xa0, 0xe4, 0x15, 0x36, 0xaf, 0x45,
    ];

    fn api_text(prefix: &[u8], key: &[u8], line_end: &str) -> String {
        let body = STANDARD.encode([prefix, key].concat());
        STANDARD.encode(format!("{BEGIN}{line_end}{body}{line_end}{END}{line_end}"))
    }

    #[test]
    fn a_key_reads_whatever_its_line_ends() {
        for line_end in ["\n", "\r\n"] {
            let key = PretixKey::from_api(&api_text(&SPKI_PREFIX, &KEY, line_end));
            assert_eq!(key.map(|key| *key.as_bytes()), Ok(KEY));
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let mut x25519 = SPKI_PREFIX;
        x25519[8] = 0x6e;
        let mut identity = [0; 32];
        identity[0] = 1;
        for (text, error) in [
            (String::from("no key"), PretixKeyError::NotBase64),
            (STANDARD.encode([0xff, 0xfe]), PretixKeyError::NotPem),
            (STANDARD.encode(KEY), PretixKeyError::NotPem),
            (STANDARD.encode(format!("{BEGIN}\n{END}x")), PretixKeyError::NotPem),
            (api_text(&x25519, &KEY, "\n"), PretixKeyError::NotEd25519),
            (api_text(&SPKI_PREFIX, &KEY[1..], "\n"), PretixKeyError::NotEd25519),
            (api_text(&SPKI_PREFIX, &identity, "\n"), PretixKeyError::Weak),
        ] {
            assert_eq!(PretixKey::from_api(&text), Err(error), "{text}");
            assert!(error.code().strip_prefix("pretix_key.").is_some_and(|code| !code.is_empty()));
        }
    }
}
