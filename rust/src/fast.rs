//! Vocabulary construction, fast: the same merges as [`crate::plain`].
//!
//! Most pairs are light and are never merged, but keeping their counts is nearly all the work. So only those
//! are counted that may be merged soon. That rests on one fact: **two tokens that do not stand together now
//! never will, unless one of them is yet to be made.** Merges take tokens out of sets and put new ones in; a
//! set that is emptied takes over a slot beside it, and the tokens that become neighbours by that are the new
//! one and others (`places_never_come_back` in the tests checks this by force). So the *places* of a pair, all
//! the spots where its two tokens stand together, only become fewer. A place weighs at most 1, so a pair with
//! fewer than `t` places can never count `t`.
//!
//! Work goes in phases, each with a floor. At its start all pairs with as many places as the floor are
//! counted, after a first pass over the corpus that counts places by hash, roughly and never too low
//! ([`scan`]). From then on counts are kept exact for these, and for pairs of new tokens that have places
//! enough; all others are turned away by a look at one bit ([`tracked`]). When no pair counts as much as the
//! floor any more, the next phase has a lower one. There are few phases, as floors fall by a factor; and while
//! the floor is high, which is when most of the merging is done, only few pairs are tracked.
//!
//! The rest is layout: histories in one flat array ([`corpus`]), lists of histories per token, not per pair
//! ([`postings`]), net changes only ([`change`]), the new token's pairs in a plain array ([`gains`]). Threads
//! share the passes over the corpus, and those merges that touch thousands of histories ([`hand`]): most
//! merges are over in microseconds, and waking a thread takes as long.

mod change;
mod corpus;
mod gains;
mod hand;
mod postings;
mod scan;
mod tracked;
mod weights;

use crate::engine::{Engine, Joined, Pulse};
use crate::error::Result;
use crate::history::History;
use crate::items::Histories;
use crate::pair::{Pair, Token};
use crate::parallel::Workers;
use crate::weight::{Count, Weights};
use corpus::Corpus;
use hand::{Hand, Task};
use postings::Postings;
use scan::{Rows, Sketch};
use tracked::Tracked;
use weights::Narrow;

/// By how much the floor falls from phase to phase at least. It may fall further as long as only [`FEW`] pairs
/// or so are tracked. On Instruments 4 or 8, and 512 to 8,192, make no difference beyond the noise.
const FALL: i64 = 4;
const FEW: usize = 1 << 11;

/// A merge that may touch so many histories is shared among all workers, in rounds of so many for each: what
/// they put aside to be booked stays small.
const MANY: usize = 1 << 12;
const ROUND: usize = 1 << 12;

pub struct Fast {
    corpus: Corpus,
    postings: Postings,
    weights: Narrow,
    workers: Workers,
    /// None until the first count is asked for: a replay needs none.
    tracked: Option<Tracked>,
    /// Places that a pair must have to be tracked.
    places: u32,
    /// Whether a token is in any tracked pair.
    watched: Vec<bool>,
    /// One for each worker.
    hands: Vec<Hand>,
    /// Kept between merges for its room only.
    candidates: Vec<u32>,
}

impl Fast {
    /// A corpus from the tokens of all items, laid end to end. None if its counts may pass 64 bits.
    pub fn new(
        tokens: &[Token],
        n_initial: usize,
        n_categories: usize,
        histories: &Histories,
        weights: &Weights,
        workers: Workers,
    ) -> Option<Self> {
        u32::try_from(histories.n_events()).ok()?;
        let weights = Narrow::new(weights, n_categories, histories.n_events())?;
        let corpus = Corpus::new(tokens, n_categories, histories);
        let rows = (0..corpus.len()).map(|row| corpus.row(row).cells());
        Some(Self {
            postings: Postings::new(n_initial, &rows),
            corpus,
            weights,
            hands: (0..workers.len()).map(|_| Hand::default()).collect(),
            workers,
            tracked: None,
            places: 0,
            watched: vec![false; n_initial],
            candidates: Vec::new(),
        })
    }

