"""Taking new items and new events into a trained run: a second run folder, with nothing trained again.

Every stage keeps what it fitted, and applies it here to the new items alone: text and picture become
vectors, these pass the run's PCA and quantizers, and the codes have tokens, because a vocabulary has one for
every value that a code can take. Vocabulary and model are copies. Each manifest says which artefact it was
added to, and from which files.
"""

import importlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clairo import config as configuration
from clairo import interrupts, pipeline
from clairo.artifacts.store import MANIFEST, Manifest, Store, changes, read_json, sha256, write_text
from clairo.config import Config
from clairo.errors import InputError
from clairo.log import logger

_COPIED = ("vocabulary", "model")
_FREE = {
    "embeddings.device",
    "embeddings.shard_items",
    "embeddings.text.batch_size",
    "embeddings.image.batch_size",
}
"""Options that may differ from the run's, beside those that name files."""

Make = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class Added:
    """What `add` made.

    Attributes:
        folder: the new run.
        counts: items, users and events that came in (`items`, `users`, `events`), and what was left out or
            deserves a look: `items_known_already`, `items_without_content`, `events_of_unknown_items`,
            `events_repeated`, ...
    """

    folder: Path
    counts: dict[str, int]


def add(
    run: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    metadata: str | os.PathLike[str] | None = None,
    reviews: str | os.PathLike[str] | None = None,
    overrides: Iterable[str] = (),
) -> Added:
    """Write a run folder `out` that holds the items and events of `run`, and new ones.

    `run` is left as it is. Its items keep their row numbers, codes and tokens, and no event is taken into its
    training: popularity and the rivals go on counting what the model was trained on.

    Args:
        run: folder of a run whose model is trained.
        out: where to write; must be new. It appears when all is done, or not at all.
        metadata: raw metadata of the new items; items that the run has already stay as they are.
        reviews: raw reviews with the new events, of items old and new and of any users.
        overrides: `section.key=value` that name where new items have their pictures, vectors or codes:
            `embeddings.image.folder`, `embeddings.text.vectors` and `.ids`, `codes.files`.

    Raises:
        InputError: a file cannot be used, `run` is not whole, `out` is there, an option would change the run,
            or new items find no room in its codes.
    """
    job = _Job.prepared(Path(run), Path(out), _path(metadata), _path(reviews), list(overrides))
    with _aside(job.out) as store:
        for name, make in job.makers(store).items():
            made = pipeline.publish(name, job.parts(name, store), store, make)
            logger.info("%s: %s in %.1f s", name, "copied" if name in _COPIED else "added to", made.seconds)
        counts = _counts(store)
        write_text(store.run / pipeline.CONFIG_FILE, configuration.dump(job.config))
    return Added(job.out, counts)


@dataclass(frozen=True)
class _Job:
    """What is added to what."""

    parent: Store
    out: Path
    metadata: Path | None
    reviews: Path | None
    config: Config
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def prepared(
        cls, run: Path, out: Path, metadata: Path | None, reviews: Path | None, overrides: list[str]
    ) -> "_Job":
        """Everything checked that can be before hours go into it."""
        if metadata is None and reviews is None:
            raise InputError("nothing to add: name --metadata, --reviews or both")
        config = pipeline.saved_config(run)
        _check_out(out, run)
        _check_whole(Store(run), config)
        changed = configuration.load(str(run / pipeline.CONFIG_FILE), overrides)
        _check_same(config, changed)
        given = {"metadata": metadata, "reviews": reviews}
        for option, path in given.items():
            if path is not None and not path.is_file():
                raise InputError(f"--{option}: there is no file {path}")
        digests = {option: sha256(path) for option, path in given.items() if path is not None}
        return cls(Store(run), out, metadata, reviews, changed, digests)

    def makers(self, store: Store) -> dict[str, Make]:
        """What fills the folder of each stage, in order."""
        old, new, config, seed = self.parent.folder, store.folder, self.config, self.config.seed
        skip = config.reviews.on_broken_line == "skip"
        makers: dict[str, Make] = {
            "reviews": lambda work: _room("reviews").read_new(
                self.metadata, self.reviews, out=work, skip=skip
            ),
            "sequences": lambda work: _room("sequences.added").extend(
                config.sequences, old=old("sequences"), reviews=new("reviews"), out=work
            ),
            "embeddings": lambda work: _room("embeddings").extend(
                config.embeddings,
                old=old("embeddings"),
                sequences=new("sequences"),
                reviews=old("reviews"),
                out=work,
            ),
            "fused": lambda work: _room("fused").extend(
                config.fused,
                old=old("fused"),
                embeddings=new("embeddings"),
                sequences=new("sequences"),
                out=work,
            ),
            "codes": lambda work: _room("codes").extend(
                config.codes,
                old=old("codes"),
                fused=new("fused") if config.codes.source == "opq" else None,
                sequences=new("sequences"),
                out=work,
                seed=seed,
            ),
            "vocabulary": lambda work: _copied_vocabulary(old("vocabulary"), new("codes"), work),
            "model": lambda work: _copied(old("model"), work),
        }
        wanted = {"reviews", *pipeline.needed(config)}
        return {name: make for name, make in makers.items() if name in wanted}

    def parts(self, name: str, store: Store) -> dict[str, Any]:
        """What the artefact depends on, and whence it comes."""
        manifest = self.parent.manifest(name)
        origin = {
            "how": "copied from" if name in _COPIED else "added to",
            "run": self.parent.run.resolve().name,
            "fingerprint": "" if manifest is None else manifest.fingerprint,
            "files": self._files(name, store),
        }
        made_by = manifest.parts["code"] if manifest and name in _COPIED else pipeline.code(name)
        inside = pipeline.inside(name, self.config, store)
        return inside | {"code": made_by, pipeline.ADDED: origin}

    def _files(self, name: str, store: Store) -> dict[str, str]:
        """SHA-256 of what a stage reads of new items outside both runs."""
        if name == "reviews":
            return self.digests
        if name not in ("embeddings", "codes") or not _counts(store).get("items"):
            return {}
        return {option: sha256(path) for option, path in pipeline.files(name, self.config)}


