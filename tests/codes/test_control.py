"""Random codes: even, fixed by seed, group and item, and by nothing else."""

import numpy as np

from clairo.codes.control import random_codes

ITEMS = np.array([f"i{row}" for row in range(4000)])


def test_every_value_is_as_likely_in_every_book() -> None:
    codes = random_codes(ITEMS, group="text", books=3, values=16, seed=0)
    assert codes.shape == (4000, 3)
    assert codes.dtype == np.uint32
    for book in range(3):
        counts = np.bincount(codes[:, book], minlength=16)
        assert counts.min() > 180
        assert counts.max() < 320
    pairs = np.bincount(codes[:, 0] * 16 + codes[:, 1], minlength=256)  # books know nothing of each other
    assert ((pairs - 4000 / 256) ** 2 / (4000 / 256)).sum() < 330  # chi-squared, 255 degrees: p = .001


def test_an_item_keeps_its_codes_whatever_stands_beside_it() -> None:
    whole = random_codes(ITEMS, group="text", books=4, values=65536, seed=1)
    part = random_codes(ITEMS[[7, 3000]], group="text", books=4, values=65536, seed=1)
    np.testing.assert_array_equal(part, whole[[7, 3000]])
    for other in ({"seed": 2}, {"group": "image"}):
        changed = random_codes(ITEMS, **{"group": "text", "books": 4, "values": 65536, "seed": 1, **other})  # type: ignore[arg-type]
        assert (changed != whole).any(axis=1).all()
    assert random_codes(ITEMS[:0], group="text", books=4, values=2, seed=1).shape == (0, 4)
