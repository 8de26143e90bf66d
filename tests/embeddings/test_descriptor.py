"""The descriptor tells palettes and patterns apart, and not the size or noise of a picture."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clairo.embeddings import descriptor

Mask = NDArray[np.bool_]
Y, X = np.mgrid[0:120, 0:120]


def _dots(period: float, shift: int) -> Mask:
    u, v = (X + shift) % period - period / 2, (Y + shift) % period - period / 2
    return np.asarray(u * u + v * v < (0.35 * period) ** 2)


PATTERNS: dict[str, Callable[[float, int], Mask]] = {
    "upright stripes": lambda period, shift: np.asarray((X + shift) % period < period / 2),
    "level stripes": lambda period, shift: np.asarray((Y + shift) % period < period / 2),
    "slanted stripes": lambda period, shift: np.asarray((X + Y + shift) % (1.4 * period) < 0.7 * period),
    "dots": _dots,
    "checks": lambda period, shift: np.asarray(((X + shift) // (period / 2) + Y // (period / 2)) % 2 == 0),
    "plain": lambda _period, _shift: np.zeros(X.shape, dtype=np.bool_),
}
PALETTES = {
    "red and cream": ((200, 30, 30), (250, 240, 200)),
    "navy and sky": ((20, 30, 90), (130, 190, 250)),
    "black and grey": ((20, 20, 20), (140, 140, 140)),
    "green and yellow": ((30, 120, 40), (240, 220, 60)),
}


def paint(mask: Mask, palette: str, seed: int) -> Image.Image:
    ground, figure = PALETTES[palette]
    noise = np.random.default_rng(seed).normal(0, 4, (*mask.shape, 1))
    picture = np.where(mask[..., None], figure, ground) + noise
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def describe_all(pictures: list[Image.Image]) -> NDArray[np.float32]:
    return np.stack([descriptor.describe(picture) for picture in pictures])


def nearest_agree(vectors: NDArray[np.float32], labels: list[str]) -> float:
    """Share of pictures whose nearest neighbour has their label."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    return float(np.mean([labels[row] == labels[near] for row, near in enumerate(similarity.argmax(axis=1))]))


def test_the_vector_is_as_documented() -> None:
    vector = descriptor.describe(paint(PATTERNS["dots"](16, 0), "navy and sky", 0))
    assert vector.shape == (descriptor.WIDTH,) == (425,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    blocks = np.split(vector, np.cumsum([descriptor.COLOUR, descriptor.LAYOUT]))
    assert [np.linalg.norm(block) for block in blocks] == pytest.approx([3**-0.5] * 3, abs=1e-6)


@pytest.mark.parametrize("palette", PALETTES)
def test_patterns_are_told_apart_within_a_palette(palette: str) -> None:
    cases = [(name, period, shift) for name in PATTERNS for period in (14, 18) for shift in (0, 5, 9)]
    pictures = [
        paint(PATTERNS[name](period, shift), palette, seed)
        for seed, (name, period, shift) in enumerate(cases)
    ]
    assert nearest_agree(describe_all(pictures), [name for name, _, _ in cases]) == 1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_palettes_are_told_apart_within_a_pattern(pattern: str) -> None:
    cases = [(palette, period) for palette in PALETTES for period in (10, 14, 18, 22)]
    pictures = [
        paint(PATTERNS[pattern](period, 3), palette, seed) for seed, (palette, period) in enumerate(cases)
    ]
    assert nearest_agree(describe_all(pictures), [palette for palette, _ in cases]) == 1


def test_size_hardly_matters() -> None:
    pictures = [paint(PATTERNS[name](16, 0), "red and cream", 0) for name in PATTERNS]
    doubled = [picture.resize((240, 240)) for picture in pictures]
    similarity = describe_all(pictures) @ describe_all(doubled).T
    np.testing.assert_array_equal(similarity.argmax(axis=1), range(len(pictures)))
    assert similarity.diagonal().min() > 0.95


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (96, 96)])
def test_flat_and_odd_pictures_have_a_finite_vector(size: tuple[int, int]) -> None:
    vector = descriptor.describe(Image.new("RGB", size, (255, 255, 255)))
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    layout = vector[descriptor.COLOUR : descriptor.COLOUR + descriptor.LAYOUT]
    assert not layout.any()
