"""Models by name on a hub or by folder: which of the two it is, and the commit that a name came to."""

from __future__ import annotations

import re
from pathlib import Path

from clairo.errors import InputError

_FOLDER, _HUB = "local-dir:", "hf-hub:"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def folder(model: str) -> Path | None:
    """The folder that `model` names (`local-dir:` may stand before it), or None if it is a name on a hub."""
    path = Path(model.removeprefix(_FOLDER)).expanduser()
    return path if model.startswith(_FOLDER) or path.is_dir() else None


def refuse_revision(model: str, revision: str | None, option: str) -> None:
    """Refuse a revision of what has none.

    Raises:
        InputError: `model` is a folder.
    """
    if revision is not None and folder(model) is not None:
        raise InputError(f"{option}: the model {model!r} is a folder, without revisions", hint="leave it out")


def name(model: str) -> str:
    """A name on the hub without `hf-hub:`."""
    return model.removeprefix(_HUB)


def local_files(model: str, weights: str | None = None) -> list[Path]:
    """What on this machine holds an image model: its folder, or the file of its weights.

    Raises:
        InputError: one of them is not there.
    """
    place = folder(model)
    if place is not None and not place.is_dir():
        raise InputError(f"embeddings.image.model: {str(place)!r} is no folder")
    file = None if weights is None else Path(weights)
    if file is not None and not file.is_file():
        raise InputError(f"embeddings.image.weights_file: there is no file {weights!r}")
    return [path for path in (place, file) if path is not None]


def commit(repository: str, revision: str | None, *, cache: str | None = None) -> str | None:
    """The commit of what was fetched, as the hub's cache notes it; None where it does not.

    Args:
        repository: `owner/name`.
        revision: branch, tag or commit; None is the main branch.
        cache: folder of the cache, if it is not the usual one.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    place = Path(cache or constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    note = place / "refs" / (revision or "main")
    return note.read_text("utf-8").strip() if note.is_file() else None


def advice(model: str, *, files: str) -> str:
    """What to do if `model` does not load; `files` is what a folder has to hold."""
    if folder(model) is not None:
        return f"the folder must hold {files}"
    return (
        f"is the network there? Fetch it once while connected (hf download {name(model)}) and set "
        "HF_HUB_OFFLINE=1, or give a folder"
    )
