"""Filters by mean attention gates against random ones and L1 norms: half of LeNet-5's, on MNIST.

Heads of Hu, Shen & Sun (2018), one layer each. The gated net and the plain one are trained alike;
each convolution loses half of its filters at the end, and the net is fine-tuned. One seed, ten
epochs.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown, test_error
from benchmarks.papers.renda import cut as first

PROTOCOL: dict[str, Any] = {
    "net": "lenet_5", "train": 55_000, "val": 5_000, "epochs": 10, "fine_tune": 2, "seeds": 1,
    "batch_size": 100, "optimizer": "Adam 1e-3; of fine-tuning 1e-4", "sparsity": 0.5,
    "scope": "layer", "draws": 3,
}  # fmt: skip
QUICK = PROTOCOL | {
    "net": "cnn_small",
    "train": 200,
    "val": 100,
    "epochs": 2,
    "fine_tune": 1,
    "draws": 2,
}
WAYS = ("attention", "l1 norm", "random")


def cell(data: mp.Dataset, how: dict[str, Any], seed: int) -> Cell:
    """{way: errors in %, before and after fine-tuning}, and of the nets before pruning"""
    common: dict[str, Any] = {"batch_size": how["batch_size"], "seed": seed, "progress": False}
    data = first(data, how["train"], how["val"])
    start = getattr(mp.zoo, how["net"])(data, seed=seed)
    heads = mp.methods.AttentionGates(how["sparsity"], fine_tune=0.0)
    gated, history = mp.fit(start, data, epochs=how["epochs"], method=heads, **common)
    dense, plain = mp.fit(start, data, epochs=how["epochs"], **common)
    end = " mean gate"
    names = [k.removesuffix(end) + ".weight" for k in history.extra if k.endswith(end)]
    pruned = {"attention": [gated], "l1 norm": [cut(dense, names, how, "norm", 0)]}
    pruned["random"] = [cut(dense, names, how, "random", k) for k in range(how["draws"])]
    found: Cell = {
        "dense": test_error(dense, data),
        "gates": {k: [float(f(g)) for f in (np.min, np.mean, np.max)]
                  for k, g in history.extra.items()},
        "seconds": {"gated": sum(history.epochs["seconds"]), "dense": sum(plain.epochs["seconds"])},
    }  # fmt: skip
    for way, models in pruned.items():
        tuned, _ = mp.fit(
            models[0], data, epochs=how["fine_tune"], optimizer=mp.Adam(1e-4), **common
        )
        before = [test_error(model, data) for model in models]
        found[way] = {"before": before, "after": test_error(tuned, data)}
    return found


def cut(model: mp.Model, names: list[str], how: dict[str, Any], by: str, draw: int) -> mp.Model:
    """Without that share of the filters of each of these weights"""
    options = {"p": 1} if by == "norm" else {}
    scores = mp.score(model, None, by, unit=True, seed=draw, **options)
    left = {name: scores[name] for name in names}
    return mp.prune(model, left, sparsity=how["sparsity"], scope=how["scope"])


def run(quick: bool, data: Path | None) -> list[Row]:
    """One seed; with --quick a moment of the digits."""
    if quick:
        return rows(None, QUICK, mp.data.digits())

    def full() -> list[Row]:
        return rows(RESULTS / "attention.json", PROTOCOL, mp.data.idx(data_file(data, "mnist")))

    return attempt("attention", full)


def rows(path: Path | None, how: dict[str, Any], data: mp.Dataset) -> list[Row]:
    """Random minus attention before fine-tuning, and L1 norm minus attention after it."""
    works = {f"seed {s}": partial(cell, data, how, s) for s in range(how["seeds"])}
    found = list(cells(path, how, works).values())
    before = {w: [float(np.mean(one[w]["before"])) for one in found] for w in WAYS}
    after = {w: [one[w]["after"] for one in found] for w in WAYS}
    body = [[w, mean(before[w]), mean(after[w])] for w in WAYS]
    body.append(["no pruning", mean([one["dense"] for one in found]), ""])
    claims = [
        Claim("before: e(random) - e(attention)", less(before, "random"), 0.3),
        Claim("after: e(L1 norm) - e(attention)", less(after, "l1 norm"), -0.3),
    ]
    title = "Test errors in % at half of the filters, the last epoch"
    return shown(path, {title: (["filters by", "before", "after fine-tuning"], body)}, claims)


def less(errors: dict[str, list[float]], other: str) -> list[float]:
    """The other's errors minus those of attention"""
    return [b - a for a, b in zip(errors["attention"], errors[other], strict=True)]
