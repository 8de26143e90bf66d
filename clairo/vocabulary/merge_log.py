"""What every merge joined: how often, inside or across actions, and features of which categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from clairo.vocabulary.table import Vocabulary


def kind_of(category: str) -> str:
    """What a category is of: `text 3` is of `text`, `disambiguation` of itself."""
    kind, _, number = category.rpartition(" ")
    return kind if kind and number.isdecimal() else category


def category_names(vocabulary: Vocabulary, names: Sequence[str] | None) -> list[str]:
    """`names`, or names by number.

    Raises:
        InputError: there are more or fewer names than categories.
    """
    if names is None:
        return [f"category {number}" for number in range(vocabulary.n_categories)]
    if len(names) != vocabulary.n_categories:
        raise InputError(f"names: {len(names)} given for {vocabulary.n_categories} categories")
    return list(names)


def merge_log(vocabulary: Vocabulary, names: Sequence[str] | None = None) -> pl.DataFrame:
    """The table that `Vocabulary.merge_log` documents."""
    import polars as pl

    masks = _masks(vocabulary)
    named = category_names(vocabulary, names)
    words = {mask: [name for place, name in enumerate(named) if mask >> place & 1] for mask in set(masks)}
    kinds = {mask: " + ".join(dict.fromkeys(map(kind_of, found))) for mask, found in words.items()}

    def categories(tokens: Iterable[int]) -> pl.Series:
        return pl.Series([words[masks[token]] for token in tokens], dtype=pl.List(pl.String))

    left, right = vocabulary.merges.T
    inside, across = vocabulary.joined or ([None] * len(left),) * 2
    return pl.DataFrame(
        {
            "token": pl.Series(range(vocabulary.n_initial, len(vocabulary)), dtype=pl.UInt32),
            "left": pl.Series(left, dtype=pl.UInt32),
            "right": pl.Series(right, dtype=pl.UInt32),
            "priority": pl.Series(vocabulary.priorities, dtype=pl.Float64),
            "inside": pl.Series(inside, dtype=pl.UInt64),
            "across": pl.Series(across, dtype=pl.UInt64),
            "left_categories": categories(left.tolist()),
            "right_categories": categories(right.tolist()),
            "kinds": pl.Series([kinds[mask] for mask in masks[vocabulary.n_initial :]], dtype=pl.String),
        }
    )


def _masks(vocabulary: Vocabulary) -> list[int]:
    """For each token the categories that it has features of, one bit each."""
    masks = [0, *(1 << category for category, _ in vocabulary.initial_tokens)]
    for left, right in vocabulary.merges.tolist():
        masks.append(masks[left] | masks[right])
    return masks
