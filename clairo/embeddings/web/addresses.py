"""Which addresses may be connected to, and connecting to nothing else.

A name is looked up once, and the address that was judged is the one that is connected to: a name that means
something else a moment later (DNS rebinding) changes nothing. Every connection passes here, those that a
redirect asks for as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING

import httpcore2

from clairo.embeddings.web import failures
from clairo.embeddings.web.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from httpcore2 import AsyncNetworkStream

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out to the world
# Older releases of Python take some of these for public.
_NOT_PUBLIC = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("3fff::/20"))
# Networks whose addresses end in one of IPv4: NAT64, what is compatible with IPv4, what SIIT translates.
_ENDING = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96"))


def permitted(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address is public, or lies in one of `networks`."""
    address = _carried(address)
    if any(address in network for network in networks):
        return True
    if address.version == 6 and address not in _UNICAST:
        return False
    special = address.is_multicast or any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not special


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does: `::ffff:127.0.0.1` is the loopback."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.teredo:
        return address.teredo[1]
    if int(address) > 1 and any(address in network for network in _ENDING):  # ::1 is itself
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class Guarded(httpcore2.AsyncNetworkBackend):
    """The network as httpcore sees it, without what is not public."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address of `host` that is permitted and answers.

        Raises:
            Failure: the name is not known, or stands for no permitted address.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: none answers.
        """
        try:
            async with asyncio.timeout(timeout):  # wait_for would sometimes swallow a cancellation
                found = await lookup(host, port)
        except TimeoutError:
            raise Failure(failures.NO_NAME, f"{host}: no answer") from None
        except OSError as error:
            raise Failure(failures.NO_NAME, f"{host}: {error.strerror or error}") from None
        chosen = [text for text in found if permitted(ipaddress.ip_address(text), self._networks)]
        if not chosen:
            raise Failure(failures.NOT_PUBLIC, f"{host} is {', '.join(found)}")
        for text in chosen[:-1]:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._network.connect_tcp(text, port, timeout, local_address, socket_options)
        return await self._network.connect_tcp(chosen[-1], port, timeout, local_address, socket_options)


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a name, each once, as text.

    Raises:
        OSError: there are none.
    """
    # In a thread of its own that nobody waits for: a resolver cannot be interrupted, and a pool's threads
    # are waited for at the end, so that Ctrl-C would be answered half a minute later.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[str] | Exception
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, ValueError) as error:  # ValueError: what no name of a host can hold
            found = error if isinstance(error, OSError) else OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, name="lookup", daemon=True).start()
    return await answer
