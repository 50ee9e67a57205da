"""time = call + moved x a + multiply-adds x b: measured at a few layers, fitted for each format."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minprune import kernels
from minprune.core import Array
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import ForwardContext, Layer, Shape
from minprune.sparse.layers import sparse_kind, stored

BATCHES, DENSITIES = (1, 64), (0.05, 0.5)
ALONG = (0.0, 0.1, 0.3, 0.6, 1.0)  # densities of the lines that break-even densities are read from
LARGEST = Dense(256, 256, bias=False)  # of the dense ones below
LAYERS: tuple[tuple[Layer, Shape], ...] = (  # small, high, wide, large: the costs vary apart
    *((Dense(i, o, bias=False), (i,)) for i, o in ((16, 16), (32, 256), (256, 32))),
    (LARGEST, (256,)),
    *(
        (Conv2d(i, o, 3, padding=1, bias=False), (i, side, side))
        for i, o, side in ((2, 2, 6), (4, 32, 12), (32, 8, 12), (32, 32, 8))
    ),
)
REPEATS, TRIES = 7, 4  # measurements in a round, rounds at most; all of them count
LEAST = 1e-4  # seconds of one measurement, of as many calls as that takes
NEAR, ABSURD = 1.25, 4.0  # see `doubt` and `nonsense`
DENSE = ("dense", 1.0)
Key = TypeVar("Key")
Run = Callable[[], Any]


class Measured(NamedTuple):
    """{"csr, batch 1": nanoseconds, ...}: of a multiply-add, of a call, of a value moved

    doubt: why these cannot be trusted, or "".
    """

    nanoseconds: dict[str, float]
    calls: dict[str, float]
    moves: dict[str, float]
    doubt: str = ""


def name_of(layer: Layer, form: str, batch: int) -> str:
    """ "conv csr, batch 64", "blocks, batch 1" of "4x4", "N:M, batch 1" of "2:4" """
    kind = "N:M" if ":" in form else "blocks" if "x" in form else form
    known = sparse_kind(layer)
    return f"{known.prefix if known else ''}{kind}, batch {batch}"


def work(layer: Any, form: str, weights: int, positions: int, batch: int) -> Array:
    """(1, moved, multiply-adds) of a call      multiply-adds = weights x positions x batch

    weights: all of a dense layer, else the live ones. moved: outputs and inputs, the inputs as
    often as the kernel copies them: a dense convolution once for each place of its window.
    """
    kind, per = sparse_kind(layer), positions * batch
    copies = kind.copies(layer, form) if kind else 1
    return np.array([1.0, (layer.inputs * copies + layer.outputs) * per, weights * per])


def fit(works: Array, seconds: Array) -> Array:
    """argmin of sum ((works @ c - seconds) / seconds)^2, c >= 0      (k, 3), (k,) -> (3,)

    The best subset of the terms whose own least-squares solution has no negative coefficient.
    """
    share = works / seconds[:, None]
    best, least = np.zeros(3), np.inf
    for terms in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
        scale = share[:, terms].max(0)
        c = np.linalg.lstsq(share[:, terms] / scale, np.ones(len(share)), rcond=None)[0]
        off = float(((share[:, terms] / scale @ c - 1) ** 2).sum())
        if c.min() >= 0 and off < least:
            best, least = np.zeros(3), off
            best[terms] = c / scale
    return best


def measure() -> Measured:
    """Every format at every layer of LAYERS, in turns, until the times can be trusted"""
    runs, works = {}, {}
    for n in BATCHES:
        for at, (layer, shape) in enumerate(LAYERS):
            positions = layer.positions(layer.out_shape(shape))
            for (form, density), (run, weights) in passes(layer, shape, n, DENSITIES).items():
                key = name_of(layer, form, n), at, density
                runs[key], works[key] = run, work(layer, form, weights, positions, n)
    times: dict[tuple[str, int, float], list[float]] = {key: [] for key in runs}
    for _ in range(TRIES):
        times = {key: sorted(times[key] + more) for key, more in in_turn(runs).items()}
        found = {}
        for name in dict.fromkeys(name for name, *_ in runs):
            keys = [key for key in runs if key[0] == name]
            points = np.array([works[k] for k in keys]), np.array([times[k][0] for k in keys])
            found[name] = 1e9 * fit(*points)
        reason = doubt(times) or nonsense(found)
        if not reason:
            break
    calls, moves, each = ({name: float(c[k]) for name, c in found.items()} for k in range(3))
    return Measured(each, calls, moves, reason)


def in_turn(runs: Mapping[Key, Run]) -> dict[Key, list[float]]:
    """{name: sorted seconds of a call}, warm: a b c, a b c, ..., so that noise affects all alike

    Take the first: other processes can only add time.
    """

    def warm(run: Run, count: int) -> float:
        run()  # brings back into the caches what the other runs evicted
        begun = perf_counter()
        for _ in range(count):
            run()
        return (perf_counter() - begun) / count

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
    x = kernels.empty((*shape, batch), np.float32)  # aligned as the inputs inside a net are
    x[...] = rng.standard_normal(x.shape, dtype=np.float32)
    masks: dict[tuple[str, float], Array] = {}
    kind = sparse_kind(layer)
    for density in densities if kind else ():
        masks["csr", density] = rng.random(w.shape) < density
        if kind and not kind.only:
            m, n = w.shape
            some: Array = rng.random((-(-m // 4), -(-n // 4))) < density
            masks["4x4", density] = some.repeat(4, 0).repeat(4, 1)[:m, :n]
            masks["2:4", 0.5] = np.broadcast_to(np.arange(n) % 4 < 2, (m, n))
    found: dict[tuple[str, float], tuple[Run, int]] = {}
    found[DENSE] = partial(layer.apply, {"weight": w}, [x], ForwardContext()), w.size
    for (form, density), mask in masks.items():
        sparse, held = stored(layer, "it", w, mask, form)
        p = {k: getattr(held, k) for k in held.INDICES} | {"weight": held.values}
        found[form, density] = partial(sparse.apply, p, [x], ForwardContext()), held.values.size
    return found


def doubt(times: Mapping[Any, Sequence[float]]) -> str:
    """The reason if, for half of the measurements, the third best is a quarter above the best

    Other processes only add time, so a best time that others come near to is the true one; one
    that stands alone may be far above it.
    """
    far = sum(each[2] > NEAR * each[0] for each in times.values())
    if 2 * far <= len(times):
        return ""
    return "the times of the same work differed by more than a quarter"


def nonsense(found: Mapping[str, Array]) -> str:
    """The reason if a dense layer seems to take 4 times as long as CSR with all its weights

    It has the same multiply-adds and no indices. LARGEST is too small to be
    shared among threads, which might explain it.
    """
    weights = LARGEST.inputs * LARGEST.outputs
    for n in BATCHES:
        dense, csr = (
            found[name_of(LARGEST, form, n)] @ work(LARGEST, form, weights, 1, n)
            for form in ("dense", "csr")
        )
        if dense > ABSURD * csr:
            return f"a dense layer seemed to take {dense / csr:.0f} times as long as a sparse one"
    return ""


def break_even_of(layer: Layer, shape: Shape) -> tuple[dict[str, float], dict[str, float]]:
    """({"csr, batch 1": break-even density, ...}, {"2:4, batch 1": time over dense, ...})"""
    limits, ratios = {}, {}
    for batch in BATCHES:
        runs = {key: run for key, (run, _) in passes(layer, shape, batch, ALONG).items()}
        times = {key: each[0] for key, each in in_turn(runs).items()}
        dense = times.pop(DENSE)
        lines: dict[str, dict[float, float]] = {}
        for (form, density), time in times.items():
            lines.setdefault(f"{form}, batch {batch}", {})[density] = time
        for name, line in lines.items():
            if len(line) == 1:  # its density is fixed
                ratios[name] = next(iter(line.values())) / dense
            else:
                limits[name] = crossing([*line], [*line.values()], dense)
    return limits, ratios


def crossing(densities: Sequence[float], times: Sequence[float], dense: float) -> float:
    """The first density at which the line through (densities, times) is as high as dense

    0 if it starts that high, 1 if it stays below.
    """
    k = int(np.append(np.array(times) >= dense, True).argmax())
    if k in (0, len(times)):
        return float(k > 0)
    return float(np.interp(dense, times[k - 1 : k + 1], densities[k - 1 : k + 1]))
