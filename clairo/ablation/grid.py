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
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from clairo import config as configuration
from clairo.artifacts.store import digest
from clairo.config import Config, Natural, Positive, Section
from clairo.errors import ConfigError

_GRIDS = "clairo.ablation"
_OWN = ("seeds", "about")  # keys of a cell that are no section of the configuration


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
    """Cells to compare beside that, first minus second; `CELL:item2item` stands for a rival of a cell."""
    resamples: Positive = 2000
    """Bootstrap resamples of users behind the intervals of differences."""
    set: dict[str, Any] = Field(default={})
    """Options of all cells."""
    cells: dict[str, dict[str, Any]] = Field(default={})
    """Cells by name: each its own options, and `seeds` and `about` if it wants them."""
    axes: dict[str, Any] = Field(default={})
    """Their product makes further cells."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        name: as the grid has it.
        about: a remark, or nothing.
        options: what it has of its own, as nested tables.
        configs: a whole configuration for each of its seeds.
    """

    name: str
    about: str
    options: dict[str, Any]
    configs: dict[int, Config]

    @property
    def folder(self) -> str:
        """Its name as a folder's."""
        return re.sub(r"[^\w.+=-]+", "-", self.name).strip("-.") or "cell"


@dataclass(frozen=True)
class Grid:
    """A grid that can be run: every configuration of it is a valid one.

    Attributes:
        name: of the file, without its ending.
        title: heading.
        about: what it asks.
        base: the configuration's name or file.
        cells: in order; there is at least one.
        baseline: name of the cell that the others are compared with.
        pairs: (cell, system) twice, compared beside that.
        resamples: behind the intervals.
    """

    name: str
    title: str
    about: str
    base: str
    cells: tuple[Cell, ...]
    baseline: str
    pairs: tuple[tuple[tuple[str, str], tuple[str, str]], ...]
    resamples: int

    @classmethod
    def load(
        cls,
        source: str,
        *,
        config: str | None = None,
        data: Path | None = None,
        seeds: Iterable[int] | None = None,
        overrides: Iterable[str] = (),
    ) -> Self:
        """Read a grid file, or one of the package's by its name.

        Args:
            source: file or name.
            config: another base than the file's.
            data: another folder of its files.
            seeds: others than the file's, for all cells.
            overrides: `section.key=value` for all cells; what a cell has of its own comes on top of them.

        Raises:
            ConfigError: no such file, an unknown key, or a cell whose options do not hold.
        """
        file, folder = _read(source)
        base = config or _beside(file.config, folder)
        place = data or (folder / file.data if file.data else None)
        shared = _resolved(file.set, configuration.layered(base, [], data=place), f"{source}, set")
        common = [(shared, folder), (configuration.typed(overrides), Path.cwd())]
        common += _one_shop(configuration.layered(base, common, data=place))
        own = _cells(file, source)
        made = [
            _cell(name, table, [*common], folder, base, place, tuple(seeds or ()) or file.seeds, source)
            for name, table in own.items()
        ]
        _check_folders(made, source)
        return cls(
            name=Path(source).stem,
            title=file.title or Path(source).stem,
            about=file.about,
            base=base,
            cells=tuple(made),
            baseline=_known(file.baseline or made[0].name, own, f"{source}: baseline"),
            pairs=tuple((_side(a, own, source), _side(b, own, source)) for a, b in file.pairs),
            resamples=file.resamples,
        )


