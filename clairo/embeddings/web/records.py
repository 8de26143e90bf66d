"""The manifest of downloaded pictures: a line of JSON an item in `pictures.jsonl`.

Lines are appended as pictures come, so that a killed download loses nothing that is on the disk; the last
line of an item counts. At the end of a download the file is written anew, sorted by item.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pydantic import ConfigDict, TypeAdapter, ValidationError

from clairo.artifacts import store
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    @property
    def ok(self) -> bool:
        """Whether there is a picture."""
        return self.status == OK

    def line(self) -> str:
        """The record as a line of the manifest."""
        entry = {name: value for name, value in asdict(self).items() if value not in (None, (), False)}
        return json.dumps(entry, sort_keys=True) + "\n"

    @staticmethod
    def read(line: str) -> Record:
        """The record of a line.

        Raises:
            ValueError: it is none: no JSON, other fields, other types, or another name of a file.
        """
        try:
            found = _adapter().validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from None
        if found.ok and None in (found.source, found.file, found.bytes, found.sha256):
            raise ValueError("a picture without its source, file, size or digest")
        if found.file is not None and found.file != name(found.item, Path(found.file).suffix):
            raise ValueError(f"{found.file!r} is no name of its picture")
        return found


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


class Manifest:
    """The records of a folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE
        self.records: dict[str, Record] = _read(self._path)

    def add(self, record: Record) -> None:
        """Take a record in, on the disk as well.

        Raises:
            OSError: the disk is full, say; what is in the file stays as it was.
        """
        self.records[record.item] = record
        line = record.line().encode()
        with self._path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                while line:  # a disk that fills up takes a part, and says so at the next
                    line = line[file.write(line) :]
            except BaseException:
                file.truncate(end)  # half a line would spoil the next one
                raise

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
        """Digests of requests; none where the file is damaged, for that costs no more than some tries."""
        try:
            found = json.loads((self.folder / _FINISHED).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return []
        return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []

    def clean(self) -> None:
        """Delete what a killed download left half-way."""
        for path in self.folder.glob(".*.partial"):
            path.unlink(missing_ok=True)

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
    with (folder / _LOCK).open("a") as file:
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
        except ValueError as error:
            if number == len(lines) and not line.endswith("\n"):
                break  # the process was killed as it wrote
            raise InputError(
                f"{path}, line {number}: {error}", hint="delete the line; its picture is then fetched again"
            ) from None
        found[record.item] = record
    return found
