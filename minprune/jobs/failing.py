"""The small net on which a criterion fails most: weights are fixed, all else is computed.

A criterion fails where removing what it scores lowest costs more than removing the best of as many,
which is found by trying all sets. No net is meant for a criterion: each is tried on all of them.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array, Arrays, Marked, Split, flat, unflat
from minprune.errors import MinpruneError
from minprune.evidence import score
from minprune.nets.activation_layers import ReLU, Sigmoid
from minprune.nets.dense import Dense
from minprune.nets.model import Model, loss_of
from minprune.nets.net import build
from minprune.text import cell


@dataclass(frozen=True)
class Case:
    """One hidden layer: weights and biases into it and out of it; removed: how many at once"""

    words: str
    into: Any
    out: Any
    x: Any
    y: Any
    act: type = ReLU
    loss: Any = "mse"
    removed: int = 1

    def model(self) -> tuple[Model, Split]:
        """The net, and its samples"""
        arrays = [np.array(a, float) for a in (*self.into, *self.out)]
        names = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
        (hidden, inputs), outputs = arrays[0].shape, len(arrays[2])
        layers: list[Any] = [
            ("fc1", Dense(inputs, hidden)), ("act1", self.act()), ("fc2", Dense(hidden, outputs)),
        ]  # fmt: skip
        net = build((inputs,), layers, loss=self.loss)
        y = np.array(self.y) if self.loss == "cross_entropy" else np.array(self.y, float)
        return Model(net, dict(zip(names, arrays, strict=True))), (np.array(self.x, float), y)


CORNERS = [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
CASES = (
    Case("XOR: y = relu(x1 + x2) - 2 relu(x1 + x2 - 1), and a unit and an input that are always 0",
         ([[-9, -9, 9], [0.5, 0.5, 3], [1, 1, 1]], [0, 0, -1]), ([[3, 2, -2]], [0]), CORNERS,
         [[0], [1], [1], [0]]),
    Case("a sigmoid unit whose incoming weight is 0, so that it always gives 0.5",
         ([[4], [0]], [0, 0]), ([[0.2, 2]], [-1]), [[-1], [0], [1]], [[0], [0.1], [0.2]],
         act=Sigmoid),
    Case("twins: y = (relu(x1) + relu(x1)) / 2 + 0.55 relu(x2)",
         ([[1, 0], [1, 0], [0, 1]], [0, 0, 0]), ([[0.5, 0.5, 0.55]], [0]),
         [[0, 1], [1, 0], [0, -1], [-1, 0]], [[0.55], [1], [0], [0]], removed=2),
    Case("two classes: x1 decides, and the unit of x2 tells them apart better, but "
         "adds the same to both outputs",
         ([[1, 0], [0, 9]], [0, 0]), ([[0, 1], [4, 1]], [6, 0]),
         [[0, 0], [1, 0.1], [2, 1], [3, 0.9]], [0, 0, 1, 1], loss="cross_entropy"),
)  # fmt: skip


class Failure(NamedTuple):
    """entries, scores, changes: what can go, its score, and the change of the loss without it

    taken, best: places of what the scores remove, and of what should go; losses: dense, without
    taken, without best.
    """

    case: Case
    entries: list[str]
    scores: Array
    changes: Array
    taken: tuple[int, ...]
    best: tuple[int, ...]
    losses: tuple[float, float, float]

    def __str__(self) -> str:
        """What happens, in a sentence"""
        gone, kept = (", ".join(self.entries[k] for k in at) for at in (self.taken, self.best))
        dense, after, least = map(cell, self.losses)
        return (f"It removes {gone}: the loss goes from {dense} to {after}. "
                f"Without {kept} it would be {least}.")  # fmt: skip


def failure(fn: Marked[...]) -> Failure | None:
    """Where the criterion, with its default options, loses most; None if on none of the nets"""
    found: list[tuple[float, Failure | None]] = [(0.0, None)]
    for k in range(len(CASES)):
        for unit in (False, True):
            if not (fn.spec.unit if unit else fn.spec.single):
                continue
            try:
                last = tried(k, fn, unit)
            except MinpruneError:  # lda has no classes there
                continue
            found.append((last.losses[1] - last.losses[2], last))
    worst, one = max(found, key=lambda pair: pair[0])
    return one if worst > 1e-9 else None


def tried(k: int, fn: Marked[...], unit: bool) -> Failure:
    """What the criterion removes of case k, beside the best"""
    case = CASES[k]
    model, data = case.model()
    scores = score(model, data, fn, unit=unit)
    removed = case.removed
    names = [name for name in scores if name == "fc1.weight" or not unit]
    flat_scores = flat(scores, names)
    order = np.lexsort((-np.arange(len(flat_scores)), flat_scores))[:removed]  # as mp.prune
    losses = all_losses(k, unit)
    chosen = tuple(sorted(int(at) for at in order))
    best = min((at for at in losses if len(at) == removed), key=lambda at: losses[at])
    dense = losses[()]
    changes = np.array([losses[(at,)] - dense for at in range(len(flat_scores))])
    entries = [
        f"unit {at[0] + 1}" if unit else f"{name}[{', '.join(map(str, at))}]"
        for name in names
        for at in np.ndindex(scores[name].shape)
    ]
    return Failure(case, entries, flat_scores, changes, chosen, best,
                   (dense, losses[chosen], losses[best]))  # fmt: skip


@cache
def all_losses(k: int, unit: bool) -> dict[tuple[int, ...], float]:
    """{places: the loss without them}, of none, one, and as many as the case removes"""
    case = CASES[k]
    model, data = case.model()
    names = ["fc1.weight"] if unit else ["fc1.weight", "fc2.weight"]
    shapes = {n: model.params[n].shape[:1] if unit else model.params[n].shape for n in names}
    size = sum(int(np.prod(shape)) for shape in shapes.values())
    found: dict[tuple[int, ...], float] = {(): loss(model, data)}
    for many in sorted({1, case.removed}):
        for at in combinations(range(size), many):
            left = np.ones(size)
            left[list(at)] = 0
            found[at] = loss(without(model, unflat(left, shapes), unit), data)
    return found


def without(model: Model, left: Arrays, unit: bool) -> Model:
    """The net times the numbers that are left, 1 or 0; of units all that they read, give and add"""
    if unit:
        (keep,) = left.values()
        left = {"fc1.weight": keep[:, None], "fc1.bias": keep, "fc2.weight": keep[None]}
    params = {name: a * left.get(name, 1) for name, a in model.params.items()}
    return replace(model, params=params)


def loss(model: Model, data: Split) -> float:
    """The net's own loss on all samples"""
    x, y = data
    return float(loss_of(model.net, np.ascontiguousarray(model(x).T), y))
