//! The item table and the histories over it, checked once at the door.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};

/// Values of `n_categories` categories for every item; no two items are equal.
#[derive(Debug, Clone)]
pub struct Items {
    values: Vec<i64>,
    n_categories: usize,
}

impl Items {
    /// A table from its rows, laid end to end.
    ///
    /// # Errors
    /// On rows of unequal length, no categories, negative values, and two items with equal features.
    pub fn new(values: Vec<i64>, n_categories: usize) -> Result<Self> {
        if n_categories == 0 {
            return Err(Error::input("features", "an item needs at least one category"));
        }
        if !values.len().is_multiple_of(n_categories) {
            let place = format!("[{}]", values.len() / n_categories);
            return Err(Error::at("features", place, format!("a row of fewer than {n_categories} values")));
        }
        if let Some(i) = values.iter().position(|&value| value < 0) {
            let place = format!("[{}, {}]", i / n_categories, i % n_categories);
            return Err(Error::at("features", place, format!("{} is negative", values[i])));
        }
        let items = Self { values, n_categories };
        items.check_distinct()?;
        Ok(items)
    }

    fn check_distinct(&self) -> Result<()> {
        let mut seen = FxHashMap::with_capacity_and_hasher(self.len(), rustc_hash::FxBuildHasher);
        for (i, row) in self.rows().enumerate() {
            if let Some(earlier) = seen.insert(row, i) {
                let problem = format!("the same features as item {earlier}: {row:?}");
                return Err(Error::at("features", format!("[{i}]"), problem));
            }
        }
        Ok(())
    }

    /// How many items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.n_categories
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many categories.
    #[must_use]
    pub fn n_categories(&self) -> usize {
        self.n_categories
    }

    /// The items' values, one row an item.
    pub fn rows(&self) -> impl Iterator<Item = &[i64]> {
        self.values.chunks_exact(self.n_categories)
    }
}

/// Rows of items: history `i` is `events[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone)]
pub struct Histories {
    offsets: Vec<usize>,
    events: Vec<u32>,
}

impl Histories {
    /// Histories over a table of `n_items`.
    ///
    /// # Errors
    /// On offsets that do not rise from 0 to the number of events, and on unknown items.
    pub fn new(offsets: &[i64], events: &[i64], n_items: usize) -> Result<Self> {
        check_offsets(offsets, events.len())?;
        let known = |(i, &item): (usize, &i64)| match u32::try_from(item) {
            Ok(known) if (known as usize) < n_items => Ok(known),
            _ => {
                let problem = format!("item {item} is not a row of features (0..{n_items})");
                Err(Error::at("events", format!("[{i}]"), problem))
            }
        };
        Ok(Self {
            offsets: offsets.iter().map(|&offset| offset as usize).collect(),
            events: events.iter().enumerate().map(known).collect::<Result<_>>()?,
        })
    }

    /// How many histories, empty ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events in all.
    #[must_use]
    pub fn n_events(&self) -> usize {
        self.events.len()
    }

    /// The items of one history.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u32] {
        &self.events[self.offsets[row]..self.offsets[row + 1]]
    }
}

fn check_offsets(offsets: &[i64], n_events: usize) -> Result<()> {
    let bad = |i: usize, problem: String| Err(Error::at("offsets", format!("[{i}]"), problem));
    match (offsets.first(), offsets.last()) {
        (None, _) | (_, None) => return Err(Error::input("offsets", "must hold at least a 0")),
        (Some(&first), _) if first != 0 => return bad(0, format!("must be 0, is {first}")),
        _ => {}
    }
    if let Some(i) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return bad(i + 1, format!("{} is below the offset before it, {}", offsets[i + 1], offsets[i]));
    }
    let last = offsets.len() - 1;
    if usize::try_from(offsets[last]) != Ok(n_events) {
        return bad(last, format!("must be the number of events, {n_events}, is {}", offsets[last]));
    }
    Ok(())
}
