//! One history under merging: a row of sets, and a slot between any two of them.

use crate::engine::Joined;
use crate::pair::{Pair, Token};
use crate::weight::{Count, Weights};

/// What an empty slot holds.
pub const EMPTY: Token = 0;

/// The sets of a history and the slots between them (one fewer). No set is ever empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    sets: Vec<Vec<Token>>,
    slots: Vec<Token>,
}

/// A stretch of neighbouring sets, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub first: usize,
    pub last: usize,
}

/// Where two tokens can be merged, seen from a set; in the order in which merges go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Both in the set.
    Inside,
    /// The set with the slot on its right or, if that is empty, with the next set.
    Left,
    /// That slot with the next set.
    Right,
}

impl History {
    /// A history with nothing merged yet.
    #[must_use]
    pub fn new(sets: Vec<Vec<Token>>) -> Self {
        let slots = vec![EMPTY; sets.len().saturating_sub(1)];
        Self { sets, slots }
    }

    pub(crate) fn from_parts(sets: Vec<Vec<Token>>, slots: Vec<Token>) -> Self {
        Self { sets, slots }
    }

    /// The sets, from left to right.
    #[must_use]
    pub fn sets(&self) -> &[Vec<Token>] {
        &self.sets
    }

    /// The slot on each set's right but the last one's; 0 where it is empty.
    #[must_use]
    pub fn slots(&self) -> &[Token] {
        &self.slots
    }

    /// All sets.
    pub(crate) fn whole(&self) -> Stretch {
        Stretch { first: 0, last: self.sets.len() - 1 }
    }

    /// The first stretch, from a set on, such that the pair stands in it and nowhere in or beside the sets
    /// next to it.
    pub(crate) fn find(&self, pair: Pair, from: usize) -> Option<Stretch> {
        let mut found: Option<Stretch> = None;
        for i in from..self.sets.len() {
            if found.is_some_and(|stretch| stretch.last + 1 < i) {
                break;
            }
            let across = i < self.slots.len() && self.holds_across(i, pair);
            if across || self.holds_inside(i, pair) {
                let first = found.map_or(i, |stretch| stretch.first);
                found = Some(Stretch { first, last: i + usize::from(across) });
            }
        }
        found
    }

    fn holds_inside(&self, i: usize, pair: Pair) -> bool {
        let set = &self.sets[i];
        !pair.is_twin() && set.contains(&pair.first()) && set.contains(&pair.second())
    }

    fn holds_across(&self, i: usize, pair: Pair) -> bool {
        let (left, right) = (&self.sets[i], &self.sets[i + 1]);
        let (u, v) = (pair.first(), pair.second());
        match self.slots[i] {
            EMPTY => left.contains(&u) && right.contains(&v) || left.contains(&v) && right.contains(&u),
            slot => pair.partner(slot).is_some_and(|token| left.contains(&token) || right.contains(&token)),
        }
    }

    /// Merges the pair wherever it stands in the stretch, from left to right, settles, and counts the merges.
    /// Returns the stretch that the sets now take.
    pub(crate) fn merge(
        &mut self,
        stretch: Stretch,
        pair: Pair,
        token: Token,
        joined: &mut Joined,
    ) -> Stretch {
        for i in stretch.first..=stretch.last {
            joined.inside += u64::from(self.merge_at(i, Place::Inside, pair, token));
            if i < stretch.last {
                joined.across += u64::from(self.merge_at(i, Place::Left, pair, token));
                joined.across += u64::from(self.merge_at(i, Place::Right, pair, token));
            }
        }
        self.settle(stretch)
    }

    /// Merges the pair at one place of set `i`, if it stands there. Sets may be empty until [`Self::settle`].
    pub(crate) fn merge_at(&mut self, i: usize, place: Place, pair: Pair, token: Token) -> bool {
        match place {
            Place::Inside => self.merge_inside(i, pair, token),
            Place::Left if self.slots[i] == EMPTY => self.merge_sets(i, pair, token),
            Place::Left => self.merge_with_slot(i, i, pair, token),
            Place::Right => self.merge_with_slot(i + 1, i, pair, token),
        }
    }

    fn merge_inside(&mut self, i: usize, pair: Pair, token: Token) -> bool {
        let holds = self.holds_inside(i, pair);
        if holds {
            self.sets[i].retain(|&other| pair.partner(other).is_none());
            self.sets[i].push(token);
        }
        holds
    }

    fn merge_with_slot(&mut self, i: usize, slot: usize, pair: Pair, token: Token) -> bool {
        let partner = pair.partner(self.slots[slot]);
        let holds = partner.is_some_and(|partner| take(&mut self.sets[i], partner));
        if holds {
            self.slots[slot] = token;
        }
        holds
    }

    fn merge_sets(&mut self, i: usize, pair: Pair, token: Token) -> bool {
        let (u, v) = (pair.first(), pair.second());
        for (left, right) in [(u, v), (v, u)] {
            if self.sets[i].contains(&left) && take(&mut self.sets[i + 1], right) {
                take(&mut self.sets[i], left);
                self.slots[i] = token;
                return true;
            }
        }
        false
    }

    /// Gives every emptied set of the stretch the token of the slot on its left, else of that on its right,
    /// else drops it together with one of its empty slots. Returns the stretch that is left.
    pub(crate) fn settle(&mut self, stretch: Stretch) -> Stretch {
        let Stretch { first, mut last } = stretch;
        let mut i = first;
        while i <= last {
            if self.sets[i].is_empty() && !self.refill(i) {
                self.sets.remove(i);
                self.slots.remove(i.min(self.slots.len() - 1));
                last -= 1;
            } else {
                i += 1;
            }
        }
        Stretch { first, last }
    }

    fn refill(&mut self, i: usize) -> bool {
        let around = [i.checked_sub(1), Some(i).filter(|&i| i < self.slots.len())];
        let full = around.into_iter().flatten().find(|&slot| self.slots[slot] != EMPTY);
        if let Some(slot) = full {
            self.sets[i].push(self.slots[slot]);
            self.slots[slot] = EMPTY;
        }
        full.is_some()
    }

    /// Emits every pair that a set of the stretch takes part in, with its weight; a pair can come several
    /// times.
    pub(crate) fn pairs(&self, stretch: Stretch, weights: &Weights, mut emit: impl FnMut(Pair, Count)) {
        for set in &self.sets[stretch.first..=stretch.last] {
            let weight = weights.inside(set.len());
            for (j, &a) in set.iter().enumerate() {
                for &b in &set[..j] {
                    emit(Pair::new(a, b), weight);
                }
            }
        }
        let boundaries = stretch.first.saturating_sub(1)..(stretch.last + 1).min(self.slots.len());
        for i in boundaries {
            let (left, right) = (&self.sets[i], &self.sets[i + 1]);
            match &self.slots[i..=i] {
                &[EMPTY] => cross(left, right, weights, &mut emit),
                slot => {
                    cross(left, slot, weights, &mut emit);
                    cross(slot, right, weights, &mut emit);
                }
            }
        }
    }
}

fn cross(left: &[Token], right: &[Token], weights: &Weights, emit: &mut impl FnMut(Pair, Count)) {
    let weight = weights.across(left.len(), right.len());
    for &a in left {
        for &b in right {
            emit(Pair::new(a, b), weight);
        }
    }
}

fn take(set: &mut Vec<Token>, token: Token) -> bool {
    let found = set.iter().position(|&other| other == token);
    if let Some(i) = found {
        set.remove(i);
    }
    found.is_some()
}
