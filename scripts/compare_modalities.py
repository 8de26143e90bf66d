"""Does the picture help? Trains text only, image only, both, and both with the pictures dealt out at random.

All four runs share the shop, the sequences and the embeddings. Every item has as many codes in each: one
modality alone gets all the codebooks that two would share. Prints a table with 95 % intervals and the paired
differences, and writes it as JSON beside the runs. On two cores the default takes under an hour.

    python scripts/compare_modalities.py [CONFIG] [--out runs/modalities] [--set section.key=value ...]
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import config, log, pipeline
from clairo.artifacts import store
from clairo.report import users
from clairo.report.bootstrap import measure
from clairo.report.rankings import CONDITIONS
from clairo.rng import generator

CELLS = {
    "both": ("separate", ""),
    "text": ("text", ""),
    "image": ("image", ""),
    "shuffled": ("separate", "image"),
}
SHARED = ("reviews", "sequences", "embeddings")
CUTOFFS = (5, 10)
RESAMPLES = 2000
TEST = next(condition for condition in CONDITIONS if condition.name == "test")


def main() -> None:
    """Train the four cells, compare them, and print the path of the result."""
    arguments = parse()
    log.setup("auto")
    start = time.monotonic()
    ranks = {cell: train(cell, arguments) for cell in CELLS}
    result = compare(ranks)
    result["seconds"] = round(time.monotonic() - start)
    store.write_json(arguments.out / "modalities.json", result)
    show(result)
    print(arguments.out / "modalities.json")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("config", nargs="?", default="shop", help="a preset's name or a TOML file")
    parser.add_argument("--out", type=Path, default=Path("runs/modalities"))
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of the files that the configuration names"
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    return parser.parse_args()


def train(cell: str, arguments: argparse.Namespace) -> NDArray[np.int64]:
    """Run one cell and return the test users' ranks of their targets, in the order of the users."""
    mode, shuffled = CELLS[cell]
    overrides = [
        *arguments.overrides,
        f"fused.mode={mode}",
        f"fused.shuffled={[shuffled] if shuffled else []}",
    ]
    settings = config.load(arguments.config, overrides, data=arguments.data)
    if mode != "separate":
        books = f"codes.books={2 * settings.codes.books}"
        settings = config.load(arguments.config, [*overrides, books], data=arguments.data)
    folder = arguments.out / cell
    for stage in SHARED:
        made, wanted = arguments.out / "both" / stage, folder / stage
        if cell != "both" and made.is_dir() and not wanted.exists():
            shutil.copytree(made, wanted)
    pipeline.run(settings, folder)
    return users.from_0(users.read(folder, TEST, "model").sort("user")["rank"])


def compare(ranks: dict[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Metrics of every cell, and both minus each other cell, paired by user."""
    stream = generator(0, "compare modalities")
    return measure(ranks, CUTOFFS, resamples=RESAMPLES, rng=stream, reference="both")


def show(result: dict[str, Any]) -> None:
    """Print the table of metrics and the differences."""
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS]
    print("cell      " + "  ".join(f"{name:>24}" for name in names))
    for cell, means in result["means"].items():
        intervals = result["intervals"][cell]
        row = [f"{means[name]:.4f} [{intervals[name][0]:.4f}, {intervals[name][1]:.4f}]" for name in names]
        print(f"{cell:<10}" + "  ".join(f"{text:>24}" for text in row))
    for cell, differences in result["differences"].items():
        for name in ("ndcg@10", "recall@10"):
            gap = differences[name]
            print(f"both minus {cell}, {name}: {gap['difference']:+.4f} {gap['interval']} {gap['verdict']}")


if __name__ == "__main__":
    main()
