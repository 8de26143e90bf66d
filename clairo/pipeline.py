"""Stages in their order: which of them a configuration needs, which stand or are stale, and running them."""

import hashlib
import importlib
import importlib.metadata
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import clairo
from clairo import config as configuration
from clairo import interrupts, processes
from clairo.artifacts.shared import Shared
from clairo.artifacts.store import Manifest, Store, changes, digest, outputs, sha256, write_text
from clairo.config import Config, Section
from clairo.errors import ConfigError, InputError
from clairo.log import logger
from clairo.processes import Word

CONFIG_FILE = "config.toml"
ADDED = "added"
"""Key in the parts of a fingerprint where `clairo add` made or copied the artefact: whence, and of what."""
LOGS = "logs"  # of training, to be watched: no part of any artefact
LIBRARIES = (
    "faiss-cpu",
    "numpy",
    "open_clip_torch",
    "polars",
    "scikit-image",
    "scikit-learn",
    "sentence-transformers",
    "timm",
    "torch",
    "transformers",
)


@dataclass(frozen=True)
class Stage:
    """A stage: its name, the rooms whose code makes it, and the stages that it reads."""

    name: str
    code: tuple[str, ...]
    needs: Callable[[Config], tuple[str, ...]]


def _sequences_needs(config: Config) -> tuple[str, ...]:
    return ("reviews",) if config.sequences.source == "reviews" else ()


def _embeddings_needs(config: Config) -> tuple[str, ...]:
    pictures = config.reviews.source == "shop" and config.sequences.source == "reviews"
    return ("sequences", "reviews") if pictures else ("sequences",)


def _codes_needs(config: Config) -> tuple[str, ...]:
    return ("sequences",) if config.codes.source == "files" else ("fused", "sequences")


_TOGETHER = frozenset({"model"})  # stages that all processes of a command make, the others the main one alone
_SEARCH = ("model", "vocabulary", "codes", "sequences")
STAGES = {
    stage.name: stage
    for stage in (
        Stage("reviews", ("reviews", "shop"), lambda _: ()),
        Stage("sequences", ("sequences",), _sequences_needs),
        Stage("embeddings", ("embeddings",), _embeddings_needs),
        Stage("fused", ("fused",), lambda _: ("embeddings", "sequences")),
        Stage("codes", ("codes",), _codes_needs),
        Stage("vocabulary", ("vocabulary", "_clairo"), lambda _: ("codes", "sequences")),
        Stage("model", ("model", "tokens"), lambda _: ("vocabulary", "codes", "sequences")),
        Stage("recommendations", ("recommendations", "model", "tokens"), lambda _: _SEARCH),
        Stage("report", ("report",), lambda config: tuple(needed(config)[:-1])),
    )
}


def needed(config: Config) -> list[str]:
    """Names of the stages that a configuration needs, in order: a door further down skips what lies above."""
    wanted = {"recommendations", "report"}
    for name in reversed(STAGES):
        if name in wanted and name != "report":
            wanted.update(STAGES[name].needs(config))
    return [name for name in STAGES if name in wanted]


def trained(config: Config) -> list[str]:
    """Names of the stages that lead to the model, in order."""
    return [name for name in needed(config) if name not in ("recommendations", "report")]


@dataclass(frozen=True)
class State:
    """How an artefact stands: `done`, `stale` with the reasons, or `missing`.

    One that `clairo add` made or copied is `done` as long as nobody changed it; its reason says so.
    """

    stage: str
    state: Literal["done", "stale", "missing"]
    reasons: tuple[str, ...] = ()


def run(
    config: Config,
    folder: Path,
    *,
    until: str | None = None,
    start: str | None = None,
    shared: Shared | None = None,
) -> Path:
    """Run the stages that `config` needs, up to `until`, and return the folder of the last.

    With `start` the stages before it are taken as they are in the folder, whatever they were made from; only
    those that a later stage reads need be there. That is how one machine prepares and another one trains.

    A stage whose fingerprint stands is not run again; for the others the log says what changed. Of several
    processes (see `clairo.processes`) the main one runs the stages, and the others help it train.

    What another run has made is taken from `shared`, and what this one makes is left there; but for the
    report, which tells of its own run.

    Raises:
        InputError: a stage found its input unusable; the artefacts of earlier runs stay as they are.
        BusyError: another process makes an artefact for `shared` that this run needs, or is about to.
    """
    stages = _chosen(config, start, until)
    store, word = Store(folder), Word()
    if not processes.is_main():
        _help(config, store, word)
        return store.folder(stages[-1])
    with store.locked():
        _refuse_retraining(stages, config, store)
        _take(stages, config, store, f"--from {stages[0]}", "or leave --from out")
        for name in stages:  # bad paths are found before the first stage spends an hour
            if not _added(store.manifest(name)):
                _check_outside(files(name, config) + _kept(name, config, store), folder)
        if "model" in stages and config.model.tracker != "none":
            _room("model").check_tracker(config.model.tracker)
        _note(config, folder / CONFIG_FILE)
        for name in stages:
            _ensure(name, config, store, word, None if name == "report" else shared)
    word.end()
    return store.folder(stages[-1])


