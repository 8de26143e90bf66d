//! Encoding of many rows at once: the same tokens on any number of threads and in any batch.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::items::{Histories, Items};
use crate::pair::Token;
use crate::parallel::{Observer, Workers};
use crate::random::Generator;
use crate::rank::Ranker;
use crate::vocabulary::Vocabulary;
use crate::{canonical, deterministic};

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

    fn push(&mut self, row: &[Token]) {
        self.tokens.extend_from_slice(row);
        self.offsets.push(self.tokens.len() as i64);
    }

    fn extend(&mut self, part: &Self) {
        let start = self.tokens.len() as i64;
        self.tokens.extend_from_slice(&part.tokens);
        self.offsets.extend(part.offsets[1..].iter().map(|end| start + end));
    }
}

/// Rank-order encoding of histories. Every set is put in a random order that depends on `seed` and the
/// history's entry in `rows` alone.
///
/// # Errors
/// On unknown features, a wrong number of rows, or a stop by the observer.
pub fn encode(
    vocabulary: &Vocabulary,
    items: &Items,
    histories: &Histories,
    (seed, rows): (u64, &[u64]),
    threads: Option<usize>,
    observer: &mut Observer,
) -> Result<Rows> {
    if rows.len() != histories.len() {
        return Err(Error::input("rows", format!("{} given for {} histories", rows.len(), histories.len())));
    }
    let tokens = vocabulary.initial().tokens_of(items)?;
    let n = items.n_categories();
    run(histories.len(), threads, observer, |part, ranker, i| {
        let row = ranker.row();
        let mut generator = Generator::new(seed, rows[i]);
        for &item in histories.get(i) {
            let start = row.len();
            row.extend_from_slice(&tokens[item as usize * n..][..n]);
            generator.shuffle(&mut row[start..]);
        }
        part.push(ranker.encode(vocabulary));
    })
}

/// Encoding of histories without permutation.
///
/// # Errors
/// On unknown features, or a stop by the observer.
pub fn encode_deterministic(
    vocabulary: &Vocabulary,
    items: &Items,
    histories: &Histories,
    threads: Option<usize>,
    observer: &mut Observer,
) -> Result<Rows> {
    let tokens = vocabulary.initial().tokens_of(items)?;
    let n = items.n_categories();
    run(histories.len(), threads, observer, |part, _, i| {
        let set = |&item: &u32| tokens[item as usize * n..][..n].to_vec();
        let sets = histories.get(i).iter().map(set).collect();
        part.push(&deterministic::encode(vocabulary, sets));
    })
}

/// Canonical encoding of items, one row an item.
///
/// # Errors
/// On unknown features, or a stop by the observer.
pub fn canonical(
    vocabulary: &Vocabulary,
    items: &Items,
    threads: Option<usize>,
    observer: &mut Observer,
) -> Result<Rows> {
    let tokens = vocabulary.initial().tokens_of(items)?;
    let n = items.n_categories();
    run(items.len(), threads, observer, |part, _, i| {
        part.push(&canonical::encode(vocabulary, &tokens[i * n..][..n]));
    })
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

/// `job(part, ranker, row)` puts one row after the other into its worker's part.
fn run(
    n_rows: usize,
    threads: Option<usize>,
    observer: &mut Observer,
    job: impl Fn(&mut Rows, &mut Ranker, usize) + Sync + Send,
) -> Result<Rows> {
    let piece = |range: Range<usize>| {
        let (mut part, mut ranker) = (Rows::new(), Ranker::default());
        range.for_each(|row| job(&mut part, &mut ranker, row));
        part
    };
    let mut rows = Rows::new();
    Workers::new(threads, n_rows)?.pieces(n_rows, observer, piece, |part| rows.extend(&part))?;
    Ok(rows)
}
