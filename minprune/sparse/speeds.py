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
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array
from minprune.errors import FileError
from minprune.files import write_atomic
from minprune.nets.layer import Layer, Pass, Shape
from minprune.nets.weighted import Conv2d, Dense
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.ops import BlockPlaces, ConvPlaces, CSRPlaces, NofMPlaces, Places
from minprune.text import table

BATCHES = (1, 64)
DENSITY, REPEATS, MARGIN = 0.1, 7, 1.25
SIDE, IMAGE = 512, (32, 12, 12)
MATRIX, SLIDING = Dense(SIDE, SIDE, bias=False), Conv2d(32, 32, 3, bias=False)  # what is measured


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
    ~/.cache with /minprune. Another CPU, backend or thread count is another machine. A file that is
    absent, damaged or of another machine is written anew; where it cannot be, nothing is kept.
    """
    import json

    machine = here()
    found = None if again else kept(machine)
    if found is not None:
        return found
    measured = Speeds(machine, measure())
    with suppress(FileError, RuntimeError):
        write_atomic(cache() / "speeds.json", json.dumps(asdict(measured), indent=1))
    return measured


def kept(machine: str) -> Speeds | None:
    """What the cache folder has on this machine, if it is whole."""
    import json

    try:
        found = json.loads((cache() / "speeds.json").read_text("utf-8"))
        each = {name: float(found["nanoseconds"][name]) for name in names()}
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, OverflowError):
        return None
    whole = found.get("machine") == machine and all(0 < ns < np.inf for ns in each.values())
    return Speeds(machine, each) if whole else None


def names() -> list[str]:
    """Everything that is measured."""
    kinds = ("dense", "conv dense", "csr", "blocks", "N:M", "conv csr")
    return [f"{kind}, batch {n}" for n in BATCHES for kind in kinds]


def cheapest(known: Speeds, layer: Layer, mask: Array, formats: list[str], batch: int) -> str:
    """ "dense", or the format of least time: (live) weights x speed

    A format has to win by a quarter, since speeds differ from shape to shape.
    """
    size = min(BATCHES, key=lambda b: abs(np.log(b / max(batch, 1))))
    conv = "conv " if isinstance(layer, Conv2d) else ""
    live = int(np.count_nonzero(mask))
    cost = {"dense": mask.size * known.nanoseconds[f"{conv}dense, batch {size}"]}
    for form in formats:
        kind = "blocks" if "x" in form else form
        kind = "N:M" if ":" in form else kind
        cost[form] = MARGIN * live * known.nanoseconds[f"{conv}{kind}, batch {size}"]
    return min(cost, key=lambda form: cost[form])


def measure() -> dict[str, float]:
    """Nanoseconds per multiply-add of every format, dense too, at the batches"""
    found = {}
    for n in BATCHES:
        for kind, layer, shape in (("", MATRIX, (SIDE,)), ("conv ", SLIDING, IMAGE)):
            for name, ns in nanoseconds(layer, shape, n).items():
                found[f"{kind}{name}, batch {n}"] = ns
    return found


def nanoseconds(layer: Layer, shape: Shape, batch: int) -> dict[str, float]:
    """{format: nanoseconds per multiply-add of a live weight} of a dense or convolution layer

    Random float32 weights of density 0.1 (N:M: 2:4) on inputs (*shape, batch), the median of 7. The
    density below which a format wins is about nanoseconds["dense"] / nanoseconds[format].
    """
    rng = np.random.default_rng(0)
    w = rng.standard_normal(layer.params()["weight"], dtype=np.float32)
    x = rng.standard_normal((*shape, batch), dtype=np.float32)
    flat = w.reshape(len(w), -1)
    m, n = flat.shape
    csr = CSR.from_dense(flat, rng.random((m, n)) < DENSITY)
    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "dense": (partial(layer.apply, "it", {"it.weight": w}, [x], Pass()), w.size)
    }
    places: dict[str, tuple[Places, Array]] = {}
    if isinstance(layer, Conv2d):
        at = layer.kernel, layer.stride, layer.padding, layer.groups
        places["csr"] = ConvPlaces(csr.columns, csr.row_start, *at), csr.values  # type: ignore[arg-type]
    else:
        some = rng.random((-(-m // 4), -(-n // 4))) < DENSITY
        blocks = BlockCSR.from_dense(flat, some.repeat(4, 0).repeat(4, 1)[:m, :n])
        nofm = NofM.from_dense(flat, np.broadcast_to(np.arange(n) % 4 < 2, (m, n)))
        places["csr"] = CSRPlaces(csr.columns, csr.row_start, n), csr.values
        places["blocks"] = (
            BlockPlaces(blocks.columns, blocks.row_start, 4, (m, n)), blocks.values
        )  # fmt: skip
        places["N:M"] = NofMPlaces(nofm.positions, 2, 4, n), nofm.values
    for name, (where, values) in places.items():
        runs[name] = partial(where.matmul, values, x, None, "none"), values.size
    often = layer.positions(layer.out_shape(shape)) * batch
    return {name: 1e9 * seconds(fn) / (max(size, 1) * often) for name, (fn, size) in runs.items()}


def seconds(fn: Callable[[], Any]) -> float:
    """The median of a few calls, warm"""
    fn()
    times = []
    for _ in range(REPEATS):
        begun = perf_counter()
        fn()
        times.append(perf_counter() - begun)
    return sorted(times)[REPEATS // 2]


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
