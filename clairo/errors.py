"""The errors that people see, and the exit codes that go with them."""

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a disk that has no room left."""


class ClairoError(Exception):
    """Something went wrong that is not the user's doing (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class InputError(ClairoError, ValueError):
    """Input that cannot be used: a file, a line, an option (exit code 2)."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration that does not hold: an unknown key, a wrong type, a missing file."""


class VocabularyError(InputError):
    """A vocabulary file that is damaged or is none."""


def told(error: Exception) -> tuple[str, int] | None:
    """What to say of an expected failure, and the exit code that goes with it; None of one nobody expects."""
    if isinstance(error, ClairoError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return f"this needs the package {error.name}, which is not installed", 1
    if isinstance(error, MemoryError):
        return "out of memory", 1
    if any(f"(os error {number})" in str(error) for number in FULL):  # as libraries in Rust tell it
        return _no_room(""), 1
    return (_fault(error), 1) if isinstance(error, OSError) else None


def _fault(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    if error.errno in FULL:
        return _no_room(where)
    return f"{error.strerror or error}{where}"


def _no_room(where: str) -> str:
    return f"the disk is full{where}\nhint: make room; the same command goes on from here"
