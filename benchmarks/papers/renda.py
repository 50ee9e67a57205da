"""acc(lr_rewind) >= acc(weight_rewind) >= acc(finetune): Renda's order, on MNIST.

Renda et al. (2020), Comparing Rewinding and Fine-tuning in Neural Network Pruning, whose nets are
those of CIFAR, ImageNet and WMT. Each net is trained for T epochs and pruned by magnitude in three
rounds, with T - 1 epochs of retraining after each: both rewinds return to the end of epoch 1.
LeNet-5 is given 10,000 images and 5 epochs, 500 updates, so that it takes minutes.
"""

from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown

SPARSITIES = (0.9, 0.965, 0.985)
METHODS = ("finetune", "weight_rewind", "lr_rewind")
PROTOCOL: dict[str, dict[str, Any]] = {
    "lenet_300_100": {"epochs": 20, "lr": 0.1, "train": 55_000, "val": 5_000, "seeds": 5},
    "lenet_5": {"epochs": 5, "lr": 0.03, "train": 10_000, "val": 2_000, "seeds": 5},
}
QUICK: dict[str, Any] = {"epochs": 3, "lr": 0.1, "train": 600, "val": 100, "seeds": 2}
PAIRS = {  # (first, second): the least difference of their accuracies, in points
    ("lr_rewind", "weight_rewind"): -0.15, ("lr_rewind", "finetune"): 0.0,
    ("weight_rewind", "finetune"): 0.0,
}  # fmt: skip
COMMON: dict[str, Any] = {
    "optimizer": "SGD, momentum 0.9", "batch_size": 100, "drops": {"0.5": 0.1, "0.75": 0.01},
    "criterion": "magnitude", "scope": "global", "sparsities": SPARSITIES, "rewind_to_epoch": 1,
    "finetune": "the last rate",
}  # fmt: skip


def drops(t: int, total: int) -> float:
    """The rate falls tenfold after a half of the updates, and after three quarters"""
    return 1.0 if 2 * t < total else 0.1 if 4 * t < 3 * total else 0.01


def cell(data: mp.Dataset, net: str, how: dict[str, Any], method: str, seed: int) -> Cell:
    """The rounds of one procedure from one initialisation."""
    found = mp.methods.iterative(
        getattr(mp.zoo, net)(data, seed=seed), cut(data, how["train"], how["val"]),
        sparsity=list(SPARSITIES), retrain=method, epochs=how["epochs"], seed=seed,
        retrain_epochs=how["epochs"] - 1 if method == "finetune" else None,
        rewind_to_epoch=None if method == "finetune" else 1,
        optimizer=mp.SGD(how["lr"], momentum=0.9), rate=drops, batch_size=100, progress=False,
    )  # fmt: skip
    kept = ("sparsity", "pruned_accuracy", "val_accuracy", "test_accuracy", "updates", "seconds")
    return {"rounds": [{k: row[k] for k in kept} for row in found.rounds]}


def cut(data: mp.Dataset, train: int, val: int) -> mp.Dataset:
    """The first samples for training and validation; all for the test"""
    first = [(x[:n], y[:n]) for (x, y), n in ((data.train, train), (data.val, val))]
    return mp.Dataset(*first, data.test)


def run(quick: bool, data: Path | None) -> list[Row]:
    """Both nets; with --quick a moment of the digits, two seeds."""
    return attempt("renda", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    """The claims, one for each pair of procedures, net and sparsity."""
    if quick:
        path, nets, samples = None, {"lenet_300_100": QUICK}, mp.data.digits()
    else:
        path, nets = RESULTS / "renda.json", PROTOCOL
        samples = mp.data.idx(data_file(data, "mnist"))
    works = {
        f"{net} {seed} {method}": partial(cell, samples, net, how, method, seed)
        for net, how in nets.items() for seed in range(how["seeds"]) for method in METHODS
    }  # fmt: skip
    found = cells(path, {"nets": nets, **COMMON}, works)
    tables, claims = {}, []
    for net, how in nets.items():
        seeds = how["seeds"]
        accuracy = {m: tests([found[f"{net} {s} {m}"] for s in range(seeds)]) for m in METHODS}
        tables[f"{net}: test accuracy in %, mean and half a 95 % interval of {seeds} seeds"] = (
            ["sparsity", *METHODS],
            [["dense", *(mean(v[0]) for v in accuracy.values())]]
            + [[f"{100 * s:g} %", *(mean(v[k]) for v in accuracy.values())]
               for k, s in enumerate(SPARSITIES, 1)],
        )  # fmt: skip
        for k, sparsity in enumerate(SPARSITIES, 1):
            for (first, second), bound in PAIRS.items():
                name = f"{net}, {100 * sparsity:g} %: {first} - {second}"
                pairs = zip(accuracy[first][k], accuracy[second][k], strict=True)
                claims.append(Claim(name, [a - b for a, b in pairs], bound))
    return shown(path, tables, claims)


def tests(found: list[Cell]) -> list[list[float]]:
    """Test accuracies in % of each round, of all seeds"""
    return [list(v) for v in zip(*(
        [100 * row["test_accuracy"] for row in one["rounds"]] for one in found
    ), strict=True)]  # fmt: skip
