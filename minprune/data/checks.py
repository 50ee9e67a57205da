"""The arguments that all readers and makers share."""

import os
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minprune.errors import ArgumentError


def float_type(dtype: npt.DTypeLike) -> np.dtype[np.floating]:
    """The numpy type of the inputs: float32 or float64. Raises ArgumentError."""
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        with suppress(TypeError):  # what is no dtype at all
            if dtype is not None and np.dtype(dtype) == kind:
                return kind
    raise ArgumentError(
        f"dtype is {dtype!r}, expected float32 or float64; pass np.float32 or np.float64"
    )


def path_of(name: str, given: str | os.PathLike[str]) -> Path:
    """The path; raises ArgumentError for what is none."""
    if not isinstance(given, str | os.PathLike):
        raise ArgumentError(f"{name} is {given!r}, expected a path; pass its name as text")
    return Path(given)


def at_least(name: str, value: int, least: int) -> None:
    """value >= least, both integers. Raises ArgumentError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ArgumentError(
            f"{name} is {value!r}, expected an integer of at least {least}; pass {name}={least}, "
            f"for example"
        )


def not_negative(name: str, value: float) -> None:
    """0 <= value < inf. Raises ArgumentError."""
    if not isinstance(value, Real) or not 0 <= value < float("inf"):
        raise ArgumentError(
            f"{name} is {value!r}, expected a finite number of at least 0; pass {name}=0.1, "
            f"for example"
        )
