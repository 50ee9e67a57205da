"""Seconds of one pass through a layer, dense and in each sparse format, all of them in turn."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.nets.layer import ForwardContext, Layer, Shape
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.layers import sparse_kind

REPEATS = 7
LEAST = 1e-4  # seconds to a measurement, of as many calls as that takes
DENSE = ("dense", 1.0)
Key = TypeVar("Key")
Run = Callable[[], Any]


def in_turn(runs: Mapping[Key, Run]) -> dict[Key, list[float]]:
    """{name: sorted seconds of a call}, warm: a b c, a b c, ..., so that what slows one slows all

    The first of them is the one to take: what else runs on a machine only ever adds time.
    """

    def once(run: Run, count: int) -> float:
        begun = perf_counter()
        for _ in range(count):
            run()
        return (perf_counter() - begun) / count

    def warm(run: Run, count: int) -> float:
        run()  # what the others put out of the caches comes back
        return once(run, count)

    counts = {name: max(1, int(LEAST / warm(run, 1))) for name, run in runs.items()}
    turns = [{n: warm(run, counts[n]) for n, run in runs.items()} for _ in range(REPEATS)]
    return {name: sorted(turn[name] for turn in turns) for name in runs}


def passes(
    layer: Layer, shape: Shape, batch: int, densities: Iterable[float]
) -> dict[tuple[str, float], tuple[Run, int]]:
    """{("csr", 0.1): (one pass, live weights), ...} of a dense or convolution layer without bias

    Dense, CSR, and where the layer has them blocks of 4 x 4 and 2:4, with random float32 weights
    and masks of those densities, on inputs (*shape, batch). A layer without formats: dense alone.
    """
    rng = np.random.default_rng(0)
    w = rng.standard_normal(layer.params()["weight"], dtype=np.float32)
    x = kernels.empty((*shape, batch), np.float32)  # begins where those inside a net do
    x[...] = rng.standard_normal(x.shape, dtype=np.float32)
    flat = w.reshape(len(w), -1)
    m, n = flat.shape

    def one(kind: Layer, arrays: Arrays) -> tuple[Run, int]:
        weight = arrays.get("values", w)
        return partial(kind.apply, {**arrays, "weight": weight}, [x], ForwardContext()), weight.size

    found = {DENSE: one(layer, {})}
    kind = sparse_kind(layer)
    if kind is None:
        return found
    for density in densities:
        csr = CSR.from_dense(flat, rng.random((m, n)) < density)
        found["csr", density] = one(kind.of(layer, csr, "csr"), vars(csr))
        if not kind.tiles:
            continue
        some: Array = rng.random((-(-m // 4), -(-n // 4))) < density
        blocks = BlockCSR.from_dense(flat, some.repeat(4, 0).repeat(4, 1)[:m, :n])
        found["4x4", density] = one(kind.of(layer, blocks, "4x4"), vars(blocks))
    if kind.tiles:
        nofm = NofM.from_dense(flat, np.broadcast_to(np.arange(n) % 4 < 2, (m, n)))
        found["2:4", 0.5] = one(kind.of(layer, nofm, "2:4"), vars(nofm))
    return found
