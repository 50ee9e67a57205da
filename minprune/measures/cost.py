"""What a model costs: parameters, multiply-adds and bytes, dense and live; latency, and speedups.

latency = the least time of model(x), warm, of repeats in turn with the other models: what else the
machine does only adds to it. speedup = the latency of one model over that of another.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minprune.arguments import count
from minprune.nets.counts import counts, sparsity
from minprune.nets.model import Predictor
from minprune.nets.net import layer_of

INDEX = 4  # bytes of one uint32 index
WARM_UP, REPEATS = 3, 25  # turns that are not timed, and that are
PARTS = 5  # of the repeats, one after another, from which a speedup has its spread


@dataclass(frozen=True)
class Size:
    """The result of `size`; multiply-adds and activations are of one sample

    Attributes
    ----------
    parameters, live : number of parameters, and of those that are not masked
    sparsity : share of the WEIGHTS (no biases, no normalisation) that is masked
    macs, live_macs : multiply-adds, and those of live weights
    activations : values that the layers with weights output
    bytes : all parameters as dense arrays
    sparse_bytes : the same with each parameter as CSR where that is smaller: live values and their
        uint32 columns, and uint32 row starts: live (bytes of one + 4) + 4 (rows + 1)
    stored : the arrays of this model, with the indices of sparse layers, without running
        statistics and masks
    """

    parameters: int
    live: int
    sparsity: float
    macs: int
    live_macs: int
    activations: int
    bytes: int
    sparse_bytes: int
    stored: int


def size(model: Predictor) -> Size:
    """Parameters, multiply-adds and bytes of a model, dense and live

    Parameters
    ----------
    model : Model

    Returns
    -------
    Size

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.measures.cost import size
    >>> found = size(mp.zoo.mlp(((3,), 2), (4,)))
    >>> found.parameters, found.macs, found.bytes
    (26, 20, 104)
    """
    net, each = model.net, model.itemsize
    found = counts(net, model.masks)
    return Size(
        parameters=sum(c.total for c in found),
        live=sum(c.live for c in found),
        sparsity=sparsity(net, model.masks),
        macs=sum(c.macs for c in found),
        live_macs=sum(c.live_macs for c in found),
        activations=sum(math.prod(net.shapes[layer_of(name)]) for name in net.every_weight),
        bytes=each * sum(c.total for c in found),
        sparse_bytes=sum(
            min(each * c.total, c.live * (each + INDEX) + INDEX * (c.shape[0] + 1)) for c in found
        ),
        stored=model.stored,
    )


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one batch: the least of the repeats, beside it their median and quartiles

    Attributes
    ----------
    batch : number of inputs
    least_ms : least of the repeats
    median_ms : median of the repeats
    spread_ms : third quartile minus first quartile
    parts_ms : the least of each fifth of the repeats, in the order of time
    """

    batch: int
    least_ms: float
    median_ms: float
    spread_ms: float
    parts_ms: tuple[float, ...]


def latency(model: Predictor, batch: int, *, repeats: int = REPEATS) -> Latency:
    """Latency of the model on `batch` random inputs, after warm-up, without compilation

    Parameters
    ----------
    model : Model
    batch : number of inputs in a call
    repeats : timed calls

    Returns
    -------
    Latency

    Raises
    ------
    ArgumentError : batch or repeats is not an integer of at least 1

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.measures.cost import latency
    >>> found = latency(mp.zoo.mlp(((3,), 2)), batch=8, repeats=10)
    >>> 0 < found.least_ms <= found.median_ms, len(found.parts_ms)
    (True, 5)
    """
    return latencies({"it": model}, batch, repeats=repeats)["it"]


def latencies(
    models: Mapping[str, Predictor], batch: int, *, repeats: int = REPEATS
) -> dict[str, Latency]:
    """{name: latency} of models to compare, in turn, twice each: a a b b c c, c c b b a a, ...

    Turns, since a machine's speed drifts: what slows one model slows the others as well. The second
    call counts; the first finds the caches filled by another model. Raises as `latency` does.
    """
    count("latency", "batch", batch)
    count("latency", "repeats", repeats)
    inputs = {
        name: np.random.default_rng(0).random((batch, *m.net.input_shape)).astype(m.dtype)
        for name, m in models.items()
    }
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(-WARM_UP, repeats):
        for name in list(models) if turn % 2 == 0 else list(models)[::-1]:
            models[name](inputs[name])
            start = time.perf_counter()
            models[name](inputs[name])
            if turn >= 0:
                times[name].append((time.perf_counter() - start) * 1e3)
    found = {}
    for name, each in times.items():
        low, middle, high = map(float, np.percentile(each, [25, 50, 75]))
        parts = tuple(float(part.min()) for part in np.array_split(each, min(PARTS, repeats)))
        found[name] = Latency(batch, min(parts), middle, high - low, parts)
    return found


@dataclass(frozen=True)
class Speedup:
    """The result of `speedup`

    Attributes
    ----------
    times : latency of the first model over that of the second
    spread : the largest minus the smallest of that ratio in the parts of the repeats
    told : whether the two are told apart: the spread is less than the ratio, and less than its
        distance from 1
    """

    times: float
    spread: float
    told: bool


def speedup(first: Latency, second: Latency) -> Speedup:
    """The speedup of the second model over the first, and whether the repeats tell them apart

    Parameters
    ----------
    first, second : latencies that `latencies` measured in turn

    Returns
    -------
    Speedup

    Examples
    --------
    >>> from minprune.measures.cost import Latency, speedup
    >>> slow = Latency(1, 4.0, 5.0, 1.0, (4.0, 4.5, 5.0))
    >>> speedup(slow, Latency(1, 2.0, 2.5, 0.5, (2.0, 2.0, 2.0)))
    Speedup(times=2.0, spread=0.5, told=True)
    >>> speedup(slow, Latency(1, 3.0, 5.0, 2.0, (3.0, 6.0, 5.0))).told
    False
    """
    ratios = [a / b for a, b in zip(first.parts_ms, second.parts_ms, strict=True)]
    times, spread = first.least_ms / second.least_ms, max(ratios) - min(ratios)
    return Speedup(times, spread, spread < min(times, abs(times - 1)))
