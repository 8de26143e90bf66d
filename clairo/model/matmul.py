"""Float32 matrix products on a CPU by the faster of PyTorch's libraries, where it computes the same."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fast_float32(device: torch.device) -> Iterator[None]:
    """Let oneDNN multiply float32 matrices, if `device` is a CPU on which it does so in float32.

    PyTorch gives float32 products to MKL; on an AMD EPYC oneDNN was two to four times as fast. It is asked
    for by the precision "medium", which permits bfloat16, but need not mean it: on a processor for which it
    does, everything stays as it was. The setting is the whole process's, and is put back at the end.
    """
    if device.type != "cpu" or not _keeps_float32():
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _keeps_float32() -> bool:
    """Whether products under the precision "medium" keep what bfloat16 would round off."""
    fine = torch.full((256, 256), 1 + 2.0**-12)  # bfloat16 has 1, and then 1 + 2^-7
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        found = torch.stack((fine @ fine.T, torch.bmm(fine[None], fine[None])[0]))
    finally:
        torch.set_float32_matmul_precision(before)
    return bool(((found / 256 - (1 + 2.0**-12) ** 2).abs() < 2.0**-20).all())
