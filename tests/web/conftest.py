"""A site on the loopback that answers as badly as a test asks for."""

from __future__ import annotations

import contextlib
import io
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from PIL import Image

from clairo.config import DownloadConfig
from clairo.embeddings import web
from clairo.embeddings.web.records import Manifest, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Answer = Callable[[BaseHTTPRequestHandler], None]

LOOPBACK = "127.0.0.1/32"
QUICK: dict[str, Any] = {
    "enabled": True,
    "max_missing_share": 1,
    # Whoever wants to see a time-out sets a short one: these are for machines that are busy.
    "connect_seconds": 600,
    "read_seconds": 600,
    "transfer_seconds": 600,
    "retries": 2,
    "backoff_seconds": 0.01,
    "max_wait_seconds": 0.5,
    "private_networks": [LOOPBACK],
}


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(side: int = 60, kind: str = "JPEG") -> bytes:
    return encoded(Image.effect_noise((side, side), 80).convert("RGB"), kind)


class Site:
    """Answers by path; `asked` counts what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked = Counter[str]()
        self.busy, self.most_busy = 0, 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.asked[request.path] += 1
        with contextlib.suppress(OSError):  # the client left
            self.answers.get(request.path, status(404))(request)

    def heard(self, path: str, times: int) -> bool:
        """Whether a path is asked for so often in the end: a server may be slower than its client."""
        while self.asked[path] < times and not self.closing.wait(0.01):
            pass
        return self.asked[path] == times

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Counts as busy; over before the answer, that the client may ask again at once."""
        with self._lock:
            self.busy += 1
            self.most_busy = max(self.busy, self.most_busy)
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    # What a path does.

    def serve(self, path: str, content: bytes, **headers: str) -> str:
        self.answers[path] = body(content, 200, **headers)
        return self.url + path

    def answer(self, path: str, *answers: Answer) -> str:
        """One answer after another; the last for ever."""
        left = list(answers)

        def next_one(request: BaseHTTPRequestHandler) -> None:
            (left.pop(0) if len(left) > 1 else left[0])(request)

        self.answers[path] = next_one
        return self.url + path

    def redirect(self, path: str, to: str, code: int = 302) -> str:
        return self.answer(path, status(code, Location=to))

    def silent(self, path: str) -> str:
        return self.answer(path, lambda _: void(self.closing.wait(600)))

    def drip(self, path: str, content: bytes) -> str:
        """A byte now and then, so that no single read waits long."""

        def send(request: BaseHTTPRequestHandler) -> None:
            begin(request, 200, {"Content-Length": str(len(content))})
            for byte in content:
                request.wfile.write(bytes([byte]))
                if self.closing.wait(0.05):
                    return

        return self.answer(path, send)

    def endless(self, path: str, headers: Mapping[str, str]) -> str:
        def send(request: BaseHTTPRequestHandler) -> None:
            begin(request, 200, headers)
            part = noise()
            chunk = part if "Content-Length" in headers else b"%x\r\n%s\r\n" % (len(part), part)
            while not self.closing.is_set():
                request.wfile.write(chunk)

        return self.answer(path, send)


def void(_: object) -> None:
    pass


def begin(request: BaseHTTPRequestHandler, code: int, headers: Mapping[str, str]) -> None:
    request.send_response(code)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


def body(content: bytes, code: int = 200, **headers: str) -> Answer:
    def send(request: BaseHTTPRequestHandler) -> None:
        begin(request, code, {"Content_Type": "image/jpeg", "Content_Length": str(len(content)), **headers})
        request.wfile.write(content)

    return send


def status(code: int, **headers: str) -> Answer:
    return body(b"", code, **headers)


def cut(content: bytes, **headers: str) -> Answer:
    """Headers and `content`, and the connection is gone."""

    def send(request: BaseHTTPRequestHandler) -> None:
        begin(request, 200, headers)
        request.wfile.write(content)
        request.close_connection = True

    return send


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


class Shelf:
    """A folder of pictures, and a table of items to fetch them for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.table = folder / "pictures", folder / "items.parquet"

    def fetch(
        self, addresses: Mapping[str, list[str] | None], *, again: web.Again = "no", **options: Any
    ) -> dict[str, Record]:
        """Fetch the items' pictures; the records of the manifest."""
        frame = {"item": list(addresses), "image_urls": list(addresses.values())}
        schema: dict[str, Any] = {"item": pl.String, "image_urls": pl.List(pl.String)}
        pl.DataFrame(frame, schema=schema).write_parquet(self.table)
        web.fetch(list(addresses), self.table, self.config(**options), self.folder, again=again)
        return self.records

    def one(self, *urls: str, **options: Any) -> Record:
        return self.fetch({"B1": list(urls)}, **options)["B1"]

    @staticmethod
    def config(**options: Any) -> DownloadConfig:
        return DownloadConfig.model_validate({**QUICK, **options})

    @property
    def records(self) -> dict[str, Record]:
        return Manifest(self.folder).records

    @property
    def files(self) -> dict[str, bytes]:
        """The pictures, and whatever should not lie there."""
        known = {"pictures.jsonl", "finished.json", ".lock"}
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name not in known}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def answers() -> Any:
    """The makers of answers, for test files cannot import one another."""

    class Answers:
        body, status, cut, noise, encoded = (staticmethod(f) for f in (body, status, cut, noise, encoded))

    return Answers
