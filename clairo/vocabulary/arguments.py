"""Arguments made into the arrays that the core takes, or refused by name and place."""

import operator
from typing import Any, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from clairo.errors import InputError

_Integer = TypeVar("_Integer", bound=np.integer[Any])


def integers(
    name: str, values: npt.ArrayLike, dtype: type[_Integer], dimensions: int = 1
) -> npt.NDArray[_Integer]:
    """`values` as a contiguous array of `dtype`; nothing is rounded, cut or wrapped around.

    Raises:
        InputError: `values` has other dimensions, or holds something that is no whole number of that range.
    """
    array = whole_array(name, values, dimensions)
    limits = np.iinfo(dtype)
    if array.dtype != dtype:
        _refuse(
            name, array, (array < limits.min) | (array > limits.max), f"is not in {limits.min}..{limits.max}"
        )
    return np.ascontiguousarray(array, dtype=dtype)


def whole_array(name: str, values: npt.ArrayLike, dimensions: int = 1) -> npt.NDArray[Any]:
    """`values` as an array of whole numbers of any integer type, or of Python's own if none is wide enough.

    Raises:
        InputError: `values` has other dimensions, or holds something that is no whole number.
    """
    array = _array(name, values)
    if array.ndim != dimensions:
        raise InputError(f"{name}: must have {dimensions} dimensions, has {array.ndim}")
    if array.dtype == object:
        bad = [not isinstance(value, int | np.integer) or isinstance(value, bool) for value in array.flat]
        _refuse(name, array, np.reshape(bad, array.shape).astype(bool), "is not a whole number")
    elif np.issubdtype(array.dtype, np.floating):
        _refuse(name, array, array != np.floor(array), "is not a whole number")
    if array.dtype != object and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name}: must hold whole numbers, is {array.dtype}", hint="convert it to int64")
    return array


def whole(name: str, value: SupportsIndex, least: int, most: int) -> int:
    """`value` as an int between `least` and `most`, both included.

    Raises:
        InputError: it is no such number.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}: must be a whole number, is {value!r}") from None
    if isinstance(value, bool | np.bool) or not least <= number <= most:
        raise InputError(f"{name}: must be a whole number in {least}..{most}, is {value!r}")
    return number


def _array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{name}{_first_uneven(values)}: a row of another length than the first") from None
    if array.dtype == np.float64 and not hasattr(values, "dtype"):
        # A list: numpy took an empty one, or one of numbers that no integer type holds together, for floats.
        return np.asarray(values, dtype=object) if array.size else array.astype(np.int64)
    return array


def _first_uneven(values: Any) -> str:
    lengths = [np.size(row) for row in values]
    uneven = (i for i, length in enumerate(lengths) if length != lengths[0])
    return next((f"[{i}]" for i in uneven), "")


def _refuse(name: str, array: npt.NDArray[Any], bad: npt.NDArray[np.bool], problem: str) -> None:
    places = np.argwhere(bad)
    if len(places):
        place = places[0].tolist()
        raise InputError(f"{name}{place}: {array[tuple(place)]} {problem}")
