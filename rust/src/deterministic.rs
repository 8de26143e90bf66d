//! Deterministic encoding of one history: no permutation, the best place first.

use crate::history::{EMPTY, History, Place, Stretch};
use crate::pair::{Pair, Token};
use crate::vocabulary::Vocabulary;

/// Merges at the place with the largest score, place by place, until no rule applies. Appends each set's
/// tokens, sorted, then the token of the slot on its right, to `out`.
pub fn encode(vocabulary: &Vocabulary, sets: Vec<Vec<Token>>, out: &mut Vec<Token>) {
    let mut history = History::new(sets);
    let mut best: Vec<_> = (0..history.sets().len()).map(|i| Best::of(vocabulary, &history, i)).collect();
    while let Some((i, Merge { token, pair, place, .. })) = first_best(&best) {
        history.merge_at(i, place, pair, token);
        // A merge inside a set changes no other set, and empties none.
        let last = if matches!(place, Place::Inside) { i } else { i + 1 };
        let settled = history.settle(Stretch { first: i, last });
        best.drain(settled.last + 1..=last);
        for (j, best) in (i..).zip(&mut best[i..=settled.last]) {
            *best = Best::of(vocabulary, &history, j);
        }
        if let Some(before) = i.checked_sub(1) {
            best[before].across = across(vocabulary, &history, before);
        }
    }
    flatten(&history, out);
}

/// The best merges at the places of one set.
struct Best {
    inside: Option<Merge>,
    across: Option<Merge>,
}

impl Best {
    fn of(vocabulary: &Vocabulary, history: &History, i: usize) -> Self {
        Self { inside: inside(vocabulary, history, i), across: across(vocabulary, history, i) }
    }

    fn get(&self) -> Option<Merge> {
        first_of(self.inside, self.across)
    }
}

#[derive(Clone, Copy)]
struct Merge {
    score: f64,
    token: Token,
    pair: Pair,
    place: Place,
}

impl Merge {
    /// Whether it has the larger score, then the lower merge id. Otherwise the earlier place goes first.
    #[expect(clippy::float_cmp, reason = "scores tie when the doubles are the same")]
    fn beats(&self, earlier: &Self) -> bool {
        self.score > earlier.score || self.score == earlier.score && self.token < earlier.token
    }
}

fn first_of(earlier: Option<Merge>, later: Option<Merge>) -> Option<Merge> {
    later.filter(|later| earlier.is_none_or(|earlier| later.beats(&earlier))).or(earlier)
}

fn first_best(best: &[Best]) -> Option<(usize, Merge)> {
    let merges = best.iter().enumerate().filter_map(|(i, best)| best.get().map(|merge| (i, merge)));
    merges.reduce(|first, later| if later.1.beats(&first.1) { later } else { first })
}

fn inside(vocabulary: &Vocabulary, history: &History, i: usize) -> Option<Merge> {
    let set = &history.sets()[i];
    let others = set.iter().enumerate().map(|(j, &a)| (a, &set[..j]));
    best_of(vocabulary, others, Place::Inside, 2.0, set.len())
}

/// The best merge of set `i` with the slot on its right or with the next set if that slot is empty, and of the
/// slot with the next set.
fn across(vocabulary: &Vocabulary, history: &History, i: usize) -> Option<Merge> {
    let (set, next) = (&history.sets()[i], history.sets().get(i + 1)?);
    let cross = |left: &[Token], right: &[Token], place: Place| {
        let others = left.iter().map(|&a| (a, right));
        best_of(vocabulary, others, place, 1.0, left.len() * right.len())
    };
    match &history.slots()[i..=i] {
        &[EMPTY] => cross(set, next, Place::Left),
        slot => first_of(cross(set, slot, Place::Left), cross(slot, next, Place::Right)),
    }
}

/// The best merge of a token with one of those beside it, at a place of `size` possible pairs of which `k`
/// stand together.
fn best_of<'a>(
    vocabulary: &Vocabulary,
    others: impl Iterator<Item = (Token, &'a [Token])>,
    place: Place,
    k: f64,
    size: usize,
) -> Option<Merge> {
    let mut best: Option<Merge> = None;
    for (a, others) in others {
        for &b in others {
            if let Some(token) = vocabulary.rule(a, b) {
                let score = k * vocabulary.priority(token) / size as f64;
                best = first_of(best, Some(Merge { score, token, pair: Pair::new(a, b), place }));
            }
        }
    }
    best
}

fn flatten(history: &History, out: &mut Vec<Token>) {
    for (i, set) in history.sets().iter().enumerate() {
        let start = out.len();
        out.extend(set);
        out[start..].sort_unstable();
        out.extend(history.slots().get(i).filter(|&&slot| slot != EMPTY));
    }
}