def _copied(old: Path, work: Path) -> dict[str, Any]:
    """Copy an artefact, but for its manifest, and give the summary that this holds."""
    shutil.copytree(old, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
    summary: dict[str, Any] = Manifest.load(old / MANIFEST).summary
    return summary


def _copied_vocabulary(old: Path, codes: Path, work: Path) -> dict[str, Any]:
    """Copy a vocabulary that has a token for every code, and tells all items apart."""
    from clairo.artifacts import Codes
    from clairo.tokens import Trie
    from clairo.vocabulary import FILE, Vocabulary, check_codes

    words, table = Vocabulary.load(old / FILE), Codes.load(codes)
    check_codes(words, table)
    Trie.build(*words.canonical(table.features))
    return _copied(old, work)


def _counts(store: Store) -> dict[str, int]:
    """What came in and what did not, so far as the stages of the new run have said it."""
    noted = read_json(store.folder("sequences") / "report.json")
    counts: dict[str, int] = dict(noted[pipeline.ADDED])
    codes = store.folder("codes") / "report.json"
    if codes.is_file():
        counts["items_without_content"] = read_json(codes)["new_without_vector"]
    return counts


def _check_out(out: Path, run: Path) -> None:
    if out.exists():
        raise InputError(f"--out {out} is there already", hint="choose another name")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: {out.parent} is no folder")
    if run.resolve() in out.resolve().parents:
        raise InputError(f"--out {out} lies in the run {run}", hint="choose a place beside it")


def _check_whole(parent: Store, config: Config) -> None:
    """Refuse a run whose artefacts are not of one making."""
    for name in pipeline.trained(config):
        manifest = parent.manifest(name)
        if manifest is None:
            raise InputError(f"{parent.run} has no {name}", hint="finish the run with `clairo run`")
        reasons = pipeline.unfit(manifest, config, parent)
        if reasons:
            raise InputError(
                f"the {name} of {parent.run} does not belong to the rest: {'; '.join(reasons)}",
                hint="finish the run with `clairo run`",
            )


def _check_same(config: Config, changed: Config) -> None:
    """Refuse options that would give old items other vectors, codes or tokens than new ones."""
    found = changes({"seed": config.seed}, {"seed": changed.seed})
    for name in pipeline.trained(config):
        if name != "reviews":
            before, after = (configuration.content(getattr(which, name)) for which in (config, changed))
            found += changes(before, after, f"{name}.")
    fixed = [change for change in found if change.partition(":")[0] not in _FREE]
    if fixed:
        raise InputError(
            f"--set would change the run itself: {'; '.join(fixed)}",
            hint="only files and folders of new items can be set, such as embeddings.image.folder",
        )


@contextmanager
def _aside(out: Path) -> Iterator[Store]:
    """A run folder under a hidden name, renamed to `out` after the block; where that fails, it goes away.

    What a killed process left under the hidden name goes away before the block.
    """
    work = out.with_name(f".{out.name}.adding")
    store = Store(work)
    with store.locked():
        try:
            for left in work.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
            yield store
            shutil.rmtree(work / ".work")
            work.rename(out)
        except BaseException:
            shutil.rmtree(work)
            raise


def _path(name: str | os.PathLike[str] | None) -> Path | None:
    return None if name is None else Path(name)


def _room(name: str) -> Any:
    """A room, imported when it is needed; its libraries' compiled code may abort if that is interrupted."""
    with interrupts.deferred():
        return importlib.import_module(f"clairo.{name}")
