"""The lock of a folder: one process at a time works in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minprune.errors import FileError


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
