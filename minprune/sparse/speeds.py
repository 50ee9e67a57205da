"""time = call + multiply-adds x speed: which format is fastest here, by one measurement.

Both are measured once, kept in a file of the user's cache folder, and shown by printing them.
"""

import functools
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files import write_atomic
from minprune.nets.layer import Layer, Pass, Shape
from minprune.nets.weighted import Conv2d, Dense
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.layers import SparseConv, SparseDense
from minprune.text import table
from minprune.train.fingerprint import digest, threads

BATCHES = (1, 64)
DENSITY, REPEATS, MARGIN = 0.1, 7, 1.25
LEAST = 2e-4  # seconds to a measurement, of as many calls as that takes
Measured = tuple[Layer, Shape]
MEASURED: dict[str, tuple[Measured, Measured]] = {  # a small layer, a large one, their inputs
    "": ((Dense(16, 16, bias=False), (16,)), (Dense(512, 512, bias=False), (512,))),
    "conv ": (
        (Conv2d(2, 2, 3, bias=False), (2, 6, 6)), (Conv2d(32, 32, 3, bias=False), (32, 12, 12)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Speeds:
    """Nanoseconds for one multiply-add of a live weight: {"csr, batch 64": 0.05, ...}; print it

    calls: those that a call takes beside, 0 unless given. machine: what was measured.
    """

    machine: str
    nanoseconds: dict[str, float]
    calls: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [
            [name, f"{ns:.4f}", f"{self.calls.get(name, 0):.0f}"]
            for name, ns in self.nanoseconds.items()
        ]
        return f"{self.machine}\n" + table(["format", "ns per multiply-add", "ns per call"], rows)


def speeds(again: bool = False) -> Speeds:
    """The speeds of this machine, from the cache folder, or measured (about a second) and kept

    again=True measures anew. The file is speeds.json in MINPRUNE_CACHE, or XDG_CACHE_HOME or
    ~/.cache with /minprune. It holds one entry for each machine; another CPU, backend or thread
    count is another machine. An entry that is absent, damaged or of other kernels is written anew;
    where it cannot be, nothing is kept.
    """
    import json

    machine, before = here(), kept()
    found = None if again else whole(machine, before.get(machine))
    if found is not None:
        return found
    measured = Speeds(machine, *measure())
    each = {"nanoseconds": measured.nanoseconds, "calls": measured.calls}
    entry = {"kernels": version()} | each
    with suppress(FileError, RuntimeError):
        write_atomic(cache() / "speeds.json", json.dumps(before | {machine: entry}, indent=1))
    return measured


def kept() -> dict[str, Any]:
    """What the cache folder has, by machine; nothing where the file is damaged."""
    import json

    try:
        found = json.loads((cache() / "speeds.json").read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def whole(machine: str, entry: Any) -> Speeds | None:
    """The speeds in an entry of the file, if it has them all, of these kernels."""
    try:
        each, calls = (
            {name: float(entry[kind][name]) for name in names()}
            for kind in ("nanoseconds", "calls")
        )
        sound = all(0 < each[name] < np.inf and 0 <= calls[name] < np.inf for name in names())
        sound = sound and entry["kernels"] == version()
    except (ValueError, LookupError, TypeError, OverflowError):
        return None
    return Speeds(machine, each, calls) if sound else None


@functools.cache
def version() -> str:
    """A digest of the code of the kernels: other code has other speeds."""
    files = sorted(Path(kernels.__file__).parent.glob("*.py"))
    return digest(*(file.read_text("utf-8") for file in files))


def names() -> list[str]:
    """Everything that is measured."""
    kinds = ("dense", "conv dense", "csr", "blocks", "N:M", "conv csr")
    return [f"{kind}, batch {n}" for n in BATCHES for kind in kinds]


def cheapest(
    known: Speeds, layer: Layer, mask: Array, formats: list[str], batch: int, positions: int = 1
) -> str:
    """ "dense", or the format of least time: call + (live) weights x positions x batch x speed

    A format has to win by a quarter, since speeds differ from shape to shape.
    """
    size = min(BATCHES, key=lambda b: abs(np.log(b / max(batch, 1))))
    conv = "conv " if isinstance(layer, Conv2d) else ""

    def time_of(kind: str, weights: int) -> float:
        name = f"{conv}{kind}, batch {size}"
        madds = weights * positions * batch
        return known.calls.get(name, 0.0) + madds * known.nanoseconds[name]

    cost = {"dense": time_of("dense", mask.size)}
    for form in formats:
        kind = "N:M" if ":" in form else "blocks" if "x" in form else form
        cost[form] = MARGIN * time_of(kind, int(np.count_nonzero(mask)))
    return min(cost, key=lambda form: cost[form])


def measure() -> tuple[dict[str, float], dict[str, float]]:
    """Nanoseconds per multiply-add, and per call, of every format at the batches

    The line through two times: of a small layer and of a large one.
    """
    speed, call = {}, {}
    for n in BATCHES:
        for kind, (small, large) in MEASURED.items():
            few, many = timings(*small, n), timings(*large, n)
            for form, (time, madds) in many.items():
                name, (least, some) = f"{kind}{form}, batch {n}", few[form]
                more = time - least if time > least else time  # as where something else ran
                speed[name] = 1e9 * more / (madds - some)
                call[name] = max(0.0, 1e9 * least - speed[name] * some)
    return speed, call


def nanoseconds(layer: Layer, shape: Shape, batch: int) -> dict[str, float]:
    """{format: nanoseconds per multiply-add of a live weight} of a dense or convolution layer

    See `timings`. Calls are in it, so that the density below which a format wins at this shape is
    about nanoseconds["dense"] / nanoseconds[format].
    """
    found = timings(layer, shape, batch)
    return {form: 1e9 * time / madds for form, (time, madds) in found.items()}


def timings(layer: Layer, shape: Shape, batch: int) -> dict[str, tuple[float, int]]:
    """{format: (seconds, multiply-adds)} of one pass through a dense or convolution layer

    Random float32 weights of density 0.1 (N:M: 2:4) on inputs (*shape, batch), the median of 7.
    """
    rng = np.random.default_rng(0)
    w = rng.standard_normal(layer.params()["weight"], dtype=np.float32)
    x = kernels.empty((*shape, batch), np.float32)  # begins where those inside a net do
    x[...] = rng.standard_normal(x.shape, dtype=np.float32)
    flat = w.reshape(len(w), -1)
    m, n = flat.shape
    runs: dict[str, tuple[Layer, Arrays]] = {"dense": (layer, {"weight": w})}
    csr = CSR.from_dense(flat, rng.random((m, n)) < DENSITY)
    if isinstance(layer, Conv2d):
        at = layer.stride, layer.padding, layer.groups
        size = layer.inputs, layer.outputs, layer.kernel, csr.values.size
        runs["csr"] = SparseConv(*size, *at, bias=False), vars(csr)
    else:
        some = rng.random((-(-m // 4), -(-n // 4))) < DENSITY
        blocks = BlockCSR.from_dense(flat, some.repeat(4, 0).repeat(4, 1)[:m, :n])
        nofm = NofM.from_dense(flat, np.broadcast_to(np.arange(n) % 4 < 2, (m, n)))
        each = (("csr", "csr", csr), ("blocks", "4x4", blocks), ("N:M", "2:4", nofm))
        for name, form, found in each:
            count = found.columns.size if isinstance(found, BlockCSR) else 0
            sparse = SparseDense(n, m, found.values.size, form, count, bias=False)
            runs[name] = sparse, vars(found)
    often = layer.positions(layer.out_shape(shape)) * batch
    times = {}
    for name, (kind, arrays) in runs.items():
        p = {f"it.{k}": a for k, a in arrays.items()} | {"it.weight": arrays.get("values", w)}
        go = functools.partial(kind.apply, "it", p, [x], Pass())
        times[name] = seconds(go), max(p["it.weight"].size, 1) * often
    return times


def seconds(fn: Callable[[], Any]) -> float:
    """The median of a few measurements, warm"""

    def once(count: int) -> float:
        begun = perf_counter()
        for _ in range(count):
            fn()
        return (perf_counter() - begun) / count

    once(1)
    count = max(1, int(LEAST / once(1)))
    return sorted(once(count) for _ in range(REPEATS))[REPEATS // 2]


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
    ours = os.environ.get("NUMBA_NUM_THREADS") or f"all {os.cpu_count()}"
    return f"{cpu}, {kernels.backend()}, threads: {threads()} of BLAS, {ours} of kernels"
