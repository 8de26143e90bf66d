"""Text, pictures and sound: the README's example of a further modality, typed as it stands there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from clairo import Recommender
from clairo.artifacts import Codes, Embedding

from .conftest import SMALL, meta, write_gzip

if TYPE_CHECKING:
    from pathlib import Path

SILENT = 5  # an item without a sound
TINY = [name for name in SMALL if not name.startswith(("embeddings", "fused"))]
WIDTHS = "fused.widths={text=6, image=6, audio=4}"


def example(checkout: Path) -> str:
    blocks = re.findall(r"```toml\n(.*?)```", (checkout / "README.md").read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if "[embeddings.more.audio]" in block]
    return str(found)


@pytest.fixture
def shop(world: Any, checkout: Path) -> Any:
    """The tiny world with pictures and sounds, under the names of the example."""
    world.config.write_text(world.config.read_text("utf-8") + example(checkout), "utf-8")
    random = np.random.default_rng(0)
    (world.folder / "pictures").mkdir()
    for item in range(24):
        pixels = random.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(world.folder / "pictures" / f"I{item:03}.jpg")
    heard = [item for item in range(24) if item != SILENT]
    world.write("audio.npy", random.standard_normal((23, 6)).astype(np.float32))
    world.write("audio.txt", "\n".join(f"I{item:03}" for item in heard))
    return world


def run(shop: Any, out: Path, *extra: str, until: str = "codes") -> Any:
    sets = [word for setting in (*TINY, WIDTHS, *extra) for word in ("--set", setting)]
    return shop.type("run", shop.config, "--out", out, "--until", until, *sets)


def test_three_modalities_become_codes(shop: Any) -> None:
    answer = run(shop, shop.out)
    assert answer.code == 0, answer.err
    codes = Codes.load(shop.out / "codes")
    kinds = [name.rpartition(" ")[0] for name in codes.names[:-1]]
    assert kinds == ["text"] * 2 + ["image"] * 2 + ["audio"] * 2 + ["fused"] * 2
    silent = codes.ids.tolist().index(f"I{SILENT:03}")
    assert codes.features[silent, 4:6].tolist() == [4, 4]  # the value of what is missing
    assert (np.delete(codes.features, silent, axis=0)[:, 4:6] < 4).all()
    assert len(np.unique(codes.features, axis=0)) == 24
    assert Embedding.load(shop.out / "fused" / "fused.npz").width == 16
    assert (shop.out / "fused" / "weights.npz").is_file()
    report = json.loads((shop.out / "codes" / "report.json").read_text("utf-8"))
    assert report["groups"]["audio"]["without_vector"] == 1
    assert run(shop, shop.out).err.count("stands") == 5
    changed = np.load(shop.folder / "audio.npy") + 1
    shop.write("audio.npy", changed)
    assert "embeddings: made again, because of inputs" in run(shop, shop.out).err


@pytest.mark.parametrize("mode", ["fused", "separate", "audio"])
def test_a_control_without_sound_is_coded_as_well(mode: str, shop: Any) -> None:
    answer = run(shop, shop.out, f"fused.mode={mode}", "fused.learned_weights=none", "fused.zeroed=['audio']")
    assert answer.code == 0, answer.err
    codes = Codes.load(shop.out / "codes")
    heard = [place for place, name in enumerate(codes.names) if name.startswith("audio")]
    assert len(heard) == {"fused": 0, "separate": 2, "audio": 2}[mode]
    assert all(len(np.unique(codes.features[codes.ids != f"I{SILENT:03}", place])) == 1 for place in heard)


def test_new_items_bring_their_sound(shop: Any) -> None:
    answer = run(shop, shop.out, until="model")
    assert answer.code == 0, answer.err
    write_gzip(shop.folder / "new.json.gz", [json.dumps(meta(3) | {"asin": name}) for name in ("N1", "N2")])
    sound = np.load(shop.folder / "audio.npy")[3:4]
    files = {"vectors": shop.write("new.npy", sound), "ids": shop.write("new.txt", "N1")}
    sets = [
        word for name, path in files.items() for word in ("--set", f"embeddings.more.audio.{name}={path}")
    ]
    out = shop.folder / "added"
    answer = shop.type("add", shop.out, "--metadata", shop.folder / "new.json.gz", "--out", out, *sets)
    assert answer.code == 0, answer.err
    codes = Codes.load(out / "codes")
    assert codes.ids[-2:].tolist() == ["N1", "N2"]
    old = codes.ids.tolist().index("I003")
    np.testing.assert_array_equal(codes.features[-2, 4:6], codes.features[old, 4:6])
    assert codes.features[-1, 4:6].tolist() == [4, 4]
    Recommender.load(out)
