//! What is refused, and the place that is named.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use clairo::{Error, Histories, Items, Options, Result, Trainer, encoder, file};
use common::{Corpus, go_on};
use serde_json::{Value, json};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "accepted".to_owned(), |error| error.to_string())
}

fn corpus() -> Corpus {
    Corpus { features: vec![vec![0, 0], vec![1, 0]], histories: vec![vec![0, 1], vec![1, 0, 0]] }
}

fn options(size: usize, cardinalities: Option<Vec<i64>>) -> Options {
    Options { size, cardinalities, threads: None, plain: false }
}

#[test]
fn item_tables() {
    let table = |values: &[i64], n| message(Items::new(values.to_vec(), n));
    assert_eq!(table(&[0, 1, 2], 2), "features[1]: a row of fewer than 2 values");
    assert_eq!(table(&[], 0), "features: an item needs at least one category");
    assert_eq!(table(&[0, 1, 2, -3], 2), "features[1, 1]: -3 is negative");
    assert_eq!(table(&[0, 1, 2, 3, 0, 1], 2), "features[2]: the same features as item 0: [0, 1]");
}

#[test]
fn histories() {
    let rows = |offsets: &[i64], events: &[i64]| message(Histories::new(offsets, events, 3));
    assert_eq!(rows(&[], &[]), "offsets: must hold at least a 0");
    assert_eq!(rows(&[1, 2], &[0, 1]), "offsets[0]: must be 0, is 1");
    assert_eq!(rows(&[0, 2, 1], &[0]), "offsets[2]: 1 is below the offset before it, 2");
    assert_eq!(rows(&[0, 1], &[0, 1]), "offsets[1]: must be the number of events, 2, is 1");
    assert_eq!(rows(&[0, 2], &[0, 3]), "events[1]: item 3 is not a row of features (0..3)");
    assert_eq!(rows(&[0, 2], &[-1, 0]), "events[0]: item -1 is not a row of features (0..3)");
}

#[test]
fn options_of_the_training() {
    let train = |size, cardinalities| message(corpus().trainer(&options(size, cardinalities)));
    assert_eq!(train(0, None), "size: 0 is not in 1..=67108864");
    assert_eq!(train(1 << 27, None), "size: 134217728 is not in 1..=67108864");
    assert_eq!(train(9, Some(vec![2])), "cardinalities: 1 given for 2 categories");
    assert_eq!(train(9, Some(vec![1, 1])), "features[1, 0]: value 1 is not below the cardinality 1");
    assert!(train(9, Some(vec![2, 0])).starts_with("cardinalities[1]: 0 is below 1"));
    assert!(train(9, Some(vec![2, i64::MAX])).starts_with("cardinalities[1]: "));
    let threads = Options { size: 9, cardinalities: None, threads: Some(0), plain: false };
    assert_eq!(message(corpus().trainer(&threads)), "threads: must be at least 1");
}

