"""Fused: PCA brings every modality to its share of what the quantizers see."""

from clairo.fused.fusion import Fusion
from clairo.fused.stage import extend, make, shuffled

__all__ = ["Fusion", "extend", "make", "shuffled"]
