"""Shape and schedule of a model where the configuration leaves them open: they follow from the data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clairo.config import ModelConfig

_STEPS = 20_000
_EPOCHS = (20, 200)


@dataclass(frozen=True)
class Size:
    """Shape of a T5 and how it is trained, in the words of `[model]`; 0 epochs are not yet counted."""

    layers: int
    d_model: int
    d_ff: int
    heads: int
    d_kv: int
    dropout: float
    batch_size: int
    epochs: int = 0


SMALL = Size(layers=2, d_model=64, d_ff=256, heads=4, d_kv=16, dropout=0.2, batch_size=64)
"""Up to 50,000 examples."""
MEDIUM = Size(layers=2, d_model=128, d_ff=512, heads=4, d_kv=32, dropout=0.1, batch_size=256)
"""Up to 500,000 examples."""
LARGE = Size(layers=4, d_model=128, d_ff=1024, heads=6, d_kv=64, dropout=0.1, batch_size=256)
"""Above: the shape of ActionPiece's model (Hou et al., ICML 2025)."""


def size_for(cfg: ModelConfig, examples: int) -> Size:
    """What `cfg` says, and where it says nothing, what suits the number of training examples."""
    usual = SMALL if examples <= 50_000 else MEDIUM if examples <= 500_000 else LARGE
    said = {name: value for name in asdict(usual) if (value := getattr(cfg, name)) is not None}
    size = replace(usual, **said)
    if size.epochs:
        return size
    least, most = _EPOCHS
    steps = -(-examples // size.batch_size)
    return replace(size, epochs=min(most, max(least, math.ceil(_STEPS / steps))))
