"""A grid that can be run: from what a grid file holds to a whole configuration for each cell and seed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clairo import config as configuration
from clairo.ablation.grid_file import cells_of, near, read
from clairo.artifacts.store import digest
from clairo.config import Config, Section
from clairo.errors import ConfigError

Side = tuple[str, str | None]
"""A cell, and a system of its runs: None is the one that each recommends by, the model or its blend."""

_OWN = ("seeds", "about")  # keys of a cell that are no section of the configuration
_LONGEST_FOLDER = 200  # bytes; file systems end at 255, and some add to it
_Layer = tuple[Mapping[str, Any], Path]  # options, and the folder that their paths start from


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
        pairs: two sides each, compared beside that.
        resamples: behind the intervals.
    """

    name: str
    title: str
    about: str
    base: str
    cells: tuple[Cell, ...]
    baseline: str
    pairs: tuple[tuple[Side, Side], ...]
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
            seeds: others than the file's; a cell with seeds of its own keeps those.
            overrides: `section.key=value` for all cells; what a cell has of its own comes on top of them.

        Raises:
            ConfigError: no such file, an unknown key, or a cell whose options do not hold.
        """
        file, folder = read(source)
        base = config or _beside(file.config, folder)
        place = _folder(data or (folder / file.data if file.data else None), source)
        below = _shared(file.set, folder, overrides, _Below(base, place), source)
        own, usual = cells_of(file, source), tuple(seeds or ()) or file.seeds
        made = [_cell(name, table, below, folder, usual, source) for name, table in own.items()]
        _check_folders(made, source)
        return cls(
            name=Path(source).stem,
            title=file.title or Path(source).stem,
            about=file.about,
            base=base,
            cells=tuple(made),
            baseline=_known(file.baseline or made[0].name, own, f"{source}: baseline"),
            pairs=tuple(_pair(pair, own, f"{source}: pairs") for pair in file.pairs),
            resamples=file.resamples,
        )


def config_digest(config: Config) -> str:
    """What tells a configuration from others that make other results: without paths and mere speed."""
    sections = {name: getattr(config, name) for name in type(config).model_fields}
    return digest(
        {
            name: configuration.content(value) if isinstance(value, Section) else value
            for name, value in sections.items()
        }
    )


@dataclass(frozen=True)
class _Below:
    """What lies under the options of a cell."""

    base: str
    data: Path | None
    layers: tuple[_Layer, ...] = ()

    def config(self, *layers: _Layer) -> Config:
        """The whole configuration, with more layers on top."""
        return configuration.layered(self.base, [*self.layers, *layers], data=self.data)


def _shared(
    table: Mapping[str, Any], folder: Path, overrides: Iterable[str], bare: _Below, source: str
) -> _Below:
    """Options of all cells on top of the base: those of the file, then those that were typed."""
    typed, where = configuration.typed(overrides), f"{source}, set"
    for layer, named in ((table, where), (typed, "--set")):
        if "seed" in layer:
            raise ConfigError(f"{named}: seed is for the grid to set", hint="say seeds = [...], or --seeds")
    layers = ((_resolved(table, bare.config(), where), folder), (typed, Path.cwd()))
    below = _Below(bare.base, bare.data, layers)
    try:
        below.config()
    except ConfigError as error:
        raise _told(error, f"{where} and --set" if typed else where) from None
    return below


def _told(error: ConfigError, where: str) -> ConfigError:
    message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
    return ConfigError(message, hint=error.hint)


def _beside(config: str, folder: Path) -> str:
    return str(folder / config) if config.endswith(".toml") else config


def _folder(data: Path | None, source: str) -> Path | None:
    if data is not None and not data.is_dir():
        raise ConfigError(f"{source}: data: there is no folder {data}")
    return data


def _one_shop(config: Config, seed: int) -> dict[str, Any]:
    """One shop for all seeds: users can only be compared with themselves."""
    drawn = config.reviews.source == "shop" and config.reviews.shop.seed is None
    return {"reviews": {"shop": {"seed": seed}}} if drawn else {}


def _cell(
    name: str, table: dict[str, Any], below: _Below, folder: Path, seeds: tuple[int, ...], source: str
) -> Cell:
    where = f"{source}, cell {name!r}"
    own = {key: value for key, value in table.items() if key not in _OWN}
    for key in own:
        if key not in Config.model_fields or key == "seed":
            known = [*_OWN, *(field for field in Config.model_fields if field != "seed")]
            raise ConfigError(f"{where}: unknown key {key!r}; {near(key, known, 'keys')}")
    about = table.get("about", "")
    if not isinstance(about, str):
        raise ConfigError(f"{where}: about = {about!r} is no text")
    seeds = _seeds(table.get("seeds", seeds), where)
    try:
        under = below.config()
        options = _resolved(own, under, where)
        shop = _one_shop(below.config((options, folder)), under.seed)
        configs = {
            seed: below.config((options, folder), (shop, folder), ({"seed": seed}, folder)) for seed in seeds
        }
    except ConfigError as error:
        raise _told(error, where) from None
    return Cell(name, about, options, configs)


def _seeds(seeds: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(seeds, list | tuple) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        shown = list(seeds) if isinstance(seeds, tuple) else seeds
        raise ConfigError(f"{where}: seeds = {shown!r} is no list of different whole numbers from 0")
    return tuple(seeds)


def _resolved(table: Mapping[str, Any], below: Any, where: str) -> dict[str, Any]:
    """`table` with every `{ times = n }` replaced by n times the option's value in `below`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        under = getattr(below, key, None)
        if isinstance(value, dict) and value.keys() == {"times"} and not isinstance(under, Section):
            found[key] = _times(under, value["times"], f"{where}: {key}")
        else:
            found[key] = _resolved(value, under, where) if isinstance(value, dict) else value
    return found


