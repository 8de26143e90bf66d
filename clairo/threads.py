"""One thread where more of them would change a result: they add the same numbers in another order."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


@contextmanager
def one_of_blas() -> Iterator[None]:
    """NumPy and SciPy on one thread, inside the block or the function that it decorates."""
    import scipy.linalg  # noqa: F401  # its library is limited only if it is there
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def one_of_torch() -> AbstractContextManager[None]:
    """PyTorch on one thread, inside the block."""
    import torch

    return _one(torch.get_num_threads, torch.set_num_threads)


def one_of_faiss() -> AbstractContextManager[None]:
    """FAISS on one thread, inside the block."""
    import faiss

    return _one(faiss.omp_get_max_threads, faiss.omp_set_num_threads)


@contextmanager
def _one(number: Callable[[], int], take: Callable[[int], None]) -> Iterator[None]:
    before = number()
    take(1)
    try:
        yield
    finally:
        take(before)
