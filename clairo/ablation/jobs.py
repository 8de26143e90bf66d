"""Jobs: each run in a process of its own, so many at once, and none that waits for another holds a place."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from clairo import log
from clairo.ablation.run import Run
from clairo.artifacts.shared import is_free
from clairo.artifacts.store import LOCK, read_json

LOG = "log.jsonl"
_RESULT = ".result.json"
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_STOP = 90.0
_TAIL = 4096  # bytes at the end of a log that its last words are looked for in
# Sums are added up in another order by another number of threads, so each job has the same few, however many
# jobs there are.
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


@dataclass
class _Job:
    """A run whose process is under way."""

    run: Run
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    began: int  # bytes of the log that earlier attempts wrote

    @classmethod
    def start(cls, run: Run, command: Sequence[str], store: Path, threads: int) -> "_Job":
        """Start the process."""
        run.prepare()
        result = run.folder / _RESULT
        result.unlink(missing_ok=True)
        file = (run.folder / LOG).open("ab")
        began = file.seek(0, os.SEEK_END)
        # In a session of its own it does not hear the terminal's Ctrl-C: it is told to stop, once.
        process = subprocess.Popen(
            [*command, run.folder, store, result],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=os.environ | dict.fromkeys(_THREADS, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"},
        )
        return cls(run, process, file, began)

    def result(self) -> dict[str, Any]:
        """What came of a process that has ended."""
        self.stop()
        path = self.run.folder / _RESULT
        if path.is_file():
            found: dict[str, Any] = read_json(path)
            path.unlink()
            return found
        code = self.process.returncode
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        words = self._tail().strip().splitlines()
        last = f"; its last words: {words[-1]}" if words else ""
        return {"state": "failed", "message": f"the run's process {ended}{last}", "code": 1}

    def stop(self) -> None:
        """Let the process stop, if it has not ended."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.log.close()

    def doing(self) -> str:
        """The step that it is at."""
        for line in reversed(self._tail().splitlines()):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                if entry["state"] == "done":
                    return f"behind {entry['step']}"
                of = "" if entry["total"] is None else f"/{entry['total']}"
                return f"{entry['step']} {entry['done']}{of}"
        return "starts"

    def _tail(self) -> str:
        """The end of what this attempt wrote into the log."""
        with Path(self.log.name).open("rb") as file:
            file.seek(max(self.began, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode("utf-8", "replace")


@dataclass
class Jobs:
    """Makes runs, `most` at a time.

    Attributes:
        store: where runs share artefacts.
        most: processes at a time.
        threads: of each process.
        ended: told of every run that ended, and what came of it (see `clairo.ablation.job`).
        command: what makes a run.
    """

    store: Path
    most: int
    threads: int
    ended: Callable[[Run, dict[str, Any]], None]
    command: Sequence[str] = (sys.executable, "-m", "clairo.ablation.job")
    _going: list[_Job] = field(default_factory=list)
    _locks: dict[str, Path] = field(default_factory=dict)

    def make(self, runs: list[Run], step: log.Step) -> None:
        """Make all `runs`; where Ctrl-C comes, every process has stopped when this raises."""
        waiting = list(runs)
        try:
            while waiting or self._going:
                waiting += self._collect(step)
                while len(self._going) < self.most and (run := self._next(waiting)) is not None:
                    waiting.remove(run)
                    self._going.append(_Job.start(run, self.command, self.store, self.threads))
                now = "; ".join(f"{job.run.name}: {job.doing()}" for job in self._going)
                step.advance(0, now=now or ("waits for another process" if waiting else ""))
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            self._stop()

    def _next(self, waiting: list[Run]) -> Run | None:
        """The first run that nobody else holds up."""
        for run in waiting:
            locks = (self._locks.get(run.name), run.folder / LOCK)
            if all(lock is None or is_free(lock) for lock in locks):
                return run
        return None

    def _collect(self, step: log.Step) -> list[Run]:
        """Take in the processes that have ended; gives those that have to wait for what another one makes."""
        over = [job for job in self._going if job.process.poll() is not None]
        again = []
        for job in over:
            self._going.remove(job)
            result = job.result()
            if result["state"] == "busy":
                self._locks[job.run.name] = Path(result["lock"])
                log.logger.debug("%s: waits for the %s that another run makes", job.run.name, result["stage"])
                again.append(job.run)
            else:
                self.ended(job.run, result)
                step.advance(1)
        return again

    def _stop(self) -> None:
        """End all processes that are left, with force if they take too long or Ctrl-C comes again."""
        try:
            for job in self._going:
                job.stop()
            end = time.monotonic() + _SECONDS_TO_STOP
            for job in self._going:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    job.process.wait(max(0.0, end - time.monotonic()))
        finally:
            for job in self._going:
                job.process.kill()
                job.process.wait()
