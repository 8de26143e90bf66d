//! Canonical encoding of items.

use crate::pair::Token;
use crate::vocabulary::Vocabulary;

/// Encodes item after item with the same memory.
#[derive(Debug, Default)]
pub struct Canonical {
    /// 0 where a token has been merged into another.
    set: Vec<Token>,
    /// The merges that are open now, in no particular order.
    open: Vec<Merge>,
}

#[derive(Debug, Clone, Copy)]
struct Merge {
    priority: f64,
    token: Token,
    places: [usize; 2],
}

impl Merge {
    /// Whether it has the higher priority, then the lower merge id.
    fn beats(&self, other: &Self) -> bool {
        self.priority.total_cmp(&other.priority).then(other.token.cmp(&self.token)).is_gt()
    }
}

impl Canonical {
    /// Merges the pair with the highest priority (ties: the lower merge id) until no rule is left. Appends the
    /// tokens, sorted, to `out`.
    pub fn encode(&mut self, vocabulary: &Vocabulary, set: &[Token], out: &mut Vec<Token>) {
        self.set.clear();
        self.set.extend_from_slice(set);
        self.open.clear();
        for place in 1..set.len() {
            self.open(vocabulary, place, 0..place);
        }
        while let Some(Merge { token, places: [place, gone], .. }) = self.best() {
            self.set[place] = token;
            self.set[gone] = 0;
            self.open.retain(|merge| !merge.places.contains(&place) && !merge.places.contains(&gone));
            self.open(vocabulary, place, (0..place).chain(place + 1..set.len()));
        }
        let start = out.len();
        out.extend(self.set.iter().filter(|&&token| token != 0));
        out[start..].sort_unstable();
    }

    fn open(&mut self, vocabulary: &Vocabulary, place: usize, others: impl Iterator<Item = usize>) {
        for other in others {
            // What has been merged is in no rule.
            let token = vocabulary.rules().get(self.set[place], self.set[other]);
            if token != 0 {
                let priority = vocabulary.priority(token);
                self.open.push(Merge { priority, token, places: [place, other] });
            }
        }
    }

    fn best(&self) -> Option<Merge> {
        self.open.iter().copied().reduce(|best, merge| if merge.beats(&best) { merge } else { best })
    }
}
