"""seconds = multiply-adds x speed: which format is fastest on this machine, by one measurement.

The speeds are measured once, kept in a file of the user's cache folder, and shown by printing them.
"""

import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from minprune import kernels
from minprune.core import Array
from minprune.errors import FileError
from minprune.files import write_atomic
from minprune.nets.layer import Layer
from minprune.nets.weighted import Conv2d
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.ops import BlockPlaces, ConvPlaces, CSRPlaces, NofMPlaces
from minprune.text import table

BATCHES = (1, 64)
SIDE, DENSITY = 512, 0.1  # of the matrix that is measured
CHANNELS, IMAGE, REPEATS = 32, 12, 7
ONE, ZERO = (1, 1), (0, 0)


@dataclass(frozen=True)
class Speeds:
    """Nanoseconds for one multiply-add of a live weight: {"csr, batch 64": 0.05, ...}; print it

    machine: what they were measured on.
    """

    machine: str
    nanoseconds: dict[str, float]

    def __str__(self) -> str:
        rows = [[name, f"{ns:.4f}"] for name, ns in self.nanoseconds.items()]
        return f"{self.machine}\n" + table(["format", "ns per multiply-add"], rows)


def speeds(again: bool = False) -> Speeds:
    """The speeds of this machine, from the cache folder, or measured (about a second) and kept

    again=True measures anew. The file is speeds.json in MINPRUNE_CACHE, or XDG_CACHE_HOME or
    ~/.cache with /minprune. Another CPU, backend or thread count is another machine.
    """
    import json

    path, machine = cache() / "speeds.json", here()
    if not again:
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["machine"] == machine:
                return Speeds(machine, {str(k): float(v) for k, v in found["nanoseconds"].items()})
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            pass  # absent or of somebody else: measured below
    measured = Speeds(machine, measure())
    with suppress(FileError):  # a folder that cannot be written to: measured again next time
        write_atomic(path, json.dumps(asdict(measured), indent=1))
    return measured


def cheapest(known: Speeds, layer: Layer, mask: Array, formats: list[str], batch: int) -> str:
    """ "dense", or the format of least time: (live) weights x speed"""
    size = min(BATCHES, key=lambda b: abs(np.log(b / max(batch, 1))))
    conv = "conv " if isinstance(layer, Conv2d) else ""
    live = int(np.count_nonzero(mask))
    cost = {"dense": mask.size * known.nanoseconds[f"{conv}dense, batch {size}"]}
    for form in formats:
        kind = "blocks" if "x" in form else form
        kind = "N:M" if ":" in form else kind
        cost[form] = live * known.nanoseconds[f"{conv}{kind}, batch {size}"]
    return min(cost, key=lambda form: cost[form])


def measure() -> dict[str, float]:
    """Nanoseconds per multiply-add of every format, dense too, at the batches"""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    some = rng.random((SIDE, SIDE)) < DENSITY
    tiles = rng.random((SIDE // 4, SIDE // 4)) < DENSITY
    whole = tiles.repeat(4, axis=0).repeat(4, axis=1)
    fours = np.tile([True, True, False, False], (SIDE, SIDE // 4))
    csr, blocks = CSR.from_dense(w, some), BlockCSR.from_dense(w, whole)
    nofm = NofM.from_dense(w, fours)
    kernel = rng.standard_normal((CHANNELS, CHANNELS, 3, 3), dtype=np.float32)
    taps = CSR.from_dense(
        kernel.reshape(CHANNELS, -1), rng.random((CHANNELS, CHANNELS * 9)) < DENSITY
    )
    found = {}
    for n in BATCHES:
        x = rng.standard_normal((SIDE, n), dtype=np.float32)
        image = rng.standard_normal((CHANNELS, IMAGE, IMAGE, n), dtype=np.float32)
        area = (IMAGE - 2) ** 2
        runs: dict[str, tuple[Callable[[], Array], int]] = {
            "dense": (partial(kernels.matmul, w, x), w.size),
            "conv dense": (
                partial(kernels.conv2d, image, kernel, None, ONE, ZERO, 1, "none"),
                kernel.size * area,
            ),
        }
        for name, at, values, given, times in (
            ("csr", CSRPlaces(csr.columns, csr.row_start, SIDE), csr.values, x, 1),
            ("blocks", BlockPlaces(blocks.columns, blocks.row_start, 4, blocks.shape),
             blocks.values, x, 1),
            ("N:M", NofMPlaces(nofm.positions, 2, 4, SIDE), nofm.values, x, 1),
            ("conv csr", ConvPlaces(taps.columns, taps.row_start, (3, 3), ONE, ZERO, 1),
             taps.values, image, area),
        ):  # fmt: skip
            runs[name] = partial(at.matmul, values, given, None, "none"), values.size * times
        for name, (fn, madds) in runs.items():
            fn()  # compiled and warm
            seconds = []
            for _ in range(REPEATS):
                begun = perf_counter()
                fn()
                seconds.append(perf_counter() - begun)
            found[f"{name}, batch {n}"] = 1e9 * sorted(seconds)[REPEATS // 2] / (madds * n)
    return found


def cache() -> Path:
    """The folder of the user's cache."""
    given = os.environ.get("MINPRUNE_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "minprune")


def here() -> str:
    """What the speeds hang on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text("utf-8").splitlines() if x.startswith("model name")]
        cpu = lines[0].partition(":")[2].strip() if lines else cpu
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    return f"{cpu}, {kernels.backend()}, {threads} BLAS thread(s)"
