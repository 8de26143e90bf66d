"""What the shop is for: text and pictures each tell their own taste, and order and content pay.

Small shops, no trained model: the rankings are those of plain counting.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo import metrics
from clairo.errors import InputError
from clairo.shop import ShopFiles, Truth, best_ranks, best_scores, metadata, write_shop
from clairo.shop.looks import LOOKS
from clairo.shop.purchases import chain
from clairo.shop.words import FEATURES, GENERIC, HOUSE_BRANDS, KIND_FEATURES, KINDS, SIZES, THEMES

Score = Callable[[NDArray[np.uint32]], NDArray[np.float64]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return write_shop(tmp_path_factory.mktemp("shop"), users=1200, items=480, seed=11, dirty=0.0)


@pytest.fixture(scope="module")
def truth(shop: ShopFiles) -> Truth:
    return Truth.load(shop.about.parent)


@pytest.fixture(scope="module")
def text(truth: Truth) -> NDArray[np.float64]:
    """TF-IDF and SVD of everything that the metadata say, (n_items, 64)."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    def words(record: dict[str, Any]) -> str:
        parts = (
            record["title"],
            record["brand"],
            *record["category"],
            *record["feature"],
            *record["description"],
        )
        return " ".join(parts)

    table = TfidfVectorizer(sublinear_tf=True).fit_transform(
        map(words, metadata.records(truth.catalogue, 11))
    )
    return np.asarray(TruncatedSVD(64, random_state=0).fit_transform(table))


