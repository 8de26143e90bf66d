"""How the reviews stage takes a growing file, beside a bare scan of polars.

    python scripts/bench_reviews.py Gift_Cards_5.json.gz [--copies 1 500] [--repeats 3]

Each copy of the given file gets reviewer ids and ASINs of its own, so that users and items grow with events.
Every figure is of a fresh process: wall and processor time of the work alone, imports aside, as medians, and
the highest resident memory of the whole process. `scan` is a bare `pl.scan_ndjson` with a count, a number of
distinct items and a maximum, `make` is the stage.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

_IDS = re.compile(rb'("(?:reviewerID|asin)": "[^"]*)')
_LINE = (
    "{copies:>6} {text_mb:>8.0f} MB  {what:<5} {seconds:>7.2f} s  {cpu:>6.2f} s cpu  {peak_mb:>6.0f} MB peak"
)
_PROGRAMS = {
    "scan": """
import polars as pl
start = clock()
counts = (pl.len(), pl.col("asin").n_unique(), pl.col("unixReviewTime").max())
events = pl.scan_ndjson(sys.argv[1]).select(*counts).collect(engine="streaming").row(0)[0]
""",
    "make": """
from pathlib import Path
import polars
from clairo.config import ReviewsConfig
from clairo.reviews import make
start = clock()
report = make(ReviewsConfig(reviews=Path(sys.argv[1])), out=Path(sys.argv[2]), seed=0)
events = report["reviews"]["events"]
""",
}
_FRAME = """
import json, resource, sys, time
clock = lambda: (time.perf_counter(), time.process_time())
{program}
seconds, cpu = (end - begin for begin, end in zip(start, clock(), strict=True))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"events": events, "seconds": seconds, "cpu": cpu, "peak_mb": peak}}))
"""


def main() -> None:
    """Time both at every size, print a table and write JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for copies in options.copies
            for row in _measured(options.reviews, copies, options.repeats, folder)
        ]
    for row in rows:
        print(_LINE.format_map(row))
    options.out.write_text(json.dumps({"cpus": os.cpu_count(), "rows": rows}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("reviews", type=Path, help="a raw file of reviews, gzipped")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench_reviews.json"))
    return parser.parse_args()


def _measured(reviews: Path, copies: int, repeats: int, folder: str) -> Iterator[dict[str, Any]]:
    path = Path(folder) / f"{copies}.json.gz"
    size = _grow(reviews, copies, path)
    runs: dict[str, list[dict[str, Any]]] = {what: [] for what in _PROGRAMS}
    for _ in range(repeats):  # in turns, so that a busy moment of the machine does not fall on one alone
        for what, results in runs.items():
            results.append(_run(what, path, folder))
    path.unlink()
    for what, results in runs.items():
        yield {
            "copies": copies,
            "text_mb": size / 1e6,
            "what": what,
            "events": results[0]["events"],
            "seconds": median(result["seconds"] for result in results),
            "cpu": median(result["cpu"] for result in results),
            "peak_mb": max(result["peak_mb"] for result in results),
            "runs": results,
        }


def _grow(reviews: Path, copies: int, path: Path) -> int:
    """Write `copies` of `reviews` to `path`, the first as it is, and return the bytes of text."""
    text = gzip.decompress(reviews.read_bytes())
    size = 0
    with gzip.open(path, "wb", compresslevel=6) as file:
        for copy in range(copies):
            suffix = f"{copy:04X}".encode() if copy else b""
            size += file.write(_IDS.sub(lambda found, suffix=suffix: found[1] + suffix, text))  # type: ignore[misc]
    return size


def _run(what: str, path: Path, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-c", _FRAME.format(program=_PROGRAMS[what]), str(path), folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
