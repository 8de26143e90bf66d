//! What must hold for every corpus.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use clairo::{Feature, History, Result, Token, Vocabulary, encoder, file};
use common::{Corpus, exact, merges, same};
use proptest::prelude::*;

/// Corpora that are dense in ties, repeated items, vanishing sets and histories of no or one event.
fn corpora() -> impl Strategy<Value = Corpus> {
    (1_usize..5, 1_i64..4, 1_usize..7).prop_flat_map(|(n_categories, n_values, n_items)| {
        let rows = prop::collection::btree_set(prop::collection::vec(0..n_values, n_categories), 1..=n_items);
        let picks = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..8), 1..80);
        (rows, picks).prop_map(|(rows, picks)| {
            let features: Vec<_> = rows.into_iter().collect();
            let pick = |history: Vec<prop::sample::Index>| {
                history.into_iter().map(|index| index.index(features.len())).collect()
            };
            Corpus { histories: picks.into_iter().map(pick).collect(), features }
        })
    })
}

/// Scans for the lowest merge id, leftmost first, and starts again.
fn scan(vocabulary: &Vocabulary, row: &[Token]) -> Vec<Token> {
    let mut row = row.to_vec();
    loop {
        let rules = row.windows(2).map(|pair| vocabulary.rule(pair[0], pair[1])).enumerate();
        let Some((token, i)) = rules.filter_map(|(i, token)| Some((token?, i))).min() else { return row };
        row.splice(i..i + 2, [token]);
    }
}

fn features(vocabulary: &Vocabulary, row: &[Token]) -> Vec<Feature> {
    let each = row.iter().map(|&token| vocabulary.features_of(token, usize::MAX).expect("a token"));
    let mut features = each.collect::<Vec<_>>().concat();
    features.sort_unstable();
    features
}

fn features_of_items(corpus: &Corpus, items: &[usize]) -> Vec<Feature> {
    let row = |&item: &usize| (0..).zip(corpus.features[item].iter().copied());
    let mut features: Vec<Feature> = items.iter().flat_map(row).collect();
    features.sort_unstable();
    features
}

fn sorted(mut histories: Vec<History>) -> Vec<(Vec<Vec<Token>>, Vec<Token>)> {
    let sets = |history: &History| {
        let mut sets = history.sets().to_vec();
        for set in &mut sets {
            set.sort_unstable();
        }
        sets
    };
    histories.drain(..).map(|history| (sets(&history), history.slots().to_vec())).collect()
}

/// How many times two tokens stand together, in one set or as neighbours.
fn places(histories: &[History]) -> BTreeMap<(Token, Token), usize> {
    let mut places = BTreeMap::new();
    let mut count = |a: Token, b: Token| *places.entry((a.min(b), a.max(b))).or_default() += 1;
    for history in histories {
        for set in history.sets() {
            (0..set.len()).for_each(|i| set[..i].iter().for_each(|&b| count(set[i], b)));
        }
        for (two, &slot) in history.sets().windows(2).zip(history.slots()) {
            if slot == 0 {
                two[0].iter().for_each(|&a| two[1].iter().for_each(|&b| count(a, b)));
            } else {
                two.iter().flatten().for_each(|&a| count(a, slot));
            }
        }
    }
    places
}

