"""What a model costs: parameters, multiply-adds and bytes, dense and live; latency.

latency = the median time of model(x), warm, with its spread (the width of the middle half).
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minprune.arguments import count
from minprune.nets.counts import counts, sparsity
from minprune.nets.model import Model
from minprune.nets.net import layer_of

INDEX = 4  # bytes of one uint32 index
WARM_UP, REPEATS = 3, 21  # turns that are not timed, and that are


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


def size(model: Model) -> Size:
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
    net, each = model.net, model.dtype.itemsize
    found = counts(net, model.masks)
    indices = [model.buffers[name] for name in net.indices]
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
        stored=sum(a.nbytes for a in (*model.params.values(), *indices)),
    )


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one batch: the median, and the distance between the quartiles

    Attributes
    ----------
    batch : number of inputs
    median_ms : median of the repeats
    spread_ms : third quartile minus first quartile
    """

    batch: int
    median_ms: float
    spread_ms: float


def latency(model: Model, batch: int, *, repeats: int = REPEATS) -> Latency:
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
    >>> latency(mp.zoo.mlp(((3,), 2)), batch=8, repeats=3)
    Latency(batch=8, median_ms=..., spread_ms=...)
    """
    return latencies({"it": model}, batch, repeats=repeats)["it"]


def latencies(
    models: Mapping[str, Model], batch: int, *, repeats: int = REPEATS
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
    quartiles = {name: np.percentile(each, [25, 50, 75]) for name, each in times.items()}
    return {n: Latency(batch, float(q[1]), float(q[2] - q[0])) for n, q in quartiles.items()}