def _times(under: Any, times: Any, where: str) -> float:
    """The product, whole where `under` is; whether the option takes it is seen later."""
    for value in (under, times):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{where} = {{ times = {times} }}: {value!r} is no number")
    number = under * times
    if isinstance(under, int) and float(number).is_integer():
        return int(number)
    return float(number)


def _check_folders(cells: list[Cell], source: str) -> None:
    """Refuse names that make no folder, or one that another cell has."""
    seen: dict[str, str] = {}
    for cell in cells:
        if not cell.name.strip() or not cell.name.isprintable():
            raise ConfigError(f"{source}: cell {cell.name!r} needs a name that can be read on one line")
        if len(cell.folder.encode()) > _LONGEST_FOLDER:
            raise ConfigError(
                f"{source}: the name of cell {cell.name[:40]!r}... is too long for a folder; shorten it"
            )
        other = seen.setdefault(cell.folder.lower(), cell.name)
        if other != cell.name:
            raise ConfigError(f"{source}: cells {other!r} and {cell.name!r} would share a folder; rename one")


def _known(name: str, cells: Mapping[str, Any], where: str) -> str:
    if name not in cells:
        raise ConfigError(f"{where}: no cell {name!r}; {near(name, list(cells), 'cells')}")
    return name


def _pair(pair: tuple[str, str], cells: Mapping[str, Any], where: str) -> tuple[Side, Side]:
    first, second = _side(pair[0], cells, where), _side(pair[1], cells, where)
    if first == second:
        raise ConfigError(f"{where}: {pair[0]!r} is paired with itself")
    return first, second


def _side(side: str, cells: Mapping[str, Any], where: str) -> Side:
    """Cell and system of `CELL` or `CELL:SYSTEM`."""
    from clairo.report.rankings import FILES_BLENDED

    cell, colon, system = side.rpartition(":")
    if colon and side not in cells and system in FILES_BLENDED:
        return _known(cell, cells, where), system
    return _known(side, cells, where), None
