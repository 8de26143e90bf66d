"""The process that makes one run: `python -m clairo.ablation.job RUN STORE RESULT`.

It speaks in JSON lines on standard error, leaves what came of it in the file RESULT, and stops when its
standard input closes: as the grid's process wants it to, and as happens if that one is killed.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from clairo import interrupts, log
from clairo.errors import told

_SECONDS_TO_STOP = 60.0


def main() -> None:
    """Make the run, and note what came of it."""
    run, store, result = map(Path, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background jobs are born deaf
    log.setup("json")
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    found = _outcome(run, store)
    from clairo.artifacts.store import write_json

    write_json(result, found)


def _outcome(run: Path, store: Path) -> dict[str, Any]:
    """`state`: `done`, `stopped`, `busy` (on the `lock` of a `stage`) or `failed` (`message`, `code`)."""
    from clairo import pipeline
    from clairo.artifacts.shared import BusyError, Shared

    try:
        with interrupts.heard():
            pipeline.run(pipeline.saved_config(run), run, shared=Shared(store))
    except KeyboardInterrupt:
        return {"state": "stopped"}
    except BusyError as busy:
        return {"state": "busy", "lock": str(busy.lock), "stage": busy.stage}
    except Exception as error:
        expected = told(error)
        if expected is None:
            raise
        return {"state": "failed", "message": expected[0], "code": expected[1]}
    return {"state": "done"}


def _stop_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_SECONDS_TO_STOP)
    os._exit(130)


if __name__ == "__main__":
    main()
