"""Which modalities a configuration reads, and what it may say of them."""

from pathlib import Path

from clairo.artifacts import store
from clairo.config import MODES, FusedConfig
from clairo.errors import InputError
from clairo.fused.fusion import concatenates


def modalities(cfg: FusedConfig, embeddings: Path) -> tuple[str, ...]:
    """Names of the modalities that the stage reads, in order.

    Raises:
        InputError: every modality is off.
    """
    if cfg.mode not in MODES:
        return (cfg.mode,)
    if cfg.modalities is not None:
        return cfg.modalities
    report = store.read_json(embeddings / "report.json")
    on = {name for name, entry in report.items() if entry.get("encoder", "none") != "none"}
    if not on:
        raise InputError(
            f'fused.mode = "{cfg.mode}" reads vectors, but the encoders of all modalities are "none"',
            hint="set embeddings.text.encoder or embeddings.image.encoder",
        )
    return (*(name for name in ("text", "image") if name in on), *sorted(on - {"text", "image"}))


def check(cfg: FusedConfig, read: tuple[str, ...]) -> None:
    """Refuse options that would do nothing.

    Raises:
        InputError: a control names a modality that is not read, or an option needs a concatenation.
    """
    for option, names in (("shuffled", cfg.shuffled), ("zeroed", cfg.zeroed), ("tuned", cfg.tuned)):
        for name in names:
            if name not in read:
                raise InputError(
                    f'fused.{option} names {name!r}, which fused.mode = "{cfg.mode}" does not read'
                    + ("" if cfg.modalities is None else f" with fused.modalities = {list(cfg.modalities)}")
                )
    if concatenates(cfg.mode):
        return
    of_concatenation = {
        "final_width": cfg.final_width is not None,
        "weights": bool(cfg.weights),
        "learned_weights": cfg.learned_weights != "none",
    }
    for option, given in of_concatenation.items():
        if given:
            raise InputError(
                f'fused.{option} is for fused.mode = "fused" or "both", not "{cfg.mode}": it is of the '
                "concatenation"
            )
