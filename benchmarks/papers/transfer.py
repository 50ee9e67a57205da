"""acc(pruned by the new task) >= acc(pruned by the old task), acc(from scratch): transfer of nets.

After Molchanov et al. (2017), Pruning convolutional neural networks for resource efficient
inference. MNIST's digits 0-4 to 5-9 with LeNet-5, and MNIST, in the size of the embedded digits, to
these with a small convolutional net. The new task has few samples.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown

SPARSITIES = (0.5, 0.8)  # of the units
CONTROLS = ("dense", "old_task", "scratch")
PROTOCOL: dict[str, Any] = {
    "tasks": {
        "0-4 to 5-9": {"net": "lenet_5", "old_epochs": 2, "epochs": 20, "train": 1_000, "seeds": 5},
        "MNIST to digits": {
            "net": "cnn_small", "old_epochs": 3, "epochs": 20, "train": 500, "seeds": 4,
        },
    },
    "optimizer": "SGD 0.03, momentum 0.9, cosine", "batch_size": 50, "criterion": "taylor",
    "before": 2, "sparsities of units": SPARSITIES,
}  # fmt: skip
QUICK = {"tasks": {"0-4 to 5-9": {
    "net": "cnn_small", "old_epochs": 1, "epochs": 3, "train": 100, "seeds": 2
}}}  # fmt: skip
BOUNDS = {"old_task": 0.0, "scratch": 0.0, "dense": -0.5}  # least differences, in points
KINDS = ("new_task", *CONTROLS)
Split = tuple[Any, Any]
Tasks = dict[str, tuple[mp.Dataset, mp.Dataset]]  # (old, new)


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


def cell(tasks: Tasks, how: dict[str, Any], task: str, seed: int) -> Cell:
    """Accuracies of a net moved from the old task to the new one, and of its controls."""
    old, new = tasks[task]
    x, y = new.train
    new = mp.Dataset((x[: how["train"]], y[: how["train"]]), new.val, new.test)
    train: dict[str, Any] = {"optimizer": mp.SGD(0.03, momentum=0.9), "rate": mp.rates.cosine()}
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
    """Both tasks; with --quick the embedded digits 0-4 to 5-9, two seeds."""
    if quick:
        return rows(None, QUICK, {"0-4 to 5-9": halves(mp.data.digits())})

    def full() -> list[Row]:
        mnist = mp.data.idx(data_file(data, "mnist"))
        tasks = {"0-4 to 5-9": halves(mnist), "MNIST to digits": small(mnist)}
        return rows(RESULTS / "transfer.json", PROTOCOL, tasks)

    return attempt("transfer", full)


def rows(path: Path | None, how: dict[str, Any], tasks: Tasks) -> list[Row]:
    """The claims, one for each control, task and sparsity."""
    works = {
        f"{task} {seed}": partial(cell, tasks, how["tasks"][task], task, seed)
        for task in tasks for seed in range(how["tasks"][task]["seeds"])
    }  # fmt: skip
    found, tables, claims = cells(path, how, works), {}, []
    for task in tasks:
        each = [found[f"{task} {seed}"] for seed in range(how["tasks"][task]["seeds"])]
        body = []
        for sparsity in SPARSITIES:
            here = [one[f"{sparsity:g}"] for one in each]
            accuracy = {name: [one[name]["test"] for one in here] for name in KINDS}
            body.append([f"{100 * sparsity:g} %", *map(mean, accuracy.values())])
            for control, bound in BOUNDS.items():
                pairs = zip(accuracy["new_task"], accuracy[control], strict=True)
                name = f"{task}, {100 * sparsity:g} %: new_task - {control}"
                claims.append(Claim(name, [a - b for a, b in pairs], bound))
        title = f"{task}: test accuracy in %, mean and half a 95 % interval of {len(each)} seeds"
        tables[title] = ["units pruned", *KINDS], body
    return shown(path, tables, claims)
