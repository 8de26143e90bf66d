"""Models by name: from the cache of a hub that cannot be reached, at a commit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clairo.embeddings import hub

COMMIT, OTHER = "1" * 40, "2" * 40

# Loads each model by name at revisions, as in the run of somebody whose cache has them, and tells what the
# report would.
LOAD = """
import json, sys
from clairo.embeddings.sentences import SentenceEncoder
from clairo.embeddings.timm_image import TimmEncoder
from clairo.embeddings.transformers_image import TransformersEncoder

commits = []
for revision in json.loads(sys.argv[1]):
    encoders = [
        SentenceEncoder("tiny/text", device="cpu", batch_size=2, revision=revision),
        TransformersEncoder("tiny/dinov2", device="cpu", revision=revision),
        TransformersEncoder("hf-hub:tiny/dinov2", device="cpu", revision=revision),
        TimmEncoder("tiny/timm", device="cpu", revision=revision),
        TimmEncoder("hf-hub:tiny/timm", device="cpu", revision=revision),
        TimmEncoder("test_vit.r160_in1k", device="cpu", revision=revision),
    ]
    commits += [encoder.facts["commit"] for encoder in encoders]
print(json.dumps(commits))
"""


@pytest.fixture
def cache(tmp_path: Path, tiny_sentence_t5: Path, tiny_dinov2: Path, tiny_timm: Path) -> Path:
    """The cache of a hub as its library lays it out, with two commits a model."""
    models = {
        "tiny/text": tiny_sentence_t5,
        "tiny/dinov2": tiny_dinov2,
        "tiny/timm": tiny_timm,
        "timm/test_vit.r160_in1k": tiny_timm,
    }
    for name, folder in models.items():
        place = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        for commit in (COMMIT, OTHER):
            shutil.copytree(folder, place / "snapshots" / commit)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(OTHER)
        (place / "refs" / "v1").write_text(COMMIT)
    return tmp_path


@pytest.mark.parametrize(
    ("revisions", "commit", "other"), [([None, "main"], OTHER, COMMIT), (["v1", COMMIT], COMMIT, OTHER)]
)
def test_a_revision_is_what_is_loaded_and_told(
    revisions: list[str | None], commit: str, other: str, cache: Path
) -> None:
    for file in cache.glob(f"hub/*/snapshots/{other}/**/*.safetensors"):
        file.write_text("not this one")
    unset = {"SENTENCE_TRANSFORMERS_HOME", "HF_HUB_CACHE"}
    world = {key: value for key, value in os.environ.items() if key not in unset}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(revisions)],
        env=world | {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [commit] * 12


def test_a_commit_is_its_own_name() -> None:
    assert hub.commit("nobody/nothing", COMMIT) == COMMIT
    assert hub.commit("nobody/nothing", None, cache="/no/such/cache") is None


def test_folders_are_told_from_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert hub.folder("facebook/dinov2-base") is None
    assert hub.folder("hf-hub:facebook/dinov2-base") is None
    assert hub.folder(str(tmp_path / "model")) == tmp_path / "model"
    assert hub.folder("~/model") == tmp_path / "model"
    assert hub.folder("local-dir:/not/there") == Path("/not/there")
    assert hub.name("hf-hub:facebook/dinov2-base") == "facebook/dinov2-base"


def test_a_folder_never_asks_the_hub(tiny_dinov2: Path, tiny_timm: Path, tiny_sentence_t5: Path) -> None:
    program = """
import socket, sys

def refused(*words, **more):
    raise AssertionError(f"the network was asked: {words}")

socket.getaddrinfo = socket.socket.connect = refused
from clairo.embeddings.sentences import SentenceEncoder
from clairo.embeddings.timm_image import TimmEncoder
from clairo.embeddings.transformers_image import TransformersEncoder

text, dinov2, timm = sys.argv[1:]
SentenceEncoder(text, device="cpu", batch_size=2)(["guitar"])
TransformersEncoder(dinov2, device="cpu")
TimmEncoder(timm, device="cpu")
"""
    folders = [str(folder) for folder in (tiny_sentence_t5, tiny_dinov2, tiny_timm)]
    world = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", program, *folders], env=world, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Retrying" not in done.stderr
