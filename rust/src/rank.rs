//! Rank-order encoding of flat rows.

use crate::pair::Token;
use crate::tournament::Tournament;
use crate::vocabulary::Vocabulary;

/// The keys of pairs without a rule begin here.
const NONE: u64 = (Token::MAX as u64) << 32;

/// Encodes row after row with the same memory.
///
/// A row is a ring of its tokens and a 0, which no rule applies to: nothing is ever beyond an end. A
/// tournament knows which pair of neighbours merges next.
#[derive(Debug, Default)]
pub struct Ranker {
    /// 0 where a token has been merged into the one on its left, too.
    row: Vec<Token>,
    /// The place of each token's left neighbour.
    before: Vec<u32>,
    /// The place of each token's right neighbour.
    after: Vec<u32>,
    next: Tournament,
}

impl Ranker {
    /// The row to be encoded, to be filled in with fewer than 2^32 tokens.
    pub fn row(&mut self) -> &mut Vec<Token> {
        self.row.clear();
        &mut self.row
    }

    /// Merges the adjacent pair with the lowest merge id, leftmost first, until none is left. Gives the
    /// encoded row.
    pub fn encode(&mut self, vocabulary: &Vocabulary) -> &[Token] {
        let rules = vocabulary.rules();
        self.close();
        let Self { row, before, after, next } = self;
        next.fill(row.len(), |left| key(rules.get(row[left], row[after[left] as usize]), left));
        while let Some((token, left)) = pair(next.least()) {
            let right = after[left] as usize;
            let (first, last) = (before[left] as usize, after[right] as usize);
            row[left] = token;
            row[right] = 0;
            after[left] = last as u32;
            before[last] = left as u32;
            next.set(right, NONE);
            next.set(left, key(rules.get(token, row[last]), left));
            next.set(first, key(rules.get(row[first], token), first));
        }
        self.merged()
    }

    /// Ends the row with a 0 and ties it to a ring.
    fn close(&mut self) {
        let n = self.row.len() as u32;
        self.row.push(0);
        self.before.clear();
        self.before.push(n);
        self.before.extend(0..n);
        self.after.clear();
        self.after.extend(1..=n);
        self.after.push(0);
    }

    /// What is left of the row; without a branch, as no processor guesses which tokens are.
    fn merged(&mut self) -> &[Token] {
        let mut n = 0;
        for i in 0..self.row.len() {
            let token = self.row[i];
            self.row[n] = token;
            n += usize::from(token != 0);
        }
        &self.row[..n]
    }
}

/// Sorts by the token that a pair merges into, then by its place; pairs without a rule, whose token is 0, come
/// last.
fn key(token: Token, place: usize) -> u64 {
    u64::from(token.wrapping_sub(1)) << 32 | place as u64
}

/// The token and the place of a key, unless it is of a pair without a rule.
fn pair(key: u64) -> Option<(Token, usize)> {
    (key < NONE).then(|| ((key >> 32) as Token + 1, key as u32 as usize))
}
