"""A run folder: one folder a stage, each with the manifest of what made it.

A stage works in `.work/<stage>/`, which is renamed to `<stage>/` when the stage is done, so a folder that has
a stage's name is always whole. What a killed stage left in its working folder is handed to the next attempt
if that would make the same thing, and thrown away otherwise.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from clairo.errors import FULL, InputError

MANIFEST = "manifest.json"
_FINGERPRINT = ".fingerprint"
LOCK = ".lock"

# What a stage leaves beside its result (times, counts for the report, a fitted encoder for items to come): no
# later stage depends on it.
_ASIDE = frozenset({"report.json", "history.json", "merges.parquet", "tfidf.npz"})


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return digest({entry.relative_to(path).as_posix(): sha256(entry) for entry in files})
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Manifest:
    """What made an artefact.

    Attributes:
        stage: name of the stage.
        fingerprint: digest of `parts`: an equal one means an equal artefact.
        parts: configuration section, code, seed and inputs, as digests or values.
        versions: of Python, CLAIRO and the libraries that matter.
        outputs: name of each file or folder of the artefact, and its SHA-256.
        summary: what the stage says of its result.
        seconds: wall time of the attempt that finished it.
        peak_memory_mb: peak resident memory of the process while it ran.
        created: when it was finished, UTC.
    """

    stage: str
    fingerprint: str
    parts: dict[str, Any]
    versions: dict[str, str]
    outputs: dict[str, str]
    summary: dict[str, Any]
    seconds: float
    peak_memory_mb: float
    created: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a manifest; a damaged one is an error that names the file."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path} is damaged: {error}", hint=f"delete {path.parent} and run again"
            ) from None

    def save(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", "utf-8")

    def result(self) -> str:
        """Digest of the outputs that later stages can depend on."""
        return digest({name: value for name, value in self.outputs.items() if name not in _ASIDE})


class Store:
    """The artefacts of one run folder."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def folder(self, stage: str) -> Path:
        """Where the artefact of `stage` lies when it is done."""
        return self.run / stage

    def manifest(self, stage: str) -> Manifest | None:
        """The manifest of `stage`, or None where it is not done."""
        path = self.folder(stage) / MANIFEST
        return Manifest.load(path) if path.is_file() else None

    def damaged(self, manifest: Manifest, folder: Path | None = None) -> list[str]:
        """Outputs that are no longer what the manifest says: missing or changed.

        `folder` is where the artefact lies; its place in the run if left out.
        """
        folder = folder or self.folder(manifest.stage)
        return [
            name
            for name, value in sorted(manifest.outputs.items())
            if not (folder / name).exists() or sha256(folder / name) != value
        ]

    def begin(self, stage: str, fingerprint: str) -> Path:
        """A working folder for `stage`: with its earlier pieces if they were made for `fingerprint`."""
        work = self.run / ".work" / stage
        if work.exists() and not self.has_begun(stage, fingerprint):
            shutil.rmtree(work)
        work.mkdir(parents=True, exist_ok=True)
        (work / _FINGERPRINT).write_text(fingerprint, "utf-8")
        return work

    def has_begun(self, stage: str, fingerprint: str) -> bool:
        """Whether there are pieces of an earlier attempt at `stage` that was made for `fingerprint`."""
        mark = self.run / ".work" / stage / _FINGERPRINT
        return mark.is_file() and mark.read_text("utf-8") == fingerprint

    def hand_over(self, stage: str, run: "Store") -> None:
        """Move the pieces of an attempt at `stage` into another run, if they lie on the same file system."""
        work = run.run / ".work" / stage
        shutil.rmtree(work, ignore_errors=True)
        work.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            (self.run / ".work" / stage).rename(work)

    def publish(self, manifest: Manifest) -> Path:
        """Rename the working folder of a finished stage to its place; an older artefact goes away."""
        work = self.run / ".work" / manifest.stage
        (work / _FINGERPRINT).unlink()
        manifest.save(work)
        return self.place(manifest.stage, work)

    def place(self, stage: str, work: Path) -> Path:
        """Rename the folder of a whole artefact to its place; an older artefact goes away."""
        place, old = self.folder(stage), self.run / ".work" / f"{stage}.old"
        if old.exists():
            shutil.rmtree(old)
        if place.exists():
            place.rename(old)
        work.rename(place)
        if old.exists():
            shutil.rmtree(old)
        return place

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder while the block runs.

        Raises:
            InputError: the folder cannot be written, or another run works in it.
            OSError: the disk is full, which another folder need not mend.
        """
        try:
            self.run.mkdir(parents=True, exist_ok=True)
            file = (self.run / LOCK).open("w")
        except OSError as error:
            if error.errno in FULL:
                raise
            raise InputError(
                f"cannot write into {self.run}: {error.strerror}", hint="choose another --out"
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"another clairo works in {self.run}", hint="wait, or choose another --out"
                ) from None
            yield


def outputs(work: Path) -> dict[str, str]:
    """Digests of everything that a finished stage leaves in its working folder."""
    hidden = [
        entry.name for entry in work.iterdir() if entry.name.startswith(".") and entry.name != _FINGERPRINT
    ]
    if hidden:
        raise RuntimeError(f"the stage left pieces of its work behind: {sorted(hidden)}")
    return {entry.name: sha256(entry) for entry in sorted(work.iterdir()) if entry.name != _FINGERPRINT}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Which fields differ between the parts of two fingerprints, in words."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        name = f"{prefix}{key}"
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += changes(before, after, f"{name}.")
        elif before != after:
            found.append(f"{name}: {_word(before)} -> {_word(after)}")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)  # noqa: PTH105 - the same call on every system replaces


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with sorted keys, under a temporary name first."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file that a stage wrote; a missing or damaged one is an error that names it."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing", hint="run the stage that makes it") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}", hint=f"delete {path.parent} and run again") from None


def _word(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text[:12] if isinstance(value, str) and len(text) == 64 else text
