//! Corpora small enough to follow with a pencil.

mod common;

use std::path::Path;

use clairo::{Options, Result, Token, encoder, file};
use common::{Corpus, exact, merges};

/// Five pairs of items whose own codes are all different, joined by two codes that every pair shares.
fn five_bridges() -> Corpus {
    let left = (0..5).map(|i| vec![i, 0]);
    let right = (0..5).map(|i| vec![5 + i, 1]);
    Corpus { features: left.chain(right).collect(), histories: (0..5).map(|i| vec![i, 5 + i]).collect() }
}

/// Items (0, 0) and (1, 0): tokens 1 and 3, 2 and 3. Inside a set of two a pair weighs 2/2, across 1/4; so
/// (1, 3) and (2, 3) both count 5/4, as 3 stands in both sets, and the smaller goes first.
#[test]
fn both_kinds_of_pairs_are_counted_and_ties_go_to_the_smaller() -> Result<()> {
    let corpus = Corpus { features: vec![vec![0, 0], vec![1, 0]], histories: vec![vec![0, 1]] };
    let vocabulary = corpus.train(100, 1)?;
    assert_eq!(merges(&vocabulary), [(1, 3), (2, 3), (4, 5)]);
    assert_eq!(exact(&vocabulary), (vec![5, 4, 4], 4));
    assert_eq!(vocabulary.priorities(), [1.25, 1.0, 1.0]);
    assert_eq!(vocabulary.len(), 7);
    Ok(())
}

/// One category: the sets are single tokens, 1 2 1 2. The pair (1, 2) stands across three boundaries but,
/// from left to right, only two merges are possible; the emptied sets take their slot or vanish.
#[test]
fn merges_run_from_left_to_right_and_emptied_sets_vanish() -> Result<()> {
    let corpus = Corpus { features: vec![vec![0], vec![1]], histories: vec![vec![0, 1, 0, 1]] };
    let options = |size| Options { size, cardinalities: None, threads: Some(1), plain: false };
    let once = corpus.trainer(&options(4))?;
    assert_eq!(once.segmentation()[0].sets(), [[3], [3]]);
    assert_eq!(once.segmentation()[0].slots(), [0]);
    let vocabulary = corpus.trainer(&options(9))?.finish();
    assert_eq!(merges(&vocabulary), [(1, 2), (3, 3)]);
    assert_eq!(exact(&vocabulary), (vec![3, 1], 1));
    Ok(())
}

/// Items {1, 3} and {1, 2}, history {1, 3} {1, 2} {1, 2}. From left to right (1, 2) merges across both
/// boundaries, as each set's own step inside comes after the boundary on its left: {3} 4 {} 4 {1}. The
/// emptied set takes the slot on its left. The pair counted 1 in each set of both, 1/4 across the first
/// boundary and twice that across the second.
#[test]
fn boundaries_come_before_the_next_set_and_the_left_slot_before_the_right() -> Result<()> {
    let corpus = Corpus { features: vec![vec![0, 1], vec![0, 0]], histories: vec![vec![0, 1, 1]] };
    let trainer =
        corpus.trainer(&Options { size: 5, cardinalities: None, threads: Some(1), plain: false })?;
    assert_eq!(trainer.segmentation()[0].sets(), [[3], [4], [1]]);
    assert_eq!(trainer.segmentation()[0].slots(), [0, 4]);
    let vocabulary = trainer.finish();
    assert_eq!(merges(&vocabulary), [(1, 2)]);
    assert_eq!(exact(&vocabulary), (vec![11], 4));
    Ok(())
}

/// The shared codes are tokens 11 and 12. Across, they count 5/4; inside, each own code counts 1 with its
/// shared one.
#[test]
fn a_merge_across_fills_the_slot_and_an_emptied_set_takes_it() -> Result<()> {
    let corpus = five_bridges();
    let options = |size| Options { size, cardinalities: None, threads: Some(1), plain: false };
    let bridged = corpus.trainer(&options(14))?;
    for (i, history) in (1..).zip(bridged.segmentation()) {
        assert_eq!(history.sets(), [[i], [i + 5]]);
        assert_eq!(history.slots(), [13]);
    }
    let vocabulary = corpus.trainer(&options(100))?.finish();
    let (counts, unit) = exact(&vocabulary);
    let left: Vec<(Token, Token)> = (1..6).map(|i| (i, 13)).collect();
    let right: Vec<(Token, Token)> = (6..11).map(|i| (i, i + 8)).collect();
    assert_eq!(merges(&vocabulary), [vec![(11, 12)], left, right].concat());
    assert_eq!((counts[0], counts[1..].to_vec(), unit), (5, vec![4; 10], 4));
    Ok(())
}

