"""The zoo: sizes counted by hand; initial weights: their spread, their seed, their own stream."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune import zoo
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.initialise import SCHEMES
from minprune.nets.model import Model

ROOT = Path(__file__).parent.parent
MNIST, DIGITS, CIFAR = ((1, 28, 28), 10), ((1, 8, 8), 10), ((3, 32, 32), 10)


@dataclass(frozen=True)
class Row:
    """layers: (inputs, outputs) x area + biases of each, as counted by hand."""

    make: Callable[[], Model]
    weights: tuple[int, ...]
    others: int  # biases and BatchNorm's vectors
    total: int
    id: str


ROWS = (
    Row(
        lambda: zoo.lenet_300_100(MNIST), (784 * 300, 300 * 100, 100 * 10), 410, 266_610,
        "lenet_300_100",
    ),
    Row(
        lambda: zoo.lenet_5(MNIST), (1 * 20 * 25, 20 * 50 * 25, 800 * 500, 500 * 10), 580, 431_080,
        "lenet_5",
    ),
    Row(  # 32 -> 16 -> 8 by pooling: 128 * 8 * 8 = 8,192 features
        lambda: zoo.conv_4(CIFAR),
        (3 * 64 * 9, 64 * 64 * 9, 64 * 128 * 9, 128 * 128 * 9, 8192 * 256, 256 * 256, 256 * 10),
        64 + 64 + 128 + 128 + 256 + 256 + 10, 2_425_930, "conv_4",
    ),
    Row(  # 8 -> 4: 32 * 4 * 4 = 512 features
        lambda: zoo.cnn_small(DIGITS), (1 * 16 * 9, 16 * 32 * 9, 512 * 64, 64 * 10), 122, 38_282,
        "cnn_small",
    ),
    Row(  # stem, 2 + 3 convolutions without biases, 2 vectors of BatchNorm each, a dense layer
        lambda: zoo.resnet_small(DIGITS),
        (16 * 9, 16 * 16 * 9, 16 * 16 * 9, 16 * 32 * 9, 32 * 32 * 9, 16 * 32, 32 * 10),
        2 * (3 * 16 + 3 * 32) + 10, 19_706, "resnet_small",
    ),
    Row(lambda: zoo.mlp(((5,), 2), (4, 3)), (5 * 4, 4 * 3, 3 * 2), 9, 47, "mlp"),
    Row(lambda: zoo.monk(3), (17 * 3, 3), 4, 58, "monk"),
    Row(lambda: zoo.monk(2), (17 * 2, 2), 3, 39, "monk, 2 hidden"),
)  # fmt: skip


def test_every_net_of_the_zoo_has_a_row() -> None:
    public = {
        name for name, f in vars(zoo).items()
        if getattr(f, "__module__", "") == zoo.__name__ and not name.startswith("_")
    }  # fmt: skip
    assert public == {row.id.split(",")[0] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_sizes(row: Row) -> None:
    model = row.make()
    assert tuple(model.params[name].size for name in model.net.weights) == row.weights
    assert sum(w.size for w in model.params.values()) == sum(row.weights) + row.others == row.total
    x = np.zeros((2, *model.net.input_shape))
    assert model(x).shape == (2, model.net.shapes[model.net.nodes[-1].name][0])
    assert not any(w.any() for name, w in model.params.items() if name.endswith(".bias"))


def test_a_dataset_gives_the_sizes() -> None:
    x, y = np.zeros((4, 1, 8, 8)), np.array([0, 2, 6, 1])
    net = zoo.cnn_small(mp.Dataset((x, y), (x, y), (x, y)), dtype=np.float64)
    assert net(x).shape == (4, 7)
    assert net.dtype == np.float64
    assert (zoo.monk().dtype, zoo.mlp(DIGITS).dtype) == (np.float64, np.float32)


IMAGES = "inputs must be (channels, height, width), not {}; use mlp"
MESSAGES: tuple[tuple[Callable[[], Model], type[ArgumentError], str], ...] = (
    (
        lambda: zoo.lenet_5(DIGITS), ShapeError,
        "lenet_5: sides must be at least 16, not (8, 8); use cnn_small",
    ),
    (
        lambda: zoo.cnn_small(((1, 9, 3), 2)), ShapeError,
        "cnn_small: sides must be at least 4, not (9, 3); use mlp",
    ),
    (
        lambda: zoo.lenet_5(((28, 28, 1), 10)), ShapeError,
        "lenet_5: sides must be at least 16, not (28, 1); (28, 28, 1) looks channels-last "
        "(NHWC); pass x.transpose(0, 3, 1, 2)",
    ),
    (lambda: zoo.conv_4(((17,), 2)), ShapeError, "conv_4: " + IMAGES.format("(17,)")),
    (
        lambda: zoo.conv_4(((28, 28), 2)), ShapeError,
        "conv_4: "
        + IMAGES.format("(28, 28)").replace("use", "pass x[:, None] if they are grey, or use"),
    ),
    (
        lambda: mp.initialise(zoo.monk().net, scheme="xavier"), ArgumentError,
        "initialise: scheme must be 'he', 'glorot' or 'lecun', not 'xavier'; choose one of them",
    ),
    (
        lambda: mp.initialise(zoo.monk().net, dtype="float16"), ArgumentError,
        "initialise: dtype must be float32 or float64, not 'float16'; pass np.float32, for "
        "example",
    ),
    (
        lambda: zoo.monk(seed=-1), ArgumentError,
        "seed must be an integer of at least 0 or a numpy Generator, not -1; "
        "pass seed=0, for example",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Model], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


BIG = mp.build((2, 9, 9), [
    ("conv1", mp.Conv2d(2, 90, (5, 3))), ("flatten", mp.Flatten()),
    ("fc1", mp.Dense(90 * 5 * 7, 9)), ("bn1", mp.BatchNorm(9)), ("fc2", mp.Dense(9, 400)),
])  # fmt: skip
FANS = {"conv1": (2 * 15, 90 * 15), "fc1": (3150, 9), "fc2": (9, 400)}
VARIANCE = {
    "he": lambda i, o: 2 / i,
    "glorot": lambda i, o: 2 / (i + o),
    "lecun": lambda i, o: 1 / i,
}


def spread_is(scheme: str, name: str, w: Array) -> bool:
    """Mean 0 and the variance of the scheme, within 5 standard errors of n independent draws

    The variance of a squared draw is (kurtosis - 1) v^2: 2 v^2 for normal, 0.8 v^2 for uniform.
    """
    v = VARIANCE[scheme](*FANS[name])
    tail = 0.8 if scheme == "glorot" else 2.0
    near = abs(np.mean(w)) <= 5 * np.sqrt(v / w.size)
    right = abs(np.mean(w * w) - v) <= 5 * np.sqrt(tail * v * v / w.size)
    inside = scheme != "glorot" or np.abs(w).max() <= np.sqrt(3 * v)
    return bool(near and right and inside)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_initial_weights_have_the_variance_of_their_scheme(scheme: str) -> None:
    model = mp.initialise(BIG, seed=1, scheme=scheme, dtype=np.float64)
    for name in FANS:
        assert spread_is(scheme, name, model.params[f"{name}.weight"]), name
    for other in set(VARIANCE) - {
        scheme
    }:  # fan_in alone, both fans, a gain of 2: none passes for another
        assert not all(spread_is(other, name, model.params[f"{name}.weight"]) for name in FANS)
    assert (model.params["bn1.weight"] == 1).all()
    assert not any(model.params[f"{name}.bias"].any() for name in ("conv1", "fc1", "bn1", "fc2"))
    assert (model.buffers["bn1.running_var"] == 1).all()
    assert not model.buffers["bn1.running_mean"].any()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_which_scheme_a_net_starts_with(row: Row) -> None:
    model, scheme = row.make(), "glorot" if row.id[:4] in ("conv", "monk") else "he"
    assert digest(model) == digest(mp.initialise(model.net, scheme=scheme, dtype=model.dtype))


PRINT = """
import sys
sys.path.insert(0, "tests")
from test_zoo import DIGITS, digest, zoo
print(digest(zoo.cnn_small(DIGITS, seed=7)))
"""


def digest(model: Model) -> str:
    return hashlib.sha256(b"".join(w.tobytes() for w in model.params.values())).hexdigest()


def test_one_seed_gives_the_same_bits_in_a_new_process_too() -> None:
    here = digest(zoo.cnn_small(DIGITS, seed=7))
    assert here == digest(zoo.cnn_small(DIGITS, seed=7))
    assert here != digest(zoo.cnn_small(DIGITS, seed=8))
    assert here == digest(zoo.cnn_small(DIGITS, seed=np.int64(7)))
    there = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert there.stdout.strip() == here


def test_a_generator_is_a_seed_and_moves_on() -> None:
    rng = np.random.default_rng(0)
    first, second = zoo.monk(seed=rng), zoo.monk(seed=rng)
    assert digest(first) != digest(second)
    assert digest(first) == digest(zoo.monk(seed=np.random.default_rng(0)))
