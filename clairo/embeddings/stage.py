"""The embeddings stage: texts and pictures in, one vector an item and modality out."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Embedding, Sequences, store
from clairo.config import EmbeddingsConfig, ImageConfig, TextConfig
from clairo.embeddings import clip, files, image, item_text, pictures, text, tfidf
from clairo.embeddings.notes import Notes
from clairo.errors import InputError

_SHARDS = ".shards"
_BATCHES = 8  # of texts handed over together: a model that sorts them by length then pads less


def inputs(cfg: EmbeddingsConfig, reviews: Path | None) -> list[Path]:
    """Files and folders that the result depends on beside the sequences: vectors, local models, pictures.

    Raises:
        InputError: one of them is not there, or not set.
    """
    found: list[Path] = []
    if cfg.text.encoder == "file":
        found += _vectors("text", cfg.text.vectors, cfg.text.ids)
    elif cfg.text.encoder == "sentence-transformers" and Path(cfg.text.model).is_dir():
        found.append(Path(cfg.text.model))
    if cfg.image.encoder == "file":
        found += _vectors("image", cfg.image.vectors, cfg.image.ids)
    elif cfg.image.encoder == "open-clip":
        found += clip.local_files(cfg.image.model, cfg.image.pretrained)
    found += [path for name in _more(cfg) for path in _further(cfg, name)]
    folder = _pictures(cfg.image, reviews)
    return found if folder is None else [*found, folder]


def make(
    cfg: EmbeddingsConfig, *, sequences: Path, reviews: Path | None, out: Path, seed: int
) -> dict[str, Any]:
    """Write `text.npz`, `image.npz` and so on (a modality that no item has leaves no file) and `report.json`.

    What TF-IDF fitted stays in `tfidf.npz`, for later items.

    Encoders that work in shards go on at the first shard missing from `out`.

    Args:
        cfg: the section.
        sequences: folder of the sequences stage.
        reviews: folder of the reviews stage; its `shop/images` are the pictures if the section names none.
        out: folder to write to.
        seed: the run's seed.

    Returns:
        The report: for each modality its encoder, width, items with and without a vector, and warnings.

    Raises:
        InputError: a file, a model or a device is missing or cannot be used.
    """
    catalogue = Sequences.load(sequences)
    ids, table = catalogue.items, sequences / "items.parquet"

    def fit(texts: list[str], notes: Notes) -> tfidf.TfIdf:
        stream = rng.derive(seed, "embeddings", "tfidf")
        training = catalogue.training_items()
        fitted = text.fit_tfidf(texts, training, width=cfg.text.width, seed=stream, notes=notes)
        fitted.save(out)
        return fitted

    notes = _notes(cfg)
    vectors = {
        "text": _text(cfg, ids, table, out, fit, notes["text"]),
        "image": _image(cfg, ids, reviews, out, notes["image"]),
        **{name: files.embed(*_further(cfg, name), ids, notes[name]) for name in _more(cfg)},
    }
    for name in notes:
        _save(vectors.get(name), out / f"{name}.npz", notes[name])
    shutil.rmtree(out / _SHARDS, ignore_errors=True)
    report = {name: note.report(vectors.get(name), catalogue.n_items) for name, note in notes.items()}
    store.write_json(out / "report.json", report)
    return report


def extend(
    cfg: EmbeddingsConfig,
    *,
    old: Path,
    sequences: Path,
    reviews: Path | None,
    out: Path,
) -> dict[str, Any]:
    """Write the vectors of `old`, then those of the items that `sequences` has more, by the same encoders.

    A modality without vectors in `old` stays without: nothing was fitted on it.

    Args:
        cfg: the section; its files and folders must hold what the new items have.
        old: folder of the embeddings stage of the run that items are added to.
        sequences: folder of the sequences with the items added.
        reviews: as for `make`.
        out: folder to write to.

    Returns:
        The report, as of `make`, of the new items alone.

    Raises:
        InputError: as for `make`, or the vectors of new items have another width.
    """
    before = {name: old / f"{name}.npz" for name in cfg.modalities if (old / f"{name}.npz").is_file()}
    table, notes, report = sequences / "items.parquet", _notes(cfg), dict[str, Any]()
    for name, path in before.items():
        known = Embedding.load(path)
        ids = Sequences.load(sequences).items[len(known.ids) :]
        new = _new(name, cfg, ids, table, old, reviews, out, notes[name])
        known.extended(new if new.width else Embedding.absent(ids, known.width)).save(out / f"{name}.npz")
        report[name] = notes[name].report(new, len(ids))
    shutil.rmtree(out / _SHARDS, ignore_errors=True)
    if (old / tfidf.FILE).is_file():
        shutil.copy(old / tfidf.FILE, out)
    store.write_json(out / "report.json", report)
    return report


def _new(
    name: str,
    cfg: EmbeddingsConfig,
    ids: NDArray[np.str_],
    table: Path,
    old: Path,
    reviews: Path | None,
    out: Path,
    notes: Notes,
) -> Embedding:
    """Vectors of new items, of width 0 where none has one."""
    made = None
    if len(ids) and name == "text":
        made = _text(cfg, ids, table, out, lambda *_: tfidf.TfIdf.load(old), notes)
    elif len(ids) and name in cfg.more:
        made = files.embed(*_further(cfg, name), ids, notes)
    elif len(ids):
        made = _image(cfg, ids, reviews, out, notes)
    return Embedding.absent(ids, 0) if made is None else made


def _notes(cfg: EmbeddingsConfig) -> dict[str, Notes]:
    return {
        name: Notes(_section(cfg, name), {"encoder": cfg.modality(name).encoder}) for name in cfg.modalities
    }


def _more(cfg: EmbeddingsConfig) -> list[str]:
    """The further modalities that items can have."""
    return [name for name in sorted(cfg.more) if cfg.more[name].encoder != "none"]


def _section(cfg: EmbeddingsConfig, name: str) -> str:
    """What follows `embeddings.` in the names of a modality's options."""
    return f"more.{name}" if name in cfg.more else name


