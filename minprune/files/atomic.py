"""Write under another name, then rename: nothing half-written is ever seen under the name."""

import os

from minprune.errors import FileError


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview | str) -> None:
    """The content at `path`, after a power cut too; raises FileError where it cannot be written."""
    import tempfile
    from pathlib import Path

    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
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
