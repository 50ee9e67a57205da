"""The folder of a job: its name, and its files, a checkpoint during the work and then a result."""

import json
import math
import warnings
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minprune.errors import FileError, MinpruneWarning
from minprune.files import sweep
from minprune.jobs.settings import Settings
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import difference
from minprune.train.plan import FILE, forget

CHECKPOINT, RESULT = "checkpoint", "result.json"
WORDS = {  # what a setting is called in the name of a folder
    "criteria": "", "sparsities": "at", "seeds": "seeds", "scope": "", "epochs": "epochs",
    "fine_tune": "tune", "samples": "samples", "batch_size": "batch", "lr": "lr",
}  # fmt: skip
LONGEST = 100  # characters of a name


def named(base: str, settings: Settings, usual: Settings) -> str:
    """runs/base, and what differs from the usual settings: other settings, another folder

    digits-mlp-magnitude-0.9-seed0 becomes digits-mlp-magnitude-0.9-seed0-epochs2-lr0.1.
    """
    name = base
    for key, word in WORDS.items():
        value = getattr(settings, key, None)
        if value != getattr(usual, key, None):
            value = "+".join(map(str, value)) if isinstance(value, list) else value
            name += f"-{word}{value}"
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"
    return str(Path("runs", name))


def begin(out: Path, settings: Settings, resume: bool, *names: str) -> dict[str, Any] | None:
    """The result of a finished job in the folder, to resume; None: there is work to do

    Without `resume` the job starts from the beginning: what an earlier job left is removed, with a
    warning if its settings differ. names: files that a killed job may have left half-written.
    Raises ArgumentError, naming what differs, if a result to resume was made with other settings;
    FileError if it cannot be read, or if what is in the way cannot be removed.
    """
    path, stopped = out / RESULT, (out / CHECKPOINT / FILE).exists()
    if resume and path.exists() and not stopped:
        found = read(path)
        refuse(path, found["settings"] | {"out": settings.out}, asdict(settings))
        return found
    if not resume:
        lost = _other(path, settings)
        if stopped:
            lost = "a job that was stopped; --resume would continue it"
        if lost:
            warnings.warn(f"{out}: this replaces {lost}", MinpruneWarning, stacklevel=2)
        discard(path, out / CHECKPOINT)
    sweep(out, *names)
    return None


def read(path: Path) -> dict[str, Any]:
    """What a result file holds; raises FileError if it cannot be read."""
    try:
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
        dict(result["settings"])
    except (OSError, ValueError, LookupError, TypeError) as e:
        raise FileError(
            f"{path}: must be a readable result, but has an error ({e}); leave out --resume"
        ) from None
    return result


def _other(path: Path, settings: Settings) -> str:
    """ "a job made with epochs 30, and this call has 2"; empty if there is no other job"""
    try:
        made = read(path)["settings"] | {"out": settings.out}  # folders may be moved
    except FileError:
        return ""
    found = difference(made, asdict(settings))
    return f"a job that was made with {found}" if found else ""


def as_json(value: Any) -> str:
    """JSON text; what is not finite becomes null, since JSON has no word for it."""

    def clean(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: clean(x) for k, x in v.items()}
        if isinstance(v, list | tuple):
            return [clean(x) for x in v]
        return None if isinstance(v, float) and not math.isfinite(v) else v

    return json.dumps(clean(value), indent=1) + "\n"


def discard(*paths: Path) -> None:
    """Remove a plan's files from a folder, or one file; other files in the folder stay

    Raises FileError if one cannot be removed.
    """
    for path in paths:
        try:
            if path.is_dir():
                forget(path)
            else:
                path.unlink(missing_ok=True)
        except NotADirectoryError:  # nothing is there, and writing will say why
            continue
        except OSError as e:
            raise FileError(f"{path}: cannot be removed ({e.strerror}); remove it") from None
