"""The metadata of an item as published: its words tell the theme and, faintly, the kind; never the look."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

from clairo import rng
from clairo.shop.catalogue import Catalogue
from clairo.shop.words import (
    CLOSINGS,
    DESCRIPTIONS,
    FEATURES,
    GENERIC,
    HOUSE_BRANDS,
    KIND_FEATURES,
    KINDS,
    SIZES,
    THEMES,
    TITLE,
)

Record = dict[str, Any]
_HOUSE_BRAND_SHARE = 0.2
_NO_PRICE_SHARE = 0.15
_SIZE_SHARE = 0.3
_IMAGES = "https://images.shop.example/images/I/"


class _Words(dict[str, str]):
    """The words of one item, by slot of a template: each look-up gives the next one, round and round."""

    def __init__(self, theme: int, kind: int, random: np.random.Generator) -> None:
        super().__init__()
        self._theme = cycle(_shuffled(THEMES[theme].words, random))
        self._kind = cycle(_shuffled(KINDS[kind].words, random)[:2])
        self._generic = cycle(_shuffled(GENERIC, random))

    def __missing__(self, slot: str) -> str:
        if slot.startswith("generic"):
            return next(self._generic)
        return next(self._kind if slot == "kind" else self._theme)

    def fill(self, template: str) -> str:
        """The template with every slot filled, beginning with a capital."""
        text = template.format_map(self)
        return text[0].upper() + text[1:]


def records(catalogue: Catalogue, seed: int) -> Iterator[Record]:
    """The clean metadata records, in the order of the catalogue, with the keys of the published files."""
    for row, asin in enumerate(catalogue.ids.tolist()):
        yield _record(asin, int(catalogue.theme[row]), int(catalogue.kind[row]), seed)


def _record(asin: str, theme: int, kind: int, seed: int) -> Record:
    random = rng.generator(seed, "shop", "words", asin)
    words = _Words(theme, kind, random)
    brand = _pick(HOUSE_BRANDS if random.random() < _HOUSE_BRAND_SHARE else THEMES[theme].brands, random)
    weight = random.uniform(0.1, 30)
    return {
        "category": ["Hobbies & Leisure", _pick(THEMES[theme].categories, random)],
        "tech1": "",
        "description": _description(words, random),
        "fit": "",
        "title": _title(brand, words, random),
        "also_buy": [],
        "tech2": "",
        "brand": brand,
        "feature": _features(words, random),
        "rank": f"{random.integers(1, 900_000):,} in Hobbies & Leisure (",
        "also_view": [],
        "details": {"Shipping Weight:": f"{weight:.1f} ounces", "ASIN: ": asin},
        "main_cat": "Hobbies & Leisure",
        "similar_item": "",
        "date": "",
        "price": "" if random.random() < _NO_PRICE_SHARE else f"${np.exp(random.normal(3, 0.7)):.2f}",
        "asin": asin,
        "imageURL": [f"{_IMAGES}{asin}._SX38_SY50_CR,0,0,38,50_.jpg"],
        "imageURLHighRes": [f"{_IMAGES}{asin}.jpg"],
    }


def _title(brand: str, words: _Words, random: np.random.Generator) -> str:
    core = f"{brand} {words.fill(TITLE)}".title()
    return f"{core}, {_pick(SIZES, random)}" if random.random() < _SIZE_SHARE else core


def _features(words: _Words, random: np.random.Generator) -> list[str]:
    """Two to four lines; one of them names the kind."""
    templates = _shuffled(FEATURES, random)[: random.integers(1, 4)]
    return [words.fill(text) for text in _shuffled([*templates, _pick(KIND_FEATURES, random)], random)]


def _description(words: _Words, random: np.random.Generator) -> list[str]:
    """One or two paragraphs; the last one closes with a sentence that says nothing."""
    paragraphs = [words.fill(text) for text in _shuffled(DESCRIPTIONS, random)[: random.integers(1, 3)]]
    paragraphs[-1] += " " + _pick(CLOSINGS, random)
    return paragraphs


def _shuffled(words: tuple[str, ...] | list[str], random: np.random.Generator) -> list[str]:
    return [words[index] for index in random.permutation(len(words))]


def _pick(words: tuple[str, ...], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]
