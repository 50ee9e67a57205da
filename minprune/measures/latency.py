"""latency = the median time of model(x), warm, with its spread (the middle half's width)."""

import time
from dataclasses import dataclass

import numpy as np

from minprune.errors import ArgumentError
from minprune.nets.model import Model


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one batch: the median, and the distance between the quartiles."""

    batch: int
    median_ms: float
    spread_ms: float


def latency(model: Model, batch: int, *, repeats: int = 21) -> Latency:
    """Latency of the model on `batch` random inputs, after warm-up (compilation is not in it)

    Raises ArgumentError unless batch and repeats are at least 1.
    """
    if batch < 1 or repeats < 1:
        raise ArgumentError(
            f"batch is {batch} and repeats is {repeats}, expected at least 1; give batch=1"
        )
    x = np.random.default_rng(0).random((batch, *model.net.input_shape)).astype(model.dtype)
    for _ in range(3):
        model(x)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(x)
        times.append((time.perf_counter() - start) * 1e3)
    low, mid, high = np.percentile(times, [25, 50, 75])
    return Latency(batch, float(mid), float(high - low))
