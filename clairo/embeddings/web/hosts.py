"""How much is asked of one host, and when."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from clairo.embeddings.web import failures
from clairo.embeddings.web.failures import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TRIES = 10  # without more than silence, 429 and 5xx, before a host counts as silent


class Host:
    """One host: places for so many transfers, pauses that it asks for, and whether it serves anybody."""

    def __init__(self, places: int, patience: float) -> None:
        self._places, self._patience = asyncio.Semaphore(places), patience
        self._resume = 0.0
        self._unheard, self._since = 0, 0.0
        self._silent = False

    @asynccontextmanager
    async def place(self, overall: asyncio.Semaphore) -> AsyncIterator[None]:
        """One of the host's places and one of all, after the pause that it asked for.

        Raises:
            Failure: the host serves nobody.
        """
        async with self._places:
            while True:
                while (pause := self.resume_in()) > 0:
                    await asyncio.sleep(pause)
                async with overall:
                    if self._silent:
                        raise Failure(failures.SILENT_HOST)
                    if self.resume_in() <= 0:  # no other answer asked for a pause while this one waited
                        yield
                        return

    def pause(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._resume = max(self._resume, time.monotonic() + seconds)

    def resume_in(self) -> float:
        """Seconds until it may be asked again; none are left where this is not above 0."""
        return self._resume - time.monotonic()

    def answered(self) -> None:
        """The host is there."""
        self._unheard, self._silent = 0, False

    def unheard(self) -> bool:
        """A try went unanswered or was put off; whether the host is silent now, and was not before."""
        if not self._unheard:
            self._since = time.monotonic()
        self._unheard += 1
        before, lasted = self._silent, time.monotonic() - self._since
        self._silent = before or (self._unheard >= _TRIES and lasted >= self._patience)
        return self._silent and not before


def seconds_of(retry_after: str, now: float) -> float | None:
    """Seconds that a `Retry-After` asks for, be it a number or a date; None where it is neither.

    Args:
        retry_after: the header's value.
        now: unix time.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
