"""Why a picture did not come, in words that are counted."""

from __future__ import annotations

BAD_ADDRESS = "bad-address"
NOT_HTTP = "not-http"
NOT_PUBLIC = "not-public"
NO_NAME = "name-not-found"
NO_CONNECTION = "no-connection"
TIMEOUT = "timeout"
DROPPED = "dropped"
SILENT_HOST = "silent-host"
REDIRECTS = "too-many-redirects"
TOO_LARGE = "too-large"
NOT_A_PICTURE = "not-a-picture"
TOO_MANY_PIXELS = "too-many-pixels"
TOO_MANY_SCANS = "too-many-scans"
TOO_SMALL = "too-small"
BROKEN = "broken"
NO_ADDRESS = "no-address"

_PASSING = frozenset({NO_NAME, NO_CONNECTION, TIMEOUT, DROPPED, SILENT_HOST, BROKEN})
_UNHEARD = frozenset({NO_NAME, NO_CONNECTION, TIMEOUT})
_STATUS = "http-"
_PASSING_STATUSES = frozenset({408, 425, 429})


class Failure(Exception):  # noqa: N818 - it is an outcome that is kept, and mostly no error of anybody here
    """An address gave no picture.

    Attributes:
        reason: a word of this module, or `http-404`.
        detail: more of it, for the manifest.
        passing: whether it may be otherwise a little later.
        retry_after: seconds that the server asks to wait, None where it did not.
    """

    def __init__(self, reason: str, detail: str = "", *, passing: bool | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail
        self.passing = reason in _PASSING if passing is None else passing
        self.retry_after: float | None = None

    @property
    def unheard(self) -> bool:
        """Whether the host may be one that serves nobody: silent, or busy for ever."""
        return self.reason in _UNHEARD or (self.passing and self.reason.startswith(_STATUS))


def status(code: int, retry_after: float | None = None) -> Failure:
    """The failure that an answer other than 200 is."""
    failure = Failure(f"{_STATUS}{code}", passing=code in _PASSING_STATUSES or code >= 500)
    failure.retry_after = retry_after
    return failure
