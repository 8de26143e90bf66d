//! Which pair is merged next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::counts::Counts;
use crate::pair::Pair;
use crate::weight::Count;

/// A lazy heap of the heaviest pairs: every pair that counts at least `floor` has an entry at least as high
/// as its count. An entry goes stale when the count moves on; it is put right when it comes to the top. When
/// the heap is dry the floor is lowered, and all counts are gone through once.
///
/// Most pairs are light and never merged. A heap of all of them takes a third of the training, in cache
/// misses; with the floor, there are as many passes over the counts as they halve from the heaviest to the
/// lightest.
#[derive(Debug)]
pub struct Queue {
    heap: BinaryHeap<(Count, Reverse<Pair>)>,
    floor: Count,
}

impl Queue {
    /// An empty queue, to be filled at the first [`Self::pop`].
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), floor: Count::MAX }
    }

    /// Whether a pair that rose to this count must be pushed.
    pub fn takes(&self, count: Count) -> bool {
        count >= self.floor
    }

    /// Takes in pairs that rose. Falls need no word.
    pub fn push(&mut self, risen: &mut Vec<Pair>, counts: &Counts) {
        risen.sort_unstable();
        risen.dedup();
        self.heap.extend(risen.drain(..).map(|pair| (counts.get(pair), Reverse(pair))));
    }

    /// The pair with the largest count; ties go to the smaller first token, then the smaller second.
    pub fn pop(&mut self, counts: &Counts) -> Option<(Pair, Count)> {
        loop {
            while let Some((queued, Reverse(pair))) = self.heap.pop() {
                let count = counts.get(pair);
                if count == queued && self.takes(count) {
                    return Some((pair, count));
                }
                // An entry below the count has a better twin in the heap; one above may be the pair's last.
                if count < queued && self.takes(count) {
                    self.heap.push((count, Reverse(pair)));
                }
            }
            self.refill(counts)?;
        }
    }

    fn refill(&mut self, counts: &Counts) -> Option<()> {
        let most = counts.all().map(|(_, count)| count).max()?;
        self.floor = (most / 2).max(1);
        let heavy = counts.all().filter(|&(_, count)| count >= self.floor);
        self.heap = heavy.map(|(pair, count)| (count, Reverse(pair))).collect();
        Some(())
    }
}
