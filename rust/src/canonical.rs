//! Canonical encoding of one item.

use std::cmp::Reverse;

use crate::pair::Token;
use crate::vocabulary::Vocabulary;

/// Merges the pair with the highest priority (ties: the lower merge id) until no rule is left; sorted by
/// token id.
#[must_use]
pub fn encode(vocabulary: &Vocabulary, set: &[Token]) -> Vec<Token> {
    let mut set = set.to_vec();
    while let Some((token, a, b)) = best(vocabulary, &set) {
        set.retain(|&other| other != a && other != b);
        set.push(token);
    }
    set.sort_unstable();
    set
}

fn best(vocabulary: &Vocabulary, set: &[Token]) -> Option<(Token, Token, Token)> {
    let pairs = set.iter().enumerate().flat_map(|(i, &a)| set[..i].iter().map(move |&b| (a, b)));
    let rules = pairs.filter_map(|(a, b)| vocabulary.rule(a, b).map(|token| (token, a, b)));
    rules.max_by(|(x, ..), (y, ..)| {
        let priorities = vocabulary.priority(*x).total_cmp(&vocabulary.priority(*y));
        priorities.then(Reverse(x).cmp(&Reverse(y)))
    })
}
