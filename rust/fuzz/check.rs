//! What must hold for any bytes that are handed to the loader. Fuzzing and the tests share it.

use std::ops::ControlFlow;
use std::path::Path;

use clairo::{Encoder, Feature, Histories, Items, Token, Vocabulary, encoder, file};

/// Tokens looked at: the first of each kind, and the last.
const SOME: usize = 40;

/// Features that a token may stand for before it is left alone.
const LIMIT: usize = 1000;

/// Categories of items that are not worth spelling out.
const WIDE: usize = 64;

/// Loads the bytes, and uses what loads: it must save and load to the same, keep to the layout, and encode
/// and decode. Returns whether it loaded.
pub fn load(text: &[u8]) -> bool {
    let path = Path::new("fuzzed.json");
    match file::from_json(text, path) {
        Ok(vocabulary) => {
            let saved = file::to_json(&vocabulary);
            let again = file::from_json(saved.as_bytes(), path).expect("what we saved");
            same(&vocabulary, &again);
            assert_eq!(saved, file::to_json(&again));
            layout(&vocabulary);
            decode(&vocabulary);
            encode(&vocabulary);
            true
        }
        Err(error) => {
            assert!(error.to_string().starts_with("fuzzed.json: "), "{error}");
            false
        }
    }
}

fn same(a: &Vocabulary, b: &Vocabulary) {
    let bits =
        |it: &Vocabulary| it.priorities().iter().map(|priority| priority.to_bits()).collect::<Vec<_>>();
    assert_eq!(a.initial(), b.initial());
    assert_eq!(a.merges(), b.merges());
    assert_eq!(bits(a), bits(b));
    assert_eq!(a.counts(), b.counts());
}

fn layout(vocabulary: &Vocabulary) {
    let initial = vocabulary.initial();
    assert_eq!(vocabulary.len(), initial.len() + vocabulary.merges().len());
    assert!(initial.features().is_sorted_by(|a, b| a < b), "by category, then value, none twice");
    assert!(
        initial.features().iter().all(|&(it, value)| (it as usize) < initial.n_categories() && value >= 0)
    );
    for (id, pair) in (initial.len()..).zip(vocabulary.merges()) {
        assert!(1 <= pair.first() && pair.first() <= pair.second() && (pair.second() as usize) < id);
    }
    assert!(vocabulary.priorities().iter().all(|priority| priority.is_finite() && *priority >= 0.0));
    if let Some(cardinalities) = initial.cardinalities() {
        assert_eq!(cardinalities.len(), initial.n_categories());
        assert!(cardinalities.iter().all(|&cardinality| cardinality >= 1));
        assert_eq!(cardinalities.iter().sum::<i64>() as usize, initial.features().len());
    }
    if let Some(exact) = vocabulary.counts() {
        assert!(exact.counts.iter().all(|&count| count > 0));
        assert_eq!([exact.counts.len(), exact.joined.len()], [vocabulary.merges().len(); 2]);
        assert!(vocabulary.merges().is_empty() || vocabulary.len() <= exact.size_asked);
        let joins = exact.joined.iter().flat_map(|joined| [joined.inside, joined.across]);
        assert!(
            joins.map(i128::from).sum::<i128>() <= i128::from(i64::MAX),
            "a sum that any reader can form"
        );
    }
}

/// Tokens at every edge, some of them none.
fn some(vocabulary: &Vocabulary) -> impl Iterator<Item = Token> {
    let (first, end) = (vocabulary.initial().len(), vocabulary.len());
    let places = [0..SOME, first..first + SOME, end.saturating_sub(SOME)..end + 2];
    places.into_iter().flatten().map(|token| token as Token).chain([Token::MAX])
}

