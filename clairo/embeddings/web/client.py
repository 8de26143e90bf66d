"""One address to one picture: redirects, limits, further tries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpcore2

import clairo
from clairo.embeddings.web import candidates, failures
from clairo.embeddings.web.addresses import Guarded
from clairo.embeddings.web.checks import Picture
from clairo.embeddings.web.failures import Failure
from clairo.embeddings.web.hosts import Host, seconds_of
from clairo.log import logger

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import httpx2

    from clairo.config import DownloadConfig

Check = Callable[[bytes], Awaitable[Picture]]

# Not compressed: a picture is already, and what is unpacked has no size that could be told beforehand.
_HEADERS = (
    ("User-Agent", f"clairo/{clairo.__version__}"),
    ("Accept", "image/*"),
    ("Accept-Encoding", "identity"),
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDLE_SECONDS = 15.0


class Client:
    """Connections that are shared by all downloads of one event loop."""

    def __init__(self, cfg: DownloadConfig, check: Check) -> None:
        """Make it, connected to nothing yet.

        Args:
            cfg: the section.
            check: makes a picture of bytes, or raises Failure.
        """
        self._cfg, self._check = cfg, check
        self._overall = asyncio.Semaphore(cfg.concurrency)
        self._hosts: dict[str, Host] = {}
        self._chance = random.SystemRandom()
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=cfg.concurrency,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Guarded(cfg.private_networks),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def picture(self, address: str) -> Picture:
        """The picture at an address, after as many tries as it takes and the section allows.

        Raises:
            Failure: there is none.
        """
        url = candidates.parsed(address)
        for attempt in range(self._cfg.retries + 1):
            try:
                return await self._followed(url)
            except Failure as failure:
                hopeless = not failure.passing or failure.reason == failures.SILENT_HOST
                if hopeless or attempt == self._cfg.retries:
                    raise
                logger.debug("%s: %s, try %d", address, failure, attempt + 1)
            await asyncio.sleep(self._backoff(attempt))
        raise AssertionError("the last try returns or raises")

    def _backoff(self, attempt: int) -> float:
        """Seconds to wait; chance keeps those that failed together from coming back together."""
        longest = self._cfg.backoff_seconds * 2.0 ** min(attempt, 60)
        return min(longest, self._cfg.max_wait_seconds) * self._chance.uniform(0.5, 1.0)

    async def _followed(self, url: httpx2.URL) -> Picture:
        seen = {str(url)}
        for _ in range(self._cfg.max_redirects + 1):
            found = await self._hop(url)
            if isinstance(found, Picture):
                return found
            if str(found) in seen:
                raise Failure(failures.REDIRECTS, f"in a circle at {found}")
            seen.add(str(found))
            url = found
        raise Failure(failures.REDIRECTS, f"more than {self._cfg.max_redirects}")

    async def _hop(self, url: httpx2.URL) -> Picture | httpx2.URL:
        """What an address answers: a picture, or where it redirects to."""
        host = self._hosts.setdefault(url.host, Host(self._cfg.per_host, self._cfg.host_patience_seconds))
        async with host.place(self._overall):
            found = await self._answer(url, host)
            # In its place too: so there are never more answers in memory than places.
            return await self._check(found) if isinstance(found, bytes) else found

    async def _answer(self, url: httpx2.URL, host: Host) -> bytes | httpx2.URL:
        try:
            async with asyncio.timeout(self._cfg.transfer_seconds):
                return await self._asked(url, host)
        except (Failure, httpcore2.TimeoutException, *_NETWORK) as error:
            failure = error if isinstance(error, Failure) else _translated(error)
            self._judge(host, url, failure)
            raise failure from None

    def _judge(self, host: Host, url: httpx2.URL, failure: Failure) -> None:
        """What a failure says of the host."""
        if failure.passing and failure.retry_after is not None:
            host.pause(min(failure.retry_after, self._cfg.max_wait_seconds))
        if failure.unheard and host.unheard():
            logger.warning("%s serves nobody (%s): it is not tried again", url.host, failure)

    async def _asked(self, url: httpx2.URL, host: Host) -> bytes | httpx2.URL:
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        timeouts = {
            "connect": self._cfg.connect_seconds,
            "read": self._cfg.read_seconds,
            "write": self._cfg.read_seconds,
        }
        async with self._pool.stream(
            "GET", target, headers=_HEADERS, extensions={"timeout": timeouts}
        ) as answer:
            headers = {key.lower(): value for key, value in answer.headers}
            wish = headers.get(b"retry-after", b"").decode("latin-1")
            failure = failures.status(answer.status, seconds_of(wish, time.time()))
            if not failure.unheard:
                host.answered()
            if answer.status in _REDIRECTS and b"location" in headers:
                return candidates.redirected(url, headers[b"location"])
            if answer.status != 200:
                raise failure
            return await self._read(answer)

    async def _read(self, answer: httpcore2.Response) -> bytes:
        """The body, given up as soon as it is too long, whatever length was announced."""
        body = bytearray()
        async for part in answer.aiter_stream():
            body += part
            if len(body) > self._cfg.max_bytes:
                raise Failure(failures.TOO_LARGE, f"more than {self._cfg.max_bytes} bytes")
        return bytes(body)


_NETWORK = (httpcore2.NetworkError, httpcore2.ProtocolError, OSError)


def _translated(error: Exception) -> Failure:
    """The failure that an exception of the network is."""
    words = str(error)
    if isinstance(error, (TimeoutError, httpcore2.TimeoutException)):
        return Failure(failures.TIMEOUT, words)
    if isinstance(error, httpcore2.ConnectError):
        return Failure(failures.NO_CONNECTION, words)
    if isinstance(error, httpcore2.LocalProtocolError):
        return Failure(failures.BAD_ADDRESS, words)
    return Failure(failures.DROPPED, words)
