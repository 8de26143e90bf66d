"""A trained model on disk: `best/` as transformers keeps a T5, and `model.json` with what ids mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import load_model, save_file
from transformers import T5Config, T5ForConditionalGeneration

from clairo.errors import InputError
from clairo.tokens import END, OFFSET, PAD, START, Reading, n_model_ids

if TYPE_CHECKING:
    from pathlib import Path

    from clairo.vocabulary import Vocabulary

BEST, META = "best", "model.json"
_IDS = {"offset": OFFSET, "pad": PAD, "end": END, "start": START}


@dataclass(frozen=True)
class Meta:
    """What `model.json` says of a model; the ids are those of this code unless told.

    Attributes:
        vocabulary_size: tokens of the vocabulary, the padding token included.
        categories: names of the items' categories, in the order of the vocabulary.
        max_history: latest events that the model reads.
        parameters: trainable numbers.
        examples: training examples of an epoch.
        epochs: epochs trained.
        best_epoch: the epoch whose weights these are, counted from 1.
        validation: their metrics on the validation sample.
        vocabulary: digest of the vocabulary that ids are tokens of; "" where it was not noted.
        across, permute, whole: how it reads histories, see `clairo.tokens.Reading`.
        offset, pad, end, start: see `clairo.tokens`.
    """

    vocabulary_size: int
    categories: list[str]
    max_history: int
    parameters: int
    examples: int
    epochs: int
    best_epoch: int
    validation: dict[str, float]
    vocabulary: str = ""
    across: bool = True
    permute: bool = True
    whole: bool = False
    offset: int = OFFSET
    pad: int = PAD
    end: int = END
    start: int = START

    @property
    def reading(self) -> Reading:
        """How the model reads histories."""
        return Reading(across=self.across, permute=self.permute, whole=self.whole)

    def check(self, vocabulary: Vocabulary) -> None:
        """Raise InputError unless the model's ids are those of `vocabulary`."""
        if len(vocabulary) != self.vocabulary_size or vocabulary.n_categories != len(self.categories):
            raise InputError(
                f"the model was trained for a vocabulary of {self.vocabulary_size} tokens and "
                f"{len(self.categories)} categories, not {len(vocabulary)} and {vocabulary.n_categories}",
                hint="vocabulary and model are of different runs: run the model stage again",
            )
        if self.vocabulary and self.vocabulary != digest(vocabulary):
            raise InputError(
                "the model was trained for another vocabulary of the same size",
                hint="vocabulary and model are of different runs: run the model stage again",
            )


def digest(vocabulary: Vocabulary) -> str:
    """What tells a vocabulary from every other one: of its features and merges."""
    features = json.dumps(vocabulary.initial_tokens).encode()
    return hashlib.sha256(features + vocabulary.merges.tobytes()).hexdigest()


def save(folder: Path, network: T5ForConditionalGeneration, meta: Meta) -> None:
    """Write `best/` and `model.json` into `folder`; `model.json` comes last, so where it is, all is."""
    best = folder / BEST
    best.mkdir(exist_ok=True)
    network.config.architectures = [type(network).__name__]
    network.config.save_pretrained(best)
    # Tied weights are one parameter, under the name that transformers reads them by.
    weights = {name: weight.detach().cpu().contiguous() for name, weight in network.named_parameters()}
    save_file(weights, best / "model.safetensors", metadata={"format": "pt"})
    partial = folder / f".{META}.partial"
    partial.write_text(json.dumps(asdict(meta), indent=1) + "\n", "utf-8")
    partial.replace(folder / META)


def load_meta(folder: Path) -> Meta:
    """`model.json` of a model's folder.

    Raises:
        InputError: it is missing, damaged, or of a version whose ids mean something else.
    """
    path = folder / META
    try:
        meta = Meta(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path} is missing", hint="run the model stage") from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}", hint="run the model stage again") from None
    if any(getattr(meta, name) != value for name, value in _IDS.items()):
        raise InputError(f"{path} numbers tokens in another way than this version of CLAIRO")
    return meta


def load(
    folder: Path, device: Literal["auto", "cpu"] | torch.device = "auto"
) -> tuple[T5ForConditionalGeneration, Meta]:
    """The network of a model's folder in evaluation mode, in float32, and what its ids mean.

    Args:
        folder: the model stage's artefact.
        device: `auto` takes the accelerator that PyTorch finds, if any.

    Raises:
        InputError: a file is missing or damaged, or the files do not fit one another.
    """
    meta = load_meta(folder)
    best = folder / BEST
    try:
        with torch.random.fork_rng():  # weights are drawn before they are read
            network = T5ForConditionalGeneration(T5Config.from_json_file(best / "config.json"))
        load_model(network, best / "model.safetensors")
    except Exception as error:  # noqa: BLE001 - libraries differ in what they raise for a damaged file
        raise InputError(f"{best} holds no model: {error}", hint="run the model stage again") from None
    if network.config.vocab_size != n_model_ids(range(meta.vocabulary_size)):
        raise InputError(f"{best} and {folder / META} are of different models")
    return network.to(pick_device(device)).eval(), meta


def pick_device(device: Literal["auto", "cpu"] | torch.device) -> torch.device:
    """The device that a name stands for."""
    if device != "auto":
        return torch.device(device)
    found = torch.accelerator.current_accelerator(check_available=True)
    return found or torch.device("cpu")
