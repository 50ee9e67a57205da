"""Small nets whose every number is a formula, so that anybody can rebuild them.

k is the flat index, from 0: a weight is 0.7 sin(1 + k) in the first layer and 0.7 cos(1 + k) in the
second, a bias 0.1 cos(1 + k) and 0.1 sin(1 + k), an input cos(1 + k). Weights are (out, in).
"""

from typing import Literal

import numpy as np

from minprune.core import Array, Split
from minprune.nets.activations import Activation, ReLU, Tanh
from minprune.nets.dense import Dense
from minprune.nets.model import Model
from minprune.nets.net import build

LABELS = np.array([0, 1, 1, 0, 1])


def steps(*shape: int) -> Array:
    """1, 2, 3, ... in that shape"""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


def formula_nets() -> dict[str, tuple[Model, Split]]:
    """{name: (model, (x, y))}: three nets of 3-4-2 in float64 with five samples

    tanh and ReLU with mean softmax cross-entropy; ReLU without biases, with the mean over samples
    of the summed squares to targets sin(1 + k).
    """
    x = np.cos(steps(5, 3))
    rows: dict[str, tuple[Activation, Literal["cross_entropy", "mse"], bool, Array]] = {
        "tanh, cross-entropy": (Tanh(), "cross_entropy", True, LABELS),
        "relu, cross-entropy": (ReLU(), "cross_entropy", True, LABELS),
        "relu without biases, mse": (ReLU(), "mse", False, np.sin(steps(5, 2))),
    }
    found = {}
    for name, (act, loss, bias, y) in rows.items():
        net = build(
            (3,), [("fc1", Dense(3, 4, bias)), ("act", act), ("fc2", Dense(4, 2, bias))], loss
        )
        params = {
            "fc1.weight": 0.7 * np.sin(steps(4, 3)), "fc1.bias": 0.1 * np.cos(steps(4)),
            "fc2.weight": 0.7 * np.cos(steps(2, 4)), "fc2.bias": 0.1 * np.sin(steps(2)),
        }  # fmt: skip
        found[name] = Model(net, {n: params[n] for n in net.params}), (x, y)
    return found