def report(config: Config, folder: Path) -> Path:
    """Write the report again from the artefacts that stand, stale or not, and return its folder."""
    store = Store(folder)
    if store.manifest("recommendations") is None:
        raise InputError(f"{folder} has no recommendations yet", hint="finish the run with `clairo run`")
    with store.locked():
        parts = _parts("report", config, store)
        _make("report", config, store, parts, Word())
    return store.folder("report")


def status(config: Config, folder: Path) -> list[State]:
    """How every artefact that `config` needs stands."""
    store, stale = Store(folder), set[str]()
    states = []
    for name in needed(config):
        state = _state(name, config, store, stale)
        if state.state != "done":
            stale.add(name)
        states.append(state)
    return states


def saved_config(folder: Path) -> Config:
    """The configuration that the run in `folder` was made with."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise InputError(f"{folder} is no run folder: it has no {CONFIG_FILE}")
    return configuration.load(str(path))


def _note(config: Config, path: Path) -> None:
    """Keep the configuration with the run; one that is there already is left as it is."""
    try:
        if path.is_file() and configuration.load(str(path)) == config:
            return
    except ConfigError:
        pass  # of a version that had other options
    write_text(path, configuration.dump(config))


def _chosen(config: Config, start: str | None, until: str | None) -> list[str]:
    """The stages from `start` to `until`, both included."""
    stages = needed(config)
    for option, name in (("--from", start), ("--until", until)):
        if name is not None and name not in stages:
            raise InputError(
                f"{option} {name!r} is no stage of this run", hint=f"its stages: {', '.join(stages)}"
            )
    first = 0 if start is None else stages.index(start)
    chosen = stages[first:] if until is None else stages[first : stages.index(until) + 1]
    if not chosen:
        raise InputError(f"--until {until} comes before --from {start}")
    return chosen


def _take(stages: list[str], config: Config, store: Store, who: str, way_out: str) -> None:
    """Check that what `stages` read and do not make is there and whole; errors tell `who` needs it."""
    read = [need for name in stages for need in STAGES[name].needs(config) if need not in stages]
    for name in dict.fromkeys(read):
        manifest = store.manifest(name)
        if manifest is None:
            raise InputError(
                f"{who} needs {name}, which is not in {store.run}",
                hint=f"copy the folder {name} of the run that made it, {way_out}",
            )
        for item in store.damaged(manifest):
            raise InputError(f"{store.folder(name) / item} was changed", hint=f"copy {name} again")
        logger.info("%s: taken as it is", name)


def _state(name: str, config: Config, store: Store, stale: set[str]) -> State:
    manifest = store.manifest(name)
    if manifest is None:
        return State(name, "missing")
    above = [need for need in STAGES[name].needs(config) if need in stale]
    if above:
        return State(name, "stale", tuple(f"input {need} is stale or missing" for need in above))
    if _added(manifest):
        reasons = unfit(manifest, config, store)
        return State(name, "stale" if reasons else "done", tuple(reasons or [_origin(manifest)]))
    try:
        parts = _parts(name, config, store)
    except InputError as error:
        return State(name, "stale", (error.message,))
    reasons = _reasons(manifest, parts, store)
    return State(name, "stale" if reasons else "done", tuple(reasons))


def _reasons(manifest: Manifest, parts: dict[str, Any], store: Store) -> list[str]:
    """Why an artefact no longer stands; none where it does."""
    return changes(manifest.parts, parts) + [f"{item} was changed" for item in store.damaged(manifest)]


def unfit(manifest: Manifest, config: Config, store: Store) -> list[str]:
    """Why an artefact is not the one that `config` and the artefacts before it make; none where it is.

    What lies outside the run folder, and the code, are not looked at.
    """
    was, now = manifest.parts, inside(manifest.stage, config, store)
    inputs = {need: was["inputs"].get(need) for need in now["inputs"]}
    before = {"config": was["config"], "seed": was["seed"], "inputs": inputs}
    return changes(before, now) + [f"{item} was changed" for item in store.damaged(manifest)]


def _added(manifest: Manifest | None) -> bool:
    """Whether `clairo add` made or copied an artefact."""
    return manifest is not None and ADDED in manifest.parts


def _origin(manifest: Manifest) -> str:
    added = manifest.parts[ADDED]
    return f"{added['how']} {added['run']} ({added['fingerprint'][:12]})"


def _refuse_retraining(stages: list[str], config: Config, store: Store) -> None:
    """Keep a run with added items from being made again from its configuration, which knows nothing of them.

    Raises:
        InputError: one of its artefacts up to the model is missing, or is not what `config` makes.
    """
    manifests = {name: store.manifest(name) for name in trained(config) if name in stages}
    if not any(_added(store.manifest(name)) for name in STAGES):
        return
    for name, manifest in manifests.items():
        reasons = ["it is missing"] if manifest is None else unfit(manifest, config, store)
        if reasons:
            raise InputError(
                f"{store.run} was made by `clairo add`, so `clairo run` only measures it, but its {name} "
                f"does not stand: {'; '.join(reasons)}",
                hint="choose another --out to train a run, or add to the first run again",
            )


def _help(config: Config, store: Store, word: Word) -> None:
    """Make along what the main process says it makes; it alone publishes."""
    for name, work in word.heard():
        section = getattr(config, name)
        _room(name).make(section, **_upstream(name, config, store), out=Path(work), seed=config.seed)


def _ensure(name: str, config: Config, store: Store, word: Word, shared: Shared | None) -> None:
    manifest = store.manifest(name)
    if manifest is not None and _added(manifest):  # it fits: see _refuse_retraining
        logger.info("%s: stands, %s", name, _origin(manifest))
        return
    parts = _parts(name, config, store)
    if manifest is not None:
        reasons = _reasons(manifest, parts, store)
        if not reasons:
            logger.info("%s: stands", name)
            if shared is not None:
                shared.keep(name, manifest.fingerprint, store)
            return
        logger.info("%s: made again, because of %s", name, "; ".join(reasons))
    if name == "embeddings":
        fetch(config, store)
        parts = _parts(name, config, store)  # what came decides
    if shared is None:
        _make(name, config, store, parts, word)
        return
    fingerprint = digest(parts)
    with shared.alone(name, fingerprint):
        if shared.take(name, fingerprint, store):
            logger.info("%s: taken from what another run made", name)
        else:
            shared.resume(name, fingerprint, store)
            _make(name, config, store, parts, word)
            shared.give(name, fingerprint, store)


def _make(name: str, config: Config, store: Store, parts: dict[str, Any], word: Word) -> None:
    def make(work: Path) -> dict[str, Any]:
        room, section = _room(name), _section(name, config, store)
        if name in _TOGETHER:
            word.say([name, str(work)])
        logs = {"logs": store.run / LOGS / digest(parts)[:8]} if name == "model" else {}
        if name == "report":
            made = room.make(section, run=store.run, out=work, seed=config.seed, stages=needed(config)[:-1])
        else:
            made = room.make(section, **_upstream(name, config, store), out=work, seed=config.seed, **logs)
        summary: dict[str, Any] = made
        return summary

    logger.info("%s: made in %.1f s", name, publish(name, parts, store, make).seconds)


def publish(
    name: str, parts: dict[str, Any], store: Store, make: Callable[[Path], dict[str, Any]]
) -> Manifest:
    """Let `make` fill a working folder and return its summary, and put it in the place of stage `name`."""
    fingerprint = digest(parts)
    work = store.begin(name, fingerprint)
    _reset_peak_memory()
    start = time.monotonic()
    summary = make(work)
    seconds = time.monotonic() - start
    manifest = Manifest(
        stage=name,
        fingerprint=fingerprint,
        parts=parts,
        versions=_versions(),
        outputs=outputs(work),
        summary=summary,
        seconds=round(seconds, 3),
        peak_memory_mb=_peak_memory_mb(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store.publish(manifest)
    return manifest


def _room(stage: str) -> Any:
    """The package of a stage. Its libraries' compiled code may abort if it is interrupted as it loads."""
    with interrupts.deferred():
        importlib.import_module(f"clairo.{stage}.stage")  # a room may put off what only making needs
        return importlib.import_module(f"clairo.{stage}")


