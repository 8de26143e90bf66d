"""Opening pictures that nobody vouches for."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clairo.embeddings import pictures

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_pictures_are_found_by_item_id(tmp_path: Path) -> None:
    for name in ("a.jpg", "B.PNG", "c.webp", "d.jpeg", "e.png", "e.jpg", "f.gif", "g.txt"):
        (tmp_path / name).touch()
    (tmp_path / "h.jpg").mkdir()
    found = pictures.find(tmp_path, np.array(["d", "a", "B", "c", "e", "f", "g", "h", "z"]))
    names = [None if path is None else path.name for path in found]
    assert names == ["d.jpeg", "a.jpg", "B.PNG", "c.webp", "e.jpg", None, None, None, None]


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "P"), ("WEBP", "RGB")])
def test_every_kind_becomes_rgb(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "a.jpg"  # whatever it is called: the content decides
    path.write_bytes(encoded(Image.new("RGB", (20, 10), RED).convert(mode), kind))
    image = pictures.load(path)
    assert (image.mode, image.size) == ("RGB", (20, 10))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    path.write_bytes(encoded(image, "PNG"))
    assert [pictures.load(path).getpixel((x, 0)) for x in (0, 1)] == [WHITE, RED]
    path.write_bytes(encoded(Image.new("P", (1, 1), 0), "PNG", transparency=0))
    assert pictures.load(path).getpixel((0, 0)) == WHITE


def test_a_camera_held_sideways_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path.write_bytes(encoded(Image.new("RGB", (20, 10)), "JPEG", exif=exif))
    assert pictures.load(path).size == (10, 20)


def bomb() -> bytes:
    """A PNG of 40,000 by 40,000 pixels in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


JPEG = encoded(Image.effect_noise((60, 60), 80).convert("RGB"), "JPEG")
PNG = encoded(Image.effect_noise((60, 60), 80).convert("RGB"), "PNG")
BAD = {
    "empty": b"",
    "text": b"<html>404 not found</html>",
    "cut short": JPEG[: len(JPEG) // 2],
    "png cut short": PNG[: len(PNG) // 2],
    "png with a broken chunk": PNG[:40] + b"\0\0\0\0" + PNG[44:],
    "another format": encoded(Image.new("RGB", (5, 5)), "TIFF"),
    "bomb": bomb(),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_what_is_no_picture_is_told_apart_from_faults(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "B0001.jpg"
    path.write_bytes(content)
    with pytest.raises(pictures.UnreadablePictureError, match=r"^B0001\.jpg: ."):
        pictures.load(path)


def test_a_picture_above_the_bound_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 3599)
    with pytest.raises(pictures.UnreadablePictureError, match="60 x 60 pixels are too many"):
        pictures.load(path)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 3600)
    assert pictures.load(path).size == (60, 60)
