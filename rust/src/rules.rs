//! Which two tokens merge, and into what.

use crate::pair::{Pair, Token};

/// A table of open addressing with one bit for each of many hashes before it: nearly all pairs that an encoder
/// asks for have no rule, and the bits, which stay in the cache, say so at once.
#[derive(Debug, Clone)]
pub struct Rules {
    slots: Vec<(u64, Token)>,
    bits: Vec<u64>,
}

/// Bits for each slot of the table, of which at most half are taken.
const BITS_A_SLOT: usize = 16;

impl Rules {
    /// The rules of merges, the first of which makes token `first`. Of a rule that comes twice the later one
    /// holds.
    pub fn new(merges: &[Pair], first: Token) -> Self {
        let n_slots = (merges.len() * 2).next_power_of_two().max(64 / BITS_A_SLOT);
        let mut rules = Self { slots: vec![(0, 0); n_slots], bits: vec![0; n_slots * BITS_A_SLOT / 64] };
        for (&pair, token) in merges.iter().zip(first..) {
            let bit = top(pair.hash(), rules.bits.len() * 64);
            rules.bits[bit / 64] |= 1 << (bit % 64);
            let i = rules.find(pair.key(), pair.hash());
            rules.slots[i] = (pair.key(), token);
        }
        rules
    }

    /// The token that a pair merges into.
    #[inline]
    pub fn get(&self, pair: Pair) -> Option<Token> {
        let hash = pair.hash();
        let bit = top(hash, self.bits.len() * 64);
        if self.bits[bit / 64] >> (bit % 64) & 1 == 0 {
            return None;
        }
        let (key, token) = self.slots[self.find(pair.key(), hash)];
        (key != 0).then_some(token)
    }

    /// The slot of a pair, or the one where it would go: a pair's key is never 0.
    fn find(&self, key: u64, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut i = top(hash, self.slots.len());
        while self.slots[i].0 != key && self.slots[i].0 != 0 {
            i = (i + 1) & mask;
        }
        i
    }
}

/// The first bits of a hash, as a place among `n`, a power of two above 1.
pub fn top(hash: u64, n: usize) -> usize {
    (hash >> (64 - n.trailing_zeros())) as usize
}
