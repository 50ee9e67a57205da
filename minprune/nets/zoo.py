"""Nets of the literature, sized for a dataset: zoo.lenet_5(data, seed=0) gives an untrained Model.

`data` is a Dataset, or (input shape, outputs), such as ((1, 28, 28), 10).
Longer than most files: half of it is the docstrings of seven nets.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from minprune.arguments import choice
from minprune.core import Dataset, Seed, channels_last
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.activation_layers import ReLU, Sigmoid
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.initialise import initialise
from minprune.nets.joining import Add
from minprune.nets.layer import Layer, Shape
from minprune.nets.losses import LOSSES, Loss
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.pooling import GlobalAvgPool, MaxPool

__all__ = ["ZOO", "cnn_small", "conv_4", "lenet_5", "lenet_300_100", "mlp", "monk", "resnet_small"]

Data = Dataset | tuple[Shape, int]
Entry = tuple[str, Layer] | tuple[str, Layer, str | Sequence[str]]


def _sizes(data: Data) -> tuple[Shape, int]:
    if isinstance(data, Dataset):
        return data.input_shape, data.outputs
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], tuple):
        return data
    raise ArgumentError(
        f"data must be a Dataset or a pair (input shape, outputs), not {type(data).__name__}; "
        f"pass mp.data.digits() or ((1, 28, 28), 10), for example"
    )


def _image(name: str, data: Data, least: int, instead: str) -> tuple[Shape, int]:
    shape, outputs = _sizes(data)
    if len(shape) != 3:
        grey = "pass x[:, None] if they are grey, or " * (len(shape) == 2)
        raise ShapeError(
            f"{name}: inputs must be (channels, height, width), not {shape}; {grey}use mlp"
        )
    if min(shape[1:]) < least:
        hint = f"{shape} {last}" if (last := channels_last(shape)) else f"use {instead}"
        raise ShapeError(f"{name}: sides must be at least {least}, not {shape[1:]}; {hint}")
    return shape, outputs


def _dense(inputs: int, sizes: Sequence[int]) -> list[Entry]:
    """fc1, relu1, fc2, ...; no activation after the last."""
    layers: list[Entry] = []
    for k, (i, o) in enumerate(zip([inputs, *sizes], sizes, strict=False), 1):
        layers += [(f"fc{k}", Dense(i, o)), (f"relu_fc{k}", ReLU())]
    return layers[:-1]


def mlp(
    data: Data, hidden: Sequence[int] = (64, 32), *, seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32, loss: Loss = "cross_entropy",
) -> Model:  # fmt: skip
    """Dense layers with ReLU between them.

    Images are flattened first.

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    hidden : tuple of int
        The sizes of the hidden layers; () for none.
    loss : {"cross_entropy", "binary_cross_entropy", "mse"}
        What training minimises.
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ArgumentError
        If data is neither, or hidden is no tuple of sizes.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.zoo.mlp(((1, 8, 8), 10), (32,)).params["fc1.weight"].shape
    (32, 64)
    """
    shape, outputs = _sizes(data)
    choice("mlp", "loss", loss, list(LOSSES))
    if isinstance(data, Dataset) and data.train[1].ndim == 1 and LOSSES[loss].columns:
        outputs = 1
    if not isinstance(hidden, tuple | list):
        raise ArgumentError(
            f"mlp: hidden must be a tuple of sizes, not {hidden!r}; pass (64, 32), or () for none"
        )
    start: list[Entry] = [("flatten", Flatten())] if len(shape) > 1 else []
    layers = start + _dense(int(np.prod(shape)), [*hidden, outputs])
    return initialise(build(shape, layers, loss), seed=seed, dtype=dtype)


def lenet_300_100(data: Data, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float32) -> Model:
    """LeNet-300-100: dense layers of 300, 100 and outputs units with ReLU.

    266,610 parameters on 28 x 28. Source: LeCun et al. (1998).

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ArgumentError
        If data is neither.

    Examples
    --------
    >>> import minprune as mp
    >>> sum(w.size for w in mp.zoo.lenet_300_100(((1, 28, 28), 10)).params.values())
    266610
    """
    return mlp(data, (300, 100), seed=seed, dtype=dtype)


def _topped(shape: Shape, layers: Sequence[Entry], sizes: Sequence[int], **how: Any) -> Model:
    """Convolutional layers, then dense ones of these sizes; how: see initialise."""
    flat: list[Entry] = [*layers, ("flatten", Flatten())]
    dense = _dense(build(shape, flat).shapes["flatten"][0], sizes)
    return initialise(build(shape, flat + dense), **how)


def lenet_5(data: Data, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float32) -> Model:
    """LeNet-5 in Caffe's sizes: convolutions of 20 and 50, dense layers of 500 and outputs units.

    431,080 parameters on 28 x 28. ReLU after both convolutions too, where Caffe has one after fc1
    alone. Source: LeCun et al. (1998), in the sizes of Caffe and Han et al. (2015).

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ShapeError
        If the inputs are no images, or too small.

    Examples
    --------
    >>> import minprune as mp
    >>> sum(w.size for w in mp.zoo.lenet_5(((1, 28, 28), 10)).params.values())
    431080
    """
    shape, outputs = _image("lenet_5", data, 16, "cnn_small")
    layers: list[Entry] = [
        ("conv1", Conv2d(shape[0], 20, 5)), ("relu1", ReLU()), ("pool1", MaxPool(2)),
        ("conv2", Conv2d(20, 50, 5)), ("relu2", ReLU()), ("pool2", MaxPool(2)),
    ]  # fmt: skip
    return _topped(shape, layers, [500, outputs], seed=seed, dtype=dtype)


def cnn_small(data: Data, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float32) -> Model:
    """A small convolutional net for 8 x 8 images.

    Two padded 3 x 3 convolutions of 16 and 32, dense layers of 64 and outputs units.

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ShapeError
        If the inputs are no images, or too small.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.zoo.cnn_small(((1, 8, 8), 10)).params["fc1.weight"].shape
    (64, 512)
    """
    shape, outputs = _image("cnn_small", data, 4, "mlp")
    layers: list[Entry] = [
        ("conv1", Conv2d(shape[0], 16, 3, padding=1)), ("relu1", ReLU()),
        ("conv2", Conv2d(16, 32, 3, padding=1)), ("relu2", ReLU()), ("pool2", MaxPool(2)),
    ]  # fmt: skip
    return _topped(shape, layers, [64, outputs], seed=seed, dtype=dtype)


def conv_4(data: Data, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float32) -> Model:
    """Conv-4: 64-64-pool-128-128-pool-256-256-outputs, initialised by Glorot.

    2,425,930 parameters for 3 x 32 x 32. Source: Frankle & Carbin (2018), The Lottery Ticket
    Hypothesis.

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ShapeError
        If the inputs are no images, or too small.

    Examples
    --------
    >>> import minprune as mp
    >>> sum(w.size for w in mp.zoo.conv_4(((3, 32, 32), 10)).params.values())
    2425930
    """
    shape, outputs = _image("conv_4", data, 4, "mlp")
    layers: list[Entry] = []
    channels = shape[0]
    for k, width in enumerate((64, 64, 128, 128), 1):
        layers += [(f"conv{k}", Conv2d(channels, width, 3, padding=1)), (f"relu{k}", ReLU())]
        layers += [(f"pool{k}", MaxPool(2))] if k % 2 == 0 else []
        channels = width
    return _topped(shape, layers, [256, 256, outputs], seed=seed, dtype=dtype, scheme="glorot")


def resnet_small(
    data: Data, width: int = 16, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """A small residual net: a stem and two blocks with BatchNorm.

    The second block has stride 2 and a 1 x 1 projection (option B). Source: He et al. (2016).

    Parameters
    ----------
    data : Dataset or (input shape, outputs)
        What the net is sized for, such as ((1, 28, 28), 10).
    width : int, default 16
        Channels of the stem and the first block; the second has twice as many.
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ShapeError
        If the inputs are no images, or too small.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.zoo.resnet_small(((1, 8, 8), 10), width=8).params["fc.weight"].shape
    (10, 16)
    """
    shape, outputs = _image("resnet_small", data, 4, "mlp")

    def conv(name: str, i: int, o: int, reads: str, k: int = 3, stride: int = 1) -> list[Entry]:
        layer = Conv2d(i, o, k, stride=stride, padding=k // 2, bias=False)
        return [(f"{name}", layer, reads), (f"{name}_bn", BatchNorm(o))]

    def block(name: str, i: int, o: int, reads: str, stride: int) -> list[Entry]:
        short = reads
        layers = [
            *conv(f"{name}_conv1", i, o, reads, stride=stride), (f"{name}_relu1", ReLU()),
            *conv(f"{name}_conv2", o, o, f"{name}_relu1"),
        ]  # fmt: skip
        if stride > 1 or i != o:
            layers += conv(f"{name}_project", i, o, reads, k=1, stride=stride)
            short = f"{name}_project_bn"
        layers += [(f"{name}_sum", Add(), (f"{name}_conv2_bn", short)), (f"{name}_relu2", ReLU())]
        return layers

    layers: list[Entry] = [
        *conv("stem", shape[0], width, "input"), ("stem_relu", ReLU()),
        *block("block1", width, width, "stem_relu", 1),
        *block("block2", width, 2 * width, "block1_relu2", 2),
        ("pool", GlobalAvgPool()), ("fc", Dense(2 * width, outputs)),
    ]  # fmt: skip
    return initialise(build(shape, layers), seed=seed, dtype=dtype)


def monk(hidden: int = 3, *, seed: Seed = 0, dtype: npt.DTypeLike = np.float64) -> Model:
    """The nets of the MONK's problems: 17-hidden-1, sigmoid hidden and output units, mse.

    58 parameters with 3 hidden units, 39 with 2; initialised by Glorot.
    Source: Thrun et al. (1991), The MONK's Problems; Hassibi & Stork (1992).

    Parameters
    ----------
    hidden : int, default 3
        How many hidden units.
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Untrained.

    Raises
    ------
    ArgumentError
        If hidden is not an integer of at least 1, or dtype is another.

    Examples
    --------
    >>> import minprune as mp
    >>> sum(w.size for w in mp.zoo.monk(2).params.values())
    39
    """
    layers: list[Any] = [
        ("fc1", Dense(17, hidden)), ("sigmoid1", Sigmoid()),
        ("fc2", Dense(hidden, 1)), ("sigmoid2", Sigmoid()),
    ]  # fmt: skip
    return initialise(build((17,), layers, "mse"), seed=seed, dtype=dtype, scheme="glorot")


ZOO: dict[str, Callable[..., Model]] = {
    fn.__name__: fn for fn in (mlp, lenet_300_100, lenet_5, cnn_small, conv_4, resnet_small)
}  # those that any classification data can be given to
