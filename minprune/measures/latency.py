"""latency = the median time of model(x), warm, with its spread (the middle half's width)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minprune.arguments import count
from minprune.nets.model import Model

WARM_UP = 3  # turns that are not timed


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


def latency(model: Model, batch: int, *, repeats: int = 21) -> Latency:
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
    >>> from minprune.measures.latency import latency
    >>> latency(mp.zoo.mlp(((3,), 2)), batch=8, repeats=3)
    Latency(batch=8, median_ms=..., spread_ms=...)
    """
    return latencies({"it": model}, batch, repeats=repeats)["it"]


def latencies(models: Mapping[str, Model], batch: int, *, repeats: int = 21) -> dict[str, Latency]:
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
    return {name: _timed(batch, each) for name, each in times.items()}


def _timed(batch: int, times: list[float]) -> Latency:
    low, mid, high = np.percentile(times, [25, 50, 75])
    return Latency(batch, float(mid), float(high - low))
