"""Artefacts that several runs share: made once, by one process, and linked into every run that needs them.

`<store>/<stage>/<fingerprint>/` holds an artefact with its manifest; it appears whole or not at all. Beside
it lies a lock, held by the process that makes the artefact. The system lets go of it when that process ends,
however it ends, and `<fingerprint>.maker` tells in which run it left its pieces. Runs hold hard links, or
copies where the file system has none: an artefact is never written to, only replaced.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clairo import interrupts
from clairo.artifacts.store import LOCK, MANIFEST, Manifest, Store, write_text
from clairo.errors import FULL, ClairoError, InputError

_SECONDS_BETWEEN_LOOKS = 0.1


class BusyError(ClairoError):
    """Another process makes the same artefact, or is about to; `lock` is free when it is through."""

    def __init__(self, stage: str, lock: Path) -> None:
        super().__init__(f"another process makes the same {stage}")
        self.stage, self.lock = stage, lock


class Shared:
    """A store of artefacts, by stage and fingerprint.

    Args:
        root: its folder.
        patience: seconds to wait for another process that makes the same artefact.
    """

    def __init__(self, root: Path, patience: float = 10.0) -> None:
        self._root, self._patience = root, patience

    @contextmanager
    def alone(self, stage: str, fingerprint: str) -> Iterator[None]:
        """Keep other processes from making the same artefact while the block runs.

        Raises:
            BusyError: another one has been making it for as long as this store waits.
            InputError: the store cannot be written.
            OSError: the disk is full, or its file system has no locks.
        """
        lock = self._folder(stage, fingerprint).with_suffix(".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = lock.open("w")
        except OSError as error:
            if error.errno in FULL:
                raise
            raise InputError(f"cannot write into {lock.parent}: {error.strerror}") from None
        with file:
            end = time.monotonic() + self._patience
            while not _locked(file.fileno()):
                if time.monotonic() >= end:
                    raise BusyError(stage, lock)
                interrupts.check()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            yield

    def take(self, stage: str, fingerprint: str, run: Store) -> bool:
        """Link an artefact into a run, if the store has it whole. Called inside `alone`."""
        kept = self._folder(stage, fingerprint)
        if not kept.is_dir():
            return False
        pieces = run.run / ".work" / stage
        work = pieces.with_suffix(".taken")
        _link(kept, work)
        if not _whole(work, fingerprint, run):
            shutil.rmtree(work)
            shutil.rmtree(kept)
            return False
        run.place(stage, work)
        shutil.rmtree(pieces, ignore_errors=True)  # of an attempt that was killed
        return True

    def resume(self, stage: str, fingerprint: str, run: Store) -> None:
        """Move what a killed process left of the artefact in another run into this one, which makes it now.

        Called inside `alone`, before the artefact is made.

        Raises:
            BusyError: that other run is at work again, and about to go on with its pieces.
        """
        note = self._folder(stage, fingerprint).with_suffix(".maker")
        other = Store(Path(note.read_text("utf-8"))) if note.is_file() else run
        if other.has_begun(stage, fingerprint) and not run.has_begun(stage, fingerprint):
            try:
                with other.locked():
                    other.hand_over(stage, run)
            except InputError:
                if not is_free(other.run / LOCK):
                    raise BusyError(stage, other.run / LOCK) from None
        write_text(note, str(run.run.resolve()))

    def keep(self, stage: str, fingerprint: str, run: Store) -> None:
        """Keep an artefact that stands in a run, if the store has none and nobody makes it."""
        kept = self._folder(stage, fingerprint)
        with contextlib.suppress(BusyError):
            if not kept.is_dir():
                with self.alone(stage, fingerprint):
                    if not kept.is_dir():
                        self.give(stage, fingerprint, run)

    def give(self, stage: str, fingerprint: str, run: Store) -> None:
        """Keep the artefact that a run has just made. Called inside `alone`."""
        kept = self._folder(stage, fingerprint)
        partial = kept.with_suffix(".partial")
        _link(run.folder(stage), partial)
        if kept.exists():
            shutil.rmtree(kept)
        partial.rename(kept)

    def _folder(self, stage: str, fingerprint: str) -> Path:
        return self._root / stage / fingerprint


def is_free(lock: Path) -> bool:
    """Whether nobody holds a lock."""
    try:
        with lock.open() as file:
            return _locked(file.fileno())
    except FileNotFoundError:
        return True


def _whole(folder: Path, fingerprint: str, run: Store) -> bool:
    try:
        manifest = Manifest.load(folder / MANIFEST)
    except (InputError, OSError):
        return False
    return manifest.fingerprint == fingerprint and not run.damaged(manifest, folder)


def _locked(descriptor: int) -> bool:
    """Take a lock if it is free; it goes with the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _link(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)  # of a process that was killed
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):  # folders before what lies in them
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
        else:
            _link_file(path, place)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
