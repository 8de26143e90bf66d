"""Downloaded pictures as the embeddings stage and the pipeline see them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.config import EmbeddingsConfig, ImageConfig
from clairo.embeddings import web
from clairo.embeddings.notes import Notes
from clairo.errors import InputError

FOLDER = "pictures"
_NO_PICTURES = ("file", "none")  # encoders that read none
_NAMED = 5


def located(cfg: EmbeddingsConfig, run: Path) -> EmbeddingsConfig:
    """The section with the folder of downloaded pictures set: `pictures` of the run if it names none."""
    download = cfg.image.download
    if not _active(cfg.image) or download.folder is not None:
        return cfg
    image = cfg.image.model_copy(update={"download": download.model_copy(update={"folder": run / FOLDER})})
    return cfg.model_copy(update={"image": image})


def kept(cfg: EmbeddingsConfig) -> Path | None:
    """The folder of downloaded pictures; None where nothing is downloaded."""
    return cfg.image.download.folder if _active(cfg.image) else None


def fetch(cfg: EmbeddingsConfig, *, sequences: Path, known: int = 0, again: web.Again = "no") -> None:
    """Download what is missing of the pictures of the catalogue; nothing where the section does not want it.

    Args:
        cfg: the section, `located`.
        sequences: folder of the sequences stage.
        known: leading items that need no picture (any more).
        again: which failures of earlier downloads to try again.

    Raises:
        InputError: too many pictures are missing.
    """
    folder = kept(cfg)
    if folder is not None:
        table = sequences / "items.parquet"
        web.fetch(_items(sequences, known), table, cfg.image.download, folder, again=again)


def content(cfg: EmbeddingsConfig, *, sequences: Path, known: int = 0) -> str | None:
    """Digest of which items have which picture; None where nothing is downloaded."""
    folder = kept(cfg)
    return None if folder is None else web.content(_items(sequences, known), folder)


def paths(cfg: ImageConfig, ids: NDArray[np.str_], notes: Notes) -> list[Path | None]:
    """The picture of every one of `ids`, None where there is none; the notes say what came and what did not.

    Raises:
        InputError: nothing says where they are.
    """
    folder = cfg.download.folder
    if folder is None:
        raise InputError("embeddings.image.download.folder is not set, and no run has a place for pictures")
    items = [str(item) for item in ids]
    found = notes.entries["download"] = web.summary(items, folder)
    for reason, listed in found["missing_items"].items():
        more = ", ..." if len(listed) > _NAMED else ""
        notes.warn(f"{len(listed)} pictures are missing, {reason}: {', '.join(listed[:_NAMED])}{more}")
    return web.paths(items, folder)


def _active(cfg: ImageConfig) -> bool:
    return cfg.download.enabled and cfg.encoder not in _NO_PICTURES


def _items(sequences: Path, known: int) -> list[str]:
    return [str(item) for item in Sequences.load(sequences).items[known:]]
