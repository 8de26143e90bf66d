//! Rank-order encoding of one flat row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::pair::Token;
use crate::vocabulary::Vocabulary;

const NONE: usize = usize::MAX;

/// Merges the adjacent pair with the lowest merge id, leftmost first, until none is left.
///
/// The row is a linked list whose nodes keep their places, and a heap holds `(merge id, left place)` of every
/// adjacent pair that has a rule; an entry is stale when its place no longer merges into its id.
#[must_use]
pub fn encode(vocabulary: &Vocabulary, row: &[Token]) -> Vec<Token> {
    let mut list = List::new(row);
    let mut heap = BinaryHeap::new();
    for left in 1..row.len() {
        heap.extend(list.rule(vocabulary, left - 1).map(|token| Reverse((token, left - 1))));
    }
    while let Some(Reverse((token, left))) = heap.pop() {
        if list.rule(vocabulary, left) != Some(token) {
            continue;
        }
        list.merge(left, token);
        for place in [list.before[left], left] {
            heap.extend(list.rule(vocabulary, place).map(|token| Reverse((token, place))));
        }
    }
    list.tokens.into_iter().filter(|&token| token != 0).collect()
}

struct List {
    /// 0 where the node has been merged into the one on its left.
    tokens: Vec<Token>,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl List {
    fn new(row: &[Token]) -> Self {
        let last = row.len().wrapping_sub(1);
        Self {
            tokens: row.to_vec(),
            before: (0..row.len()).map(|i| i.wrapping_sub(1)).collect(),
            after: (0..row.len()).map(|i| if i == last { NONE } else { i + 1 }).collect(),
        }
    }

    /// What the node at `left` and the next one merge into.
    fn rule(&self, vocabulary: &Vocabulary, left: usize) -> Option<Token> {
        let right = *self.after.get(left)?;
        vocabulary.rule(self.tokens[left], *self.tokens.get(right)?)
    }

    fn merge(&mut self, left: usize, token: Token) {
        let right = self.after[left];
        self.tokens[left] = token;
        self.tokens[right] = 0;
        self.after[left] = self.after[right];
        if let Some(before) = self.before.get_mut(self.after[left]) {
            *before = left;
        }
    }
}
