"""One process at a time works in a folder; the lock ends with the process, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minprune.errors import FileError


@contextmanager
def alone(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Lock the folder, which is made if it is missing, while the context lasts

    By flock on the folder itself, so that no lock file is left and no lock outlives a killed
    process; on systems without flock (Windows, some network drives) nothing is locked. Raises
    FileError if another process holds the lock, or the folder cannot be opened.
    """
    handle = None
    try:
        os.makedirs(folder, exist_ok=True)
        if os.name == "posix":
            handle = os.open(folder, os.O_RDONLY)
    except OSError as e:
        raise FileError(
            f"{folder}: cannot be opened ({e.strerror}); choose a folder that you can write to"
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
    """True if the lock was acquired, or if locks are not supported."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a drive without locks
        return True
    return True
