"""The tuned head: it learns what is bought together, from the fitted users alone, and serves later items."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clairo import fused
from clairo.artifacts import Embedding, Sequences
from clairo.config import FusedConfig, TuningConfig
from clairo.errors import InputError
from clairo.fused import head, tuning
from clairo.fused.head import Head
from clairo.fused.pairs import Pairs

from .test_pairs import sequences

N, WIDTH, KINDS = 40, 12, 4
QUICK = {"epochs": 12, "batch_size": 64, "learning_rate": 0.01, "held_out": 0.2}
Vectors = NDArray[np.float32]


def catalogue(seed: int = 0) -> Sequences:
    """Users buy items of one kind; the kind of an item is its number modulo `KINDS`."""
    random = np.random.default_rng(seed)
    kinds = random.integers(KINDS, size=120)
    return sequences(
        [(random.permutation((N - 1) // KINDS)[:5] * KINDS + kind).tolist() for kind in kinds], N
    )


def vectors(seed: int = 0) -> Vectors:
    """The kind lies in small directions, beneath large ones that say nothing; all far from the origin."""
    random = np.random.default_rng(seed)
    loud = random.standard_normal((N, WIDTH)) * np.repeat([1.0, 0.15], [WIDTH - KINDS, KINDS])
    loud[:, WIDTH - KINDS :] += np.eye(KINDS)[np.arange(N) % KINDS] * 0.5
    made: Vectors = (loud + 3).astype(np.float32)
    return made


def embedding(given: Vectors, present: NDArray[np.bool_] | None = None) -> Embedding:
    mask = np.ones(N, dtype=np.bool_) if present is None else present
    ids = np.array([f"item {row}" for row in range(N)])
    return Embedding(ids, np.where(mask[:, None], given, np.float32(0)), mask)


def tune(given: Embedding, seed: int = 0, **options: Any) -> tuple[Head, dict[str, Any]]:
    return tuning.tune(TuningConfig.model_validate({**QUICK, **options}), "image", given, catalogue(), seed)


@pytest.mark.parametrize("width", [None, 16])
def test_items_bought_together_come_to_lie_together(width: int | None) -> None:
    _, report = tune(embedding(vectors()), width=width, epochs=30)
    assert report["loss"]["after"] < report["loss"]["before"] - 0.5
    recall = report["recall"]["at 10"]
    assert recall["after"] > recall["before"] + 0.15
    assert recall["after"] > 0.8  # 9 others are of an item's kind


def test_the_head_serves_items_that_it_has_not_seen() -> None:
    tuned, _ = tune(embedding(vectors()), epochs=30)
    fresh = tuned(vectors(seed=1))
    nearest = np.argsort(-(fresh @ tuned(vectors()).T), axis=1)[:, :5]
    untuned = np.argsort(-(vectors(seed=1) @ vectors().T), axis=1)[:, :5]
    kinds = np.arange(N)[:, None] % KINDS
    assert (nearest % KINDS == kinds).mean() > (untuned % KINDS == kinds).mean() + 0.2


@pytest.mark.parametrize("width", [None, 16])
def test_the_same_seed_gives_the_same_bytes(width: int | None, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        torch.manual_seed(hash(name) % 1000)
        before = torch.get_rng_state()
        (tmp_path / name).mkdir()
        head.save({"image": tune(embedding(vectors()), seed, width=width)[0]}, tmp_path / name)
        assert torch.equal(torch.get_rng_state(), before)
    one, two, other = ((tmp_path / name / head.FILE).read_bytes() for name in ("one", "two", "other"))
    assert one == two != other


@pytest.mark.parametrize("width", [None, 16])
def test_the_saved_head_does_without_torch_what_was_trained(width: int | None, tmp_path: Path) -> None:
    made, _ = tune(embedding(vectors()), width=width)
    head.save({"image": made}, tmp_path)
    loaded = head.load(tmp_path)["image"]
    np.testing.assert_array_equal(loaded(vectors()), made(vectors()))
    start = torch.from_numpy(head.directions(vectors(), made.mean))
    layers = [
        (torch.from_numpy(w), torch.from_numpy(b)) for w, b in zip(made.weights, made.biases, strict=True)
    ]
    np.testing.assert_allclose(tuning._applied(layers, start).numpy(), made(vectors()), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(made(vectors()), axis=1), 1, atol=1e-6)


def test_an_untaught_head_leaves_directions_as_they_are() -> None:
    for hidden in (None, 7):
        layers = tuning._layers(WIDTH, hidden, 0)
        start = head.unit(vectors())
        np.testing.assert_allclose(
            tuning._applied(layers, torch.from_numpy(start)).detach().numpy(), start, atol=1e-6
        )


def test_nothing_is_learned_from_held_out_users_or_later_events() -> None:
    """Validation and test targets are item N - 1 alone: bought nowhere else, it may not leave a trace."""
    given = embedding(vectors())
    data = tuning._Data.of(TuningConfig.model_validate(QUICK), "image", given, catalogue(), 0)
    assert not set(data.fit.users) & set(data.judge.users)
    assert N - 1 not in {*data.fit.first, *data.fit.second, *data.judge.first, *data.judge.second}
    assert (data.judge.distances == 1).all()
    moved = vectors()
    moved[N - 1] = 77
    np.testing.assert_array_equal(tune(embedding(moved))[0].weights[0], tune(given)[0].weights[0])


def slow_loss(z: Vectors, look: list[int], shares: list[float], cfg: TuningConfig) -> float:
    """InfoNCE of pairs (0, 1), (2, 3), ... by loops."""
    total, pairs = 0.0, range(0, len(z), 2)
    for turn in (0, 1):
        for i in pairs:
            asking, wanted = i + turn, i + 1 - turn
            scores = {}
            for j in pairs:
                other = j + 1 - turn
                if j == i or look[other] not in (look[wanted], look[asking]):
                    score = float(z[asking].astype(float) @ z[other]) / cfg.temperature
                    scores[j] = score - cfg.popularity * np.log(shares[look[other]])
            total -= scores[i] - np.log(sum(np.exp(value) for value in scores.values()))
    return total / len(z)


@pytest.mark.parametrize("popularity", [0.0, 0.6, 1.0])
def test_the_loss_is_what_loops_make_of_it(popularity: float) -> None:
    cfg = TuningConfig(temperature=0.5, popularity=popularity)
    z = head.unit(np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32))
    look, shares = [0, 1, 2, 3, 1, 0, 4, 5, 3, 1], [0.3, 0.3, 0.1, 0.2, 0.05, 0.05]
    z = z[[look.index(number) for number in look]]  # what has one look has one vector
    rows = np.arange(0, 10, 2)
    pairs = Pairs(rows, rows + 1, rows, np.ones_like(rows))
    data = tuning._Data(pairs, pairs, np.array(look), np.array(shares), 0)
    loss = tuning._Loss(torch.from_numpy(z), data, cfg)
    assert loss(tuning._layers(4, None, 0), pairs).item() == pytest.approx(
        slow_loss(z, look, shares, cfg), rel=1e-5
    )


def test_items_with_equal_vectors_are_never_negatives_of_one_another() -> None:
    """Four pictures for all items, pairs of two kinds: with twins as negatives the loss is above log 8."""
    kind, twin = np.arange(N) % 2, np.arange(N) % 4 // 2
    given = (np.eye(2, WIDTH)[kind] + 1e-3 * twin[:, None]).astype(np.float32)
    histories = [[item, item ^ 2, item] for item in range(36)] * 5
    cfg = TuningConfig.model_validate(QUICK)
    _, report = tuning.tune(cfg, "image", embedding(given), sequences(histories, N), 0)
    assert report["items_with_a_twin"] == N
    assert report["loss"]["after"] < 0.05


WriteFolders = Callable[..., tuple[Path, Path]]


class TestStage:
    HAS_IMAGE = np.arange(N) % 9 != 4

    def make(self, write_folders: WriteFolders, out: Path, **options: Any) -> tuple[Path, Path]:
        given = {"image": vectors(), "text": vectors(seed=2)}
        places = write_folders(N, [0], given, {"image": self.HAS_IMAGE}, name=out.name)
        catalogue().save(places[1])
        out.mkdir()
        cfg = self.cfg(**options)
        fused.make(cfg, embeddings=places[0], sequences=places[1], out=out, seed=0)
        return places

    @staticmethod
    def cfg(**options: Any) -> FusedConfig:
        defaults = {"mode": "separate", "tuned": ["image"], "tuning": QUICK}
        return FusedConfig.model_validate({**defaults, **options})

    def test_only_what_is_named_is_tuned(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        self.make(write_folders, tmp_path / "plain", tuned=[])
        self.make(write_folders, tmp_path / "tuned")
        plain, tuned = (
            {name: Embedding.load(tmp_path / run / f"{name}.npz") for name in ("text", "image")}
            for run in ("plain", "tuned")
        )
        assert not (tmp_path / "plain" / head.FILE).exists()
        np.testing.assert_array_equal(plain["text"].vectors, tuned["text"].vectors)
        assert not np.allclose(plain["image"].vectors, tuned["image"].vectors)
        np.testing.assert_array_equal(tuned["image"].present, self.HAS_IMAGE)
        assert not tuned["image"].vectors[~self.HAS_IMAGE].any()
        report = json.loads((tmp_path / "tuned" / "report.json").read_text("utf-8"))
        assert set(report["tuned"]) == {"image"}
        assert report["tuned"]["image"]["loss"]["after"] < report["tuned"]["image"]["loss"]["before"]

    def test_later_items_pass_the_head(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        """An item that is added has the very vector that it would have had from the start."""
        embeddings, bought = self.make(write_folders, tmp_path / "whole")
        (tmp_path / "old").mkdir()
        for file in (tmp_path / "whole").glob("*.npz"):
            (tmp_path / "old" / file.name).write_bytes(file.read_bytes())
        whole = {name: Embedding.load(tmp_path / "whole" / f"{name}.npz") for name in ("text", "image")}
        order = np.argsort(whole["image"].ids)
        for name, group in whole.items():  # the last three are not there yet
            kept = order[: N - 3]
            Embedding(group.ids[kept], group.vectors[kept], group.present[kept]).save(
                tmp_path / "old" / f"{name}.npz"
            )
            given = Embedding.load(embeddings / f"{name}.npz").aligned(group.ids[order])
            given.save(embeddings / f"{name}.npz")
        (tmp_path / "added").mkdir()
        stages = {"embeddings": embeddings, "sequences": bought}
        fused.extend(self.cfg(), old=tmp_path / "old", **stages, out=tmp_path / "added")
        for name, group in whole.items():
            added = Embedding.load(tmp_path / "added" / f"{name}.npz").aligned(group.ids)
            np.testing.assert_allclose(added.vectors, group.vectors, atol=1e-5)
        assert (tmp_path / "added" / head.FILE).read_bytes() == (tmp_path / "old" / head.FILE).read_bytes()

    def test_a_modality_that_is_not_read(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"fused\.tuned names 'image', which fused\.mode = \"text\""):
            self.make(write_folders, tmp_path / "out", mode="text")

    def test_vectors_of_another_width(self) -> None:
        made, _ = tune(embedding(vectors()))
        with pytest.raises(InputError, match="image vectors are 3 wide, those that the head was tuned on 12"):
            made.tuned("image", embedding(vectors()[:, :3]))

    def test_no_pairs(self) -> None:
        with pytest.raises(InputError, match="0 pairs of items with different image vectors") as caught:
            tune(embedding(np.ones((N, WIDTH), dtype=np.float32)))
        assert "fused.tuned" in str(caught.value)
