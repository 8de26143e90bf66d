"""Principal components against plain linear algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.fused import pca

Array = NDArray[np.float64]


def cloud(n: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors that vary differently in every direction, around a mean that is not zero."""
    random = np.random.default_rng(seed)
    stretch = random.standard_normal((width, width)) * np.geomspace(3, 0.1, width)[:, None]
    return (random.standard_normal((n, width)) @ stretch + 5).astype(np.float32)


def by_hand(vectors: NDArray[np.float32], width: int) -> tuple[Array, Array, Array]:
    """Mean, components and variances from the eigenvectors of the covariance matrix."""
    exact = vectors.astype(np.float64)
    mean = exact.mean(axis=0)
    covariance = (exact - mean).T @ (exact - mean) / (len(exact) - 1)
    values, columns = np.linalg.eigh(covariance)
    components = columns[:, ::-1].T[:width]
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return mean, components * signs[:, None], values[::-1][:width]


@pytest.mark.parametrize(("n", "width"), [(200, 12), (12, 30), (13, 12)])
def test_it_is_the_eigendecomposition_of_the_covariance(n: int, width: int) -> None:
    vectors = cloud(n, width)
    mean, components, variance = by_hand(vectors, 8)
    fitted = pca.fit(vectors, 8, "none")
    np.testing.assert_allclose(fitted.mean, mean, atol=1e-9)
    np.testing.assert_allclose(fitted.components, components, atol=1e-7)
    np.testing.assert_array_equal(fitted.scale, np.ones(8))
    assert fitted.explained == pytest.approx(
        variance.sum() / vectors.var(axis=0, ddof=1, dtype=np.float64).sum()
    )
    np.testing.assert_allclose(fitted(vectors), (vectors - mean) @ components.T, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 20), st.integers(0, 2**32))
def test_components_are_orthonormal_and_fall_in_variance(n: int, width: int, wanted: int, seed: int) -> None:
    vectors = cloud(n, width, seed)
    fitted = pca.fit(vectors, wanted, "none")
    assert fitted.width <= min(wanted, n - 1, width)
    np.testing.assert_allclose(fitted.components @ fitted.components.T, np.eye(fitted.width), atol=1e-9)
    variance = fitted(vectors).var(axis=0, dtype=np.float64)
    assert (np.diff(variance) <= 1e-4 * variance.max(initial=0)).all()


def test_scalings() -> None:
    vectors = cloud(300, 10)
    plain, balanced, white = (
        pca.fit(vectors, 6, scaling)(vectors) for scaling in ("none", "balance", "whiten")
    )
    assert balanced.var(axis=0, ddof=1).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(balanced / balanced[0, 0], plain / plain[0, 0], rtol=1e-4)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-4)


def test_only_directions_that_vary_are_kept() -> None:
    flat = cloud(50, 3) @ np.random.default_rng(1).standard_normal((3, 10)).astype(np.float32)
    for scaling in ("none", "whiten"):
        fitted = pca.fit(flat, 8, scaling)
        assert fitted.width == 3
        assert np.abs(fitted(flat)).max() < 1e3
    assert fitted.explained == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_vectors_that_are_all_equal_have_no_component(n: int) -> None:
    equal = np.tile(np.array([0.1, 0.7, -0.3], dtype=np.float32), (n, 1))
    for scaling in ("none", "balance", "whiten"):
        fitted = pca.fit(equal, 3, scaling)
        assert fitted.width == 0
        assert fitted(equal).shape == (n, 0)
