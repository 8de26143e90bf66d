//! The shared golden files, checked to the last entry. They lie beside the checkout, not in it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use clairo::{Options, Result, Token, Vocabulary, encoder, file, nearest_double};
use common::{Corpus, exact, merges};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(name)
}

/// The file's JSON; null, and a word, where the golden files are missing.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know that this one had nothing to do")]
fn read(name: &str) -> Value {
    let Ok(text) = fs::read(golden(name)) else {
        eprintln!("golden file {name} is not here: not checked");
        return Value::Null;
    };
    serde_json::from_slice(&text).expect("golden files are JSON")
}

/// The value's list; empty for null.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn numbers(value: &Value) -> Vec<i64> {
    list(value).iter().map(|number| number.as_i64().expect("a number")).collect()
}

fn tokens(value: &Value) -> Vec<Token> {
    numbers(value).into_iter().map(|number| number as Token).collect()
}

fn corpus(case: &Value) -> Corpus {
    let features = case["features"].as_object().expect("items by name");
    let row = |name: &Value| features.keys().position(|key| key == name).expect("a known item");
    Corpus {
        features: features.values().map(numbers).collect(),
        histories: list(&case["sequences"]).iter().map(|it| list(it).iter().map(row).collect()).collect(),
    }
}

fn check(case: &Value) -> Result<()> {
    let name = &case["name"];
    let corpus = corpus(case);
    let size = case["vocab_size_asked"].as_u64().expect("a size") as usize;
    let trainer = corpus.trainer(&Options { size, cardinalities: None, threads: Some(2), plain: false })?;
    for (history, right) in trainer.segmentation().iter().zip(list(&case["final_segmentation"])) {
        let mut sets = history.sets().to_vec();
        for set in &mut sets {
            set.sort_unstable();
        }
        assert_eq!(sets, list(&right["sets"]).iter().map(tokens).collect::<Vec<_>>(), "{name}");
        let slots = list(&right["slots"]).iter().map(|slot| tokens(slot).first().copied().unwrap_or(0));
        assert_eq!(history.slots(), slots.collect::<Vec<_>>(), "{name}");
    }
    let vocabulary = trainer.finish();
    check_vocabulary(case, &vocabulary);
    check_encodings(case, &vocabulary, &corpus)
}

fn check_vocabulary(case: &Value, vocabulary: &Vocabulary) {
    let name = &case["name"];
    assert_eq!(Some(vocabulary.initial().len() as u64), case["n_initial"].as_u64(), "{name}");
    let features: Vec<_> =
        vocabulary.initial().features().iter().map(|&(c, v)| vec![i64::from(c), v]).collect();
    assert_eq!(features, list(&case["initial_tokens"]).iter().map(numbers).collect::<Vec<_>>(), "{name}");
    let right: Vec<_> = list(&case["merges"]).iter().map(tokens).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(merges(vocabulary), right, "{name}");
    let (counts, unit) = exact(vocabulary);
    assert_eq!(counts.len(), list(&case["priorities"]).len(), "{name}");
    for ((count, priority), right) in
        counts.into_iter().zip(vocabulary.priorities()).zip(list(&case["priorities"]))
    {
        let (above, below) = right.as_str().and_then(|it| it.split_once('/')).expect("a fraction");
        let (above, below): (i128, i128) = (above.parse().expect("whole"), below.parse().expect("whole"));
        assert_eq!(count * below, above * unit, "{name}");
        assert_eq!(priority.to_bits(), nearest_double(above, below).to_bits(), "{name}");
    }
}

fn check_encodings(case: &Value, vocabulary: &Vocabulary, corpus: &Corpus) -> Result<()> {
    let name = &case["name"];
    for row in list(&case["encode_in_rank_order"]) {
        assert_eq!(
            encoder::encode_flat(vocabulary, &tokens(&row["flat"]))?,
            tokens(&row["tokens"]),
            "{name}"
        );
    }
    let canonical = corpus.canonical(vocabulary)?;
    let items = case["features"].as_object().expect("items by name").keys();
    let right = case["canonical_item_tokens"].as_object().expect("items by name");
    assert!(!right.is_empty());
    for (item, row) in items.zip(canonical) {
        assert!(right.get(item).is_none_or(|right| tokens(right) == row), "{name}, item {item}");
    }
    Ok(())
}

#[test]
fn little_corpora() -> Result<()> {
    list(&read("small.json")).iter().try_for_each(check)
}

#[test]
fn a_slice_of_instruments_in_text() -> Result<()> {
    list(&read("instruments_text_300.json")).iter().try_for_each(check)
}

#[test]
fn a_slice_of_instruments_in_text_and_images() -> Result<()> {
    list(&read("instruments_text_image_150.json")).iter().try_for_each(check)
}

#[test]
fn deterministic_encodings_of_little_corpora() -> Result<()> {
    let right = read("small_deterministic.json");
    for case in list(&read("small.json")) {
        let corpus = corpus(case);
        let vocabulary = corpus.train(case["vocab_size_asked"].as_u64().expect("a size") as usize, 1)?;
        let name = case["name"].as_str().expect("a name");
        let right: Vec<_> = list(&right[name]).iter().map(tokens).collect();
        assert_eq!(corpus.encode_deterministic(&vocabulary, 1)?, right, "{name}");
    }
    Ok(())
}

#[test]
fn the_released_vocabulary_encodes_as_the_released_code_does() -> Result<()> {
    let encodings = read("upstream_encodings.json");
    let Some(name) = encodings["file"].as_str() else { return Ok(()) };
    let vocabulary = file::load(&golden(name))?;
    assert_eq!(vocabulary.len(), 40_000);
    assert!(vocabulary.counts().is_none());
    for row in list(&encodings["rank_order"]) {
        assert_eq!(encoder::encode_flat(&vocabulary, &tokens(&row["flat"]))?, tokens(&row["tokens"]));
    }
    let items = list(&encodings["canonical"]);
    let features = items.iter().map(|item| numbers(&item["features"])).collect();
    let canonical = Corpus { features, histories: vec![] }.canonical(&vocabulary)?;
    assert_eq!(canonical, items.iter().map(|item| tokens(&item["tokens"])).collect::<Vec<_>>());
    Ok(())
}

/// Its 323 repeated rules are kept as tokens, but of each rule only the last can be produced.
#[test]
fn the_released_vocabulary_keeps_its_repeats() -> Result<()> {
    let json = read("upstream_instruments_text_40000.json");
    if json.is_null() {
        return Ok(());
    }
    let vocabulary = file::load(&golden("upstream_instruments_text_40000.json"))?;
    let first = vocabulary.initial().len() as Token;
    let produced =
        (first..).zip(merges(&vocabulary)).filter(|&(id, (u, v))| vocabulary.rule(u, v) == Some(id));
    assert_eq!(vocabulary.merges().len() - produced.count(), 323);
    let again = file::from_json(file::to_json(&vocabulary).as_bytes(), Path::new("again"))?;
    assert_eq!(again.merges(), vocabulary.merges());
    let priorities: Vec<f64> = list(&json["priority"]).iter().filter_map(Value::as_f64).collect();
    assert_eq!(again.priorities(), &priorities[first as usize..]);
    Ok(())
}
