"""Further modalities: vectors from files under names of their own, checked and marked like the others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo import embeddings
from clairo.artifacts import Embedding
from clairo.config import EmbeddingsConfig
from clairo.errors import InputError

WriteSequences = Callable[..., Path]
ITEMS = ["B1", "B2", "B3", "B4"]
SOUND = np.array([[1, 2, 3], [0, 0, 0], [4, 5, 6]], dtype=np.float32)
MOVING = np.arange(8, dtype=np.float32).reshape(4, 2) + 1


def files(folder: Path, name: str, vectors: Any, ids: list[str]) -> dict[str, Path]:
    np.save(folder / f"{name}.npy", vectors)
    (folder / f"{name}.ids").write_text("\n".join(ids), "utf-8")
    return {"vectors": folder / f"{name}.npy", "ids": folder / f"{name}.ids"}


def config(**more: Any) -> EmbeddingsConfig:
    return EmbeddingsConfig.model_validate(
        {"text": {"encoder": "tfidf", "width": 2}, "image": {"encoder": "none"}, "more": more}
    )


def make(cfg: EmbeddingsConfig, sequences: Path, out: Path) -> dict[str, Any]:
    out.mkdir()
    return embeddings.make(cfg, sequences=sequences, reviews=None, out=out, seed=0)


def test_each_has_its_own_ids_and_its_own_mask(write_sequences: WriteSequences, tmp_path: Path) -> None:
    audio = files(tmp_path, "audio", SOUND, ["B4", "B2", "B1"])
    video = files(tmp_path, "video", MOVING, ITEMS[::-1])
    cfg = config(video=video, audio=audio, smell={"encoder": "none"})
    sequences = write_sequences(ITEMS, {"title": ["red", "blue red", "green", "red"]})
    report = make(cfg, sequences, tmp_path / "out")
    heard, seen = (Embedding.load(tmp_path / "out" / f"{name}.npz") for name in ("audio", "video"))
    assert heard.ids.tolist() == seen.ids.tolist() == ITEMS
    np.testing.assert_array_equal(heard.present, [True, False, False, True])
    np.testing.assert_array_equal(heard.vectors, [[4, 5, 6], [0, 0, 0], [0, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(seen.vectors, MOVING[::-1])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["audio.npz", "report.json", "text.npz", "tfidf.npz", "video.npz"]
    assert report == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert (report["audio"]["unnamed"], report["audio"]["zero"], report["audio"]["present"]) == (1, 1, 2)
    assert report["smell"]["encoder"] == "none"
    assert embeddings.inputs(cfg, None) == [*audio.values(), *video.values()]


def test_new_items_get_theirs_from_files_and_are_absent_otherwise(
    write_sequences: WriteSequences, tmp_path: Path
) -> None:
    cfg = config(audio=files(tmp_path, "old", SOUND, ["B1", "B2", "B3"]))
    titles = {"title": ["red", "blue red", "green"]}
    make(cfg, write_sequences(ITEMS[:3], titles), tmp_path / "old")
    (tmp_path / "sequences").rename(tmp_path / "before")
    later = write_sequences([*ITEMS, "B5"], {"title": [*titles["title"], "blue", "red"]}, [0, 1, 2])
    cfg = config(audio=files(tmp_path, "new", SOUND[2:], ["B5"]))
    (tmp_path / "out").mkdir()
    report = embeddings.extend(cfg, old=tmp_path / "old", sequences=later, reviews=None, out=tmp_path / "out")
    heard = Embedding.load(tmp_path / "out" / "audio.npz")
    assert heard.ids.tolist() == [*ITEMS, "B5"]
    np.testing.assert_array_equal(heard.present, [True, False, True, False, True])
    np.testing.assert_array_equal(heard.vectors[4], [4, 5, 6])
    assert report["audio"]["unnamed"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r'encoder = "file" needs embeddings\.more\.audio\.vectors'),
        ({"vectors": "/no/a.npy"}, r"embeddings\.more\.audio\.vectors = '/no/a\.npy' is no file"),
    ],
)
def test_a_missing_file_names_its_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        embeddings.inputs(config(audio=options), None)


def test_ids_of_other_items_name_the_option(write_sequences: WriteSequences, tmp_path: Path) -> None:
    cfg = config(audio=files(tmp_path, "audio", SOUND, ["x", "y", "z"]))
    with pytest.raises(InputError, match="names none of the 4 items") as caught:
        make(cfg, write_sequences(ITEMS), tmp_path / "out")
    assert caught.value.hint == "embeddings.more.audio.ids wants original item ids"
