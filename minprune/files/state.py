"""state.npz: JSON values and arrays by name, for checkpoints; as guarded as a model's file."""

import os
import re
from typing import Any

import numpy as np

from minprune.core import Arrays
from minprune.errors import FileError
from minprune.files.container import Kind, Reader, read, write

KIND = Kind("state", 1, "save_state", "delete it to begin anew", 16 * 2**20)
NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"  # no path out of anywhere
DTYPES = ("bool", "float32", "float64", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)))


def save_state(path: str | os.PathLike[str], arrays: Arrays, meta: Any) -> None:
    """Write arrays and `meta`, which is JSON, to `path`

    Names are parts of letters, digits, "_", "-" and "." with "/" between them; dtypes are bool,
    integers, float32 and float64. Raises FileError for others, and where it cannot be written.
    """
    about = {
        "meta": meta,
        "arrays": {k: [a.dtype.name, list(a.shape)] for k, a in arrays.items()},
    }
    for name, (dtype, _) in about["arrays"].items():
        _checked(name, dtype)
    write(KIND, path, about, {f"arrays/{k}": a for k, a in arrays.items()})


def load_state(path: str | os.PathLike[str]) -> tuple[Arrays, Any]:
    """(arrays, meta) of the state at `path`; raises FileError, in one sentence, for other files."""
    return read(KIND, path, _state)


def _state(file: Reader) -> tuple[Arrays, Any]:
    arrays = {}
    for name, (dtype, shape) in file.header["arrays"].items():
        _checked(name, dtype)
        if any(type(d) is not int or d < 0 for d in shape):
            raise FileError(f"{name} has the shape {shape}, expected sizes; {KIND.remedy}")
        arrays[name] = file.array(f"arrays/{name}", tuple(shape), np.dtype(dtype))
    file.check()
    return arrays, file.header["meta"]


def _checked(name: str, dtype: str) -> None:
    if not re.fullmatch(NAME, name):
        raise FileError(
            f"{name!r} cannot name an array of a state: expected letters, digits and _-./, "
            f"no path; rename it"
        )
    if dtype not in DTYPES:
        raise FileError(
            f"{name} is {dtype}, expected bool, integers, float32 or float64; convert it"
        )
