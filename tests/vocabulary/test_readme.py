"""The README's example of the tokenizer runs as it stands, and what its comments say is so."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def fenced(text: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def section(checkout: Path) -> str:
    text = (checkout / "README.md").read_text("utf-8")
    return text.split("## The tokenizer alone\n")[1].split("\n## ")[0]


def test_the_example_runs_and_says_what_is_so(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(fenced(section, "python"), "utf-8")
    names = runpy.run_path(str(tmp_path / "example.py"))
    small, large = names["vocabulary"], names["larger"]
    assert (len(small), len(large)) == (12, 14)
    assert large.merges[: len(small.merges)].tolist() == small.merges.tolist()
    assert 0 < len(small.merges) < len(large.merges)
    own, starts = names["own"], names["starts"]
    assert small.decode(own[starts[0] : starts[1]]).tolist() == [0, 2] == names["items"]["mug"]
    offsets = names["offsets"]
    assert len(offsets) == 4
    assert offsets[-1] == len(names["tokens"])
    told = capsys.readouterr().out
    assert told.startswith("token 13: ")
    assert "merged from tokens" in told
    assert (tmp_path / "vocabulary.json").is_file()


def test_the_rust_example_is_the_one_that_cargo_runs(section: str, checkout: Path) -> None:
    lines = (checkout / "rust" / "src" / "lib.rs").read_text("utf-8").splitlines(keepends=True)
    documented = "".join(line[3:].removeprefix(" ") for line in lines if line.startswith("//!"))
    shown, run = fenced(section, "rust").splitlines(), fenced(documented, "").splitlines()
    assert [line.strip() for line in shown] == [line.removeprefix("# ") for line in run]
