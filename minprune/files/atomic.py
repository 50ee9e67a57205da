"""Files written whole or not at all: the content goes to a new file, which then takes the name.

Symbolic links are followed, and the mode and the owner of a file that is replaced are kept. What
cannot be replaced so is refused: devices, pipes and folders, read-only files, and files with
several names (hard links), since the other names would keep the old content.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from minprune.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 60  # characters of a name that the name of its unfinished file repeats
WHAT = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview | str) -> None:
    """Write the content to `path`; whatever happens, even a power cut, the old or the new is whole

    Text is written as UTF-8, with "?" for what no text can hold, such as the name of a folder that
    is not UTF-8. Folders that are missing are created. Raises FileError, before anything is
    written, for what cannot be replaced, and where writing fails.
    """
    if isinstance(content, str):
        content = content.encode(errors="replace")
    with _as_file_error(path):
        real, found = _target(path)
        _replace(real, found, content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse now, before long work, what `write_atomic` would refuse at its end

    An empty file is created beside it and removed; folders that are missing are created.
    """
    with _as_file_error(path):
        real, found = _target(path)
        _replace(real, found, None)


def check_regular(found: os.stat_result) -> None:
    """Raises FileError, which lacks the path, unless `found` is of a regular file"""
    if not stat.S_ISREG(found.st_mode):
        what = WHAT.get(stat.S_IFMT(found.st_mode), "another thing")
        raise FileError(f"must be a file, not {what}; pass the path of a file")


def sweep(folder: str | os.PathLike[str], *names: str) -> None:
    """Remove the unfinished files of these names that killed processes left in the folder

    names: as glob patterns.
    """
    from pathlib import Path

    for name in names:
        for path in Path(folder).glob(f"{_unfinished(name)}????????"):
            path.unlink(missing_ok=True)


def _target(path: str | os.PathLike[str]) -> "tuple[Path, os.stat_result | None]":
    """(the file that `path` means, links followed; what is there now)"""
    from pathlib import Path

    try:
        found = os.stat(path)
    except FileNotFoundError:
        if os.fspath(path).endswith(tuple(filter(None, (os.sep, os.altsep)))):
            raise FileError("must be a file, not a folder; pass the path of a file") from None
        return Path(os.path.realpath(path)), None
    check_regular(found)
    if not (found.st_mode & stat.S_IWUSR and os.access(path, os.W_OK)):
        raise FileError("must not be read-only; change its mode, or pass another path")
    if found.st_nlink > 1:
        raise FileError(
            f"must have one name, not {found.st_nlink} (hard links), since the others "
            f"would keep the old content; delete this name, or pass another path"
        )
    return Path(os.path.realpath(path)), found


def _replace(
    real: "Path", found: os.stat_result | None, content: bytes | memoryview | None
) -> None:
    """Write a new file beside `real` and give it that name; without a content, remove it"""
    real.parent.mkdir(parents=True, exist_ok=True)
    new = real.parent / f"{_unfinished(real.name)}{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(new, flags, 0o666 if found is None else 0o600)  # a new one by the umask
    try:
        with open(handle, "wb") as f:
            if content is not None:
                f.write(content)
                f.flush()
                os.fsync(handle)
        if content is None:
            new.unlink()
            return
        if found is not None:
            with suppress(OSError, AttributeError):  # only root may; Windows has no chown
                os.chown(new, found.st_uid, found.st_gid)
            os.chmod(new, stat.S_IMODE(found.st_mode))
        os.replace(new, real)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _unfinished(name: str) -> str:
    """How the name of its unfinished file begins; a long name is cut, since a name has a limit"""
    return f".{name[:LONGEST]}."


@contextmanager
def _as_file_error(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except FileError as e:
        raise FileError(f"{path}: {e}") from None
    except (OSError, ValueError) as e:  # ValueError: a zero in the path
        why = getattr(e, "strerror", None) or e
        raise FileError(
            f"{path}: cannot be written ({why}); pass a folder that you can write to"
        ) from None
