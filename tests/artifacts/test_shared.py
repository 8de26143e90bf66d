"""Artefacts that runs share: made once, taken whole, never half."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clairo.artifacts import store
from clairo.artifacts.shared import BusyError, Shared, is_free
from clairo.artifacts.store import Manifest, Store
from clairo.errors import told


def finish(run: Store, stage: str, fingerprint: str, **files: str) -> None:
    work = run.begin(stage, fingerprint)
    for name, text in files.items():
        (work / name).write_text(text)
    run.publish(Manifest(stage, fingerprint, {}, {}, store.outputs(work), {}, 1.5, 0.0, "now"))


@pytest.fixture
def first(tmp_path: Path) -> Store:
    run = Store(tmp_path / "first")
    finish(run, "codes", "a", x="1", y="2")
    return run


@pytest.fixture
def shared(tmp_path: Path, first: Store) -> Shared:
    """A store that has the first run's codes."""
    kept = Shared(tmp_path / "shared", patience=0)
    with kept.alone("codes", "a"):
        assert not kept.take("codes", "a", first)
        kept.give("codes", "a", first)
    return kept


def test_what_one_run_gave_another_takes(tmp_path: Path, first: Store, shared: Shared) -> None:
    second = Store(tmp_path / "second")
    (second.begin("codes", "a") / "piece").write_text("of an attempt that was killed")
    with shared.alone("codes", "a"):
        assert shared.take("codes", "a", second)
    assert second.manifest("codes") == first.manifest("codes")
    assert (second.folder("codes") / "y").read_text() == "2"
    assert (second.folder("codes") / "y").stat().st_ino == (first.folder("codes") / "y").stat().st_ino
    assert not list((second.run / ".work").iterdir())


def test_nothing_is_taken_for_another_fingerprint_or_stage(tmp_path: Path, shared: Shared) -> None:
    second = Store(tmp_path / "second")
    assert not shared.take("codes", "b", second)
    assert not shared.take("fused", "a", second)
    assert not second.folder("codes").exists()


def test_where_files_cannot_be_linked_they_are_copied(
    tmp_path: Path, first: Store, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError("another device")

    monkeypatch.setattr(os, "link", refuse)
    second = Store(tmp_path / "second")
    assert shared.take("codes", "a", second)
    (second.folder("codes") / "x").write_text("changed")
    assert (first.folder("codes") / "x").read_text() == "1"


@pytest.mark.parametrize("harm", ["change", "remove", "manifest"])
def test_a_damaged_artefact_is_not_taken_but_made_anew(
    tmp_path: Path, first: Store, shared: Shared, harm: str
) -> None:
    kept = tmp_path / "shared" / "codes" / "a"
    if harm == "change":
        (kept / "x").write_text("3")
    else:
        (kept / {"remove": "x", "manifest": "manifest.json"}[harm]).unlink()
    second = Store(tmp_path / "second")
    assert not shared.take("codes", "a", second)
    assert not second.folder("codes").exists()
    finish(second, "codes", "a", x="1", y="2")
    shared.give("codes", "a", second)
    assert shared.take("codes", "a", Store(tmp_path / "third"))
    assert json.loads((tmp_path / "third" / "codes" / "manifest.json").read_text())["fingerprint"] == "a"


def test_a_file_system_without_room_or_locks_is_no_bad_input(
    tmp_path: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full as artefacts are copied, and as a lock is made; then one cannot be locked."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "here")

    second = Store(tmp_path / "second")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(OSError, match="here") as error:
            shared.take("codes", "a", second)
        assert told(error.value) == (
            "the disk is full: here\nhint: make room; the same command goes on from here",
            1,
        )
    assert shared.take("codes", "a", second)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="here"), shared.alone("codes", "b"):
            pass

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(OSError, match="lock") as error, shared.alone("codes", "b"):
        pass
    assert not isinstance(error.value, BusyError)


def test_pieces_of_a_killed_process_are_gone_on_with_by_whichever_run_is_next(
    tmp_path: Path, first: Store
) -> None:
    shared, second = Shared(tmp_path / "shared", patience=0), Store(tmp_path / "second")
    shared_lock = tmp_path / "shared" / "model" / "m.lock"
    with shared.alone("model", "m"):
        shared.resume("model", "m", first)
        (first.begin("model", "m") / "epoch 7").write_text("weights")
    (second.begin("model", "older") / "epoch 99").write_text("of another model")
    with first.locked(), shared.alone("model", "m"):  # it was started again, and comes a moment later
        with pytest.raises(BusyError) as busy:
            shared.resume("model", "m", second)
        assert busy.value.lock == first.run.resolve() / ".lock"
        assert not is_free(busy.value.lock)
        assert not second.has_begun("model", "m")
    assert is_free(shared_lock)
    with shared.alone("model", "m"):
        shared.resume("model", "m", second)
        assert [path.name for path in sorted(second.begin("model", "m").glob("e*"))] == ["epoch 7"]
        assert not first.has_begun("model", "m")
    with shared.alone("model", "m"):  # and back: the note is of the latest
        shared.resume("model", "m", first)
        assert (first.begin("model", "m") / "epoch 7").read_text() == "weights"


def test_what_stands_in_a_run_is_kept_once_and_nobody_waits_for_that(tmp_path: Path, first: Store) -> None:
    shared = Shared(tmp_path / "shared", patience=0)
    with shared.alone("codes", "a"):
        Shared(tmp_path / "shared", patience=0).keep("codes", "a", first)
        assert not (tmp_path / "shared" / "codes" / "a").exists()
    shared.keep("codes", "a", first)
    kept = (tmp_path / "shared" / "codes" / "a").stat()
    shared.keep("codes", "a", first)
    assert (tmp_path / "shared" / "codes" / "a").stat().st_ino == kept.st_ino
    assert shared.take("codes", "a", Store(tmp_path / "second"))


def test_half_a_gift_of_a_killed_process_is_not_taken(tmp_path: Path, first: Store) -> None:
    shared = Shared(tmp_path / "shared")
    half = tmp_path / "shared" / "codes" / "a.partial"
    half.mkdir(parents=True)
    (half / "x").write_text("1")
    assert not shared.take("codes", "a", Store(tmp_path / "second"))
    shared.give("codes", "a", first)
    assert shared.take("codes", "a", Store(tmp_path / "second"))


def test_one_process_at_a_time_makes_an_artefact_and_a_dead_one_keeps_nobody_waiting(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom clairo.artifacts.shared import Shared\n"
        "with Shared(Path(sys.argv[1])).alone('model', 'a'):\n"
        "    print('held', flush=True)\n    time.sleep(600)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "held\n"
        shared = Shared(tmp_path, patience=0.3)
        start = time.monotonic()
        with pytest.raises(BusyError) as busy, shared.alone("model", "a"):
            pass
        assert time.monotonic() - start >= 0.3
        assert not is_free(busy.value.lock)
        with shared.alone("model", "b"):
            pass
    finally:
        maker.kill()
        maker.wait()
        assert maker.stdout is not None
        maker.stdout.close()
    assert is_free(busy.value.lock)
    with shared.alone("model", "a"):
        assert not is_free(busy.value.lock)
    assert is_free(tmp_path / "none.lock")
