"""A picture's colours, layout and pattern in numbers, with no weights.

Three blocks, each of length 1, so that none drowns the others; the whole has length 1 too:

- colour (245): histogram over CIELAB, 5 bins of lightness by 7 by 7 of the colour axes, finer near grey;
- layout (128): gradient directions (8) in a grid of 4 by 4 cells, as in HOG (Dalal and Triggs, 2005);
- pattern (52): uniform local binary patterns (Ojala et al., 2002) at two radii (10 + 18), and the directions
  (8) of gradients at three scales; both say what repeats, wherever it lies: stripes, dots, checks.

Histograms enter as square roots, so that a white background does not outweigh the thing in front of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Array = NDArray[np.float64]

SIDE = 96
COLOUR, LAYOUT, PATTERN = 245, 128, 52
WIDTH = COLOUR + LAYOUT + PATTERN
_DIRECTIONS = 8
_CIRCLES = ((8, 1), (16, 2))  # points, and radius in pixels
_SCALES = (1.0, 2.0, 4.0)
_FAINT = 1e-3  # change of lightness a pixel below which an area counts as flat
_LIGHTNESS = np.linspace(0, 100, 6)
_CHROMA = np.array([-128, -45, -22, -7, 7, 22, 45, 128], dtype=np.float64)


class Descriptor:
    """The descriptor as an image encoder."""

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """The picture's vector, (425,): it is small, so it is made at once and the picture let go."""
        return describe(image)

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """The vectors, stacked: (n, 425)."""
        vectors: NDArray[np.float32] = np.stack(batch)
        return vectors


def describe(image: Image.Image) -> NDArray[np.float32]:
    """The descriptor of an RGB picture, (425,) float32; the picture is stretched to a square of 96 pixels."""
    from PIL import Image
    from skimage.color import rgb2lab

    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
    lab = rgb2lab(small)
    lightness = lab[..., 0] / 100
    blocks = (_colour(lab), _layout(lightness), _pattern(lightness))
    return _unit(np.concatenate([_unit(block) for block in blocks])).astype(np.float32)


def _colour(lab: Array) -> Array:
    counts: Array = np.histogramdd(lab.reshape(-1, 3), bins=(_LIGHTNESS, _CHROMA, _CHROMA))[0]
    return np.sqrt(counts.ravel())


def _layout(lightness: Array) -> Array:
    from skimage.feature import hog

    # One block of all cells: normalised cell by cell, the noise of an empty background would be made large.
    cell = SIDE // 4
    cells: Array = hog(
        lightness, orientations=_DIRECTIONS, pixels_per_cell=(cell, cell), cells_per_block=(4, 4)
    )
    return cells


def _pattern(lightness: Array) -> Array:
    from skimage.feature import local_binary_pattern

    grey = np.round(lightness * 255).astype(np.uint8)
    patterns = [
        np.bincount(local_binary_pattern(grey, n, radius, "uniform").astype(int).ravel(), minlength=n + 2)
        for n, radius in _CIRCLES
    ]
    directions = [_directions(lightness, scale) for scale in _SCALES]
    return np.concatenate([_unit(np.sqrt(block)) for block in [*patterns, *directions]])


def _directions(lightness: Array, scale: float) -> Array:
    """Gradient strength by direction, modulo half a turn, after smoothing by `scale` pixels."""
    from skimage.filters import gaussian

    down, right = np.gradient(gaussian(lightness, scale))
    strength = np.hypot(down, right)
    strength[strength < _FAINT] = 0
    angle = np.arctan2(down, right) % np.pi / np.pi * _DIRECTIONS
    place = np.round(angle).astype(int).ravel() % _DIRECTIONS
    return np.bincount(place, weights=strength.ravel(), minlength=_DIRECTIONS).astype(np.float64)


def _unit(block: Array) -> Array:
    length = float(np.linalg.norm(block))
    return block / length if length > 1e-9 else np.zeros_like(block)
