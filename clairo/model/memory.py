"""Running out of memory: how it shows, and what it is turned into."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from accelerate.utils.memory import clear_device_cache

from clairo.errors import ClairoError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNS = ("out of memory", "can't allocate memory")  # of accelerators, and of the CPU's allocator


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
