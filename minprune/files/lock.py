"""One process at a time works in a folder; the lock goes with the process, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minprune.errors import FileError


@contextmanager
def alone(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the folder, made where it is absent, for as long as the context lasts

    By flock on the folder itself, so that no file is left and none outlives a killed process; where
    there is no such lock (Windows, some network drives) nothing is guarded. Raises FileError where
    another holds it, or it cannot be opened.
    """
    handle = None
    try:
        os.makedirs(folder, exist_ok=True)
        if os.name == "posix":
            handle = os.open(folder, os.O_RDONLY)
    except OSError as e:
        raise FileError(
            f"{folder}: cannot be opened ({e.strerror}); choose a folder you may write to"
        ) from None
    try:
        if handle is not None and not _locked(handle):
            raise FileError(
                f"{folder}: another process works there; wait for its end, or give another folder"
            )
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _locked(handle: int) -> bool:
    """Whether the lock is had, or there is none to be had."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a drive without locks
        return True
    return True
