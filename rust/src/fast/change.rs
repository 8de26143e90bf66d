//! What a merge in one stretch of a history changes in the counts.
//!
//! Two tokens that stood together before either stand together still, at another weight as their sets have
//! shrunk, or no more. Two that did not never will, but for pairs of the new token. So it is enough to go
//! through what stood there before, and through the new token's neighbours.

use super::corpus::Row;
use super::gains::Gains;
use super::scan::pairs;
use super::tracked::Book;
use super::weights::Narrow;
use crate::history::{EMPTY, Stretch};
use crate::pair::{Pair, Token};

/// The sets of a stretch and their neighbours as they stood before a merge, kept between merges for its room.
#[derive(Default)]
pub struct Window {
    first: usize,
    sets: Vec<Set>,
    tokens: Vec<Token>,
}

/// One set of a window. Its tokens lie in order: those that stay and are watched, those that stay and are in
/// no tracked pair, those that leave.
#[derive(Clone, Copy)]
struct Set {
    start: usize,
    watched: usize,
    stay: usize,
    before: usize,
    after: usize,
    slot: Token,
    /// Whether the new token was made inside.
    made: bool,
}

/// Where changes are booked.
pub struct Ledger<'a, B> {
    pub book: &'a mut B,
    pub gains: &'a mut Gains,
    pub weights: &'a Narrow,
    /// Whether a token is in any tracked pair.
    pub watched: &'a [bool],
}

impl Window {
    /// Copies what is about to change.
    pub fn copy(&mut self, row: Row, stretch: Stretch) {
        self.first = stretch.first.saturating_sub(1);
        self.sets.clear();
        self.tokens.clear();
        for i in self.first..=(stretch.last + 1).min(row.len() - 1) {
            let (start, before, slot) = (self.tokens.len(), row.size(i), row.slot(i));
            self.tokens.extend_from_slice(row.set(i));
            self.sets.push(Set { start, watched: 0, stay: 0, before, after: before, slot, made: false });
        }
    }

    /// Books the merge of a pair into `token` that left no set empty: what was copied, against what is there.
    pub fn book(&mut self, row: Row, pair: Pair, token: Token, ledger: &mut Ledger<impl Book>) {
        for k in 0..self.sets.len() {
            self.sort(k, row.set(self.first + k), pair, token, ledger.watched);
            self.book_inside(k, ledger);
        }
        for k in 1..self.sets.len() {
            self.book_boundary(k - 1, row.slot(self.first + k - 1), token, ledger);
        }
    }

    /// Takes away all that stood in the stretch.
    pub fn lose(&self, stretch: Stretch, ledger: &mut Ledger<impl Book>) {
        let Ledger { book, weights, .. } = ledger;
        let mut bump = |a: &[Token], b: &[Token], weight: i64| {
            for &a in a {
                for &b in b {
                    book.bump(Pair::new(a, b), -weight);
                }
            }
        };
        for (k, &set) in self.sets.iter().enumerate() {
            let tokens = self.before(set);
            if (stretch.first..=stretch.last).contains(&(self.first + k)) {
                let weight = weights.inside(set.before);
                (0..tokens.len()).for_each(|i| bump(&tokens[i..=i], &tokens[..i], weight));
            }
            let Some(&next) = self.sets.get(k + 1) else { break };
            if set.slot == EMPTY {
                bump(tokens, self.before(next), weights.across(set.before, next.before));
            } else {
                bump(tokens, &[set.slot], weights.across(set.before, 1));
                bump(self.before(next), &[set.slot], weights.across(next.before, 1));
            }
        }
    }

    fn before(&self, set: Set) -> &[Token] {
        &self.tokens[set.start..][..set.before]
    }

    fn sort(&mut self, k: usize, now: &[Token], pair: Pair, token: Token, watched: &[bool]) {
        let set = &mut self.sets[k];
        let tokens = &mut self.tokens[set.start..][..set.before];
        let changed = now.len() != set.before;
        set.after = now.len();
        set.made = changed && now.contains(&token);
        set.stay = set.before;
        if changed {
            for part in [pair.first(), pair.second()] {
                if let Some(place) = tokens[..set.stay].iter().position(|&other| other == part)
                    && !now.contains(&part)
                {
                    set.stay -= 1;
                    tokens.swap(place, set.stay);
                }
            }
        }
        for i in 0..set.stay {
            if watched[tokens[i] as usize] {
                tokens.swap(i, set.watched);
                set.watched += 1;
            }
        }
    }

    fn stay(&self, set: Set) -> &[Token] {
        &self.tokens[set.start..][..set.stay]
    }

    fn watched(&self, set: Set) -> &[Token] {
        &self.tokens[set.start..][..set.watched]
    }

