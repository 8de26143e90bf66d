"""What a person gets for input that cannot be used: a sentence, exit code 2, and nothing lost."""

from __future__ import annotations

import errno
import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors import SafetensorError

from clairo.artifacts import npz
from clairo.errors import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def missing_reviews(w: Any) -> Any:
    w.reviews.unlink()
    return w.run()


def reviews_not_set(w: Any) -> Any:
    w.config.write_text("", "utf-8")
    return w.run()


def reviews_are_a_folder(w: Any) -> Any:
    return w.run(reviews__reviews=w.folder)


def missing_metadata(w: Any) -> Any:
    w.metadata.unlink()
    return w.run()


def truncated_gzip(w: Any) -> Any:
    data = w.reviews.read_bytes()
    w.reviews.write_bytes(data[: len(data) // 2])
    return w.run()


def broken_line(w: Any) -> Any:
    lines = [json.dumps(row) for row in w.rows]
    lines[6] = lines[6][:40]
    w.write_reviews(lines)
    return w.run()


def line_without_user(w: Any) -> Any:
    rows = [dict(row) for row in w.rows]
    del rows[3]["reviewerID"]
    w.write_reviews(json.dumps(row) for row in rows)
    return w.run()


def broken_metadata_line(w: Any) -> Any:
    with gzip.open(w.metadata, "at", encoding="utf-8") as file:
        file.write('{"asin": "I0\n')
    return w.run()


def empty_reviews(w: Any) -> Any:
    w.write_reviews([])
    return w.run()


def no_gzip(w: Any) -> Any:
    w.reviews.write_text("not a gzip", "utf-8")
    return w.run()


def users_of_one_event(w: Any) -> Any:
    w.write_reviews(json.dumps(row | {"reviewerID": f"V{n}"}) for n, row in enumerate(w.rows))
    return w.run(sequences__min_user_events=1)


def nothing_after_the_core(w: Any) -> Any:
    return w.run(sequences__min_item_events=1000)


def catalogue_of_one_item(w: Any) -> Any:
    w.write_reviews(json.dumps(row | {"asin": "I000"}) for row in w.rows)
    return w.run(sequences__repeats="keep")


def time_split_without_days(w: Any) -> Any:
    return w.run(sequences__split="time")


def time_split_after_the_end(w: Any) -> Any:
    days = {"sequences__validation_from": "2030-01-01", "sequences__test_from": "2031-01-01"}
    return w.run(sequences__split="time", **days)


def unknown_key(w: Any) -> Any:
    return w.run(model__layer=1)


def wrong_type(w: Any) -> Any:
    return w.run(model__layers="many")


def unknown_preset(w: Any) -> Any:
    return w.type("run", "shopp")


def not_toml(w: Any) -> Any:
    w.config.write_text("[reviews\n", "utf-8")
    return w.run()


def unknown_stage(w: Any) -> Any:
    return w.run("--until", "modle")


def malformed_override(w: Any) -> Any:
    return w.run("--set", "model.layers")


def out_is_a_file(w: Any) -> Any:
    w.out = w.write("taken", "")
    return w.run()


def out_is_read_only(w: Any) -> Any:
    w.out = "/proc/clairo-run"
    return w.run()


def codebook_too_large(w: Any) -> Any:
    return w.run(codes__values=256)


def disambiguation_too_small(w: Any) -> Any:
    return w.run(codes__books=1, codes__values=2, codes__disambiguation_values=2)


def no_pictures_for_image_mode(w: Any) -> Any:
    return w.run(fused__mode="image")


def no_pictures_for_both(w: Any) -> Any:
    return w.run(fused__mode="separate", fused__modalities=["text", "image"])


def missing_picture_folder(w: Any) -> Any:
    return w.run(embeddings__image__encoder="descriptor", embeddings__image__folder=w.folder / "no")


def unknown_text_model(w: Any) -> Any:
    return w.run(
        embeddings__text__encoder="sentence-transformers", embeddings__text__model=str(w.folder / "no")
    )


def vectors(w: Any, array: object, ids: str) -> Any:
    return w.run(
        embeddings__text__encoder="file",
        embeddings__text__vectors=w.write("vectors.npy", array),
        embeddings__text__ids=w.write("ids.txt", ids),
    )


IDS = "".join(f"I{item:03}\n" for item in range(24))


def vectors_not_set(w: Any) -> Any:
    return w.run(embeddings__text__encoder="file")


def vectors_with_other_rows(w: Any) -> Any:
    return vectors(w, np.ones((3, 8), np.float32), IDS)


def vectors_not_finite(w: Any) -> Any:
    return vectors(w, np.full((24, 8), np.nan, np.float32), IDS)


def vectors_no_npy(w: Any) -> Any:
    return vectors(w, "no array", IDS)


def vectors_with_an_id_twice(w: Any) -> Any:
    return vectors(w, np.ones((24, 8), np.float32), IDS.replace("I001", "I000"))


def ready(w: Any, **overrides: object) -> Any:
    return w.run(sequences__source="files", **overrides)


HISTORIES = {str(user): [(user + step) % 5 for step in range(5)] for user in range(6)}


def histories_not_set(w: Any) -> Any:
    return ready(w)


def histories_no_json(w: Any) -> Any:
    return ready(w, sequences__histories=w.write("x.inter.json", "{"))


def histories_with_an_unknown_item(w: Any) -> Any:
    ids = w.write("x.item2id", "A\t0\nB\t1\n")
    return ready(w, sequences__histories=w.write("x.inter.json", HISTORIES), sequences__item_ids=ids)


def codes_of(w: Any, rows: object) -> Any:
    return ready(
        w,
        sequences__histories=w.write("x.inter.json", HISTORIES),
        codes__source="files",
        codes__files=json.dumps([str(w.write("x.index_a.json", rows))]),
    )


ROWS = {str(item): [f"<a_{item % 4}>", "<b_1>"] for item in range(5)}


def codes_not_set(w: Any) -> Any:
    return ready(w, sequences__histories=w.write("x.inter.json", HISTORIES), codes__source="files")


def codes_malformed(w: Any) -> Any:
    return codes_of(w, ROWS | {"2": ["a2", "<b_1>"]})


def codes_without_an_item(w: Any) -> Any:
    return codes_of(w, {item: row for item, row in ROWS.items() if item != "3"})


def codes_above_the_book(w: Any) -> Any:
    return codes_of(w, ROWS | {"2": ["<a_77>", "<b_1>"]})


def recommend_for_nobody(w: Any) -> Any:
    return w.type("recommend", w.folder)


def recommend_without_a_run(w: Any) -> Any:
    return w.type("recommend", w.folder, "--items", "I000")


def status_without_a_run(w: Any) -> Any:
    return w.type("status", w.folder)


def report_before_recommendations(w: Any) -> Any:
    assert w.run("--until", "sequences").code == 0
    return w.type("report", w.out)


def shop_into_a_full_folder(w: Any) -> Any:
    return w.type("shop", w.folder)


CASES: list[tuple[Callable[[Any], Any], list[str]]] = [
    (missing_reviews, ["reviews.reviews", "Things_5.json.gz"]),
    (reviews_not_set, ["reviews.reviews", "not set"]),
    (reviews_are_a_folder, ["reviews.reviews", "folder"]),
    (missing_metadata, ["reviews.metadata", "meta_Things.json.gz"]),
    (truncated_gzip, ["Things_5.json.gz", "line"]),
    (broken_line, ["Things_5.json.gz", "line 7"]),
    (line_without_user, ["Things_5.json.gz", "line 4", "reviewerID"]),
    (broken_metadata_line, ["meta_Things.json.gz", "line 25"]),
    (empty_reviews, ["Things_5.json.gz"]),
    (no_gzip, ["Things_5.json.gz", "gzip"]),
    (users_of_one_event, ["no user has"]),
    (nothing_after_the_core, ["min_item_events = 1000", "lower"]),
    (catalogue_of_one_item, ["one item"]),
    (time_split_without_days, ["validation_from"]),
    (time_split_after_the_end, ["no user has"]),
    (unknown_key, ["model.layer", "'layers'"]),
    (wrong_type, ["model.layers", "many"]),
    (unknown_preset, ["'shopp'", "'shop'"]),
    (not_toml, ["things.toml", "line 1"]),
    (unknown_stage, ["modle", "model"]),
    (malformed_override, ["model.layers", "section.key=value"]),
    (out_is_a_file, ["taken"]),
    (out_is_read_only, ["/proc/clairo-run", "--out"]),
    (codebook_too_large, ["codes.values", "would fit"]),
    (disambiguation_too_small, ["disambiguation_values", "14 or more"]),
    (no_pictures_for_image_mode, ["fused.mode", "image"]),
    (no_pictures_for_both, ["fused.mode", "image"]),
    (missing_picture_folder, ["embeddings.image.folder"]),
    (unknown_text_model, ["embeddings.text.model"]),
    (vectors_not_set, ["embeddings.text.vectors"]),
    (vectors_with_other_rows, ["vectors.npy", "24", "3"]),
    (vectors_not_finite, ["vectors.npy"]),
    (vectors_no_npy, ["vectors.npy"]),
    (vectors_with_an_id_twice, ["ids.txt", "I000"]),
    (histories_not_set, ["sequences.histories"]),
    (histories_no_json, ["x.inter.json", "JSON"]),
    (histories_with_an_unknown_item, ["x.item2id", "2"]),
    (codes_not_set, ["codes.files"]),
    (codes_malformed, ["x.index_a.json", "'2'", "a2"]),
    (codes_without_an_item, ["x.index_a.json"]),
    (codes_above_the_book, ["x.index_a.json", "codes.values"]),
    (recommend_for_nobody, ["--user", "--items"]),
    (recommend_without_a_run, ["run"]),
    (status_without_a_run, ["no run folder"]),
    (report_before_recommendations, ["recommendations"]),
    (shop_into_a_full_folder, ["empty"]),
]


@pytest.mark.parametrize(("case", "words"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_bad_input_is_told_in_words(case: Callable[[Any], Any], words: list[str], world: Any) -> None:
    answer = case(world)
    assert answer.code == 2, answer.err
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err
    assert not answer.out


def test_bad_input_loses_nothing(world: Any) -> None:
    assert world.run("--until", "sequences").code == 0
    before = {path: path.read_bytes() for path in world.out.rglob("*") if path.is_file()}
    broken_line(world)
    answer = world.run()
    assert answer.code == 2
    kept = {
        path: path.read_bytes() for path in before if "reviews" in path.parts or "sequences" in path.parts
    }
    assert kept
    assert all(before[path] == data for path, data in kept.items())


def full_disk_error(_path: Path, _arrays: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sequences.npz")


def test_a_full_disk_is_a_fault_of_the_machine_and_the_run_goes_on(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(npz, "write", full_disk_error)
        answer = world.run("--until", "sequences")
    assert answer.code == 1
    assert "the disk is full" in answer.err
    assert not (world.out / "sequences").exists()
    assert world.run("--until", "sequences").code == 0


def test_a_full_disk_is_told_whichever_library_met_it() -> None:
    """safetensors has errors of its own, with the system's words inside."""
    error = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert told(error) == ("the disk is full\nhint: make room; the same command goes on from here", 1)
    assert told(SafetensorError("Error while deserializing header: header too small")) is None


def test_ctrl_c_ends_with_130(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_path: Path, _arrays: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(npz, "write", stop)
    answer = world.run("--until", "sequences")
    assert answer.code == 130
    assert "Traceback" not in answer.err
