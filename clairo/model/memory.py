"""Running out of memory: how it shows, and what it is turned into."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from accelerate.utils.memory import clear_device_cache

from clairo.errors import ClairoError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNS = ("out of memory", "can't allocate memory")  # of accelerators, and of the CPU's allocator


_C = ctypes.CDLL(None)


def trim() -> None:
    """Give the system back what the C library keeps of freed memory, where it can (glibc).

    Otherwise a process that trains on a CPU keeps what its longest batch took, and the holes that batches of
    ever new lengths leave in the heap. Mapping every large tensor by itself helps more, at twice the time.
    """
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


def ran_out(error: BaseException) -> bool:
    """Whether `error` says that a device has too little memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


def forget() -> None:
    """Give back what the accelerator's allocator keeps for later, so that pieces of another size fit."""
    clear_device_cache(garbage_collection=True)


@contextmanager
def needed_for(purpose: str, device: torch.device, hint: str) -> Iterator[None]:
    """Turn running out of memory inside the block into words.

    Raises:
        ClairoError: the memory of `device` is too small for `purpose`.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, MemoryError) or ran_out(error)):
            raise
        raise too_small(purpose, device, hint) from None


def too_small(purpose: str, device: torch.device, hint: str) -> ClairoError:
    """The error that says so."""
    return ClairoError(f"the {device.type} device ran out of memory for {purpose}", hint=hint)
