"""What the configuration leaves open follows from the data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clairo.config import ModelConfig
from clairo.model.size import LARGE, MEDIUM, SMALL, Size, size_for


@pytest.mark.parametrize(
    ("examples", "usual"),
    [(1, SMALL), (50_000, SMALL), (50_001, MEDIUM), (500_000, MEDIUM), (500_001, LARGE)],
)
def test_little_data_get_a_small_model(examples: int, usual: Size) -> None:
    size = size_for(ModelConfig(epochs=3), examples)
    assert size == Size(**{**vars(usual), "epochs": 3})


def test_what_is_said_holds() -> None:
    size = size_for(ModelConfig(d_model=48, dropout=0.0, batch_size=10), 900)
    assert (size.d_model, size.dropout, size.batch_size) == (48, 0.0, 10)
    assert (size.layers, size.d_ff) == (SMALL.layers, SMALL.d_ff)
    assert size.epochs == 200  # 90 steps each, 223 of which would make 20,000


@pytest.mark.parametrize(
    ("examples", "epochs"), [(64, 200), (64 * 200, 100), (50_000, 26), (500_000, 20), (10**7, 20)]
)
def test_epochs_make_as_many_steps_as_learning_takes(examples: int, epochs: int) -> None:
    assert size_for(ModelConfig(), examples).epochs == epochs


def test_the_stage_says_what_it_came_to(tmp_path: Path, train: Callable[..., dict[str, Any]]) -> None:
    train(tmp_path, layers=None, d_ff=None, epochs=1)
    options = json.loads((tmp_path / "options.json").read_text())
    assert (options["layers"], options["d_ff"]) == (SMALL.layers, SMALL.d_ff)
    assert options["precision"] in ("no", "bf16")
    network = json.loads((tmp_path / "best" / "config.json").read_text())
    assert (network["num_layers"], network["d_ff"]) == (SMALL.layers, SMALL.d_ff)
