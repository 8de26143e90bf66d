"""Pictures of items: finding them in a folder, and opening files that nobody vouches for."""

from __future__ import annotations

import struct
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""File names that count as pictures, in any case; the first of these wins where an item has several."""

MAX_PIXELS = 64_000_000
"""Pixels (8,000 by 8,000, 192 MB in memory) above which a picture is not decoded: it may be a bomb."""

_FORMATS = ("JPEG", "PNG", "WEBP")


class UnreadablePictureError(ValueError):
    """A file that is no picture, is cut short, or is too large to be decoded."""


def find(folder: Path, ids: NDArray[np.str_]) -> list[Path | None]:
    """The picture of every one of `ids` (`<id>.jpg`, ...), None where the folder has none."""
    pictures: dict[str, Path] = {}
    rank = {suffix: place for place, suffix in enumerate(SUFFIXES)}
    files = [path for path in folder.iterdir() if path.suffix.lower() in rank and path.is_file()]
    for path in sorted(files, key=lambda path: (rank[path.suffix.lower()], path.name)):
        pictures.setdefault(path.stem, path)
    return [pictures.get(str(item)) for item in ids]


def load(path: Path) -> Image.Image:
    """The picture as RGB, upright, with what is transparent shown as white.

    Raises:
        UnreadablePictureError: it cannot be decoded, whatever the reason.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of sizes; sizes are bounded here, metadata is not used.
            warnings.simplefilter("ignore")
            return _decode(path)
    except (
        OSError,
        SyntaxError,  # how Pillow says that a PNG is broken
        ValueError,
        TypeError,
        EOFError,
        IndexError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise UnreadablePictureError(f"{path.name}: {error}") from None


def _decode(path: Path) -> Image.Image:
    from PIL import Image, ImageOps

    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadablePictureError(f"{image.width} x {image.height} pixels are too many")
        image.load()
        upright = ImageOps.exif_transpose(image)
    if "A" in upright.getbands() or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return upright.convert("RGB")
