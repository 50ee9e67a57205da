"""latency = the median time of model(x), warm, with its spread (the middle half's width)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minprune.errors import ArgumentError
from minprune.nets.model import Model

WARM_UP = 3  # calls that do not count


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one batch: the median, and the distance between the quartiles."""

    batch: int
    median_ms: float
    spread_ms: float


def latency(model: Model, batch: int, *, repeats: int = 21) -> Latency:
    """Latency of the model on `batch` random inputs, after warm-up (compilation is not in it)

    Raises ArgumentError unless batch and repeats are integers of at least 1.
    """
    return latencies({"it": model}, batch, repeats=repeats)["it"]


def latencies(models: Mapping[str, Model], batch: int, *, repeats: int = 21) -> dict[str, Latency]:
    """{name: latency} of models to compare, in turn, twice each: a a b b c c, c c b b a a, ...

    A machine's speed drifts, so what slows one of them must slow the others as well. The second
    call counts: the first finds in the caches what another model left there. Raises as `latency`
    does.
    """
    for name, given in (("batch", batch), ("repeats", repeats)):
        if not isinstance(given, int | np.integer) or given < 1:
            raise ArgumentError(
                f"latency: {name} is {given!r}, expected an integer of at least 1; give {name}=7"
            )
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
