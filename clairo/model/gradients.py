"""The gradients of a batch's loss: by one process or by several, at once or part by part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from clairo import log, rng
from clairo.model import memory
from clairo.model.network import Teacher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerate import Accelerator
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.model.examples import Batch
    from clairo.model.group import Group
    from clairo.model.loss import TrieLoss, VocabularyLoss

Accumulate = int | Literal["auto"]


class Gradients:
    """Leaves the gradients of a batch's loss in the parameters of `network`.

    Each process of `group` takes its rows of every batch, in parts of at most `rows` rows. A loss is a mean,
    over examples or over labels, so each part's loss weighs as many of them as the part has: the sum is the
    loss of the batch, whatever its division, up to rounding and to what dropout draws.

    The gradients of all processes are added up once a step, by hand: `DistributedDataParallel` would give
    every process the same weight and want rows in each, and a step that ran out of memory half way, with
    some gradients sent, could not be taken again.

    Attributes:
        rows: most rows of a part; falls if memory runs out and `accumulate` is "auto".

    Args:
        network: on the accelerator's device.
        loss: what to minimise (see `clairo.model.loss`).
        accelerator: device and precision.
        group: the processes.
        seed: of dropout.
        batch_size: rows of a whole batch.
        accumulate: parts that a process takes its rows in, or "auto": as many as memory asks for.
    """

    def __init__(
        self,
        network: T5ForConditionalGeneration,
        loss: TrieLoss | VocabularyLoss,
        accelerator: Accelerator,
        group: Group,
        *,
        seed: int,
        batch_size: int,
        accumulate: Accumulate,
    ) -> None:
        self._accelerator, self._group, self._seed = accelerator, group, seed
        self._device = accelerator.device
        self._count = loss.count
        # Prepared as if to evaluate: mixed precision, without DistributedDataParallel.
        self._teacher = accelerator.prepare_model(
            Teacher(network, loss.to(self._device)), evaluation_mode=True
        )
        self._parameters = list(network.parameters())
        self._by_itself = accumulate == "auto"
        self.rows = _split(_split(batch_size, group.count), 1 if accumulate == "auto" else accumulate)
        self._sums = torch.zeros(0)
        if group.count > 1:
            size = sum(parameter.numel() for parameter in self._parameters)
            self._sums = torch.zeros(size + 2, device=self._device)

    def __call__(self, batch: Batch, step: int, *, to_come: int = 0) -> Tensor:
        """The loss of the whole batch, a scalar without gradient.

        Args:
            batch: the whole batch, the same in every process, on the CPU.
            step: its number, which dropout derives from: nothing of it has to be kept to go on as if
                uninterrupted.
            to_come: bytes that the optimizer has yet to allocate, to be left free when looking for what fits.

        Raises:
            ClairoError: memory ran out, and may not or cannot be saved; the hint says what fits.
        """
        while True:
            loss, fits = self._attempt(batch, step)
            if fits:
                return loss
            self._discard()
            self._shrink(batch, to_come)

    def restore(self, rows: int) -> None:
        """Go on with parts of `rows` rows, if an earlier attempt at the training found them to fit."""
        if self._by_itself and rows:
            self.rows = min(self.rows, rows)

    def _attempt(self, batch: Batch, step: int) -> tuple[Tensor, bool]:
        """The batch's loss, and whether memory was enough in every process."""
        if self._group.count > 1:
            self._attach()
        loss, fits = torch.zeros((), device=self._device), True
        try:
            for number, (part, weight) in enumerate(self._parts(batch)):
                torch.manual_seed(self._dropout_seed(step, number))
                loss += self._backward(part, weight)
        except RuntimeError as error:
            if not memory.ran_out(error):
                raise
            fits = False
        return self._summed(loss, fits) if self._group.count > 1 else (loss, fits)

    def _backward(self, part: Batch, weight: float) -> Tensor:
        part = part.to(self._device)
        loss: Tensor = self._teacher(part.ids, part.mask, part.labels) * weight
        self._accelerator.backward(loss)
        return loss.detach()

    def _parts(self, batch: Batch) -> Iterator[tuple[Batch, float]]:
        """This process's parts of a batch, none if there are more processes than rows, and their weights."""
        if self._group.count == 1 and len(batch.ids) <= self.rows:
            yield batch, 1.0
            return
        total = self._count(batch.labels)
        rows = torch.arange(len(batch.ids))[self._group.share]
        for some in torch.split(rows, self.rows) if len(rows) else ():
            part = take(batch, some)
            yield part, self._count(part.labels) / total

    def _dropout_seed(self, step: int, part: int) -> int:
        names = [] if (self._group.rank, part) == (0, 0) else [self._group.rank, part]
        return rng.derive(self._seed, "dropout", step, *names)

    def _attach(self) -> None:
        """Let gradients add up in one flat tensor, which goes to the other processes as it is."""
        self._sums.zero_()
        sizes = [parameter.numel() for parameter in self._parameters]
        pieces = torch.split(self._sums[:-2], sizes)
        for parameter, piece in zip(self._parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)

    def _summed(self, loss: Tensor, fits: bool) -> tuple[Tensor, bool]:
        """Gradients, loss and failures of all processes, in one message."""
        self._sums[-2] = loss
        self._sums[-1] = float(not fits)
        self._group.sum(self._sums)
        return self._sums[-2].clone(), not bool(self._sums[-1])

    def _discard(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
        memory.forget()

    def _shrink(self, batch: Batch, to_come: int) -> None:
        rows = min(self.rows, _split(len(batch.ids), self._group.count))
        if rows > 1 and self._by_itself:
            self.rows = _split(rows, 2)
            log.logger.warning(
                "out of memory: batches are taken in parts of %d examples from now on", self.rows
            )
            return
        raise memory.too_small("a training step", self._device, self._advice(batch, rows, to_come))

    def _advice(self, batch: Batch, rows: int, to_come: int) -> str:
        """What to change: found by trying."""
        while rows > 1:
            rows //= 2
            if self._try(batch, rows, to_come):
                size = rows * self._group.count
                return (
                    f"model.batch_size = {size} fits (tried); "
                    'or set model.accumulate = "auto": the same batch, in parts that fit'
                )
        return "not even one example fits: lower model.max_history, model.d_ff or model.layers"

    def _try(self, batch: Batch, rows: int, to_come: int) -> bool:
        """Whether the longest `rows` rows of the batch fit, forward and backward, in every process."""
        longest = batch.mask.sum(dim=1).argsort(descending=True, stable=True)[:rows]
        fits = True
        try:
            reserved = torch.empty(to_come, dtype=torch.uint8, device=self._device)
            self._backward(take(batch, longest), 1.0)
            del reserved
        except RuntimeError as error:
            if not memory.ran_out(error):
                raise
            fits = False
        self._discard()
        return not self._group.any(not fits)


def take(batch: Batch, rows: Tensor) -> Batch:
    """Some rows of a batch, without the columns that are padding in all of them."""
    ids, mask, labels = batch.ids[rows], batch.mask[rows], batch.labels[rows]
    length, steps = int(mask.sum(dim=1).max()), int((labels >= 0).sum(dim=1).max())
    return replace(batch, ids=ids[:, :length], mask=mask[:, :length], labels=labels[:, :steps])


def _split(rows: int, parts: int) -> int:
    """Most rows of a part."""
    return -(-rows // parts)
