"""Every criterion on lenet_5: seconds with 1,000 samples, and peak memory, which many samples leave

as it is. Each figure of memory is of a process of its own. The oracle scores 100 weights.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.step import high_water
from minprune.core import Split
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.probe import compatible

SAMPLES, MANY = 1_000, 60_000
ORACLE = 100  # weights
GROWTH = 1.25  # of the peak, from 1,000 samples to 60,000: the data itself is not counted
SLOW = ("oracle",)  # of which more samples say nothing new


def run(quick: bool, data: Path | None) -> list[Row]:
    """Seconds and MiB of every criterion, weights and units; then the same with many samples."""
    rows: list[Row] = []
    many = 5_000 if quick else MANY
    for name in CRITERIA:
        for unit in (False, True):
            if possible(name, unit):
                label = f"{name}, {'units' if unit else 'weights'}"
                rows += attempt(label, partial(measure, label, name, unit, many, data))
    return rows


def possible(name: str, unit: bool) -> bool:
    """Whether the criterion scores units, or single weights."""
    try:
        compatible(name, unit)
    except ArgumentError:
        return False
    return True


def measure(label: str, name: str, unit: bool, many: int, data: Path | None) -> Iterable[Row]:
    """Seconds of one scoring; peak MiB above the imports and the data."""
    data_file(data, "train-images-idx3-ubyte.gz")
    seconds, few = apart(name, unit, SAMPLES, data)
    note = f"{SAMPLES:,} samples" + (f", {ORACLE} weights" if name == "oracle" and not unit else "")
    yield Row(label, seconds, None, None, None, None, note=note)
    if name in SLOW:
        yield Row(f"{label}, peak", few, None, None, None, None, unit="MiB", note=note)
        return
    _, more = apart(name, unit, many, data)
    ratio = more / few if few else 1.0
    yield Row(
        f"{label}, peak", few, more, ratio, GROWTH, ratio <= GROWTH or more - few < 16, unit="MiB",
        note=f"ours: {SAMPLES:,} samples, peer: {many:,}",
    )  # fmt: skip


def apart(name: str, unit: bool, samples: int, data: Path | None) -> tuple[float, float]:
    """(seconds, MiB) in a process of its own."""
    program = (
        f"from benchmarks.criteria import climb; print(*climb({name!r}, {unit}, {samples}, "
        f"{str(data)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    seconds, climbed = done.stdout.split()[-2:]
    return float(seconds), float(climbed)


def climb(name: str, unit: bool, samples: int, data: str) -> tuple[float, float]:
    """Seconds of one scoring after a warm-up, and how many MiB the peak of this process rises."""
    train = mp.data.idx(data).train
    model = mp.zoo.lenet_5(((1, 28, 28), 10), seed=0)
    part: Split = train[0][:samples], train[1][:samples]
    work = scoring(name, unit, model, part)
    scoring(name, unit, mp.zoo.lenet_5(((1, 16, 16), 10)), small())()  # compile
    before, begun = high_water(), time.perf_counter()
    work()
    return time.perf_counter() - begun, high_water() - before


def small() -> Split:
    """Two samples for the warm-up."""
    return np.zeros((2, 1, 16, 16), np.float32), np.array([0, 1])


def scoring(name: str, unit: bool, model: mp.Model, data: Split) -> Callable[[], Any]:
    """What is timed."""
    if name == "oracle" and not unit:
        at = np.linspace(0, model.params["fc1.weight"].size - 1, ORACLE).astype(int)
        return partial(mp.curvature.removal, model, data, {"fc1.weight": at})
    return partial(mp.score, model, data, name, unit=unit)
