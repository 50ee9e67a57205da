"""Inputs and units that learned gates leave, and masks of weights that are never trained: MNIST.

Louizos et al. (2018): gates on the 784 inputs and the units of LeNet-300-100, lambda 0.1 / N. There
it is 219-214-100 at 1.4 %. On LeNet-5 there each filter has a gate, and each input of fc1 another;
here a filter has one for both, with their costs in sum: lambda per weight that reads it is 0.2 for
conv1 (10 of 25 own weights, over 1,250), 0.131 for conv2 (0.5 of 500 and 0.1 of 8,000), 10 for fc1;
their decay of 5e-4 / N is left out. Zhou et al. (2019) and Ramanujan et al. (2020): masks of
weights that stay as they were drawn. One seed each.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, shown, test_error

PROTOCOL: dict[str, Any] = {
    "net": "lenet_300_100", "batch_size": 100, "seed": 0,
    "l0": {"epochs": 200, "optimizer": "Adam 1e-3", "lr_factor": 1.0, "lam": 0.1, "average": 0.999,
           "rate": {"input": 0.2, "fc1": 0.5, "fc2": 0.5}, "inputs": True},
    "l0, lenet_5": {"epochs": 55, "optimizer": "Adam 1e-3", "lr_factor": 1.0,
                    "lam": {"conv1": 0.2, "conv2": 0.131, "fc1": 10.0}, "average": 0.999,
                    "rate": 0.5, "inputs": False, "net": "lenet_5"},
    "supermask": {"epochs": 5, "optimizer": "Adam 1e-3, of scores 3e-2"},
    "edge-popup": {"epochs": 14, "optimizer": "SGD 0.1, momentum 0.9, decay 5e-4, cosine",
                   "sparsity": 0.5},
}  # fmt: skip
QUICK = {**PROTOCOL, "l0": {**PROTOCOL["l0"], "epochs": 2},
         "l0, lenet_5": {**PROTOCOL["l0"], "epochs": 1}, "supermask": {"epochs": 2},
         "edge-popup": {"epochs": 2, "sparsity": 0.5}}  # fmt: skip


def trained(
    data: mp.Dataset, method: mp.Method, epochs: int, net: str = "lenet_300_100", **how: Any
) -> tuple[Any, Cell]:
    """(model, history), and the error in % at the last epoch"""
    model = getattr(mp.zoo, net)(data, seed=0)
    found = mp.fit(
        model, data, epochs=epochs, seed=0, method=method, batch_size=100, progress=False, **how
    )
    last = test_error(found[0], data)
    seconds = sum(found[1].epochs["seconds"])
    return found, {"error": last, "seconds": seconds, "epochs": epochs}


def l0(data: mp.Dataset, how: dict[str, Any]) -> Cell:
    """The inputs that each layer reads, and the error."""
    settings = {k: how[k] for k in ("lam", "average", "rate", "lr_factor", "inputs")}
    method = mp.methods.HardConcrete(unit=True, **settings)
    net = how.get("net", "lenet_300_100")
    (model, history), cell = trained(data, method, how["epochs"], net)
    left = [int(model.masks[k].any(axis=(0, *range(2, model.masks[k].ndim))).sum())
            for k in model.net.weights]  # fmt: skip
    expected = history.extra["expected L0"][-1]
    return {**cell, "left": left, "expected weights": float(expected)}


def supermask(data: mp.Dataset, how: dict[str, Any]) -> Cell:
    """Bernoulli masks on signs times the deviation of the layer, never trained."""
    method = mp.methods.LearnedMasks(
        lam=0.0, draw="bernoulli", frozen=True, signed=True, lr_factor=30.0
    )
    (model, _), cell = trained(data, method, how["epochs"])
    return {**cell, "kept": kept(model)}


def edge_popup(data: mp.Dataset, how: dict[str, Any]) -> Cell:
    """The highest half of abs(score) in each layer, on initial weights."""
    method = mp.methods.LearnedMasks(
        how["sparsity"], absolute=True, frozen=True, scope="layer", lr_factor=1.0
    )
    sgd = mp.SGD(0.1, momentum=0.9, weight_decay=5e-4)
    (model, _), cell = trained(data, method, how["epochs"], optimizer=sgd, rate=mp.rates.cosine())
    return {**cell, "kept": kept(model)}


def kept(model: mp.Model) -> float:
    """The share of the weights that is live"""
    return float(np.concatenate([m.ravel() for m in model.masks.values()]).mean())


def run(quick: bool, data: Path | None) -> list[Row]:
    """One seed; with --quick a moment of the digits."""
    if quick:
        return rows(None, QUICK, mp.data.digits())

    def full() -> list[Row]:
        return rows(RESULTS / "gates.json", PROTOCOL, mp.data.idx(data_file(data, "mnist")))

    return attempt("gates", full)


def rows(path: Path | None, how: dict[str, Any], data: mp.Dataset) -> list[Row]:
    """What is left and how good it is, beside the papers' values."""
    works = {"l0": l0, "l0, lenet_5": l0, "edge-popup": edge_popup, "supermask": supermask}
    found = cells(path, how, {k: partial(work, data, how[k]) for k, work in works.items()})
    gates, inputs = found["l0"], found["l0"]["left"]
    lenet, read = found["l0, lenet_5"], found["l0, lenet_5"]["left"]
    body = [
        ["L0, gates on inputs and units", "219-214-100", "1.40", "-".join(map(str, inputs)),
         f"{gates['error']:.2f}", gates["epochs"], f"{gates['seconds']:.0f}"],
        ["L0 on LeNet-5: inputs of each layer", "20-25-45-462", "0.9", "-".join(map(str, read)),
         f"{lenet['error']:.2f}", lenet["epochs"], f"{lenet['seconds']:.0f}"],
        *([f"{name}, untrained weights", "", paper, f"{found[name]['kept']:.2f} of the weights",
           f"{found[name]['error']:.2f}", found[name]["epochs"], f"{found[name]['seconds']:.0f}"]
          for name, paper in (("supermask", "14"), ("edge-popup", ""))),
    ]  # fmt: skip
    header = ["method", "paper's left", "paper's e", "left", "e", "epochs", "seconds"]
    claims = [
        Claim("L0: 260 - inputs left", [260.0 - inputs[0]], 0.0, "inputs"),
        Claim("L0: 240 - units of fc1 left", [240.0 - inputs[1]], 0.0, "units"),
        Claim("L0: 1.8 - e", [1.8 - gates["error"]]),
        Claim("L0, LeNet-5: 16 - filters of conv1 left", [16.0 - read[1]], 0.0, "filters"),
        Claim("L0, LeNet-5: 30 - filters of conv2 left", [30.0 - read[2] / 16], 0.0, "filters"),
        Claim("L0, LeNet-5: 1.4 - e", [1.4 - lenet["error"]]),
        Claim("supermask: accuracy", [100 - found["supermask"]["error"]], 92.0),
        Claim("edge-popup: accuracy", [100 - found["edge-popup"]["error"]], 95.0),
    ]
    return shown(path, {"Test errors in %, at the last epoch; one seed": (header, body)}, claims)
