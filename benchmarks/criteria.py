"""Every criterion on lenet_5: seconds with 1,000 samples, peak memory with few and with many.

More samples must not take more memory. Each figure of it is of a process of its own. The oracle
scores 100 weights.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file, skipped
from benchmarks.step import high_water
from minprune.core import Split
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError

SAMPLES, MANY = 1_000, 60_000
ORACLE = 100  # weights
GROWTH = 1.25  # of the peak, from 1,000 samples to 60,000: the data itself is not counted
SLOW = ("oracle", "rows", "blocks")  # of which many samples take long and say nothing new
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "obs": [{"scale": scale} for scale in ("whole", "layer", "rows", "blocks")],
    "taylor": [{}, {"order": 2}],
    "activation": [{}, {"kind": "rms"}],
}


def run(quick: bool, data: Path | None) -> list[Row]:
    """Seconds and MiB of every criterion, weights and units; then the same with many samples."""
    rows: list[Row] = []
    many = 5_000 if quick else MANY
    for name in CRITERIA:
        for unit in (False, True):
            if not possible(name, unit):
                continue
            for options in VARIANTS.get(name, [{}]):
                shown = "".join(f" {v}" for v in options.values())
                label = f"{name}{shown}, {'units' if unit else 'weights'}"
                work = Work(name, unit, options)
                rows += attempt(label, partial(measure, label, work, many, data))
    return rows


@dataclass(frozen=True)
class Work:
    """What is scored, and how."""

    name: str
    unit: bool
    options: dict[str, Any]

    @property
    def few(self) -> bool:
        """Only some weights: scoring all would take hours."""
        return self.name == "oracle" and not self.unit


def possible(name: str, unit: bool) -> bool:
    """Whether the criterion scores units, or single weights."""
    spec = CRITERIA[name].spec
    return spec.unit is not None if unit else spec.single


def measure(label: str, work: Work, many: int, data: Path | None) -> Iterable[Row]:
    """Seconds of one scoring; peak MiB above the imports and the data."""
    mnist = data_file(data, "mnist")
    first = apart(work, SAMPLES, mnist)
    if "refused" in first:
        yield skipped(label, first["refused"])
        return
    few = first["MiB"]
    note = f"{SAMPLES:,} samples" + (f", {ORACLE} weights" if work.few else "")
    yield Row(label, first["seconds"], None, None, None, None, note=note)
    if work.name in SLOW or work.options.get("scale") in SLOW:
        yield Row(f"{label}, peak", few, None, None, None, None, unit="MiB", note=note)
        return
    more = apart(work, many, mnist)["MiB"]
    ratio = more / few if few else 1.0
    yield Row(
        f"{label}, peak", few, more, ratio, GROWTH, ratio <= GROWTH or more - few < 16, unit="MiB",
        note=f"ours: {SAMPLES:,} samples, peer: {many:,}",
    )  # fmt: skip


def apart(work: Work, samples: int, data: Path) -> dict[str, Any]:
    """What `climb` gives, in a process of its own."""
    program = (
        "import json; from benchmarks.criteria import Work, climb; "
        f"print(json.dumps(climb({work!r}, {samples}, {str(data)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def climb(work: Work, samples: int, data: str) -> dict[str, Any]:
    """Seconds of one scoring after a warm-up, and how many MiB the peak of this process rises."""
    train = mp.data.idx(data).train
    model = mp.zoo.lenet_5(((1, 28, 28), 10), seed=0)
    part: Split = train[0][:samples], train[1][:samples]
    with suppress(ArgumentError):  # what is refused there is refused below, with its own numbers
        scoring(work, mp.zoo.lenet_5(((1, 16, 16), 10)), small())()  # compile
    before, begun = high_water(), time.perf_counter()
    try:
        scoring(work, model, part)()
    except ArgumentError as refusal:
        return {"refused": str(refusal)}
    return {"seconds": time.perf_counter() - begun, "MiB": high_water() - before}


def small() -> Split:
    """Samples of all classes for the warm-up."""
    rng = np.random.default_rng(0)
    return rng.random((20, 1, 16, 16), np.float32), np.arange(20) % 10


def scoring(work: Work, model: mp.Model, data: Split) -> Callable[[], Any]:
    """What is timed."""
    if work.few:
        at = np.linspace(0, model.params["fc1.weight"].size - 1, ORACLE).astype(int)
        return partial(mp.curvature.removal, model, data, {"fc1.weight": at})
    return partial(mp.score, model, data, work.name, unit=work.unit, **work.options)
