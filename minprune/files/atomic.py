"""Atomic writes: write under another name, then rename, so that no file is ever half written."""

import os

from minprune.errors import FileError


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview | str) -> None:
    """Write the content to `path`; whatever happens, even a power cut, the old or the new is whole

    Raises FileError if it cannot be written.
    """
    from pathlib import Path

    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    new = path.parent / f".{path.name}.{os.urandom(4).hex()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(new, "xb") as f:  # its permissions follow the umask
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            os.replace(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as e:
        raise FileError(
            f"{path}: cannot be written ({e.strerror or e}); choose a folder that you can write to"
        ) from None


def sweep(folder: str | os.PathLike[str], *names: str) -> None:
    """Remove what processes left in the folder that were killed while writing these names."""
    from pathlib import Path

    for name in names:
        for path in Path(folder).glob(f".{name}.????????"):
            path.unlink(missing_ok=True)
