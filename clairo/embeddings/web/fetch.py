"""The pictures of a catalogue: what is there already, what to ask for, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from clairo import log
from clairo.artifacts.store import digest
from clairo.embeddings import item_text
from clairo.embeddings.web import failures, records
from clairo.embeddings.web.records import Manifest, Record, Wanted
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clairo.config import DownloadConfig

Again = Literal["no", "passing", "all"]
"""Which failures of earlier downloads are asked for again: none once a download came to its end, those that
may have passed, or all."""

_COLUMN = "image_urls"
_DECIDING = (
    "mirrors",
    "original",
    "private_networks",
    "max_redirects",
    "max_bytes",
    "max_pixels",
    "min_side",
)


def fetch(
    items: Sequence[str], table: Path, cfg: DownloadConfig, folder: Path, *, again: Again = "no"
) -> None:
    """Download the pictures of `items` that `folder` does not have; its manifest says what became of each.

    Pictures that are there stay if they are what the manifest says, their address is still one of the item's,
    and they keep to the limits. A failure is remembered, and asked for again if the addresses or the options
    that decide about them change, or as `again` says. A download that was stopped goes on where it was.

    Args:
        items: original ids.
        table: `items.parquet` of the sequences stage.
        cfg: the section.
        folder: where pictures and manifest lie; made if it is missing.
        again: which failures to try again.

    Raises:
        InputError: more of them are missing than the section allows.
    """
    wanted = _wanted(items, table, cfg)
    request = digest([one.asked for one in wanted])
    with records.locked(folder):
        manifest = Manifest(folder)
        manifest.clean()
        manifest.tidy()  # what a killed download left is made whole before more is written behind it
        if again == "no" and not manifest.finished(request):
            again = "passing"
        asked = _open(wanted, manifest, cfg, again)
        if asked:
            try:
                _download(asked, wanted, manifest, cfg)
            finally:
                manifest.tidy()
        _check_share(wanted, manifest, cfg)
        manifest.finish(request)


def content(items: Sequence[str], folder: Path) -> str:
    """Digest of which of `items` have which picture."""
    found = records.pictures(Manifest(folder).records, items)
    return digest({item: record.sha256 for item, record in found.items()})


def paths(items: Sequence[str], folder: Path) -> list[Path | None]:
    """The picture of every one of `items`, None where there is none."""
    found = records.pictures(Manifest(folder).records, items)
    return [folder / str(found[item].file) if item in found else None for item in items]


def summary(items: Sequence[str], folder: Path) -> dict[str, Any]:
    """What the report says: how many pictures there are, and which items have none for which reason."""
    known = Manifest(folder).records
    missing: dict[str, list[str]] = {}
    for item in items:
        record = known.get(item)
        if record is None or not record.ok:
            missing.setdefault(record.status if record else failures.NO_ADDRESS, []).append(item)
    found = records.pictures(known, items)
    return {
        "downloaded": len(found),
        "distinct": len({record.sha256 for record in found.values()}),
        "bytes": sum(record.bytes or 0 for record in found.values()),
        "missing": {reason: len(listed) for reason, listed in missing.items()},
        "missing_items": missing,
    }


def _wanted(items: Sequence[str], table: Path, cfg: DownloadConfig) -> list[Wanted]:
    """The items that have an address."""
    rows = item_text.rows(table, (_COLUMN,))
    deciding = cfg.model_dump(mode="json", include=set(_DECIDING))
    addresses = {item: tuple(rows.get(item, {}).get(_COLUMN) or ()) for item in items}
    return [
        Wanted(item, urls, digest([item, list(urls), deciding])[:16])
        for item, urls in addresses.items()
        if urls
    ]


def _open(wanted: list[Wanted], manifest: Manifest, cfg: DownloadConfig, again: Again) -> list[Wanted]:
    """The items that are still to be asked for."""
    found = []
    with log.step("look at pictures", total=len(wanted)) as step:
        for one in wanted:
            record = manifest.records.get(one.item)
            if record is None or not _settled(record, one, manifest, cfg, again):
                found.append(one)
            step.advance()
    return found


def _settled(record: Record, one: Wanted, manifest: Manifest, cfg: DownloadConfig, again: Again) -> bool:
    if record.ok:
        return record.source in one.urls and _within(record, cfg) and manifest.whole(record)
    return record.asked == one.asked and (again == "no" or (again == "passing" and not record.passing))


def _within(record: Record, cfg: DownloadConfig) -> bool:
    sides = record.width or 0, record.height or 0
    pixels = sides[0] * sides[1]
    return (record.bytes or 0) <= cfg.max_bytes and pixels <= cfg.max_pixels and min(sides) >= cfg.min_side


def _download(asked: list[Wanted], wanted: list[Wanted], manifest: Manifest, cfg: DownloadConfig) -> None:
    """Ask for pictures until all have answered, or too many are missing for the rest to matter."""
    from clairo.embeddings.web.download import downloading

    for one in asked:
        manifest.records.pop(one.item, None)
    failed = sum(_failed(one, manifest) for one in wanted)
    with (
        log.step("download pictures", total=len(asked)) as step,
        downloading(asked, cfg, manifest.folder, manifest.add) as results,
    ):
        for record in results:
            if record is None:
                step.advance(0)  # hears Ctrl-C
                continue
            failed += not record.ok
            step.advance(missing=failed)
            if failed > _allowed(wanted, cfg):
                return


def _failed(one: Wanted, manifest: Manifest) -> bool:
    record = manifest.records.get(one.item)
    return record is not None and not record.ok


def _allowed(wanted: list[Wanted], cfg: DownloadConfig) -> float:
    return cfg.max_missing_share * len(wanted) + 1e-9


def _check_share(wanted: list[Wanted], manifest: Manifest, cfg: DownloadConfig) -> None:
    failed = [manifest.records[one.item] for one in wanted if _failed(one, manifest)]
    if len(failed) <= _allowed(wanted, cfg):
        if failed:
            log.logger.warning("%d of %d pictures are missing: %s", len(failed), len(wanted), _told(failed))
        return
    first = failed[0]
    example = f"{first.failures[0][0]} ({first.failures[0][1]})" if first.failures else first.item
    raise InputError(
        f"{len(failed)} of {len(wanted)} pictures are missing so far: {_told(failed)}; the first: {example}",
        hint="embeddings.image.download.max_missing_share says how many may be; what came is kept, and the "
        f"same command goes on from there. {manifest.folder / records.FILE} says what every address answered",
    )


def _told(failed: list[Record]) -> str:
    counts = Counter(record.status for record in failed)
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))
