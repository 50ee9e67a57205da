"""state.npz, for checkpoints: JSON values and arrays by name."""

import os
import re
from typing import Any

from minprune.core import Arrays
from minprune.errors import FileError
from minprune.files.container import Kind, write
from minprune.files.reader import Reader, read

NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"  # no path out of anywhere
DTYPES = ("bool", "float32", "float64", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)))
KIND = Kind("state", 3, "fit", "delete it to start again", 16 * 2**20, DTYPES, deflated=False)


def save_state(path: str | os.PathLike[str], arrays: Arrays, meta: Any) -> None:
    """Write arrays and `meta`, which is JSON, to `path`

    Names are parts of letters, digits, "_", "-" and "." with "/" between them; dtypes are bool,
    integers, float32 and float64. Raises FileError for others, and if it cannot be written.
    """
    for name, a in arrays.items():
        _checked(name)
        if a.dtype.name not in DTYPES:
            raise FileError(
                f"{name} must be bool, integers, float32 or float64, not {a.dtype.name}; convert it"
            )
    write(KIND, path, {"meta": meta}, arrays)


def load_state(path: str | os.PathLike[str]) -> tuple[Arrays, Any]:
    """(arrays, meta) of the state at `path`; raises FileError, in one sentence, for other files."""
    return read(KIND, path, _state)


def _state(file: Reader) -> tuple[Arrays, Any]:
    for name in file.shapes:
        _checked(name)
    return file.arrays(), file.header["meta"]


def _checked(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise FileError(
            f"the name of an array must hold letters, digits and _-./ and be no path, not "
            f"{name!r}; rename it"
        )
