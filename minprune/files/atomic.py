"""Write under another name, then rename: nothing half-written is ever seen under the name."""

import os

from minprune.errors import FileError


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview | str) -> None:
    """The content at `path`: the old or the new, whole, whatever happens, a power cut too

    Raises FileError where it cannot be written.
    """
    from pathlib import Path

    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    new = path.parent / f".{path.name}.{os.urandom(4).hex()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(new, "xb") as f:  # who may read it the umask says
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            os.replace(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as e:
        raise FileError(
            f"{path}: cannot be written ({e.strerror or e}); choose a folder you may write to"
        ) from None


def sweep(folder: str | os.PathLike[str], *names: str) -> None:
    """Remove what processes that were killed while writing those names left in the folder."""
    from pathlib import Path

    for name in names:
        for path in Path(folder).glob(f".{name}.????????"):
            path.unlink(missing_ok=True)
