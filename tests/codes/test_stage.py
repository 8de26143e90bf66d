"""The stage as the pipeline calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo import codes
from clairo.artifacts import Codes
from clairo.codes.quantizer import Quantizer
from clairo.config import CodesConfig
from clairo.errors import InputError

WriteFolders = Callable[..., tuple[Path, Path]]
N = 60
ITEMS = [f"item {row}" for row in range(N)]


def vectors(width: int = 6, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((N, width)).astype(np.float32)


def make(folders: tuple[Path | None, Path], out: Path, seed: int = 0, **options: Any) -> dict[str, Any]:
    out.mkdir()
    cfg = CodesConfig.model_validate({"books": 2, "values": 8, "iterations": 3, **options})
    return codes.make(cfg, fused=folders[0], sequences=folders[1], out=out, seed=seed)


def test_one_group(write_folders: WriteFolders, tmp_path: Path) -> None:
    report = make(write_folders(ITEMS, {"fused": vectors()}), tmp_path / "out")
    made = Codes.load(tmp_path / "out")
    assert made.names == ["fused 1", "fused 2", "disambiguation"]
    assert made.cardinalities == [8, 8, 128]
    assert list(made.ids) == ITEMS
    assert len(np.unique(made.features, axis=0)) == N
    expected = Quantizer.load(tmp_path / "out" / "fused.faiss").encode(vectors())
    np.testing.assert_array_equal(made.features[:, :2], expected)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["collisions"]["largest_group"] == np.unique(expected, axis=0, return_counts=True)[1].max()
    assert [category["name"] for category in report["categories"]] == made.names
    assert [category["used"] for category in report["categories"][:2]] == [8, 8]
    assert 0 < report["categories"][0]["relative_error"] < 1
    assert "relative_error" not in report["categories"][2]
    assert 0 < report["groups"]["fused"]["relative_error"] < 1


def test_separate_groups_and_the_value_for_what_is_missing(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    present = {"text": np.arange(N) != 3, "image": np.arange(N) % 10 != 3}
    groups = {"text": vectors(6, 0), "image": vectors(5, 1)}
    report = make(write_folders(ITEMS, groups, present), tmp_path / "out", disambiguation="sequential")
    made = Codes.load(tmp_path / "out")
    assert made.names == ["text 1", "text 2", "image 1", "image 2", "disambiguation"]
    assert made.cardinalities == [9, 9, 9, 9, 128]
    np.testing.assert_array_equal(made.features[:, :2] == 8, np.repeat(~present["text"][:, None], 2, axis=1))
    np.testing.assert_array_equal(
        made.features[:, 2:4] == 8, np.repeat(~present["image"][:, None], 2, axis=1)
    )
    assert made.features[3].tolist() == [8, 8, 8, 8, 0]
    assert report["groups"]["image"]["without_vector"] == 6
    assert report["groups"]["image"]["trained_on"] == 54


def test_one_group_codes_an_item_without_a_vector_as_the_average(
    write_folders: WriteFolders, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    present = {"text": np.arange(N) != 3}
    report = make(write_folders(ITEMS, {"text": vectors()}, present), tmp_path / "out")
    made = Codes.load(tmp_path / "out")
    assert made.cardinalities == [8, 8, 128]
    average = Quantizer.load(tmp_path / "out" / "text.faiss").encode(np.zeros((1, 6), dtype=np.float32))
    np.testing.assert_array_equal(made.features[3, :2], average[0])
    assert report["groups"]["text"]["without_vector"] == 1
    assert "1 items have no vector and are coded as the average item" in caplog.text


def test_quantizers_learn_from_the_training_split_alone(write_folders: WriteFolders, tmp_path: Path) -> None:
    changed = vectors()
    changed[55:] += 30
    for name, given in (("before", vectors()), ("after", changed)):
        make(write_folders(ITEMS, {"fused": given}, training=range(55)), tmp_path / name)
    before, after = (tmp_path / name / "fused.faiss" for name in ("before", "after"))
    assert before.read_bytes() == after.read_bytes()
    features = [Codes.load(tmp_path / name).features[:55, :2] for name in ("before", "after")]
    np.testing.assert_array_equal(features[0], features[1])


@pytest.mark.parametrize("disambiguation", ["random", "sequential"])
def test_the_seed_fixes_the_bytes(disambiguation: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(ITEMS, {"text": vectors(6, 0), "image": vectors(5, 1)})
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        make(folders, tmp_path / name, seed=seed, disambiguation=disambiguation)
    for file in ("codes.npz", "report.json", "text.faiss", "image.faiss"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (tmp_path / "one" / "codes.npz").read_bytes() != (tmp_path / "other" / "codes.npz").read_bytes()


def write_index(path: Path, table: list[list[int]], letters: str) -> Path:
    rows = {
        str(row): [f"<{letter}_{code}>" for letter, code in zip(letters, entry, strict=True)]
        for row, entry in enumerate(table)
    }
    path.write_text(json.dumps(rows))
    return path


def test_codes_from_several_files(write_folders: WriteFolders, tmp_path: Path) -> None:
    _, sequences = write_folders(["x", "y", "z"])
    text = write_index(tmp_path / "T.index_lemb.json", [[1, 2], [1, 2], [3, 4]], "ab")
    image = write_index(tmp_path / "T.index_vitemb.json", [[5], [5], [6]], "A")
    options: dict[str, Any] = {"source": "files", "files": (text, image), "disambiguation": "sequential"}
    report = make((None, sequences), tmp_path / "out", **options)
    made = Codes.load(tmp_path / "out")
    assert made.names == ["lemb 1", "lemb 2", "vitemb 1", "disambiguation"]
    assert made.cardinalities == [8, 8, 8, 128]
    assert made.features.tolist() == [[1, 2, 5, 0], [1, 2, 5, 1], [3, 4, 6, 0]]
    assert report["collisions"] == {"rows": 2, "shared_rows": 1, "colliding_items": 2, "largest_group": 2}
    assert codes.inputs(CodesConfig.model_validate(options)) == [text, image]
    twice = {**options, "files": (text, text)}
    make((None, sequences), tmp_path / "twice", **twice)
    assert Codes.load(tmp_path / "twice").names[:3] == ["file 1 1", "file 1 2", "file 2 1"]


def test_collisions_of_a_real_catalogue(shared: Path, write_folders: WriteFolders, tmp_path: Path) -> None:
    folder = shared / "data" / "instruments"
    items = [line.split("\t")[0] for line in (folder / "Instruments.item2id").read_text().splitlines()]
    _, sequences = write_folders(items)
    found = {}
    for name in ("lemb", "vitemb"):
        files = (folder / f"Instruments.index_{name}.json",)
        report = make((None, sequences), tmp_path / name, source="files", files=files, values=256)
        found[name] = report["collisions"]
        made = Codes.load(tmp_path / name)
        assert len(np.unique(made.features, axis=0)) == 6250
    assert found["lemb"] == {"rows": 5988, "shared_rows": 262, "colliding_items": 524, "largest_group": 2}
    assert found["vitemb"]["colliding_items"] == 0


class TestRefusals:
    def test_a_codebook_larger_than_its_training_set(
        self, write_folders: WriteFolders, tmp_path: Path
    ) -> None:
        present = {"image": np.arange(N) < 40}
        folders = write_folders(ITEMS, {"text": vectors(), "image": vectors()}, present)
        with pytest.raises(
            InputError, match=r"codes\.values = 64 is more than the 60 items .* text"
        ) as caught:
            make(folders, tmp_path / "out", values=64)
        assert caught.value.hint == "codes.values = 32 would fit"
        few = write_folders(ITEMS, {"text": vectors(), "image": vectors()}, present, training=range(20))
        with pytest.raises(InputError, match="the 20 items of the training split that have text") as caught:
            make(few, tmp_path / "few", values=64)
        assert caught.value.hint == "codes.values = 16 would fit"

    def test_too_few_items_for_any_codebook(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="1 items of the training split have fused vectors: too few"):
            make(write_folders(ITEMS, {"fused": vectors()}, training=[3]), tmp_path / "out")

    def test_too_many_items_on_one_row(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"items share one row of codes.*disambiguation_values = 2"):
            make(
                write_folders(ITEMS, {"fused": vectors()}),
                tmp_path / "out",
                books=1,
                values=4,
                disambiguation_values=2,
            )

    def test_no_vectors(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no vectors"):
            make(write_folders(ITEMS), tmp_path / "out")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, r'codes\.source = "files" needs codes\.files'),
            ({"files": ("/no/x.json",)}, r"codes\.files: '/no/x\.json' is no file"),
        ],
    )
    def test_files_that_are_not_there(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            codes.inputs(CodesConfig.model_validate({"source": "files", **options}))
        assert codes.inputs(CodesConfig()) == []
