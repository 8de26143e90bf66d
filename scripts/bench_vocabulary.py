"""Times the training of vocabularies, the readable twin and the fast way in turns, and prints one table.

    python scripts/bench_vocabulary.py FOLDER [--times 1 10 100] [--repeats 5 3 1] [--out FILE.json]

FOLDER holds MQL4GRec's files of Amazon 2018 Musical Instruments. Corpora are the training histories with text
codes, and with text and image codes; beyond `--times 1` synthetic users (see `scripts/markov_corpus.py`).
Every figure comes from a process of its own (see `scripts/measure_training.py`): medians over the repeats,
with the least and the most in brackets. `MB` is the peak of memory that the training adds to the loaded
corpus, `in all` that of the whole process. A ratio is that of the plain twin to a fast run right beside it.
All ways of one corpus must give the same merges and counts to the last unit, or the run stops. The machine
should have nothing else to do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clairo import _clairo, config, pipeline
from machine import SCRIPTS, cores, machine, said, shown, spread

_FILES = {
    "text": ["Instruments.index_lemb.json"],
    "text + image": ["Instruments.index_lemb.json", "Instruments.index_vitemb.json"],
}
_SIZE = 40_000
# Measured elsewhere, on one core of a 2-core machine, to set beside: seconds, and the fast one's peak in MB.
_REFERENCE: dict[tuple[str, int], dict[str, float]] = {
    ("text", 1): {"released": 820, "plain": 3.4, "fast": 0.61, "peak_mb": 54},
    ("text + image", 1): {"released": 4144, "plain": 16.6, "fast": 2.05, "peak_mb": 204},
    ("text", 10): {"fast": 3.3, "peak_mb": 144},
    ("text + image", 10): {"fast": 10.6, "peak_mb": 374},
    ("text", 100): {"fast": 27, "peak_mb": 679},
}
# A twin slower than this many times the reference's would flatter every ratio.
_SLOWEST_TWIN = 1.3
_COLUMNS = (
    "{corpus:<18} {categories:>4} {events:>9} {method:<6} {threads:>3} {seconds:>23} {peak_above:>6} "
    "{peak:>6} {vocabulary:>7} {left:>18} {ratio:>19}  {reference}"
)
_HEAD = {
    "corpus": "corpus",
    "categories": "cat.",
    "events": "events",
    "method": "method",
    "threads": "thr",
    "seconds": "seconds",
    "peak_above": "MB",
    "peak": "in all",
    "vocabulary": "tokens",
    "left": "left in corpus",
    "ratio": "plain to this",
    "reference": "measured elsewhere",
}


class Way(NamedTuple):
    """How to train."""

    method: str
    threads: int


class Corpus(NamedTuple):
    """What to train on."""

    codes: str
    times: int
    path: Path

    @property
    def name(self) -> str:
        """As the table calls it."""
        return self.codes if self.times == 1 else f"{self.codes}, x{self.times}"


def main() -> None:
    """Measure everything, print the table as it grows, and write JSON."""
    options = _options()
    before = _machine()
    print(f"{before['cpu']}, {before['cores']} cores, load {before['load']}; {before['versions']}")
    print(_COLUMNS.format_map(_HEAD))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for times, repeats in zip(options.times, options.repeats, strict=True):
            for codes in options.codes:
                corpus = _corpus(options.folder, codes, times, options.seed, Path(folder))
                rows += _measured(corpus, repeats, options)
                corpus.path.unlink()
    checks = _checks(rows) if options.size == _SIZE else []
    for check in checks:
        print("{what}: {value:.2f}, {wanted}: {verdict}".format_map(check))
    after = _machine()
    result = {"size": options.size, "before": before, "after": after, "rows": rows, "checks": checks}
    options.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of Instruments.inter.json and its index files")
    parser.add_argument("--codes", nargs="+", choices=list(_FILES), default=list(_FILES))
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument(
        "--repeats", type=int, nargs="+", default=[5, 3], help="one number for each of --times"
    )
    parser.add_argument("--size", type=int, default=_SIZE)
    parser.add_argument(
        "--plain-up-to", type=int, default=10, help="larger corpora are left to the fast way alone"
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=None, help="of the fast way; one, and all cores"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic users")
    parser.add_argument("--out", type=Path, default=Path("bench_vocabulary.json"))
    options = parser.parse_args()
    if len(options.times) != len(options.repeats):
        parser.error("--repeats needs one number for each of --times")
    options.threads = options.threads or sorted({1, cores()})
    return options


def _corpus(files: Path, codes: str, times: int, seed: int, folder: Path) -> Corpus:
    """The corpus written to `folder`."""
    run = folder / codes
    if not run.exists():
        paths = [str((files / name).resolve()) for name in _FILES[codes]]
        settings = config.load("mql4grec-instruments", [f"codes.files={json.dumps(paths)}"], data=files)
        pipeline.run(settings, run, until="codes")
    corpus = Corpus(codes, times, folder / f"{codes} {times}.npz")
    synthetic = [] if times == 1 else ["--times", times, "--seed", seed]
    _script("markov_corpus.py", run, corpus.path, *synthetic)
    return corpus


def _measured(corpus: Corpus, repeats: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way, printed as soon as the corpus is done."""
    ways = [Way("fast", threads) for threads in options.threads]
    if corpus.times <= options.plain_up_to:
        ways.insert(0, Way("plain", 1))
    runs: dict[Way, list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(repeats):  # in turns, so that a busy moment of the machine does not fall on one way alone
        for way, results in runs.items():
            results.append(_train(corpus, way, options.size))
    if len({result["digest"] for results in runs.values() for result in results}) > 1:
        raise SystemExit(f"{corpus.name}: the merges or counts differ between {', '.join(map(str, runs))}")
    plain = runs.get(Way("plain", 1), [])
    rows = [_row(corpus, way, results, plain, options.size) for way, results in runs.items()]
    for row in rows:
        print(_line(row), flush=True)
    return rows


def _train(corpus: Corpus, way: Way, size: int) -> dict[str, Any]:
    plain = ["--plain"] if way.method == "plain" else []
    words = ["--size", size, "--threads", way.threads, *plain]
    result: dict[str, Any] = json.loads(_script("measure_training.py", corpus.path, *words))
    return result


def _script(name: str, *words: object) -> str:
    command = [sys.executable, str(SCRIPTS / name), *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _row(
    corpus: Corpus, way: Way, results: list[dict[str, Any]], plain: list[dict[str, Any]], size: int
) -> dict[str, Any]:
    same = ("categories", "histories", "events", "vocabulary", "features", "tokens_left", "digest")
    ratios = [slow["seconds"] / fast["seconds"] for slow, fast in zip(plain, results, strict=bool(plain))]
    return {
        "corpus": corpus.name,
        "codes": corpus.codes,
        "times": corpus.times,
        **way._asdict(),
        **{key: results[0][key] for key in same},
        "seconds": spread([result["seconds"] for result in results]),
        "cpu": spread([result["cpu"] for result in results]),
        "peak_mb": max(result["peak"] for result in results) / 1e6,
        "peak_above_mb": max(result["peak_above"] for result in results) / 1e6,
        "plain_to_this": spread(ratios) if ratios and way.method != "plain" else None,
        "reference": _REFERENCE.get((corpus.codes, corpus.times)) if size == _SIZE else None,
        "runs": results,
    }


def _line(row: dict[str, Any]) -> str:
    words = {
        **row,
        "seconds": shown(row["seconds"]),
        "peak_above": f"{row['peak_above_mb']:.0f}",
        "peak": f"{row['peak_mb']:.0f}",
        "left": f"{row['tokens_left']} ({row['tokens_left'] / row['features']:.1%})",
        "ratio": shown(row["plain_to_this"]) if row["plain_to_this"] else "",
        "reference": _reference(row),
    }
    return _COLUMNS.format_map(words).rstrip()


def _reference(row: dict[str, Any]) -> str:
    """What was measured elsewhere for the row's corpus and method, on one core."""
    known = row["reference"] or {}
    if row["method"] == "plain":
        words = [f"{known['plain']} s"] if "plain" in known else []
        return ", ".join(
            [*words, f"released code {known['released']:.0f} s"] if "released" in known else words
        )
    return f"{known['fast']} s, {known['peak_mb']:.0f} MB" if known and row["threads"] == 1 else ""


def _checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether the twin is no straw man, and the ratios are at least those of the reference's columns."""
    checks = []
    for row in rows:
        known = row["reference"] or {}
        if "plain" not in known:
            continue
        if row["method"] == "plain":
            value = row["seconds"]["median"] / known["plain"]
            wanted, kept = f"at most {_SLOWEST_TWIN}", value <= _SLOWEST_TWIN
            what = f"{row['corpus']}: the plain twin's seconds over the reference's"
        else:
            least = known["plain"] / known["fast"]
            value = row["plain_to_this"]["median"] if row["plain_to_this"] else 0.0
            wanted, kept = f"at least {least:.2f}", value >= least
            what = f"{row['corpus']}: plain to fast on {row['threads']} threads"
        checks.append(
            {"what": what, "value": value, "wanted": wanted, "verdict": "kept" if kept else "MISSED"}
        )
    return checks


def _machine() -> dict[str, Any]:
    found = machine()
    versions = {
        "python": found.pop("python"),
        "numpy": np.__version__,
        "rustc": said("rustc", "--version"),
        "commit": found.pop("commit"),
    }
    return {**found, "versions": versions, "core_built": int(Path(_clairo.__file__).stat().st_mtime)}


if __name__ == "__main__":
    main()
