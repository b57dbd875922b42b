//! Numbers as differences, small for small ones of either sign.
use domain::wire::Malformed;

pub(super) fn zigzag(to: u32, from: u32) -> u64 {
    zigzag_ms(to.into(), from.into())
}

pub(super) fn unzigzag(told: u64, from: u32) -> Result<u32, Malformed> {
    u32::try_from(unzigzag_ms(told, from.into())?).map_err(|_| Malformed::Value("number"))
}

/// The difference of two numbers below 2^48, small for small ones of either sign.
pub(super) fn zigzag_ms(to: u64, from: u64) -> u64 {
    if to >= from { to.saturating_sub(from) << 1 } else { (from.saturating_sub(to) << 1).saturating_sub(1) }
}

pub(super) fn unzigzag_ms(told: u64, from: u64) -> Result<u64, Malformed> {
    let value =
        if told & 1 == 0 { from.checked_add(told >> 1) } else { from.checked_sub((told >> 1).saturating_add(1)) };
    value.filter(|ms| *ms <= u64::MAX >> 16).ok_or(Malformed::Value("difference"))
}
