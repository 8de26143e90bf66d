"""Reading and writing `.npz` files with words for what can go wrong."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError


def write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write `arrays` under a temporary name, then rename: a reader never sees half a file."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, path)  # noqa: PTH105 - the same call on every system replaces


def read(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The arrays called `names` of `path`.

    Raises:
        InputError: the file is missing, damaged, or lacks an array.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except FileNotFoundError:
        raise InputError(f"{path} is missing", hint="run the stage that makes it") from None
    except KeyError as error:
        raise InputError(f"{path} holds no array called {error.args[0]!r}") from None
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is damaged: {error}", hint="delete its folder and run again") from None
