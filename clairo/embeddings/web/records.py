"""The manifest of downloaded pictures: a line of JSON an item in `pictures.jsonl`.

Lines are appended as pictures come, so that a killed download loses nothing that is on the disk; the last
line of an item counts. At the end of a download the file is written anew, sorted by item.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from clairo.artifacts import store
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FILE = "pictures.jsonl"
_FINISHED = "finished.json"
_LOCK = ".lock"
OK = "ok"
_LONGEST = 150  # letters of a file's name, below what file systems bear


@dataclass(frozen=True)
class Wanted:
    """An item whose picture is wanted.

    Attributes:
        item: original id.
        urls: its addresses, the best first; at least one.
        asked: digest of what is asked (see `Record`).
    """

    item: str
    urls: tuple[str, ...]
    asked: str


@dataclass(frozen=True)
class Record:
    """What became of one item.

    Attributes:
        item: original id.
        status: `ok`, or why there is no picture: that of the item's first address.
        asked: digest of its addresses and of the options that decide about them.
        source: the address in the metadata that gave the picture.
        url: the address that was asked for it (a mirror's, or the same); redirects started there.
        file: name of the picture in the folder.
        bytes: its size.
        sha256: of its content.
        width: in pixels.
        height: in pixels.
        passing: for a failure: whether it may be otherwise another time.
        failures: (address, reason) of every address that failed before, or until, the end.
    """

    item: str
    status: str
    asked: str
    source: str | None = None
    url: str | None = None
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    passing: bool = False
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is a picture."""
        return self.status == OK

    def line(self) -> str:
        """The record as a line of the manifest."""
        entry = {name: value for name, value in asdict(self).items() if value not in (None, (), False)}
        return json.dumps(entry, sort_keys=True) + "\n"

    @classmethod
    def read(cls, line: str) -> Self:
        """The record of a line."""
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise TypeError("no JSON object")
        pairs = tuple((str(url), str(reason)) for url, reason in entry.pop("failures", ()))
        return cls(**entry, failures=pairs)


class Manifest:
    """The records of a folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE
        self.records: dict[str, Record] = _read(self._path)

    def add(self, record: Record) -> None:
        """Take a record in, on the disk as well."""
        self.records[record.item] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(record.line())

    def tidy(self) -> None:
        """Write the file anew: a line an item, sorted."""
        records = sorted(self.records.values(), key=lambda record: record.item)
        store.write_text(self._path, "".join(record.line() for record in records))

    def finished(self, request: str) -> bool:
        """Whether a download of this very request came to its end."""
        return request in self._finished()

    def finish(self, request: str) -> None:
        """Note that it did."""
        store.write_json(self.folder / _FINISHED, sorted({*self._finished(), request}))

    def _finished(self) -> list[str]:
        path = self.folder / _FINISHED
        return list(store.read_json(path)) if path.is_file() else []

    def whole(self, record: Record) -> bool:
        """Whether the picture of a record lies in the folder as it came."""
        path = self.folder / (record.file or "")
        if not path.is_file() or path.stat().st_size != record.bytes:
            return False
        return store.sha256(path) == record.sha256


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second download out of the folder while the block runs.

    Raises:
        InputError: another one works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another clairo downloads into {folder}",
                hint="wait, or choose another embeddings.image.download.folder",
            ) from None
        yield


def name(item: str, suffix: str) -> str:
    """The file name of an item's picture: its id, with what a file name cannot hold as %XX."""
    plain = quote(item, safe="")
    return (plain if len(plain) <= _LONGEST else sha256(item.encode()).hexdigest()) + suffix


def pictures(records: Mapping[str, Record], items: Iterable[str]) -> dict[str, Record]:
    """The records of those items that have a picture."""
    return {item: records[item] for item in items if item in records and records[item].ok}


def _read(path: Path) -> dict[str, Record]:
    if not path.is_file():
        return {}
    lines = path.read_text("utf-8", "replace").splitlines(keepends=True)
    found: dict[str, Record] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = Record.read(line)
        except (ValueError, TypeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break  # the process was killed as it wrote
            raise InputError(
                f"{path}, line {number}: {error}", hint="delete the line; its picture is then fetched again"
            ) from None
        found[record.item] = record
    return found
