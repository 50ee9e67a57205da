"""Half of all units removed: latency of the compacted net beside the masked one, and its file."""

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks.harness import Row, against, attempt, interleave
from minprune.measures.cost import size
from minprune.nets.model import Model

# net, input, width
CASES: list[tuple[str, tuple[int, ...], int | None]] = [
    ("conv_4", (3, 32, 32), None),
    ("resnet_small", (1, 28, 28), 16),
    ("resnet_small", (3, 32, 32), 64),
]
BATCH = 64
TIME = 0.55  # of the masked net's: at least 1.8 times as fast
BYTES = 1.05  # of the file, for each byte of its parameters


def run(quick: bool, data: Path | None) -> list[Row]:
    """Time, parameters, work and bytes of each net, pruned by random unit scores layer by layer."""
    rows: list[Row] = []
    for case in CASES:
        rows += attempt(case[0], partial(measure, *case, repeats=7 if quick else 15))
    return rows


def halves(name: str, shape: tuple[int, ...], width: int | None) -> tuple[Model, Model]:
    """The net with half of the units of each group masked, and compacted."""
    options = {} if width is None else {"width": width}
    model = getattr(mp.zoo, name)((shape, 10), **options)
    scores = mp.score(model, None, "random", unit=True)
    masked = mp.prune(model, scores, sparsity=0.5, scope="layer")
    return masked, mp.compact(masked)


def measure(name: str, shape: tuple[int, ...], width: int | None, repeats: int) -> Iterable[Row]:
    """A row for the time and one for the file."""
    masked, small = halves(name, shape, width)
    x = np.random.default_rng(0).random((BATCH, *shape), np.float32)
    pair = {"compacted": lambda: small(x), "masked": lambda: masked(x)}
    found = interleave(pair, repeats=repeats, warmup=3)
    label = f"{name}, {' x '.join(map(str, shape))}" + (f", width {width}" if width else "")
    big, now = size(masked), size(small)
    note = (
        f"compacted beside masked; parameters {big.parameters:,} to {now.parameters:,}, "
        f"multiply-adds {big.macs:,} to {now.macs:,}"
    )
    yield against(f"{label}, batch {BATCH}", found["compacted"], found["masked"], TIME, note)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small")
        mp.save(small, path)
        stored = path.stat().st_size
    ratio, note = stored / now.bytes, f"{stored - now.bytes:,} bytes beside the parameters"
    yield Row(f"{label}, file", ratio, None, None, BYTES, ratio <= BYTES, unit="x", note=note)
