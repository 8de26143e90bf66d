//! The pairs of the whole corpus, gone through once a phase.

use super::corpus::{Corpus, Row};
use super::tracked::{Tracked, top};
use super::weights::Narrow;
use crate::engine::Pulse;
use crate::error::Result;
use crate::history::{EMPTY, Stretch};
use crate::pair::{Pair, Token};
use crate::parallel::Workers;

/// All histories, and who goes through them.
pub struct Rows<'a> {
    pub corpus: &'a Corpus,
    pub workers: &'a Workers,
}

/// Histories between two beats of the pulse.
const BLOCK: usize = 1 << 16;

impl Rows<'_> {
    /// `job` with every history. Every worker has its own part and its own share of each block.
    fn each<T: Send>(
        &self,
        make: impl Fn() -> T,
        job: impl Fn(&mut T, Row) + Sync + Send,
        pulse: &mut Pulse,
    ) -> Result<Vec<T>> {
        let mut parts: Vec<T> = (0..self.workers.len()).map(|_| make()).collect();
        for start in (0..self.corpus.len()).step_by(BLOCK) {
            pulse()?;
            let rows = start..self.corpus.len().min(start + BLOCK);
            let share = rows.len().div_ceil(parts.len());
            self.workers.each(&mut parts, |i, part| {
                rows.clone().skip(i * share).take(share).for_each(|row| job(part, self.corpus.row(row)));
            });
        }
        Ok(parts)
    }
}

/// Counters of the smallest sketch, and of the largest. With more the passes wait for memory: on 10 million
/// events half of the time went into passes with 2^25 counters, and with 2^21 it was a quarter less in all,
/// though a few more pairs are let through.
const LEAST: usize = 64;
const MOST: usize = 1 << 21;

/// Places of pairs, counted by hash: never too few, too many where pairs collide.
pub struct Sketch(Vec<u16>);

impl Sketch {
    /// The places of all pairs.
    pub fn of(rows: &Rows, pulse: &mut Pulse) -> Result<Self> {
        // There are several places to a token, but the pairs that matter have many places each.
        let n = (rows.corpus.n_cells() / 2).next_power_of_two().clamp(LEAST, MOST);
        let count = |counters: &mut Vec<u16>, row: Row| {
            each_pair(row, whole(row), |pair| {
                let counter = &mut counters[top(pair.hash(), n)];
                *counter = counter.saturating_add(1);
            });
        };
        let parts = rows.each(|| vec![0_u16; n], count, pulse)?;
        let add = |mut all: Vec<u16>, part: Vec<u16>| {
            all.iter_mut().zip(part).for_each(|(all, part)| *all = all.saturating_add(part));
            all
        };
        Ok(Self(parts.into_iter().reduce(add).unwrap_or_default()))
    }

    /// The fewest places such that no more than `few` pairs or so have as many.
    pub fn places_of(&self, few: usize) -> u16 {
        let most = self.0.iter().copied().max().unwrap_or(0);
        let mut pairs = vec![0_usize; usize::from(most) + 1];
        self.0.iter().for_each(|&places| pairs[usize::from(places)] += 1);
        let mut more = 0;
        let enough = |places: &u16| {
            more += pairs[usize::from(*places)];
            more <= few
        };
        (1..=most).rev().take_while(enough).last().unwrap_or(most.max(1))
    }

    fn may_have(&self, pair: Pair, places: u16) -> bool {
        self.0[top(pair.hash(), self.0.len())] >= places
    }
}

/// Counts the pairs that may have as many places as asked.
pub fn count(
    rows: &Rows,
    weights: &Narrow,
    sketch: &Sketch,
    places: u16,
    floor: i64,
    pulse: &mut Pulse,
) -> Result<Tracked> {
    let add = |tracked: &mut Tracked, row: Row| {
        pairs(row, whole(row), weights, |pair, weight| {
            if sketch.may_have(pair, places) {
                tracked.add(pair, weight);
            }
        });
    };
    let parts = rows.each(|| Tracked::new(floor), add, pulse)?;
    let join = |mut all: Tracked, part: Tracked| {
        part.each(|pair, count| all.add(pair, count));
        all
    };
    let mut tracked = parts.into_iter().reduce(join).unwrap_or_else(|| Tracked::new(floor));
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
