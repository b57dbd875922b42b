//! Time as the rules see it: a hybrid logical clock for order, trusted time for validity windows.
//! Invariant: nothing here reads a clock; wall time is a parameter, and no money rule takes one.

/// Hybrid logical clock: milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Hlc(#[n(0)] pub u64);

impl Hlc {
    /// The next stamp after `self` when the wall clock says `wall_ms`: never goes back, never repeats.
    #[must_use]
    pub fn tick(self, wall_ms: u64) -> Self {
        let wall = Self(wall_ms.min(u64::MAX >> 16) << 16);
        if wall > self { wall } else { Self(self.0.saturating_add(1)) }
    }

    /// Milliseconds since 1970, for display only.
    pub fn unix_ms(self) -> u64 {
        self.0 >> 16
    }
}

/// Where trusted time comes from, best last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TimeSource {
    /// Only the build's time is known.
    Build,
    /// This box's own last entry.
    OwnEntry,
    /// A hub node that had proven its key said it.
    Hub,
}

/// Unix seconds with their source and how far they may be off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrustedTime {
    /// Seconds since 1970.
    pub unix_s: u64,
    /// How far off it may be, in seconds.
    pub uncertainty_s: u32,
    /// Where it comes from.
    pub source: TimeSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back_does_not_reorder_entries() {
        let noon = Hlc::default().tick(1_000);
        let later = noon.tick(10);
        assert!(later > noon);
        assert_eq!(later.unix_ms(), 1_000);
    }
}
