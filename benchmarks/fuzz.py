"""200,000 damaged files: each gives a sound value or one sentence; memory <= 2 x file + a constant.

They were models, dense and sparse, and states; each is read as a model and as a state, in forked
processes (_watched.py). The k-th file comes from the generator [SEED, k] alone, so that it can be
made again.
"""

import io
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks import _watched
from benchmarks._damage import entries_of
from benchmarks._hostile import damaged
from benchmarks._watched import Subject
from benchmarks.harness import Row
from minprune.files import container
from minprune.files.container import HEADER
from minprune.train.state import load_tree, pack, save_tree

SEED = 0
FILES, FEW = 200_000, 1_000
ROOM = 2 * container.ROOM + 2**23  # bytes beside twice the file: a header, parsed and unpacked


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


@cache
def values() -> tuple[Any, ...]:
    """What the originals hold, packed."""
    found = [load(io.BytesIO(c)) for c, load in zip(originals(), loaders(), strict=True)]
    return tuple(pack(value, "fuzz") for value in found)


def loaders() -> list[Callable[[Any], Any]]:
    """How each of the originals is read"""
    return [mp.load] * (len(originals()) - 1) + [load_tree]


def verdict(path: Path) -> tuple[str, int, float]:
    """(what is wrong or "", bytes at the peak, seconds) of reading a file in both ways"""
    return _watched.verdict(SUBJECT, path)


def unsound(value: Any, content: bytes, which: int) -> str:
    """What is wrong with a value that was loaded, or ""

    It must be that of the original; or, where the checksum was computed again, one that is the same
    after saving and loading.
    """
    try:
        found = pack(value, "fuzz")
    except Exception as e:
        return f"it cannot be saved again: {type(e).__name__}: {e}"[:300]
    if same(found, values()[which]):
        return ""
    claims = [json.loads(entries_of(c)[HEADER])["sha256"] for c in (content, originals()[which])]
    if claims[0] == claims[1]:
        return "another value under the old checksum"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "again.npz")
        if isinstance(value, mp.Model):
            mp.save(value, path)
            again = mp.load(path)
        else:
            save_tree(path, value, "fuzz")
            again = load_tree(path)
    return "" if same(pack(again, "fuzz"), found) else "another value after saving and loading"


def same(a: tuple[Any, Any], b: tuple[Any, Any]) -> bool:
    """Whether two packed values have the same arrays, to the bit, and the same JSON"""
    kinds = [
        {k: (v.dtype, v.shape, v.tobytes()) for k, v in arrays.items()} for arrays, _ in (a, b)
    ]
    return kinds[0] == kinds[1] and json.dumps(a[1]) == json.dumps(b[1])


def judge(found: list[Any], content: bytes, k: int) -> tuple[str, bool]:
    """(what is wrong with a value, whether the file was read as what it was)"""
    which = k % len(originals())
    own = found[0] if which < len(originals()) - 1 else found[1]
    return ("", False) if own is None else (unsound(own, content, which), True)


SUBJECT = Subject(originals, damaged_file, (mp.load, load_tree), judge, ROOM)


def run(quick: bool, data: Path | None) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    values()
    return _watched.rows(SUBJECT, FEW if quick else FILES, quick)
