"""Which items may be recommended: those in stock, of one category, not those that a user turned down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

Ids = Iterable[str]
IdLists = Ids | Iterable[Ids | None] | None
"""Original ids for all histories, or for each history its own (None: no list); None: no list at all."""


@dataclass(frozen=True)
class Assortment:
    """The items that each history may be recommended.

    Attributes:
        n_items: size of the catalogue.
        allow: item rows that alone may come out, None for every item; one entry for all histories, or one for
            each.
        deny: item rows that may not come out, the same way; what is in both lists may not.
        unknown: ids of either list that are not in the catalogue, the same way.
    """

    n_items: int
    allow: list[NDArray[np.int64] | None]
    deny: list[NDArray[np.int64] | None]
    unknown: list[list[str]]

    @classmethod
    def of(cls, catalogue: Mapping[str, int], histories: int, *, allow: IdLists, deny: IdLists) -> Self:
        """Look the ids up in `catalogue` (original id to row).

        Ids that it lacks are kept in `unknown` and otherwise ignored: a shop's stock holds more than the
        items that a model was trained with.

        Raises:
            InputError: a list is no list of ids, there are more or fewer lists than histories, or an allow
                list for all histories holds ids and none is in the catalogue.
        """
        allowed, strange = _rows(catalogue, histories, "allow", allow)
        denied, stranger = _rows(catalogue, histories, "deny", deny)
        unknown = [
            list(dict.fromkeys(strange[_place(row, strange)] + stranger[_place(row, stranger)]))
            for row in range(max(len(strange), len(stranger)))
        ]
        return cls(len(catalogue), allowed, denied, unknown)

    def mask(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What these histories may be recommended, (n, n_items); or (1, n_items) where all may the same."""
        if self._alike:
            return self._first
        return np.concatenate([self._of(row) for row in rows.tolist()])

    def allows(self, row: int) -> NDArray[np.bool_]:
        """What history `row` may be recommended, (n_items,)."""
        may: NDArray[np.bool_] = (self._first if self._alike else self._of(row))[0]
        return may

    def not_known(self, row: int) -> list[str]:
        """Ids of the lists of history `row` that are not in the catalogue, each once."""
        return self.unknown[_place(row, self.unknown)]

    @property
    def _alike(self) -> bool:
        return len(self.allow) == len(self.deny) == 1

    @cached_property
    def _first(self) -> NDArray[np.bool_]:
        return self._of(0)

    def _of(self, row: int) -> NDArray[np.bool_]:
        allow, deny = self.allow[_place(row, self.allow)], self.deny[_place(row, self.deny)]
        may = np.full((1, self.n_items), allow is None)
        if allow is not None:
            may[0, allow] = True
        if deny is not None:
            may[0, deny] = False
        return may


def listed(ids: object, what: str) -> list[str]:
    """`ids` as a list; one text in place of a list is a mistake that would pass unseen.

    Raises:
        InputError: it is no list of text; `what` names it.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"{what} must be a list of item ids, not {ids!r}")
    found = list(ids)
    wrong = [item for item in found if not isinstance(item, str)]
    if wrong:
        raise InputError(f"{what} must hold item ids as text, not {wrong[0]!r}")
    return [str(item) for item in found]


def _place(row: int, entries: Sequence[object]) -> int:
    """Where the entry of a history stands: there is one for all, or one for each."""
    return 0 if len(entries) == 1 else row


def _rows(
    catalogue: Mapping[str, int], histories: int, name: str, lists: IdLists
) -> tuple[list[NDArray[np.int64] | None], list[list[str]]]:
    """Rows of the known ids, and the unknown ids, each for all histories or one entry a history."""
    if lists is None:
        return [None], [[]]
    if not isinstance(lists, Iterable) or isinstance(lists, str | bytes):
        raise InputError(f"{name} must be a list of item ids, not {lists!r}")
    entries: list[object] = list(lists)
    if not any(map(_is_list, entries)):
        known, unknown = _looked_up(catalogue, listed(entries, name))
        if unknown and name == "allow" and not len(known):
            raise InputError(
                f"none of the {len(unknown)} ids of allow is in the catalogue ({unknown[0]!r} is one)",
                hint="ids are those of the data that the run was made from",
            )
        return [known], [unknown]
    if len(entries) != histories:
        raise InputError(
            f"{name} holds {len(entries)} lists for {histories} histories",
            hint="give one list of ids for all, or one for each",
        )
    found = [
        (None, []) if ids is None else _looked_up(catalogue, listed(ids, f"{name}, list {place},"))
        for place, ids in enumerate(entries)
    ]
    return [known for known, _ in found], [unknown for _, unknown in found]


def _is_list(entry: object) -> bool:
    """Whether an entry is the list of one history (None: it has none) and not an id."""
    return entry is None or (isinstance(entry, Iterable) and not isinstance(entry, str | bytes))


def _looked_up(catalogue: Mapping[str, int], ids: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Rows of the ids in the catalogue, and the ids that are not."""
    rows = [catalogue[item] for item in ids if item in catalogue]
    return np.array(rows, dtype=np.int64), [item for item in ids if item not in catalogue]
