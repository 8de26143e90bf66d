"""The learning rate over the steps of a training."""

import math


def warmup_steps(wanted: int, total: int) -> int:
    """Steps of warm-up out of `total` steps: what is wanted, but a tenth at most."""
    return min(wanted, total // 10)


def factor(step: int, *, warmup: int, total: int) -> float:
    """Share of the peak learning rate at `step`, counted from 0.

    It rises in a line over `warmup` steps, the last of which is at the peak, and then falls along half a
    cosine that reaches 0 at step `total`, the first that is not made.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
