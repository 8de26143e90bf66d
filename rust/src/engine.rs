//! What a way of building vocabularies must do; there are two, [`crate::plain`] and [`crate::fast`].

use std::ops::AddAssign;

use crate::error::Result;
use crate::history::History;
use crate::pair::{Pair, Token};
use crate::weight::Count;

/// Called often during work; an error stops it.
pub type Pulse<'a> = dyn FnMut() -> Result<()> + 'a;

/// How many times two tokens were merged into one, inside sets and across neighbouring ones.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Both tokens stood in one set.
    pub inside: u64,
    /// They stood in two neighbouring sets, or one of them in the slot between.
    pub across: u64,
}

impl AddAssign for Joined {
    fn add_assign(&mut self, other: Self) {
        self.inside += other.inside;
        self.across += other.across;
    }
}

/// A corpus under merging.
pub trait Engine: Send {
    /// The pair with the largest count, and that count; ties go to the smaller first token, then the smaller
    /// second. None if no pair is left.
    fn heaviest(&mut self, pulse: &mut Pulse) -> Result<Option<(Pair, Count)>>;

    /// Merges a pair into a token wherever it stands, perhaps nowhere.
    fn merge(&mut self, pair: Pair, token: Token, pulse: &mut Pulse) -> Result<Joined>;

    /// The corpus as it is segmented by now.
    fn segmentation(&self) -> Vec<History>;
}
