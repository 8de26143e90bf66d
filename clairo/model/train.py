"""The training loop: epochs of steps, validation, checkpoints, and when to stop."""

from __future__ import annotations

import math
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import ProjectConfiguration

from clairo import log
from clairo.errors import ClairoError, InputError
from clairo.model import memory, schedule, tracking
from clairo.model.checkpoint import Checkpoints, Progress
from clairo.model.gradients import Accumulate, Gradients
from clairo.model.matmul import fast_float32
from clairo.model.network import parameter_groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.model.examples import Batch, Batches
    from clairo.model.group import Group
    from clairo.model.loss import TrieLoss, VocabularyLoss
    from clairo.model.tracking import Track

_CHOSEN_BY = "ndcg@10"
_SMALLER = "the model itself is too large: lower model.d_model, model.d_ff, model.layers or vocabulary.size"
_SETTLE_EVERY = 16  # steps between looks at the loss, each of which waits for an accelerator

# Between processes. Checkpoints and validation can keep one long; that one is dead, the launcher hears.
_LONGEST_WAIT = timedelta(days=1)


def make_accelerator(
    device: str, precision: str, *, tracker: str = tracking.NONE, logs: Path | None = None
) -> Accelerator:
    """What accelerate knows of this machine, with `device` "cpu" forcing the CPU.

    Args:
        device: "auto" or "cpu".
        precision: mixed precision as accelerate names it, or "auto": bf16 where the device computes in it.
        tracker: what to log with (see `clairo.model.tracking`).
        logs: folder of the files of a tracker that writes some.

    Raises:
        InputError: the device does not have this precision, or there is no such tracker.
    """
    tracking.check(tracker)
    # Accelerate keeps one state a process; a second training in it may want another device or precision.
    AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001
    hint = "set model.precision to bf16 or no"
    try:
        accelerator = Accelerator(
            cpu=device == "cpu",
            mixed_precision=_fastest(device) if precision == "auto" else precision,
            log_with=None if tracker == tracking.NONE else tracker,
            project_config=ProjectConfiguration(logging_dir=None if logs is None else str(logs)),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_LONGEST_WAIT)],
        )
    except (ValueError, ImportError) as error:
        raise InputError(f"model.precision = {precision!r}: {error}", hint=hint) from None
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise InputError("model.precision = 'fp16' needs an accelerator, and there is none", hint=hint)
    return accelerator


def _fastest(device: str) -> str:
    """The mixed precision to train in, if nothing else is asked for."""
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    if device != "cpu" and torch.accelerator.is_available():
        return "no"
    has_bf16: bool = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - there is no public way to ask
    return "bf16" if has_bf16 else "no"


