"""`clairo add`: items and events that come after training, in a shop whose files hold some of them back."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import clairo
from clairo import Recommender, Vocabulary, pipeline
from clairo.artifacts import Codes, Embedding, Sequences
from clairo.artifacts.store import sha256
from clairo.shop import write_shop

from .conftest import SMALL, World, write_gzip

if TYPE_CHECKING:
    from pathlib import Path

N_HELD = 12
TINY = [
    "codes.values=8",
    "embeddings.image.encoder=descriptor",
    "fused.mode=separate",
    "fused.widths.image=8",
    "model.epochs=1",
    "recommendations.views=1",
    "recommendations.beams=100",
    "recommendations.item2item={windows=[1], decays=[1.0]}",
    "recommendations.linear={penalties=[30], decays=[0.9]}",
]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@dataclass(frozen=True)
class Shop:
    """A shop's files cut in two: what a run reads, and what comes after it.

    Attributes:
        held: items of the second part; some of their events are the last of their users.
    """

    folder: Path
    held: list[str]

    @property
    def late(self) -> list[dict[str, Any]]:
        return lines(self.folder / "late_5.json.gz")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    files = write_shop(folder / "files", users=80, items=60, seed=3, dirty=0.0)
    reviews, items = lines(files.reviews), lines(files.metadata)
    last: dict[str, tuple[int, str]] = {}
    for row in reviews:
        last[row["reviewerID"]] = max(
            last.get(row["reviewerID"], (0, "")), (row["unixReviewTime"], row["asin"])
        )
    held = sorted({item for _, item in last.values()})[:N_HELD]
    for name, kept in (("early", False), ("late", True)):
        write_gzip(
            folder / f"{name}_5.json.gz",
            (json.dumps(row) for row in reviews if (row["asin"] in held) == kept),
        )
        write_gzip(
            folder / f"meta_{name}.json.gz",
            (json.dumps(row) for row in items if (row["asin"] in held) == kept),
        )
    shutil.move(files.images, folder / "pictures")
    return Shop(folder, held)


def trained(world: Any, shop: Shop, out: Path, *extra: str) -> Any:
    """Type `clairo run` on the early files."""
    files = [
        f"reviews.reviews={shop.folder / 'early_5.json.gz'}",
        f"reviews.metadata={shop.folder / 'meta_early.json.gz'}",
        f"embeddings.image.folder={shop.folder / 'pictures'}",
    ]
    sets = [word for setting in (*SMALL, *TINY, *files, *extra) for word in ("--set", setting)]
    return world.type("run", world.config, "--out", out, *sets)


@pytest.fixture(scope="session")
def early(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the early files; nobody changes it."""
    folder = tmp_path_factory.mktemp("early")
    world = World(folder, cast("Any", _Silent()))
    assert trained(world, shop, folder / "run").code == 0
    return folder / "run"


class _Silent:
    def readouterr(self) -> tuple[str, str]:
        return "", ""