proptest! {
    #[test]
    fn threads_make_no_difference(corpus in corpora(), size in 1_usize..60, seed: u64) {
        let one = corpus.train(size, 1)?;
        for threads in [2, 8] {
            prop_assert!(same(&one, &corpus.train(size, threads)?));
            prop_assert_eq!(corpus.encode(&one, seed, 1)?, corpus.encode(&one, seed, threads)?);
            let together = corpus.encode_deterministic(&one, threads)?;
            prop_assert_eq!(corpus.encode_deterministic(&one, 1)?, together);
        }
    }

    /// The fast engine and its readable twin, down to the segmentation that they leave.
    #[test]
    fn both_engines_do_the_same(corpus in corpora(), size in 1_usize..90) {
        let of = |plain| clairo::Options { size, cardinalities: None, threads: Some(1), plain };
        let (fast, plain) = (corpus.trainer(&of(false))?, corpus.trainer(&of(true))?);
        prop_assert_eq!(sorted(fast.segmentation()), sorted(plain.segmentation()));
        prop_assert!(same(&fast.finish(), &plain.finish()));
    }

    /// What the fast engine rests on: two tokens that do not stand together never will, unless one of them is
    /// yet to be made. So the places of a pair, counted as the weights are but each as one, only become fewer.
    #[test]
    fn places_never_come_back(corpus in corpora()) {
        let mut before: Option<BTreeMap<(Token, Token), usize>> = None;
        for size in corpus.train(1, 1)?.len().. {
            let options = clairo::Options { size, cardinalities: None, threads: Some(1), plain: true };
            let trainer = corpus.trainer(&options)?;
            let now = places(&trainer.segmentation());
            for (&pair, &n) in &now {
                let old = before.as_ref().is_some_and(|_| (pair.1 as usize) < size - 1);
                let most = before.as_ref().and_then(|before| before.get(&pair)).copied().unwrap_or(0);
                prop_assert!(!old || n <= most, "{pair:?} at {size}: {n} places after {most}");
            }
            before = Some(now);
            if trainer.finish().len() < size {
                break;
            }
        }
    }

    #[test]
    fn growing_on_the_same_corpus_is_training_longer(
        corpus in corpora(),
        size in 1_usize..60,
        more in 0_usize..40,
        plain: bool,
    ) {
        let small = corpus.train(size, 1)?;
        let options = clairo::Options {
            size: small.len().max(size) + more,
            cardinalities: None,
            threads: Some(1),
            plain,
        };
        let grown = corpus.expand(&small, &options)?;
        prop_assert!(same(&grown, &corpus.train(options.size, 1)?));
        prop_assert_eq!(grown.counts().map(|it| it.size_asked), Some(options.size));
    }

    /// The beginning stays, whatever is merged after it; and both engines go on alike.
    #[test]
    fn growing_on_another_corpus_keeps_the_beginning(
        (corpus, picks) in (corpora(), prop::collection::vec(any::<prop::sample::Index>(), 0..40)),
        size in 1_usize..40,
        more in 0_usize..40,
    ) {
        let small = corpus.train(size, 1)?;
        let mut other = corpus.clone();
        other.histories.push(picks.iter().map(|pick| pick.index(corpus.features.len())).collect());
        let of = |plain| clairo::Options { size: size.max(small.len()) + more, cardinalities: None, threads: Some(1), plain };
        let (fast, plain) = (other.expand(&small, &of(false))?, other.expand(&small, &of(true))?);
        prop_assert!(same(&fast, &plain));
        prop_assert!(merges(&fast).starts_with(&merges(&small)));
        prop_assert!(exact(&fast).0.starts_with(&exact(&small).0));
    }

    #[test]
    fn the_order_of_histories_makes_no_difference(corpus in corpora(), size in 1_usize..60) {
        let mut turned = corpus.clone();
        turned.histories.reverse();
        let middle = turned.histories.len() / 3;
        turned.histories.rotate_left(middle);
        prop_assert!(same(&corpus.train(size, 1)?, &turned.train(size, 1)?));
    }

    #[test]
    fn a_smaller_vocabulary_is_the_beginning_of_a_larger_one(corpus in corpora(), size in 1_usize..60) {
        let (small, large) = (corpus.train(size, 1)?, corpus.train(size + 9, 1)?);
        prop_assert!(merges(&large).starts_with(&merges(&small)));
        prop_assert!(exact(&large).0.starts_with(&exact(&small).0));
    }

    #[test]
    fn a_corpus_taken_twice_gives_the_same_merges_at_double_priority(corpus in corpora()) {
        let mut twice = corpus.clone();
        twice.histories.extend(corpus.histories.clone());
        let (once, twice) = (corpus.train(100, 1)?, twice.train(100, 1)?);
        prop_assert_eq!(merges(&once), merges(&twice));
        prop_assert!(exact(&once).0.iter().zip(exact(&twice).0).all(|(&one, two)| 2 * one == two));
    }

    /// Every merge takes the heaviest pair, so with no limit the histories end as one token each, or as
    /// tokens that no rule joins; and no rule enters twice.
    #[test]
    fn without_a_limit_every_history_becomes_one_token(corpus in corpora()) {
        let options = clairo::Options { size: 10_000, cardinalities: None, threads: None, plain: false };
        let trainer = corpus.trainer(&options)?;
        for history in trainer.segmentation() {
            prop_assert_eq!(history.sets().len(), 1);
            prop_assert_eq!(history.sets()[0].len(), 1);
        }
        let mut rules = merges(&trainer.finish());
        let n_rules = rules.len();
        rules.sort_unstable();
        rules.dedup();
        prop_assert_eq!(rules.len(), n_rules);
    }

    #[test]
    fn encoding_keeps_every_feature(corpus in corpora(), size in 1_usize..60, seed: u64) {
        let vocabulary = corpus.train(size, 1)?;
        let encodings = [corpus.encode(&vocabulary, seed, 1)?, corpus.encode_deterministic(&vocabulary, 1)?];
        for rows in encodings {
            for (row, history) in rows.iter().zip(&corpus.histories) {
                prop_assert_eq!(features(&vocabulary, row), features_of_items(&corpus, history));
            }
        }
        for (item, row) in corpus.canonical(&vocabulary)?.iter().enumerate() {
            prop_assert_eq!(vocabulary.decode(row), Some(corpus.features[item].clone()));
        }
    }

    #[test]
    fn rank_order_agrees_with_scanning(
        corpus in corpora(),
        size in 1_usize..60,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let vocabulary = corpus.train(size, 1)?;
        let pick = |index: &prop::sample::Index| index.index(vocabulary.len() - 1) as Token + 1;
        let row: Vec<Token> = picks.iter().map(pick).collect();
        prop_assert_eq!(encoder::encode_flat(&vocabulary, &row)?, scan(&vocabulary, &row));
    }

    #[test]
    fn a_row_is_encoded_the_same_in_any_batch(corpus in corpora(), size in 1_usize..60, seed: u64) {
        let vocabulary = corpus.train(size, 1)?;
        let all = corpus.encode(&vocabulary, seed, 2)?;
        for (i, history) in corpus.histories.iter().enumerate() {
            let alone = Corpus { features: corpus.features.clone(), histories: vec![history.clone()] };
            let (items, histories) = (alone.items()?, alone.histories()?);
            let key = (seed, &[i as u64][..]);
            let rows = encoder::encode(&vocabulary, &items, &histories, key, None, &mut common::go_on)?;
            prop_assert_eq!(&rows.tokens, &all[i]);
        }
    }

    #[test]
    fn a_history_of_one_event_gives_the_canonical_tokens(corpus in corpora(), size in 1_usize..60) {
        let vocabulary = corpus.train(size, 1)?;
        let each = (0..corpus.features.len()).map(|item| vec![item]).collect();
        let alone = Corpus { features: corpus.features.clone(), histories: each };
        prop_assert_eq!(alone.encode_deterministic(&vocabulary, 1)?, alone.canonical(&vocabulary)?);
    }

    #[test]
    fn a_saved_vocabulary_is_the_one_loaded(corpus in corpora(), size in 1_usize..60) {
        let vocabulary = corpus.train(size, 1)?;
        let text = file::to_json(&vocabulary);
        let loaded = file::from_json(text.as_bytes(), Path::new("saved"))?;
        prop_assert!(same(&vocabulary, &loaded));
        prop_assert_eq!(vocabulary.priorities(), loaded.priorities());
        prop_assert_eq!(vocabulary.initial(), loaded.initial());
        prop_assert_eq!(text, file::to_json(&loaded));
    }
}