/// With merges (11, 12), (1, 13) and (6, 14) the first history becomes one token whatever way it is encoded,
/// while the items on their own have no rule.
#[test]
fn a_token_across_two_items_encodes_histories_but_no_item() -> Result<()> {
    let corpus = five_bridges();
    let vocabulary = corpus.train(100, 1)?;
    assert_eq!(corpus.encode_deterministic(&vocabulary, 1)?[0], [19]);
    assert_eq!(encoder::encode_flat(&vocabulary, &[1, 11, 12, 6])?, [19]);
    assert_eq!(encoder::encode_flat(&vocabulary, &[11, 1, 6, 12])?, [11, 1, 6, 12]);
    assert_eq!(corpus.canonical(&vocabulary)?[0], [1, 11]);
    assert_eq!(vocabulary.decode(&[19]), None);
    assert_eq!(vocabulary.decode(&[11, 1]), Some(vec![0, 0]));
    assert_eq!(vocabulary.features_of(14, 9), Some(vec![(0, 0), (1, 0), (1, 1)]));
    Ok(())
}

/// Items {1, 2, 4, 6} and {1, 3, 5, 7}. First 6 and 7 fill the slot with 8, then 3 and 5 become 9. Now 1
/// stands on both sides of the slot, in a set of three on the left (weight 1/3) and of two on the right
/// (1/2): the right one merges.
#[test]
fn a_slot_merges_with_the_side_where_it_weighs_more() -> Result<()> {
    let json = r#"{"n_categories": 4, "n_init_feats": 8,
        "token2feat": [[-1, -1], [0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1],
            [-1, 6, 7], [-1, 3, 5], [-1, 1, 8]],
        "priority": [0, 0, 0, 0, 0, 0, 0, 0, 90, 1, 0.5]}"#;
    let vocabulary = file::from_json(json.as_bytes(), Path::new("by hand"))?;
    let corpus = Corpus {
        features: vec![vec![0, 0, 0, 0], vec![0, 1, 1, 1]],
        histories: vec![vec![0, 1], vec![1, 0]],
    };
    let rows = corpus.encode_deterministic(&vocabulary, 1)?;
    assert_eq!(rows, [vec![1, 2, 4, 10, 9], vec![9, 10, 1, 2, 4]]);
    Ok(())
}

#[test]
fn a_row_that_is_no_item_decodes_to_none() -> Result<()> {
    let vocabulary = five_bridges().train(100, 1)?;
    for row in [&[][..], &[0], &[1], &[1, 1], &[1, 11, 0], &[1, 11, 11], &[1, 2], &[1000, 11], &[Token::MAX]]
    {
        assert_eq!(vocabulary.decode(row), None, "{row:?}");
    }
    Ok(())
}

/// Values below the cardinalities have tokens whether or not an item has them: 3 and 2 of them here.
#[test]
fn cardinalities_give_unseen_values_their_tokens() -> Result<()> {
    let corpus = Corpus { features: vec![vec![0, 1], vec![2, 1]], histories: vec![vec![0, 1]] };
    let options = Options { size: 1, cardinalities: Some(vec![3, 2]), threads: None, plain: false };
    let vocabulary = corpus.trainer(&options)?.finish();
    assert_eq!(vocabulary.initial().features(), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]);
    assert_eq!(vocabulary.len(), 6);
    let later = Corpus { features: vec![vec![1, 0]], histories: vec![] };
    assert_eq!(later.canonical(&vocabulary)?, [[2, 4]]);
    Ok(())
}

/// Thirty-seven categories need a unit of 34 digits, which a 128-bit count still holds; a unit of 60
/// categories passes it, and is refused before any work.
#[test]
fn wide_items_are_exact_or_refused() -> Result<()> {
    let wide = |n: i64| Corpus { features: vec![vec![0; n as usize]], histories: vec![vec![0, 0]] };
    let vocabulary = wide(37).train(100, 1)?;
    let (counts, unit) = exact(&vocabulary);
    let lcm: i128 = 5_342_931_457_063_200;
    assert_eq!(unit, lcm * lcm);
    // Any two different codes: 2/37 in each of the two sets, and twice 1/37^2 across.
    assert_eq!(counts[0] * 37 * 37, unit * (4 * 37 + 2));
    let refused = wide(60).train(100, 1).map(drop).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|problem| problem.contains("60 categories over 2 events")));
    Ok(())
}

/// Two hundred times one item of 19 categories: every pair of its tokens weighs 2/M, the smallest go first.
/// The last count, 200, is more than 64 bits hold in units of 1/lcm(1..19)^2.
#[test]
fn counts_go_beyond_64_bits() -> Result<()> {
    let corpus = Corpus { features: vec![(0..19).collect()], histories: vec![vec![0]; 200] };
    for plain in [true, false] {
        let options = Options { size: 100, cardinalities: None, threads: Some(1), plain };
        let vocabulary = corpus.trainer(&options)?.finish();
        let (counts, unit) = exact(&vocabulary);
        assert_eq!(unit, 232_792_560 * 232_792_560);
        assert_eq!(counts, (2..=19).rev().map(|m| 400 * unit / m).collect::<Vec<_>>());
        assert!(counts[17] > i128::from(i64::MAX));
        let pairs: Vec<_> = (0..18).map(|merge| (2 * merge + 1, 2 * merge + 2)).collect();
        assert_eq!(merges(&vocabulary), pairs);
    }
    Ok(())
}
