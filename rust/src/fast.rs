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
//! ([`postings`]), net changes only ([`change`]), the new token's pairs in a plain array ([`gains`]).

mod change;
mod corpus;
mod gains;
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
use change::{Ledger, Window};
use corpus::Corpus;
use gains::Gains;
use postings::Postings;
use scan::{Rows, Sketch};
use tracked::Tracked;
use weights::Narrow;

/// By how much the floor falls from phase to phase at least. It may fall further as long as only [`FEW`] pairs
/// or so are tracked. On Instruments 2 to 8 and 512 to 8,192 make no difference that can be measured.
const FALL: i64 = 4;
const FEW: usize = 1 << 11;

/// Histories fetched at once.
const AHEAD: usize = 16;

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
    // Kept between merges for their room only.
    gains: Gains,
    window: Window,
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
            workers,
            tracked: None,
            places: 0,
            watched: vec![false; n_initial],
            gains: Gains::default(),
            window: Window::default(),
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

    fn merge_in(&mut self, number: u32, pair: Pair, token: Token) -> Joined {
        let Self { corpus, weights, tracked, watched, gains, window, .. } = self;
        let mut row = corpus.row_mut(number as usize);
        let mut ledger =
            tracked.as_mut().map(|tracked| Ledger { tracked, gains, weights, watched: watched.as_slice() });
        let (mut joined, mut from) = (Joined::default(), 0);
        while let Some(stretch) = row.view().find(pair, from) {
            window.copy(row.view(), stretch);
            let emptied = row.merge(stretch, pair, token, &mut joined);
            let mut after = stretch;
            if emptied {
                if let Some(ledger) = &mut ledger {
                    window.lose(stretch, ledger);
                }
                after = row.settle(stretch);
                if let Some(ledger) = &mut ledger {
                    change::gain(row.view(), after, token, ledger);
                }
            } else if let Some(ledger) = &mut ledger {
                window.book(row.view(), pair, token, ledger);
            }
            from = after.last + 1;
        }
        joined
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
        self.gains.reserve(token as usize + 1);
        self.watched.push(false);
        let mut candidates = std::mem::take(&mut self.candidates);
        self.postings.both(pair, &mut candidates);
        let (mut joined, mut made) = (Joined::default(), Vec::new());
        for ahead in candidates.chunks(AHEAD) {
            self.corpus.fetch(ahead);
            for &number in ahead {
                pulse()?;
                let now = self.merge_in(number, pair, token);
                if now != Joined::default() {
                    joined += now;
                    made.push(number);
                    self.note_losses(number, pair);
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
    fn note_losses(&mut self, number: u32, pair: Pair) {
        let cells = self.corpus.row(number as usize).cells();
        for token in [pair.first(), pair.second()] {
            if !cells.contains(&token) {
                self.postings.lose(token, number);
            }
            if pair.is_twin() {
                break;
            }
        }
    }

    /// Tracks the pairs of the new token that are worth it.
    fn settle(&mut self, pair: Pair, token: Token) {
        let Self { tracked: Some(tracked), gains, watched, places, .. } = self else { return };
        debug_assert_eq!(tracked.count(pair), 0, "a pair merged everywhere stands nowhere");
        tracked.settle();
        gains.drain(|other, count, found| {
            if found >= *places {
                tracked.insert(Pair::new(token, other), count);
                watched[other as usize] = true;
                watched[token as usize] = true;
            }
        });
    }
}