    /// Starts a phase whose floor is at most `most`.
    fn count(&mut self, most: i64, pulse: &mut Pulse) -> Result<()> {
        let unit = self.weights.unit();
        let rows = Rows { corpus: &self.corpus, workers: &self.workers };
        let sketch = Sketch::of(&rows, pulse)?;
        let places = i64::from(sketch.places_of(FEW)).min((most - 1) / unit + 1);
        // Below one unit there is no telling pairs apart by their places.
        let floor = if places == 1 { 1 } else { ((places - 1) * unit + 1).min(most) };
        let tracked = scan::count(&rows, &self.weights, &sketch, places as u16, floor, pulse)?;
        self.places = places as u32;
        self.watched.fill(false);
        tracked.each(|pair, _| {
            self.watched[pair.first() as usize] = true;
            self.watched[pair.second() as usize] = true;
        });
        self.tracked = Some(tracked);
        Ok(())
    }
}

impl Engine for Fast {
    fn heaviest(&mut self, pulse: &mut Pulse) -> Result<Option<(Pair, Count)>> {
        let mut most = i64::MAX;
        loop {
            if let Some(tracked) = &mut self.tracked {
                if let Some((pair, count)) = tracked.pop() {
                    return Ok(Some((pair, count.into())));
                }
                if tracked.floor() == 1 {
                    return Ok(None);
                }
                most = (tracked.floor() / FALL).max(1);
            }
            self.tracked = None;
            self.count(most, pulse)?;
        }
    }

    fn merge(&mut self, pair: Pair, token: Token, pulse: &mut Pulse) -> Result<Joined> {
        self.watched.push(false);
        let mut candidates = std::mem::take(&mut self.candidates);
        self.postings.both(pair, &mut candidates);
        let hands = if candidates.len() < MANY { 1 } else { self.hands.len() };
        let (mut joined, mut made) = (Joined::default(), Vec::new());
        for rows in candidates.chunks(ROUND * hands) {
            pulse()?;
            self.round(rows, pair, token, hands);
            for hand in &mut self.hands[..hands] {
                joined += std::mem::take(&mut hand.joined);
                made.append(&mut hand.made);
                for (token, lost) in [pair.first(), pair.second()].into_iter().zip(&mut hand.lost) {
                    self.postings.lose(token, lost);
                }
            }
        }
        self.candidates = candidates;
        self.postings.push(made);
        self.postings.clean(pair.first());
        self.postings.clean(pair.second());
        self.settle(pair, token);
        Ok(joined)
    }

    fn segmentation(&self) -> Vec<History> {
        (0..self.corpus.len()).map(|row| self.corpus.history(row)).collect()
    }
}

impl Fast {
    /// Merges in some histories, cut into shares for as many hands.
    fn round(&mut self, rows: &[u32], pair: Pair, token: Token, hands: usize) {
        let task = Task { pair, token, weights: &self.weights, watched: &self.watched };
        let mut part = self.corpus.whole();
        if hands == 1 {
            return self.hands[0].merge(&mut part, rows, task, self.tracked.as_mut());
        }
        let mut jobs = Vec::with_capacity(hands);
        for (hand, share) in self.hands.iter_mut().zip(rows.chunks(rows.len().div_ceil(hands))) {
            let (own, others) = part.split(share[share.len() - 1] + 1);
            jobs.push((hand, own, share));
            part = others;
        }
        let tracked = self.tracked.as_ref();
        self.workers.each(&mut jobs, |_, (hand, part, share)| hand.merge_beside(part, share, task, tracked));
        drop(jobs);
        if let Some(tracked) = &mut self.tracked {
            self.hands[..hands].iter_mut().for_each(|hand| hand.book(tracked));
        }
    }

    /// Tracks the pairs of the new token that are worth it.
    fn settle(&mut self, pair: Pair, token: Token) {
        let Self { tracked: Some(tracked), hands, watched, places, .. } = self else { return };
        debug_assert_eq!(tracked.count(pair), 0, "a pair merged everywhere stands nowhere");
        tracked.settle();
        let Some((first, others)) = hands.split_first_mut() else { return };
        for other in others {
            other.gains.drain(|token, count, found| first.gains.add_places(token, count, found));
        }
        first.gains.drain(|other, count, found| {
            if found >= *places {
                tracked.insert(Pair::new(token, other), count);
                watched[other as usize] = true;
                watched[token as usize] = true;
            }
        });
    }
}
