"""What the encoders with weights share: a device, and words for a model that does not load."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError


def device(name: str) -> str:
    """The torch device that `name` means; `auto` is the first of cuda, mps and cpu that is there.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"embeddings.device = {name!r} cannot be used: {reason}",
            hint='embeddings.device = "auto" takes what is there',
        ) from None
    return name


def refuse_missing_folder(model: str, option: str) -> None:
    """Refuse what is a path, not a name of a hub, and leads nowhere: a hub would be asked for a minute.

    Raises:
        InputError: there is no such folder or file.
    """
    path = Path(model).expanduser()
    if model.startswith(("/", "./", "../", "~")) and not path.exists():
        raise InputError(f"{option}: there is no folder {model}", hint="check the path")


@contextmanager
def loading(what: str, *, hint: str) -> Iterator[None]:
    """Load a model inside the block, without the chatter of the libraries.

    Raises:
        InputError: the model does not load: `what`, and why.
    """
    try:
        with _quiet():
            yield
    except InputError:  # told already
        raise
    # A damaged file makes loaders raise anything: OSError, struct.error, SafetensorError, KeyError, ...
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{what} brings code of its own, which is never run",
                hint="take a model whose architecture the library itself has",
            ) from error
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{what} cannot be loaded: {reason}", hint=hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide transformers' progress bar, and keep open_clip from giving the root logger a handler."""
    from transformers.utils import logging as transformers_logging

    root, silence = logging.getLogger(), logging.NullHandler()
    shown = transformers_logging.is_progress_bar_enabled()
    root.addHandler(silence)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        root.removeHandler(silence)
        if shown:
            transformers_logging.enable_progress_bar()


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    scaled: NDArray[np.float32] = vectors / lengths
    return scaled
