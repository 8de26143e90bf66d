"""The errors that people see, and the exit codes that go with them."""


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