@pytest.fixture(scope="session")
def later(early: Path, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with the late items and events added."""
    out = tmp_path_factory.mktemp("later") / "run"
    clairo.add(
        early, metadata=shop.folder / "meta_late.json.gz", reviews=shop.folder / "late_5.json.gz", out=out
    )
    return out


def test_the_first_run_and_what_it_knows_stay_as_they_are(early: Path, later: Path, shop: Shop) -> None:
    before, after = Codes.load(early / "codes"), Codes.load(later / "codes")
    n = len(before.ids)
    assert after.ids.tolist() == [*before.ids.tolist(), *shop.held]
    np.testing.assert_array_equal(after.features[:n], before.features)
    assert len(np.unique(after.features, axis=0)) == n + N_HELD
    assert (after.features < np.array(after.cardinalities)).all()
    words = [Vocabulary.load(run / "vocabulary" / "vocabulary.json") for run in (early, later)]
    old, new = (word.canonical(codes.features) for word, codes in zip(words, (before, after), strict=True))
    assert new[1][: n + 1].tolist() == old[1].tolist()
    assert new[0][: old[1][-1]].tolist() == old[0].tolist()
    assert sha256(early / "model" / "best") == sha256(later / "model" / "best")
    assert not (later.parent / ".run.adding").exists()


def test_new_items_are_recommended_at_once(later: Path, shop: Shop) -> None:
    recommender = Recommender.load(later)
    assert recommender.settings.views == 1
    sequences = Sequences.load(later / "sequences")
    histories = [sequences.items[sequences.history(user)[:-1]].tolist() for user in range(40)]
    answers = recommender.answer_many(histories, k=100)
    for history, answer in zip(histories, answers, strict=True):  # more beams than items find them all
        assert {item for item, score in answer.items if score > 0} == set(sequences.items) - set(history)
    assert set(shop.held) & {item for answer in answers for item, _ in answer.items[:10]}
    assert recommender.answer([shop.held[0]]).source == "model"
    assert recommender.title(shop.held[0])


def test_status_tells_whence_and_run_only_measures(world: Any, later: Path, early: Path, shop: Shop) -> None:
    shutil.copytree(later, world.out)
    told = world.type("status", world.out).out.splitlines()
    assert [line.split()[1] for line in told] == ["done"] * 7 + ["missing"] * 2
    assert told[1].split(maxsplit=2)[2].startswith("added to run (")
    assert told[6].split(maxsplit=2)[2].startswith("copied from run (")
    models = sha256(world.out / "model")
    answer = world.type("run", world.out / "config.toml", "--out", world.out)
    assert answer.code == 0, answer.err
    assert sha256(world.out / "model") == models
    report = json.loads((world.out / "report" / "report.json").read_text())
    first, sequences = (Sequences.load(run / "sequences") for run in (early, world.out))
    seen = set(first.items[first.training()[1]].tolist())
    targets = sequences.items[sequences.targets("test")[1]].tolist()
    n_cold = sum(item not in seen for item in targets)
    assert n_cold >= sum(item in shop.held for item in targets) > 10
    for name in ("test", "masked"):
        (part,) = [part for part in report["slices"][name]["target_tail"] if part["slice"] == "cold"]
        assert part["users"] == n_cold
        assert part["means"].keys() == {"model", "popularity", "markov", "item2item", "linear"}
    assert "were added to the trained run" in (world.out / "report" / "report.html").read_text()
    assert ">cold<" in (world.out / "report" / "report.html").read_text()
    states = [state.state for state in pipeline.status(pipeline.saved_config(world.out), world.out)]
    assert states == ["done"] * 9
    assert world.type("report", world.out).code == 0


@pytest.mark.parametrize(
    "harm",
    ["missing", "changed", "other settings"],
)
def test_run_never_trains_over_it(world: Any, later: Path, harm: str) -> None:
    shutil.copytree(later, world.out)
    config = (world.out / "config.toml").read_text()
    words = ["run", world.out / "config.toml", "--out", world.out]
    if harm == "missing":
        shutil.rmtree(world.out / "model")
    elif harm == "changed":
        (world.out / "codes" / "codes.npz").write_bytes(b"harm")
    else:
        words += ["--set", "codes.books=3"]
    answer = world.type(*words)
    assert answer.code == 2
    assert "was made by `clairo add`" in answer.err
    assert {"missing": "its model", "changed": "its codes"}.get(harm, "config.books: 2 -> 3") in answer.err
    assert (world.out / "config.toml").read_text() == config
    assert (world.out / "model").is_dir() == (harm != "missing")
    if harm == "changed":
        told = world.type("status", world.out).out
        assert "codes.npz was changed" in told


@pytest.mark.parametrize(
    "options",
    [
        ["fused.mode=separate"],
        ["fused.mode=fused"],
        ["fused.mode=fused", "fused.final_width=4"],
        ["fused.mode=both", "fused.learned_weights=category"],
        ["fused.mode=text", "embeddings.image.encoder=none", "codes.disambiguation=sequential"],
        ["fused.mode=image", "embeddings.text.encoder=none"],
    ],
    ids=["separate", "fused", "final", "weighed", "text", "image"],
)
def test_twins_of_old_items_get_their_codes(world: Any, shop: Shop, options: list[str]) -> None:
    """What a stage stored, applied to the run's own items under other names, gives their codes exactly."""
    assert trained(world, shop, world.out, *options).code == 0
    pictures = world.folder / "pictures"
    pictures.mkdir()
    twins = lines(shop.folder / "meta_early.json.gz")
    for row in twins:
        shutil.copy(shop.folder / "pictures" / f"{row['asin']}.jpg", pictures / f"T{row['asin']}.jpg")
    write_gzip(
        world.folder / "twins.json.gz", (json.dumps(row | {"asin": f"T{row['asin']}"}) for row in twins)
    )
    out = world.folder / "twins"
    answer = world.type(
        "add", world.out, "--metadata", world.folder / "twins.json.gz", "--out", out,
        "--set", f"embeddings.image.folder={pictures}",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.out.strip() == str(out)
    codes = Codes.load(out / "codes")
    row_of = {item: row for row, item in enumerate(codes.ids.tolist())}
    old = [row for item, row in row_of.items() if f"T{item}" in row_of]
    new = [row_of[f"T{codes.ids[row]}"] for row in old]
    assert len(old) == len(Codes.load(world.out / "codes").ids)
    np.testing.assert_array_equal(codes.features[new, :-1], codes.features[old, :-1])
    assert (codes.features[new, -1] != codes.features[old, -1]).all()
    for path in (out / "fused").glob("*.npz"):
        if path.name not in ("pca.npz", "weights.npz"):
            vectors = Embedding.load(path)
            np.testing.assert_allclose(vectors.vectors[new], vectors.vectors[old], atol=1e-6)
            np.testing.assert_array_equal(vectors.present[new], vectors.present[old])
    Recommender.load(out)


def test_adding_to_what_was_added_to(early: Path, later: Path, shop: Shop, tmp_path: Path) -> None:
    first = clairo.add(early, metadata=shop.folder / "meta_late.json.gz", out=tmp_path / "first")
    assert first.counts["items"] == N_HELD
    assert first.counts["events"] == 0
    second = clairo.add(first.folder, reviews=shop.folder / "late_5.json.gz", out=tmp_path / "second")
    assert second.counts["events"] == len({(row["reviewerID"], row["asin"]) for row in shop.late})
    for stage, file in (("codes", "codes.npz"), ("sequences", "sequences.npz")):
        assert (second.folder / stage / file).read_bytes() == (later / stage / file).read_bytes()


def test_a_failed_add_leaves_nothing(
    early: Path, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sha256(early)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clairo.codes.extend", stop)
        with pytest.raises(KeyboardInterrupt):
            clairo.add(early, metadata=shop.folder / "meta_late.json.gz", out=tmp_path / "new")
    assert not list(tmp_path.iterdir())
    killed = tmp_path / ".new.adding" / "codes"
    killed.mkdir(parents=True)
    (killed / "half").write_text("a killed process left this")
    made = clairo.add(early, metadata=shop.folder / "meta_late.json.gz", out=tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert not (made.folder / "codes" / "half").exists()
    assert sha256(early) == before


def test_events_alone_need_no_pictures(world: Any, shop: Shop) -> None:
    pictures = world.folder / "pictures"
    shutil.copytree(shop.folder / "pictures", pictures)
    assert trained(world, shop, world.out, f"embeddings.image.folder={pictures}").code == 0
    shutil.rmtree(pictures)
    out = world.folder / "later"
    answer = world.type("add", world.out, "--reviews", shop.folder / "late_5.json.gz", "--out", out)
    assert answer.code == 2
    assert f"events of unknown items: {len(shop.late)}" in answer.err
    user, item = Sequences.load(world.out / "sequences").users[0], Codes.load(world.out / "codes").ids[-1]
    row = {"reviewerID": "a new user", "asin": str(item), "unixReviewTime": 2_000_000_000}
    write_gzip(
        world.folder / "more.json.gz", (json.dumps(row | {"reviewerID": str(u)}) for u in (user, "new"))
    )
    answer = world.type("add", world.out, "--reviews", world.folder / "more.json.gz", "--out", out)
    assert answer.code == 0, answer.err
    assert Recommender.load(out).history("new") == [item]
    assert Codes.load(out / "codes").features.tolist() == Codes.load(world.out / "codes").features.tolist()


def test_codes_and_vectors_from_files_come_for_new_items_from_files_too(world: Any) -> None:
    rng = np.random.default_rng(5)
    items = [f"I{n:03}" for n in range(24)]
    code = {item: [f"<a_{n % 4}>", f"<b_{n // 4 % 4}>"] for n, item in enumerate([*items, "N1", "N2"])}
    dense = {str(n): code[item] for n, item in enumerate(items)}
    old = world.write("Things.index_a.json", dense)
    assert world.run(codes__source="files", codes__files=json.dumps([str(old)])).code == 0
    write_gzip(world.folder / "new.json.gz", (json.dumps({"asin": name}) for name in ("N2", "N1")))
    out, new = world.folder / "added", world.write("Other.index_b.json", code)
    words = ["add", world.out, "--metadata", world.folder / "new.json.gz", "--out", out]
    told = world.type(*words).err
    assert "has no codes for 2 of 2 new items, the first is 'N1'" in told
    one = world.write("One.index_b.json", {name: row[:1] for name, row in code.items()})
    assert (
        "hold 1 codes an item, those of the run 2"
        in world.type(*words, "--set", f"codes.files=[{str(one)!r}]").err
    )
    answer = world.type(*words, "--set", f"codes.files=[{str(new)!r}]")
    assert answer.code == 0, answer.err
    made = Codes.load(out / "codes")
    assert made.ids[-2:].tolist() == ["N1", "N2"]
    assert made.features[-2:, :2].tolist() == [[0, 2], [1, 2]]
    Recommender.load(out)

    vectors = rng.standard_normal((26, 6)).astype(np.float32)
    run, both = world.folder / "vectors", world.folder / "both"
    files = {"vectors": world.write("old.npy", vectors[:24]), "ids": world.write("old.txt", "\n".join(items))}
    options = {f"embeddings__text__{name}": path for name, path in files.items()}
    assert (
        world.run("--out", run, embeddings__text__encoder="file", fused__widths__text=6, **options).code == 0
    )
    words = ["add", run, *words[2:-1], both]
    assert "names none of the 2 items" in world.type(*words).err
    files = {"vectors": world.write("new.npy", vectors[23:]), "ids": world.write("new.txt", "I023\nN1\nN2")}
    sets = [word for name, path in files.items() for word in ("--set", f"embeddings.text.{name}={path}")]
    answer = world.type(*words, *sets)
    assert answer.code == 0, answer.err
    assert np.array_equal(Embedding.load(both / "embeddings" / "text.npz").vectors, vectors)
    wide = world.write("wide.npy", np.ones((3, 7), dtype=np.float32))
    words[-1] = world.folder / "wide"
    answer = world.type(*words, *sets, "--set", f"embeddings.text.vectors={wide}")
    assert answer.code == 2
    assert "vectors of new items are 7 wide, those of the run 6" in answer.err


def test_a_run_of_ready_histories(world: Any) -> None:
    """Its events have no times: new ones come behind them."""
    rng = np.random.default_rng(1)
    histories = {str(user): rng.choice(20, size=7, replace=False).tolist() for user in range(40)}
    looks, kinds = ("red", "green", "blue", "grey", "pink"), ("chair", "table", "lamp", "shelf")
    items = {str(item): {"text": f"{looks[item % 5]} {kinds[item % 4]}"} for item in range(20)}
    names = world.write("Things.item2id", "".join(f"I{item:03}\t{item}\n" for item in range(20)))
    options = {
        "sequences__source": "files",
        "sequences__histories": world.write("Things.inter.json", histories),
        "sequences__item_ids": names,
        "sequences__items": world.write("Things.items.json", items),
    }
    assert world.run(**options).code == 0
    write_gzip(world.folder / "new.json.gz", [json.dumps({"asin": "N1", "title": "grey lamp"})])
    event = {"reviewerID": "7", "asin": "N1", "unixReviewTime": 5}
    write_gzip(world.folder / "events.json.gz", [json.dumps(event)])
    out = world.folder / "added"
    files = ["--metadata", world.folder / "new.json.gz", "--reviews", world.folder / "events.json.gz"]
    answer = world.type("add", world.out, *files, "--out", out)
    assert answer.code == 0, answer.err
    recommender = Recommender.load(out)
    assert recommender.history("7") == [*Recommender.load(world.out).history("7"), "N1"]
    assert [recommender.title(item) for item in ("I003", "N1")] == ["grey shelf", "grey lamp"]
    assert {state.state for state in pipeline.status(pipeline.saved_config(out), out)} == {"done", "missing"}
    assert "N1 (grey lamp)" in world.type("describe", out, "N1").out


def test_too_many_items_of_one_content_are_refused(world: Any, early: Path) -> None:
    """Items without text and picture all have the same codes: no more fit than disambiguation has values."""
    write_gzip(world.folder / "bare.json.gz", (json.dumps({"asin": f"N{n:03}"}) for n in range(200)))
    answer = world.type("add", early, "--metadata", world.folder / "bare.json.gz", "--out", world.out)
    assert answer.code == 2
    assert "item 'N000' and 199 more new items have the codes of 0 items of the run" in answer.err
    assert "only 128 fit" in answer.err
    assert not world.out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing to add: name --metadata, --reviews or both"),
        (["--metadata", "nowhere.gz"], "--metadata: there is no file nowhere.gz"),
        (["--metadata", "BROKEN"], "line 1: not a JSON object"),
        (["--metadata", "LATE", "--set", "codes.books=3"], "change the run itself: codes.books: 2 -> 3"),
        (["--metadata", "LATE", "--set", "seed=3"], "seed: 0 -> 3"),
        (["--metadata", "EARLY"], "nothing in these files can be added (items known already: "),
        (["--metadata", "LATE", "--set", "embeddings.image.folder=/no"], "image.folder = '/no' is no folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_added_is_told(
    world: Any, early: Path, shop: Shop, words: list[str], told: str
) -> None:
    names = {
        "LATE": shop.folder / "meta_late.json.gz",
        "EARLY": shop.folder / "meta_early.json.gz",
        "BROKEN": world.write("broken.json", "{"),
    }
    answer = world.type("add", early, "--out", world.out, *(names.get(word, word) for word in words))
    assert answer.code == 2
    assert told in answer.err
    assert "Traceback" not in answer.err
    assert not world.out.exists()


def test_places_that_cannot_be_written_and_runs_that_are_not_whole(
    world: Any, early: Path, shop: Shop
) -> None:
    late = ["--metadata", shop.folder / "meta_late.json.gz"]
    assert "is there already" in world.type("add", early, *late, "--out", world.folder).err
    assert "lies in the run" in world.type("add", early, *late, "--out", early / "new").err
    assert "is no folder" in world.type("add", early, *late, "--out", world.folder / "no" / "new").err
    assert "is no run folder" in world.type("add", world.folder, *late, "--out", world.out).err
    half = world.folder / "half"
    shutil.copytree(early, half)
    shutil.rmtree(half / "model")
    assert "has no model" in world.type("add", half, *late, "--out", world.out).err
    (half / "codes" / "codes.npz").write_bytes(b"harm")
    answer = world.type("add", half, *late, "--out", world.out)
    assert answer.code == 2
    assert "codes.npz was changed" in answer.err


@pytest.mark.parametrize("rival", ["item2item", "linear"])
def test_a_blend_comes_along(world: Any, early: Path, shop: Shop, rival: str) -> None:
    """Its neighbours are those of the first run's training; new items can still be recommended by it."""
    first, out = world.folder / "blended", world.folder / "grown"
    shutil.copytree(early, first)
    blend = ("recommendations.blend=0.3", f"recommendations.blend_with={rival}")
    answer = world.type("run", first / "config.toml", "--out", first, *(f"--set={part}" for part in blend))
    assert answer.code == 0, answer.err
    metadata, reviews = shop.folder / "meta_late.json.gz", shop.folder / "late_5.json.gz"
    clairo.add(first, metadata=metadata, reviews=reviews, out=out)
    assert sha256(out / "recommendations" / "blend.npz") == sha256(first / "recommendations" / "blend.npz")
    recommender, sequences = Recommender.load(out), Sequences.load(out / "sequences")
    histories = [sequences.items[sequences.history(user)[:-1]].tolist() for user in range(40)]
    answers = recommender.answer_many(histories, k=100)
    assert {found.source for found in answers} == {"blend"}
    assert set(shop.held) & {item for found in answers for item, _ in found.items[:10]}
    states = [state.state for state in pipeline.status(pipeline.saved_config(out), out)]
    assert states == ["done"] * 7 + ["missing"] * 2
    answer = world.type("run", out / "config.toml", "--out", out)
    assert answer.code == 0, answer.err
    report = json.loads((out / "report" / "report.json").read_text())
    assert report["blend"]["weight"] == 0.3
    measured = Recommender.load(out).answer_many(histories, k=100)
    assert [found.items for found in measured] == [found.items for found in answers]
