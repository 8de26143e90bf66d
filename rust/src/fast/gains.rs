//! The pairs of a new token, gathered while it is made.

use crate::pair::Token;

/// Count and places of the pairs that a new token makes, by their other token. A plain array: nearly every
/// pair comes up in many histories, and none has to be looked for.
#[derive(Default)]
pub struct Gains {
    of: Vec<Gain>,
    touched: Vec<Token>,
}

#[derive(Clone, Copy, Default)]
struct Gain {
    count: i64,
    places: u32,
}

impl Gains {
    /// Makes room for all tokens below `n`.
    pub fn reserve(&mut self, n: usize) {
        if self.of.len() < n {
            self.of.resize(n, Gain::default());
        }
    }

    /// Adds one place.
    #[inline]
    pub fn add(&mut self, token: Token, weight: i64) {
        self.add_places(token, weight, 1);
    }

    /// Adds places that weigh `count` together.
    #[inline]
    pub fn add_places(&mut self, token: Token, count: i64, places: u32) {
        let gain = &mut self.of[token as usize];
        if gain.places == 0 {
            self.touched.push(token);
        }
        gain.count += count;
        gain.places += places;
    }

    /// Emits every token with count and places, and forgets them.
    pub fn drain(&mut self, mut emit: impl FnMut(Token, i64, u32)) {
        for token in self.touched.drain(..) {
            let Gain { count, places } = std::mem::take(&mut self.of[token as usize]);
            emit(token, count, places);
        }
    }
}
