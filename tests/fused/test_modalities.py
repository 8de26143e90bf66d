"""Any number of modalities: which are read, in which order, at which share and weight, and the controls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo import fused
from clairo.artifacts import Embedding
from clairo.config import FusedConfig
from clairo.errors import InputError

WriteFolders = Callable[..., tuple[Path, Path]]
N = 40
TRAINING = list(range(30))
WIDTHS = {"text": 4, "image": 3, "audio": 2}
HAS_AUDIO = np.arange(N) % 4 != 1


def vectors() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    widths = {"text": 10, "image": 8, "audio": 5, "video": 6}
    return {name: random.standard_normal((N, width)).astype(np.float32) for name, width in widths.items()}


def three() -> dict[str, NDArray[np.float32]]:
    return {name: vectors()[name] for name in ("text", "image", "audio")}


def make(folders: tuple[Path, Path], out: Path, **options: Any) -> dict[str, Any]:
    out.mkdir()
    cfg = FusedConfig.model_validate({"widths": WIDTHS, **options})
    return fused.make(cfg, embeddings=folders[0], sequences=folders[1], out=out, seed=0)


def group(folder: Path, name: str = "fused") -> NDArray[np.float32]:
    return Embedding.load(folder / f"{name}.npz").vectors


def test_all_that_have_an_encoder_are_read_in_a_fixed_order(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    report = make(write_folders(N, TRAINING, vectors(), without=["image"]), tmp_path / "out", mode="separate")
    assert report["order"] == ["text", "audio", "video"]
    assert report["groups"] == {"text": 4, "audio": 2, "video": 6}  # of 384, what there is


def test_those_that_are_named_are_read_in_the_order_of_naming(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(N, TRAINING, vectors())
    report = make(folders, tmp_path / "out", mode="separate", modalities=["audio", "text"])
    assert report["order"] == ["audio", "text"]
    make(folders, tmp_path / "fused", modalities=["audio", "text"])
    whole = np.hstack([group(tmp_path / "out", name) for name in ("audio", "text")])
    np.testing.assert_array_equal(group(tmp_path / "fused"), whole)


def test_both_makes_the_groups_of_separate_and_of_fused(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, three(), {"audio": HAS_AUDIO})
    for mode in ("fused", "separate", "both"):
        report = make(folders, tmp_path / mode, mode=mode)
    assert report["order"] == ["text", "image", "audio", "fused"]
    for name, alone in (("text", "separate"), ("audio", "separate"), ("fused", "fused")):
        file = f"{name}.npz"
        assert (tmp_path / "both" / file).read_bytes() == (tmp_path / alone / file).read_bytes()


@pytest.mark.parametrize("mode", ["fused", "separate", "audio"])
def test_one_modality_is_enough(mode: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(
        N, TRAINING, {"audio": vectors()["audio"]}, {"audio": HAS_AUDIO}, without=["text", "image"]
    )
    report = make(folders, tmp_path / "out", mode=mode)
    name = "fused" if mode == "fused" else "audio"
    assert report["groups"] == {name: 2}
    np.testing.assert_array_equal(Embedding.load(tmp_path / "out" / f"{name}.npz").present, HAS_AUDIO)


def test_a_weight_is_a_factor_of_the_share(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, three())
    make(folders, tmp_path / "plain")
    make(folders, tmp_path / "out", weights={"image": 0.5, "audio": 0})
    factors = np.repeat([1, 0.5, 0], [4, 3, 2])
    np.testing.assert_allclose(group(tmp_path / "out"), group(tmp_path / "plain") * factors, rtol=1e-6)


def test_a_zeroed_modality_is_present_and_tells_nothing(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, three(), {"audio": HAS_AUDIO})
    make(folders, tmp_path / "plain", mode="both")
    report = make(folders, tmp_path / "out", mode="both", zeroed=["audio"])
    assert report["groups"] == {"text": 4, "image": 3, "audio": 2, "fused": 9}
    audio = Embedding.load(tmp_path / "out" / "audio.npz")
    assert not audio.vectors.any()
    np.testing.assert_array_equal(audio.present, HAS_AUDIO)
    plain = group(tmp_path / "plain")
    plain[:, 7:] = 0
    np.testing.assert_array_equal(group(tmp_path / "out"), plain)


def test_a_final_pca_without_whitening_only_turns(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, three())
    make(folders, tmp_path / "plain")
    make(folders, tmp_path / "out", final_width=9, final_whiten=False)
    before, after = (group(tmp_path / name).astype(np.float64) for name in ("plain", "out"))
    np.testing.assert_allclose(distances(after), distances(before), atol=1e-4)
    make(folders, tmp_path / "white", final_width=9)
    np.testing.assert_allclose(np.cov(group(tmp_path / "white")[:30].T), np.eye(9), atol=1e-4)


def distances(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    return squares


@pytest.mark.parametrize(
    "options",
    [{"weights": {"audio": 2.0}, "zeroed": ["text"]}, {"mode": "both", "final_width": 5}, {"mode": "audio"}],
)
def test_later_items_go_the_same_way(
    options: dict[str, Any], write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(N, TRAINING, three(), {"audio": HAS_AUDIO})
    report = make(folders, tmp_path / "out", **options)
    later = {name: Embedding.load(folders[0] / f"{name}.npz") for name in three()}
    groups = fused.Fusion.load(tmp_path / "out").transform(later)
    assert list(groups) == report["order"]
    for name, made in groups.items():
        np.testing.assert_allclose(
            made.vectors,
            Embedding.load(tmp_path / "out" / f"{name}.npz").aligned(made.ids).vectors,
            atol=1e-5,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "text", "zeroed": ["audio"]}, r"fused\.zeroed names 'audio', which fused\.mode = \"text\""),
        ({"modalities": ["text"], "shuffled": ["image"]}, r"does not read with fused\.modalities = \['text'"),
        ({"mode": "separate", "weights": {"text": 2}}, r"fused\.weights is for fused\.mode"),
        ({"mode": "text", "learned_weights": "item"}, r"fused\.learned_weights is for fused\.mode"),
        ({"modalities": ["text", "smell"]}, "reads smell vectors, but no item has one"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    options: dict[str, Any], message: str, write_folders: WriteFolders, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        make(write_folders(N, TRAINING, three()), tmp_path / "out", **options)


def test_no_encoder_at_all(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, {}, without=["text", "image"])
    with pytest.raises(InputError, match='the encoders of all modalities are "none"'):
        make(folders, tmp_path / "out")