@pytest.fixture(scope="module")
def pictures(shop: ShopFiles, truth: Truth) -> NDArray[np.float64]:
    """Histograms of colour (4 levels a channel) and of gradient directions (9), (n_items, 73)."""
    from PIL import Image

    def descriptor(asin: str) -> NDArray[np.float64]:
        with Image.open(shop.images / f"{asin}.jpg") as picture:
            pixels = np.asarray(picture, dtype=np.float64)
        level = (pixels // 64).astype(int) @ [16, 4, 1]
        colours = np.bincount(level.ravel(), minlength=64)
        down, right = np.gradient(pixels.mean(axis=2))
        angle = (np.mod(np.arctan2(down, right), np.pi) / np.pi * 9).astype(int) % 9
        edges = np.bincount(angle.ravel(), np.hypot(down, right).ravel(), minlength=9)
        return np.asarray(np.sqrt(np.concatenate([colours / colours.sum(), edges / edges.sum()])))

    return np.stack([descriptor(asin) for asin in truth.catalogue.ids.tolist()])


def accuracy(vectors: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Of the nearest class mean, on the half of the items that it was not computed from."""
    train = np.arange(len(labels)) % 2 == 0
    classes = np.unique(labels)
    means = np.stack([vectors[train & (labels == label)].mean(axis=0) for label in classes])
    distance = ((vectors[~train, None] - means) ** 2).sum(axis=2)
    return float((classes[distance.argmin(axis=1)] == labels[~train]).mean())


def test_words_tell_the_theme_and_never_the_look(truth: Truth, text: NDArray[np.float64]) -> None:
    assert accuracy(text, truth.catalogue.theme) > 0.9
    assert accuracy(text, truth.catalogue.look) < 2.5 / len(LOOKS)


def test_pictures_tell_the_look_and_never_theme_or_kind(truth: Truth, pictures: NDArray[np.float64]) -> None:
    assert accuracy(pictures, truth.catalogue.look) > 0.95
    assert accuracy(pictures, truth.catalogue.theme) < 2.5 / len(THEMES)
    assert accuracy(pictures, truth.catalogue.kind) < 1.6 / len(KINDS)


def test_words_tell_the_kind_faintly(truth: Truth, text: NDArray[np.float64]) -> None:
    """Linearly it can be read, but it is no cluster: the theme is what the eye falls on first."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression

    train = np.arange(len(text)) % 2 == 0
    reader = LogisticRegression(C=100, max_iter=500).fit(text[train], truth.catalogue.kind[train])
    assert reader.score(text[~train], truth.catalogue.kind[~train]) > 2 / len(KINDS)

    def purity(labels: NDArray[np.uint8]) -> float:
        groups = KMeans(32, n_init=2, random_state=0).fit_predict(text)
        return sum(int(np.bincount(labels[groups == group]).max()) for group in range(32)) / len(labels)

    assert purity(truth.catalogue.theme) > 0.9
    assert purity(truth.catalogue.kind) < 0.6


def test_theme_look_and_kind_are_independent(truth: Truth) -> None:
    items = truth.catalogue
    for one, other in ((items.theme, items.look), (items.theme, items.kind), (items.look, items.kind)):
        table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
        np.add.at(table, (one, other), 1)
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        assert ((table - expected) ** 2 / expected).sum() < freedom + 4 * np.sqrt(2 * freedom)


def test_themes_share_no_words_and_nothing_names_a_colour() -> None:
    words = [word.lower() for theme in THEMES for word in (*theme.words, *theme.brands)]
    words += [word for kind in KINDS for word in kind.words]
    assert len(set(words)) == len(words)
    looks = (
        "red cream orange brown yellow grey lime green mint teal white sky blue navy violet lilac pink black"
    )
    looks += " silver sand chocolate gold stripes checks dots gradient waves rings speckles colour pattern"
    said = " ".join((*words, *GENERIC, *HOUSE_BRANDS, *SIZES, *FEATURES, *KIND_FEATURES)).lower().split()
    said += " ".join(category for theme in THEMES for category in theme.categories).lower().split()
    assert not set(said) & (set(looks.split()) - {"sky"})


def ranks(truth: Truth, score: Score) -> NDArray[np.int64]:
    """Rank of the last purchase under a score of the history, what was bought held back."""
    found = np.empty(len(truth.shoppers), dtype=np.int64)
    for user in range(len(truth.shoppers)):
        history, target = truth.history(user)[:-1], truth.history(user)[-1]
        scores = score(history)
        scores[history] = -np.inf
        found[user] = (scores > scores[target]).sum() + (scores[:target] == scores[target]).sum()
    return found


def popularity(truth: Truth) -> NDArray[np.float64]:
    rows = [truth.history(user)[:-2] for user in range(len(truth.shoppers))]
    return np.bincount(np.concatenate(rows), minlength=len(truth.catalogue)).astype(np.float64)


def item_to_item(truth: Truth, window: int, decay: float) -> Score:
    """Training pairs within the window: 1 / distance forward, half of that backward."""
    n = len(truth.catalogue)
    pairs = np.zeros((n, n))
    for user in range(len(truth.shoppers)):
        history = truth.history(user)[:-2]
        for distance in range(1, min(window, len(history) - 1) + 1):
            np.add.at(pairs, (history[:-distance], history[distance:]), 1 / distance)
            np.add.at(pairs, (history[distance:], history[:-distance]), 0.5 / distance)
    common = 0.001 * popularity(truth) / popularity(truth).sum()

    def score(history: NDArray[np.uint32]) -> NDArray[np.float64]:
        weights = decay ** np.arange(len(history))[::-1]
        return np.asarray(weights @ pairs[history] + common)

    return score


def counting(truth: Truth, *, theme: bool = True, look: bool = True, kind: bool = True) -> Score:
    """What one can do who sees the latents of items but not the tastes of users: count the history."""
    items, steps = truth.catalogue, chain()

    def share(values: NDArray[np.uint8], history: NDArray[np.uint32], n: int) -> NDArray[np.float64]:
        counts = np.bincount(values[history], minlength=n) + 1 / n
        return np.asarray((counts / counts.sum())[values])

    def score(history: NDArray[np.uint32]) -> NDArray[np.float64]:
        scores = np.ones(len(items))
        scores *= share(items.theme, history, len(THEMES)) if theme else 1
        scores *= share(items.look, history, len(LOOKS)) if look else 1
        return scores * (steps[items.kind[history[-1]]][items.kind] if kind else 1)

    return score


def neighbours(vectors: NDArray[np.float64]) -> Score:
    """Mean cosine to the history."""
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return lambda history: np.asarray(unit @ unit[history].mean(axis=0))


def ndcg(truth: Truth, score: Score) -> float:
    return float(metrics.ndcg(ranks(truth, score), 10).mean())


def test_truth_beats_content_beats_counting_pairs_beats_popularity(truth: Truth) -> None:
    ceiling = float(metrics.ndcg(best_ranks(truth), 10).mean())
    content = ndcg(truth, counting(truth))
    pairs = max(ndcg(truth, item_to_item(truth, window, 0.8)) for window in (3, 10))
    popular = ndcg(truth, lambda _: popularity(truth))
    assert ceiling > 1.2 * content
    assert content > 1.5 * pairs
    assert pairs > 2 * popular


def test_words_picture_and_order_each_pay(truth: Truth) -> None:
    whole = ndcg(truth, counting(truth))
    assert whole > 1.25 * ndcg(truth, counting(truth, look=False))
    assert whole > 1.25 * ndcg(truth, counting(truth, theme=False))
    assert whole > 1.15 * ndcg(truth, counting(truth, kind=False))


def test_text_and_pictures_together_beat_each_alone_and_shuffled_pictures_do_not(
    truth: Truth, text: NDArray[np.float64], pictures: NDArray[np.float64]
) -> None:
    def scaled(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = vectors - vectors.mean(axis=0)
        return np.asarray(centred / np.sqrt((centred**2).sum(axis=1).mean()))

    words, looks = scaled(text), scaled(pictures)
    dealt = looks[np.random.default_rng(0).permutation(len(looks))]
    both = ndcg(truth, neighbours(np.hstack([words, looks])))
    alone = max(ndcg(truth, neighbours(words)), ndcg(truth, neighbours(looks)))
    shuffled = ndcg(truth, neighbours(np.hstack([words, dealt])))
    assert both > 2 * alone
    assert shuffled < 1.2 * alone


def test_the_tail_is_long_and_many_targets_are_new(shop: ShopFiles, truth: Truth) -> None:
    planted = json.loads(shop.about.read_text("utf-8"))["planted"]
    counts = popularity(truth)
    targets = truth.events[truth.shoppers.offsets[1:] - 1]
    assert planted["of_the_most_sold_fifth_of_items"] > 0.35
    assert planted["items_with_fewer_than_5_purchases"] < 0.1
    assert planted["targets_with_fewer_than_5_training_purchases"] == pytest.approx(
        (counts[targets] < 5).mean(), abs=1e-4
    )
    assert (counts[targets] < 5).mean() > 0.15
    assert 0.02 < (counts[targets] == 0).mean() < 0.2


def test_best_scores_are_means_over_the_users_asked_for(shop: ShopFiles, truth: Truth) -> None:
    folder = shop.about.parent
    scores = best_scores(folder)
    assert scores["test"] == scores["masked"] == metrics.summary(best_ranks(truth), (5, 10))
    some = truth.shoppers.ids[:100].tolist()
    assert best_scores(folder, users=some)["test"] == metrics.summary(best_ranks(truth)[:100], (5, 10))
    with pytest.raises(InputError, match="none of the 1 users"):
        best_scores(folder, users=["nobody"])


def test_truth_survives_the_folder(truth: Truth, tmp_path: Path) -> None:
    truth.save(tmp_path)
    again = Truth.load(tmp_path)
    for one, other in ((truth.catalogue, again.catalogue), (truth.shoppers, again.shoppers)):
        for name in type(one).__slots__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(truth.events, again.events)
