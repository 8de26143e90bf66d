"""Tokens in words, on a corpus small enough to follow by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clairo import InputError, Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["text 1", "text 2", "image 1"]


def train(size: int = 100) -> Vocabulary:
    """One user who took the only item eight times: all merges are of its three features."""
    return Vocabulary.train([[2, 0, 1]], [0, 8], [0] * 8, size=size)


def test_a_feature() -> None:
    assert train().describe(3, NAMES) == "token 3: image 1 = 1\n  features of image\n  a feature, no merge"


def test_a_merge_tells_its_parts_and_where_they_were_joined() -> None:
    """The item's features become one token first, in each of eight actions."""
    vocabulary = train()
    assert vocabulary.merges[:2].tolist() == [[1, 2], [3, 4]]
    assert vocabulary.describe(5, NAMES).splitlines() == [
        "token 5: image 1 = 1 + text 1 = 2 + text 2 = 0",
        "  features of text + image",
        f"  merged from tokens 3 and 4, priority {vocabulary.priorities[1]:.6g}",
        f"  merge 2 of {len(vocabulary.merges)}",
        "  joined 8 times inside an action, 0 times across two",
        "    5 = 3 + 4",
        "      3: image 1 = 1",
        "      4 = 1 + 2",
        "        1: text 1 = 2",
        "        2: text 2 = 0",
    ]


def test_a_merge_across_actions_says_so_and_is_cut() -> None:
    vocabulary = train()
    last = len(vocabulary) - 1
    assert len(vocabulary.features_of(last)) == 24
    lines = vocabulary.describe(last).splitlines()
    assert lines[0].endswith(" + 12 more")
    assert lines[0].count("category") == 12
    assert "features of" not in lines[1]
    assert "  joined 0 times inside an action, 1 times across two" in lines
    assert len(lines) == 4 + 15
    assert max(len(line) - len(line.lstrip()) for line in lines) == 10


def test_a_file_of_priorities_does_not_tell_where(tmp_path: Path) -> None:
    train().save(tmp_path / "v.json")
    content = json.loads((tmp_path / "v.json").read_text())
    del content["clairo"]
    (tmp_path / "v.json").write_text(json.dumps(content))
    told = Vocabulary.load(tmp_path / "v.json").describe(5, NAMES)
    assert "merged from tokens 3 and 4" in told
    assert "joined" not in told


@pytest.mark.parametrize("token", [0, -1, 10_000, 1.5])
def test_what_is_no_token_is_refused(token: int) -> None:
    with pytest.raises(InputError, match="token: "):
        train().describe(token)


def test_names_must_be_those_of_the_categories() -> None:
    with pytest.raises(InputError, match="names: 1 given for 3 categories"):
        train().describe(1, ["text"])
