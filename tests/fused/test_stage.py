"""The stage as the pipeline calls it: modes, missing modalities, the control, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from clairo import fused
from clairo.artifacts import Embedding
from clairo.config import FusedConfig
from clairo.errors import InputError

WriteFolders = Callable[..., tuple[Path, Path]]
N = 40
TRAINING = list(range(30))
HAS_TEXT = np.arange(N) % 7 != 3
HAS_IMAGE = np.arange(N) % 5 != 3
NEITHER = ~HAS_TEXT & ~HAS_IMAGE  # items 3 and 38


def vectors(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    text, image = random.standard_normal((N, 10)), 100 * random.standard_normal((N, 8)) + 7
    return {"text": text.astype(np.float32), "image": image.astype(np.float32)}


PRESENT = {"text": HAS_TEXT, "image": HAS_IMAGE}


def make(folders: tuple[Path, Path], out: Path, **options: Any) -> dict[str, Any]:
    out.mkdir()
    cfg = FusedConfig.model_validate({"widths": {"text": 4, "image": 3}, **options})
    return fused.make(cfg, embeddings=folders[0], sequences=folders[1], out=out, seed=0)


def test_fused_concatenates_the_shares(write_folders: WriteFolders, tmp_path: Path) -> None:
    report = make(write_folders(N, TRAINING, vectors(), PRESENT), tmp_path / "out")
    group = Embedding.load(tmp_path / "out" / "fused.npz")
    assert group.vectors.shape == (N, 7)
    assert list(group.ids) == [f"item {row}" for row in range(N)]
    np.testing.assert_array_equal(group.present, HAS_TEXT | HAS_IMAGE)
    assert not group.vectors[~HAS_TEXT, :4].any()
    assert not group.vectors[~HAS_IMAGE, 4:].any()
    assert group.vectors[HAS_TEXT, :4].any(axis=1).all()
    assert report == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["text"]["absent"] == int((~HAS_TEXT).sum())
    assert report["text"]["fitted_on"] == int(HAS_TEXT[:30].sum())
    assert report["groups"] == {"fused": 7}
    assert report["without_vectors"] == NEITHER.sum() == 2
    assert report["without_vectors_first"] == ["item 3", "item 38"]
    assert report["warnings"] == ["2 items have no vector at all, the first is 'item 3'"]


def test_each_share_is_the_pca_of_the_training_items_that_have_it(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    make(write_folders(N, TRAINING, vectors(), PRESENT), tmp_path / "out", balance=False)
    group = Embedding.load(tmp_path / "out" / "fused.npz")
    exact = vectors()["image"].astype(np.float64)
    fit = HAS_IMAGE & (np.arange(N) < 30)
    mean = exact[fit].mean(axis=0)
    _, _, rows = np.linalg.svd(exact[fit] - mean, full_matrices=False)
    expected = (exact[HAS_IMAGE] - mean) @ rows[:3].T
    np.testing.assert_allclose(np.abs(group.vectors[HAS_IMAGE, 4:]), np.abs(expected), rtol=1e-4, atol=1e-3)


def test_items_outside_the_training_split_do_not_move_the_components(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    changed = vectors()
    changed["text"][35] += 50
    changed["image"][31] *= -9
    for name, given in (("before", vectors()), ("after", changed)):
        make(write_folders(N, TRAINING, given, PRESENT, name=name), tmp_path / name)
    assert (tmp_path / "before" / "pca.npz").read_bytes() == (tmp_path / "after" / "pca.npz").read_bytes()
    before, after = (Embedding.load(tmp_path / name / "fused.npz").vectors for name in ("before", "after"))
    moved = (before != after).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(moved), [31, 35])


def test_rows_are_keyed_by_id(write_folders: WriteFolders, tmp_path: Path) -> None:
    for name, order in (("one", 1), ("two", 2)):
        make(write_folders(N, TRAINING, vectors(), PRESENT, name=name, order=order), tmp_path / name)
    for file in ("fused.npz", "pca.npz", "report.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_balance_keeps_the_larger_modality_from_drowning_the_other(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(N, TRAINING, vectors())
    spread = {}
    for balance in (True, False):
        make(folders, tmp_path / str(balance), balance=balance)
        group = Embedding.load(tmp_path / str(balance) / "fused.npz").vectors[:30]
        spread[balance] = [float(part.var(axis=0).sum()) for part in (group[:, :4], group[:, 4:])]
    assert spread[True] == pytest.approx([29 / 30, 29 / 30], rel=1e-4)
    assert spread[False][1] > 1000 * spread[False][0]


def test_separate_keeps_two_groups(write_folders: WriteFolders, tmp_path: Path) -> None:
    report = make(write_folders(N, TRAINING, vectors(), PRESENT), tmp_path / "out", mode="separate")
    text, image = (Embedding.load(tmp_path / "out" / f"{name}.npz") for name in ("text", "image"))
    assert (text.width, image.width) == (4, 3)
    np.testing.assert_array_equal(text.present, HAS_TEXT)
    np.testing.assert_array_equal(image.present, HAS_IMAGE)
    assert not text.vectors[~HAS_TEXT].any()
    assert report["groups"] == {"text": 4, "image": 3}
    assert report["without_vectors"] == 2


@pytest.mark.parametrize("mode", ["text", "image"])
def test_one_modality_alone(mode: str, write_folders: WriteFolders, tmp_path: Path) -> None:
    report = make(write_folders(N, TRAINING, {mode: vectors()[mode]}, PRESENT), tmp_path / "out", mode=mode)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == sorted([f"{mode}.npz", "pca.npz", "report.json"])
    assert report["without_vectors"] == (~PRESENT[mode]).sum()


def test_whitening(write_folders: WriteFolders, tmp_path: Path) -> None:
    make(write_folders(N, TRAINING, vectors()), tmp_path / "out", mode="separate", whiten=True)
    text = Embedding.load(tmp_path / "out" / "text.npz").vectors[:30]
    np.testing.assert_allclose(np.cov(text.T), np.eye(4), atol=1e-4)


def test_a_final_pca_is_whitened(write_folders: WriteFolders, tmp_path: Path) -> None:
    report = make(write_folders(N, TRAINING, vectors(), PRESENT), tmp_path / "out", final_width=5)
    group = Embedding.load(tmp_path / "out" / "fused.npz")
    seen = group.vectors[:30][group.present[:30]]
    np.testing.assert_allclose(np.cov(seen.T), np.eye(5), atol=1e-4)
    assert not group.vectors[NEITHER].any()
    assert report["final"]["width_in"] == 7
    assert report["final"]["fitted_on"] == 29


@pytest.mark.parametrize("options", [{}, {"final_width": 5}, {"mode": "separate"}, {"mode": "image"}])
def test_what_is_saved_transforms_later_items_the_same_way(
    options: dict[str, Any], write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(N, TRAINING, vectors(), PRESENT)
    make(folders, tmp_path / "out", **options)
    loaded = fused.Fusion.load(tmp_path / "out")
    later = {name: Embedding.load(folders[0] / f"{name}.npz") for name in ("text", "image")}
    for name, group in loaded.transform(later).items():
        made = Embedding.load(tmp_path / "out" / f"{name}.npz").aligned(group.ids)
        np.testing.assert_allclose(group.vectors, made.vectors, atol=1e-5)
        np.testing.assert_array_equal(group.present, made.present)
    narrow = {name: Embedding(e.ids, e.vectors[:, :2], e.present) for name, e in later.items()}
    with pytest.raises(InputError, match="vectors are 2 wide, but the PCA was fitted on"):
        loaded.transform(narrow)


def test_shuffled_deals_out_the_vectors_of_one_modality(write_folders: WriteFolders, tmp_path: Path) -> None:
    folders = write_folders(N, TRAINING, vectors(), PRESENT)
    for name, shuffled in (("plain", ()), ("control", ("image",)), ("again", ("image",))):
        make(folders, tmp_path / name, mode="separate", shuffled=shuffled)
    plain, control = (
        {m: Embedding.load(tmp_path / name / f"{m}.npz") for m in ("text", "image")}
        for name in ("plain", "control")
    )
    np.testing.assert_array_equal(plain["text"].vectors, control["text"].vectors)
    np.testing.assert_array_equal(plain["image"].present, control["image"].present)
    assert not np.allclose(plain["image"].vectors, control["image"].vectors)
    assert (tmp_path / "control" / "image.npz").read_bytes() == (
        tmp_path / "again" / "image.npz"
    ).read_bytes()


def test_shuffling_loses_and_invents_nothing() -> None:
    ids = np.array([f"item {row}" for row in range(N)])
    given = Embedding(ids, np.where(HAS_IMAGE[:, None], vectors()["image"], 0), HAS_IMAGE)
    dealt = fused.shuffled(given, np.random.default_rng(0))
    assert not dealt.vectors[~HAS_IMAGE].any()
    assert sorted(map(tuple, dealt.vectors)) == sorted(map(tuple, given.vectors))
    assert (dealt.vectors[HAS_IMAGE] != given.vectors[HAS_IMAGE]).any(axis=1).mean() > 0.8


def test_a_share_that_cannot_be_filled_is_clamped_with_a_word(
    write_folders: WriteFolders, tmp_path: Path
) -> None:
    folders = write_folders(N, list(range(6)), vectors())
    report = make(folders, tmp_path / "out", widths={})
    assert report["groups"] == {"fused": 10}
    assert report["warnings"] == [
        "fused.widths.text = 384 is clamped to 5: 6 vectors 10 wide vary in no more directions",
        "fused.widths.image = 384 is clamped to 5: 6 vectors 8 wide vary in no more directions",
    ]


class TestRefusals:
    def test_a_modality_that_no_item_has(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        folders = write_folders(N, TRAINING, {"text": vectors()["text"]})
        for mode in ("fused", "separate", "image"):
            with pytest.raises(InputError, match=f'fused.mode = "{mode}" reads image vectors') as caught:
                make(folders, tmp_path / mode, mode=mode)
            assert 'set fused.mode = "text"' in str(caught.value)

    def test_no_modality_at_all(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="reads text vectors, but no item has one") as caught:
            make(write_folders(N, TRAINING, {}), tmp_path / "out")
        assert "fused.mode =" not in str(caught.value.hint)

    def test_nothing_to_fit_on(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        present = {"image": np.arange(N) >= 30}
        with pytest.raises(InputError, match="no item of the training split has image vectors"):
            make(write_folders(N, TRAINING, vectors(), present), tmp_path / "out")

    def test_vectors_that_are_all_equal(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        given = {**vectors(), "image": np.full((N, 8), 0.3, dtype=np.float32)}
        with pytest.raises(InputError, match=r"the image vectors of the 30 training items .* are all equal"):
            make(write_folders(N, TRAINING, given), tmp_path / "out")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_vectors_that_are_not_finite(
        self, bad: float, write_folders: WriteFolders, tmp_path: Path
    ) -> None:
        given = vectors()
        given["text"][17, 3] = bad
        with pytest.raises(InputError, match=r"text\.npz: the vector of item 'item 17' is not finite"):
            make(write_folders(N, TRAINING, given), tmp_path / "out")

    def test_an_item_without_a_row(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        embeddings, sequences = write_folders(N, TRAINING, vectors())
        short = Embedding.load(embeddings / "text.npz")
        Embedding(short.ids[1:], short.vectors[1:], short.present[1:]).save(embeddings / "text.npz")
        with pytest.raises(InputError, match=f"the first is '{short.ids[0]}'"):
            make((embeddings, sequences), tmp_path / "out")

    def test_a_control_that_would_do_nothing(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"fused\.shuffled names 'image', which fused\.mode = \"text\""):
            make(write_folders(N, TRAINING, vectors()), tmp_path / "out", mode="text", shuffled=("image",))

    def test_a_final_pca_without_a_concatenation(self, write_folders: WriteFolders, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"fused\.final_width is for"):
            make(write_folders(N, TRAINING, vectors()), tmp_path / "out", mode="separate", final_width=2)


def test_the_number_of_threads_changes_nothing(write_folders: WriteFolders, tmp_path: Path) -> None:
    """Wide enough that two threads of the linear algebra would add in another order."""
    n, width = 900, 300
    given = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    folders = write_folders(n, range(n), {"text": given})
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            make(folders, tmp_path / str(threads), mode="text")
    one, two = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("1", "2"))
    assert one == two