def _further(cfg: EmbeddingsConfig, name: str) -> tuple[Path, Path]:
    """The two files of a further modality."""
    return _vectors(_section(cfg, name), cfg.more[name].vectors, cfg.more[name].ids)


def _text(
    cfg: EmbeddingsConfig,
    ids: NDArray[np.str_],
    table: Path,
    out: Path,
    fitted: Callable[[list[str], Notes], tfidf.TfIdf],
    notes: Notes,
) -> Embedding | None:
    """Text vectors of `ids`, or None where no item has a text; `fitted` gives the TF-IDF if one is needed."""
    options = cfg.text
    if options.encoder == "none":
        return None
    if options.encoder == "file":
        return files.embed(*_vectors("text", options.vectors, options.ids), ids, notes)
    texts = item_text.read(table, ids, options.fields)
    empty = sum(not text for text in texts)
    if empty:
        notes.warn(f"{empty} of {len(texts)} items have no text")
    if empty == len(texts):
        return None
    if options.encoder == "tfidf":
        return text.embed_tfidf(texts, ids, fitted(texts, notes), notes)
    return text.encode(
        texts,
        ids,
        lambda: _text_encoder(options, cfg.device),
        at_once=options.batch_size * _BATCHES,
        shard_items=cfg.shard_items,
        folder=out / _SHARDS / "text",
    )


def _text_encoder(options: TextConfig, device: str) -> text.Encoder:
    from clairo.embeddings import models, sentences

    where = models.device(device)
    if options.encoder == "offline":
        return sentences.offline(device=where, batch_size=options.batch_size)
    return sentences.SentenceEncoder(options.model, device=where, batch_size=options.batch_size)


def _image(
    cfg: EmbeddingsConfig, ids: NDArray[np.str_], reviews: Path | None, out: Path, notes: Notes
) -> Embedding | None:
    """Image vectors of `ids`, or None where no item has a picture."""
    options = cfg.image
    if options.encoder == "none":
        return None
    if options.encoder == "file":
        return files.embed(*_vectors("image", options.vectors, options.ids), ids, notes)
    folder = _pictures(options, reviews)
    if folder is None:
        notes.warn("no pictures: embeddings.image.folder is not set, and no built-in shop was written")
        return None
    paths = pictures.find(folder, ids)
    found = notes.entries["pictures"] = sum(path is not None for path in paths)
    if found < len(paths):
        notes.warn(f"{len(paths) - found} of {len(paths)} items have no picture")
    if not found:
        return None
    return image.encode(
        paths,
        ids,
        lambda: _image_encoder(options, cfg.device),
        batch_size=options.batch_size,
        shard_items=cfg.shard_items,
        folder=out / _SHARDS / "image",
        notes=notes,
    )


def _image_encoder(options: ImageConfig, device: str) -> image.Encoder:
    if options.encoder == "descriptor":
        from clairo.embeddings.descriptor import Descriptor

        return Descriptor()
    from clairo.embeddings import models

    where = models.device(device)
    if options.encoder == "offline":
        from clairo.embeddings.efficientnet import EfficientNetEncoder

        return EfficientNetEncoder(device=where)
    return clip.ClipEncoder(options.model, options.pretrained, device=where)


def _vectors(modality: str, vectors: Path | None, ids: Path | None) -> tuple[Path, Path]:
    section = f"embeddings.{modality}"
    return files.existing(vectors, f"{section}.vectors"), files.existing(ids, f"{section}.ids")


def _save(embedding: Embedding | None, path: Path, notes: Notes) -> None:
    path.unlink(missing_ok=True)
    if embedding is not None and embedding.present.any():
        embedding.save(path)
    elif notes.entries["encoder"] != "none":
        notes.warn(f"no item has a vector, so {path.name} is not written")


def _pictures(cfg: ImageConfig, reviews: Path | None) -> Path | None:
    """The folder of pictures, if the encoder reads any and there is one."""
    if cfg.encoder in ("file", "none"):
        return None
    if cfg.folder is not None:
        if not cfg.folder.is_dir():
            raise InputError(f"embeddings.image.folder = {str(cfg.folder)!r} is no folder")
        return cfg.folder
    shop = None if reviews is None else reviews / "shop" / "images"
    return shop if shop is not None and shop.is_dir() else None
