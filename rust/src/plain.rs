//! Vocabulary construction as the specification reads: the readable twin of [`crate::fast`], and its oracle.
//!
//! The count of every pair, the histories of every pair, and one heap. It also takes what the fast twin
//! cannot: counts beyond 64 bits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::engine::{Engine, Joined, Pulse};
use crate::error::Result;
use crate::history::{History, Stretch};
use crate::pair::{Pair, Token};
use crate::weight::{Count, Weights};

pub struct Plain {
    weights: Weights,
    histories: Vec<History>,
    pairs: FxHashMap<Pair, Tally>,
    /// Holds every pair at its count, and at counts that it had before.
    heap: BinaryHeap<(Count, Reverse<Pair>)>,
    /// Pairs whose count rose and is not in the heap yet.
    risen: Vec<Pair>,
}

/// A pair that stands nowhere counts exactly zero, and has no tally.
#[derive(Default)]
struct Tally {
    count: Count,
    /// Every history with the pair; can name one twice, or one that has lost the pair since.
    histories: Vec<u32>,
}

/// What a merge changes in one history: pairs with the weights that they lose and gain.
type Changes = Vec<(Pair, Count)>;

impl Plain {
    pub fn new(histories: Vec<History>, weights: Weights, pulse: &mut Pulse) -> Result<Self> {
        let mut plain = Self {
            weights,
            histories,
            pairs: FxHashMap::default(),
            heap: BinaryHeap::new(),
            risen: Vec::new(),
        };
        let mut changes = Changes::new();
        for row in 0..plain.histories.len() {
            pulse()?;
            plain.change(row, plain.histories[row].whole(), 1, &mut changes);
            plain.book(row, &mut changes);
        }
        Ok(plain)
    }

    fn change(&self, row: usize, stretch: Stretch, sign: Count, changes: &mut Changes) {
        self.histories[row].pairs(stretch, &self.weights, |pair, weight| changes.push((pair, sign * weight)));
    }

    /// Adds up what one history loses and gains of each pair.
    fn book(&mut self, row: usize, changes: &mut Changes) {
        changes.sort_unstable_by_key(|&(pair, _)| pair);
        for same in changes.chunk_by(|a, b| a.0 == b.0) {
            let pair = same[0].0;
            let change: Count = same.iter().map(|&(_, weight)| weight).sum();
            let tally = self.pairs.entry(pair).or_default();
            tally.count += change;
            if tally.count == 0 {
                self.pairs.remove(&pair);
                continue;
            }
            if same.iter().all(|&(_, weight)| weight > 0) {
                tally.histories.push(row as u32);
            }
            if change > 0 {
                self.risen.push(pair);
            }
        }
        changes.clear();
    }

    fn count(&self, pair: Pair) -> Count {
        self.pairs.get(&pair).map_or(0, |tally| tally.count)
    }

    fn merge_in(&mut self, row: usize, pair: Pair, token: Token, changes: &mut Changes) -> Joined {
        let (mut joined, mut from) = (Joined::default(), 0);
        while let Some(before) = self.histories[row].find(pair, from) {
            self.change(row, before, -1, changes);
            let after = self.histories[row].merge(before, pair, token, &mut joined);
            self.change(row, after, 1, changes);
            from = after.last + 1;
        }
        self.book(row, changes);
        joined
    }
}

impl Engine for Plain {
    fn heaviest(&mut self, _pulse: &mut Pulse) -> Result<Option<(Pair, Count)>> {
        let mut risen = std::mem::take(&mut self.risen);
        risen.sort_unstable();
        risen.dedup();
        for &pair in &risen {
            self.heap.push((self.count(pair), Reverse(pair)));
        }
        while let Some((queued, Reverse(pair))) = self.heap.pop() {
            let count = self.count(pair);
            // What rose in a replay may be gone by now.
            if count == queued && count > 0 {
                return Ok(Some((pair, count)));
            }
            // The count fell: it goes back to where it belongs. One that rose has a better entry.
            if 0 < count && count < queued {
                self.heap.push((count, Reverse(pair)));
            }
        }
        Ok(None)
    }

    fn merge(&mut self, pair: Pair, token: Token, pulse: &mut Pulse) -> Result<Joined> {
        let mut joined = Joined::default();
        let mut rows = self.pairs.get_mut(&pair).map(|tally| std::mem::take(&mut tally.histories));
        let rows = rows.as_mut().map_or(&mut [][..], |rows| rows);
        rows.sort_unstable();
        let mut changes = Changes::new();
        for same in rows.chunk_by(|a, b| a == b) {
            pulse()?;
            joined += self.merge_in(same[0] as usize, pair, token, &mut changes);
        }
        debug_assert!(!self.pairs.contains_key(&pair), "a pair merged everywhere stands nowhere");
        Ok(joined)
    }

    fn segmentation(&self) -> Vec<History> {
        self.histories.clone()
    }
}
