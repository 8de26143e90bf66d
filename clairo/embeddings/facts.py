"""What an encoder says of itself for the report, kept beside the shards that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clairo.artifacts import store
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FILE = "encoder.json"


class Telling(Protocol):
    """An encoder that tells how it works: the commit of its weights, what `auto` came to."""

    facts: dict[str, Any]


Encoder = TypeVar("Encoder")


def kept(load: Callable[[], Encoder], folder: Path) -> Callable[[], Encoder]:
    """`load`, which then writes what the encoder tells into the folder of shards.

    A run that is stopped and goes on after the last shard does not load the encoder again, but its report
    is the same.

    Raises:
        InputError: the shards that lie there are of another commit of the model.
    """

    def loaded() -> Encoder:
        encoder = load()
        told: dict[str, Any] = getattr(encoder, "facts", {})
        before = read(folder)
        if before and before != told:
            raise InputError(
                f"the encoder is no longer the one that made the first vectors: {before} became {told}",
                hint=f"delete {folder}, and set the option `revision` to a commit",
            )
        if told:
            store.write_json(folder / _FILE, told)
        return encoder

    return loaded


def read(folder: Path) -> dict[str, Any]:
    """What was kept in the folder of shards; empty where the encoder tells nothing."""
    path = folder / _FILE
    told: dict[str, Any] = store.read_json(path) if path.is_file() else {}
    return told
