//! The exact count of every pair that stands somewhere, and the histories where it does.

use rustc_hash::FxHashMap;

use crate::history::{History, Stretch};
use crate::pair::Pair;
use crate::parallel::Workers;
use crate::weight::{Count, Weights};

/// What one history loses and gains in a merge.
///
/// Stretches of one history must not touch: then what one gains, the next does not lose, and a pair that is
/// only gained is one that the history may be new to.
#[derive(Debug, Default)]
pub struct Changes(Vec<(Pair, Count)>);

impl Changes {
    /// Takes away what the stretch holds.
    pub fn lose(&mut self, history: &History, stretch: Stretch, weights: &Weights) {
        history.pairs(stretch, weights, |pair, weight| self.0.push((pair, -weight)));
    }

    /// Adds what the stretch holds.
    pub fn gain(&mut self, history: &History, stretch: Stretch, weights: &Weights) {
        history.pairs(stretch, weights, |pair, weight| self.0.push((pair, weight)));
    }

    /// Brings what belongs to one pair together, for [`Counts::book`].
    pub fn sort(&mut self) {
        self.0.sort_unstable_by_key(|&(pair, _)| pair);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// One change a pair, once sorted.
    fn net(&self) -> impl Iterator<Item = (Pair, Change)> {
        self.0.chunk_by(|a, b| a.0 == b.0).map(|same| {
            let amount = same.iter().map(|&(_, weight)| weight).sum();
            let arrives = same.iter().all(|&(_, weight)| weight > 0);
            (same[0].0, Change { amount, arrives })
        })
    }
}

struct Change {
    amount: Count,
    /// Nothing of the pair was lost, so the history may be new to it.
    arrives: bool,
}

#[derive(Debug, Default)]
struct Tally {
    count: Count,
    /// Holds every history with the pair; can name one twice, or one that has lost the pair since.
    histories: Vec<u32>,
}

/// Counts of pairs. A pair that stands nowhere counts exactly zero and takes no room.
///
/// The pairs are spread over shards, one a worker, so that a block of histories can be booked by all workers
/// at once.
#[derive(Debug)]
pub struct Counts(Vec<Shard>);

type Shard = FxHashMap<Pair, Tally>;

impl Counts {
    /// No counts yet.
    pub fn new(n_shards: usize) -> Self {
        Self((0..n_shards).map(|_| Shard::default()).collect())
    }

    fn shard(&self, pair: Pair) -> usize {
        shard_of(pair, self.0.len())
    }

    /// The count of a pair.
    pub fn get(&self, pair: Pair) -> Count {
        self.0[self.shard(pair)].get(&pair).map_or(0, |tally| tally.count)
    }

    /// Every pair that stands somewhere, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = (Pair, Count)> {
        self.0.iter().flatten().map(|(&pair, tally)| (pair, tally.count))
    }

    /// Books the sorted changes of a history, and tells the pairs whose count rose, with their counts by now.
    pub fn book(&mut self, history: u32, changes: &Changes, mut risen: impl FnMut(Pair, Count)) {
        for (pair, change) in changes.net() {
            let shard = self.shard(pair);
            let count = book(&mut self.0[shard], history, pair, &change);
            if change.amount > 0 {
                risen(pair, count);
            }
        }
    }

    /// Books the sorted changes of a row of histories, of which `first` is the first, on all workers.
    pub fn book_block(&mut self, first: u32, block: &[Changes], workers: &Workers) {
        let n_shards = self.0.len();
        workers.each(&mut self.0, |own, mine| {
            for (history, changes) in (first..).zip(block) {
                let changes = changes.net().filter(|(pair, _)| shard_of(*pair, n_shards) == own);
                for (pair, change) in changes {
                    book(mine, history, pair, &change);
                }
            }
        });
    }

    /// The histories that may hold a pair, each once. The pair is about to be merged away: its list is handed
    /// over.
    pub fn take_histories(&mut self, pair: Pair) -> Vec<u32> {
        let shard = self.shard(pair);
        let tally = self.0[shard].get_mut(&pair);
        let mut histories = tally.map(|tally| std::mem::take(&mut tally.histories)).unwrap_or_default();
        histories.sort_unstable();
        histories.dedup();
        histories
    }
}

fn shard_of(pair: Pair, n_shards: usize) -> usize {
    (pair.first() as usize + pair.second() as usize) % n_shards
}

fn book(shard: &mut Shard, history: u32, pair: Pair, change: &Change) -> Count {
    if change.amount == 0 {
        return 0;
    }
    let tally = shard.entry(pair).or_default();
    tally.count += change.amount;
    if change.arrives {
        tally.histories.push(history);
    }
    let count = tally.count;
    if count == 0 {
        shard.remove(&pair);
    }
    count
}
