//! The permutations of rank-order encoding.

/// Name and version of the generator; written into vocabulary files, as a change of it changes every
/// encoding.
pub const GENERATOR: &str = "splitmix64/1";

/// The odd number nearest to 2^64 over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014), started from a seed and a row's number.
#[derive(Debug, Clone)]
pub struct Generator(u64);

impl Generator {
    /// The generator of one row. Rows of one seed start in different states.
    #[must_use]
    pub fn new(seed: u64, row: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(STEP)).wrapping_add(row)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `n`, each equally likely (Lemire, TOMACS 2019).
    fn below(&mut self, n: u64) -> u64 {
        loop {
            let product = u128::from(self.next()) * u128::from(n);
            // The second test is the whole one. The first spares its division, nearly always.
            if product as u64 >= n || product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Puts values in a random order, each equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// The numbers of the generator whose state is `seed`.
pub(crate) fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut generator = Generator(seed);
    std::iter::repeat_with(move || generator.next())
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the published generator for the state 1234567.
    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut generator = Generator(1_234_567);
        assert_eq!(generator.next(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next(), 3_203_168_211_198_807_973);
        assert_eq!(generator.next(), 9_817_491_932_198_370_423);
    }

    /// Frozen: files say which generator they go with. Another order here means another `GENERATOR`.
    #[test]
    fn permutations_stay_what_they_are() {
        let mut values: Vec<u32> = (0..9).collect();
        Generator::new(0, 0).shuffle(&mut values);
        assert_eq!((GENERATOR, values), ("splitmix64/1", vec![8, 4, 0, 6, 5, 7, 1, 2, 3]));
    }
}
