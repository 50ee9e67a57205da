"""20,000 damaged or malicious .pt, .safetensors and .npz files: each gives arrays or one sentence.

Nothing in them is executed (audit events and traps tell), and memory stays within twice the file
and ROOM, in which what a few compressed kilobytes inflate to, or a parsed header, must fit. The
k-th file comes from [SEED, k] alone.
"""

import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks import fuzz
from benchmarks._foreign import damaged, originals
from benchmarks.harness import Row, within
from minprune.files.archive import INFLATED

FILES, FEW, PIECE = 20_000, 500, 250
ROOM = INFLATED + 2**23


def wrong_with(path: Path) -> tuple[str, bool]:
    """(what is wrong with the answer or "", whether arrays were read)"""
    what, found = fuzz.answer(mp.read_weights, path)
    if found is not None:
        for name, a in found.items():
            if type(name) is not str or type(a) is not np.ndarray or a.dtype.kind not in "biufc":
                return f"no array: {name!r}", True
        if not all(a.flags.c_contiguous for a in found.values()):
            return "an array that is not contiguous", True
    return what, found is not None


def examined(task: tuple[range, str]) -> tuple[list[str], Counter[str], int, float, float]:
    """(what is wrong, ways, how many were read, most bytes beyond twice the file, seconds)"""
    ks, folder = task
    path, wrong, ways = Path(folder, f"{os.getpid()}.bin"), [], Counter[str]()
    read, over, slowest = 0, -(2.0**62), 0.0
    for k in ks:
        way, content = damaged(k)
        ways[way] += 1
        path.write_bytes(content)
        traced = k % fuzz.TRACED == 0
        begin = time.perf_counter()
        fuzz.reset_peak()
        before = fuzz.memory(b"VmRSS")
        if traced:
            tracemalloc.start()
        fuzz.watching = True
        what, some = wrong_with(path)
        fuzz.watching = False
        grown = float(fuzz.memory(b"VmHWM") - before)
        if traced:
            grown = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        read += some
        if what or fuzz.events:
            wrong.append(f"file {k}, {way}: {what or fuzz.events[0]}")
            fuzz.events.clear()
        over = max(over, grown - 2 * len(content))
        slowest = max(slowest, time.perf_counter() - begin)
    return wrong, ways, read, over, slowest


def watch() -> None:
    """In each process: note what files make it do, and have all imported that reading needs"""
    sys.addaudithook(fuzz.hook)
    import_module("unicodedata")  # which Python reads "\\N{DIGIT ONE}" in a header by
    with tempfile.TemporaryDirectory() as folder:
        for content in originals():
            path = Path(folder, "w")
            path.write_bytes(content)
            assert wrong_with(path) == ("", True)


def run(quick: bool, data: Path | None) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    n, begin = FEW if quick else FILES, time.perf_counter()
    originals()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(range(k, min(k + PIECE, n)), folder) for k in range(0, n, PIECE)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            workers = 1 if quick else min(os.cpu_count() or 1, 4)
            pool = multiprocessing.get_context("fork").Pool(workers, watch)
        with pool:
            parts = list(pool.imap_unordered(examined, tasks))
    wrong = [w for part in parts for w in part[0]]
    ways = sum((part[1] for part in parts), Counter[str]())
    read, over = sum(part[2] for part in parts), max(part[3] for part in parts)
    slowest, mb = max(part[4] for part in parts), 2**20
    return [
        within(f"{n:,} files of weights in {len(ways)} ways, wrong answers", len(wrong), 0, "",
               "; ".join(wrong[:3]) or f"{read:,} were read"),
        within("memory beyond twice the file", over / mb, ROOM / mb, "MB"),
        Row("files a second", n / (time.perf_counter() - begin), None, None, None, None, unit=""),
        Row("slowest answer", slowest, None, None, None, None),
    ]  # fmt: skip
