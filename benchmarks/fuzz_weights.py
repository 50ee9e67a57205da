"""20,000 damaged or malicious .pt, .safetensors and .npz files: each gives arrays or one sentence.

Nothing in them is executed, and memory stays within twice the file and ROOM, in which what a few
compressed kilobytes inflate to, or a parsed header, must fit. The k-th file comes from [0, k].
"""

from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks import _watched
from benchmarks._foreign import damaged, originals
from benchmarks._watched import Subject
from benchmarks.harness import Row
from minprune.files.archive import INFLATED

FILES, FEW = 20_000, 500
ROOM = INFLATED + 2**23


def judge(found: list[Any], content: bytes, k: int) -> tuple[str, bool]:
    """(what is wrong with what was read, whether it was read)"""
    if (arrays := found[0]) is None:
        return "", False
    for name, a in arrays.items():
        if type(name) is not str or type(a) is not np.ndarray or a.dtype.kind not in "biufc":
            return f"no array: {name!r}", True
        if not a.flags.c_contiguous:
            return f"{name} is not contiguous", True
    return "", True


SUBJECT = Subject(originals, damaged, (mp.read_weights,), judge, ROOM)


def run(quick: bool, data: Path | None) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    return _watched.rows(SUBJECT, FEW if quick else FILES, quick)
