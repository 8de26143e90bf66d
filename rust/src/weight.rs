//! Exact pair weights: whole numbers of the unit `1 / lcm(1..n)^2`.

use crate::error::{Error, Result};

/// A number of units. Signed, because changes of counts go down as well as up.
pub type Count = i128;

/// A pair weighs at most 1 inside a set and at most 2 across a boundary (the slot with both sides), so this
/// much an event bounds every count, whatever has been merged.
const HEAVIEST_EVENT: Count = 3;

/// The weights of all sizes of sets, for items of `n` categories.
#[derive(Debug, Clone)]
pub struct Weights {
    unit: Count,
    n: usize,
    inside: Vec<Count>,
    across: Vec<Count>,
}

impl Weights {
    /// Weights for sets of up to `n` tokens.
    ///
    /// # Errors
    /// If the counts of a corpus of `events` events could pass what a [`Count`] holds.
    pub fn new(n: usize, events: usize) -> Result<Self> {
        let unit = unit(n).filter(|unit| most(*unit, events).is_some()).ok_or_else(|| {
            let problem = format!(
                "{n} categories over {events} events need exact counts wider than 127 bits; \
                 use fewer categories"
            );
            Error::input("features", problem)
        })?;
        let inside = (0..=n).map(|m| if m < 2 { 0 } else { unit / m as Count * 2 }).collect();
        let across = (0..(n + 1) * (n + 1))
            .map(|cell| match (cell / (n + 1)) * (cell % (n + 1)) {
                0 => 0,
                product => unit / product as Count,
            })
            .collect();
        Ok(Self { unit, n, inside, across })
    }

    /// How many units make one: `lcm(1..n)^2`.
    #[must_use]
    pub fn unit(&self) -> Count {
        self.unit
    }

    /// What no count of a corpus of `events` events passes.
    pub(crate) fn most(&self, events: usize) -> Option<Count> {
        most(self.unit, events)
    }

    /// The weight of two tokens of one set of `m`.
    #[must_use]
    pub fn inside(&self, m: usize) -> Count {
        self.inside[m]
    }

    /// The weight of one token each of two neighbours of `m1` and `m2` tokens; a slot has one.
    #[must_use]
    pub fn across(&self, m1: usize, m2: usize) -> Count {
        self.across[m1 * (self.n + 1) + m2]
    }
}

/// `lcm(1..n)^2`, if that is a [`Count`].
pub fn unit(n: usize) -> Option<Count> {
    let lcm = (1..=n as Count).try_fold(1, |lcm: Count, k| lcm.checked_mul(k / gcd(lcm, k)))?;
    lcm.checked_mul(lcm)
}

fn gcd(a: Count, b: Count) -> Count {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn most(unit: Count, events: usize) -> Option<Count> {
    unit.checked_mul(HEAVIEST_EVENT)?.checked_mul(events as Count)
}

/// The double nearest to `count / unit`, ties to even. Both must be positive.
#[must_use]
pub fn nearest_double(count: Count, unit: Count) -> f64 {
    let (count, unit) = (count.unsigned_abs(), unit.unsigned_abs());
    let (mut bits, mut rest, mut scale) = (count / unit, count % unit, 1.0);
    // Two bits more than a double's 53, then one that says whether anything was left over: the conversion
    // below then sees on which side of a tie the quotient lies, and is the only rounding.
    while bits < 1 << 55 && rest != 0 {
        rest <<= 1;
        bits = bits << 1 | u128::from(rest >= unit);
        rest %= unit;
        scale /= 2.0;
    }
    (bits << 1 | u128::from(rest != 0)) as f64 * (scale / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The unit of 42 categories, of 35 digits, is the last that leaves room for events: 1,181 of them.
    #[test]
    fn units_fit_or_are_refused() {
        assert_eq!((unit(1), unit(5), unit(9)), (Some(1), Some(3600), Some(6_350_400)));
        assert!(Weights::new(9, usize::MAX / 2).is_ok());
        assert!(Weights::new(42, 1181).is_ok());
        assert!(Weights::new(42, 1182).is_err());
        assert!(Weights::new(43, 1).is_err());
        assert!(Weights::new(200, 1).is_err());
    }

    #[test]
    fn weights_are_whole_and_add_up() -> Result<()> {
        let weights = Weights::new(9, 1)?;
        for m in 2..=9 {
            let pairs = (m * (m - 1) / 2) as Count;
            assert_eq!(weights.inside(m) * pairs, weights.unit() * (m as Count - 1));
            for other in 1..=9 {
                assert_eq!(weights.across(m, other) * (m * other) as Count, weights.unit());
            }
        }
        Ok(())
    }

    /// Where both are doubles the machine's own division rounds correctly.
    #[test]
    fn nearest_doubles_are_those_of_the_machine() {
        for count in (1..2000).chain((1 << 53) - 500..1 << 53) {
            for unit in [1, 4, 36, 3600, 705_600, 6_350_400] {
                let right = count as f64 / unit as f64;
                assert_eq!(nearest_double(count, unit).to_bits(), right.to_bits(), "{count}/{unit}");
            }
        }
    }

    /// Just above, on and just below the middle between 1 and the next double, 1 + 2^-52.
    #[test]
    fn nearest_doubles_see_beyond_the_last_bit() {
        let (unit, next) = (1 << 100, 1.0 + f64::EPSILON);
        let middle = unit + (1 << 47);
        let bits = |count| nearest_double(count, unit).to_bits();
        assert_eq!(bits(middle - 1), 1.0_f64.to_bits());
        assert_eq!(bits(middle), 1.0_f64.to_bits());
        assert_eq!(bits(middle + 1), next.to_bits());
        assert_eq!(bits(middle + (1 << 48)), (next + f64::EPSILON).to_bits());
    }
}
