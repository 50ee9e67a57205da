"""Random small nets for hypothesis: those of `minprune verify --self`, and batches for them."""

import numpy as np

from minprune.core import Split
from minprune.nets.layer import Shape
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.verify.ours.nets import ALSO, filled, models
from minprune.verify.ours.nets import random_nets as nets

__all__ = ["ALSO", "batch", "filled", "last", "models", "nets"]


def batch(model: Model, n: int, seed: int = 0) -> Split:
    """(x, y): n normal inputs (n, ...) in float64, and targets for the net's loss."""
    rng = np.random.default_rng(seed)
    x, outputs = rng.standard_normal((n, *model.net.input_shape)), last(model.net)[0]
    if model.net.loss == "mse":
        return x, rng.standard_normal((n, outputs))
    if model.net.loss == "binary_cross_entropy":
        return x, rng.integers(0, 2, (n, outputs))
    return x, rng.integers(0, outputs, n)


def last(net: Net) -> Shape:
    """The shape of the net's output, without the batch axis."""
    return net.shapes[net.nodes[-1].name]
