"""Running stages, and telling how they stand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clairo import config as configuration
from clairo import processes
from clairo.artifacts.shared import Shared
from clairo.artifacts.store import Store, digest, write_text
from clairo.config import Config
from clairo.errors import ConfigError, InputError
from clairo.log import logger
from clairo.pipeline.checks import check_outside, refuse_retraining, take
from clairo.pipeline.downloads import fetch, kept
from clairo.pipeline.fingerprint import added, files, origin, parts_of, reasons_against, unfit
from clairo.pipeline.publishing import publish
from clairo.pipeline.stages import STAGES, TOGETHER, needed, room_of, section_of, upstream
from clairo.processes import Word

CONFIG_FILE = "config.toml"
LOGS = "logs"  # of training, to be watched: no part of any artefact


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
        refuse_retraining(stages, config, store)
        take(stages, config, store, f"--from {stages[0]}", "or leave --from out")
        for name in stages:  # bad paths are found before the first stage spends an hour
            if not added(store.manifest(name)):
                check_outside(files(name, config) + kept(name, config, store), folder)
        if "model" in stages and config.model.tracker != "none":
            room_of("model").check_tracker(config.model.tracker)
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
        parts = parts_of("report", config, store)
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


def pictures(config: Config, folder: Path, *, again: bool = False) -> Path:
    """Download the pictures of a run whose sequences stand, and return the folder that they lie in.

    Failures of earlier downloads that may have passed are tried again, with `again` all others too.

    Raises:
        InputError: the run downloads none, its sequences do not stand, or too many are missing.
    """
    store = Store(folder)
    place: Path | None = room_of("embeddings").kept(section_of("embeddings", config, store))
    if place is None:
        raise InputError(
            f"the run in {folder} downloads no pictures: embeddings.image.download.enabled is not set, or "
            f"its image encoder ({config.embeddings.image.encoder}) reads none",
            hint="run it with --set embeddings.image.download.enabled=true --until sequences",
        )
    if added(store.manifest("embeddings")):
        raise InputError(
            f"the embeddings in {folder} were made by `clairo add` and stay as they are", hint="add again"
        )
    with store.locked():
        check_outside(kept("embeddings", config, store), folder)
        take(["embeddings"], config, store, "downloading", "or run it with --until sequences")
        fetch(config, store, again="all" if again else "passing")
    return place


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


def _state(name: str, config: Config, store: Store, stale: set[str]) -> State:
    manifest = store.manifest(name)
    if manifest is None:
        return State(name, "missing")
    above = [need for need in STAGES[name].needs(config) if need in stale]
    if above:
        return State(name, "stale", tuple(f"input {need} is stale or missing" for need in above))
    if added(manifest):
        reasons = unfit(manifest, config, store)
        return State(name, "stale" if reasons else "done", tuple(reasons or [origin(manifest)]))
    try:
        parts = parts_of(name, config, store)
    except InputError as error:
        return State(name, "stale", (error.message,))
    reasons = reasons_against(manifest, parts, store)
    return State(name, "stale" if reasons else "done", tuple(reasons))


def _help(config: Config, store: Store, word: Word) -> None:
    """Make along what the main process says it makes; it alone publishes."""
    for name, work in word.heard():
        section = getattr(config, name)
        room_of(name).make(section, **upstream(name, config, store), out=Path(work), seed=config.seed)


def _ensure(name: str, config: Config, store: Store, word: Word, shared: Shared | None) -> None:
    manifest = store.manifest(name)
    if manifest is not None and added(manifest):  # it fits: see `refuse_retraining`
        logger.info("%s: stands, %s", name, origin(manifest))
        return
    parts = parts_of(name, config, store)
    if manifest is not None:
        reasons = reasons_against(manifest, parts, store)
        if not reasons:
            logger.info("%s: stands", name)
            if shared is not None:
                shared.keep(name, manifest.fingerprint, store)
            return
        logger.info("%s: made again, because of %s", name, "; ".join(reasons))
    if name == "embeddings":
        fetch(config, store)
        parts = parts_of(name, config, store)  # what came decides
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
        room, section = room_of(name), section_of(name, config, store)
        if name in TOGETHER:
            word.say([name, str(work)])
        logs = {"logs": store.run / LOGS / digest(parts)[:8]} if name == "model" else {}
        if name == "report":
            made = room.make(section, run=store.run, out=work, seed=config.seed, stages=needed(config)[:-1])
        else:
            made = room.make(section, **upstream(name, config, store), out=work, seed=config.seed, **logs)
        summary: dict[str, Any] = made
        return summary

    logger.info("%s: made in %.1f s", name, publish(name, parts, store, make).seconds)