    fn leave(&self, set: Set) -> &[Token] {
        &self.tokens[set.start + set.stay..set.start + set.before]
    }

    fn book_inside(&self, k: usize, ledger: &mut Ledger<impl Book>) {
        let set = self.sets[k];
        if set.before == set.after {
            return;
        }
        let (before, after) = (ledger.weights.inside(set.before), ledger.weights.inside(set.after));
        let (watched, leave) = (self.watched(set), self.leave(set));
        for (i, &a) in watched.iter().enumerate() {
            for &b in &watched[..i] {
                ledger.book.bump(Pair::new(a, b), after - before);
            }
        }
        for (i, &a) in leave.iter().enumerate() {
            for &b in watched.iter().chain(&leave[..i]) {
                ledger.book.bump(Pair::new(a, b), -before);
            }
        }
        if set.made {
            self.stay(set).iter().for_each(|&b| ledger.gains.add(b, after));
        }
        debug_assert_eq!(set.after, set.stay + usize::from(set.made), "the rest has left");
    }

    fn book_boundary(&self, k: usize, slot: Token, token: Token, ledger: &mut Ledger<impl Book>) {
        let (left, right) = (self.sets[k], self.sets[k + 1]);
        match (left.slot, slot) {
            (EMPTY, EMPTY) if left.before == left.after && right.before == right.after => {}
            (EMPTY, EMPTY) => self.book_neighbours(left, right, token, ledger),
            (EMPTY, _) => {
                let before = -ledger.weights.across(left.before, right.before);
                for &a in self.watched(left).iter().chain(self.leave(left)) {
                    for &b in self.watched(right).iter().chain(self.leave(right)) {
                        ledger.book.bump(Pair::new(a, b), before);
                    }
                }
                self.gain_beside(left, token, ledger);
                self.gain_beside(right, token, ledger);
            }
            (old, new) => {
                self.book_beside(left, old, old == new, token, ledger);
                self.book_beside(right, old, old == new, token, ledger);
            }
        }
    }

    /// Two sets on both sides of a slot that was and is empty.
    fn book_neighbours(&self, left: Set, right: Set, token: Token, ledger: &mut Ledger<impl Book>) {
        let before = ledger.weights.across(left.before, right.before);
        let after = ledger.weights.across(left.after, right.after);
        for &a in self.watched(left) {
            for &b in self.watched(right) {
                ledger.book.bump(Pair::new(a, b), after - before);
            }
            for &b in self.leave(right) {
                ledger.book.bump(Pair::new(a, b), -before);
            }
        }
        for &a in self.leave(left) {
            for &b in self.watched(right).iter().chain(self.leave(right)) {
                ledger.book.bump(Pair::new(a, b), -before);
            }
        }
        if left.made {
            self.stay(right).iter().for_each(|&b| ledger.gains.add(b, after));
        }
        if right.made {
            self.stay(left).iter().for_each(|&a| ledger.gains.add(a, after));
        }
        if left.made && right.made {
            ledger.gains.add(token, after);
        }
    }

    /// A set beside a slot that holds `slot` still, or held it and has the new token now.
    fn book_beside(&self, set: Set, slot: Token, still: bool, token: Token, ledger: &mut Ledger<impl Book>) {
        let before = ledger.weights.across(set.before, 1);
        if !still {
            for &a in self.watched(set).iter().chain(self.leave(set)) {
                ledger.book.bump(Pair::new(a, slot), -before);
            }
            self.gain_beside(set, token, ledger);
        } else if set.before != set.after {
            let after = ledger.weights.across(set.after, 1);
            for &a in self.watched(set) {
                ledger.book.bump(Pair::new(a, slot), after - before);
            }
            for &a in self.leave(set) {
                ledger.book.bump(Pair::new(a, slot), -before);
            }
            if set.made {
                ledger.gains.add(slot, after);
            }
        }
    }

    /// A set beside a slot that the new token has come into.
    fn gain_beside(&self, set: Set, token: Token, ledger: &mut Ledger<impl Book>) {
        let after = ledger.weights.across(set.after, 1);
        self.stay(set).iter().for_each(|&a| ledger.gains.add(a, after));
        if set.made {
            ledger.gains.add(token, after);
        }
    }
}

/// Adds all that stands in the stretch.
pub fn gain(row: Row, stretch: Stretch, token: Token, ledger: &mut Ledger<impl Book>) {
    let Ledger { book, gains, weights, .. } = ledger;
    pairs(row, stretch, weights, |pair, weight| match pair.partner(token) {
        Some(other) => gains.add(other, weight),
        None => book.bump(pair, weight),
    });
}
