"""What an entry, a place and a row of a weight cost in C: the table by which export_c chooses.

Random matrices of several sizes and densities, as one dense layer each; inputs rotate, and none is
0, as "csc" is faster by the share that is. The least times are fitted by entries, places, rows.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.deploy import ROTATED, exported, turns
from benchmarks.harness import Row, attempt
from minprune.core import Array
from minprune.deploy.c_products import FORMATS
from minprune.nets.model import Model

SHAPES = [(100, 300), (300, 100), (300, 784), (10, 1000), (400, 50)]
DENSITIES = (0.01, 0.03, 0.1, 0.3)


def run(quick: bool, data: Path | None) -> list[Row]:
    """A row for each format and type of weights, beside what the table says."""
    rows: list[Row] = []
    for kind in ("float32", "int8"):
        work = partial(costs, kind, 7 if quick else 25)
        rows += attempt(f"costs of {kind}", work)
    return rows


def layer(shape: tuple[int, int], density: float) -> Model:
    """A dense layer of random weights"""
    rng = np.random.default_rng(0)
    net = mp.build((shape[1],), [("fc", mp.Dense(shape[1], shape[0]))], loss="mse")
    model = mp.initialise(net, seed=0)
    masks = {"fc.weight": rng.random(shape) < density}
    return mp.Model(net, {k: a * masks.get(k, True) for k, a in model.params.items()}, {}, masks)


def costs(kind: str, repeats: int) -> Iterable[Row]:
    """Nanoseconds of an entry, a place and a row in each format"""
    made, times = dict[str, list[list[float]]](), dict[str, list[float]]()
    for shape in SHAPES:
        for density in DENSITIES:
            model: Any = layer(shape, density)
            x = np.random.default_rng(1).standard_normal((ROTATED, shape[1])).astype(np.float32)
            model = mp.quantize(model, x) if kind == "int8" else model
            fns = {}
            for name, form in FORMATS.items():
                fns[name] = partial(exported(model, name, ("-std=c99", "-O2"))[0].many, x)
                live: Array = layer(shape, density).params["fc.weight"]
                stored = form.encode(live)
                seen = [stored.values.size, live.size, stored.shape[stored.by_column]]
                made.setdefault(name, []).append([*map(float, seen), 1.0])
            for name, (_, least) in turns(fns, repeats).items():
                times.setdefault(name, []).append(1e9 * least)
    for name, counts in made.items():
        a, t = np.array(counts), np.array(times[name])
        a = a[:, [0, 2, 3]] if name != "bitmask" else a  # those that read each place, and others
        found, *_ = np.linalg.lstsq(a / t[:, None], np.ones(len(t)), rcond=None)
        off = float(np.abs(a @ found / t - 1).mean())
        shown = ", ".join(f"{v:.2f}" for v in found[:-1])
        yield Row(
            f"{kind}, {name}", found[0], None, None, None, None, unit="ns",
            note=f"entry, {'place, ' * (a.shape[1] == 4)}row: {shown}; off by {off:.0%} on average",
        )  # fmt: skip
