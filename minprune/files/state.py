"""state.npz, for checkpoints: JSON values and arrays by name; and the lock of its folder."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minprune.core import Arrays
from minprune.errors import FileError
from minprune.files.container import Kind, write
from minprune.files.reader import Reader, read

NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"  # no path out of anywhere
DTYPES = ("bool", "float32", "float64", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)))
KIND = Kind(
    "state", 3, "save_state", "delete it to start again", 16 * 2**20, DTYPES, deflated=False
)


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


@contextmanager
def alone(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Lock the folder, which is created if it is missing, while the context lasts

    By flock on the folder itself, so that no lock file is left and no lock outlives a killed
    process; on systems without flock (Windows, some network drives) nothing is locked. Raises
    FileError if another process holds the lock, or the folder cannot be opened.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
    except OSError as e:
        raise FileError(
            f"{folder}: cannot be opened ({e.strerror}); pass a folder that you can write to"
        ) from None
    try:
        if handle is not None:
            _lock(handle, folder)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int, folder: str | os.PathLike[str]) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileError(
            f"{folder}: must not be in use by another process; wait until it ends, or pass "
            f"another folder"
        ) from None
    except OSError:  # a drive without locks
        pass
