//! Reading a vocabulary file entry by entry: whatever it holds, it is either a vocabulary or an entry to
//! name.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::{OURS, ours};
use crate::initial::{Feature, Initial};
use crate::pair::{Pair, Token};
use crate::trainer::MOST_TOKENS;
use crate::vocabulary::Vocabulary;

/// More than any item has; a file that says so is damaged.
const MOST_CATEGORIES: i64 = 1 << 16;

/// An entry, and what is wrong there.
pub type Damage = (String, String);

/// What was read, or what is wrong.
pub type Reading<T> = Result<T, Damage>;

pub fn damage<T>(entry: impl Into<String>, problem: impl Into<String>) -> Reading<T> {
    Err((entry.into(), problem.into()))
}

/// The vocabulary that the text of a file holds.
pub fn vocabulary(text: &[u8]) -> Reading<Vocabulary> {
    let file: Value =
        serde_json::from_slice(text).or_else(|error| damage("", format!("not JSON: {error}")))?;
    let Some(file) = file.as_object() else { return damage("", "not a JSON object") };
    let n_categories = integer(file, "n_categories", 1, MOST_CATEGORIES)? as usize;
    let n_initial = integer(file, "n_init_feats", 1, MOST_TOKENS as i64)? as usize;
    let entries = entries(file)?;
    if entries.len() < n_initial || entries.len() > MOST_TOKENS {
        return damage("token2feat", format!("{} entries, but n_init_feats is {n_initial}", entries.len()));
    }
    if entries[0] != [-1, -1] {
        return damage("token2feat[0]", "must be [-1, -1]");
    }
    let features = features(&entries[..n_initial], n_categories)?;
    let merges: Vec<Pair> =
        (n_initial..entries.len()).map(|id| merge(&entries[id], id)).collect::<Reading<_>>()?;
    let priorities = priorities(file, n_initial, entries.len())?;
    let Some(own) = file.get(OURS) else {
        let initial = Initial::from_sorted(n_categories, features, None);
        return Ok(Vocabulary::new(initial, merges, priorities));
    };
    check_distinct(&merges, n_initial)?;
    let inside = |(entry, problem)| (format!("{OURS}{entry}"), problem);
    let (exact, cardinalities) = ours::read(own, n_categories, &features, &priorities).map_err(inside)?;
    Ok(Vocabulary::exact(Initial::from_sorted(n_categories, features, cardinalities), merges, exact))
}

pub fn integer(file: &Map<String, Value>, key: &str, least: i64, most: i64) -> Reading<i64> {
    match file.get(key).map(Value::as_i64) {
        None => damage(key, "is missing"),
        Some(Some(value)) if (least..=most).contains(&value) => Ok(value),
        Some(_) => damage(key, format!("must be a whole number in {least}..={most}")),
    }
}

pub fn list<'a>(file: &'a Map<String, Value>, key: &str) -> Reading<&'a [Value]> {
    match file.get(key) {
        None => damage(key, "is missing"),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => damage(key, "must be a list"),
    }
}

fn entries(file: &Map<String, Value>) -> Reading<Vec<Vec<i64>>> {
    let whole = |(id, entry): (usize, &Value)| {
        let numbers =
            entry.as_array().and_then(|it| it.iter().map(Value::as_i64).collect::<Option<Vec<_>>>());
        numbers.ok_or_else(|| (format!("token2feat[{id}]"), "must be a list of whole numbers".to_owned()))
    };
    list(file, "token2feat")?.iter().enumerate().map(whole).collect()
}

fn features(entries: &[Vec<i64>], n_categories: usize) -> Reading<Vec<Feature>> {
    let mut features: Vec<Feature> = Vec::with_capacity(entries.len() - 1);
    for (id, entry) in entries.iter().enumerate().skip(1) {
        let name = format!("token2feat[{id}]");
        let &[category, value] = entry.as_slice() else { return damage(name, "must be [category, value]") };
        let Some(category) = u32::try_from(category).ok().filter(|&it| (it as usize) < n_categories) else {
            return damage(name, format!("category {category} is not in 0..{n_categories}"));
        };
        if value < 0 {
            return damage(name, format!("value {value} is negative"));
        }
        if features.last().is_some_and(|&last| last >= (category, value)) {
            return damage(name, "a feature twice, or not ordered by category and value");
        }
        features.push((category, value));
    }
    Ok(features)
}

fn merge(entry: &[i64], id: usize) -> Reading<Pair> {
    let name = format!("token2feat[{id}]");
    let &[-1, u, v] = entry else { return damage(name, "must be [-1, u, v]") };
    if !(1 <= u && u <= v && v < id as i64) {
        return damage(name, format!("merges {u} and {v}; must be 1 <= u <= v < {id}"));
    }
    Ok(Pair::new(u as Token, v as Token))
}

/// Released files can hold a rule twice, ours never do.
fn check_distinct(merges: &[Pair], n_initial: usize) -> Reading<()> {
    let mut seen = FxHashSet::default();
    match merges.iter().position(|&pair| !seen.insert(pair)) {
        Some(merge) => {
            damage(format!("token2feat[{}]", n_initial + merge), "the same merge as an earlier token")
        }
        None => Ok(()),
    }
}

fn priorities(file: &Map<String, Value>, n_initial: usize, n: usize) -> Reading<Vec<f64>> {
    let values = list(file, "priority")?;
    if values.len() != n {
        return damage("priority", format!("{} entries, but token2feat has {n}", values.len()));
    }
    let mut priorities = Vec::with_capacity(n - n_initial);
    for (id, value) in values.iter().enumerate() {
        let name = format!("priority[{id}]");
        match value.as_f64() {
            Some(0.0) if id < n_initial => {}
            _ if id < n_initial => return damage(name, "must be 0, as the token is no merge"),
            Some(priority) if priority.is_sign_positive() => priorities.push(priority),
            _ => return damage(name, "must be a number, and not negative"),
        }
    }
    Ok(priorities)
}
