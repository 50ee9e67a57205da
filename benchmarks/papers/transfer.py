"""acc(pruned by the new task) >= acc(pruned by the old task), acc(from scratch): transfer of nets.

After Molchanov et al. (2017), Pruning convolutional neural networks for resource efficient
inference. MNIST's digits 0-4 to 5-9 with LeNet-5, and MNIST, in the size of the embedded digits, to
these with a small convolutional net. The new task has few samples.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown

SEEDS = 5
SPARSITIES = (0.5, 0.8)  # of the units
CONTROLS = ("dense", "old_task", "scratch")
PROTOCOL: dict[str, Any] = {
    "tasks": {
        "0-4 to 5-9": {"net": "lenet_5", "old_epochs": 2, "epochs": 20, "train": 1_000},
        "MNIST to digits": {"net": "cnn_small", "old_epochs": 3, "epochs": 20, "train": 500},
    },
    "optimizer": "SGD 0.03, momentum 0.9, cosine", "batch_size": 50, "criterion": "taylor",
    "before": 2, "sparsities of units": SPARSITIES, "seeds": SEEDS,
}  # fmt: skip
Split = tuple[Any, Any]


def some(part: Split, classes: range) -> Split:
    """The samples of these classes, which become 0, 1, ..."""
    x, y = part
    inside = (y >= classes.start) & (y < classes.stop)
    return x[inside], y[inside] - classes.start


def halves(mnist: mp.Dataset) -> tuple[mp.Dataset, mp.Dataset]:
    """The digits 0-4, and 5-9"""
    parts = (mnist.train, mnist.val, mnist.test)
    old, new = (mp.Dataset(*(some(p, r) for p in parts)) for r in (range(5), range(5, 10)))
    return old, new


def eighths(part: Split) -> Split:
    """28 x 28 -> 8 x 8: means of 4 x 4 pixels, as the embedded digits were made of 32 x 32."""
    x, y = part
    wide = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    n = len(wide)
    return wide.reshape(n, 1, 8, 4, 8, 4).mean(axis=(3, 5), dtype=np.float32), y


def small(mnist: mp.Dataset) -> tuple[mp.Dataset, mp.Dataset]:
    """MNIST in 8 x 8, and the digits"""
    old = mp.Dataset(*(eighths(part) for part in (mnist.train, mnist.val, mnist.test)))
    return old, mp.data.digits()


TASKS: dict[str, Callable[[mp.Dataset], tuple[mp.Dataset, mp.Dataset]]] = {
    "0-4 to 5-9": halves, "MNIST to digits": small,
}  # fmt: skip


def cell(mnist: mp.Dataset, task: str, seed: int) -> Cell:
    """Accuracies of a net moved from the old task to the new one, and of its controls."""
    how = PROTOCOL["tasks"][task]
    old, new = TASKS[task](mnist)
    x, y = new.train
    new = mp.Dataset((x[: how["train"]], y[: how["train"]]), new.val, new.test)
    train = {"optimizer": mp.SGD(0.03, momentum=0.9), "rate": mp.rates.cosine()}
    train |= {"batch_size": 50, "progress": False}
    start = getattr(mp.zoo, how["net"])(old, seed=seed)
    model, _ = mp.fit(start, old, epochs=how["old_epochs"], seed=seed, **train)
    found: Cell = {"old task": 100 * mp.evaluate(model, old.test).accuracy}
    for sparsity in SPARSITIES:
        moved = mp.methods.transfer(
            model, new, sparsity=sparsity, epochs=how["epochs"], before=2, old=old,
            controls=CONTROLS, seed=seed, **train,
        )  # fmt: skip
        told = {row["control"]: row for row in moved.report["controls"]}
        told["new_task"] = moved.rounds[-1]
        found[f"{sparsity:g}"] = {
            name: {
                "test": 100 * row["test_accuracy"], "val": 100 * row["val_accuracy"],
                "unit_sparsity": row["unit_sparsity"], "weights": sum(row["live"].values()),
            }
            for name, row in told.items()
        }  # fmt: skip
    return found


def run(quick: bool, data: Path | None) -> list[Row]:
    """Every task, five seeds; with --quick the digits 0-4 to 5-9 of the embedded ones, one seed."""
    return attempt("transfer", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    tasks, seeds = list(TASKS), range(SEEDS)
    mnist = mp.data.idx(data_file(data, "mnist"))
    works = {f"{t} {seed}": partial(cell, mnist, t, seed) for t in tasks for seed in seeds}
    path = RESULTS / "transfer.json"
    cells(path, PROTOCOL, works)
    return []
