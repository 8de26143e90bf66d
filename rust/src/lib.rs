//! The core of CLAIRO: the action tokenizer.

pub mod canonical;
mod counts;
pub mod deterministic;
pub mod encoder;
mod error;
pub mod file;
mod history;
mod initial;
mod items;
mod pair;
mod parallel;
#[cfg(feature = "python")]
mod python;
mod queue;
mod random;
pub mod rank;
mod trainer;
mod vocabulary;
mod weight;

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
