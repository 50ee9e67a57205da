"""time = call + moved x a + multiply-adds x b: measured at a few layers, fitted for each format."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import Layer, Shape
from minprune.sparse.layers import sparse_kind
from minprune.sparse.timing import in_turn, passes

BATCHES, DENSITIES = (1, 64), (0.05, 0.5)
LARGEST = Dense(256, 256, bias=False)  # of those below that are no convolution
LAYERS: tuple[tuple[Layer, Shape], ...] = (  # small, high, wide, large: no two costs go together
    *((Dense(i, o, bias=False), (i,)) for i, o in ((16, 16), (32, 256), (256, 32))),
    (LARGEST, (256,)),
    *(
        (Conv2d(i, o, 3, padding=1, bias=False), (i, side, side))
        for i, o, side in ((2, 2, 6), (4, 32, 12), (32, 8, 12), (32, 32, 8))
    ),
)
TRIES = 4  # rounds of measurements, all of them counted
NEAR, ABSURD = 1.25, 4.0  # see `doubt`


class Measured(NamedTuple):
    """{"csr, batch 1": nanoseconds, ...}: of a multiply-add, of a call, of a value moved

    doubt: why these are not to be trusted, or "".
    """

    nanoseconds: dict[str, float]
    calls: dict[str, float]
    moves: dict[str, float]
    doubt: str = ""


def name_of(layer: Layer, form: str, batch: int) -> str:
    """ "conv csr, batch 64", "blocks, batch 1" of "4x4", "N:M, batch 1" of "2:4" """
    kind = "N:M" if ":" in form else "blocks" if "x" in form else form
    known = sparse_kind(layer)
    return f"{known.timed if known else ''}{kind}, batch {batch}"


def work(layer: Any, form: str, weights: int, positions: int, batch: int) -> Array:
    """(1, moved, multiply-adds) of a call      multiply-adds = weights x positions x batch

    weights: all of a dense layer, else the live ones. moved: values written, outputs and inputs,
    as a dense convolution unfolds these, a copy for each place of its kernel, and a sparse one
    copies the image.
    """
    kind, per = sparse_kind(layer), positions * batch
    copies = kind.copies(layer, form) if kind else 1
    return np.array([1.0, (layer.inputs * copies + layer.outputs) * per, weights * per])


def fit(works: Array, seconds: Array) -> Array:
    """argmin of sum ((works @ c - seconds) / seconds)^2, c >= 0      (k, 3), (k,) -> (3,)

    The best of the subsets of the terms whose own least squares has no negative one.
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
    """Every format at every layer of LAYERS, all in turn, until the times can be trusted"""
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


def doubt(times: Mapping[Any, Sequence[float]]) -> str:
    """Whether of half the measurements the third best is a quarter above the best, in words

    What else runs only ever adds time, so a best that others come near to is the time that it
    takes; one that stands alone may be far above it.
    """
    far = sum(each[2] > NEAR * each[0] for each in times.values())
    if 2 * far <= len(times):
        return ""
    return "the times of the same work differed by more than a quarter"


def nonsense(found: Mapping[str, Array]) -> str:
    """Whether a dense layer seems to take 4 times as long as CSR with all its weights, in words

    It has the same multiply-adds and no indices. The layer is the largest of LAYERS that is no
    convolution: too small to be shared among threads, which might explain it.
    """
    for n in BATCHES:
        dense, csr = (
            found[name_of(LARGEST, form, n)]
            @ work(LARGEST, form, LARGEST.inputs * LARGEST.outputs, 1, n)
            for form in ("dense", "csr")
        )
        if dense > ABSURD * csr:
            return f"a dense layer seemed to take {dense / csr:.0f} times as long as a sparse one"
    return ""