def _section(name: str, config: Config, store: Store) -> Any:
    """The configuration of a stage, with the places that it has in this run."""
    section = getattr(config, name)
    return _room(name).located(section, store.run) if name == "embeddings" else section


def fetch(config: Config, store: Store, *, known: int = 0, again: str = "no") -> None:
    """Download the pictures that the embeddings stage will read, if any (see `clairo.embeddings.fetch`)."""
    section = _section("embeddings", config, store)
    _room("embeddings").fetch(section, sequences=store.folder("sequences"), known=known, again=again)


def fetched(config: Config, store: Store, *, known: int = 0) -> dict[str, str]:
    """Digest of the downloaded pictures that the embeddings stage reads, if it reads any, under its name."""
    section = _section("embeddings", config, store)
    found = _room("embeddings").content(section, sequences=store.folder("sequences"), known=known)
    return {} if found is None else {"pictures": found}


def pictures(config: Config, folder: Path, *, again: bool = False) -> Path:
    """Download the pictures of a run whose sequences stand, and return the folder that they lie in.

    Failures of earlier downloads that may have passed are tried again, with `again` all others too.

    Raises:
        InputError: the run downloads none, its sequences do not stand, or too many are missing.
    """
    store = Store(folder)
    place: Path | None = _room("embeddings").kept(_section("embeddings", config, store))
    if place is None:
        raise InputError(
            f"the run in {folder} downloads no pictures: embeddings.image.download.enabled is not set, or "
            f"its image encoder ({config.embeddings.image.encoder}) reads none",
            hint="run it with --set embeddings.image.download.enabled=true --until sequences",
        )
    if _added(store.manifest("embeddings")):
        raise InputError(
            f"the embeddings in {folder} were made by `clairo add` and stay as they are", hint="add again"
        )
    with store.locked():
        _check_outside(_kept("embeddings", config, store), folder)
        _take(["embeddings"], config, store, "downloading", "or run it with --until sequences")
        fetch(config, store, again="all" if again else "passing")
    return place


