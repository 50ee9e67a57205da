"""Multiply-adds and parameters as other projects print them, of nets built from our layers.

Not here, since they count otherwise: Torch-Pruning's "MACs" of ResNet-18 (1,822,177,768) include
ReLU and BatchNorm, and shrinkbench's "same" padding of an even window pads one side only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.measures.cost import size
from minprune.nets.counts import counts
from minprune.nets.initialise import initialise
from minprune.nets.net import Net, build


class Growing:
    """The layers of a net so far; `conv` adds a convolution with its BatchNorm."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.channels = shape[0]
        self.layers: list[Any] = []

    @property
    def at(self) -> str:
        return self.layers[-1][0] if self.layers else "input"

    def add(self, layer: Any, *reads: str) -> str:
        name = f"n{len(self.layers)}"
        self.layers.append((name, layer, reads or (self.at,)))
        return name

    def conv(
        self, o: int, k: int, stride: int = 1, *, groups: int = 1, act: bool = True,
        reads: str = "", i: int = 0,
    ) -> str:  # fmt: skip
        layer = mp.Conv2d(i or self.channels, o, k, stride, k // 2, groups, bias=False)
        self.add(layer, *([reads] if reads else []))
        self.channels = o
        self.add(mp.BatchNorm(o))
        return self.add(mp.ReLU()) if act else self.at

    def end(self, outputs: int) -> Net:
        self.add(mp.GlobalAvgPool())
        self.add(mp.Dense(self.channels, outputs))
        return build(self.shape, self.layers)


def residual(
    net: Growing, shape: Sequence[tuple[int, int, int]], stride: int, project: bool
) -> None:
    """Convolutions of (outputs, kernel, stride), and a shortcut: itself, or a 1 x 1 projection."""
    short, i = net.at, net.channels
    for k, (o, kernel, step) in enumerate(shape, 1):
        net.conv(o, kernel, step, act=k < len(shape))
    body, o = net.at, net.channels
    if project:
        short = net.conv(o, 1, stride, act=False, reads=short, i=i)
    net.add(mp.Add(), body, short)
    net.add(mp.ReLU())


def resnet_cifar(blocks: int, width: int = 16) -> Net:
    """He et al. (2016) for CIFAR, shortcuts of option B: a 1 x 1 projection where the shape changes

    Option A (zero padding of a strided slice) has no layer here, and costs 262,144 fewer.
    """
    net = Growing((3, 32, 32))
    net.conv(width, 3)
    for stage in range(3):
        for block in range(blocks):
            o, stride = width << stage, 2 if stage and not block else 1
            residual(net, [(o, 3, stride), (o, 3, 1)], stride, stride == 2)
    return net.end(10)


def resnet_imagenet(blocks: Sequence[int], bottleneck: bool, width: int = 64) -> Net:
    """torchvision's ResNet: the stride of a bottleneck on its 3 x 3 convolution (version 1.5)."""
    net = Growing((3, 224, 224))
    net.conv(width, 7, 2)
    net.add(mp.MaxPool(3, 2, 1))
    for stage, many in enumerate(blocks):
        for block in range(many):
            o, stride = width << stage, 2 if stage and not block else 1
            shape = [(o, 1, 1), (o, 3, stride), (4 * o, 1, 1)] if bottleneck else [
                (o, 3, stride), (o, 3, 1),
            ]  # fmt: skip
            residual(net, shape, stride, net.channels != shape[-1][0] or stride == 2)
    return net.end(1000)


def mobilenet() -> Net:
    """Howard et al. (2017): depthwise 3 x 3, then 1 x 1, thirteen times."""
    net = Growing((3, 224, 224))
    net.conv(32, 3, 2)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
            (1024, 1)]  # fmt: skip
    for o, stride in plan:
        net.conv(net.channels, 3, stride, groups=net.channels)
        net.conv(o, 1)
    return net.end(1000)


def macs(net: Net) -> list[int]:
    return [c.macs for c in counts(net, {}) if c.positions]


def parameters(net: Net) -> int:
    return sum(c.total for c in counts(net, {}))


RESNET_20 = [442368, *[2359296] * 6, 1179648, 2359296, 131072, *[2359296] * 4, 1179648, 2359296,
             131072, *[2359296] * 4, 640]  # fmt: skip
MOBILENET = [
    10838016, 3612672, 25690112, 1806336, 25690112, 3612672, 51380224, 903168, 25690112, 1806336,
    51380224, 451584, 25690112, 903168, 51380224, 903168, 51380224, 903168, 51380224, 903168,
    51380224, 903168, 51380224, 225792, 25690112, 451584, 51380224, 1024000,
]  # fmt: skip


def test_resnet_20_layer_by_layer() -> None:
    """distiller usage.md"""
    assert macs(resnet_cifar(3)) == RESNET_20
    assert sum(RESNET_20) == 40_813_184
    # 272,474 as other projects print it, with BatchNorm's vectors and the bias
    assert parameters(resnet_cifar(3)) == 272_474


def test_mobilenet_layer_by_layer() -> None:
    """distiller test_model_summary.py"""
    assert macs(mobilenet()) == MOBILENET
    assert parameters(mobilenet()) == 4_231_976


RESNET_50 = resnet_imagenet((3, 4, 6, 3), True)
TOTALS: tuple[tuple[str, Net, int | None, int | None], ...] = (
    ("ResNet-56, distiller examples", resnet_cifar(9), 125_747_840, None),
    ("ResNet-50, distiller examples", RESNET_50, 4_089_184_256, 25_557_032),
    ("ResNet-18, Torch-Pruning README", resnet_imagenet((2, 2, 2, 2), False), None, 11_689_512),
    ("half of its channels, the same", resnet_imagenet((2, 2, 2, 2), False, 32), None, 3_055_880),
)  # fmt: skip


@pytest.mark.parametrize(("source", "net", "work", "size"), TOTALS, ids=[t[0] for t in TOTALS])
def test_totals(source: str, net: Net, work: int | None, size: int | None) -> None:
    assert work is None or sum(macs(net)) == work
    assert size is None or parameters(net) == size


def test_half_of_the_channels_of_resnet_20_is_the_net_built_half_as_wide() -> None:
    """Pruned, compacted, counted: what the same recipe gives at width 8."""
    model = initialise(resnet_cifar(3))
    scores = mp.score(model, None, "random", unit=True)
    small = mp.compact(mp.prune(model, scores, sparsity=0.5, scope="layer"))
    half = resnet_cifar(3, 8)
    assert small.net.params == half.params
    assert size(small).macs == sum(macs(half))
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32))
    assert small(x).shape == (2, 10)
