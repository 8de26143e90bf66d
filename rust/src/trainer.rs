//! Vocabulary construction: merge the heaviest pair of tokens, again and again.

use crate::engine::{Engine, Joined, Pulse};
use crate::error::{Error, Result};
use crate::fast::Fast;
use crate::history::History;
use crate::initial::Initial;
use crate::items::{Histories, Items};
use crate::pair::{Pair, Token};
use crate::parallel::{Observer, Workers, go_on};
use crate::plain::Plain;
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
    /// As many threads as there are cores where not given.
    pub threads: Option<usize>,
    /// Whether to go the slow and obvious way. The vocabulary is the same.
    pub plain: bool,
}

/// A vocabulary under construction, with the corpus as it is segmented by now.
pub struct Trainer {
    initial: Initial,
    size: usize,
    unit: Count,
    engine: Box<dyn Engine>,
    merges: Vec<(Pair, Count, Joined)>,
}

impl Trainer {
    /// Takes in a corpus. Empty histories are skipped.
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
        let initial = Initial::new(items, options.cardinalities.as_deref())?;
        Self::start(initial, items, histories, options, observer)
    }

    /// Takes in a corpus, replays the merges of a vocabulary on it, and is ready to go on from there. The
    /// tokens of the vocabulary keep their ids, their features, and their counts in its own corpus.
    ///
    /// # Errors
    /// As [`Self::new`], and on values that have no token in the vocabulary, on a size below its own, and on a
    /// vocabulary without exact counts.
    pub fn expand(
        vocabulary: &Vocabulary,
        items: &Items,
        histories: &Histories,
        options: &Options,
        observer: &mut Observer,
    ) -> Result<Self> {
        let Some(exact) = vocabulary.counts() else {
            let problem = "the vocabulary holds priorities only, as released files do; without the exact \
                           counts it cannot grow";
            return Err(Error::input("vocabulary", problem));
        };
        if options.size < vocabulary.len() {
            let problem = format!("{} is below the {} tokens that are there", options.size, vocabulary.len());
            return Err(Error::input("size", problem));
        }
        let initial = vocabulary.initial().clone();
        let mut trainer = Self::start(initial, items, histories, options, observer)?;
        for ((&pair, &count), &joined) in vocabulary.merges().iter().zip(&exact.counts).zip(&exact.joined) {
            trainer.merge(pair, observer)?;
            trainer.merges.push((pair, count, joined));
        }
        Ok(trainer)
    }

    fn start(
        initial: Initial,
        items: &Items,
        histories: &Histories,
        options: &Options,
        observer: &mut Observer,
    ) -> Result<Self> {
        if !(1..=MOST_TOKENS).contains(&options.size) {
            return Err(Error::input("size", format!("{} is not in 1..={MOST_TOKENS}", options.size)));
        }
        let workers = Workers::new(options.threads, histories.len())?;
        let goal = options.size.saturating_sub(initial.len());
        go_on(observer, 0, goal)?;
        let n = items.n_categories();
        let weights = Weights::new(n, histories.n_events())?;
        if u32::try_from(histories.len()).is_err() {
            return Err(Error::input("offsets", "more histories than 32 bits can number"));
        }
        let tokens = initial.tokens_of(items)?;
        let fast = if options.plain {
            None
        } else {
            Fast::new(&tokens, initial.len(), n, histories, &weights, workers)
        };
        let engine: Box<dyn Engine> = if let Some(fast) = fast {
            Box::new(fast)
        } else {
            let rows = segment(&tokens, n, histories);
            Box::new(Plain::new(rows, weights.clone(), &mut || go_on(observer, 0, goal))?)
        };
        Ok(Self { initial, size: options.size, unit: weights.unit(), engine, merges: Vec::new() })
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
        while self.merges.len() < self.goal() {
            let (done, goal) = (self.merges.len(), self.goal());
            let Some((pair, count)) = self.engine.heaviest(&mut || go_on(observer, done, goal))? else {
                break;
            };
            let joined = self.merge(pair, observer)?;
            self.merges.push((pair, count, joined));
        }
        Ok(())
    }

    fn merge(&mut self, pair: Pair, observer: &mut Observer) -> Result<Joined> {
        let (done, goal) = (self.merges.len(), self.goal());
        let token = (self.initial.len() + done) as Token;
        let pulse: &mut Pulse = &mut || go_on(observer, done, goal);
        pulse()?;
        self.engine.merge(pair, token, pulse)
    }

    /// The corpus as it is segmented by now, without its empty histories.
    #[must_use]
    pub fn segmentation(&self) -> Vec<History> {
        self.engine.segmentation()
    }

    /// The vocabulary of the merges made.
    #[must_use]
    pub fn finish(self) -> Vocabulary {
        let exact = Exact {
            unit: self.unit,
            counts: self.merges.iter().map(|&(_, count, _)| count).collect(),
            joined: self.merges.iter().map(|&(_, _, joined)| joined).collect(),
            size_asked: self.size,
        };
        Vocabulary::exact(self.initial, self.merges.iter().map(|&(pair, ..)| pair).collect(), exact)
    }
}

/// The histories as rows of sets, from the tokens of all items laid end to end.
fn segment(tokens: &[Token], n_categories: usize, histories: &Histories) -> Vec<History> {
    let set = |&item: &u32| tokens[item as usize * n_categories..][..n_categories].to_vec();
    let rows = (0..histories.len()).map(|row| histories.get(row)).filter(|row| !row.is_empty());
    rows.map(|row| History::new(row.iter().map(set).collect())).collect()
}
