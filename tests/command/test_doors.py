"""The doors of the flow, on real data where it is at hand: raw files, sequences, vectors, codes, pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from clairo.artifacts import Codes, Embedding, Sequences

if TYPE_CHECKING:
    from pathlib import Path

QUICK = [
    "vocabulary.size=1300",
    "model.layers=1",
    "model.d_model=16",
    "model.d_ff=32",
    "model.heads=2",
    "model.d_kv=8",
    "model.epochs=1",
    "model.validation_users=50",
    "recommendations.users=60",
    "recommendations.views=1",
    "recommendations.item2item={windows=[3], decays=[0.6]}",
    "report.resamples=50",
]


def run_preset(world: Any, preset: str, data: Path, *extra: str) -> dict[str, Any]:
    sets = [word for setting in (*QUICK, *extra) for word in ("--set", setting)]
    answer = world.type("run", preset, "--data", data, "--out", world.out, *sets)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == str(world.out / "report" / "report.html")
    report: dict[str, Any] = json.loads((world.out / "report" / "report.json").read_text())
    return report


@pytest.mark.parametrize("release", ["meta_Gift_Cards.json.gz", "meta_Gift_Cards.v2.json.gz"])
def test_raw_files_of_both_releases_of_the_metadata(world: Any, shared: Path, release: str) -> None:
    data = shared / "data" / "raw-gift-cards"
    report = run_preset(world, "gift-cards", data, f"reviews.metadata={data / release}")
    assert report["dataset"]["users"] == 453
    assert report["test"]["invalid_rate"] == 0
    reply = json.loads(world.type("recommend", world.out, "--items", "B004LLIKVU", "-k", 3, "--json").out)
    assert [len(row["title"]) > 0 for row in reply["items"]] == [True] * 3


def test_sequences_with_an_item_table_and_vectors_with_ids(world: Any, shared: Path) -> None:
    report = run_preset(world, "scientific-mm", shared / "data" / "scientific-mm")
    assert (report["dataset"]["users"], report["dataset"]["items"], report["dataset"]["events"]) == (
        2928,
        1585,
        19712,
    )
    sequences = Sequences.load(world.out / "sequences")
    vectors = Embedding.load(world.out / "embeddings" / "image.npz")
    assert vectors.ids.tolist() == sequences.items.tolist()
    published = np.load(shared / "data" / "scientific-mm" / "scientific18-mm.clip_image.npy")
    assert np.array_equal(vectors.vectors, published)
    codes = Codes.load(world.out / "codes")
    assert [name.split()[0] for name in codes.names] == ["text"] * 4 + ["image"] * 4 + ["disambiguation"]
    assert (
        world.type("recommend", world.out, "--items", "B00O47ILVA", "-k", 1).out.split()[1] in sequences.items
    )


@pytest.mark.parametrize(
    ("files", "categories"),
    [(["lemb"], 5), (["vitemb"], 5), (["lemb", "vitemb"], 9)],
    ids=["text codes", "image codes", "both"],
)
def test_codes_of_mql4grec(world: Any, shared: Path, files: list[str], categories: int) -> None:
    data = shared / "data" / "instruments"
    paths = json.dumps([str(data / f"Instruments.index_{name}.json") for name in files])
    answer = world.type(
        "run", "mql4grec-instruments", "--data", data, "--out", world.out, "--until", "vocabulary",
        "--set", f"codes.files={paths}", "--set", "vocabulary.size=2400",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    codes = Codes.load(world.out / "codes")
    assert codes.features.shape == (6250, categories)
    assert len(np.unique(codes.features, axis=0)) == 6250
    first = json.loads((data / f"Instruments.index_{files[0]}.json").read_text())["0"]
    assert [f"_{value}>" in code for value, code in zip(codes.features[0], first, strict=False)] == [True] * 4


def test_the_histories_of_an_inter_file_are_those_of_the_json(world: Any, shared: Path) -> None:
    data = shared / "data" / "instruments"
    words = ("run", "mql4grec-instruments", "--data", data, "--until", "sequences")
    assert world.type(*words, "--out", world.out).code == 0
    other = world.folder / "other"
    histories = f"sequences.histories={data / 'Instruments.test.inter'}"
    assert world.type(*words, "--out", other, "--set", histories).code == 0
    one, two = Sequences.load(world.out / "sequences"), Sequences.load(other / "sequences")
    assert one.users.tolist() == two.users.tolist()
    assert np.array_equal(one.targets("test")[1], two.targets("test")[1])
    capped = [
        a[-51:].tolist() == b[-51:].tolist()
        for a, b in ((one.history(u), two.history(u)) for u in range(500))
    ]
    assert all(capped)


def test_a_folder_of_pictures_named_by_item(world: Any) -> None:
    pictures = world.folder / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for item in range(23):  # the last item has none
        pixels = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"I{item:03}.jpg")
    (pictures / "I022.jpg").write_bytes(b"no picture")
    answer = world.run(
        "--until", "codes", embeddings__image__encoder="descriptor", embeddings__image__folder=pictures,
        fused__mode="separate", fused__widths__image=8,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    image = Embedding.load(world.out / "embeddings" / "image.npz")
    assert image.ids[~image.present].tolist() == ["I022", "I023"]
    codes = Codes.load(world.out / "codes")
    place = codes.names.index("image 1")
    missing = codes.features[:, place] == codes.cardinalities[place] - 1
    assert codes.ids[missing].tolist() == ["I022", "I023"]
