"""What a command refuses before it spends an hour."""

from pathlib import Path

from clairo.artifacts.store import Store
from clairo.config import Config
from clairo.errors import InputError
from clairo.log import logger
from clairo.pipeline.fingerprint import added, unfit
from clairo.pipeline.stages import STAGES, trained


def take(stages: list[str], config: Config, store: Store, who: str, way_out: str) -> None:
    """Check that what `stages` read and do not make is there and whole; errors tell `who` needs it.

    Raises:
        InputError: an artefact is missing, or was changed after it was made.
    """
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


def check_outside(found: list[tuple[str, Path]], folder: Path) -> None:
    """Refuse what a stage would read from places that stages of this run write to.

    Raises:
        InputError: one of the paths lies there.
    """
    written = {(folder / stage).resolve() for stage in STAGES}
    for _, path in found:
        if not written.isdisjoint(path.resolve().parents):
            raise InputError(
                f"{path} lies in the run folder {folder} itself, whose stages are written anew",
                hint="choose another --out, or copy what the run should start from",
            )


def refuse_retraining(stages: list[str], config: Config, store: Store) -> None:
    """Keep a run with added items from being made again from its configuration, which knows nothing of them.

    Raises:
        InputError: one of its artefacts up to the model is missing, or is not what `config` makes.
    """
    manifests = {name: store.manifest(name) for name in trained(config) if name in stages}
    if not any(added(store.manifest(name)) for name in STAGES):
        return
    for name, manifest in manifests.items():
        reasons = ["it is missing"] if manifest is None else unfit(manifest, config, store)
        if reasons:
            raise InputError(
                f"{store.run} was made by `clairo add`, so `clairo run` only measures it, but its {name} "
                f"does not stand: {'; '.join(reasons)}",
                hint="choose another --out to train a run, or add to the first run again",
            )
