"""Trains on the world of `conftest.py`; started once a process by `test_together.py`.

    python together.py WORLD JOBS [--die=PROCESS]

JOBS is a JSON list of [folder to write, changes of the configuration]; they are trained one after the other.
A process that is to die does so in the first epoch.
"""

import json
import os
import signal
import sys
from pathlib import Path

from torch import distributed

from clairo.config import ModelConfig
from clairo.model import make
from clairo.model.train import Trainer


def main() -> None:
    world, jobs = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    folders = {stage: world / stage for stage in ("vocabulary", "codes", "sequences")}
    if f"--die={os.environ['RANK']}" in sys.argv:
        Trainer._settle = _die  # type: ignore[assignment,method-assign]
    for out, config in jobs:
        make(ModelConfig.model_validate(config), **folders, out=Path(out), seed=0)
    distributed.destroy_process_group()  # as `clairo run` does; a thread of it could abort the exit otherwise


def _die(_: Trainer) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
