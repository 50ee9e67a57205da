"""20,000 damaged files: each gives a value or one sentence; memory <= 2 x file + a constant.

They were models, dense and sparse, and states; each is read as a model and as a state.

The k-th file comes from the generator [SEED, k] alone, so that one can be made again.
"""

import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks._hostile import damaged
from benchmarks.harness import Row
from minprune.errors import FileError
from minprune.train.state import load_tree, save_tree

SEED = 0
FILES, FEW = 20_000, 1_000
LONGEST = 500  # characters of a sentence
ROOM = 48 * 2**20  # bytes beside twice the file: a header of 1 MB as Python's lists and dicts


@cache
def originals() -> tuple[bytes, ...]:
    """Sound models: dense, BatchNorm and residual sums, float64, masks, sparse; last, a state"""
    small, image = ((2, 3), 3), ((1, 4, 4), 3)
    models = [mp.zoo.mlp(small, (4,)), mp.zoo.resnet_small(image, 3), mp.zoo.monk(2)]
    models[1:] = [
        mp.prune(m, mp.score(m, None, "random", params="all"), sparsity=0.4) for m in models[1:]
    ]
    models += [sparse(image)]
    state = {"model": models[1], "history": mp.History(), "pair": (1, None), "n": np.int64(2)}
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder, "m.npz"), []
        for model in models:
            mp.save(model, path)
            found.append(path.read_bytes())
        save_tree(path, state | {"list": [0.5, "text", {}]}, "fuzz")
        return (*found, path.read_bytes())


def sparse(image: tuple[tuple[int, ...], int]) -> mp.Model:
    """A convolution in CSR, and dense layers in CSR, blocks and N:M."""
    layers: list[Any] = [
        ("conv", mp.Conv2d(1, 4, 3)), ("flat", mp.Flatten()), ("fc1", mp.Dense(16, 8)),
        ("relu", mp.ReLU()), ("fc2", mp.Dense(8, 8)), ("fc3", mp.Dense(8, image[1])),
    ]  # fmt: skip
    model = mp.initialise(mp.build(image[0], layers), seed=0)
    scores = mp.score(model, None, "random")
    for how in ({"protect": ("fc2", "fc3"), "sparsity": 0.5},
                {"protect": ("conv", "fc1", "fc3"), "sparsity": 0.5, "pattern": (4, 4)},
                {"protect": ("conv", "fc1", "fc2"), "pattern": "2:4"}):  # fmt: skip
        model = mp.prune(model, scores, **how)
    return mp.sparsify(model, {"conv": "csr", "fc1": "csr", "fc2": "4x4", "fc3": "2:4"})


def damaged_file(k: int) -> tuple[str, bytes]:
    """The k-th damaged file: (what was done to it, its bytes)"""
    which = k % len(originals())
    net = which < len(originals()) - 1
    return damaged(originals()[which], np.random.default_rng([SEED, k]), net)


def verdict(path: Path) -> tuple[str, int, float]:
    """(what is wrong or "", bytes at the peak, seconds) of loading a file, as a model and a state

    Wrong is any exception but FileError, a warning, and a sentence that is none: of more than one
    line, of LONGEST characters or more, or without the path at its beginning.
    """
    answers = [verdict_of(load, path) for load in (mp.load, load_tree)]
    wrong, peaks, seconds = zip(*answers, strict=True)
    return "; ".join(filter(None, wrong)), max(peaks), max(seconds)


def verdict_of(load: Callable[[Path], object], path: Path) -> tuple[str, int, float]:
    """The verdict on one reader"""
    wrong, begin = "", time.perf_counter()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(path)
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
            kind, content = damaged_file(k)
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