/// Of 42 categories 1,181 events fit, of 43 not one: said before anything is counted. The observer may be asked
/// once before the work; at its second question the work has begun.
#[test]
fn corpora_whose_counts_could_not_be_exact() -> Result<()> {
    let start = |n_categories: i64, n_events| {
        let corpus =
            Corpus { features: vec![(0..n_categories).collect()], histories: vec![vec![0; n_events]] };
        let mut asked = 0;
        let mut stop_the_work = |_, _| {
            asked += 1;
            if asked < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let (items, histories) = (corpus.items()?, corpus.histories()?);
        Ok(message(Trainer::new(&items, &histories, &options(9, None), &mut stop_the_work)))
    };
    let refusal = |n, events| {
        let advice = "need exact counts wider than 127 bits; use fewer categories";
        format!("features: {n} categories over {events} events {advice}")
    };
    assert_eq!(start(42, 1181)?, "stopped by the caller");
    assert_eq!(start(42, 1182)?, refusal(42, 1182));
    assert_eq!(start(43, 1)?, refusal(43, 1));
    assert_eq!(start(1000, 2)?, refusal(1000, 2));
    Ok(())
}

#[test]
fn encodings() -> Result<()> {
    let vocabulary = corpus().train(6, 1)?;
    let other = |features| Corpus { features, histories: vec![vec![0]] };
    let unknown = other(vec![vec![0, 7]]);
    let right = "features[0, 1]: value 7 of category 1 is not in the vocabulary, which has tokens for the values \
                 of its own training only: give the training cardinalities to leave room for more";
    assert_eq!(message(unknown.encode(&vocabulary, 0, 1)), right);
    assert_eq!(message(unknown.encode_deterministic(&vocabulary, 1)), right);
    assert_eq!(message(unknown.canonical(&vocabulary)), right);
    let narrow = other(vec![vec![0]]).canonical(&vocabulary);
    assert_eq!(message(narrow), "features: 1 categories, but the vocabulary has 2");
    assert_eq!(message(encoder::encode_flat(&vocabulary, &[1, 0])), "tokens[1]: token 0 is not in 1..6");
    assert_eq!(message(encoder::encode_flat(&vocabulary, &[6])), "tokens[0]: token 6 is not in 1..6");
    let (items, histories) = (corpus().items()?, corpus().histories()?);
    let rows = encoder::encode(&vocabulary, &items, &histories, (0, &[1]), None, &mut go_on);
    assert_eq!(message(rows), "rows: 1 given for 2 histories");
    Ok(())
}

#[test]
fn an_observer_stops_the_work() -> Result<()> {
    let (items, histories) = (corpus().items()?, corpus().histories()?);
    let mut stop = |_, _| ControlFlow::Break(());
    let before = Trainer::new(&items, &histories, &options(9, None), &mut stop);
    assert!(matches!(before, Err(Error::Stopped)));
    let mut trainer = Trainer::new(&items, &histories, &options(9, None), &mut go_on)?;
    let mut calls = 0;
    let mut stop_at_the_third = |done, all| {
        assert_eq!(all, 5);
        calls += 1;
        if done < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    assert!(matches!(trainer.run(&mut stop_at_the_third), Err(Error::Stopped)));
    assert!(calls > 2);
    Ok(())
}

/// A file that is right, changed in one entry.
fn damaged(pointer: &str, value: Value) -> Result<String> {
    let mut json: Value = serde_json::from_str(&file::to_json(&corpus().train(7, 1)?)).expect("our own JSON");
    *json.pointer_mut(pointer).expect("an entry") = value;
    Ok(message(file::from_json(json.to_string().as_bytes(), Path::new("v.json"))))
}

#[test]
fn damaged_entries_are_named() -> Result<()> {
    let cases = [
        ("/n_categories", json!(0), "n_categories"),
        ("/n_categories", json!("2"), "n_categories"),
        ("/n_categories", json!(1), "token2feat[3]"),
        ("/n_init_feats", json!(3), "token2feat[3]"),
        ("/n_init_feats", json!(5), "token2feat[4]"),
        ("/n_init_feats", json!(8), "token2feat"),
        ("/token2feat", json!({}), "token2feat"),
        ("/token2feat/0", json!([0, 0]), "token2feat[0]"),
        ("/token2feat/2", json!([0, 0]), "token2feat[2]"),
        ("/token2feat/1", json!([0, -1]), "token2feat[1]"),
        ("/token2feat/1", json!([2, 0]), "token2feat[1]"),
        ("/token2feat/1", json!([0, 0, 0]), "token2feat[1]"),
        ("/token2feat/1", json!([0, 0.5]), "token2feat[1]"),
        ("/token2feat/4", json!([-1, 1]), "token2feat[4]"),
        ("/token2feat/4", json!([1, 3]), "token2feat[4]"),
        ("/token2feat/4", json!([-1, 4, 4]), "token2feat[4]"),
        ("/token2feat/4", json!([-1, 1, 5]), "token2feat[4]"),
        ("/token2feat/4", json!([-1, 3, 1]), "token2feat[4]"),
        ("/token2feat/4", json!([-1, 0, 1]), "token2feat[4]"),
        ("/token2feat/4", json!([-1, 1, 1_u64 << 33]), "token2feat[4]"),
        ("/token2feat/5", json!([-1, 1, 3]), "token2feat[5]"),
        ("/priority", json!([0]), "priority"),
        ("/priority/1", json!(0.5), "priority[1]"),
        ("/priority/4", json!(-1.0), "priority[4]"),
        ("/priority/4", json!(null), "priority[4]"),
        ("/priority/4", json!(1.0), "clairo.counts[0]"),
        ("/clairo", json!(1), "clairo"),
        ("/clairo/version", json!(1), "clairo.version"),
        ("/clairo/inside", json!([]), "clairo.inside"),
        ("/clairo/across/0", json!(-1), "clairo.across"),
        ("/clairo/generator", json!("dice"), "clairo.generator"),
        ("/clairo/unit", json!("5"), "clairo.unit"),
        ("/clairo/unit", json!(4), "clairo.unit"),
        ("/clairo/counts", json!(["1"]), "clairo.counts"),
        ("/clairo/counts/1", json!("0"), "clairo.counts[1]"),
        ("/clairo/counts/1", json!("x"), "clairo.counts[1]"),
        ("/clairo/cardinalities", json!([2, 2]), "clairo.cardinalities"),
        ("/clairo/cardinalities", json!([2]), "clairo.cardinalities"),
        ("/clairo/size_asked", json!(-1), "clairo.size_asked"),
        ("/clairo/size_asked", json!(6), "clairo.size_asked"),
        ("/clairo/inside/0", json!(u64::MAX), "clairo.inside"),
        ("/clairo/across/0", json!(i64::MAX), "clairo.inside"),
    ];
    for (pointer, value, entry) in cases {
        let message = damaged(pointer, value.clone())?;
        assert!(message.starts_with(&format!("v.json: {entry}: ")), "{pointer} {value}: {message}");
    }
    Ok(())
}

#[test]
fn what_is_no_vocabulary_at_all() -> Result<()> {
    let text = file::to_json(&corpus().train(7, 1)?);
    let load = |text: &[u8]| message(file::from_json(text, Path::new("v.json")));
    for length in [0, 1, text.len() / 2, text.len() - 1] {
        assert!(load(&text.as_bytes()[..length]).starts_with("v.json: not JSON: "));
    }
    assert!(load(b"\xff\xfe").starts_with("v.json: not JSON: "));
    assert!(load("[".repeat(100_000).as_bytes()).starts_with("v.json: not JSON: "));
    assert_eq!(load(b"[]"), "v.json: not a JSON object");
    assert_eq!(load(b"{}"), "v.json: n_categories: is missing");
    assert!(message(file::load(Path::new("/no/such/file"))).starts_with("/no/such/file: "));
    Ok(())
}

/// Merges of a token with itself double every time: 60 of them stand for more features than memory holds.
#[test]
fn tokens_that_stand_for_too_much_are_not_spelt_out() -> Result<()> {
    let mut tokens = vec![json!([-1, -1]), json!([0, 0])];
    tokens.extend((1..61).map(|id| json!([-1, id, id])));
    let priority: Vec<f64> = (0..62).map(|id| f64::from(u8::from(id > 1))).collect();
    let json = json!({"n_categories": 1, "n_init_feats": 2, "token2feat": tokens, "priority": priority});
    let vocabulary = file::from_json(json.to_string().as_bytes(), Path::new("v.json"))?;
    assert_eq!(vocabulary.features_of(61, 1_000), None);
    assert_eq!(vocabulary.features_of(5, 1_000).map(|features| features.len()), Some(16));
    assert_eq!(vocabulary.decode(&[61]), None);
    Ok(())
}

#[test]
fn saving_replaces_a_file_whole_and_leaves_nothing_else() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("clairo-save-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("vocabulary.json");
    fs::write(&path, "an older file").expect("a file");
    let vocabulary = corpus().train(7, 1)?;
    file::save(&vocabulary, &path)?;
    assert_eq!(file::load(&path)?.merges(), vocabulary.merges());
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    let nowhere = file::save(&vocabulary, &folder.join("missing/vocabulary.json"));
    assert!(matches!(nowhere, Err(Error::Io { .. })));
    fs::remove_dir_all(&folder).expect("a folder");
    Ok(())
}
