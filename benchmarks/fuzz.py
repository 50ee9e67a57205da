"""20,000 spoilt model files: each gives a model or one sentence; memory <= 2 x file + a constant.

The k-th file comes from the generator [SEED, k] alone, so that one can be made again.
"""

import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks._hostile import damaged
from benchmarks.harness import Row
from minprune.errors import FileError

SEED = 0
FILES, FEW = 20_000, 1_000
LONGEST = 500  # characters of a sentence
ROOM = 48 * 2**20  # bytes beside twice the file: a header of 1 MB as Python's lists and dicts


@cache
def originals() -> tuple[bytes, ...]:
    """Sound files: dense, BatchNorm and residual sums, float64, with masks and without."""
    small, image = ((2, 3), 3), ((1, 4, 4), 3)
    models = [mp.zoo.mlp(small, (4,)), mp.zoo.resnet_small(image, 3), mp.zoo.monk(2)]
    models[1:] = [
        mp.prune(m, mp.score(m, None, "random", params="all"), sparsity=0.4) for m in models[1:]
    ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            mp.save(model, Path(folder, "m.npz"))
            found.append(Path(folder, "m.npz").read_bytes())
    return tuple(found)


def spoilt(k: int) -> tuple[str, bytes]:
    """The k-th spoilt file: (what was done to it, its bytes)"""
    return damaged(originals()[k % 3], np.random.default_rng([SEED, k]))


def verdict(path: Path) -> tuple[str, int, float]:
    """(what is wrong or "", bytes at the peak, seconds) of loading a file

    Wrong is any exception but FileError, a warning, and a sentence that is none: of more than one
    line, of LONGEST characters or more, or without the path at its beginning.
    """
    wrong, begin = "", time.perf_counter()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mp.load(path)
    except FileError as e:
        text = str(e)
        if not text.startswith(f"{path}: ") or len(text.splitlines()) != 1 or len(text) >= LONGEST:
            wrong = f"no sentence: {text[:80]!r}"
    except BaseException as e:  # SystemExit too: a pickle may have been obeyed
        wrong = f"{type(e).__name__}: {str(e)[:80]}"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return wrong, peak, time.perf_counter() - begin


def run(quick: bool, data: Path | None) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    n = FEW if quick else FILES
    wrong: list[str] = []
    kinds: Counter[str] = Counter()
    most, slowest = (0, ""), (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.npz")
        path.write_bytes(originals()[0])
        assert verdict(path)[0] == ""  # and what is imported at the first load is there
        for k in range(n):
            kind, content = spoilt(k)
            path.write_bytes(content)
            found, peak, seconds = verdict(path)
            kinds[kind] += 1
            wrong += [f"file {k}, {kind}: {found}"] * bool(found)
            most = max(most, (peak - 2 * len(content), f"file {k}, {kind}, {len(content)} B"))
            slowest = max(slowest, (seconds, f"file {k}, {kind}"))
    return [
        Row(
            f"{n:,} files in {len(kinds)} ways, wrong answers", len(wrong), None, None, 0,
            not wrong, unit="", note="; ".join(wrong[:3]),
        ),
        Row(
            "memory beyond twice the file, at most", most[0] / 2**20, None, None, ROOM / 2**20,
            most[0] <= ROOM, unit="MB", note=most[1],
        ),
        Row("slowest answer, memory traced", slowest[0], None, None, None, None, note=slowest[1]),
    ]  # fmt: skip
