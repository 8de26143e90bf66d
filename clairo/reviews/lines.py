"""Raw files as a stream of whole lines: plain or gzipped, with line numbers, never held at once.

Polars can scan such a file by itself, but it maps the whole compressed file into memory, and it cannot say in
which line or how far into a truncated file it failed. Cutting the stream here gives both for little time.
"""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clairo.errors import InputError
from clairo.log import logger

CHUNK = 4 << 20
"""Bytes of text that are parsed at once."""
LONGEST_LINE = 64 << 20
"""Bytes of a line beyond which the file cannot be one record a line."""
_READ = 1 << 16
_GZIP = b"\x1f\x8b"
_SKIP_HINT = 'get the file again, or set reviews.on_broken_line = "skip" to use what can be read of it'


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file.

    Attributes:
        text: the lines, with their line ends.
        line: number of the first line, from 1.
    """

    text: bytes
    line: int


class Lines:
    """The lines of one file.

    Attributes:
        damage: what made the gzip stream unreadable before its end, once that is known and was let pass.
    """

    def __init__(self, path: Path, *, skip: bool) -> None:
        """Read `path`; with `skip`, a damaged gzip stream ends the file instead of being an error."""
        self.path = path
        self.damage: str | None = None
        self._skip = skip

    def chunks(self) -> Iterator[Chunk]:
        """The file's lines in order, the next chunk being read while the caller works on this one.

        Raises:
            InputError: the file cannot be opened, its gzip stream is damaged, or a line is endless.
        """
        chunks = self._cut()
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(next, chunks, None)
            while (chunk := ahead.result()) is not None:
                ahead = pool.submit(next, chunks, None)
                yield chunk

    def _cut(self) -> Iterator[Chunk]:
        line, held, size = 1, [], 0
        for block in self._blocks():
            held.append(block)
            size += len(block)
            if size < CHUNK:
                continue
            text = b"".join(held)
            end = text.rfind(b"\n") + 1
            if end:
                yield Chunk(text[:end], line)
                line += text.count(b"\n", 0, end)
            elif size > LONGEST_LINE:
                raise InputError(
                    f"{self.path}, line {line}: longer than {LONGEST_LINE >> 20} MiB",
                    hint="the file must hold one record a line",
                )
            held, size = [text[end:]], len(text) - end
        text = b"".join(held)
        if self.damage is not None:
            self._report(line + text.count(b"\n"))
        if text:
            yield Chunk(text, line)

    def _report(self, line: int) -> None:
        message = f"{self.path}, line {line}: {self.damage}"
        if not self._skip:
            raise InputError(message, hint=_SKIP_HINT)
        logger.warning("%s; what comes before it is used", message)

    def _blocks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as raw:
                start = raw.read(len(_GZIP))
                raw.seek(0)
                yield from self._unpack(raw) if start == _GZIP else iter(lambda: raw.read(_READ), b"")
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _unpack(self, raw: BinaryIO) -> Iterator[bytes]:
        """Blocks of a gzip stream of one or more members; `damage` says how it ends before its time."""
        member = zlib.decompressobj(wbits=31)
        while block := raw.read(_READ):
            while block:
                if member.eof:
                    block = block.lstrip(b"\0")  # padding, which gzip allows for after a member
                    if not block:
                        break
                    member = zlib.decompressobj(wbits=31)
                try:
                    yield member.decompress(block)
                except zlib.error as error:
                    self.damage = f"the gzip stream is damaged from here on ({error})"
                    return
                block = member.unused_data
        if not member.eof:
            self.damage = "the gzip stream ends in the middle: the file is truncated"
