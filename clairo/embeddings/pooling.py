"""From the features of a picture's parts to one vector: pooling of what networks of pictures give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clairo.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Pooling = Literal["auto", "cls", "mean", "pooler"]


def mean(features: Tensor, *, before: int, mask: Tensor | None = None) -> Tensor:
    """Mean over a picture's patches, (n, width).

    Args:
        features: (n, tokens, width), or (n, width, height, width of the map).
        before: tokens that stand before the patches (class, registers) and do not count.
        mask: (n, patches), 0 where a patch is padding.
    """
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    patches = features[:, before:]
    if mask is None:
        return patches.mean(dim=1)
    counted = mask.to(patches.dtype).unsqueeze(-1)
    return (patches * counted).sum(dim=1) / counted.sum(dim=1)


def refuse(pooling: str, why: str, *, offered: list[str]) -> InputError:
    """The error for a pooling that a model does not offer."""
    names = ", ".join(f'"{one}"' for one in offered)
    return InputError(f'embeddings.image.pooling = "{pooling}": {why}', hint=f"this model offers {names}")
