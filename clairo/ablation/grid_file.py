"""A grid: cells that differ in a few options from one base, in one TOML file.

title = "Text and image"
config = "shop"                 # a preset's name, or a configuration file beside this one
seeds = [0, 1, 2]
baseline = "text"               # every other cell is compared with it
pairs = [["both", "shuffled"]]  # further comparisons, first minus second

[set]                           # for all cells
model.epochs = 20

[cells.text]                    # what this cell has of its own
fused.mode = "text"
codes.books = { times = 2 }     # twice what the base has

[cells.both]
seeds = [0]                     # other seeds than the rest

[axes]                          # further cells, one for each combination of the axes' values
"codes.values" = [16, 32]
[axes.order.random]             # or values with names, each a few options
codes.disambiguation = "random"
"""

import difflib
import importlib.resources
import tomllib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from clairo import config as configuration
from clairo.config import Config, Natural, Positive, Section
from clairo.errors import ConfigError

_GRIDS = "clairo.ablation"


class GridFile(Section):
    """What a grid file may hold."""

    title: str | None = None
    """Heading of the page; the file's name if left out."""
    about: str = ""
    """What the grid asks, in a sentence or two."""
    config: str = "shop"
    """A preset's name, or a configuration file, relative to the grid's."""
    data: Path | None = None
    """Folder of the files that `config` names, relative to the grid file."""
    seeds: Annotated[tuple[Natural, ...], Field(min_length=1)] = (0,)
    """Every cell is run once with each."""
    baseline: str | None = None
    """The cell that the others are compared with; the first if left out."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Cells to compare beside that, first minus second; `CELL:item2item` stands for a rival of a cell,
    and `CELL:model`, where its runs blend, for the model alone."""
    resamples: Positive = 2000
    """Bootstrap resamples of users behind the intervals of differences."""
    set: dict[str, Any] = Field(default={})
    """Options of all cells."""
    cells: dict[str, dict[str, Any]] = Field(default={})
    """Cells by name: each its own options, and `seeds` and `about` if it wants them."""
    axes: dict[str, Any] = Field(default={})
    """Their product makes further cells."""


def names() -> list[str]:
    """Names of the grids in the package."""
    return sorted(entry.name[:-5] for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def _folder() -> Any:
    return importlib.resources.files(_GRIDS) / "grids"


def read(source: str) -> tuple[GridFile, Path]:
    """A grid file, or one of the package's by its name, and the folder that its paths start from.

    Raises:
        ConfigError: no such file, no TOML, or an unknown key.
    """
    path, folder = Path(source), Path.cwd()
    if source in names() and path.suffix != ".toml":
        text = (_folder() / f"{source}.toml").read_text("utf-8")
    elif path.is_file():
        try:
            text, folder = path.read_text("utf-8"), path.resolve().parent
        except UnicodeDecodeError:
            raise ConfigError(f"{source}: not a text file in UTF-8") from None
        except OSError as error:
            raise ConfigError(f"{source}: {error.strerror}") from None
    else:
        raise ConfigError(f"no grid file or grid named {source!r}", hint=near(source, names(), "grids"))
    try:
        return GridFile.model_validate(tomllib.loads(text)), folder
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not a TOML file: {error}") from None
    except ValidationError as error:
        told = [_explain(dict(problem), source) for problem in error.errors()]
        raise ConfigError("\n".join(told)) from None


def _explain(problem: Mapping[str, Any], source: str) -> str:
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{source}: unknown key {name!r}; {near(name, list(GridFile.model_fields), 'keys')}"
    return f"{source}: {name} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def near(word: str, known: list[str], noun: str) -> str:
    """What may have been meant by an unknown word, or all that are known."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else f"{noun}: {', '.join(known)}"


def cells_of(file: GridFile, source: str) -> dict[str, dict[str, Any]]:
    """Options of each cell by its name: the named ones, then the product of the axes.

    Raises:
        ConfigError: there are none, an axis says nothing, or it makes a cell that is there already.
    """
    cells = dict(file.cells)
    if file.axes:
        axes = [axis for name, table in file.axes.items() for axis in _axes(name, table, source)]
        for values in product(*axes):
            name = " / ".join(label for label, _ in values)
            merged: dict[str, Any] = {}
            for _, table in values:
                merged = configuration.merged(merged, table)
            if name in cells:
                raise ConfigError(f"{source}: the axes make a second cell {name!r}")
            cells[name] = merged
    if not cells:
        raise ConfigError(f"{source} has no cells", hint="name some under [cells.NAME], or give [axes]")
    return cells


def _axes(name: str, table: Any, source: str) -> list[list[tuple[str, dict[str, Any]]]]:
    """The axes that an entry of `[axes]` stands for, as labels and options.

    `"codes.values" = [...]` is one; the same without quotes arrives as nested tables, and can hold several.
    """
    if isinstance(table, list):
        *sections, key = name.split(".")
        if not sections or not table:
            raise ConfigError(f"{source}: axes.{name} needs section.key = [value, ...]")
        return [[(f"{key} {_word(value)}", _nested([*sections, key], value)) for value in table]]
    if not isinstance(table, dict) or not table:
        raise ConfigError(f"{source}: axes.{name} is neither a list of values nor a table of named ones")
    if name.partition(".")[0] in Config.model_fields:
        return [axis for key, inner in table.items() for axis in _axes(f"{name}.{key}", inner, source)]
    for label, options in table.items():
        if not isinstance(options, dict):
            raise ConfigError(f"{source}: axes.{name}.{label} is no table of options")
    return [list(table.items())]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)
