"""The shop's pictures: a look is a palette and a pattern, and nothing else of an item shows.

A picture has a whitish background and one object of random shape, filled with the look. Hue, lightness, size,
phase, angle, place, noise and the shape of the object are drawn for each picture.
"""

import colorsys
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
"""Height and width of a picture, pixels."""
_QUALITY = 88
_NOISE = 8.0
_HUE_JITTER, _VALUE_JITTER = 0.015, 0.08

Field = NDArray[np.float64]
Pattern = Callable[[Field, Field, np.random.Generator], Field]


def _bands(wave: Field) -> Field:
    """1 in the first half of every unit of `wave`, 0 in the second."""
    return np.where(np.mod(wave, 1.0) < 0.5, 1.0, 0.0)


def _stripes(angle: float, period: float) -> Pattern:
    """Bands of `period` pixels at `angle` degrees, turned and scaled a little for every picture."""

    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        turn = np.deg2rad(angle + random.uniform(-5, 5))
        wave = (x * np.cos(turn) + y * np.sin(turn)) / (period * random.uniform(0.85, 1.15))
        return _bands(wave + random.random())

    return pattern


def _dots(period: float) -> Pattern:
    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        size = period * random.uniform(0.85, 1.15)
        u = np.mod(x / size + random.random(), 1.0) - 0.5
        v = np.mod(y / size + random.random(), 1.0) - 0.5
        return np.where(u * u + v * v < 0.09, 1.0, 0.0)

    return pattern


def _checks(period: float) -> Pattern:
    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        size = period * random.uniform(0.85, 1.15)
        cells = np.floor(x / size + random.random()) + np.floor(y / size + random.random())
        return _bands(cells / 2)

    return pattern


def _rings(period: float) -> Pattern:
    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        u, v = x - SIDE * random.uniform(0.35, 0.65), y - SIDE * random.uniform(0.35, 0.65)
        return _bands(np.hypot(u, v) / (period * random.uniform(0.85, 1.15)))

    return pattern


def _gradient(angle: float) -> Pattern:
    """A soft change from one colour to the other."""

    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        turn = np.deg2rad(angle + random.uniform(-12, 12))
        slope = (x - SIDE / 2) * np.cos(turn) + (y - SIDE / 2) * np.sin(turn)
        return np.asarray(np.clip(0.5 + slope / SIDE + random.uniform(-0.1, 0.1), 0.0, 1.0))

    return pattern


def _speckles(grain: int) -> Pattern:
    """Random cells of `grain` pixels."""

    def pattern(_x: Field, _y: Field, random: np.random.Generator) -> Field:
        n = SIDE // grain + 1
        cells = (random.random((n, n)) < 0.5).astype(np.float64)
        return cells.repeat(grain, axis=0).repeat(grain, axis=1)[:SIDE, :SIDE]

    return pattern


def _waves(period: float) -> Pattern:
    def pattern(x: Field, y: Field, random: np.random.Generator) -> Field:
        bend = 5.0 * np.sin(x / (period * 0.9) + random.uniform(0, 2 * np.pi))
        wave = (y + bend) / (period * random.uniform(0.85, 1.15))
        return _bands(wave + random.random())

    return pattern


@dataclass(frozen=True, slots=True)
class Look:
    """Two colours (hue, saturation, value in 0..1) and the pattern that mixes them."""

    name: str
    ground: tuple[float, float, float]
    figure: tuple[float, float, float]
    pattern: Pattern


LOOKS = (
    Look("red and cream upright stripes", (0.00, 0.85, 0.80), (0.12, 0.20, 0.95), _stripes(0, 14)),
    Look("orange and brown checks", (0.07, 0.90, 0.95), (0.06, 0.70, 0.40), _checks(13)),
    Look("yellow with grey dots", (0.15, 0.80, 0.95), (0.00, 0.00, 0.35), _dots(17)),
    Look("lime and dark green level stripes", (0.24, 0.75, 0.85), (0.33, 0.80, 0.30), _stripes(90, 14)),
    Look("green to mint gradient", (0.38, 0.80, 0.50), (0.42, 0.30, 0.90), _gradient(45)),
    Look("teal and white waves", (0.49, 0.85, 0.55), (0.49, 0.08, 0.97), _waves(13)),
    Look("sky blue with navy rings", (0.56, 0.50, 0.95), (0.64, 0.85, 0.35), _rings(15)),
    Look("blue and yellow slanted stripes", (0.62, 0.85, 0.80), (0.15, 0.75, 0.95), _stripes(45, 14)),
    Look("violet speckles on lilac", (0.75, 0.75, 0.60), (0.76, 0.25, 0.92), _speckles(5)),
    Look("pink with white dots", (0.92, 0.45, 0.95), (0.00, 0.02, 0.98), _dots(13)),
    Look("black and silver checks", (0.00, 0.00, 0.12), (0.00, 0.00, 0.70), _checks(9)),
    Look("sand to chocolate gradient", (0.09, 0.30, 0.85), (0.05, 0.65, 0.30), _gradient(90)),
)

_Y, _X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)


def paint(look: Look, random: np.random.Generator) -> NDArray[np.uint8]:
    """One picture with this look, uint8 (SIDE, SIDE, 3)."""
    mix = look.pattern(_X, _Y, random)[..., None]
    hue, value = random.normal(0, _HUE_JITTER), random.normal(0, _VALUE_JITTER)
    inside = (1 - mix) * _colour(look.ground, hue, value) + mix * _colour(look.figure, hue, value)
    picture = np.where(_object(random)[..., None], inside, random.uniform(215, 255))
    noise = random.standard_normal((SIDE, SIDE, 1), dtype=np.float32) * _NOISE
    return np.asarray(np.clip(picture + noise, 0, 255), dtype=np.uint8)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """The picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _colour(hsv: tuple[float, float, float], hue: float, value: float) -> NDArray[np.float64]:
    h, s, v = hsv
    return 255 * np.array(colorsys.hsv_to_rgb((h + hue) % 1.0, s, min(max(v + value, 0.0), 1.0)))


def _object(random: np.random.Generator) -> NDArray[np.bool_]:
    """Where the object is: anything between an ellipse and a rectangle, most of the picture wide."""
    half_width, half_height = SIDE * random.uniform(0.3, 0.48, size=2)
    middle_x, middle_y = SIDE * (0.5 + random.uniform(-0.03, 0.03, size=2))
    power = random.uniform(2.0, 8.0)
    distance = np.abs((_X - middle_x) / half_width) ** power + np.abs((_Y - middle_y) / half_height) ** power
    return np.asarray(distance < 1)
