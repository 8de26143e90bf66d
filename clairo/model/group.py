"""The processes that train one network together, each on its own device."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from clairo.errors import ClairoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class Group:
    """Process `rank` of `count`; one process is a group too, which has nobody to talk to.

    Every method but `share` must be called by all processes, in the same order.

    Raises:
        ClairoError: another process has ended; from every method that talks to the others.
    """

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.count = rank, count
        self._device = device

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """What of a sequence is this process's: shares differ by one at most, and are of a kind if sorted."""
        return slice(self.rank, None, self.count)

    def sum(self, values: Tensor) -> None:
        """Add up, in place, what all processes have."""
        if self.count > 1:
            with _told():
                distributed.all_reduce(values)

    def any(self, mine: bool) -> bool:
        """Whether one process at least says so."""
        if self.count == 1:
            return mine
        number = torch.tensor(float(mine), device=self._device)
        self.sum(number)
        return bool(number > 0)

    def of_main(self, number: float) -> float:
        """The number of the main process: clocks differ, and all must decide alike."""
        if self.count == 1:
            return number
        kept = torch.tensor(number, dtype=torch.float32, device=self._device)
        with _told():
            distributed.broadcast(kept, 0)
        return float(kept)

    def gather(self, mine: list[Any]) -> list[Any]:
        """The entries of all processes, each process's share (see `share`) back in its places."""
        if self.count == 1:
            return mine
        lists: list[list[Any]] = [[] for _ in range(self.count)]
        with _told():
            distributed.all_gather_object(lists, mine)
        whole: list[Any] = [None] * sum(map(len, lists))
        for rank, part in enumerate(lists):
            whole[rank :: self.count] = part  # of another length it would be refused: none twice, none lost
        return whole

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.any(False)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ClairoError(
            f"the processes that train together lost one another: {error}",
            hint="if one of them failed, it says why; the same command goes on from the last checkpoint",
        ) from None
