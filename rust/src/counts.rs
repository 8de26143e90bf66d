//! The exact count of every pair that stands somewhere, and the histories where it does.

use rustc_hash::FxHashMap;

use crate::history::{History, Stretch};
use crate::pair::Pair;
use crate::weight::{Count, Weights};

/// What one history loses and gains in a merge, netted pair by pair.
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

    /// Empties itself into one change a pair.
    fn net(&mut self, mut emit: impl FnMut(Pair, Change)) {
        for same in self.0.chunk_by(|a, b| a.0 == b.0) {
            let amount = same.iter().map(|&(_, weight)| weight).sum();
            let arrives = same.iter().all(|&(_, weight)| weight > 0);
            emit(same[0].0, Change { amount, arrives });
        }
        self.0.clear();
    }
}

struct Change {
    amount: Count,
    /// The stretch did not hold the pair before, so the history may be new to it.
    arrives: bool,
}

#[derive(Debug, Default)]
struct Tally {
    count: Count,
    /// Holds every history with the pair; can name one twice, or one that has lost the pair since.
    histories: Vec<u32>,
}

/// Counts of pairs. A pair that stands nowhere counts exactly zero and takes no room.
#[derive(Debug, Default)]
pub struct Counts(FxHashMap<Pair, Tally>);

impl Counts {
    /// The count of a pair.
    pub fn get(&self, pair: Pair) -> Count {
        self.0.get(&pair).map_or(0, |tally| tally.count)
    }

    /// Books the sorted changes of a history, and notes the pairs whose count rose.
    pub fn book(&mut self, history: u32, changes: &mut Changes, risen: &mut Vec<Pair>) {
        changes.net(|pair, change| {
            if change.amount == 0 {
                return;
            }
            let tally = self.0.entry(pair).or_default();
            tally.count += change.amount;
            if change.arrives {
                tally.histories.push(history);
            }
            if change.amount > 0 {
                risen.push(pair);
            } else if tally.count == 0 {
                self.0.remove(&pair);
            }
        });
    }

    /// The histories that may hold a pair, each once. The pair is about to be merged away: its list is handed over.
    pub fn take_histories(&mut self, pair: Pair) -> Vec<u32> {
        let tally = self.0.get_mut(&pair);
        let mut histories = tally.map(|tally| std::mem::take(&mut tally.histories)).unwrap_or_default();
        histories.sort_unstable();
        histories.dedup();
        histories
    }
}
