"""Which quantizer a configuration means, and the file that it is kept in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.codes.quantizer import Quantizer
from clairo.config import CodesConfig

_WORK = ".rq-vae"


def file_of(source: str, group: str) -> str:
    """Name of the file that holds the quantizer of a group."""
    return f"{group}.safetensors" if source == "rq-vae" else f"{group}.faiss"


def train(cfg: CodesConfig, vectors: NDArray[np.float32], *, group: str, out: Path, seed: int) -> Quantizer:
    """Learn a quantizer and save it.

    Args:
        cfg: the section as it is for the group, by `CodesConfig.of`.
        vectors: (n, width) of the items to learn from.
        group: whose vectors they are.
        out: folder to write it to; RQ-VAE also keeps its state there until `clear`.
        seed: of this quantizer.
    """
    quantizer = _trained(cfg, vectors, group, out, seed)
    quantizer.save(out / file_of(cfg.source, group))
    return quantizer


def _trained(cfg: CodesConfig, vectors: NDArray[np.float32], group: str, out: Path, seed: int) -> Quantizer:
    if cfg.source == "rq-vae":
        from clairo.codes import rq_vae_training

        return rq_vae_training.train(
            vectors,
            books=cfg.books,
            values=cfg.values,
            **cfg.rq_vae.model_dump(),
            seed=seed,
            checkpoint=out / f"{_WORK}.{group}.pt",
            name=group,
        )
    from clairo.codes.opq import Opq
    from clairo.codes.residual import ResidualKMeans

    kind = Opq if cfg.source == "opq" else ResidualKMeans
    with log.step(f"quantize {group}", total=len(vectors)) as step:
        quantizer = kind.train(
            vectors, books=cfg.books, values=cfg.values, iterations=cfg.iterations, seed=seed
        )
        step.advance(len(vectors))
    return quantizer


def clear(out: Path) -> None:
    """Remove what trainings keep to go on from, once no more of them can be interrupted."""
    for path in out.glob(f"{_WORK}.*"):
        path.unlink()


def load(source: str, path: Path) -> Quantizer:
    """Read a quantizer.

    Raises:
        InputError: the file is missing, damaged, or of another kind.
    """
    if source == "rq-vae":
        from clairo.codes.rq_vae import RqVae

        return RqVae.load(path)
    from clairo.codes.opq import Opq
    from clairo.codes.residual import ResidualKMeans

    return Opq.load(path) if source == "opq" else ResidualKMeans.load(path)
