"""A method or plan as it runs: XOR and a net of 24 weights, trained and pruned in a moment."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from minprune.core import Array, Dataset, Split
from minprune.data import digits, xor
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning
from minprune.jobs.methods import Budget
from minprune.jobs.procedures import PROCEDURES, asked
from minprune.measures.quality import evaluate
from minprune.methods.plans import result
from minprune.nets import zoo
from minprune.nets.activation_layers import ReLU
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.initialise import initialise
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.pooling import GlobalAvgPool
from minprune.text import table
from minprune.train.optim import SGD
from minprune.train.plan import run_plan

SPARSITIES = (0.5, 0.75, 0.9)
EPOCHS, AGAIN, BATCH, LR = 16, 8, 16, 0.3
POINTS, LOST = 64, 0.1  # samples; a fall of the accuracy that counts as failing
OWN: dict[str, dict[str, Any]] = {  # settings without which it is no example
    "sequence": {"stages": ["at_init", "compact"]},
    "large_sparse": {"seeds": 1}, "scratch_against_joint": {"seeds": 1},
    "agent": {"episodes": 20}, "lottery_ticket": {"controls": []},
}  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """A run: the sparsity that was asked for and that of the weights then, accuracy, the model"""

    asked: float
    sparsity: float
    accuracy: float
    model: Model


def tried(name: str) -> tuple[str, list[Tried]]:
    """(what was trained, a run for each of SPARSITIES); why there is none, and nothing"""
    refused = ""
    for setting in (points, images):
        try:
            words, data, net = setting()
            return words, [run(name, net, data, share) for share in SPARSITIES]
        except ArgumentError as error:
            refused = refused or str(error).partition(": ")[2].partition("; ")[0]
    return refused, []


@cache
def points() -> tuple[str, Dataset, Model]:
    """XOR, which no single unit tells apart"""
    data = xor(POINTS, seed=0)
    return f"XOR, {POINTS} points; a net 2-6-2 of 24 weights", data, zoo.mlp(data, (6,), seed=1)


@cache
def images() -> tuple[str, Dataset, Model]:
    """Zeros and ones of the digits, for what works on filters"""
    whole = digits()

    def some(x: Array, y: Array) -> Split:
        at = np.flatnonzero(y < 2)[:POINTS]
        return x[at], y[at]

    data = Dataset(some(*whole.train), some(*whole.val), some(*whole.test), "zeros and ones")
    layers = [("conv", Conv2d(1, 6, 3)), ("norm", BatchNorm(6)), ("relu", ReLU()),
              ("mean", GlobalAvgPool()), ("fc", Dense(6, 2))]  # fmt: skip
    net = initialise(build((1, 8, 8), layers), seed=0)
    return f"{POINTS} zeros and ones; a net of 6 filters of 3 x 3 and 2 outputs", data, net


def run(name: str, net: Model, data: Dataset, share: float) -> Tried:
    """The procedure at one sparsity"""
    way = PROCEDURES[name]
    train = {"batch_size": BATCH, "optimizer": SGD(lr=LR, momentum=0.9)}
    budget = Budget(share, EPOCHS, AGAIN, unit=not way.weights, train=train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MinpruneWarning)
        plan: Any = asked(name, budget, net, data, OWN.get(name, {}))
        model = result(run_plan(plan, data, progress=False, begin={"start": net})).model
    total = sum(net.params[n].size for n in net.net.weights)
    live = sum(int(np.count_nonzero(model.masks.get(n, model.params[n])))
               for n in model.net.every_weight)  # fmt: skip
    accuracy = float(evaluate(model, data.test).accuracy or 0)
    return Tried(share, 1 - live / total, accuracy, model)


@cache
def known(name: str) -> tuple[str, list[Tried]]:
    """The runs of a procedure; nothing for what has no row, or fails here"""
    if name not in PROCEDURES:
        return "", []
    try:
        return tried(name)
    except MinpruneError as error:
        return str(error).partition("; ")[0], []


def example(name: str) -> str:
    """What is left of the first weight after the first of the runs, entry by entry"""
    words, runs = known(name)
    if not runs:
        return f"Not run here: {words}." if words else ""
    one = runs[0]
    weight = next(iter(one.model.net.weights), "")
    lines = [f"{words}: {EPOCHS} epochs, and {AGAIN} more from where it prunes to {one.asked:.0%}",
             f"accuracy {one.accuracy:.1%}, {one.sparsity:.0%} of the weights removed"]  # fmt: skip
    if weight:
        lines += [f"{weight}, a row for each unit (. removed):", *rows(one.model, weight)]
    return "\n".join(lines)


def rows(model: Model, name: str) -> Iterator[str]:
    """The entries of a weight, two digits each"""
    w = model.params[name]
    live: Array = model.masks.get(name, np.ones(w.shape, bool))
    for values, kept in zip(w.reshape(len(w), -1), live.reshape(len(w), -1), strict=True):
        yield "  " + " ".join(f"{v:6.2f}" if k else "     ." for v, k in zip(values, kept,
                                                                          strict=True))  # fmt: skip


def failing(name: str) -> str:
    """The runs as a table, and from which on the accuracy is lost"""
    words, runs = known(name)
    if not runs:
        return ""
    dense = known("dense")[1][0].accuracy if words == points()[0] else None
    base = dense if dense is not None else runs[0].accuracy
    shown = table(
        ["asked", "removed", "accuracy"],
        [[f"{r.asked:.0%}", f"{r.sparsity:.0%}", f"{r.accuracy:.1%}"] for r in runs],
    )
    lost = [r for r in runs if r.accuracy < base - LOST]
    start = f"{base:.1%} without pruning" if dense is not None else f"{base:.1%} at first"
    where = ", ".join(f"{r.asked:.0%}" for r in lost)
    said = (
        f"It loses the task at {where}: {lost[-1].accuracy:.1%}, {start}."
        if lost
        else f"It keeps the task ({start}): this one is too easy to make it fail."
    )
    return f"{words}\n\n{shown}\n\n{said}"
