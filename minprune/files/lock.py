"""Locks: one process at a time works in a folder, or with a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from minprune.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path


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


@contextmanager
def alone_with(path: "Path") -> Iterator[None]:
    """Lock the file, which need not exist, while the context lasts

    By flock on a file beside it, since `path` is replaced when it is written: that file is removed
    at the end, and one that a killed process left locks nothing. Raises FileError if another
    process, or another call in this one, holds the lock.
    """
    if os.name != "posix":
        yield
        return
    lock = path.parent / f".{path.name[:60]}.lock"
    handle = _held(lock, path)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()
        os.close(handle)


def _held(lock: "Path", path: "Path") -> int:
    """A handle that holds the lock; again where its file was removed between opening and locking"""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, path)
            if os.fstat(handle).st_nlink:
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: str | os.PathLike[str]) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileError(
            f"{path}: must not be in use by another process; wait until it ends, or pass "
            f"another path"
        ) from None
    except OSError:  # a drive without locks
        pass
