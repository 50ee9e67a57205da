"""200,000 damaged files: each gives a sound value or one sentence; memory <= 2 x file + a constant.

They were models, dense and sparse, and states; each is read as a model and as a state, in forked
processes. The k-th file comes from the generator [SEED, k] alone, so that it can be made again.
Memory is what the process grows by at its peak; every TRACED-th file is also read under
tracemalloc, which sees what is allocated where freed memory is used again.
"""

import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks._damage import entries_of
from benchmarks._hostile import damaged
from benchmarks.harness import Row, within
from minprune.errors import FileError
from minprune.files import container
from minprune.files.container import HEADER
from minprune.train.state import load_tree, pack, save_tree

SEED = 0
FILES, FEW = 200_000, 1_000
PIECE, TRACED = 500, 40  # files a task; one of so many is read under tracemalloc
LONGEST = 500  # characters of a sentence
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


def answer(load: Callable[[Path], Any], path: Path) -> tuple[str, Any]:
    """(what is wrong or "", the value or None)

    Wrong is any exception but FileError, a warning, and a sentence that is none: of more than one
    line, of LONGEST characters or more, or without the path at its beginning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return "", load(path)
    except FileError as e:
        text = str(e)
        if not text.startswith(f"{path}: ") or len(text.splitlines()) != 1 or len(text) >= LONGEST:
            return f"no sentence: {text[:80]!r}", None
        return "", None
    except BaseException as e:  # SystemExit too: a pickle may have been obeyed
        return f"{type(e).__name__}: {str(e)[:80]}", None


def verdict(path: Path) -> tuple[str, int, float]:
    """(what is wrong or "", bytes at the peak, seconds) of reading a file in both ways"""
    wrong, peaks, begin = [], [], time.perf_counter()
    for load in (mp.load, load_tree):
        tracemalloc.start()
        try:
            wrong.append(answer(load, path)[0])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return "; ".join(filter(None, wrong)), max(peaks), time.perf_counter() - begin


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


# --- many files in forked processes

FORBIDDEN = (  # audit events, of which reading a file causes none
    "exec", "import", "pickle.find_class", "marshal.loads", "os.system", "os.exec", "os.fork",
    "os.posix_spawn", "subprocess.Popen", "socket.connect", "ctypes.dlopen", "os.remove",
    "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree",
)  # fmt: skip
events: list[str] = []  # the forbidden ones, while `watching`
watching = False


def hook(event: str, args: tuple[Any, ...]) -> None:
    """Notes what a file made the process do."""
    if watching and (event in FORBIDDEN or (event == "open" and args[1] not in ("rb", "r"))):
        events.append(f"{event} {str(args[:2])[:60]}")


@dataclass
class Tally:
    """What was found in some of the files."""

    files: int = 0
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    loaded: int = 0
    grown: tuple[int, str] = (-(2**62), "")  # bytes beyond twice the file, and which
    traced: tuple[int, str] = (-(2**62), "")
    slowest: tuple[float, str] = (0.0, "")

    def add(self, other: "Tally") -> None:
        self.files += other.files
        self.wrong += other.wrong
        self.kinds += other.kinds
        self.loaded += other.loaded
        self.grown, self.traced = max(self.grown, other.grown), max(self.traced, other.traced)
        self.slowest = max(self.slowest, other.slowest)


def memory(what: bytes) -> int:
    """VmHWM (the peak since the last reset) or VmRSS of this process in bytes; 0 if unknown"""
    try:
        with open("/proc/self/status", "rb", buffering=0) as f:
            return int(f.read().partition(what + b":")[2].split(None, 1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        return 0


def reset_peak() -> None:
    """VmHWM = VmRSS, where the system allows it"""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as f:
            f.write(b"5")
    except OSError:
        pass


def examined(task: tuple[range, str]) -> Tally:
    """The verdicts on some files; each process has a file of its own in the folder"""
    global watching
    ks, folder = task
    path, found = Path(folder, f"{os.getpid()}.npz"), Tally(len(ks))
    for k in ks:
        kind, content = damaged_file(k)
        path.write_bytes(content)
        label = f"file {k}, {kind}, {len(content)} B"
        which = k % len(originals())
        values_found, wrong = [], []
        reset_peak()
        before, begin = memory(b"VmRSS"), time.perf_counter()
        watching = True
        for load in (mp.load, load_tree):
            what, value = answer(load, path)
            wrong.append(what)
            values_found.append(value)
        watching = False
        seconds = time.perf_counter() - begin
        grown = memory(b"VmHWM") - before
        own = values_found[0] if which < len(originals()) - 1 else values_found[1]
        if own is not None:
            found.loaded += 1
            wrong.append(unsound(own, content, which))
        if events:
            wrong.append(f"it caused {events[0]}")
            events.clear()
        found.kinds[kind] += 1
        found.wrong += [f"{label}: {w}" for w in wrong if w]
        found.grown = max(found.grown, (grown - 2 * len(content), label))
        found.slowest = max(found.slowest, (seconds, label))
        if k % TRACED == 0:
            found.traced = max(found.traced, (verdict(path)[1] - 2 * len(content), label))
    return found


def watch() -> None:
    """In each process: note what files make it do, and have all imported that reading needs"""
    sys.addaudithook(hook)
    for content, load in zip(originals(), loaders(), strict=True):
        load(io.BytesIO(content))


def fuzzed(n: int, workers: int) -> Tally:
    """The verdicts on the first n files"""
    values()
    found = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.npz")
        path.write_bytes(originals()[0])
        assert verdict(path)[0] == ""
        tasks = [(range(k, min(k + PIECE, n)), folder) for k in range(0, n, PIECE)]
        with warnings.catch_warnings():  # of Python 3.12, about threads: ours do not hold locks
            warnings.simplefilter("ignore", DeprecationWarning)
            pool = multiprocessing.get_context("fork").Pool(workers, watch)
        with pool:
            for part in pool.imap_unordered(examined, tasks):
                found.add(part)
    return found


def run(quick: bool, data: Path | None) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    n, begin = FEW if quick else FILES, time.perf_counter()
    found = fuzzed(n, 1 if quick else min(os.cpu_count() or 1, 4))
    seconds = time.perf_counter() - begin
    mb, most = 2**20, ROOM / 2**20
    return [
        within(
            f"{found.files:,} files in {len(found.kinds)} ways, wrong answers", len(found.wrong), 0,
            "", "; ".join(found.wrong[:3]) or f"{found.loaded:,} were loaded",
        ),
        within("memory beyond twice the file, resident", found.grown[0] / mb, most, "MB",
               found.grown[1]),
        within("memory beyond twice the file, traced", found.traced[0] / mb, most, "MB",
               found.traced[1]),
        Row("files a second", n / seconds, None, None, None, None, unit=""),
        Row("slowest answer", found.slowest[0], None, None, None, None, note=found.slowest[1]),
    ]  # fmt: skip
