"""Putting a finished stage into its place, with what made it, its time and its memory."""

import importlib.metadata
import platform
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clairo
from clairo.artifacts.store import Manifest, Store, digest, outputs

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
