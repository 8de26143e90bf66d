"""TF-IDF vectors against arithmetic done by hand, and what they are fitted on."""

import math
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.embeddings import tfidf
from clairo.errors import InputError

TEXTS = [
    "red guitar with red strings",
    "blue guitar",
    "green drum kit with sticks",
    "drum sticks",
    "red drum",
    "blue strings and blue picks",
]
ALL = np.ones(len(TEXTS), dtype=np.bool_)


def by_hand(texts: list[str]) -> NDArray[np.float64]:
    """Rows of (1 + ln tf) (1 + ln((1 + n) / (1 + df))), of length 1."""
    words = sorted({word for text in texts for word in text.split()})
    df = Counter(word for text in texts for word in set(text.split()))
    rows = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        for word, tf in Counter(text.split()).items():
            idf = 1 + math.log((1 + len(texts)) / (1 + df[word]))
            rows[row, words.index(word)] = (1 + math.log(tf)) * idf
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def test_at_full_width_similarities_are_those_of_tfidf() -> None:
    fitted = tfidf.fit_transform(TEXTS, ALL, width=100, seed=0)
    assert fitted.vectors.shape == (6, 6)
    assert fitted.vectors.dtype == np.float32
    expected = by_hand(TEXTS)
    np.testing.assert_allclose(fitted.vectors @ fitted.vectors.T, expected @ expected.T, atol=1e-5)
    assert fitted.explained == pytest.approx(1, abs=1e-6)


def test_a_text_outside_the_training_split_changes_no_other_vector() -> None:
    fit = np.array([True, True, True, True, True, False])
    before = tfidf.fit_transform(TEXTS, fit, width=3, seed=0)
    after = tfidf.fit_transform([*TEXTS[:5], "a theremin of brushed drum steel"], fit, width=3, seed=0)
    np.testing.assert_array_equal(before.vectors[:5], after.vectors[:5])
    assert not np.allclose(before.vectors[5], after.vectors[5])
    assert before.words == 9
    assert before.texts == 5


def test_a_text_without_a_known_word_has_no_vector() -> None:
    fit = np.array([True] * 5 + [False])
    fitted = tfidf.fit_transform([*TEXTS[:5], "theremin"], fit, width=3, seed=0)
    assert not fitted.vectors[5].any()
    np.testing.assert_allclose(np.linalg.norm(fitted.vectors[:5], axis=1), 1, atol=1e-6)


def test_the_seed_fixes_the_bytes() -> None:
    once, again = (tfidf.fit_transform(TEXTS, ALL, width=3, seed=7).vectors for _ in range(2))
    assert once.tobytes() == again.tobytes()


@pytest.mark.parametrize("texts", [["a", "b"], ["drum", "drum"], ["", ""]])
def test_texts_of_fewer_than_two_words_are_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="different words") as caught:
        tfidf.fit_transform(texts, np.array([True, True]), width=2, seed=0)
    assert "embeddings.text.fields" in str(caught.value)
