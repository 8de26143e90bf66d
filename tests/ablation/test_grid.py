"""Grid files: what they mean, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from clairo.ablation import Grid, names
from clairo.config import MODES
from clairo.errors import ConfigError
from clairo.fused.names import check

BASE = """
seed = 3
[fused]
mode = "separate"
[codes]
books = 2
values = 16
[embeddings.text]
encoder = "file"
vectors = "text.npy"
ids = "ids.txt"
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Reads a grid of that text, beside the base `base.toml`, and gives it."""
    folder = tmp_path / "grids"
    folder.mkdir()
    (folder / "base.toml").write_text(BASE)

    def of(text: str, **words: Any) -> Grid:
        (folder / "grid.toml").write_text(text)
        return Grid.load(str(folder / "grid.toml"), **words)

    return of


def test_cells_lie_over_what_is_typed_and_that_over_what_all_share(load: Any) -> None:
    grid = load(
        """
        config = "base.toml"
        seeds = [0, 5]
        [set]
        model.epochs = 7
        model.patience = 9
        codes.values = 32
        [cells.plain]
        [cells.text]
        about = "text alone"
        seeds = [2]
        fused.mode = "text"
        codes.books = { times = 2 }
        codes.values = { times = 2 }
        """,
        overrides=["model.patience=4", "fused.mode=image"],
    )
    plain, text = grid.cells
    assert (grid.baseline, grid.title, grid.name) == ("plain", "grid", "grid")
    assert (list(plain.configs), list(text.configs)) == ([0, 5], [2])
    assert [config.seed for config in plain.configs.values()] == [0, 5]
    shared, own = plain.configs[0], text.configs[2]
    assert (shared.model.epochs, shared.model.patience) == (7, 4)
    assert (shared.fused.mode, own.fused.mode) == ("image", "text")
    assert (shared.codes.books, own.codes.books) == (2, 4)
    assert (shared.codes.values, own.codes.values) == (32, 64)
    assert text.about == "text alone"
    assert text.options == {"fused": {"mode": "text"}, "codes": {"books": 4, "values": 64}}


def test_paths_start_from_the_grid_those_typed_from_here_and_those_of_data_from_there(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = 'config = "base.toml"\n[cells.a]\nembeddings.image.folder = "pictures"'
    words = {"overrides": ["vocabulary.start_from=old.json"]}
    folder = tmp_path / "grids"
    found = load(text, **words).cells[0].configs[0]
    assert found.embeddings.text.vectors == folder / "text.npy"
    assert found.embeddings.image.folder == folder / "pictures"
    assert found.vocabulary.start_from == tmp_path / "old.json"
    (folder / "there").mkdir()
    (tmp_path / "data").mkdir()
    beside = load(f'data = "there"\n{text}').cells[0].configs[0]
    assert beside.embeddings.text.vectors == folder / "there" / "text.npy"
    elsewhere = load(text, data=tmp_path / "data").cells[0].configs[0]
    assert elsewhere.embeddings.text.ids == tmp_path / "data" / "ids.txt"


def test_axes_make_a_cell_for_each_combination(load: Any) -> None:
    grid = load(
        """
        config = "base.toml"
        baseline = "values 32 / sequential"
        [axes]
        "codes.values" = [16, 32]
        [axes.order.random]
        codes.disambiguation = "random"
        [axes.order.sequential]
        codes.disambiguation = "sequential"
        codes.disambiguation_values = 64
        [cells.other]
        """
    )
    found = {
        cell.name: (config.codes.values, config.codes.disambiguation, config.codes.disambiguation_values)
        for cell in grid.cells
        for config in cell.configs.values()
    }
    assert found == {
        "other": (16, "random", 128),
        "values 16 / random": (16, "random", 128),
        "values 16 / sequential": (16, "sequential", 64),
        "values 32 / random": (32, "random", 128),
        "values 32 / sequential": (32, "sequential", 64),
    }
    folders = [cell.folder for cell in grid.cells]
    assert all("/" not in folder and " " not in folder for folder in folders)


def test_axes_without_quotes_mean_the_same(load: Any) -> None:
    text = 'config = "base.toml"\n[axes]\n{}codes.values{} = [16, 32]\nmodel.permute = [true, false]'
    quoted, plain = load(text.format('"', '"')), load(text.format("", ""))
    assert [cell.name for cell in quoted.cells] == [cell.name for cell in plain.cells]
    assert "values 16 / permute false" in [cell.name for cell in plain.cells]


def test_seeds_and_base_can_be_typed(load: Any) -> None:
    grid = load("seeds = [4]\n[cells.a]\n[cells.b]\nseeds = [7]", config="shop", seeds=[1, 2])
    assert grid.base == "shop"
    assert [list(cell.configs) for cell in grid.cells] == [[1, 2], [7]]


def test_all_seeds_of_a_shop_have_the_same_users(load: Any) -> None:
    cell = load('config = "shop"\nseeds = [0, 1]\n[cells.a]').cells[0]
    assert [config.reviews.shop.seed for config in cell.configs.values()] == [0, 0]
    cell = load('config = "shop"\nseeds = [0, 1]\n[set]\nreviews.shop.seed = 9\n[cells.a]').cells[0]
    assert [config.reviews.shop.seed for config in cell.configs.values()] == [9, 9]
    own = "reviews.source = 'shop'\nsequences.source = 'reviews'"
    cell = load(f'config = "base.toml"\nseeds = [0, 1]\n[cells.a]\n{own}').cells[0]
    assert [config.reviews.shop.seed for config in cell.configs.values()] == [3, 3]


def test_pairs_name_cells_and_rivals(load: Any) -> None:
    grid = load('config = "base.toml"\npairs = [["a", "b"], ["b", "a:item2item"]]\n[cells.a]\n[cells.b]')
    assert grid.pairs == ((("a", None), ("b", None)), (("b", None), ("a", "item2item")))
    grid = load('config = "base.toml"\npairs = [["a", "a:model"], ["a:blend", "a:model"]]\n[cells.a]')
    assert grid.pairs == ((("a", None), ("a", "model")), (("a", "blend"), ("a", "model")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cels = 1", r"unknown key 'cels'; did you mean 'cells'\?"),
        ("seeds = []\n[cells.a]", "seeds"),
        ('seeds = "0"\n[cells.a]', "seeds"),
        ("[cells.a]\nfuse.mode = 'text'", r"cell 'a': unknown key 'fuse'; did you mean 'fused'\?"),
        ("[cells.a]\nseed = 1", r"cell 'a': unknown key 'seed'; did you mean 'seeds'\?"),
        ("[cells.a]\nfused.mod = 'text'", r"cell 'a': .*unknown key 'fused.mod'; did you mean 'mode'\?"),
        ("[cells.a]\nfused.mode = 'txt'", "cell 'a': .*fused.mode: there is no modality 'txt'"),
        ("[cells.a]\nseeds = [1, 1]", r"cell 'a': seeds = \[1, 1\]"),
        ("[cells.a]\nseeds = [-1]", r"cell 'a': seeds = \[-1\]"),
        ("[cells.a]\nfused.mode = { times = 2 }", "cell 'a': mode = .*'separate' is no number"),
        ("[set]\nmodel.epoch = 2\n[cells.a]", r"set: .*unknown key 'model.epoch'; did you mean 'epochs'\?"),
        ("[set]\nseed = 2\n[cells.a]", "set: seed is for the grid to set"),
        ("[cells.a]\nabout = 3", "cell 'a': about = 3 is no text"),
        ("[cells.a]\ncodes.books = { times = inf }", "cell 'a': .*codes.books = inf"),
        ("[cells.a]\ncodes.books = { times = nan }", "cell 'a': .*codes.books = nan"),
        ("[cells.a]\ncodes.books = { times = 1.3 }", "cell 'a': .*codes.books = 2.6"),
        ("[cells.a]\ncodes.books = { times = '2' }", "cell 'a': books = .*'2' is no number"),
        ("[cells.a]\nmodel.permute = { times = 2 }", "cell 'a': permute = .*True is no number"),
        ("pairs = [['a', 'a']]\n[cells.a]", "pairs: 'a' is paired with itself"),
        ("data = 'nowhere'\n[cells.a]", "data: there is no folder .*nowhere"),
        ("[cells.' ']", "needs a name"),
        ('[cells."a\\nb"]', "needs a name that can be read on one line"),
        (f"[cells.{'a' * 300}]", "too long for a folder"),
        ("baseline = 'b'\n[cells.ab]", r"baseline: no cell 'b'; did you mean 'ab'\?"),
        ("pairs = [['a', 'c']]\n[cells.a]", "pairs: no cell 'c'; cells: a"),
        ("pairs = [['a', 'a:oracle']]\n[cells.a]", "pairs: no cell 'a:oracle'"),
        ("pairs = [['a']]\n[cells.a]", "pairs"),
        ("title = 'nothing'", "has no cells"),
        ("[cells.'a b']\n[cells.'a/b']", "would share a folder"),
        ("[axes]\nvalues = [1]", "axes.values needs section.key"),
        ("[axes]\n'codes.values' = []", "axes.codes.values needs section.key"),
        ("[axes]\n'codes.values' = 16", "neither a list"),
        ("[axes.order]\nrandom = 1", "axes.order.random is no table"),
        ("[cells.'values 16']\n[axes]\n'codes.values' = [16]", "second cell 'values 16'"),
        ("[cells", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named(load: Any, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(f'config = "base.toml"\n{text}')


def test_what_is_typed_wrongly_is_named(load: Any, tmp_path: Path) -> None:
    text = 'config = "base.toml"\n[cells.a]'
    with pytest.raises(ConfigError, match="--set: seed is for the grid to set"):
        load(text, overrides=["seed=1"])
    with pytest.raises(ConfigError, match=r"and --set: .*unknown key 'model.epoch'"):
        load(text, overrides=["model.epoch=1"])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        Grid.load(str(tmp_path / "binary.toml"))


def test_an_unknown_grid_is_told_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'modality'"):
        Grid.load("modalty")


def test_the_grids_of_the_package() -> None:
    assert {
        "disambiguation",
        "final-pca",
        "merges-across",
        "modality",
        "permutation",
        "quantizer",
        "tuning",
        "views",
        "vocabulary-size",
    } <= set(names())


@pytest.mark.parametrize("base", ["shop", "scientific-mm"])
@pytest.mark.parametrize("name", names())
def test_every_grid_of_the_package_holds(name: str, base: str, tmp_path: Path) -> None:
    grid = Grid.load(name, config=base, data=tmp_path)
    assert len(grid.cells) > 1
    assert grid.about
    for cell in grid.cells:
        for config in cell.configs.values():
            mode = config.fused.mode
            check(config.fused, ("text", "image") if mode in MODES else (mode,))
