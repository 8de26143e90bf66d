"""The log of a training that people watch: accelerate's trackers, TensorBoard among them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import LoggerType

from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from accelerate import Accelerator

NONE = "none"
_PROJECT = "clairo"


def check(name: str) -> None:
    """Raise InputError unless `name` is "none" or a tracker that can be used here."""
    known = [str(entry) for entry in LOGGER_TYPE_TO_CLASS]
    if name != NONE and name not in known:
        raise InputError(
            f"model.tracker = {name!r} is no tracker that accelerate knows",
            hint=f"one of: {', '.join([NONE, *sorted(known)])}",
        )
    # What is registered with accelerate by other code is in its table alone, and needs no package.
    if name in LoggerType.list() and LoggerType(name) not in get_available_trackers():
        raise InputError(
            f"model.tracker = {name!r}: its package is not installed", hint=f"pip install {name}"
        )


class Track:
    """What `accelerator` was told to log with, if anything, opened by the main process alone.

    Args:
        accelerator: made with the tracker's name and the folder of its files.
        settings: of the training, to be noted in the log.
        is_main: whether this process writes.
    """

    def __init__(self, accelerator: Accelerator, settings: Mapping[str, Any], *, is_main: bool) -> None:
        self._accelerator = accelerator
        self._settings = {key: _plain(value) for key, value in settings.items()}
        self._is_main = is_main

    @contextmanager
    def opened(self, step: int) -> Iterator[None]:
        """Log while the block runs, from after `step` on; later steps of an earlier attempt are dropped."""
        if not self._is_main:
            yield
            return
        options = {"tensorboard": {"purge_step": step + 1}}
        self._accelerator.init_trackers(_PROJECT, config=self._settings, init_kwargs=options)
        try:
            yield
        finally:
            # Not `end_training`, which also takes apart the group of processes.
            for tracker in self._accelerator.trackers:
                tracker.finish()

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log `values` as those after `step` optimizer steps."""
        if self._is_main and self._accelerator.trackers:
            self._accelerator.log(dict(values), step=step)


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)