/// Every set permutation of a set of four turns up about equally often: 2,400 rows, 24 orders, 100 each; five
/// standard deviations are 49.
#[test]
fn permutations_are_equally_likely() -> Result<()> {
    let corpus = Corpus { features: vec![vec![0, 0, 0, 0]], histories: vec![vec![0]; 2400] };
    let vocabulary = corpus.train(1, 1)?;
    let mut orders = corpus.encode(&vocabulary, 7, 1)?;
    orders.sort_unstable();
    let counts: Vec<usize> = orders.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(counts.len(), 24);
    assert!(counts.iter().all(|&count| count.abs_diff(100) < 50), "{counts:?}");
    assert_ne!(corpus.encode(&vocabulary, 7, 1)?, corpus.encode(&vocabulary, 8, 1)?);
    Ok(())
}

/// Histories enough that merges are shared among workers, with a twin in every one of them, some long.
#[test]
fn threads_make_no_difference_to_many_histories() -> Result<()> {
    let features: Vec<Vec<i64>> = (0..12).map(|item| vec![item % 3, item / 3, 0]).collect();
    let history = |row: usize| (0..row % 7).map(|i| (row * row + i * i * row) % 12).collect();
    let corpus = Corpus { features, histories: (0..30_000).map(history).collect() };
    let plain = corpus.train_plain(300)?;
    for threads in [1, 2, 3, 8] {
        assert!(same(&plain, &corpus.train(300, threads)?), "{threads} threads");
    }
    let small = corpus.train(100, 1)?;
    let options = clairo::Options { size: 300, cardinalities: None, threads: Some(3), plain: false };
    assert!(same(&plain, &corpus.expand(&small, &options)?));
    Ok(())
}
