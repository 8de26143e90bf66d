"""An item's tokens, and a token's features, in words."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clairo.artifacts import Codes, Sequences
from clairo.errors import InputError
from clairo.vocabulary import scope
from clairo.vocabulary.stage import FILE
from clairo.vocabulary.table import Vocabulary
from clairo.vocabulary.words import features_in_words

_EXAMPLES = 3


def describe(run: Path, what: str) -> str:
    """Say of an item (by its id) which tokens it has, or of a token (by its number) what it stands for.

    Raises:
        InputError: the run has no vocabulary yet, or `what` is neither.
    """
    vocabulary = Vocabulary.load(run / "vocabulary" / FILE)
    codes = Codes.load(run / "codes")
    reach = scope.across(run / "vocabulary")
    words = _Words(vocabulary, codes, Sequences.load(run / "sequences"), _titles(run), across=reach)
    rows = np.flatnonzero(codes.ids == what)
    if len(rows):
        return words.item(int(rows[0]))
    if what.isdecimal() and 1 <= int(what) < len(vocabulary):
        return words.token(int(what))
    raise InputError(
        f"{what!r} is neither an item of this run nor a token",
        hint=f"tokens are 1 to {len(vocabulary) - 1}; item ids look like {codes.ids[0]!s}",
    )


class _Words:
    def __init__(
        self,
        vocabulary: Vocabulary,
        codes: Codes,
        sequences: Sequences,
        titles: dict[str, str],
        *,
        across: bool,
    ) -> None:
        self._vocabulary, self._codes, self._titles = vocabulary, codes, titles
        self._sequences, self._across = sequences, across

    def item(self, row: int) -> str:
        tokens, _ = self._vocabulary.canonical(self._codes.features[row : row + 1])
        lines = [f"item {self._name(row)}"]
        lines += [f"  token {token}: {self._features(int(token))}" for token in tokens]
        return "\n".join(lines)

    def token(self, token: int) -> str:
        lines = [self._vocabulary.describe(token, self._codes.names)]
        holds = self._items_with(token)
        if holds is None:
            lines.append(
                "  reaches across two actions: it names a category twice, so no single item holds it"
            )
        else:
            lines.append(f"  {len(holds)} items have all of it")
            lines += [f"    {self._name(int(row))}" for row in holds[:_EXAMPLES]]
        return "\n".join([*lines, *self._histories_with(token)])

    def _histories_with(self, token: int) -> Iterator[str]:
        offsets, events = self._sequences.training()
        apart = offsets if self._across else scope.alone(events)
        tokens, starts = self._vocabulary.encode(self._codes.features, apart, events, seed=0)
        starts = starts if self._across else starts[offsets]
        rows = np.unique(np.searchsorted(starts, np.flatnonzero(tokens == token), side="right") - 1)
        yield f"  stands in {len(rows)} of {len(offsets) - 1} training histories, each permuted once"
        for row in rows[:_EXAMPLES].tolist():
            history = events[offsets[row] : offsets[row + 1]].tolist()
            actions = ", then ".join(map(self._name, self._stretch(token, history)))
            yield f"    user {self._sequences.users[row]}: {actions}"

    def _stretch(self, token: int, history: list[int]) -> list[int]:
        """The first of the shortest stretches of a history that have all features of a token."""
        wanted = Counter(self._vocabulary.features_of(token))
        held = [Counter(enumerate(self._codes.features[item].tolist())) for item in history]
        for length in range(1, len(history)):
            for start in range(len(history) - length + 1):
                if wanted <= sum(held[start : start + length], Counter()):
                    return history[start : start + length]
        return history

    def _features(self, token: int) -> str:
        return features_in_words(self._vocabulary, token, self._codes.names)

    def _items_with(self, token: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
        features = self._vocabulary.features_of(token)
        if len({category for category, _ in features}) < len(features):
            return None
        table = self._codes.features
        matches = [table[:, category] == value for category, value in features]
        return np.flatnonzero(np.logical_and.reduce(matches))

    def _name(self, row: int) -> str:
        item = str(self._codes.ids[row])
        title = self._titles.get(item)
        return f"{item} ({title})" if title else item


def _titles(run: Path) -> dict[str, str]:
    path = run / "sequences" / "items.parquet"
    if not path.is_file():
        return {}
    import polars as pl

    table = pl.read_parquet(path)
    columns = [name for name in ("title", "text") if name in table.columns]
    if not columns:
        return {}
    titled = table.select("item", title=pl.coalesce(columns)).drop_nulls()
    return dict(titled.iter_rows())
