"""The stage and `extend` with every quantizer and every way to set items apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo import codes
from clairo.artifacts import Codes
from clairo.codes import kinds, rq_vae_training
from clairo.codes.control import random_codes
from clairo.codes.quantizer import relative_error
from clairo.config import CodesConfig
from clairo.errors import InputError

WriteFolders = Callable[..., tuple[Path, Path]]
N, OLD = 60, 50
ITEMS = [f"item {row}" for row in range(N)]
QUANTIZERS = ["opq", "residual-kmeans", "rq-vae"]
SMALL = {"books": 2, "values": 8, "iterations": 3}
RQ_VAE = {"hidden": [12], "latent": 4, "steps": 30, "batch_size": 20}


def vectors(width: int = 6, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((N, width)).astype(np.float32)


def config(**options: Any) -> CodesConfig:
    return CodesConfig.model_validate({**SMALL, "rq_vae": RQ_VAE, **options})


def make(folders: tuple[Path | None, Path], out: Path, seed: int = 0, **options: Any) -> dict[str, Any]:
    out.mkdir()
    return codes.make(config(**options), fused=folders[0], sequences=folders[1], out=out, seed=seed)


@pytest.mark.parametrize("source", QUANTIZERS)
def test_every_quantizer_is_reported_alike(source: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"fused": vectors()}, {"fused": np.arange(N) != 3}, training=range(40))
    report = make(folders, tmp_path / "out", source=source)
    made = Codes.load(tmp_path / "out")
    quantizer = kinds.load(source, tmp_path / "out" / kinds.file_of(source, "fused"))
    rows = np.arange(N) != 3
    found = made.features[rows, :2]
    np.testing.assert_array_equal(found, quantizer.encode(vectors()[rows]))
    group = report["groups"]["fused"]
    assert group["source"] == source
    assert (group["trained_on"], group["without_vector"]) == (39, 1)
    expected = relative_error(vectors()[rows], quantizer.decode(found))
    assert group["relative_error"] == pytest.approx(expected, abs=1e-6)
    assert 10 / (N - 2) < group["neighbours_kept"] < 1
    assert [set(part) for part in report["categories"]] == [
        *[{"name", "values", "used", "perplexity", "relative_error"}] * 2,
        {"name", "values", "used", "perplexity"},
    ]
    files = {"codes.npz", "report.json", kinds.file_of(source, "fused")}
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == files


@pytest.mark.parametrize("source", [*QUANTIZERS, "random"])
def test_the_seed_fixes_the_bytes(source: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)})
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        make(folders, tmp_path / name, seed=seed, source=source)
    one, two = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert one["codes.npz"] != (tmp_path / "other" / "codes.npz").read_bytes()


@pytest.mark.parametrize("source", QUANTIZERS)
def test_quantizers_learn_from_the_training_split_alone(
    source: str, write_folders: WriteFolders, tmp_path: Path
) -> None:
    changed = vectors()
    changed[55:] += 30
    for name, given in (("before", vectors()), ("after", changed)):
        make(write_folders(ITEMS, {"fused": given}, training=range(55)), tmp_path / name, source=source)
    file = kinds.file_of(source, "fused")
    before, after = (tmp_path / name / file for name in ("before", "after"))
    assert before.read_bytes() == after.read_bytes()


def test_groups_have_books_values_and_sources_of_their_own(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)})
    groups = {"text": {"books": 3, "source": "residual-kmeans"}, "image": {"values": 4, "source": "random"}}
    report = make(folders, tmp_path / "out", groups=groups)
    made = Codes.load(tmp_path / "out")
    assert made.names == ["text 1", "text 2", "text 3", "image 1", "image 2", "disambiguation"]
    assert made.cardinalities == [9, 9, 9, 4, 4, 128]
    expected = random_codes(made.ids, group="image", books=2, values=4, seed=0)
    np.testing.assert_array_equal(made.features[:, 3:5], expected)
    assert report["groups"]["image"] == {"source": "random"}
    assert [entry.get("relative_error") is None for entry in report["categories"]] == [False] * 3 + [True] * 3


def test_random_codes_look_at_no_vector(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)}, training=[3])
    assert folders[0] is not None
    for name in ("text", "image"):
        (folders[0] / f"{name}.npz").write_bytes(b"no vectors")
    make(folders, tmp_path / "out", source="random")
    made = Codes.load(tmp_path / "out")
    assert made.cardinalities == [8, 8, 8, 8, 128]
    assert (made.features[:, :2] != made.features[:, 2:4]).any()
    assert len(np.unique(made.features, axis=0)) == N


@pytest.mark.parametrize("source", QUANTIZERS)
def test_balanced_codes_spread_and_say_so(source: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"fused": vectors()}, {"fused": np.arange(N) % 20 != 3})
    plain = make(folders, tmp_path / "plain", source=source, books=1)
    even = make(folders, tmp_path / "even", source=source, books=1, balanced=True)
    found = Codes.load(tmp_path / "even").features[:, 0]
    before = Codes.load(tmp_path / "plain").features[:, 0]
    has = np.arange(N) % 20 != 3
    assert np.bincount(found[has]).max() == -(-57 // 8)
    assert even["categories"][0]["perplexity"] > plain["categories"][0]["perplexity"]
    assert even["groups"]["fused"]["balanced"] == (found != before).sum() > 0
    if source != "rq-vae":  # its nearest entries are those of another space, and may lose more
        assert even["groups"]["fused"]["relative_error"] > plain["groups"]["fused"]["relative_error"]
    np.testing.assert_array_equal(found[~has], before[~has])  # coded as the average item


@pytest.mark.parametrize("source", QUANTIZERS)
def test_nearest_rows_need_no_numbers(source: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    twice = np.repeat(vectors()[:30], 2, axis=0)
    folders = write_folders(ITEMS, {"text": twice, "image": twice[:, :4]})
    options: dict[str, Any] = {"disambiguation": "nearest", "disambiguation_values": 1}
    report = make(folders, tmp_path / "out", source=source, **options)
    made = Codes.load(tmp_path / "out")
    assert made.cardinalities == [9, 9, 9, 9, 1]
    assert not made.features[:, -1].any()
    assert report["collisions"]["colliding_items"] == 0
    assert made.features[:, :4].max() < 8
    assert sum(group["moved"] for group in report["groups"].values()) >= 30
    quantizer = kinds.load(source, tmp_path / "out" / kinds.file_of(source, "text"))
    expected = relative_error(twice, quantizer.decode(made.features[:, :2]))
    assert report["groups"]["text"]["relative_error"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("value", [0, 0.3])
@pytest.mark.parametrize("source", QUANTIZERS)
def test_vectors_that_are_all_equal_lose_nothing(
    source: str, value: float, write_folders: WriteFolders, tmp_path: Path
) -> None:
    """As of a modality that is `zeroed`: there is no variance that an error could be a share of."""
    folders = write_folders(ITEMS, {"image": np.full((N, 6), value, dtype=np.float32), "text": vectors()})
    report = make(folders, tmp_path / "out", source=source)
    assert report["groups"]["image"]["relative_error"] == 0
    assert [entry["relative_error"] for entry in report["categories"][:2]] == [0, 0]
    assert [entry["used"] for entry in report["categories"][:2]] == [1, 1]
    assert report["groups"]["text"]["relative_error"] > 0


def test_the_hint_of_a_small_group_leaves_the_others_as_they_are(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    groups = {"text": vectors(6, 0), "image": vectors(5, 1)}
    folders = write_folders(ITEMS, groups, {"image": np.arange(N) < 5})
    with pytest.raises(InputError, match=r"codes\.values = 8 is more than the 5 items") as caught:
        make(folders, tmp_path / "out")
    assert caught.value.hint == "codes.groups.image.values = 4 would fit"


def test_items_without_vectors_are_numbered(write_folders: WriteFolders, tmp_path: Path) -> None:
    present = {name: np.arange(N) >= 5 for name in ("text", "image")}
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)}, present)
    make(folders, tmp_path / "out", disambiguation="nearest", disambiguation_values=5)
    made = Codes.load(tmp_path / "out").features
    assert made[:5].tolist() == [[8, 8, 8, 8, number] for number in range(5)]
    assert not made[5:, -1].any()
    with pytest.raises(InputError, match="5 items share one row of codes"):
        make(folders, tmp_path / "few", disambiguation="nearest", disambiguation_values=4)


def test_a_training_that_was_stopped_goes_on(
    write_folders: WriteFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second group fails; its training and that of the first are found again."""
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)})
    make(folders, tmp_path / "whole", source="rq-vae")
    update, steps = rq_vae_training._Training.update, []

    def failing(training: Any, loss: Any) -> None:
        steps.append(1)
        if len(steps) == 50:
            raise KeyboardInterrupt
        update(training, loss)

    monkeypatch.setattr(rq_vae_training, "_BETWEEN", 10)
    monkeypatch.setattr(rq_vae_training._Training, "update", failing)
    with pytest.raises(KeyboardInterrupt):
        make(folders, tmp_path / "out", source="rq-vae")
    codes.make(config(source="rq-vae"), fused=folders[0], sequences=folders[1], out=tmp_path / "out", seed=0)
    assert len(steps) == 50 + 20  # ten of the second group were kept
    whole, out = ({f.name: f.read_bytes() for f in (tmp_path / n).iterdir()} for n in ("whole", "out"))
    assert whole == out


