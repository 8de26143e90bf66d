//! A finished vocabulary.

use crate::engine::Joined;
use crate::initial::{Feature, Initial};
use crate::pair::{Pair, Token};
use crate::rules::Rules;
use crate::weight::{Count, nearest_double};

/// What only the maker of a vocabulary knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact {
    /// How many units make one.
    pub unit: Count,
    /// The priority of each merge, in units.
    pub counts: Vec<Count>,
    /// How often each merge was made in the corpus.
    pub joined: Vec<Joined>,
    /// The tokens that were asked for; the corpus may have run out of pairs earlier.
    pub size_asked: usize,
}

/// Tokens and what they stand for: nothing (token 0), a feature, or two earlier tokens.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    initial: Initial,
    merges: Vec<Pair>,
    priorities: Vec<f64>,
    exact: Option<Exact>,
    rules: Rules,
}

impl Vocabulary {
    /// A vocabulary with exact counts.
    pub(crate) fn exact(initial: Initial, merges: Vec<Pair>, exact: Exact) -> Self {
        let priorities = exact.counts.iter().map(|&count| nearest_double(count, exact.unit)).collect();
        Self { exact: Some(exact), ..Self::new(initial, merges, priorities) }
    }

    /// A vocabulary that knows its priorities as doubles only. Of a rule that comes twice the later one
    /// holds.
    pub(crate) fn new(initial: Initial, merges: Vec<Pair>, priorities: Vec<f64>) -> Self {
        let rules = Rules::new(&merges, initial.len() as Token);
        Self { initial, merges, priorities, exact: None, rules }
    }

    /// How many tokens, the padding token included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the padding token is always there")]
    pub fn len(&self) -> usize {
        self.initial.len() + self.merges.len()
    }

    /// The initial tokens.
    #[must_use]
    pub fn initial(&self) -> &Initial {
        &self.initial
    }

    /// The merges, in order; the first makes token `initial().len()`.
    #[must_use]
    pub fn merges(&self) -> &[Pair] {
        &self.merges
    }

    /// The priority of each merge: the double nearest to the exact one where that is known.
    #[must_use]
    pub fn priorities(&self) -> &[f64] {
        &self.priorities
    }

    /// The exact counts; none where the file held only priorities.
    #[must_use]
    pub fn counts(&self) -> Option<&Exact> {
        self.exact.as_ref()
    }

    /// The token that two tokens merge into.
    #[must_use]
    #[inline]
    pub fn rule(&self, a: Token, b: Token) -> Option<Token> {
        Some(self.rules.get(a, b)).filter(|&token| token != 0)
    }

    /// All rules at once.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The priority of a merged token.
    pub(crate) fn priority(&self, token: Token) -> f64 {
        self.priorities[token as usize - self.initial.len()]
    }

    /// The features that a token stands for, in the order of its merges. None if there is no such token, if
    /// it is the padding token, or if there are more than `limit`: a chain of merges of a token with itself
    /// doubles every time.
    #[must_use]
    pub fn features_of(&self, token: Token, limit: usize) -> Option<Vec<Feature>> {
        let mut features = Vec::new();
        let mut open = vec![token];
        while let Some(token) = open.pop() {
            if token == 0 || token as usize >= self.len() || features.len() + open.len() >= limit {
                return None;
            }
            match (token as usize).checked_sub(self.initial.len()) {
                None => features.push(self.initial.features()[token as usize - 1]),
                Some(merge) => open.extend([self.merges[merge].second(), self.merges[merge].first()]),
            }
        }
        Some(features)
    }

    /// The values of the item that a row of tokens stands for, by category; none unless every category occurs
    /// exactly once. Whether there is such an item, the item table says.
    #[must_use]
    pub fn decode(&self, tokens: &[Token]) -> Option<Vec<i64>> {
        let n = self.initial.n_categories();
        let mut values = vec![None; n];
        let mut missing = n;
        for &token in tokens {
            for (category, value) in self.features_of(token, missing)? {
                if values[category as usize].replace(value).is_some() {
                    return None;
                }
                missing -= 1;
            }
        }
        values.into_iter().collect()
    }
}
