"""Many pictures at once.

The network lives in an event loop in a thread of its own, the manifest and the progress in the caller's: so
Ctrl-C is heard at once, wherever it falls, and a caller may have an event loop of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from clairo import interrupts
from clairo.embeddings.web import candidates, checks, failures, records
from clairo.embeddings.web.client import Client
from clairo.embeddings.web.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from clairo.config import DownloadConfig
    from clairo.embeddings.web.checks import Picture
    from clairo.embeddings.web.records import Record, Wanted

_AHEAD = 4  # items under way for each transfer: others go on while some wait for a host or its pause
_LOOK_SECONDS = 0.1
_PARTING_SECONDS = 5.0


@contextmanager
def downloading(
    wanted: Sequence[Wanted], cfg: DownloadConfig, folder: Path, keep: Callable[[Record], None]
) -> Iterator[Iterator[Record | None]]:
    """Download while the block runs; it iterates over records as they come, and over None now and then.

    Leaving the block, however that happens, stops what is under way. Every record goes to `keep`, those too
    that came and were not iterated over.

    Raises:
        OSError: a picture cannot be written.
    """
    results: queue.Queue[Record | BaseException | None] = queue.Queue()
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1, "pictures") as decoder:  # one: what quiets Pillow's warnings wants no company
        work = loop.create_task(_all(wanted, cfg, folder, decoder, results))
        thread = threading.Thread(target=_run, args=(loop, work, results), name="download", daemon=True)
        thread.start()
        try:
            yield _results(results, keep)
        finally:
            with suppress(RuntimeError):  # it has come to its end, and the loop is closed
                loop.call_soon_threadsafe(work.cancel)
            thread.join(_PARTING_SECONDS)
            decoder.shutdown(wait=False, cancel_futures=True)
            while not results.empty():
                found = results.get()
                if found is not None and not isinstance(found, BaseException):
                    keep(found)


def _run(
    loop: asyncio.AbstractEventLoop,
    work: asyncio.Task[None],
    results: queue.Queue[Record | BaseException | None],
) -> None:
    try:
        loop.run_until_complete(work)
    except BaseExceptionGroup as group:
        results.put(group.exceptions[0])  # it is raised in the caller's thread, and one says enough
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
        results.put(error)
    else:
        results.put(None)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _results(
    results: queue.Queue[Record | BaseException | None], keep: Callable[[Record], None]
) -> Iterator[Record | None]:
    while True:
        record = None
        # What came is kept, wherever Ctrl-C falls.
        with interrupts.deferred(), suppress(queue.Empty):
            found = results.get(timeout=_LOOK_SECONDS)
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            keep(found)
            record = found
        yield record


async def _all(
    wanted: Sequence[Wanted],
    cfg: DownloadConfig,
    folder: Path,
    decoder: ThreadPoolExecutor,
    results: queue.Queue[Record | BaseException | None],
) -> None:
    loop, left = asyncio.get_running_loop(), iter(wanted)

    async def check(content: bytes) -> Picture:
        return await loop.run_in_executor(decoder, checks.check, content, cfg)

    async with Client(cfg, check) as client, asyncio.TaskGroup() as group:

        async def worker() -> None:
            for one in left:
                results.put(await _one(one, cfg, client, folder))

        for _ in range(min(len(wanted), cfg.concurrency * _AHEAD)):
            group.create_task(worker())


async def _one(wanted: Wanted, cfg: DownloadConfig, client: Client, folder: Path) -> Record:
    """The picture of one item, from the first of its addresses that has one."""
    failed: list[tuple[str, Failure]] = []
    for source, url in candidates.candidates(wanted.urls, cfg):
        try:
            picture = await client.picture(url)
        except Failure as failure:
            failed.append((url, failure))
        else:
            return _kept(wanted, source, url, picture, folder, _words(failed))
    first = failed[0][1] if failed else Failure(failures.NO_ADDRESS, "no mirror has it")
    passing = any(failure.passing for _, failure in failed)
    return records.Record(wanted.item, first.reason, wanted.asked, passing=passing, failures=_words(failed))


def _words(failed: list[tuple[str, Failure]]) -> tuple[tuple[str, str], ...]:
    return tuple((url, str(failure)) for url, failure in failed)


def _kept(
    wanted: Wanted,
    source: str,
    url: str,
    picture: Picture,
    folder: Path,
    failed: tuple[tuple[str, str], ...],
) -> Record:
    """Put a picture into its place, whole or not at all; one of the item in another format goes away."""
    file = records.name(wanted.item, picture.suffix)
    _write(folder / file, picture.content)
    for suffix in checks.SUFFIXES.values():
        if suffix != picture.suffix:
            (folder / records.name(wanted.item, suffix)).unlink(missing_ok=True)
    return records.Record(
        item=wanted.item,
        status=records.OK,
        asked=wanted.asked,
        source=source,
        url=url,
        file=file,
        bytes=len(picture.content),
        sha256=hashlib.sha256(picture.content).hexdigest(),
        width=picture.width,
        height=picture.height,
        failures=failed,
    )


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("xb") as file:  # only a new file: no link that somebody laid there is followed
            file.write(content)
        os.replace(partial, path)  # noqa: PTH105 - the same call on every system replaces
    except OSError:
        with suppress(OSError):
            partial.unlink()  # of a disk that is full, half a picture is better free
        raise
