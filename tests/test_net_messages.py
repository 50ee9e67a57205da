"""What a net or a layer refuses, and a model as an input, sentence by sentence."""

from collections.abc import Callable

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import ForwardContext

DENSE = ("fc1", mp.Dense(4, 3))


class Dotted(mp.Dense):
    def params(self) -> dict[str, tuple[int, ...]]:
        return {"weight.0": (3, 4)}


def net(*layers: object, shape: tuple[int, ...] = (4,), **how: object) -> Callable[[], object]:
    return lambda: mp.build(shape, layers, **how)  # type: ignore[arg-type]


IMAGE = (2, 5, 6)
MESSAGES = (
    (net(), ArgumentError, "build: layers must hold at least one, not none; add a Dense "
                           "layer"),
    (
        net(DENSE, loss="hinge"), ArgumentError,
        "build: loss must be 'cross_entropy', 'binary_cross_entropy' or 'mse', not 'hinge'; "
        "choose one of them",
    ),
    (
        net(("fc..1", mp.Dense(4, 3))), ArgumentError,
        "'fc..1' cannot name a layer; use letters, digits and _, with dots between them",
    ),
    (
        net(("fc\n", mp.Dense(4, 3))), ArgumentError,
        "'fc\\n' cannot name a layer; use letters, digits and _, with dots between them",
    ),
    (
        net(DENSE, ("fc1.weight", mp.Dense(3, 3))), ArgumentError,
        "fc1.weight: the name is that of an array of fc1; rename the layer",
    ),
    (
        net(("own", Dotted(4, 3))), ArgumentError,
        "own: what Dotted owns must be named by letters, digits and _, not 'weight.0'; rename it, "
        "without a dot",
    ),
    (net(DENSE, DENSE), ArgumentError, "fc1: the name is taken; give each layer its own"),
    (
        net(("input", mp.ReLU())), ArgumentError,
        "input: the name is taken; give each layer its own",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU)), ArgumentError,
        "relu1: <class 'minprune.nets.activation_layers.ReLU'> is not a layer; pass an instance: "
        "ReLU()",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU(), "fc2")), ArgumentError,
        "relu1: must read earlier layers, not 'fc2'; name one before it",
    ),
    (
        net(DENSE, ("sum", mp.Add(), "fc1")), ArgumentError,
        "sum: Add must read two or more layers, not 1; name them",
    ),
    (
        net(DENSE, ("relu1", mp.ReLU(), ("fc1", "fc1"))), ArgumentError,
        "relu1: ReLU must read one layer, not 2; name them",
    ),
    (
        net(("fc1", mp.Dense(5, 3))), ShapeError,
        "fc1: Dense: the input must be (5,), not (4,); make the sizes agree",
    ),
    (
        net(("fc1", mp.Dense(60, 3)), shape=IMAGE), ShapeError,
        "fc1: Dense: the input must be (60,), not (2, 5, 6); put Flatten before it",
    ),
    (
        net(("conv1", mp.Conv2d(3, 4, 3)), shape=IMAGE), ShapeError,
        "conv1: Conv2d: must read 3 channels, not 2; make sizes agree",
    ),
    (
        net(("conv1", mp.Conv2d(2, 4, 8, padding=1)), shape=IMAGE), ShapeError,
        "conv1: Conv2d: a window of 8 x 8 does not fit an input of 5 x 6 with padding 1, 1; "
        "use larger inputs, a smaller window or more padding",
    ),
    (
        net(("pool1", mp.GlobalAvgPool())), ShapeError,
        "pool1: GlobalAvgPool: the input must be (channels, height, width), not (4,); put the "
        "layer before Flatten, or change input_shape",
    ),
    (
        net(("bn1", mp.BatchNorm(3))), ShapeError,
        "bn1: BatchNorm: must read 3 channels, not 4; make sizes agree",
    ),
    (
        net(DENSE, ("sum", mp.Add(), ("fc1", "input"))), ShapeError,
        "sum: Add: the inputs must have one shape, not (3,) and (4,); project the shorter "
        "branch with a convolution of kernel 1",
    ),
    (
        net(("pool1", mp.MaxPool(2)), ("cat", mp.Concat(), ("pool1", "input")), shape=IMAGE),
        ShapeError,
        "cat: Concat: the inputs must have equal sizes after the first, not (2, 2, 3) and (2, "
        "5, 6); pool or pad one branch",
    ),
    (
        net(("relu1", mp.ReLU()), shape=IMAGE), ShapeError,
        "relu1: output must be (outputs,), not (2, 5, 6); use Flatten and Dense",
    ),
    (
        lambda: mp.Dense(0, 3), ArgumentError,
        "Dense: inputs must be an integer of at least 1, not 0; pass inputs=1, for example",
    ),
    (
        lambda: mp.Conv2d(2, 4, 2.5), ArgumentError,
        "Conv2d: kernel must be one or two integers of at least 1, not 2.5; pass kernel=1, for "
        "example",
    ),
    (
        lambda: mp.Conv2d(2, 4, 3, padding=(1, -1)), ArgumentError,
        "Conv2d: padding must be one or two integers of at least 0, not (1, -1); pass "
        "padding=1, for example",
    ),
    (
        lambda: mp.Conv2d(2, 4, 3, groups=3), ArgumentError,
        "Conv2d: groups must divide 2 inputs and 4 outputs, not be 3; pass a number that "
        "divides both",
    ),
    (
        lambda: mp.MaxPool(2, padding=2), ArgumentError,
        "MaxPool: padding must be at most half the window (2, 2), not (2, 2); pass less, so "
        "that every window meets the input",
    ),
    (
        lambda: mp.Dropout(1), ArgumentError,
        "Dropout: rate must be a number from 0 to below 1, not 1; pass rate=0.5, for example",
    ),
    (
        lambda: mp.Dropout(0.5).apply(
            {}, [np.ones((2, 3))], ForwardContext(train=True, layer="drop1")
        ),
        ArgumentError,
        "drop1: dropout needs randomness; pass a Generator as rng=",
    ),
    (lambda: mp.ReLU().fan(), ArgumentError, "ReLU has no weight, so it has no fan"),
    (
        lambda: mp.zoo.monk(2).net.node("fc3"), ArgumentError,
        "'fc3' is not a layer of this net; it has fc1, sigmoid1, fc2, sigmoid2",
    ),
    (
        lambda: mp.zoo.monk(2)(np.zeros((3, 16))), ShapeError,
        "the input must be (n, 17), not (3, 16); pass a batch of samples of the net's "
        "input_shape",
    ),
    (
        lambda: mp.zoo.cnn_small(((1, 8, 8), 3))(np.zeros((1, 8, 8))), ShapeError,
        "the input must be (n, 1, 8, 8), not (1, 8, 8); pass a batch of samples of the net's "
        "input_shape",
    ),
    (
        lambda: mp.zoo.cnn_small(((3, 8, 8), 3))(np.zeros((2, 8, 8, 3))), ShapeError,
        "the input must be (n, 3, 8, 8), not (2, 8, 8, 3); pass x.transpose(0, 3, 1, 2), as its "
        "channels come last (NHWC)",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], object], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
