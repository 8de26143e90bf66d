//! Encoding of many rows at once: the same tokens on any number of threads and in any batch.

use crate::error::{Error, Result};
use crate::items::{Histories, Items};
use crate::pair::Token;
use crate::parallel::{Observer, Workers};
use crate::random::Generator;
use crate::vocabulary::Vocabulary;
use crate::{canonical, deterministic, rank};

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

    fn extend(&mut self, rows: Vec<Vec<Token>>) {
        for row in rows {
            self.tokens.extend(row);
            self.offsets.push(self.tokens.len() as i64);
        }
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
    run(histories.len(), threads, observer, |i| {
        let mut generator = Generator::new(seed, rows[i]);
        let mut flat = flat_row(&tokens, n, histories.get(i));
        flat.chunks_exact_mut(n).for_each(|set| generator.shuffle(set));
        rank::encode(vocabulary, &flat)
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
    run(histories.len(), threads, observer, |i| {
        let flat = flat_row(&tokens, n, histories.get(i));
        deterministic::encode(vocabulary, flat.chunks_exact(n).map(<[Token]>::to_vec).collect())
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
    run(items.len(), threads, observer, |i| canonical::encode(vocabulary, &tokens[i * n..][..n]))
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
    Ok(rank::encode(vocabulary, row))
}

fn run(
    n_rows: usize,
    threads: Option<usize>,
    observer: &mut Observer,
    job: impl Fn(usize) -> Vec<Token> + Sync + Send,
) -> Result<Rows> {
    let mut rows = Rows::new();
    Workers::new(threads, n_rows)?.blocks(n_rows, observer, job, |block| rows.extend(block))?;
    Ok(rows)
}

fn flat_row(tokens: &[Token], n_categories: usize, history: &[u32]) -> Vec<Token> {
    history
        .iter()
        .flat_map(|&item| &tokens[item as usize * n_categories..][..n_categories])
        .copied()
        .collect()
}
