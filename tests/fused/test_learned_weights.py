"""Learned weights on shops in which it is planted which modality tells what is bought next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import pytest

from clairo import fused
from clairo.artifacts import Embedding, Sequences, store
from clairo.config import FusedConfig
from clairo.errors import InputError
from clairo.fused.learning import Pairs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Tells = Literal["text", "image"]
N, USERS, CLUSTERS = 120, 150, 12


class Shop:
    """Items with a cluster in text and another in the image; a user goes on within the cluster that tells.

    Attributes:
        tells: which of the two that is, for each item.
    """

    def __init__(self, folder: Path, tells: NDArray[np.str_], *, seed: int = 0) -> None:
        self.folder, self.tells, self.random = folder, tells, np.random.default_rng(seed)
        self.cluster = {name: self.random.integers(0, CLUSTERS, N) for name in ("text", "image")}
        self.ids = np.array([f"item {row}" for row in range(N)])
        self.categories = [["All", str(name)] for name in tells]
        for stage in ("embeddings", "sequences"):
            (folder / stage).mkdir(parents=True)
        self.embed("text", self.vectors("text"))
        self.embed("image", self.vectors("image"))
        encoders = {name: {"encoder": "file"} for name in ("text", "image")}
        store.write_json(folder / "embeddings" / "report.json", encoders)
        self.histories = np.array([self._history() for _ in range(USERS)])
        self.write()

    def vectors(self, name: str) -> NDArray[np.float32]:
        centres = self.random.standard_normal((CLUSTERS, 8))
        noise = self.random.standard_normal((N, 8))
        return (centres[self.cluster[name]] + 0.4 * noise).astype(np.float32)

    def embed(
        self, name: str, vectors: NDArray[np.float32], present: NDArray[np.bool_] | None = None
    ) -> None:
        mask = np.ones(len(vectors), dtype=np.bool_) if present is None else present
        Embedding(self.ids[: len(vectors)], vectors * mask[:, None], mask).save(
            self.folder / "embeddings" / f"{name}.npz"
        )

    def write(self) -> None:
        """Write the sequences: of eight events, the last two validate and test."""
        full = np.full(USERS, 8)
        Sequences(
            items=self.ids,
            users=np.array([f"u{user}" for user in range(USERS)]),
            offsets=np.arange(USERS + 1) * 8,
            events=self.histories.ravel().astype(np.uint32),
            times=np.full(8 * USERS, -1),
            train_end=full - 2,
            validation=full - 2,
            test=full - 1,
            ties=np.zeros(USERS, dtype=np.bool_),
            max_history=50,
        ).save(self.folder / "sequences")
        table = pl.DataFrame({"item": self.ids[::-1], "categories": self.categories[::-1]})
        table.write_parquet(self.folder / "sequences" / "items.parquet")

    def make(self, name: str, **options: Any) -> dict[str, Any]:
        out = self.folder / name
        out.mkdir()
        cfg = FusedConfig.model_validate({"widths": {"text": 8, "image": 8}, **options})
        stages = {stage: self.folder / stage for stage in ("embeddings", "sequences")}
        return fused.make(cfg, **stages, out=out, seed=0)

    def _history(self) -> list[int]:
        items = [int(self.random.integers(N))]
        for _ in range(7):
            own = self.cluster[self.tells[items[-1]]]
            items.append(int(self.random.choice(np.flatnonzero(own == own[items[-1]]))))
        return items


def shop(folder: Path, tells: Tells) -> Shop:
    return Shop(folder, np.full(N, tells))


@pytest.mark.parametrize(("tells", "other"), [("text", "image"), ("image", "text")])
@pytest.mark.parametrize("whiten", [False, True])
def test_the_modality_that_tells_what_comes_next_gets_the_weight(
    tells: Tells, other: Tells, whiten: bool, tmp_path: Path
) -> None:
    found = shop(tmp_path / "shop", tells).make("out", learned_weights="modality", whiten=whiten)
    learned = found["learned_weights"]
    assert learned["weights"][tells] > 1.8
    assert learned["weights"][tells] + learned["weights"][other] == pytest.approx(2, abs=1e-3)
    for pairs in ("learned_from", "judged_by"):
        assert (
            learned["score"]["learned"][pairs]["nearest"] > learned["score"]["equal"][pairs]["nearest"] + 0.01
        )
    assert found["warnings"] == []


def test_the_scores_are_those_of_the_vectors_that_were_written(tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "text")
    report = world.make("out", learned_weights="modality")["learned_weights"]
    world.make("plain")
    pairs = Pairs.of(Sequences.load(world.folder / "sequences"), np.ones(N, dtype=np.bool_), 0)
    for name, score in (("out", "learned"), ("plain", "equal")):
        vectors = Embedding.load(world.folder / name / "fused.npz").vectors.astype(np.float64)
        gaps = ((vectors[pairs.items][:, None] - vectors[pairs.candidates]) ** 2).sum(axis=2)
        nearest = (gaps[:, :1] <= np.where(pairs.counts, gaps, np.inf) + 1e-9).all(axis=1)
        for told, rows in (("learned_from", ~pairs.judge), ("judged_by", pairs.judge)):
            assert report["score"][score][told]["nearest"] == pytest.approx(nearest[rows].mean(), abs=2e-3)
            assert report["pairs"][told] == rows.sum()


def test_pairs_are_neighbours_in_training_and_candidates_are_bought_ones(tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "text")
    pairs = Pairs.of(Sequences.load(world.folder / "sequences"), np.ones(N, dtype=np.bool_), 0)
    training = world.histories[:, :6]
    steps = np.column_stack([training[:, :-1].ravel(), training[:, 1:].ravel()])
    np.testing.assert_array_equal(
        np.column_stack([pairs.items, pairs.candidates[:, 0]]), steps[steps[:, 0] != steps[:, 1]]
    )
    drawn = pairs.candidates[:, 1:]
    assert set(drawn.ravel()) <= set(training[:, 1:].ravel())
    bad = (drawn == pairs.items[:, None]) | (drawn == pairs.candidates[:, :1])
    np.testing.assert_array_equal(pairs.counts[:, 1:], ~bad)
    assert pairs.counts[:, 0].all()


@pytest.mark.parametrize("kind", ["modality", "category", "item"])
def test_validation_and_test_are_not_read(kind: str, tmp_path: Path) -> None:
    world = Shop(tmp_path / "shop", np.where(np.arange(N) % 2 == 0, "text", "image"))
    world.make("before", learned_weights=kind)
    world.histories[:, 6:] = world.random.permutation(world.histories[:, 6:].ravel()).reshape(-1, 2)
    world.write()
    world.make("after", learned_weights=kind)
    for file in ("weights.npz", "fused.npz", "report.json"):
        assert (world.folder / "before" / file).read_bytes() == (world.folder / "after" / file).read_bytes()


def test_categories_have_weights_of_their_own_as_far_as_their_pairs_ask(tmp_path: Path) -> None:
    tells = np.where(np.arange(N) % 2 == 0, "text", "image")
    world = Shop(tmp_path / "shop", tells)
    rare = 7
    world.categories[rare] = ["All", "rare"]
    world.categories[8] = ["All"]
    world.write()
    learned = world.make("out", learned_weights="category")["learned_weights"]
    weights = learned["by_category"]
    assert set(weights) == {"text", "image", "rare"}
    assert weights["text"]["text"] > 1.2
    assert weights["image"]["text"] < 0.8
    whole = world.make("whole", learned_weights="modality")["learned_weights"]["weights"]["text"]
    assert abs(weights["rare"]["text"] - whole) < 0.5 * abs(weights["image"]["text"] - whole)
    for pairs in ("learned_from", "judged_by"):
        better, equal = (learned["score"][which][pairs]["log_likelihood"] for which in ("learned", "equal"))
        assert better > equal


def test_pictures_that_repeat_count_less(tmp_path: Path) -> None:
    """Half of the items share one picture, as where a shop has none, and the others say nothing in text."""
    world = shop(tmp_path / "shop", "image")
    repeated = np.arange(N) % 2 == 0
    image, text = world.vectors("image"), world.vectors("image")
    image[repeated] = image[0]
    text[~repeated] = world.random.standard_normal((N // 2, 8))
    world.embed("image", image)
    world.embed("text", text)
    world.make("out", learned_weights="item")
    fusion = fused.Fusion.load(world.folder / "out")
    assert fusion.confidence is not None
    given = {name: Embedding.load(world.folder / "embeddings" / f"{name}.npz") for name in ("text", "image")}
    weights = fusion.confidence.weights(fusion.shares(given))[:, 1]
    assert np.median(weights[repeated]) < 0.3
    assert np.median(weights[~repeated]) > 1


@pytest.mark.parametrize("kind", ["modality", "category", "item"])
def test_items_that_come_later_get_the_weights_that_were_learned(kind: str, tmp_path: Path) -> None:
    """Those of the catalogue under their own names, and as new ones by `extend`."""
    world = Shop(tmp_path / "shop", np.where(np.arange(N) % 2 == 0, "text", "image"))
    mask = np.arange(N) % 5 != 0
    world.embed("image", world.vectors("image"), mask)
    world.make("out", learned_weights=kind, mode="both", final_width=6)
    fusion = fused.Fusion.load(world.folder / "out")
    given = {name: Embedding.load(world.folder / "embeddings" / f"{name}.npz") for name in ("text", "image")}
    named = np.array([entry[-1] for entry in world.categories])
    made = Embedding.load(world.folder / "out" / "fused.npz")
    np.testing.assert_allclose(fusion.transform(given, named)["fused"].vectors, made.vectors, atol=1e-5)
    world.ids = np.array([*world.ids, "new 0", "new 1"])
    world.categories += [world.categories[3], ["All", "never seen"]]
    for name, before in given.items():
        world.embed(
            name, np.vstack([before.vectors, before.vectors[3:5]]), np.append(before.present, [1, 1]) > 0
        )
    world.write()
    out = world.folder / "later"
    out.mkdir()
    cfg = FusedConfig.model_validate({"mode": "both", "learned_weights": kind, "final_width": 6})
    stages = {stage: world.folder / stage for stage in ("embeddings", "sequences")}
    fused.extend(cfg, old=world.folder / "out", **stages, out=out)
    later = Embedding.load(out / "fused.npz")
    np.testing.assert_array_equal(later.vectors[:N], made.vectors)
    assert later.ids[N:].tolist() == ["new 0", "new 1"]
    if kind != "item":  # the twin of an item has one more item beside it: the item
        np.testing.assert_allclose(later.vectors[N], made.vectors[3], atol=1e-5)
    assert np.isfinite(later.vectors).all()
    again = fused.Fusion.load(out)
    assert again.confidence is not None
    assert (out / "weights.npz").read_bytes() == (world.folder / "out" / "weights.npz").read_bytes()


@pytest.mark.parametrize("kind", ["modality", "item"])
def test_an_item_that_lacks_a_modality_keeps_the_others(kind: str, tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "image")
    world.embed("image", world.vectors("image"), np.arange(N) >= 40)
    world.make("out", learned_weights=kind)
    made = Embedding.load(world.folder / "out" / "fused.npz")
    assert made.present.all()
    assert not made.vectors[:40, 8:].any()
    assert made.vectors[:40, :8].any(axis=1).all()


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        ("text", {"weights": {"image": 0}}),
        ("text", {"zeroed": ["image"]}),
        ("text", {"modalities": ["text"]}),
        ("none", {"zeroed": ["text", "image"]}),
    ],
)
def test_one_modality_that_counts_has_nothing_to_be_weighed_against(
    counts: str, options: dict[str, Any], tmp_path: Path
) -> None:
    world = shop(tmp_path / "shop", "text")
    report = world.make("out", learned_weights="item", **options)
    assert report["warnings"] == [f"fused.learned_weights weighs nothing: only {counts} counts"]
    assert not (world.folder / "out" / "weights.npz").exists()
    world.make("plain", **options)
    assert (world.folder / "out" / "fused.npz").read_bytes() == (
        world.folder / "plain" / "fused.npz"
    ).read_bytes()


def test_fixed_weights_come_on_top(tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "text")
    world.make("plain", learned_weights="modality")
    world.make("out", learned_weights="modality", weights={"image": 3})
    plain, made = (Embedding.load(world.folder / name / "fused.npz").vectors for name in ("plain", "out"))
    np.testing.assert_allclose(made, plain * np.repeat([1, 3], 8), rtol=1e-5)


def test_categories_that_do_not_differ_are_refused(tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "text")
    with pytest.raises(InputError, match="no two items differ in their categories"):
        world.make("out", learned_weights="category")


def test_histories_too_short_to_learn_from_are_refused(tmp_path: Path) -> None:
    world = shop(tmp_path / "shop", "text")
    world.histories[:, :6] = np.arange(USERS)[:, None] % N  # the same item over and over: no pair
    world.write()
    with pytest.raises(InputError, match="finds 0 pairs of items in training histories: too few"):
        world.make("out", learned_weights="modality")
