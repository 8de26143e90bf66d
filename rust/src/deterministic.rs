//! Deterministic encoding of one history: no permutation, the best place first.

use crate::history::{EMPTY, History, Place, Stretch};
use crate::pair::{Pair, Token};
use crate::vocabulary::Vocabulary;

/// Merges at the place with the largest score, place by place, until no rule applies. Gives each set's
/// tokens, sorted, then the token of the slot on its right.
#[must_use]
pub fn encode(vocabulary: &Vocabulary, sets: Vec<Vec<Token>>) -> Vec<Token> {
    let mut history = History::new(sets);
    let mut best: Vec<_> = (0..history.sets().len()).map(|i| best_at(vocabulary, &history, i)).collect();
    while let Some((i, candidate)) = first_best(&best) {
        let Candidate { token, pair, place, .. } = candidate;
        history.merge_at(i, place, pair, token);
        let last = (i + 1).min(best.len() - 1);
        let settled = history.settle(Stretch { first: i, last });
        best.drain(settled.last + 1..=last);
        let first = i.saturating_sub(1);
        for (j, best) in (first..).zip(&mut best[first..=settled.last]) {
            *best = best_at(vocabulary, &history, j);
        }
    }
    flatten(&history)
}

#[derive(Clone, Copy)]
struct Candidate {
    score: f64,
    token: Token,
    pair: Pair,
    place: Place,
}

impl Candidate {
    /// Whether it has the larger score, then the lower merge id. Otherwise the earlier place goes first.
    #[expect(clippy::float_cmp, reason = "scores tie when the doubles are the same")]
    fn beats(&self, earlier: &Self) -> bool {
        self.score > earlier.score || self.score == earlier.score && self.token < earlier.token
    }
}

fn first_best(best: &[Option<Candidate>]) -> Option<(usize, Candidate)> {
    let candidates = best.iter().enumerate().filter_map(|(i, candidate)| candidate.map(|it| (i, it)));
    candidates.reduce(|first, later| if later.1.beats(&first.1) { later } else { first })
}

/// The best candidate among the places of set `i`: inside it, it with the slot on its right or with the next
/// set if that slot is empty, and the slot with the next set.
fn best_at(vocabulary: &Vocabulary, history: &History, i: usize) -> Option<Candidate> {
    let set = &history.sets()[i];
    let mut best: Option<Candidate> = None;
    let mut offer = |a: Token, b: Token, place: Place, k: f64, size: usize| {
        let Some(token) = vocabulary.rule(a, b) else { return };
        let score = k * vocabulary.priority(token) / size as f64;
        let candidate = Candidate { score, token, pair: Pair::new(a, b), place };
        if best.is_none_or(|best| candidate.beats(&best)) {
            best = Some(candidate);
        }
    };
    for (j, &a) in set.iter().enumerate() {
        for &b in &set[..j] {
            offer(a, b, Place::Inside, 2.0, set.len());
        }
    }
    let Some(next) = history.sets().get(i + 1) else { return best };
    let mut cross = |left: &[Token], right: &[Token], place: Place| {
        for &a in left {
            for &b in right {
                offer(a, b, place, 1.0, left.len() * right.len());
            }
        }
    };
    match &history.slots()[i..=i] {
        &[EMPTY] => cross(set, next, Place::Left),
        slot => {
            cross(set, slot, Place::Left);
            cross(slot, next, Place::Right);
        }
    }
    best
}

fn flatten(history: &History) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (i, set) in history.sets().iter().enumerate() {
        let start = tokens.len();
        tokens.extend(set);
        tokens[start..].sort_unstable();
        tokens.extend(history.slots().get(i).filter(|&&slot| slot != EMPTY));
    }
    tokens
}
