"""What benchmarks say of the machine that they ran on, of memory, and of figures that were measured twice."""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
_STATUS = Path("/proc/self/status")
_FORGET_PEAK = ("/proc/self/clear_refs", "5")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, load of the last minute, system, Python and commit."""
    return {
        "cpu": cpu(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": said("git", "-C", str(SCRIPTS), "describe", "--always", "--dirty", "--abbrev=12"),
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu() -> str:
    """Name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def said(*command: str) -> str | None:
    """What a command printed, None where it is not there."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def resident() -> int:
    """Bytes of this process in memory now; the peak up to now is forgotten where that is possible (Linux)."""
    if not _STATUS.exists():
        return peak()
    file, word = _FORGET_PEAK
    Path(file).write_text(word, "ascii")
    return _status("VmRSS")


def peak() -> int:
    """Most bytes of this process in memory since `resident` was last called, or since it began."""
    if _STATUS.exists():
        return _status("VmHWM")
    # In kilobytes, but for macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": median(values), "least": min(values), "most": max(values)}


def shown(values: dict[str, float], digits: int = 2) -> str:
    """A spread as tables print it."""
    return "{median:.{d}f} [{least:.{d}f}, {most:.{d}f}]".format(**values, d=digits)


def _status(name: str) -> int:
    lines = _STATUS.read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
