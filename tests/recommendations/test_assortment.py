"""Allow and deny lists: what may come out for all histories or for each, and what is said of odd lists."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.errors import InputError
from clairo.recommendations.assortment import Assortment

CATALOGUE = {f"I{row}": row for row in range(8)}
IDS = st.lists(st.integers(0, 10).map(lambda row: f"I{row}"), max_size=6)


def allowed_by_hand(allow: list[str] | None, deny: list[str] | None) -> list[bool]:
    return [(allow is None or item in allow) and item not in (deny or []) for item in CATALOGUE]


@given(st.lists(st.tuples(st.none() | IDS, st.none() | IDS), min_size=1, max_size=4))
def test_each_history_gets_what_its_own_lists_say(lists: list[tuple[Any, Any]]) -> None:
    allow, deny = [one for one, _ in lists], [other for _, other in lists]
    found = Assortment.of(CATALOGUE, len(lists), allow=allow, deny=deny)
    for row, (one, other) in enumerate(lists):
        assert found.allows(row).tolist() == allowed_by_hand(one, other)
        strange = [item for item in [*(one or []), *(other or [])] if item not in CATALOGUE]
        assert found.not_known(row) == list(dict.fromkeys(strange))
    rows = np.arange(len(lists))[::-1]
    mask = found.mask(rows)
    assert [mask[min(place, len(mask) - 1)].tolist() for place in range(len(rows))] == [
        found.allows(row).tolist() for row in rows
    ]


@given(allow=st.none() | IDS, deny=st.none() | IDS, histories=st.integers(0, 3))
def test_one_list_holds_for_all(allow: list[str] | None, deny: list[str] | None, histories: int) -> None:
    wanted = None if allow is None else [*allow, "I0"]
    found = Assortment.of(CATALOGUE, histories, allow=wanted, deny=deny)
    mask = found.mask(np.arange(histories))
    assert mask.tolist() == [allowed_by_hand(wanted, deny)]
    assert all(found.allows(row).tolist() == mask[0].tolist() for row in range(histories))


def test_one_list_for_all_beside_one_for_each() -> None:
    found = Assortment.of(CATALOGUE, 2, allow={"I1", "I2", "J"}, deny=[["I1", "K"], None])
    assert [np.flatnonzero(row).tolist() for row in found.mask(np.arange(2))] == [[2], [1, 2]]
    assert [found.not_known(row) for row in range(2)] == [["J", "K"], ["J"]]


def test_a_list_that_leaves_nothing_is_no_error() -> None:
    for allow, deny in (([], None), (None, list(CATALOGUE)), (["I1"], ["I1"]), ([["J"], ["I1"]], ["I1"])):
        assert not Assortment.of(CATALOGUE, 2, allow=allow, deny=deny).mask(np.arange(2)).any()


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"allow": ["J1", "J2"]}, "none of the 2 ids of allow is in the catalogue .'J1' is one"),
        ({"allow": "I1"}, "allow must be a list of item ids, not 'I1'"),
        ({"deny": 3}, "deny must be a list of item ids, not 3"),
        ({"deny": [1, 2]}, "deny must hold item ids as text, not 1"),
        ({"deny": ["I1", None]}, "deny holds 2 lists for 3 histories"),
        ({"deny": ["I1", None, ["I2"]]}, "deny, list 0, must be a list of item ids, not 'I1'"),
        ({"allow": [["I1"], ["I2"]]}, "allow holds 2 lists for 3 histories"),
        ({"allow": [["I1"], [None], None]}, "allow, list 1, must hold item ids as text, not None"),
    ],
)
def test_what_is_no_list_of_ids_is_refused(lists: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Assortment.of(CATALOGUE, 3, **({"allow": None, "deny": None} | lists))
