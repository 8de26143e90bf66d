//! One worker of a merge.

use super::change::{Ledger, Window, gain};
use super::corpus::Part;
use super::gains::Gains;
use super::tracked::{Book, Tracked};
use super::weights::Narrow;
use crate::engine::Joined;
use crate::pair::{Pair, Token};

/// What is to be merged, and by what rules changes are booked.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub pair: Pair,
    pub token: Token,
    pub weights: &'a Narrow,
    /// Whether a token is in any tracked pair.
    pub watched: &'a [bool],
}

/// A worker's own results, and room that is kept between merges.
#[derive(Default)]
pub struct Hand {
    window: Window,
    pub gains: Gains,
    pub joined: Joined,
    /// Histories in which the pair was merged.
    pub made: Vec<u32>,
    /// Histories that have lost the first token of the pair for good, and the second.
    pub lost: [Vec<u32>; 2],
    changes: Vec<(u32, i64)>,
}

/// Histories fetched at once.
const AHEAD: usize = 16;

impl Hand {
    /// As [`Self::merge`], but beside other hands: what is to be booked waits for [`Self::book`].
    pub fn merge_beside(&mut self, part: &mut Part, rows: &[u32], task: Task, tracked: Option<&Tracked>) {
        let mut changes = std::mem::take(&mut self.changes);
        self.merge(
            part,
            rows,
            task,
            tracked.map(|tracked| Aside { tracked, changes: &mut changes }).as_mut(),
        );
        self.changes = changes;
    }

    /// Books what was put aside.
    pub fn book(&mut self, tracked: &mut Tracked) {
        self.changes.drain(..).for_each(|(slot, change)| tracked.apply(slot as usize, change));
    }

    /// Merges in the histories `rows` of a part; without a book, as in a replay, nothing is booked.
    pub fn merge<B: Book>(&mut self, part: &mut Part, rows: &[u32], task: Task, mut book: Option<&mut B>) {
        self.gains.reserve(task.token as usize + 1);
        for ahead in rows.chunks(AHEAD) {
            part.fetch(ahead);
            for &number in ahead {
                let now = self.merge_in(part, number, task, book.as_deref_mut());
                if now != Joined::default() {
                    self.joined += now;
                    self.made.push(number);
                    self.note_losses(part.row(number).cells(), number, task.pair);
                }
            }
        }
    }

    fn merge_in<B: Book>(
        &mut self,
        part: &mut Part,
        number: u32,
        task: Task,
        book: Option<&mut B>,
    ) -> Joined {
        let Task { pair, token, weights, watched } = task;
        let mut row = part.row_mut(number);
        let mut ledger = book.map(|book| Ledger { book, gains: &mut self.gains, weights, watched });
        let (mut joined, mut from) = (Joined::default(), 0);
        while let Some(stretch) = row.view().find(pair, from) {
            self.window.copy(row.view(), stretch);
            let emptied = row.merge(stretch, pair, token, &mut joined);
            let mut after = stretch;
            if emptied {
                if let Some(ledger) = &mut ledger {
                    self.window.lose(stretch, ledger);
                }
                after = row.settle(stretch);
                if let Some(ledger) = &mut ledger {
                    gain(row.view(), after, token, ledger);
                }
            } else if let Some(ledger) = &mut ledger {
                self.window.book(row.view(), pair, token, ledger);
            }
            from = after.last + 1;
        }
        joined
    }

    fn note_losses(&mut self, cells: &[Token], number: u32, pair: Pair) {
        let tokens = [pair.first(), pair.second()];
        for (token, lost) in tokens.into_iter().zip(&mut self.lost).take(2 - usize::from(pair.is_twin())) {
            if !cells.contains(&token) {
                lost.push(number);
            }
        }
    }
}

/// Counts that others read at the same time.
struct Aside<'a> {
    tracked: &'a Tracked,
    changes: &'a mut Vec<(u32, i64)>,
}

impl Book for Aside<'_> {
    fn bump(&mut self, pair: Pair, change: i64) {
        if let Some(slot) = self.tracked.slot(pair) {
            self.changes.push((slot as u32, change));
        }
    }
}
