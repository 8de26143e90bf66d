"""A token in words: its features, how it was made, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clairo.vocabulary.merge_log import category_names, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clairo.vocabulary.table import Vocabulary

_FEATURES = 12
_DEPTH = 3


def features_in_words(vocabulary: Vocabulary, token: int, names: Sequence[str]) -> str:
    """`text 1 = 3 + image 2 = 0`, cut where it is long."""
    features = vocabulary.features_of(token)
    shown = " + ".join(f"{names[category]} = {value}" for category, value in features[:_FEATURES])
    rest = len(features) - _FEATURES
    return f"{shown} + {rest} more" if rest > 0 else shown


def token_in_words(vocabulary: Vocabulary, token: int, names: Sequence[str] | None) -> str:
    """The lines that `Vocabulary.describe` documents."""
    named = category_names(vocabulary, names)
    lines = [f"token {token}: {features_in_words(vocabulary, token, named)}"]
    if names is not None:
        lines.append(f"  features of {_kinds(vocabulary, token, named)}")
    if token < vocabulary.n_initial:
        return "\n".join([*lines, "  a feature, no merge"])
    return "\n".join([*lines, *_made(vocabulary, token), *_tree(vocabulary, token, named, 0)])


def _kinds(vocabulary: Vocabulary, token: int, names: Sequence[str]) -> str:
    categories = sorted({category for category, _ in vocabulary.features_of(token)})
    return " + ".join(dict.fromkeys(kind_of(names[category]) for category in categories))


def _made(vocabulary: Vocabulary, token: int) -> Iterator[str]:
    merge = token - vocabulary.n_initial
    left, right = vocabulary.merges[merge]
    yield f"  merged from tokens {left} and {right}, priority {vocabulary.priorities[merge]:.6g}"
    yield f"  merge {merge + 1} of {len(vocabulary.merges)}"
    if vocabulary.joined is not None:
        inside, across = (int(times[merge]) for times in vocabulary.joined)
        yield f"  joined {inside} times inside an action, {across} times across two"


def _tree(vocabulary: Vocabulary, token: int, names: Sequence[str], depth: int) -> Iterator[str]:
    """A line a token, parts below and further in; what lies deep is told by its features."""
    start = "    " + "  " * depth
    if token < vocabulary.n_initial or depth == _DEPTH:
        yield f"{start}{token}: {features_in_words(vocabulary, token, names)}"
        return
    parts = vocabulary.merges[token - vocabulary.n_initial].tolist()
    yield f"{start}{token} = {parts[0]} + {parts[1]}"
    for part in parts:
        yield from _tree(vocabulary, part, names, depth + 1)
