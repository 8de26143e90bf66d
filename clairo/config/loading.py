"""From TOML and `section.key=value` to a configuration, and back.

An unknown key, a wrong type or a value out of range is an error that names the option and, for a key, the
nearest name.
"""

import difflib
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from clairo.config.section import Section
from clairo.config.whole import Config
from clairo.errors import ConfigError


def presets() -> list[str]:
    """Names of the presets in the package."""
    folder = importlib.resources.files("clairo") / "presets"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(source: str, overrides: Iterable[str] = (), *, data: Path | None = None) -> Config:
    """The configuration that `source` (a preset's name or a TOML file) and `section.key=value` make.

    Relative paths of a file start from that file's folder, those of a preset from `data` or the current
    folder, those of overrides from the current folder.

    Raises:
        ConfigError: no such file or preset, no TOML, an unknown key, a wrong value.
    """
    return layered(source, [(typed(overrides), Path.cwd())], data=data)


def layered(
    source: str, layers: Iterable[tuple[Mapping[str, Any], Path]], *, data: Path | None = None
) -> Config:
    """As `load`, of tables: each lies over those before it, its relative paths start from its folder."""
    table, base = _read(source)
    table = _anchor(table, (data or base).resolve())
    for over, folder in layers:
        table = merged(table, _anchor(dict(over), folder))
    return parse(table, source)


def typed(overrides: Iterable[str]) -> dict[str, Any]:
    """The table that `section.key=value` make.

    Raises:
        ConfigError: one of them is something else.
    """
    table: dict[str, Any] = {}
    for override in overrides:
        _override(table, override)
    return table


def parse(table: Mapping[str, Any], origin: str) -> Config:
    """Check `table` and make it a configuration; `origin` is named in errors."""
    try:
        return Config.model_validate(dict(table))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(dict(problem), origin) for problem in error.errors())) from None


def dump(config: Config) -> str:
    """The resolved configuration as TOML (fields that are None are left out)."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def content(section: Section) -> dict[str, Any]:
    """What a section says of its result: without paths (their contents count) and without mere speed."""
    values: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in _SPEED:
            continue
        if isinstance(value, Section):
            values[name] = content(value)
        elif isinstance(value, dict) and any(isinstance(entry, Section) for entry in value.values()):
            values[name] = {key: content(entry) for key, entry in value.items()}
        elif not _holds_path(value):
            values[name] = section.model_dump(mode="json", include={name})[name]
    return values


def _holds_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, tuple) and any(isinstance(v, Path) for v in value))


def _read(source: str) -> tuple[dict[str, Any], Path]:
    path = Path(source)
    if source in presets() and path.suffix != ".toml":
        text = (importlib.resources.files("clairo") / "presets" / f"{source}.toml").read_text("utf-8")
        return tomllib.loads(text), Path.cwd()
    if not path.is_file():
        near = difflib.get_close_matches(source, presets(), n=1)
        names = f"did you mean the preset {near[0]!r}?" if near else f"presets: {', '.join(presets())}"
        raise ConfigError(f"no configuration file or preset named {source!r}", hint=names)
    try:
        return tomllib.loads(path.read_text("utf-8")), path.resolve().parent
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not a TOML file: {error}") from None


_PATHS = frozenset(
    {
        "reviews",
        "metadata",
        "histories",
        "user_ids",
        "item_ids",
        "items",
        "vectors",
        "ids",
        "folder",
        "weights_file",
        "files",
        "start_from",
    }
)
# Of `accumulate` a result depends no more than of the number of processes: rounding, and what dropout draws.
# Of `download` it depends on what came, which the pipeline looks at (see `clairo.embeddings.web`).
_SPEED = frozenset({"threads", "checkpoint_minutes", "accumulate", "tracker", "download"})


# What pydantic names as Python does, as TOML does.
_KINDS = {
    "model_type": "input should be a table",
    "dict_type": "input should be a table",
    "tuple_type": "input should be a list",
}


def _anchor(table: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the paths of a file relative to that file, not to where the command was typed."""

    def fix(value: Any) -> Any:
        if isinstance(value, str):
            return str(base / Path(value).expanduser())
        return [fix(entry) for entry in value] if isinstance(value, list) else value

    return {
        key: _anchor(value, base) if isinstance(value, dict) else fix(value) if key in _PATHS else value
        for key, value in table.items()
    }


def merged(table: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with the values of `over` in place of its own, table by table."""
    both = dict(table)
    for key, value in over.items():
        under = both.get(key)
        both[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both


def _override(table: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {override!r} is not section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override!r}: {section} is a value, not a table")
    table[key] = value


def _explain(problem: Mapping[str, Any], origin: str) -> str:
    """One problem that pydantic found, as a sentence with the option's name."""
    parts = [part for part in problem["loc"] if isinstance(part, str)]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(parts[-1], _keys(parts[:-1]), n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        return f"{origin}: unknown key {name!r}{guess}"
    if problem["type"] == "value_error":
        return ": ".join([origin, *([name] if name else []), str(problem["ctx"]["error"])])
    wanted = _KINDS.get(problem["type"], problem["msg"][0].lower() + problem["msg"][1:])
    return f"{origin}: {name} = {problem['input']!r}: {wanted}"


def _keys(sections: Iterable[str]) -> list[str]:
    model: type[BaseModel] = Config
    entry: type[BaseModel] | None = None  # of a table whose keys are names
    for section in sections:
        if entry is not None:
            model, entry = entry, None
            continue
        annotation = model.model_fields[section].annotation
        if get_origin(annotation) is dict and issubclass(get_args(annotation)[1], BaseModel):
            entry = get_args(annotation)[1]
            continue
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
