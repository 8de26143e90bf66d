from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.artifacts import Embedding, Sequences
from clairo.errors import InputError


def leave_one_out(histories: list[list[int]], max_history: int = 50, n_items: int = 9) -> Sequences:
    lengths = np.array([len(history) for history in histories], dtype=np.int64)
    return Sequences(
        items=np.array([f"i{k}" for k in range(n_items)]),
        users=np.array([f"u{k}" for k in range(len(histories))]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        events=np.array([item for history in histories for item in history], dtype=np.uint32),
        times=np.full(int(lengths.sum()), -1, dtype=np.int64),
        train_end=np.where(lengths >= 3, lengths - 2, np.maximum(lengths - 1, 0)),
        validation=np.where(lengths >= 3, lengths - 2, -1),
        test=np.where(lengths >= 2, lengths - 1, -1),
        ties=np.zeros(len(histories), dtype=np.bool_),
        max_history=max_history,
    )


def rows(flat: tuple[NDArray[np.int64], NDArray[np.uint32]]) -> list[list[int]]:
    offsets, events = flat
    return [events[a:b].tolist() for a, b in pairwise(offsets)]


histories_of = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=12), min_size=1, max_size=8)


@given(histories_of, st.integers(1, 6))
def test_views_of_the_split_are_slices_of_the_histories(histories: list[list[int]], cap: int) -> None:
    sequences = leave_one_out(histories, cap)
    assert rows(sequences.training()) == [h[:-2] if len(h) >= 3 else h[:-1] for h in histories]
    for split, back, least in (("validation", 2, 3), ("test", 1, 2)):
        users, targets = sequences.targets(split)  # type: ignore[arg-type]
        chosen = [h for h in histories if len(h) >= least]
        assert users.tolist() == [u for u, h in enumerate(histories) if len(h) >= least]
        assert targets.tolist() == [h[-back] for h in chosen]
        expected = [h[:-back][-cap:] for h in chosen]
        assert rows(sequences.input_history(split)) == expected  # type: ignore[arg-type]


def test_sequences_come_back_from_disk(tmp_path: Path) -> None:
    sequences = leave_one_out([[0, 1, 2, 3], [4, 5]])
    sequences.save(tmp_path)
    loaded = Sequences.load(tmp_path)
    assert loaded.max_history == 50
    assert rows(loaded.training()) == rows(sequences.training())
    assert loaded.items.tolist() == sequences.items.tolist()


def test_an_item_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(InputError, match="item 8"):
        leave_one_out([[8]], n_items=3)


def test_vectors_are_joined_by_id_never_by_position(tmp_path: Path) -> None:
    ids = np.array(["a", "b", "c"])
    embedding = Embedding(ids, np.eye(3, dtype=np.float32), np.array([True, False, True]))
    embedding.save(tmp_path / "text.npz")
    turned = Embedding.load(tmp_path / "text.npz").aligned(np.array(["c", "a"]))
    assert turned.vectors.tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(InputError, match="'z'"):
        embedding.aligned(np.array(["z"]))
    twice = Embedding(np.array(["a", "a"]), np.zeros((2, 1), np.float32), np.ones(2, np.bool_))
    with pytest.raises(InputError, match="more than one"):
        twice.aligned(np.array(["a"]))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    sequences = leave_one_out([[0, 1, 2, 3]])
    sequences.save(tmp_path)
    path = tmp_path / "sequences.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"sequences\.npz is damaged"):
        Sequences.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"sequences\.npz is missing"):
        Sequences.load(tmp_path)
