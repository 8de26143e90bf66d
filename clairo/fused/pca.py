"""Principal components, fitted once and applied to items old and new."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Scaling = Literal["none", "balance", "whiten"]

_NOISE = 1e-10  # of the first component's variance: below it, a component is rounding of single precision
_STILL = 1e-12  # of the vectors' mean squared length: below it, the vectors do not vary at all


@dataclass(frozen=True)
class Projection:
    """Centre, rotate to principal components, scale.

    Attributes:
        mean: (width_in,) float64.
        components: (width, width_in) float64, rows of length 1, in falling order of variance.
        scale: (width,) float64, factor of every component.
        explained: share of the variance that the components keep.
    """

    mean: Array
    components: Array
    scale: Array
    explained: float

    @property
    def width(self) -> int:
        """Components kept."""
        return len(self.components)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (n, width_in) in the new space, (n, width)."""
        centred = vectors.astype(np.float64) - self.mean
        return (centred @ self.components.T * self.scale).astype(np.float32)


def fit(vectors: NDArray[np.float32], width: int, scaling: Scaling) -> Projection:
    """The projection of `vectors` (n, width_in) on their first `width` principal components.

    Fewer are kept where the vectors do not vary in so many directions; none, where they are all equal. The
    sign of a component is such that its largest weight is positive, so the result is the same everywhere.

    Args:
        vectors: what to fit on.
        width: components wanted.
        scaling: `none`: distances stay as they are; `balance`: the components kept have a variance of 1
            together; `whiten`: each has.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    components, variance = _principal(vectors - mean)
    still = _STILL * float((vectors.astype(np.float64) ** 2).sum(axis=1).mean())
    kept = min(width, int((variance > max(_NOISE * variance.max(initial=0), still)).sum()))
    explained = float(variance[:kept].sum() / variance.sum()) if kept else 0.0
    return Projection(mean, components[:kept], _scale(variance[:kept], scaling), explained)


def _principal(centred: Array) -> tuple[Array, Array]:
    """All components and their variances, by the cheaper of two exact ways."""
    from sklearn.decomposition import PCA

    n, width = centred.shape
    if n < 2:
        return np.zeros((0, width)), np.zeros(0)
    with np.errstate(invalid="ignore"):  # of equal vectors, scikit-learn divides nothing by nothing
        pca = PCA(min(n, width), svd_solver="covariance_eigh" if n > width else "full").fit(centred)
    return pca.components_, pca.explained_variance_


def _scale(variance: Array, scaling: Scaling) -> Array:
    if scaling == "whiten":
        return 1 / np.sqrt(variance)
    if scaling == "balance" and len(variance):
        return np.full(len(variance), 1 / np.sqrt(variance.sum()))
    return np.ones(len(variance))
