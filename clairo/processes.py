"""The processes of one command: `torchrun` or `accelerate launch` starts several, to train a model together.

The main process, number 0, runs all stages, and it alone writes and speaks. The others wait for its word and
join in where it says so. The word goes through the store that the launcher's processes meet at, which has no
time limit, as a stage before the model's may take hours.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS_BETWEEN_LOOKS = 0.1


def count() -> int:
    """How many processes the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that runs the stages, writes and speaks."""
    return rank() == 0


class Word:
    """What the main process tells the others, in order: JSON-able values, and at last that there are no more.

    With one process it goes nowhere, and nothing heavy is loaded.
    """

    def __init__(self) -> None:
        self._said = 0
        self._store: Any = None
        if count() > 1:
            from torch.distributed.rendezvous import rendezvous

            self._store, _, _ = next(rendezvous("env://"))

    def say(self, value: Any) -> None:
        """Tell the others `value`; called by the main process."""
        if self._store is not None:
            self._store.set(self._key(), json.dumps({"value": value}))
            self._said += 1

    def end(self) -> None:
        """Tell the others that there is nothing more to do."""
        if self._store is not None:
            self._store.set(self._key(), json.dumps({}))
            _part()

    def heard(self) -> Iterator[Any]:
        """What the main process says, until there is no more; called by the others."""
        while True:
            # Looked for, not waited for: a wait inside the store would hear no Ctrl-C.
            while not self._store.check([self._key()]):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            message = json.loads(self._store.get(self._key()))
            self._said += 1
            if "value" not in message:
                _part()
                return
            yield message["value"]

    def _key(self) -> str:
        return f"clairo/word/{self._said}"


def _part() -> None:
    """Let go of the group that a training made: not after each, as a second one in its place never meets."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
