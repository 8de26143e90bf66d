//! The least of many keys while they change.

/// A tree whose leaves are keys, and in which the smaller child of each node goes up: the least of all is at
/// the root, and a changed key only plays its own way up again.
#[derive(Debug, Default)]
pub struct Tournament {
    /// Node `i` is above nodes `2 i` and `2 i + 1`, the root is node 1. The leaves are the last half.
    nodes: Vec<u64>,
}

impl Tournament {
    /// Starts again with the keys of `n` places, of at least one.
    pub fn fill(&mut self, n: usize, key: impl Fn(usize) -> u64) {
        self.nodes.resize(2 * n, 0);
        for (place, leaf) in self.nodes[n..].iter_mut().enumerate() {
            *leaf = key(place);
        }
        for i in (1..n).rev() {
            self.nodes[i] = self.nodes[2 * i].min(self.nodes[2 * i + 1]);
        }
    }

    /// The least key.
    pub fn least(&self) -> u64 {
        self.nodes[1]
    }

    /// Changes a key.
    pub fn set(&mut self, place: usize, mut key: u64) {
        let mut i = self.nodes.len() / 2 + place;
        self.nodes[i] = key;
        while i > 1 {
            key = key.min(self.nodes[i ^ 1]);
            i /= 2;
            self.nodes[i] = key;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_least_is_the_minimum(
            mut keys in prop::collection::vec(0_u64..50, 1..70),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..50), 0..40),
        ) {
            let mut tournament = Tournament::default();
            tournament.fill(3, |_| 0);
            tournament.fill(keys.len(), |place| keys[place]);
            prop_assert_eq!(Some(tournament.least()), keys.iter().copied().min());
            for (index, key) in changes {
                let place = index.index(keys.len());
                keys[place] = key;
                tournament.set(place, key);
                prop_assert_eq!(Some(tournament.least()), keys.iter().copied().min());
            }
        }
    }
}
