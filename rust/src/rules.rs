//! Which two tokens merge, and into what.

use std::cmp::Reverse;
use std::hint::select_unpredictable;

use crate::pair::{Pair, Token};
use crate::random::numbers;

/// A perfect hash table, built by hash and displace (Belazzougui, Botelho and Dietzfelbinger, ESA 2009): rules
/// share buckets, and each bucket has a displacement that sends every rule of it to a slot of its own.
///
/// Encoders ask for pairs with a rule and pairs without one in no order that a processor could guess. So a
/// look-up is one slot read and one comparison, whatever the answer, and never a branch.
#[derive(Debug, Clone)]
pub struct Rules {
    multiplier: u64,
    displacements: Vec<u16>,
    slots: Vec<Slot>,
}

/// A rule; key and token are 0 where there is none.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    token: Token,
}

/// Rules that share a bucket on average, at most; at least half as many.
const RULES_A_BUCKET: usize = 3;

impl Rules {
    /// The rules of merges, the first of which makes token `first`. Of a rule that comes twice the later one
    /// holds.
    pub fn new(merges: &[Pair], first: Token) -> Self {
        // Should two rules stay together under all displacements, the next multiplier tells them apart.
        let mut built = numbers(0).filter_map(|number| Self::build(merges, first, number | 1));
        built.next().expect("there is no end of numbers")
    }

    /// The token that two tokens merge into; 0 if there is no rule for them.
    #[inline]
    pub fn get(&self, a: Token, b: Token) -> Token {
        let key = Pair::new(a, b).key();
        let hash = self.hash(key);
        let slot = self.slots[place(hash, self.displacements[self.bucket(hash)], self.slots.len())];
        select_unpredictable(slot.key == key, slot.token, 0)
    }

    fn build(merges: &[Pair], first: Token, multiplier: u64) -> Option<Self> {
        let n_buckets = merges.len().div_ceil(RULES_A_BUCKET).next_power_of_two();
        let mut rules = Self {
            multiplier,
            displacements: vec![0; n_buckets],
            slots: vec![Slot::default(); merges.len() + merges.len() / 4 + 1],
        };
        let mut sorted: Vec<Slot> =
            merges.iter().zip(first..).map(|(pair, token)| Slot { key: pair.key(), token }).collect();
        let bucket = |slot: &Slot| rules.bucket(rules.hash(slot.key));
        sorted.sort_unstable_by_key(|slot| (bucket(slot), slot.key, Reverse(slot.token)));
        sorted.dedup_by_key(|slot| slot.key);
        let mut buckets: Vec<&[Slot]> = sorted.chunk_by(|a, b| bucket(a) == bucket(b)).collect();
        // The largest first, while there is room.
        buckets.sort_by_key(|bucket| Reverse(bucket.len()));
        let mut places = Vec::new();
        buckets.into_iter().try_for_each(|bucket| rules.settle(bucket, &mut places))?;
        Some(rules)
    }

    /// Puts the rules of a bucket where the first displacement sends them that finds room for all.
    fn settle(&mut self, bucket: &[Slot], places: &mut Vec<usize>) -> Option<()> {
        let hashes = || bucket.iter().map(|slot| self.hash(slot.key));
        let displacement = (0..=u16::MAX).find(|&displacement| {
            places.clear();
            hashes().all(|hash| {
                let place = place(hash, displacement, self.slots.len());
                let free = self.slots[place].key == 0 && !places.contains(&place);
                places.push(place);
                free
            })
        })?;
        let own = self.bucket(self.hash(bucket[0].key));
        self.displacements[own] = displacement;
        for (&slot, &place) in bucket.iter().zip(&*places) {
            self.slots[place] = slot;
        }
        Some(())
    }

    /// No two keys have the same hash.
    fn hash(&self, key: u64) -> u64 {
        let product = key.wrapping_mul(self.multiplier);
        product ^ product >> 32
    }

    /// Of the last bits of a hash, as [`place`] is of the first ones.
    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.displacements.len() - 1)
    }
}

/// Where a displacement sends a hash, among `n` slots.
fn place(hash: u64, displacement: u16, n: usize) -> usize {
    let displaced = hash.wrapping_mul(2 * u64::from(displacement) + 1);
    ((u128::from(displaced) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few tokens, so that rules come twice and the pairs asked for lie among those with a rule.
        #[test]
        fn every_rule_is_found_and_nothing_else(
            pairs in prop::collection::vec((1_u32..40, 1_u32..40), 0..400),
            far in prop::collection::vec(any::<(u32, u32)>(), 0..40),
        ) {
            let merges: Vec<Pair> = pairs.iter().chain(&far).map(|&(a, b)| Pair::new(a.max(1), b.max(1))).collect();
            let right: HashMap<Pair, Token> = merges.iter().copied().zip(7..).collect();
            let rules = Rules::new(&merges, 7);
            for (a, b) in (0..41).flat_map(|a| (0..41).map(move |b| (a, b))).chain(far) {
                prop_assert_eq!(rules.get(a, b), right.get(&Pair::new(a, b)).copied().unwrap_or(0));
            }
        }
    }

    /// Under the first multiplier these two keys make neighbouring products, which no displacement parts.
    #[test]
    fn rules_that_stay_together_get_another_hash() {
        let multiplier = numbers(0).next().expect("a number") | 1;
        let inverse = (0..6).fold(1_u64, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(multiplier.wrapping_mul(inverse)))
        });
        let key = |product: u64| Pair::from_key(inverse.wrapping_mul(product));
        let product = (1..1000)
            .map(|i| i << 20)
            .find(|&product| [product, product + 1].iter().all(|&it| is_pair(key(it))));
        let merges = product.map(|product| [key(product), key(product + 1)]).expect("two keys");
        assert!(Rules::build(&merges, 5, multiplier).is_none());
        let rules = Rules::new(&merges, 5);
        for (pair, token) in merges.into_iter().zip(5..) {
            assert_eq!(rules.get(pair.first(), pair.second()), token);
        }
    }

    fn is_pair(pair: Pair) -> bool {
        pair == Pair::new(pair.first(), pair.second())
    }
}
