//! Encoding of many rows at once: the same tokens on any number of threads and in any batch.

use std::borrow::Borrow;
use std::ops::Range;

use crate::canonical::Canonical;
use crate::deterministic;
use crate::error::{Error, Result};
use crate::items::{Histories, Items};
use crate::pair::Token;
use crate::parallel::{Observer, in_pieces};
use crate::random::Generator;
use crate::rank::Ranker;
use crate::vocabulary::Vocabulary;

/// Rows of tokens, laid end to end: row `i` is `tokens[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The tokens of all rows.
    pub tokens: Vec<Token>,
    /// Where each row starts, and where the last one ends.
    pub offsets: Vec<i64>,
}

impl Rows {
    fn new() -> Self {
        Self { tokens: Vec::new(), offsets: vec![0] }
    }

    fn extend(&mut self, part: &Self) {
        let start = self.tokens.len() as i64;
        self.tokens.extend_from_slice(&part.tokens);
        self.offsets.extend(part.offsets[1..].iter().map(|end| start + end));
    }
}

/// A vocabulary, and the tokens of every item of a table.
#[derive(Debug, Clone)]
pub struct Encoder<V> {
    vocabulary: V,
    tokens: Vec<Token>,
}

impl<V: Borrow<Vocabulary> + Sync> Encoder<V> {
    /// Ready for histories over a table of items.
    ///
    /// # Errors
    /// On features that have no token.
    pub fn new(vocabulary: V, items: &Items) -> Result<Self> {
        let tokens = vocabulary.borrow().initial().tokens_of(items)?;
        Ok(Self { vocabulary, tokens })
    }

    /// How many items the table has.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.tokens.len() / self.n_categories()
    }

    /// The tokens of all items before anything is merged: one a category, one item after the other.
    #[must_use]
    pub fn initial(&self) -> &[Token] {
        &self.tokens
    }

    /// Rank-order encoding of histories. Every set is put in a random order that depends on `seed` and the
    /// history's entry in `rows` alone.
    ///
    /// # Errors
    /// On a wrong number of rows, or a stop by the observer.
    ///
    /// # Panics
    /// If the histories are over a larger table; so do the other encodings.
    pub fn encode(
        &self,
        histories: &Histories,
        (seed, rows): (u64, &[u64]),
        threads: Option<usize>,
        observer: &mut Observer,
    ) -> Result<Rows> {
        if rows.len() != histories.len() {
            let problem = format!("{} given for {} histories", rows.len(), histories.len());
            return Err(Error::input("rows", problem));
        }
        let job = |ranker: &mut Ranker, i: usize, out: &mut Vec<Token>| {
            let row = ranker.row();
            let mut generator = Generator::new(seed, rows[i]);
            for &item in histories.get(i) {
                let start = row.len();
                row.extend_from_slice(self.tokens(item as usize));
                generator.shuffle(&mut row[start..]);
            }
            out.extend_from_slice(ranker.encode(self.vocabulary.borrow()));
        };
        run(histories.len(), |i| histories.get(i).len(), threads, observer, Ranker::default, job)
    }

    /// Encoding of histories without permutation.
    ///
    /// # Errors
    /// On a stop by the observer.
    pub fn encode_deterministic(
        &self,
        histories: &Histories,
        threads: Option<usize>,
        observer: &mut Observer,
    ) -> Result<Rows> {
        let job = |(): &mut (), i: usize, out: &mut Vec<Token>| {
            let sets = histories.get(i).iter().map(|&item| self.tokens(item as usize).to_vec()).collect();
            deterministic::encode(self.vocabulary.borrow(), sets, out);
        };
        run(histories.len(), |i| histories.get(i).len(), threads, observer, || (), job)
    }

    /// Canonical encoding of the items, one row an item.
    ///
    /// # Errors
    /// On a stop by the observer.
    pub fn canonical(&self, threads: Option<usize>, observer: &mut Observer) -> Result<Rows> {
        let job = |canonical: &mut Canonical, i: usize, out: &mut Vec<Token>| {
            canonical.encode(self.vocabulary.borrow(), self.tokens(i), out);
        };
        run(self.n_items(), |_| 1, threads, observer, Canonical::default, job)
    }

    pub(crate) fn n_categories(&self) -> usize {
        self.vocabulary.borrow().initial().n_categories()
    }

    fn tokens(&self, item: usize) -> &[Token] {
        let n = self.n_categories();
        &self.tokens[item * n..][..n]
    }
}

/// Rank-order encoding of one row of tokens as it stands.
///
/// # Errors
/// On tokens that the vocabulary does not have, the padding token among them.
pub fn encode_flat(vocabulary: &Vocabulary, row: &[Token]) -> Result<Vec<Token>> {
    if let Some(i) = row.iter().position(|&token| token == 0 || token as usize >= vocabulary.len()) {
        let problem = format!("token {} is not in 1..{}", row[i], vocabulary.len());
        return Err(Error::at("tokens", format!("[{i}]"), problem));
    }
    let mut ranker = Ranker::default();
    ranker.row().extend_from_slice(row);
    Ok(ranker.encode(vocabulary).to_vec())
}

/// `job(room, row, out)` appends one row after the other.
fn run<R>(
    n_rows: usize,
    events: impl Fn(usize) -> usize,
    threads: Option<usize>,
    observer: &mut Observer,
    room: impl Fn() -> R + Sync + Send,
    job: impl Fn(&mut R, usize, &mut Vec<Token>) + Sync + Send,
) -> Result<Rows> {
    let piece = |room: &mut R, range: Range<usize>| {
        let mut part = Rows::new();
        for row in range {
            job(room, row, &mut part.tokens);
            part.offsets.push(part.tokens.len() as i64);
        }
        part
    };
    let mut rows = Rows::new();
    in_pieces(n_rows, events, threads, observer, room, piece, |part| rows.extend(&part))?;
    Ok(rows)
}
