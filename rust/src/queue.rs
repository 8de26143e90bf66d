//! Which pair is merged next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::counts::Counts;
use crate::pair::Pair;
use crate::weight::Count;

/// A lazy heap: for every pair with a count it holds an entry at least that high. An entry goes stale when
/// the count moves on; it is put right when it comes to the top.
#[derive(Debug, Default)]
pub struct Queue(BinaryHeap<(Count, Reverse<Pair>)>);

impl Queue {
    /// A queue of all pairs.
    pub fn new(counts: &Counts) -> Self {
        Self(counts.all().map(|(pair, count)| (count, Reverse(pair))).collect())
    }

    /// Takes in pairs whose count rose. Falls need no word.
    pub fn push(&mut self, risen: &mut Vec<Pair>, counts: &Counts) {
        risen.sort_unstable();
        risen.dedup();
        self.0.extend(risen.drain(..).map(|pair| (counts.get(pair), Reverse(pair))));
    }

    /// The pair with the largest count; ties go to the smaller first token, then the smaller second.
    pub fn pop(&mut self, counts: &Counts) -> Option<(Pair, Count)> {
        while let Some((queued, Reverse(pair))) = self.0.pop() {
            let count = counts.get(pair);
            if count == queued && count > 0 {
                return Some((pair, count));
            }
            // An entry below the count has a better twin in the heap; one above may be the pair's last.
            if 0 < count && count < queued {
                self.0.push((count, Reverse(pair)));
            }
        }
        None
    }
}
