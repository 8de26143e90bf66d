"""One thread where more of them would change a result: they add the same numbers in another order."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_of_blas() -> Iterator[None]:
    """NumPy and SciPy on one thread, inside the block or the function that it decorates."""
    import scipy.linalg  # noqa: F401  # its library is limited only if it is there
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@contextmanager
def one_of_torch() -> Iterator[None]:
    """PyTorch on one thread, inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_of_faiss() -> Iterator[None]:
    """FAISS on one thread, inside the block."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
