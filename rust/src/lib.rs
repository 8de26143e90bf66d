//! The core of CLAIRO: the action tokenizer.
//!
//! An item is a row of codes, one a category. A history is a row of items, so a row of *sets* of tokens: the
//! order inside a set means nothing, the order of the sets does. Tokens that often stand together, in a set
//! or across two neighbouring sets, are merged into new tokens, as in `ActionPiece` (Hou et al., ICML 2025,
//! arXiv 2502.13581), with exact counts in place of floating-point sums.
//!
//! ```
//! use std::ops::ControlFlow;
//! use clairo::{Encoder, Histories, Items, Options, Trainer};
//!
//! # fn main() -> clairo::Result<()> {
//! // Two items of two categories, and one user who took item 0, then item 1.
//! let items = Items::new(vec![0, 0, 1, 0], 2)?;
//! let histories = Histories::new(&[0, 2], &[0, 1], items.len())?;
//! let options = Options { size: 6, cardinalities: None, threads: None, plain: false };
//! let mut go_on = |_done, _all| ControlFlow::Continue(());
//!
//! let mut trainer = Trainer::new(&items, &histories, &options, &mut go_on)?;
//! trainer.run(&mut go_on)?;
//! let vocabulary = trainer.finish();
//!
//! // Tokens 1, 2 and 3 are features; the codes of each item belong together, so 4 and 5 are the items.
//! assert_eq!(vocabulary.len(), 6);
//! let rows = Encoder::new(&vocabulary, &items)?.canonical(None, &mut go_on)?;
//! assert_eq!(rows.tokens, [4, 5]);
//! assert_eq!(vocabulary.decode(&[5]), Some(vec![1, 0]));
//! # Ok(())
//! # }
//! ```
//!
//! One home for each thing: [`Trainer`] merges, keeping the counts of pairs, a queue of the heaviest, and the
//! histories; [`Vocabulary`] is what comes out; an [`Encoder`] turns histories and items into tokens, row
//! by row with `rank`, `deterministic` and `canonical`; [`mod@file`] saves and loads. Only the module
//! `python`, behind the feature of that name, knows Python.

mod canonical;
mod deterministic;
pub mod encoder;
mod engine;
mod error;
mod fast;
pub mod file;
mod history;
mod initial;
mod items;
mod pair;
mod parallel;
mod plain;
#[cfg(feature = "python")]
mod python;
mod random;
mod rank;
mod rules;
mod tournament;
mod trainer;
mod vocabulary;
mod weight;

pub use encoder::Encoder;
pub use engine::Joined;
pub use error::{Error, Result};
pub use history::History;
pub use initial::{Feature, Initial};
pub use items::{Histories, Items};
pub use pair::{Pair, Token};
pub use parallel::Observer;
pub use random::{GENERATOR, Generator};
pub use trainer::{MOST_TOKENS, Options, Trainer};
pub use vocabulary::{Exact, Vocabulary};
pub use weight::{Count, Weights, nearest_double};