class Trainer:
    """Trains `network` until its epochs are over, validation stops rising, or time is up.

    All processes of `group` do the same, each on its device; where the clock decides, it is the main one's.

    Args:
        network: weights to start from; they are trained in place.
        batches: the training batches.
        loss: what to minimise (see `clairo.model.loss`).
        validate: the metrics of a network, `ndcg@10` among them.
        checkpoints: where to go on from, and where to save.
        accelerator: device and precision.
        group: the processes that train together.
        track: where to log losses, rates and metrics.
        accumulate: see `Gradients`.
        seed: of dropout.
        epochs: most epochs; the schedule ends there.
        learning_rate: at the peak.
        embedding_rate: see `parameter_groups`.
        weight_decay: of AdamW (Loshchilov and Hutter, ICLR 2019).
        warmup_steps: see `schedule.warmup_steps`.
        gradient_norm: gradients are clipped to it.
        patience: evaluations without a better one before training stops.
        evaluate_every: epochs between evaluations.
        checkpoint_minutes: between checkpoints inside an epoch.
        max_minutes: of all attempts together.
    """

    def __init__(
        self,
        network: T5ForConditionalGeneration,
        batches: Batches,
        loss: TrieLoss | VocabularyLoss,
        validate: Callable[[T5ForConditionalGeneration], dict[str, float]],
        checkpoints: Checkpoints,
        accelerator: Accelerator,
        group: Group,
        track: Track,
        *,
        accumulate: Accumulate,
        seed: int,
        epochs: int,
        learning_rate: float,
        embedding_rate: float,
        weight_decay: float,
        warmup_steps: int,
        gradient_norm: float,
        patience: int,
        evaluate_every: int,
        checkpoint_minutes: float,
        max_minutes: float | None,
    ) -> None:
        self.progress = Progress()
        self.best_weights: dict[str, Tensor] = {}
        self._network = network.to(accelerator.device)
        self._batches, self._validate, self._checkpoints = batches, validate, checkpoints
        self._accelerator, self._group, self._track = accelerator, group, track
        self._epochs, self._patience, self._evaluate_every = epochs, patience, evaluate_every
        self._learning_rate, self._gradient_norm = learning_rate, gradient_norm
        self._total = epochs * batches.per_epoch
        self._warmup = schedule.warmup_steps(warmup_steps, self._total)
        self._checkpoint_seconds = 60 * checkpoint_minutes
        self._most_seconds = float("inf") if max_minutes is None else 60 * max_minutes
        self._optimizer = torch.optim.AdamW(
            parameter_groups(network, weight_decay, embedding_rate), lr=learning_rate, fused=True
        )
        self._stepper = accelerator.prepare(self._optimizer)
        self._gradients = Gradients(
            self._network,
            loss,
            accelerator,
            group,
            seed=seed,
            batch_size=batches.batch_size,
            accumulate=accumulate,
        )
        self._bytes = sum(int(p.numel()) * int(p.element_size()) for p in network.parameters())
        self._unsettled: list[tuple[Tensor, Tensor]] = []
        self._unlogged_seconds = 0.0
        self._clock = time.monotonic()
        self._saved_at = 0.0

    def run(self) -> None:
        """Train, from the last checkpoint if there is one; `best_weights` and `progress` hold the result.

        Raises:
            ClairoError: the loss is no number, or the accelerator's memory is too small.
        """
        self._restore()
        device = self._accelerator.device
        with (
            fast_float32(device),
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            self._track.opened(self.progress.step),
        ):
            while not self._over():
                self._run_epoch()

    def load_best(self) -> None:
        """Give the network the weights that validated best."""
        with torch.no_grad():
            for name, parameter in self._network.named_parameters():
                parameter.copy_(self.best_weights[name])

    def _over(self) -> bool:
        state = self.progress
        return (
            state.epoch >= self._epochs
            or state.waited >= self._patience
            or (self._out_of_time() and state.best_epoch > 0)
        )

    def _run_epoch(self) -> None:
        state, total = self.progress, self._batches.per_epoch
        self._network.train()
        self._tick()
        with (
            log.step(f"epoch {state.epoch + 1}", total=total) as shown,
            closing(self._batches.of_epoch(state.epoch, state.batch)) as batches,
        ):
            shown.advance(state.batch)
            for batch in batches:
                self._step(batch)
                passed = self._tick()
                state.training_seconds += passed
                self._unlogged_seconds += passed
                shown.advance()
                if state.batch % _SETTLE_EVERY == 0:
                    self._settle()
                    shown.advance(0, loss=state.loss / state.batch, rate=state.batch / state.training_seconds)
                if self._out_of_time():
                    break
                if state.seconds - self._saved_at >= self._checkpoint_seconds:
                    self._save()
        self._settle()
        self._close_epoch()

    def _step(self, batch: Batch) -> None:
        state = self.progress
        self._rate = rate = self._learning_rate * schedule.factor(
            state.step, warmup=self._warmup, total=self._total
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        loss = self._gradients(batch, state.step, to_come=self._to_come())
        norm = self._accelerator.clip_grad_norm_(self._network.parameters(), self._gradient_norm)
        with memory.needed_for("the optimizer", self._accelerator.device, _SMALLER):
            self._stepper.step()
        self._stepper.zero_grad()
        self._unsettled.append((loss, norm))
        state.step += 1
        state.batch += 1

    def _to_come(self) -> int:
        """Bytes of the two moments that AdamW allocates in its first step."""
        if self._optimizer.state:
            return 0
        return 2 * self._bytes

    def _settle(self) -> None:
        """Add up the losses since the last look, and refuse to go on if one is no number."""
        if not self._unsettled:
            return
        losses, norms = (torch.stack(values).tolist() for values in zip(*self._unsettled, strict=True))
        self._unsettled.clear()
        if self._accelerator.device.type == "cpu":
            memory.trim()
        for loss in losses:
            self.progress.loss += loss
        self._log_steps(losses, norms)
        if not math.isfinite(self.progress.loss):
            raise ClairoError(
                f"the loss is no longer a number (epoch {self.progress.epoch + 1}, "
                f"step {self.progress.step} or up to {_SETTLE_EVERY} steps before)",
                hint=f"lower model.learning_rate (now {self._learning_rate:g}), or set model.precision to no",
            )

    def _log_steps(self, losses: list[float], norms: list[float]) -> None:
        """Log the means of some steps."""
        values = {
            "train/loss": sum(losses) / len(losses),
            "train/gradient_norm": sum(norms) / len(norms),
            "train/learning_rate": self._rate,
            "train/steps_per_second": len(losses) / max(self._unlogged_seconds, 1e-9),
        }
        self._unlogged_seconds = 0.0
        self._track.write(values, self.progress.step)

    def _close_epoch(self) -> None:
        """Validate if it is time to, note the epoch, save."""
        state = self.progress
        entry: dict[str, Any] = {
            "epoch": state.epoch + 1,
            "steps": state.batch,
            "loss": state.loss / max(1, state.batch),
            "seconds": state.training_seconds,
            "steps_per_second": state.batch / max(state.training_seconds, 1e-9),
            "rows": self._gradients.rows,
        }
        last = state.epoch + 1 == self._epochs or self._out_of_time()
        if last or (state.epoch + 1) % self._evaluate_every == 0:
            found = self._evaluate()
            entry |= {**found, "validation_seconds": self._tick()}
            logged = {f"validation/{name}": value for name, value in found.items()}
            self._track.write({**logged, "validation/epoch": state.epoch + 1}, state.step)
        state.history.append(entry)
        log.logger.info(_line(entry))
        state.epoch, state.batch, state.loss, state.training_seconds = state.epoch + 1, 0, 0.0, 0.0
        self._save()

    def _evaluate(self) -> dict[str, float]:
        state = self.progress
        hint = "lower model.validation_beams"
        with memory.needed_for("the validation search", self._accelerator.device, hint):
            found = self._validate(self._network)
        if not state.best_epoch or found[_CHOSEN_BY] > state.best[_CHOSEN_BY]:
            state.best_epoch, state.best, state.waited = state.epoch + 1, found, 0
            self._keep_weights()
        else:
            state.waited += 1
        return found

    def _keep_weights(self) -> None:
        if self._group.is_main:
            self.best_weights = {
                name: p.detach().cpu().clone() for name, p in self._network.named_parameters()
            }

    def _tick(self) -> float:
        """Seconds since the last call, which are added to those spent in all."""
        now = time.monotonic()
        passed, self._clock = self._group.of_main(now - self._clock), now
        self.progress.seconds += passed
        return passed

    def _out_of_time(self) -> bool:
        return self.progress.seconds >= self._most_seconds

    def _save(self) -> None:
        self._settle()
        self._saved_at = self.progress.seconds
        if not self._group.is_main:
            return
        self.progress.rows = self._gradients.rows
        scaler = self._accelerator.scaler
        if scaler is not None:
            self.progress.scaler = scaler.state_dict()
        tensors = {f"weights/{name}": p.detach() for name, p in self._network.named_parameters()}
        tensors |= {f"best/{name}": weight for name, weight in self.best_weights.items()}
        for name, parameter in self._network.named_parameters():
            moments = self._optimizer.state.get(parameter, {})
            tensors |= {f"moments/{name}/{key}": value for key, value in moments.items()}
        self._checkpoints.save(self.progress, tensors)

    def _restore(self) -> None:
        found = self._checkpoints.load()
        self._group.wait()  # all have read, before one writes
        if found is None:
            return
        self.progress, tensors = found
        self._saved_at = self.progress.seconds
        self._gradients.restore(self.progress.rows)
        if self._accelerator.scaler is not None and self.progress.scaler:
            self._accelerator.scaler.load_state_dict(self.progress.scaler)
        for name, parameter in self._network.named_parameters():
            with torch.no_grad():
                parameter.copy_(tensors[f"weights/{name}"])
            prefix = f"moments/{name}/"
            keys = [key for key in tensors if key.startswith(prefix)]
            if keys:
                moments = {key[len(prefix) :]: tensors[key].to(parameter.device) for key in keys}
                self._optimizer.state[parameter] = moments
        self.best_weights = {
            key.removeprefix("best/"): value for key, value in tensors.items() if key.startswith("best/")
        }
        log.logger.info(
            "training goes on at epoch %d, batch %d", self.progress.epoch + 1, self.progress.batch + 1
        )


def _line(entry: dict[str, Any]) -> str:
    measured = "".join(f", {name} {entry[name]:.4f}" for name in ("recall@10", "ndcg@10") if name in entry)
    return (
        f"epoch {entry['epoch']}: loss {entry['loss']:.4f}{measured}, "
        f"{entry['seconds']:.0f} s, {entry['steps_per_second']:.2f} it/s"
    )
