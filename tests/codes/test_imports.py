"""Importing the rooms around quantizing is light: heavy libraries wait until they are needed."""

import subprocess
import sys
from pathlib import Path

HEAVY = {
    "PIL",
    "faiss",
    "open_clip",
    "polars",
    "sentence_transformers",
    "skimage",
    "sklearn",
    "torch",
    "transformers",
}


def test_no_heavy_library_is_imported_with_a_room(checkout: Path) -> None:
    program = "import sys, clairo.codes, clairo.embeddings, clairo.fused; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=checkout
    )
    assert HEAVY & set(done.stdout.split()) == set()
