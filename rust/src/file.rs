//! Vocabulary files: JSON in the layout of the released `ActionPiece` files, with what is ours under a key of its own.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::initial::{Feature, Initial};
use crate::pair::{Pair, Token};
use crate::random::GENERATOR;
use crate::trainer::MOST_TOKENS;
use crate::vocabulary::{Exact, Vocabulary};
use crate::weight::{Count, nearest_double};

/// The key under which our own entries stand.
const OURS: &str = "clairo";

/// The version of those entries. The generator of permutations is part of it.
const VERSION: u64 = 1;

/// A vocabulary as the text of a file.
#[must_use]
pub fn to_json(vocabulary: &Vocabulary) -> String {
    let initial = vocabulary.initial();
    let features = initial.features().iter().map(|&(category, value)| json!([category, value]));
    let merges = vocabulary.merges().iter().map(|pair| json!([-1, pair.first(), pair.second()]));
    let zeros = std::iter::repeat_n(json!(0), initial.len());
    let mut file = json!({
        "n_categories": initial.n_categories(),
        "n_init_feats": initial.len(),
        "token2feat": std::iter::once(json!([-1, -1])).chain(features).chain(merges).collect::<Vec<_>>(),
        "priority": zeros.chain(vocabulary.priorities().iter().map(|&it| json!(it))).collect::<Vec<_>>(),
    });
    if let Some(exact) = vocabulary.counts() {
        // As text: counts can pass 64 bits, and many JSON readers go through doubles.
        file[OURS] = json!({
            "version": VERSION,
            "generator": GENERATOR,
            "size_asked": exact.size_asked,
            "cardinalities": initial.cardinalities(),
            "unit": exact.unit.to_string(),
            "counts": exact.counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
    }
    file.to_string()
}

/// Writes a vocabulary under another name first, so that the file is never there half.
///
/// # Errors
/// If the operating system refuses.
pub fn save(vocabulary: &Vocabulary, path: &Path) -> Result<()> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(to_json(vocabulary).as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a name that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Reads a vocabulary.
///
/// # Errors
/// If the file cannot be read or is damaged; the error names the entry.
pub fn load(path: &Path) -> Result<Vocabulary> {
    let text = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    from_json(&text, path)
}

/// A vocabulary from the text of a file; `path` is for errors.
///
/// # Errors
/// If the text is damaged; the error names the entry.
pub fn from_json(text: &[u8], path: &Path) -> Result<Vocabulary> {
    read(text).map_err(|(entry, problem)| Error::File { path: path.to_owned(), entry, problem })
}

/// An entry, and what is wrong there.
type Damage = (String, String);

fn damage<T>(entry: impl Into<String>, problem: impl Into<String>) -> std::result::Result<T, Damage> {
    Err((entry.into(), problem.into()))
}

fn read(text: &[u8]) -> std::result::Result<Vocabulary, Damage> {
    let file: Value =
        serde_json::from_slice(text).or_else(|error| damage("", format!("not JSON: {error}")))?;
    let Some(file) = file.as_object() else { return damage("", "not a JSON object") };
    let n_categories = integer(file, "n_categories", 1, i64::from(u32::MAX))? as usize;
    let n_initial = integer(file, "n_init_feats", 1, MOST_TOKENS as i64)? as usize;
    let entries = entries(file)?;
    if entries.len() < n_initial || entries.len() > MOST_TOKENS {
        return damage("token2feat", format!("{} entries, but n_init_feats is {n_initial}", entries.len()));
    }
    if entries[0] != [-1, -1] {
        return damage("token2feat[0]", "must be [-1, -1]");
    }
    let features = features(&entries[..n_initial], n_categories)?;
    let merges = (n_initial..entries.len())
        .map(|id| merge(&entries[id], id))
        .collect::<std::result::Result<_, _>>()?;
    let priorities = priorities(file, n_initial, entries.len())?;
    match file.get(OURS) {
        None => Ok(Vocabulary::new(Initial::from_sorted(n_categories, features, None), merges, priorities)),
        Some(ours) => read_ours(ours, n_categories, features, merges, &priorities),
    }
}

fn integer(file: &Map<String, Value>, key: &str, least: i64, most: i64) -> std::result::Result<i64, Damage> {
    match file.get(key).map(Value::as_i64) {
        None => damage(key, "is missing"),
        Some(Some(value)) if (least..=most).contains(&value) => Ok(value),
        Some(_) => damage(key, format!("must be a whole number in {least}..={most}")),
    }
}

fn list<'a>(file: &'a Map<String, Value>, key: &str) -> std::result::Result<&'a [Value], Damage> {
    match file.get(key) {
        None => damage(key, "is missing"),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => damage(key, "must be a list"),
    }
}

fn entries(file: &Map<String, Value>) -> std::result::Result<Vec<Vec<i64>>, Damage> {
    let whole = |(id, entry): (usize, &Value)| {
        let numbers =
            entry.as_array().and_then(|it| it.iter().map(Value::as_i64).collect::<Option<Vec<_>>>());
        numbers.ok_or_else(|| (format!("token2feat[{id}]"), "must be a list of whole numbers".to_owned()))
    };
    list(file, "token2feat")?.iter().enumerate().map(whole).collect()
}

fn features(entries: &[Vec<i64>], n_categories: usize) -> std::result::Result<Vec<Feature>, Damage> {
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

fn merge(entry: &[i64], id: usize) -> std::result::Result<Pair, Damage> {
    let name = format!("token2feat[{id}]");
    let &[-1, u, v] = entry else { return damage(name, "must be [-1, u, v]") };
    if !(1 <= u && u <= v && v < id as i64) {
        return damage(name, format!("merges {u} and {v}; must be 1 <= u <= v < {id}"));
    }
    Ok(Pair::new(u as Token, v as Token))
}

fn priorities(
    file: &Map<String, Value>,
    n_initial: usize,
    n: usize,
) -> std::result::Result<Vec<f64>, Damage> {
    let values = list(file, "priority")?;
    if values.len() != n {
        return damage("priority", format!("{} entries, but token2feat has {n}", values.len()));
    }
    let mut priorities = Vec::with_capacity(n);
    for (id, value) in values.iter().enumerate() {
        match value.as_f64() {
            Some(priority) if priority >= 0.0 && (id >= n_initial || priority == 0.0) => {
                priorities.push(priority)
            }
            _ => {
                return damage(
                    format!("priority[{id}]"),
                    "must be a number, not negative, and 0 below n_init_feats",
                );
            }
        }
    }
    Ok(priorities.split_off(n_initial))
}

fn read_ours(
    ours: &Value,
    n_categories: usize,
    features: Vec<Feature>,
    merges: Vec<Pair>,
    priorities: &[f64],
) -> std::result::Result<Vocabulary, Damage> {
    let Some(ours) = ours.as_object() else { return damage(OURS, "must be an object") };
    let inside = |(entry, problem): Damage| (format!("{OURS}.{entry}"), problem);
    if integer(ours, "version", 0, i64::MAX).map_err(inside)? != VERSION as i64
        || ours.get("generator").and_then(Value::as_str) != Some(GENERATOR)
    {
        return damage(OURS, format!("only version {VERSION} with the generator {GENERATOR} is known"));
    }
    let cardinalities = cardinalities(ours, n_categories, &features).map_err(inside)?;
    let exact = Exact {
        unit: count(ours.get("unit")).ok_or_else(|| inside(("unit".into(), WHOLE.into())))?,
        counts: counts(ours, priorities.len()).map_err(inside)?,
        size_asked: integer(ours, "size_asked", 1, MOST_TOKENS as i64).map_err(inside)? as usize,
    };
    let far = |(&count, &priority): (&Count, &f64)| nearest_double(count, exact.unit) != priority;
    if let Some(merge) = exact.counts.iter().zip(priorities).position(far) {
        return damage(format!("{OURS}.counts[{merge}]"), "does not agree with the priority");
    }
    Ok(Vocabulary::exact(Initial::from_sorted(n_categories, features, cardinalities), merges, exact))
}

const WHOLE: &str = "must be a positive whole number, as text";

fn count(value: Option<&Value>) -> Option<Count> {
    value.and_then(Value::as_str).and_then(|text| text.parse().ok()).filter(|&count| count > 0)
}

fn counts(ours: &Map<String, Value>, n: usize) -> std::result::Result<Vec<Count>, Damage> {
    let values = list(ours, "counts")?;
    if values.len() != n {
        return damage("counts", format!("{} entries for {n} merges", values.len()));
    }
    let one = |(i, value)| count(Some(value)).ok_or_else(|| (format!("counts[{i}]"), WHOLE.to_owned()));
    values.iter().enumerate().map(one).collect()
}

fn cardinalities(
    ours: &Map<String, Value>,
    n_categories: usize,
    features: &[Feature],
) -> std::result::Result<Option<Vec<i64>>, Damage> {
    if ours.get("cardinalities").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let given: Option<Vec<i64>> = list(ours, "cardinalities")?.iter().map(Value::as_i64).collect();
    let mut seen = vec![0; n_categories];
    features.iter().for_each(|&(category, _)| seen[category as usize] += 1);
    match given {
        Some(given) if given == seen => Ok(Some(given)),
        _ => damage("cardinalities", format!("must be {seen:?}, as token2feat has it")),
    }
}
