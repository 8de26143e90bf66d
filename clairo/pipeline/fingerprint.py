"""What an artefact depends on, and why one that stands is no longer what a configuration makes."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import clairo
from clairo import config as configuration
from clairo.artifacts.store import Manifest, Store, changes, digest, sha256
from clairo.config import Config, Section
from clairo.errors import InputError
from clairo.pipeline.downloads import fetched
from clairo.pipeline.stages import STAGES, room_of

ADDED = "added"
"""Key in the parts of a fingerprint where `clairo add` made or copied the artefact: whence, and of what."""


def parts_of(name: str, config: Config, store: Store) -> dict[str, Any]:
    """What the artefact of `name` depends on."""
    parts = inside(name, config, store)
    outside = {option: sha256(path) for option, path in files(name, config)}
    if name == "embeddings":
        outside |= fetched(config, store)
    return parts | {"code": code(name), "inputs": outside | parts["inputs"]}


def inside(name: str, config: Config, store: Store) -> dict[str, Any]:
    """What the artefact of `name` depends on in the run folder and its configuration."""
    inputs = {}
    for need in STAGES[name].needs(config):
        manifest = store.manifest(need)
        if manifest is None:
            raise InputError(
                f"{name} needs {need}, which is not there", hint="run the stages before it first"
            )
        inputs[need] = digest(manifest.outputs) if name == "report" else manifest.result()
    return {
        "config": configuration.content(getattr(config, name)),
        "seed": config.seed,
        "inputs": inputs,
    }


def files(name: str, config: Config) -> list[tuple[str, Path]]:
    """Files and folders outside the run folder that a stage reads, in the order of their options."""
    section: Section = getattr(config, name)
    if name == "reviews" or (name == "sequences" and section.source == "files"):  # type: ignore[attr-defined]
        paths = room_of(name).inputs(section)
    elif name == "embeddings":
        paths = room_of("embeddings").inputs(section, None)
    elif name == "codes" or getattr(section, "start_from", None) is not None:
        paths = room_of(name).inputs(section)
    else:
        paths = []
    return [(f"{position} {path.name}", path) for position, path in enumerate(paths, 1)]


def code(name: str) -> str:
    """Digest of the source of a stage's rooms: an edited stage is made again."""
    seen = hashlib.sha256(clairo.__version__.encode())
    for path in _sources(STAGES[name].code):
        seen.update(path.name.encode() + path.read_bytes())
    return seen.hexdigest()


_SOURCES = frozenset({".py", ".html", ".so"})


def _sources(rooms: tuple[str, ...]) -> Iterator[Path]:
    package = Path(clairo.__file__).parent
    for room in rooms:
        folder = package / room
        found = folder.iterdir() if folder.is_dir() else package.glob(f"{room}*.so")
        yield from sorted(path for path in found if path.suffix in _SOURCES)


def reasons_against(manifest: Manifest, parts: dict[str, Any], store: Store) -> list[str]:
    """Why an artefact no longer stands; none where it does."""
    return changes(manifest.parts, parts) + [f"{item} was changed" for item in store.damaged(manifest)]


def unfit(manifest: Manifest, config: Config, store: Store) -> list[str]:
    """Why an artefact is not the one that `config` and the artefacts before it make; none where it is.

    What lies outside the run folder, and the code, are not looked at.
    """
    was, now = manifest.parts, inside(manifest.stage, config, store)
    inputs = {need: was["inputs"].get(need) for need in now["inputs"]}
    before = {"config": was["config"], "seed": was["seed"], "inputs": inputs}
    return reasons_against(replace(manifest, parts=before), now, store)


def added(manifest: Manifest | None) -> bool:
    """Whether `clairo add` made or copied an artefact."""
    return manifest is not None and ADDED in manifest.parts


def origin(manifest: Manifest) -> str:
    """Whence `clairo add` has an artefact, in words."""
    source = manifest.parts[ADDED]
    return f"{source['how']} {source['run']} ({source['fingerprint'][:12]})"
