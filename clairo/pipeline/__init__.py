"""The run as a whole: stages in their order, what each depends on, and making those that do not stand."""

from clairo.pipeline.downloads import fetch, fetched
from clairo.pipeline.fingerprint import ADDED, code, files, inside, unfit
from clairo.pipeline.publishing import publish
from clairo.pipeline.running import CONFIG_FILE, State, pictures, report, run, saved_config, status
from clairo.pipeline.stages import STAGES, Stage, needed, trained

__all__ = [
    "ADDED",
    "CONFIG_FILE",
    "STAGES",
    "Stage",
    "State",
    "code",
    "fetch",
    "fetched",
    "files",
    "inside",
    "needed",
    "pictures",
    "publish",
    "report",
    "run",
    "saved_config",
    "status",
    "trained",
    "unfit",
]
