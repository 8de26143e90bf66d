"""Addresses in the order in which they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from clairo.embeddings.web import failures
from clairo.embeddings.web.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clairo.config import DownloadConfig


_WEB_PORTS = (80, 443)  # of those below 1024: behind the others no pictures lie, but mail, shells and files


def candidates(urls: Iterable[str], cfg: DownloadConfig) -> Iterator[tuple[str, str]]:
    """Pairs of an address of the metadata and the one to ask for it: its mirrors, then itself; none twice."""
    seen = set[str]()
    for source in urls:
        mirrored = [
            entry.mirror + source.removeprefix(entry.prefix)
            for entry in cfg.mirrors
            if source.startswith(entry.prefix)
        ]
        for url in [*mirrored, *([source] if cfg.original else [])]:
            if url not in seen:
                seen.add(url)
                yield source, url


def parsed(url: str | httpx2.URL) -> httpx2.URL:
    """The address in its parts.

    Raises:
        Failure: it is none, not one of http and https, or at a port of another service.
    """
    try:
        found = httpx2.URL(url)
        host = found.raw_host  # a name that cannot be written in ASCII is noticed here
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise Failure(failures.BAD_ADDRESS, str(error)) from None
    if found.scheme not in ("http", "https"):
        raise Failure(failures.NOT_HTTP, found.scheme)
    if not host:
        raise Failure(failures.BAD_ADDRESS, "no host")
    port = found.port
    if port is not None and not 1024 <= port < 2**16 and port not in _WEB_PORTS:
        raise Failure(failures.BAD_ADDRESS, f"port {port}")
    return found


def redirected(url: httpx2.URL, location: bytes) -> httpx2.URL:
    """Where a redirect from `url` leads.

    Raises:
        Failure: to no address, or not to one of http and https.
    """
    try:
        joined = url.join(location.decode("utf-8", "replace"))
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise Failure(failures.BAD_ADDRESS, str(error)) from None
    return parsed(joined)
