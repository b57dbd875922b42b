//! Chance from a seed: the same seed throws the same numbers everywhere.
//! Not here: what is thrown for (`world`).

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another generator for part `part` of the same seed.
    pub(crate) fn part(seed: u64, part: u64) -> Self {
        let mut dice = Self(seed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.draw();
        dice
    }

    /// The next 64 bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// An amount from `low` to below `high`.
    pub(crate) fn amount(&mut self, low: u32, high: u32) -> u32 {
        let width = high.saturating_sub(low).max(1);
        low.saturating_add(u32::try_from(self.draw() % u64::from(width)).unwrap_or(0))
    }

    /// True once in `n` on average.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// True in `percent` of the cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// 16 bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        let (a, b) = (self.draw().to_le_bytes(), self.draw().to_le_bytes());
        out.iter_mut().zip(a.into_iter().chain(b)).for_each(|(to, from)| *to = from);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_parts_differ() {
        let draw = |mut dice: Dice| [dice.draw(), dice.draw()];
        assert_eq!(draw(Dice::part(7, 3)), draw(Dice::part(7, 3)));
        assert_ne!(draw(Dice::part(7, 3)), draw(Dice::part(7, 4)));
        assert_ne!(draw(Dice::new(1)), draw(Dice::new(2)));
        assert_eq!(Dice::new(1).below(0), 0);
    }
}
