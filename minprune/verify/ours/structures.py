"""Nets of every structure that ties units, and random removal: what compaction is judged on."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.errors import UnreachableError
from minprune.evidence import score
from minprune.masking.apply import prune
from minprune.masking.choose import Scope
from minprune.nets.activations import ReLU, Sigmoid, Tanh
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.joining import Add, Concat
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.pooling import Flatten, GlobalAvgPool
from minprune.nets.ties import ties
from minprune.verify.ours.nets import filled, models

LARGE = 1e-10  # what two float64 outputs of order 1 may differ by (the law of compaction)
conv, dense = Conv2d, Dense

NETS: dict[str, Net] = {
    "chain": build((3,), [("a", dense(3, 4)), ("r", ReLU()), ("fc", dense(4, 2))]),
    "sigmoid": build((3,), [
        ("a", dense(3, 4)), ("r", Sigmoid()), ("b", dense(4, 3, False)), ("t", Sigmoid()),
        ("fc", dense(3, 2)),
    ]),
    "batchnorm": build((2, 4, 4), [
        ("a", conv(2, 4, 3, bias=False)), ("a_bn", BatchNorm(4)), ("r", ReLU()),
        ("p", GlobalAvgPool()), ("fc", dense(4, 2)),
    ]),
    "padded": build((1, 4, 4), [
        ("a", conv(1, 3, 3, padding=1)), ("r", Sigmoid()), ("b", conv(3, 4, 3, padding=1)),
        ("t", ReLU()), ("p", GlobalAvgPool()), ("fc", dense(4, 2)),
    ]),
    "residual": build((2, 3, 3), [
        ("a", conv(2, 4, 1)), ("r", ReLU()), ("b", conv(4, 3, 3, padding=1)),
        ("t", ReLU()), ("c", conv(3, 4, 1, bias=False)), ("c_bn", BatchNorm(4)),
        ("sum", Add(), ("c_bn", "r")), ("u", ReLU()), ("f", Flatten()),
        ("fc", dense(36, 2)),
    ]),
    "branch": build((3,), [
        ("a", dense(3, 4)), ("r", ReLU()), ("b", dense(4, 4)), ("t", Sigmoid()),
        ("sum", Add(), ("t", "r")), ("fc", dense(4, 2)),
    ]),
    "concat": build((2,), [
        ("a", dense(2, 2)), ("b", dense(2, 3), "input"), ("cat", Concat(), ("a", "b", "a")),
        ("r", ReLU()), ("fc", dense(7, 2)),
    ]),
    "shared": build((2,), [
        ("a", dense(2, 3)), ("r", Tanh()), ("b", dense(3, 2), "r"), ("c", dense(3, 2), "r"),
        ("sum", Add(), ("b", "c")), ("fc", dense(2, 2)),
    ]),
    "flatten": build((1, 3, 3), [
        ("a", conv(1, 3, 2)), ("r", ReLU()), ("f", Flatten()), ("fc", dense(12, 2)),
    ]),
    "grouped": build((2, 3, 3), [
        ("a", conv(2, 4, 2)), ("r", ReLU()), ("b", conv(4, 6, 1, groups=2)), ("t", ReLU()),
        ("p", GlobalAvgPool()), ("fc", dense(6, 2)),
    ]),
    "depthwise": build((2, 4, 4), [
        ("a", conv(2, 3, 2)), ("r", ReLU()), ("b", conv(3, 6, 3, padding=1, groups=3)),
        ("t", ReLU()), ("c", conv(6, 3, 1)), ("p", GlobalAvgPool()), ("fc", dense(3, 2)),
    ]),
    # the rows of c go with those of a and of b: one weight, two groups
    "halves": build((2,), [
        ("c", dense(2, 5)), ("a", dense(2, 2), "input"), ("b", dense(2, 3), "input"),
        ("cat", Concat(), ("a", "b")), ("sum", Add(), ("c", "cat")), ("r", ReLU()),
        ("fc", dense(5, 2)),
    ]),
    # the first rows of c go with the input, which cannot shrink
    "half_tied": build((2,), [
        ("c", dense(2, 5)), ("a", dense(2, 3), "input"), ("cat", Concat(), ("input", "a")),
        ("sum", Add(), ("c", "cat")), ("r", ReLU()), ("fc", dense(5, 2)),
    ]),
    "unread": build((2,), [("a", dense(2, 4)), ("side", dense(4, 3)), ("fc", dense(4, 2), "a")]),
}  # fmt: skip


def structured() -> st.SearchStrategy[Model]:
    """The nets above with drawn numbers, and random nets; all have units that may be removed."""
    named = st.builds(filled, st.sampled_from(sorted(NETS)).map(NETS.get), st.integers(0, 99))
    free = models(most=8).filter(lambda m: any(g.free and g.size > 1 for g in ties(m)))
    return named | named | free


def thinned(
    model: Model, share: float, seed: int = 0, minimum: int = 1, unit: bool = True,
    scope: Scope = "global", **how: Any,
) -> Model:  # fmt: skip
    """The model pruned by random scores to that sparsity, or the largest that can be reached."""
    scores = score(model, None, "random", unit=unit, seed=seed, **how)
    try:
        return prune(model, scores, sparsity=share, minimum=minimum, scope=scope)
    except UnreachableError as e:
        return prune(model, scores, sparsity=float(str(e).split()[-1]), minimum=minimum)


def apart(a: Model, b: Model, seed: int = 0) -> float:
    """The largest difference of their outputs on five inputs, to the scale of the outputs"""
    x = np.random.default_rng(seed).standard_normal((5, *a.net.input_shape))
    want = a(x)
    return float(np.abs(want - b(x)).max() / (1 + np.abs(want).max()))
