import errno
import json
import os
from pathlib import Path

import pytest

from clairo.artifacts import store
from clairo.artifacts.store import Manifest, Store
from clairo.errors import InputError, told


def finish(place: Store, stage: str, fingerprint: str, **files: str) -> Path:
    work = place.begin(stage, fingerprint)
    for name, text in files.items():
        (work / name).write_text(text)
    manifest = Manifest(stage, fingerprint, {"seed": 0}, {}, store.outputs(work), {}, 0.0, 0.0, "now")
    return place.publish(manifest)


def test_an_artefact_appears_whole_and_replaces_the_older_one(tmp_path: Path) -> None:
    place = Store(tmp_path)
    finish(place, "codes", "a", x="1", y="2")
    folder = finish(place, "codes", "b", x="3")
    assert {entry.name for entry in folder.iterdir()} == {"x", "manifest.json"}
    manifest = place.manifest("codes")
    assert manifest is not None
    assert manifest.fingerprint == "b"
    assert not place.damaged(manifest)
    assert not list((tmp_path / ".work").iterdir())


def test_pieces_of_a_killed_stage_are_kept_for_the_same_fingerprint_only(tmp_path: Path) -> None:
    place = Store(tmp_path)
    (place.begin("model", "a") / "last").write_text("piece")
    assert (place.begin("model", "a") / "last").read_text() == "piece"
    assert not (place.begin("model", "b") / "last").exists()


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_a_changed_output_is_noticed(tmp_path: Path, harm: str) -> None:
    place = Store(tmp_path)
    folder = finish(place, "codes", "a", x="1", y="2")
    (folder / "x").write_text("other") if harm == "change" else (folder / "x").unlink()
    manifest = place.manifest("codes")
    assert manifest is not None
    assert place.damaged(manifest) == ["x"]


def test_a_damaged_manifest_names_its_file(tmp_path: Path) -> None:
    place = Store(tmp_path)
    path = finish(place, "codes", "a") / store.MANIFEST
    path.write_text(path.read_text()[:20])
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        place.manifest("codes")


def test_what_is_noted_aside_does_not_make_later_stages_stale(tmp_path: Path) -> None:
    place = Store(tmp_path)
    results = []
    for fingerprint, times in (("a", "1 s"), ("b", "2 s")):
        finish(place, "codes", fingerprint, **{"codes.npz": "same", "report.json": times})
        manifest = place.manifest("codes")
        assert manifest is not None
        results.append(manifest.result())
    assert results[0] == results[1]


def test_a_second_run_is_kept_out(tmp_path: Path) -> None:
    with (
        Store(tmp_path).locked(),
        pytest.raises(InputError, match="another clairo"),
        Store(tmp_path).locked(),
    ):
        pass


def test_a_full_disk_is_not_taken_for_a_bad_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=r"No space") as error, Store(tmp_path).locked():
        pass
    message, code = told(error.value) or ("", 0)
    assert "the disk is full" in message
    assert code == 1


def test_changes_are_named_field_by_field() -> None:
    old = {"config": {"size": 10, "deep": {"a": 1}}, "seed": 0}
    new = {"config": {"size": 20, "deep": {"a": 1, "b": 2}}, "seed": 0}
    assert store.changes(old, new) == ["config.deep.b: none -> 2", "config.size: 10 -> 20"]
    assert store.changes(old, json.loads(json.dumps(old))) == []


def test_the_digest_of_a_folder_follows_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return store.sha256(tmp_path / name)

    assert folder("a", {"x": "1", "d/y": "2"}) == folder("b", {"d/y": "2", "x": "1"})
    assert folder("c", {"x": "1", "d/z": "2"}) != folder("d", {"x": "1", "d/y": "2"})
