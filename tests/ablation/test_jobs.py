"""Processes of runs: how many at once, in which order, and what becomes of those that end badly."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from clairo import interrupts, log
from clairo.ablation import Cell, Grid, ablate
from clairo.ablation.jobs import Jobs
from clairo.ablation.run import FAILED, Run
from clairo.artifacts.shared import Shared
from clairo.config import Config
from clairo.errors import InputError

# In the place of a run: does what the cell's name says, and notes when it began and ended.
_JOB = """
import json, os, sys, time
from pathlib import Path
run, store, result = map(Path, sys.argv[1:])
what = run.parent.name.partition("-")[0]
notes = run.parents[1] / "notes"
note = lambda word: notes.open("a").write(f"{word} {run.parent.name} {os.getpid()}\\n")
note("begin")
end = {"state": "done"}
if what == "quick":
    time.sleep(0.5)
elif what == "crash":
    print("the last words", file=sys.stderr, flush=True)
    os._exit(3)
elif what == "killed":
    os.kill(os.getpid(), 9)
elif what == "bad":
    end = {"state": "failed", "message": "no such thing", "code": 2}
elif what == "busy" and notes.read_text().count(f"begin {run.parent.name} ") == 1:
    end = {"state": "busy", "lock": str(store / "model" / "a.lock"), "stage": "model"}
elif what == "threads":
    end["threads"] = os.environ["OMP_NUM_THREADS"]
elif what == "endless":
    os.read(0, 1)
    end = {"state": "stopped"}
elif what == "deaf":
    time.sleep(600)
note("end")
result.write_text(json.dumps(end))
"""


class Made:
    """Makes runs of cells with these names, and keeps what came of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, dict[str, dict[str, Any]]()
        (folder / "job.py").write_text(_JOB)

    def make(self, *names: str, most: int = 1, threads: int = 1) -> None:
        runs = [Run(Cell(name, "", {}, {0: Config()}), 0, self.folder / name / "seed-0") for name in names]

        def ended(run: Run, result: dict[str, Any]) -> None:
            self.results[run.cell.name] = result

        command = (sys.executable, str(self.folder / "job.py"))
        with log.step("runs", total=len(runs)) as step:
            Jobs(self.folder / "store", most, threads, ended, command).make(runs, step)

    def notes(self) -> list[tuple[str, str]]:
        """What began and ended so far."""
        path = self.folder / "notes"
        rows = [line.split() for line in path.read_text().splitlines()] if path.is_file() else []
        return [(word, name) for word, name, _ in rows]

    def process(self) -> int:
        """The process that began last, once one has."""
        while not (self.folder / "notes").is_file() or not (self.folder / "notes").read_text():
            time.sleep(0.01)
        return int((self.folder / "notes").read_text().split()[-1])


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_as_many_at_a_time_as_asked_for(made: Made) -> None:
    made.make("quick-1", "quick-2", "quick-3", "quick-4", "quick-5", most=2)
    going, most = 0, 0
    for word, _ in made.notes():
        going += 1 if word == "begin" else -1
        most = max(most, going)
    assert most == 2
    assert len(made.results) == 5


def test_a_run_that_ends_badly_stops_no_other(made: Made) -> None:
    made.make("crash", "killed", "bad", "quick")
    assert made.results["quick"]["state"] == "done"
    assert made.results["bad"] == {"state": "failed", "message": "no such thing", "code": 2}
    assert "ended with code 3; its last words: the last words" in made.results["crash"]["message"]
    assert "killed by signal 9" in made.results["killed"]["message"]
    assert made.results["crash"]["code"] == made.results["killed"]["code"] == 1


def test_last_words_are_of_the_attempt_that_ended(made: Made) -> None:
    """A killed process that said nothing is not told with the words of the attempt before."""
    log = made.folder / "killed" / "seed-0" / "log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("words of an earlier attempt\n")
    made.make("killed")
    assert made.results["killed"]["message"] == "the run's process was killed by signal 9"
    assert log.read_text().startswith("words of an earlier attempt")


def test_a_run_that_waits_for_another_leaves_its_place_and_goes_on_when_that_is_through(made: Made) -> None:
    """The lock is held for a while by this process, as if it made the model."""
    held = threading.Event()

    def hold() -> None:
        with Shared(made.folder / "store").alone("model", "a"):
            held.set()
            while ("end", "quick-2") not in made.notes():
                time.sleep(0.05)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    made.make("busy", "quick-1", "quick-2")
    holder.join()
    began = [name for word, name in made.notes() if word == "begin"]
    assert began == ["busy", "quick-1", "quick-2", "busy"]
    assert all(result["state"] == "done" for result in made.results.values())


def test_every_job_has_the_same_threads_however_many_there_are(made: Made) -> None:
    made.make("threads-1", "threads-2", most=2, threads=3)
    assert [result["threads"] for result in made.results.values()] == ["3", "3"]


def test_ctrl_c_ends_every_process_before_it_goes_on(made: Made) -> None:
    def press() -> None:
        while len(made.notes()) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with interrupts.heard(), pytest.raises(KeyboardInterrupt):
        made.make("endless-1", "endless-2", "quick", most=2)
    presser.join()
    for line in (made.folder / "notes").read_text().splitlines():
        assert not alive(int(line.split()[-1]))
    assert ("begin", "quick") not in made.notes()


def test_a_second_ctrl_c_ends_them_with_force(made: Made) -> None:
    def press() -> None:
        made.process()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with interrupts.heard(), pytest.raises(KeyboardInterrupt):
        made.make("deaf")
    presser.join()
    assert not alive(made.process())


def test_an_earlier_failure_is_forgotten_as_the_run_is_tried_again(made: Made) -> None:
    run = Run(Cell("quick", "", {}, {0: Config()}), 0, made.folder / "quick" / "seed-0")
    run.fail("no such thing", 2)
    assert json.loads((run.folder / FAILED).read_text()) == {"message": "no such thing", "code": 2}
    made.make("quick")
    assert run.failure() is None


def test_a_run_whose_data_cannot_be_read_is_not_done(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own process tells what is wrong, and the others are made."""

    def unreadable(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "vectors.npy")

    monkeypatch.setattr("clairo.pipeline.status", unreadable)
    assert not Run(Cell("quick", "", {}, {0: Config()}), 0, made.folder / "quick" / "seed-0").is_done()


def test_no_jobs_and_no_threads_are_refused(tmp_path: Path) -> None:
    grid = Grid("grid", "", "", "shop", (Cell("a", "", {}, {0: Config()}),), "a", (), 10)
    with pytest.raises(InputError, match="jobs = 0 is below 1"):
        ablate(grid, tmp_path / "out", jobs=0)
    with pytest.raises(InputError, match="threads = -1 is below 1"):
        ablate(grid, tmp_path / "out", threads=-1)
    assert not (tmp_path / "out").exists()
