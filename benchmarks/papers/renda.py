"""acc(lr_rewind) >= acc(weight_rewind) >= acc(finetune): Renda's order, on MNIST.

Renda et al. (2020), Comparing Rewinding and Fine-tuning in Neural Network Pruning, whose nets are
those of CIFAR, ImageNet and WMT. Each net is trained for T epochs and pruned by magnitude in three
rounds, with T - 1 epochs of retraining after each: both rewinds return to the end of epoch 1.
"""

from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, cells

SPARSITIES = (0.9, 0.965, 0.985)
METHODS = ("finetune", "weight_rewind", "lr_rewind")
SEEDS = 5
PROTOCOL: dict[str, dict[str, Any]] = {
    "lenet_300_100": {"epochs": 20, "lr": 0.1, "train": 55_000, "val": 5_000},
    "lenet_5": {"epochs": 6, "lr": 0.03, "train": 20_000, "val": 2_000},
}
COMMON: dict[str, Any] = {
    "optimizer": "SGD, momentum 0.9", "batch_size": 100, "drops": {"0.5": 0.1, "0.75": 0.01},
    "criterion": "magnitude", "scope": "global", "sparsities": SPARSITIES, "rewind_to_epoch": 1,
    "finetune": "the last rate", "seeds": SEEDS,
}  # fmt: skip


def drops(t: int, total: int) -> float:
    """The rate falls tenfold after a half of the updates, and after three quarters"""
    return 1.0 if 2 * t < total else 0.1 if 4 * t < 3 * total else 0.01


def cell(data: mp.Dataset, net: str, method: str, seed: int) -> Cell:
    """The rounds of one procedure from one initialisation."""
    how = PROTOCOL[net]
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


def works(data: mp.Dataset) -> dict[str, Any]:
    return {
        f"{net} {seed} {method}": partial(cell, data, net, method, seed)
        for net in PROTOCOL for seed in range(SEEDS) for method in METHODS
    }  # fmt: skip


def run(quick: bool, data: Path | None) -> list[Row]:
    """The cells, one after the other."""
    return attempt("renda", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    found = cells(
        RESULTS / "renda.json", {"nets": PROTOCOL, **COMMON},
        works(mp.data.idx(data_file(data, "mnist"))),
    )  # fmt: skip
    return [Row(f"renda, {len(found)} cells", None, None, None, None, None)]
