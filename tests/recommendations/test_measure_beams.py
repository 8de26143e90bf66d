"""The script that holds the beam search against the exact one, on the tiny run."""

import json
import subprocess
import sys
from pathlib import Path


def test_beams_for_every_item_find_what_the_exact_search_finds(
    run_folder: Path, checkout: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    script, out = checkout / "scripts" / "measure_beams.py", tmp_path / "beams.json"
    words: list[str | Path] = [
        sys.executable,
        script,
        run_folder,
        "--users",
        "12",
        "--beams",
        "2,70",
        "--out",
    ]
    done = subprocess.run([*words, out], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(out)
    found = json.loads(out.read_text())
    rows = {(row["list"], row["beams"]): row for row in found["rows"]}
    assert found["users"] == 12
    assert {beams for _, beams in rows} == {2, 50, 70, "exact"}
    for kind in ("view", "votes", "probabilities"):
        assert rows[kind, 70]["same"] == rows[kind, 70]["overlap"] == 1
        assert rows[kind, 2]["overlap"] < 1
    assert rows["view", 70]["ndcg@10"] == rows["view", "exact"]["ndcg@10"]
    assert {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()} == before