def extended(
    write_folders: WriteFolders, folder: Path, given: NDArray[np.float32], **options: Any
) -> tuple[Codes, Codes]:
    """Codes of the first `OLD` items, and those with the others added."""
    old, out = folder / "old", folder / "out"
    groups = {"text": given, "image": given[:, :4] + 1}
    fused, sequences = write_folders(ITEMS[:OLD], {name: v[:OLD] for name, v in groups.items()})
    make((fused, sequences), old, **options)
    out.mkdir()
    fused, sequences = write_folders(ITEMS, groups)
    report = codes.extend(config(**options), old=old, fused=fused, sequences=sequences, out=out, seed=0)
    assert report["items"] == N
    assert report["new_without_vector"] == 0
    assert report == json.loads((out / "report.json").read_text())
    return Codes.load(old), Codes.load(out)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("disambiguation", ["sequential", "random", "nearest"])
@pytest.mark.parametrize("source", [*QUANTIZERS, "random"])
def test_items_are_added_by_all_of_them(
    source: str, disambiguation: str, balanced: bool, write_folders: WriteFolders, tmp_path: Path
) -> None:
    if source == "random" and (balanced or disambiguation == "nearest"):
        pytest.skip("refused by the configuration")
    given = vectors()
    given[OLD:] = given[: N - OLD]  # twins of items that are there
    options = {"source": source, "disambiguation": disambiguation, "balanced": balanced}
    old, made = extended(write_folders, tmp_path, given, **options)
    np.testing.assert_array_equal(made.features[:OLD], old.features)
    assert len(np.unique(made.features, axis=0)) == N
    twins = (made.features[OLD:, :-1] == made.features[: N - OLD, :-1]).all(axis=1)
    if disambiguation == "nearest":
        assert not twins.any()
        assert not made.features[:, -1].any()
    elif source == "random":
        wanted = random_codes(made.ids, group="text", books=2, values=8, seed=0)
        np.testing.assert_array_equal(made.features[:, :2], wanted)
    elif not balanced:
        assert twins.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": 12}, "values must be a power of two, not 12"),
        ({"groups": {"text": {"values": 12}}}, "groups.text.values must be a power of two, not 12"),
        ({"source": "random", "disambiguation": "nearest"}, 'disambiguation = "nearest" needs vectors'),
        ({"source": "files", "disambiguation": "nearest"}, 'source = "files" has none'),
        ({"source": "random", "balanced": True}, "balanced = true needs vectors"),
        (
            {"source": "files", "groups": {"text": {"books": 2}}},
            'groups are of vectors, and source = "files"',
        ),
    ],
)
def test_what_has_no_meaning_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CodesConfig.model_validate(options)
    CodesConfig.model_validate({"source": "random", "balanced": True, "groups": {"text": {"source": "opq"}}})


def test_a_group_that_is_not_there_is_named(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"text": vectors()})
    with pytest.raises(InputError, match=r"codes\.groups\.image: the groups of vectors are text"):
        make(folders, tmp_path / "out", groups={"image": {"books": 2}})
    with pytest.raises(InputError, match=r"codes\.groups\.text\.values = 64 is more than the 60") as caught:
        make(folders, tmp_path / "two", groups={"text": {"values": 64}})
    assert caught.value.hint == "codes.groups.text.values = 32 would fit"
