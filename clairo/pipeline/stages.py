"""The stages in their order: which of them a configuration needs, and what each of them reads."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clairo import interrupts
from clairo.artifacts.store import Store
from clairo.config import Config


@dataclass(frozen=True)
class Stage:
    """A stage: its name, the rooms whose code makes it, and the stages that it reads."""

    name: str
    code: tuple[str, ...]
    needs: Callable[[Config], tuple[str, ...]]


def _sequences_needs(config: Config) -> tuple[str, ...]:
    return ("reviews",) if config.sequences.source == "reviews" else ()


def _embeddings_needs(config: Config) -> tuple[str, ...]:
    pictures = config.reviews.source == "shop" and config.sequences.source == "reviews"
    return ("sequences", "reviews") if pictures else ("sequences",)


def _codes_needs(config: Config) -> tuple[str, ...]:
    return ("sequences",) if config.codes.source == "files" else ("fused", "sequences")


TOGETHER = frozenset({"model"})  # stages that all processes of a command make, the others the main one alone
_SEARCH = ("model", "vocabulary", "codes", "sequences")
STAGES = {
    stage.name: stage
    for stage in (
        Stage("reviews", ("reviews", "shop"), lambda _: ()),
        Stage("sequences", ("sequences",), _sequences_needs),
        Stage("embeddings", ("embeddings",), _embeddings_needs),
        Stage("fused", ("fused",), lambda _: ("embeddings", "sequences")),
        Stage("codes", ("codes",), _codes_needs),
        Stage("vocabulary", ("vocabulary", "_clairo"), lambda _: ("codes", "sequences")),
        Stage("model", ("model", "rivals", "tokens"), lambda _: ("vocabulary", "codes", "sequences")),
        Stage("recommendations", ("recommendations", "model", "rivals", "tokens"), lambda _: _SEARCH),
        Stage("report", ("report",), lambda config: tuple(needed(config)[:-1])),
    )
}


def needed(config: Config) -> list[str]:
    """Names of the stages that a configuration needs, in order: a door further down skips what lies above."""
    wanted = {"recommendations", "report"}
    for name in reversed(STAGES):
        if name in wanted and name != "report":
            wanted.update(STAGES[name].needs(config))
    return [name for name in STAGES if name in wanted]


def trained(config: Config) -> list[str]:
    """Names of the stages that lead to the model, in order."""
    return [name for name in needed(config) if name not in ("recommendations", "report")]


def room_of(stage: str) -> Any:
    """The package of a stage. Its libraries' compiled code may abort if it is interrupted as it loads."""
    with interrupts.deferred():
        importlib.import_module(f"clairo.{stage}.stage")  # a room may put off what only making needs
        return importlib.import_module(f"clairo.{stage}")


def section_of(name: str, config: Config, store: Store) -> Any:
    """The configuration of a stage, with the places that it has in this run."""
    section = getattr(config, name)
    return room_of(name).located(section, store.run) if name == "embeddings" else section


def upstream(name: str, config: Config, store: Store) -> dict[str, Path | None]:
    """Folders of the stages that `name` can read; None for those that this configuration does without."""
    needs = STAGES[name].needs(config)
    optional = {"sequences": ("reviews",), "embeddings": ("reviews",), "codes": ("fused",)}.get(name, ())
    return {**dict.fromkeys(optional), **{need: store.folder(need) for need in needs}}
