//! The operating system's randomness, for keys and serials. Nothing else in the tool draws random bytes.
use zeroize::Zeroizing;

use crate::Failure;

/// `N` random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|error| Failure::Randomness(error.to_string()))?;
    Ok(out)
}

/// A new secret, wiped when dropped.
pub fn secret() -> Result<Zeroizing<[u8; 32]>, Failure> {
    bytes().map(Zeroizing::new)
}
