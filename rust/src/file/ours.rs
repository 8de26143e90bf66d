//! The entries that only our own files have; they must agree with the rest of the file.

use serde_json::{Map, Value};

use super::VERSION;
use super::read::{Damage, Reading, damage, integer, list};
use crate::engine::Joined;
use crate::initial::{Feature, below};
use crate::random::GENERATOR;
use crate::trainer::MOST_TOKENS;
use crate::vocabulary::Exact;
use crate::weight::{Count, nearest_double, unit};

/// What the maker of the vocabulary knew, and the cardinalities if it was given some.
pub fn read(
    ours: &Value,
    n_categories: usize,
    features: &[Feature],
    priorities: &[f64],
) -> Reading<(Exact, Option<Vec<i64>>)> {
    let Some(ours) = ours.as_object() else { return damage("", "must be an object") };
    let inside = |(entry, problem): Damage| (format!(".{entry}"), problem);
    check_version(ours).map_err(inside)?;
    let exact = exact(ours, n_categories, (features.len() + 1, priorities)).map_err(inside)?;
    Ok((exact, cardinalities(ours, n_categories, features).map_err(inside)?))
}

fn check_version(ours: &Map<String, Value>) -> Reading<()> {
    if integer(ours, "version", 0, i64::MAX)? != VERSION {
        return damage("version", format!("only version {VERSION} is known"));
    }
    if ours.get("generator").and_then(Value::as_str) != Some(GENERATOR) {
        return damage("generator", format!("only {GENERATOR} is known"));
    }
    Ok(())
}

fn exact(
    ours: &Map<String, Value>,
    n_categories: usize,
    (n_initial, priorities): (usize, &[f64]),
) -> Reading<Exact> {
    let size_asked = size_asked(ours, n_initial, priorities.len())?;
    let unit = match (unit(n_categories), positive(ours.get("unit"))) {
        (Some(right), Some(given)) if right == given => given,
        _ => return damage("unit", format!("must be lcm(1..{n_categories}) squared, as text")),
    };
    let counts = list(ours, "counts")?;
    if counts.len() != priorities.len() {
        return damage("counts", format!("{} entries for {} merges", counts.len(), priorities.len()));
    }
    let count = |(merge, (value, &priority)): (usize, (&Value, &f64))| {
        let count = positive(Some(value))
            .filter(|&count| nearest_double(count, unit).to_bits() == priority.to_bits());
        let problem = "must be a whole number, as text, that over the unit gives the priority";
        count.ok_or_else(|| (format!("counts[{merge}]"), problem.to_owned()))
    };
    let counts = counts.iter().zip(priorities).enumerate().map(count).collect::<Reading<_>>()?;
    let joined = joined(ours, priorities.len())?;
    Ok(Exact { unit, counts, joined, size_asked })
}

/// A vocabulary has merges only up to the size asked.
fn size_asked(ours: &Map<String, Value>, n_initial: usize, n_merges: usize) -> Reading<usize> {
    let least = if n_merges == 0 { 1 } else { n_initial + n_merges };
    integer(ours, "size_asked", least as i64, MOST_TOKENS as i64).map(|size| size as usize)
}

/// Every sum of the numbers fits, signed as unsigned: who adds them up need not look.
fn joined(ours: &Map<String, Value>, n_merges: usize) -> Reading<Vec<Joined>> {
    let numbers = |key: &str| {
        let numbers: Option<Vec<u64>> = list(ours, key)?.iter().map(Value::as_u64).collect();
        let numbers = numbers.filter(|numbers| numbers.len() == n_merges);
        numbers.ok_or_else(|| (key.to_owned(), "must hold one whole number a merge".to_owned()))
    };
    let (inside, across) = (numbers("inside")?, numbers("across")?);
    let sum = inside.iter().chain(&across).try_fold(0_u64, |sum, &number| sum.checked_add(number));
    if sum.is_none_or(|sum| i64::try_from(sum).is_err()) {
        return damage("inside", "more merges, with those of across, than a corpus can have");
    }
    let both = inside.into_iter().zip(across);
    Ok(both.map(|(inside, across)| Joined { inside, across }).collect())
}

fn positive(value: Option<&Value>) -> Option<Count> {
    value.and_then(Value::as_str).and_then(|text| text.parse().ok()).filter(|&count| count > 0)
}

fn cardinalities(
    ours: &Map<String, Value>,
    n_categories: usize,
    features: &[Feature],
) -> Reading<Option<Vec<i64>>> {
    if ours.get("cardinalities").is_some_and(Value::is_null) {
        return Ok(None);
    }
    let given: Option<Vec<i64>> = list(ours, "cardinalities")?.iter().map(Value::as_i64).collect();
    match given {
        Some(given)
            if given.len() == n_categories
                && given.iter().all(|&cardinality| cardinality >= 1)
                && below(&given).eq(features.iter().copied()) =>
        {
            Ok(Some(given))
        }
        _ => damage("cardinalities", "must be the numbers of values that token2feat has of each category"),
    }
}
