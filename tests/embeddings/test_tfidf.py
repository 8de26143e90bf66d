"""TF-IDF vectors against arithmetic done by hand, and what they are fitted on."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

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
    fitted = tfidf.fit(TEXTS, width=100, seed=0)
    vectors = fitted(TEXTS)
    assert vectors.shape == (6, 6)
    assert vectors.dtype == np.float32
    expected = by_hand(TEXTS)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-5)
    assert fitted.explained == pytest.approx(1, abs=1e-6)


def test_a_text_that_is_not_fitted_on_changes_no_other_vector() -> None:
    fitted = tfidf.fit(TEXTS[:5], width=3, seed=0)
    before, after = fitted(TEXTS), fitted([*TEXTS[:5], "a theremin of brushed drum steel"])
    np.testing.assert_array_equal(before[:5], after[:5])
    assert not np.allclose(before[5], after[5])
    assert len(fitted.words) == 9
    assert fitted.texts == 5


def test_a_text_without_a_known_word_has_no_vector() -> None:
    vectors = tfidf.fit(TEXTS[:5], width=3, seed=0)([*TEXTS[:5], "theremin"])
    assert not vectors[5].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:5], axis=1), 1, atol=1e-6)


def test_what_is_read_back_gives_the_same_bytes_for_each_text_alone(tmp_path: Path) -> None:
    fitted = tfidf.fit([*TEXTS, "Café \N{CIRCLED DIGIT ONE} naïve"], width=3, seed=0)
    fitted.save(tmp_path)
    found = tfidf.TfIdf.load(tmp_path)
    together = fitted(TEXTS)
    assert found(TEXTS).tobytes() == together.tobytes()
    assert b"".join(found([text]).tobytes() for text in TEXTS) == together.tobytes()
    assert (found.texts, found.explained, found.width) == (7, fitted.explained, 3)
    assert found([]).shape == (0, 3)


def test_components_of_other_words_are_refused(tmp_path: Path) -> None:
    fitted = tfidf.fit(TEXTS, width=3, seed=0)
    with pytest.raises(InputError, match=r"a TF-IDF of 11 words has .* components of shape \(3, 10\)"):
        replace(fitted, components=fitted.components[:, 1:])
    with pytest.raises(InputError, match=r"tfidf\.npz is missing"):
        tfidf.TfIdf.load(tmp_path)


def test_the_seed_fixes_the_bytes() -> None:
    once, again = (tfidf.fit(TEXTS, width=3, seed=7)(TEXTS) for _ in range(2))
    assert once.tobytes() == again.tobytes()


@pytest.mark.parametrize("texts", [["a", "b"], ["drum", "drum"], [], ["", ""]])
def test_texts_of_fewer_than_two_words_are_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="different words") as caught:
        tfidf.fit(texts, width=2, seed=0)
    assert "embeddings.text.fields" in str(caught.value)