fn decode(vocabulary: &Vocabulary) {
    let n = vocabulary.initial().n_categories();
    if n > WIDE {
        return;
    }
    for token in some(vocabulary) {
        let features = vocabulary.features_of(token, LIMIT).filter(|features| is_item(features, n));
        let values = vocabulary.decode(&[token]);
        assert_eq!(values.is_some(), features.is_some(), "{token}");
        for (category, value) in features.into_iter().flatten() {
            assert_eq!(values.as_ref().map(|values| values[category as usize]), Some(value));
        }
        assert_eq!(vocabulary.decode(&[token, 0]), None);
    }
}

fn is_item(features: &[Feature], n_categories: usize) -> bool {
    let mut categories: Vec<_> = features.iter().map(|&(category, _)| category as usize).collect();
    categories.sort_unstable();
    categories.into_iter().eq(0..n_categories)
}

fn encode(vocabulary: &Vocabulary) {
    let known = |&token: &Token| token != 0 && (token as usize) < vocabulary.len();
    let flat: Vec<_> = some(vocabulary).filter(known).collect();
    let encoded = encoder::encode_flat(vocabulary, &flat).expect("tokens of the vocabulary");
    assert_eq!(features(vocabulary, &encoded), features(vocabulary, &flat));
    if let Some(items) = items(vocabulary) {
        let ready = Encoder::new(vocabulary, &items).expect("known items");
        encode_items(&ready, vocabulary, &items);
        encode_history(&ready, vocabulary, &items);
    }
}

fn encode_items(encoder: &Encoder<&Vocabulary>, vocabulary: &Vocabulary, items: &Items) {
    let rows = encoder.canonical(Some(1), &mut go_on).expect("no stop");
    for (ends, item) in rows.offsets.windows(2).zip(items.rows()) {
        let tokens = &rows.tokens[ends[0] as usize..ends[1] as usize];
        assert_eq!(vocabulary.decode(tokens).as_deref(), Some(item));
    }
}

/// A history without events, and one that goes to and fro: both encodings keep every feature.
fn encode_history(encoder: &Encoder<&Vocabulary>, vocabulary: &Vocabulary, items: &Items) {
    let events = [0, 1, 1, 0, 0].map(|item: usize| item % items.len());
    let histories =
        Histories::new(&[0, 0, 5], &events.map(|item| item as i64), items.len()).expect("known items");
    let each: Vec<Vec<Feature>> = items.rows().map(|row| (0..).zip(row.iter().copied()).collect()).collect();
    let whole = sorted(events.iter().flat_map(|&item| each[item].clone()).collect());
    let permuted = encoder.encode(&histories, (7, &[0, 1]), Some(1), &mut go_on);
    let in_order = encoder.encode_deterministic(&histories, Some(1), &mut go_on);
    for rows in [permuted, in_order] {
        let tokens = rows.expect("no stop").tokens;
        assert_eq!(features(vocabulary, &tokens).as_ref(), Some(&whole));
    }
}

fn go_on(_done: usize, _all: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The items of the lowest and of the highest value of every category; none where a category has no value.
fn items(vocabulary: &Vocabulary) -> Option<Items> {
    let initial = vocabulary.initial();
    let n = initial.n_categories();
    if n > WIDE {
        return None;
    }
    let of = |category| initial.features().iter().filter(move |&&(it, _)| it as usize == category);
    let lowest: Option<Vec<i64>> = (0..n).map(|it| of(it).next().map(|&(_, value)| value)).collect();
    let highest: Option<Vec<i64>> = (0..n).map(|it| of(it).next_back().map(|&(_, value)| value)).collect();
    let mut rows = vec![lowest?, highest?];
    rows.dedup();
    Items::new(rows.concat(), n).ok()
}

/// What the tokens stand for; none if that is too much.
fn features(vocabulary: &Vocabulary, tokens: &[Token]) -> Option<Vec<Feature>> {
    let each: Option<Vec<_>> = tokens.iter().map(|&token| vocabulary.features_of(token, LIMIT)).collect();
    each.map(|each| sorted(each.concat()))
}

fn sorted(mut features: Vec<Feature>) -> Vec<Feature> {
    features.sort_unstable();
    features
}
