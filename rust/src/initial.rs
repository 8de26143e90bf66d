//! The initial tokens: one a feature.

use crate::error::{Error, Result};
use crate::items::Items;
use crate::pair::Token;
use crate::trainer::MOST_TOKENS;

/// A category's number, and a value in it.
pub type Feature = (u32, i64);

/// The features that have a token of their own; token 1 is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initial {
    /// By category, then value; no feature twice.
    features: Vec<Feature>,
    /// Where each category starts, and where the last one ends.
    starts: Vec<usize>,
    cardinalities: Option<Vec<i64>>,
}

impl Initial {
    /// The features of a table, or every value below the cardinality of its category.
    pub(crate) fn new(items: &Items, cardinalities: Option<&[i64]>) -> Result<Self> {
        let n = items.n_categories();
        let features = match cardinalities {
            Some(cardinalities) => all_below(cardinalities, items)?,
            None => seen(items),
        };
        if features.len() >= MOST_TOKENS {
            let problem = format!("{} distinct features; {MOST_TOKENS} tokens are the limit", features.len());
            return Err(Error::input("features", problem));
        }
        Ok(Self::from_sorted(n, features, cardinalities.map(<[i64]>::to_vec)))
    }

    /// From features that are sorted already.
    pub(crate) fn from_sorted(
        n_categories: usize,
        features: Vec<Feature>,
        cardinalities: Option<Vec<i64>>,
    ) -> Self {
        let start = |category| features.partition_point(|&(other, _)| (other as usize) < category);
        let starts = (0..=n_categories).map(start).collect();
        Self { features, starts, cardinalities }
    }

    /// How many tokens there are before the first merge, the padding token included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the padding token is always there")]
    pub fn len(&self) -> usize {
        self.features.len() + 1
    }

    /// The features, token 1 first.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How many categories an item has.
    #[must_use]
    pub fn n_categories(&self) -> usize {
        self.starts.len() - 1
    }

    /// Values of each category that have a token, if they were given.
    #[must_use]
    pub fn cardinalities(&self) -> Option<&[i64]> {
        self.cardinalities.as_deref()
    }

    /// The tokens of all items, laid end to end.
    pub(crate) fn tokens_of(&self, items: &Items) -> Result<Vec<Token>> {
        let n = self.n_categories();
        if items.n_categories() != n {
            let problem = format!("{} categories, but the vocabulary has {n}", items.n_categories());
            return Err(Error::input("features", problem));
        }
        let mut tokens = Vec::with_capacity(items.len() * n);
        for (i, row) in items.rows().enumerate() {
            for (category, &value) in row.iter().enumerate() {
                let token = self.token(category, value).ok_or_else(|| self.unknown(i, category, value))?;
                tokens.push(token);
            }
        }
        Ok(tokens)
    }

    fn unknown(&self, item: usize, category: usize, value: i64) -> Error {
        let why = match &self.cardinalities {
            Some(given) => format!(
                "which was trained with cardinality {0} there: values below {0} have tokens, others need a new \
                 vocabulary",
                given[category]
            ),
            None => {
                "which has tokens for the values of its own training only: give the training cardinalities \
                     to leave room for more"
                    .to_owned()
            }
        };
        let problem = format!("value {value} of category {category} is not in the vocabulary, {why}");
        Error::at("features", format!("[{item}, {category}]"), problem)
    }

    fn token(&self, category: usize, value: i64) -> Option<Token> {
        let start = self.starts[category];
        let values = &self.features[start..self.starts[category + 1]];
        let place = values.binary_search_by_key(&value, |&(_, value)| value).ok()?;
        Some((start + place + 1) as Token)
    }
}

fn seen(items: &Items) -> Vec<Feature> {
    let row = |row: &[i64]| (0_u32..).zip(row.iter().copied()).collect::<Vec<_>>();
    let mut features: Vec<Feature> = items.rows().flat_map(row).collect();
    features.sort_unstable();
    features.dedup();
    features
}

fn all_below(cardinalities: &[i64], items: &Items) -> Result<Vec<Feature>> {
    if cardinalities.len() != items.n_categories() {
        let problem = format!("{} given for {} categories", cardinalities.len(), items.n_categories());
        return Err(Error::input("cardinalities", problem));
    }
    let mut total = 0;
    for (i, &cardinality) in cardinalities.iter().enumerate() {
        total += u64::try_from(cardinality).unwrap_or(u64::MAX).min(MOST_TOKENS as u64);
        if cardinality < 1 || total >= MOST_TOKENS as u64 {
            let problem = format!("{cardinality} is below 1, or makes more than {MOST_TOKENS} tokens");
            return Err(Error::at("cardinalities", format!("[{i}]"), problem));
        }
    }
    check_below(cardinalities, items)?;
    Ok(below(cardinalities).collect())
}

/// Every feature below its category's cardinality, sorted.
pub fn below(cardinalities: &[i64]) -> impl Iterator<Item = Feature> {
    let each = (0_u32..).zip(cardinalities);
    each.flat_map(|(category, &cardinality)| (0..cardinality).map(move |value| (category, value)))
}

fn check_below(cardinalities: &[i64], items: &Items) -> Result<()> {
    for (i, row) in items.rows().enumerate() {
        if let Some(category) =
            row.iter().zip(cardinalities).position(|(value, cardinality)| value >= cardinality)
        {
            let problem =
                format!("value {} is not below the cardinality {}", row[category], cardinalities[category]);
            return Err(Error::at("features", format!("[{i}, {category}]"), problem));
        }
    }
    Ok(())
}
