//! Rank-order encoding of flat rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::pair::Token;
use crate::vocabulary::Vocabulary;

/// Up to here going through all neighbours for each merge beats a heap of them: the row is in the cache, and
/// its minimum is found many at a time.
const SHORT: usize = 256;

/// No two neighbours merge into this.
const NONE: Token = Token::MAX;

/// Encodes row after row with the same memory.
#[derive(Default)]
pub struct Ranker {
    row: Vec<Token>,
    /// What each token of the row and the next one merge into.
    ranks: Vec<Token>,
}

impl Ranker {
    /// The row to be encoded, to be filled in.
    pub fn row(&mut self) -> &mut Vec<Token> {
        self.row.clear();
        &mut self.row
    }

    /// Merges the adjacent pair with the lowest merge id, leftmost first, until none is left. Gives the
    /// encoded row.
    pub fn encode(&mut self, vocabulary: &Vocabulary) -> &[Token] {
        if self.row.len() > SHORT {
            self.row = encode_long(vocabulary, &self.row);
        } else if !self.row.is_empty() {
            self.encode_short(vocabulary);
        }
        &self.row
    }

    fn encode_short(&mut self, vocabulary: &Vocabulary) {
        let Self { row, ranks } = self;
        let rank = |left: Token, right: Token| vocabulary.rule(left, right).unwrap_or(NONE);
        ranks.clear();
        ranks.extend(row.windows(2).map(|pair| rank(pair[0], pair[1])));
        while let Some(left) = lowest(ranks) {
            row[left] = ranks[left];
            row.remove(left + 1);
            ranks.remove(left);
            if left > 0 {
                ranks[left - 1] = rank(row[left - 1], row[left]);
            }
            if left < ranks.len() {
                ranks[left] = rank(row[left], row[left + 1]);
            }
        }
    }
}

/// Where the first of the lowest ranks is.
fn lowest(ranks: &[Token]) -> Option<usize> {
    let lowest = ranks.iter().fold(NONE, |lowest, &rank| lowest.min(rank));
    if lowest == NONE { None } else { ranks.iter().position(|&rank| rank == lowest) }
}

/// The row is a linked list whose nodes keep their places, and a heap holds `(merge id, left place)` of every
/// adjacent pair that has a rule; an entry is stale when its place no longer merges into its id.
fn encode_long(vocabulary: &Vocabulary, row: &[Token]) -> Vec<Token> {
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
        Self {
            tokens: row.to_vec(),
            // Beyond either end there is no place.
            before: (0..row.len()).map(|i| i.wrapping_sub(1)).collect(),
            after: (1..=row.len()).collect(),
        }
    }

    /// What the node at `left` and the next one merge into.
    fn rule(&self, vocabulary: &Vocabulary, left: usize) -> Option<Token> {
        let right = *self.after.get(left)?;
        // A node that has been merged away is in no rule.
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