def names() -> list[str]:
    """Names of the grids in the package."""
    return sorted(entry.name[:-5] for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def config_digest(config: Config) -> str:
    """What tells a configuration from others that make other results: without paths and mere speed."""
    sections = {name: getattr(config, name) for name in type(config).model_fields}
    return digest(
        {
            name: configuration.content(value) if isinstance(value, Section) else value
            for name, value in sections.items()
        }
    )


def _folder() -> Any:
    return importlib.resources.files(_GRIDS) / "grids"


def _read(source: str) -> tuple[GridFile, Path]:
    path, folder = Path(source), Path.cwd()
    if source in names() and path.suffix != ".toml":
        text = (_folder() / f"{source}.toml").read_text("utf-8")
    elif path.is_file():
        try:
            text, folder = path.read_text("utf-8"), path.resolve().parent
        except UnicodeDecodeError:
            raise ConfigError(f"{source}: not a text file in UTF-8") from None
    else:
        raise ConfigError(f"no grid file or grid named {source!r}", hint=_near(source, names(), "grids"))
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
        return f"{source}: unknown key {name!r}; {_near(name, list(GridFile.model_fields), 'keys')}"
    return f"{source}: {name} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _near(word: str, known: list[str], noun: str) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"{noun}: {', '.join(known)}"


def _beside(config: str, folder: Path) -> str:
    return str(folder / config) if config.endswith(".toml") else config


def _one_shop(base: Config) -> list[tuple[dict[str, Any], Path]]:
    """One shop for all seeds: users can only be compared with themselves."""
    if base.reviews.source != "shop" or base.reviews.shop.seed is not None:
        return []
    return [({"reviews": {"shop": {"seed": base.seed}}}, Path.cwd())]


def _cells(file: GridFile, source: str) -> dict[str, dict[str, Any]]:
    """Options of each cell by its name: the named ones, then the product of the axes."""
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


def _cell(
    name: str,
    table: dict[str, Any],
    common: list[tuple[Mapping[str, Any], Path]],
    folder: Path,
    base: str,
    data: Path | None,
    seeds: tuple[int, ...],
    source: str,
) -> Cell:
    where = f"{source}, cell {name!r}"
    own = {key: value for key, value in table.items() if key not in _OWN}
    for key in own:
        if key not in Config.model_fields or key == "seed":
            known = [*_OWN, *(field for field in Config.model_fields if field != "seed")]
            raise ConfigError(f"{where}: unknown key {key!r}; {_near(key, known, 'keys')}")
    seeds = _seeds(table.get("seeds", seeds), where)
    try:
        options = _resolved(own, configuration.layered(base, common, data=data), where)
        configs = {
            seed: configuration.layered(
                base, [*common, (options, folder), ({"seed": seed}, folder)], data=data
            )
            for seed in seeds
        }
    except ConfigError as error:
        message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
        raise ConfigError(message, hint=error.hint) from None
    return Cell(name, str(table.get("about", "")), options, configs)


def _seeds(seeds: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(seeds, list | tuple) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{where}: seeds = {seeds!r} is no list of different whole numbers from 0")
    return tuple(seeds)


def _resolved(table: Mapping[str, Any], below: Any, where: str) -> dict[str, Any]:
    """`table` with every `{ times = n }` replaced by n times the option's value in `below`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        under = getattr(below, key, None)
        if isinstance(value, dict) and value.keys() == {"times"} and not isinstance(under, Section):
            if not isinstance(under, int | float) or not isinstance(value["times"], int | float):
                raise ConfigError(f"{where}: {key} = {{ times = {value['times']} }}: {under!r} is no number")
            number = under * value["times"]
            found[key] = round(number) if isinstance(under, int) and number == round(number) else number
        else:
            found[key] = _resolved(value, under, where) if isinstance(value, dict) else value
    return found


def _check_folders(cells: list[Cell], source: str) -> None:
    seen: dict[str, str] = {}
    for cell in cells:
        other = seen.setdefault(cell.folder.lower(), cell.name)
        if other != cell.name:
            raise ConfigError(f"{source}: cells {other!r} and {cell.name!r} would share a folder; rename one")


def _known(name: str, cells: Mapping[str, Any], where: str) -> str:
    if name not in cells:
        raise ConfigError(f"{where}: no cell {name!r}; {_near(name, list(cells), 'cells')}")
    return name


def _side(side: str, cells: Mapping[str, Any], source: str) -> tuple[str, str]:
    """Cell and system of `CELL` or `CELL:SYSTEM`."""
    from clairo.report.rankings import FILES

    cell, colon, system = side.rpartition(":")
    if colon and side not in cells and system in FILES:
        return _known(cell, cells, f"{source}: pairs"), system
    return _known(side, cells, f"{source}: pairs"), "model"
