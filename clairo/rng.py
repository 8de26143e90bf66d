"""Random numbers: everything random in a run derives from the one seed of its configuration."""

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A seed of 32 bits for the purpose called `names`, independent of every other purpose.

    Hashing keeps streams apart without bookkeeping: adding a purpose never moves another's numbers.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the purpose called `names`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *names)))
