"""Whether bytes are a picture, told by nothing but the bytes."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clairo.embeddings.web import failures
from clairo.embeddings.web.failures import Failure

if TYPE_CHECKING:
    from clairo.config import DownloadConfig

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}
_FORMATS = ("JPEG", "PNG", "WEBP")  # a JPEG with further pictures behind it, of a phone, calls itself MPO
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")  # of pictures, be they cut short a moment later
_SHRINK = 8  # a JPEG is decoded this much smaller: all of it is read, and in a fraction of the time


_SCAN = b"\xff\xda"  # the bytes at which a scan of a JPEG begins
# A progressive JPEG has about ten scans. Each is a pass over all pixels, be it of 95 bytes: 20 MB would take
# hours. No fewer than this, for 20 MB of a film behind a photo have the two bytes 300 times by chance.
_MOST_SCANS = 500


@dataclass(frozen=True)
class Picture:
    """What a picture is."""

    content: bytes
    suffix: str
    width: int
    height: int


def check(content: bytes, cfg: DownloadConfig) -> Picture:
    """The picture that `content` is, after decoding it to the end.

    Raises:
        Failure: it is none, cut short, or outside the limits; these are looked at before it is decoded.
    """
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of sizes; sizes are bounded here, metadata is not used.
        warnings.simplefilter("ignore")
        picture = _identified(content, cfg)
        _decode(content)
    return picture


def _identified(content: bytes, cfg: DownloadConfig) -> Picture:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height, kind = image.width, image.height, str(image.format)
    except Image.DecompressionBombError:
        raise Failure(failures.TOO_MANY_PIXELS) from None
    except Exception as error:  # noqa: BLE001 - see _decode
        if content.startswith(_BEGINNINGS):
            raise Failure(failures.BROKEN, str(error)) from None
        begin = content[:20].decode("ascii", "replace")
        raise Failure(failures.NOT_A_PICTURE, f"begins {begin!r}" if content else "empty") from None
    if width * height > cfg.max_pixels:
        raise Failure(failures.TOO_MANY_PIXELS, f"{width} x {height}")
    if min(width, height) < cfg.min_side:
        raise Failure(failures.TOO_SMALL, f"{width} x {height}")
    if SUFFIXES[kind] == SUFFIXES["JPEG"] and (scans := content.count(_SCAN)) > _MOST_SCANS:
        raise Failure(failures.TOO_MANY_SCANS, str(scans))
    return Picture(content, SUFFIXES[kind], width, height)


def _decode(content: bytes) -> None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            image.verify()  # checksums, where the format has them
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            image.draft("RGB", (image.width // _SHRINK, image.height // _SHRINK))
            image.load()
    # Damaged bytes make decoders raise anything, and one picture must not end a download of a million.
    except Exception as error:  # noqa: BLE001
        raise Failure(failures.BROKEN, str(error)) from None
