//! The pairs of the whole corpus, gone through once a phase.

use super::corpus::{Corpus, Row};
use super::tracked::{Tracked, top};
use super::weights::Narrow;
use crate::engine::Pulse;
use crate::error::Result;
use crate::history::{EMPTY, Stretch};
use crate::pair::{Pair, Token};

/// Places of pairs, counted by hash: never too few, too many where pairs collide.
pub struct Sketch(Vec<u16>);

impl Sketch {
    /// A sketch with `n` counters, a power of two.
    pub fn of(corpus: &Corpus, n: usize, pulse: &mut Pulse) -> Result<Self> {
        let mut counters = vec![0_u16; n];
        for row in 0..corpus.len() {
            pulse()?;
            let row = corpus.row(row);
            each_pair(row, whole(row), |pair| {
                let counter = &mut counters[top(pair.hash(), n)];
                *counter = counter.saturating_add(1);
            });
        }
        Ok(Self(counters))
    }

    /// The most places that a pair may have.
    pub fn most(&self) -> u16 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    fn may_have(&self, pair: Pair, places: u16) -> bool {
        self.0[top(pair.hash(), self.0.len())] >= places
    }
}

/// Counts the pairs that may have as many places as asked.
pub fn count(
    corpus: &Corpus,
    weights: &Narrow,
    sketch: Option<(&Sketch, u16)>,
    floor: i64,
    pulse: &mut Pulse,
) -> Result<Tracked> {
    let mut tracked = Tracked::new(floor);
    for row in 0..corpus.len() {
        pulse()?;
        let row = corpus.row(row);
        pairs(row, whole(row), weights, |pair, weight| {
            if sketch.is_none_or(|(sketch, places)| sketch.may_have(pair, places)) {
                tracked.add(pair, weight);
            }
        });
    }
    tracked.fill_heap();
    Ok(tracked)
}

fn whole(row: Row) -> Stretch {
    Stretch { first: 0, last: row.len() - 1 }
}

fn each_pair(row: Row, stretch: Stretch, mut emit: impl FnMut(Pair)) {
    blocks(row, stretch, |left, right| match right {
        None => within(left, |a, b| emit(Pair::new(a, b))),
        Some(right) => between(left, right, |a, b| emit(Pair::new(a, b))),
    });
}

/// Emits every pair that a set of the stretch takes part in, with its weight, place by place.
pub fn pairs(row: Row, stretch: Stretch, weights: &Narrow, mut emit: impl FnMut(Pair, i64)) {
    blocks(row, stretch, |left, right| match right {
        None => {
            let weight = weights.inside(left.len());
            within(left, |a, b| emit(Pair::new(a, b), weight));
        }
        Some(right) => {
            let weight = weights.across(left.len(), right.len());
            between(left, right, |a, b| emit(Pair::new(a, b), weight));
        }
    });
}

/// Emits every set of the stretch alone, and every two neighbours of which one is in it.
fn blocks<'a>(row: Row<'a>, stretch: Stretch, mut emit: impl FnMut(&'a [Token], Option<&'a [Token]>)) {
    for i in stretch.first..=stretch.last {
        emit(row.set(i), None);
    }
    for i in stretch.first.saturating_sub(1)..(stretch.last + 1).min(row.len() - 1) {
        let (left, right) = (row.set(i), row.set(i + 1));
        match row.slot_cell(i) {
            &[EMPTY] => emit(left, Some(right)),
            slot => {
                emit(left, Some(slot));
                emit(slot, Some(right));
            }
        }
    }
}

fn within(set: &[Token], mut emit: impl FnMut(Token, Token)) {
    for (i, &a) in set.iter().enumerate() {
        for &b in &set[..i] {
            emit(a, b);
        }
    }
}

fn between(left: &[Token], right: &[Token], mut emit: impl FnMut(Token, Token)) {
    for &a in left {
        for &b in right {
            emit(a, b);
        }
    }
}
