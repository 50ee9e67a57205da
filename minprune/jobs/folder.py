"""What the folder of a job holds: a checkpoint while there is work to do, then a result."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from minprune.errors import FileError
from minprune.jobs.compare_settings import CompareSettings
from minprune.jobs.settings import Settings
from minprune.train.checkpoint import refuse
from minprune.train.plan import FILE, forget

CHECKPOINT, RESULT = "checkpoint", "result.json"


def earlier(out: Path, settings: Settings | CompareSettings) -> dict[str, Any] | None:
    """The result of a job that is done in that folder; None where there is still work to do

    Raises ArgumentError, naming what differs, where other settings made it; FileError where it
    cannot be read.
    """
    import json

    path = out / RESULT
    if (out / CHECKPOINT / FILE).exists() or not path.exists():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
        made = result["settings"] | {"out": settings.out}  # folders may be moved
    except (OSError, ValueError, LookupError, TypeError) as e:
        raise FileError(f"{path}: not a readable result ({e}); leave out --resume") from None
    refuse(path, made, asdict(settings))
    return result


def discard(*paths: Path) -> None:
    """Remove a plan's files from a folder, or one file; what others put there stays

    Raises FileError where one cannot be removed.
    """
    for path in paths:
        try:
            if path.is_dir():
                forget(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as e:
            raise FileError(f"{path}: cannot be removed ({e.strerror}); remove it") from None