def _kept(name: str, config: Config, store: Store) -> list[tuple[str, Path]]:
    """Where a stage keeps pictures that outlive it."""
    found = _room(name).kept(_section(name, config, store)) if name == "embeddings" else None
    return [] if found is None else [("pictures", found)]


def _upstream(name: str, config: Config, store: Store) -> dict[str, Path | None]:
    """Folders of the stages that `name` can read; None for those that this configuration does without."""
    needs = STAGES[name].needs(config)
    optional = {"sequences": ("reviews",), "embeddings": ("reviews",), "codes": ("fused",)}.get(name, ())
    return {**dict.fromkeys(optional), **{need: store.folder(need) for need in needs}}


def _parts(name: str, config: Config, store: Store) -> dict[str, Any]:
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
        paths = _room(name).inputs(section)
    elif name == "embeddings":
        paths = _room("embeddings").inputs(section, None)
    elif name == "codes" or getattr(section, "start_from", None) is not None:
        paths = _room(name).inputs(section)
    else:
        paths = []
    return [(f"{position} {path.name}", path) for position, path in enumerate(paths, 1)]


def _check_outside(found: list[tuple[str, Path]], folder: Path) -> None:
    """Refuse what a stage would read from places that stages of this run write to."""
    written = {(folder / stage).resolve() for stage in STAGES}
    for _, path in found:
        if not written.isdisjoint(path.resolve().parents):
            raise InputError(
                f"{path} lies in the run folder {folder} itself, whose stages are written anew",
                hint="choose another --out, or copy what the run should start from",
            )


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
        files = folder.iterdir() if folder.is_dir() else package.glob(f"{room}*.so")
        yield from sorted(path for path in files if path.suffix in _SOURCES)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "clairo": clairo.__version__}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "absent"
    return found


_CLEAR_REFS = Path("/proc/self/clear_refs")
_PROC_STATUS = Path("/proc/self/status")


def _reset_peak_memory() -> None:
    """Start the kernel's high-water mark anew, where it lets us: otherwise a stage shows the run's peak."""
    try:
        _CLEAR_REFS.write_text("5", "ascii")
    except OSError:
        return


def _peak_memory_mb() -> float:
    try:
        for line in _PROC_STATUS.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
