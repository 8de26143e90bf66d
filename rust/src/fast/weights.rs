//! The weights of [`crate::weight`] in 64 bits.

use crate::weight::Weights;

pub struct Narrow {
    n: usize,
    inside: Vec<i64>,
    across: Vec<i64>,
    unit: i64,
}

impl Narrow {
    /// The weights for sets of up to `n` tokens, if no count of `events` events passes 63 bits.
    pub fn new(weights: &Weights, n: usize, events: usize) -> Option<Self> {
        let narrow = |count| i64::try_from(count).ok();
        narrow(weights.most(events)?)?;
        let sizes = 0..=n;
        let across = sizes.clone().flat_map(|left| sizes.clone().map(move |right| (left, right)));
        Some(Self {
            n,
            inside: sizes.clone().map(|m| narrow(weights.inside(m))).collect::<Option<_>>()?,
            across: across.map(|(left, right)| narrow(weights.across(left, right))).collect::<Option<_>>()?,
            unit: narrow(weights.unit())?,
        })
    }

    pub fn unit(&self) -> i64 {
        self.unit
    }

    pub fn inside(&self, m: usize) -> i64 {
        self.inside[m]
    }

    pub fn across(&self, left: usize, right: usize) -> i64 {
        self.across[left * (self.n + 1) + right]
    }
}
