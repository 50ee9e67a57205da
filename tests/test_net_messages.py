"""What a net or a layer refuses, and a model as an input, sentence by sentence."""

from collections.abc import Callable

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import ForwardContext

DENSE = ("fc1", mp.Dense(4, 3))


def net(*layers: object, shape: tuple[int, ...] = (4,), **how: object) -> Callable[[], object]:
    return lambda: mp.build(shape, layers, **how)  # type: ignore[arg-type]


IMAGE = (2, 5, 6)
MESSAGES = (
    (net(), ArgumentError, "a net has no layers, expected at least one; add a Dense layer"),
    (
        net(DENSE, loss="hinge"), ArgumentError,
        "loss is 'hinge', expected 'cross_entropy' or 'mse'; choose one of them",
    ),
    (
        net(("fc.1", mp.Dense(4, 3))), ArgumentError,
        "'fc.1' cannot name a layer: expected letters, digits and underscores, no digit first; "
        "rename it",
    ),
    (net(DENSE, DENSE), ArgumentError, "fc1: the name is taken; give each layer its own"),
    (
        net(("input", mp.ReLU())), ArgumentError,
        "input: the name is taken; give each layer its own",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU)), ArgumentError,
        "relu1: <class 'minprune.nets.activations.ReLU'> is no layer; "
        "give one, with its brackets: ReLU()",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU(), "fc2")), ArgumentError,
        "relu1: reads 'fc2', which no earlier layer is called; name one of the layers before it",
    ),
    (
        net(DENSE, ("sum", mp.Add(), "fc1")), ArgumentError,
        "sum: Add reads 1 input(s), expected two or more; list the names that it reads",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU(), ("fc1", "fc1"))), ArgumentError,
        "relu1: ReLU reads 2 input(s), expected 1; list the names that it reads",
    ),
    (
        net(("fc1", mp.Dense(5, 3))), ShapeError,
        "fc1: Dense: input is (4,), expected (5,); make the sizes agree",
    ),
    (
        net(("fc1", mp.Dense(60, 3)), shape=IMAGE), ShapeError,
        "fc1: Dense: input is (2, 5, 6), expected (60,); put Flatten before it",
    ),
    (
        net(("conv1", mp.Conv2d(3, 4, 3)), shape=IMAGE), ShapeError,
        "conv1: Conv2d: input has 2 channels, expected 3; make the sizes agree",
    ),
    (
        net(("conv1", mp.Conv2d(2, 4, 8, padding=1)), shape=IMAGE), ShapeError,
        "conv1: Conv2d: a window of 8 x 8 does not fit an input of 5 x 6 with padding 1, 1; "
        "use larger images, a smaller window or more padding",
    ),
    (
        net(("pool1", mp.GlobalAvgPool())), ShapeError,
        "pool1: GlobalAvgPool: input is (4,), expected (channels, height, width); "
        "put it before Flatten, or give images",
    ),
    (
        net(("bn1", mp.BatchNorm(3))), ShapeError,
        "bn1: BatchNorm: input has 4 channels, expected 3; make the sizes agree",
    ),
    (
        net(DENSE, ("sum", mp.Add(), ("fc1", "input"))), ShapeError,
        "sum: Add: inputs are (3,) and (4,), expected one shape; "
        "project the shorter branch with a 1 x 1 Conv2d",
    ),
    (
        net(("pool1", mp.MaxPool(2)), ("cat", mp.Concat(), ("pool1", "input")), shape=IMAGE),
        ShapeError,
        "cat: Concat: inputs are (2, 2, 3) and (2, 5, 6), expected equal sizes after the first; "
        "pool or pad one branch",
    ),
    (
        net(("relu1", mp.ReLU()), shape=IMAGE), ShapeError,
        "relu1: the net's output is (2, 5, 6), expected (outputs,); end with Flatten and Dense",
    ),
    (
        lambda: mp.Dense(0, 3), ArgumentError,
        "Dense: inputs is 0, expected an integer of at least 1; give the layer a size",
    ),
    (
        lambda: mp.Conv2d(2, 4, 2.5), ArgumentError,
        "Conv2d: kernel is 2.5, expected one or two integers of at least 1; "
        "give kernel=1, for example",
    ),
    (
        lambda: mp.Conv2d(2, 4, 3, padding=(1, -1)), ArgumentError,
        "Conv2d: padding is (1, -1), expected one or two integers of at least 0; "
        "give padding=1, for example",
    ),
    (
        lambda: mp.Conv2d(2, 4, 3, groups=3), ArgumentError,
        "Conv2d: groups is 3, which does not divide 2 inputs and 4 outputs; "
        "give a number that divides both",
    ),
    (
        lambda: mp.MaxPool(2, padding=2), ArgumentError,
        "MaxPool: padding is (2, 2), more than half the window (2, 2); "
        "use less padding, so that every window meets the image",
    ),
    (
        lambda: mp.Dropout(1), ArgumentError,
        "Dropout: rate is 1, expected a share in [0, 1); give rate=0.5",
    ),
    (
        lambda: mp.Dropout(0.5).apply("drop1", {}, [np.ones((2, 3))], ForwardContext(train=True)),
        ArgumentError,
        "drop1: dropout in training needs randomness; pass rng= a numpy Generator",
    ),
    (lambda: mp.ReLU().fan(), ArgumentError, "ReLU has no weight, so it has no fan"),
    (
        lambda: mp.zoo.monk(2).net.node("fc3"), ArgumentError,
        "'fc3' is no layer of this net; it has fc1, sigmoid1, fc2, sigmoid2",
    ),
    (
        lambda: mp.zoo.monk(2)(np.zeros((3, 16))), ShapeError,
        "input is (3, 16), expected (n, 17); "
        "give a batch of samples of the shape the net was built for",
    ),
    (
        lambda: mp.zoo.cnn_small(((1, 8, 8), 3))(np.zeros((1, 8, 8))), ShapeError,
        "input is (1, 8, 8), expected (n, 1, 8, 8); "
        "give a batch of samples of the shape the net was built for",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], object], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
