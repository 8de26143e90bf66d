"""Vectors from files: by id, and with every mistake named."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.embeddings import files
from clairo.embeddings.notes import Notes
from clairo.errors import InputError

ITEMS = np.array(["a", "b", "c"])


def write(folder: Path, array: object, lines: str) -> tuple[Path, Path]:
    vectors, ids = folder / "vectors.npy", folder / "ids.txt"
    np.save(vectors, np.asarray(array))
    ids.write_text(lines, "utf-8")
    return vectors, ids


def notes() -> Notes:
    return Notes("image", {"encoder": "file"})


VECTORS = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)


@pytest.mark.parametrize(
    "lines", ["c\na\nb\n", "c\r\na\r\nb", "\ufeffc\n\na\nb\n\n", "a\t1\nb\t2\nc\t0\n", "c\t0\nb\t2\na\t1"]
)
def test_rows_go_to_the_items_that_the_ids_name(tmp_path: Path, lines: str) -> None:
    made = files.embed(*write(tmp_path, VECTORS, lines), ITEMS, notes())
    np.testing.assert_array_equal(made.vectors, VECTORS[[1, 2, 0]])
    assert made.present.all()
    np.testing.assert_array_equal(made.ids, ITEMS)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.booleans())
def test_any_order_of_the_file_gives_the_same_vectors(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], numbered: bool
) -> None:
    items = np.array([f"item {row}" for row in range(6)])
    vectors = np.arange(1, 13, dtype=np.float32).reshape(6, 2)
    lines = "\n".join(
        f"{items[row]}\t{row}" if numbered else str(items[row]) for row in order
    )  # numbered: lines are permuted, rows are not
    array = vectors if numbered else vectors[order]
    made = files.embed(*write(tmp_path_factory.mktemp("file"), array, lines), items, notes())
    np.testing.assert_array_equal(made.vectors, vectors)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_other_precisions_become_single(tmp_path: Path, dtype: type[np.floating]) -> None:
    made = files.embed(*write(tmp_path, VECTORS.astype(dtype), "a\nb\nc"), ITEMS, notes())
    assert made.vectors.dtype == np.float32
    np.testing.assert_array_equal(made.vectors, VECTORS)


def test_items_without_a_vector_are_absent_and_counted(tmp_path: Path) -> None:
    said = notes()
    made = files.embed(*write(tmp_path, [[1.0, 2], [0, 0], [9, 9]], "a\nb\nx"), ITEMS, said)
    np.testing.assert_array_equal(made.present, [True, False, False])
    np.testing.assert_array_equal(made.vectors, [[1, 2], [0, 0], [0, 0]])
    assert said.entries == {"encoder": "file", "unnamed": 1, "zero": 1, "unused": 1}
    assert said.warnings == [
        "1 items have no row in the file, the first is 'c'",
        "1 items have a vector of zeros in the file, the first is 'b'",
    ]


@pytest.mark.parametrize(
    ("array", "lines", "message"),
    [
        (VECTORS, "a\nb", r"ids\.txt names 2 items, but .*vectors\.npy has 3 rows"),
        (VECTORS, "a\nb\nc\nd", r"ids\.txt, line 4: there is no row 3"),
        (VECTORS, "a\nb\na", "line 3: item 'a' was named before"),
        (VECTORS, "a\t0\nb\t0\nc\t1", "line 2: row 0 was named before, on line 1"),
        (VECTORS, "a\t0\nb\t1\nc\t-2", "line 3: '-2' is no row number"),
        (VECTORS, "a\t0\nb\tone\nc\t2", "line 2: 'one' is no row number"),
        (VECTORS, "x\ny\nz", "names none of the 3 items: its first id is 'x', the first item is 'a'"),
        (VECTORS[0], "a", r"has shape \(2,\), but \(items, width\) is wanted"),
        (VECTORS.astype(np.int64), "a\nb\nc", "holds int64, but floating-point"),
        (VECTORS.astype(np.complex64), "a\nb\nc", "holds complex64, but floating-point"),
        ([[1, 2], [3, np.nan], [5, 6]], "a\nb\nc", "row 1, column 1 is nan"),
        ([[1, 2], [3, 4], [1e300, 6]], "a\nb\nc", r"row 2, column 0 is 1e\+300"),
        (np.zeros((3, 0)), "a\nb\nc", r"has shape \(3, 0\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, array: object, lines: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        files.embed(*write(tmp_path, array, lines), ITEMS, notes())


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    vectors, ids = write(tmp_path, VECTORS, "a\nb\nc")
    vectors.write_bytes(vectors.read_bytes()[:-5])
    with pytest.raises(InputError, match="is no array that numpy can read"):
        files.embed(vectors, ids, ITEMS, notes())
    np.savez(tmp_path / "several.npz", a=VECTORS)
    with pytest.raises(InputError, match="holds several arrays"):
        files.embed(tmp_path / "several.npz", ids, ITEMS, notes())
    np.save(vectors, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="is no array that numpy can read"):
        files.embed(vectors, ids, ITEMS, notes())
    np.save(vectors, VECTORS)
    ids.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as text"):
        files.embed(vectors, ids, ITEMS, notes())


def test_clip_features_of_a_real_catalogue(shared: Path) -> None:
    folder = shared / "data" / "scientific-mm"
    names = json.loads((folder / "scientific18-mm.item.json").read_text("utf-8"))
    items = np.array([entry["asin"] for entry in names.values()])[::-1]  # not the order of the file
    made = files.embed(
        folder / "scientific18-mm.clip_image.npy", folder / "scientific18-mm.item2id", items, notes()
    )
    assert made.vectors.shape == (1585, 512)
    assert made.present.all()
    repeated = np.unique(made.vectors, axis=0, return_counts=True)[1]
    assert len(made.vectors) - len(repeated) == 63
