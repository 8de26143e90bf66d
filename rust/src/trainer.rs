//! Vocabulary construction: merge the heaviest pair of tokens, again and again.

use crate::counts::{Changes, Counts};
use crate::error::{Error, Result};
use crate::history::History;
use crate::initial::Initial;
use crate::items::{Histories, Items};
use crate::pair::{Pair, Token};
use crate::parallel::{Observer, Workers, go_on};
use crate::queue::Queue;
use crate::vocabulary::{Exact, Vocabulary};
use crate::weight::{Count, Weights};

/// The most tokens that a vocabulary may have.
pub const MOST_TOKENS: usize = 1 << 26;

/// What a vocabulary should be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tokens asked for, the padding token and the initial ones included.
    pub size: usize,
    /// Values of each category that get an initial token, seen or not; only those seen where not given.
    pub cardinalities: Option<Vec<i64>>,
    /// Threads of the first count; as many as there are cores where not given.
    pub threads: Option<usize>,
}

/// A vocabulary under construction, with the corpus as it is segmented by now.
pub struct Trainer {
    initial: Initial,
    size: usize,
    weights: Weights,
    histories: Vec<History>,
    counts: Counts,
    queue: Queue,
    merges: Vec<(Pair, Count)>,
    // Kept between steps for their room only.
    changes: Changes,
    risen: Vec<Pair>,
}

impl Trainer {
    /// Counts the pairs of a corpus. Empty histories are skipped.
    ///
    /// # Errors
    /// On values beyond their cardinality, sizes out of range, counts that would not fit, or a stop by the
    /// observer.
    pub fn new(
        items: &Items,
        histories: &Histories,
        options: &Options,
        observer: &mut Observer,
    ) -> Result<Self> {
        if !(1..=MOST_TOKENS).contains(&options.size) {
            return Err(Error::input("size", format!("{} is not in 1..={MOST_TOKENS}", options.size)));
        }
        let initial = Initial::new(items, options.cardinalities.as_deref())?;
        let mut trainer = Self {
            weights: Weights::new(items.n_categories(), histories.n_events())?,
            histories: segment(&initial.tokens_of(items)?, items.n_categories(), histories)?,
            initial,
            size: options.size,
            counts: Counts::new(1),
            queue: Queue::new(),
            merges: Vec::new(),
            changes: Changes::default(),
            risen: Vec::new(),
        };
        trainer.count(options.threads, observer)?;
        Ok(trainer)
    }

    fn count(&mut self, threads: Option<usize>, observer: &mut Observer) -> Result<()> {
        let goal = self.goal();
        let Self { weights, histories, .. } = self;
        let workers = Workers::new(threads, histories.len())?;
        let mut counts = Counts::new(workers.len());
        let changes = |row: usize| {
            let mut changes = Changes::default();
            changes.gain(&histories[row], histories[row].whole(), weights);
            changes.sort();
            changes
        };
        let mut first = 0;
        workers.blocks(histories.len(), &mut |_, _| observer(0, goal), changes, |block| {
            counts.book_block(first, &block, &workers);
            first += block.len() as u32;
        })?;
        self.counts = counts;
        Ok(())
    }

    /// How many merges were asked for.
    #[must_use]
    pub fn goal(&self) -> usize {
        self.size.saturating_sub(self.initial.len())
    }

    /// Merges until the size is reached or no pair is left.
    ///
    /// # Errors
    /// If the observer asks for a stop. Nothing can be done with the trainer then.
    pub fn run(&mut self, observer: &mut Observer) -> Result<()> {
        while self.merges.len() < self.goal() && self.step(observer)? {}
        Ok(())
    }

    /// Merges the heaviest pair everywhere; false if no pair is left. The observer is called before every
    /// history.
    fn step(&mut self, observer: &mut Observer) -> Result<bool> {
        let Some((pair, count)) = self.queue.pop(&self.counts) else { return Ok(false) };
        let (done, goal) = (self.merges.len(), self.goal());
        let token = (self.initial.len() + done) as Token;
        for row in self.counts.take_histories(pair) {
            go_on(observer, done, goal)?;
            self.merge_in(row, pair, token);
        }
        debug_assert_eq!(self.counts.get(pair), 0, "a pair merged everywhere stands nowhere");
        self.merges.push((pair, count));
        self.queue.push(&mut self.risen, &self.counts);
        Ok(true)
    }

    fn merge_in(&mut self, row: u32, pair: Pair, token: Token) {
        let Self { weights, histories, counts, queue, changes, risen, .. } = self;
        let history = &mut histories[row as usize];
        changes.clear();
        let mut from = 0;
        while let Some(before) = history.find(pair, from) {
            changes.lose(history, before, weights);
            let after = history.merge(before, pair, token);
            changes.gain(history, after, weights);
            from = after.last + 1;
        }
        changes.sort();
        // Whoever falls below the floor later in this merge is in the queue by then, and stale; whoever rises
        // above it later is told then.
        counts.book(row, changes, |pair, count| risen.extend(queue.takes(count).then_some(pair)));
    }

    /// The corpus as it is segmented by now, without its empty histories.
    #[must_use]
    pub fn segmentation(&self) -> &[History] {
        &self.histories
    }

    /// The vocabulary of the merges made.
    #[must_use]
    pub fn finish(self) -> Vocabulary {
        let (merges, counts) = self.merges.into_iter().unzip();
        Vocabulary::exact(
            self.initial,
            merges,
            Exact { unit: self.weights.unit(), counts, size_asked: self.size },
        )
    }
}

/// The histories as rows of sets, from the tokens of all items laid end to end.
fn segment(tokens: &[Token], n_categories: usize, histories: &Histories) -> Result<Vec<History>> {
    if u32::try_from(histories.len()).is_err() {
        return Err(Error::input("offsets", "more histories than 32 bits can number"));
    }
    let set = |&item: &u32| tokens[item as usize * n_categories..][..n_categories].to_vec();
    let rows = (0..histories.len()).map(|row| histories.get(row)).filter(|row| !row.is_empty());
    Ok(rows.map(|row| History::new(row.iter().map(set).collect())).collect())
}
