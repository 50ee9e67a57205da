"""BatchNorm, GroupNorm, LayerNorm: y = gamma (x - mean) / sqrt(var + 1e-5) + beta, row by row.

They differ in what mean and var are of: a channel over the batch, a group of channels of one
sample, all features of one sample.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from minprune import arguments, kernels
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import ForwardContext, Layer, Params, Passing, Shape, rows

EPS = 1e-5  # PyTorch's, added to the variance


def _inverse(var: Array) -> Array:
    return np.asarray(1 / np.sqrt(var + var.dtype.type(EPS)))


@dataclass(frozen=True)
class _Norm(Passing):
    """weight: gamma, bias: beta, both (channels,)"""

    fuses: ClassVar[bool] = True
    biased: ClassVar[bool] = True
    normalises: ClassVar[bool] = True
    ones: ClassVar[tuple[str, ...]] = ("weight", "running_var")
    sized: ClassVar[str] = "channels"  # the field that says how many rows there are

    def __post_init__(self) -> None:
        arguments.count(type(self).__name__, self.sized, self.size)

    @property
    def size(self) -> int:
        """How many channels (features) it scales"""
        found: int = getattr(self, self.sized)
        return found

    def params(self) -> dict[str, Shape]:
        return {"weight": (self.size,), "bias": (self.size,)}

    def out_shape(self, *shapes: Shape) -> Shape:
        rows(type(self).__name__, self.sized, shapes[0], self.size)
        return shapes[0]

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        return replace(self, **{self.sized: shapes["weight"][0]})


@dataclass(frozen=True)
class BatchNorm(_Norm):
    """Each channel normalised over the batch.

    y = gamma (x - mean) / sqrt(var + 1e-5) + beta      weight: gamma, bias: beta, (channels,)

    In training mean and var are the batch's own (var biased); otherwise the running ones, which
    move by 0.1 towards the batch's mean and UNBIASED variance at each training step, as in PyTorch.

    Parameters
    ----------
    channels : int
        How many channels (features) it reads.

    Raises
    ------
    ArgumentError
        If channels is not an integer of at least 1.

    References
    ----------
    Ioffe & Szegedy (2015), Batch Normalization.

    Examples
    --------
    >>> import minprune as mp
    >>> sorted(mp.BatchNorm(3).buffers())
    ['running_mean', 'running_var']
    """

    channels: int
    momentum: ClassVar[float] = 0.1

    def buffers(self) -> dict[str, Shape]:
        return {"running_mean": (self.channels,), "running_var": (self.channels,)}

    def least_batch(self, shape: Shape) -> int:
        return 2 if math.prod(shape[1:]) == 1 else 1  # one value has no variance

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        (x,) = xs
        gamma, beta = p["weight"], p["bias"]
        if run.train:
            m = math.prod(x.shape[1:])
            if m == 1:
                raise ShapeError(
                    f"{run.layer}: one value per channel has no variance; use a batch of at least 2"
                )
            xhat, mean, var = ag.normalise(x, eps=EPS)
            run.buffers |= {f"{run.layer}.{k}": a for k, a in self.moved(p, mean, var, m).items()}
            return ag.scale_shift(xhat, gamma, beta, act=act)
        mean, inv = p["running_mean"], self.inverse(p)
        if run.direct:
            return ag.scale_shift(ag.scale_shift(x, inv, -mean * inv), gamma, beta, act=act)
        scale = ag.mul(gamma, inv)
        return ag.scale_shift(x, scale, ag.sub(beta, ag.mul(scale, mean)), act=act)

    def path(self, p: Params, xs: list[Value]) -> Value:
        """|gamma| x / sqrt(running var + 1e-5)"""
        scale = ag.mul(p["weight"], self.inverse(p))
        return ag.scale_shift(xs[0], scale, p["bias"])

    @staticmethod
    def inverse(p: Params) -> Array:
        """1 / sqrt(running var + 1e-5)"""
        return kernels.noted(_inverse, p["running_var"])  # type: ignore[no-any-return]

    def moved(self, p: Params, mean: Array, var: Array, m: int) -> Arrays:
        """r + 0.1 (s - r)      the running statistics after a batch of m values a channel"""
        rate = mean.dtype.type(self.momentum)
        seen = {"running_mean": mean, "running_var": var * var.dtype.type(m / (m - 1))}
        return {kind: p[kind] + rate * (s - p[kind]) for kind, s in seen.items()}


@dataclass(frozen=True)
class GroupNorm(_Norm):
    """Each group of channels normalised within each sample, the same in training and evaluation.

    y = gamma (x - mean) / sqrt(var + 1e-5) + beta      weight: gamma, bias: beta, (channels,)

    mean and var (biased) are of all positions of the channels of a group: runs of
    channels / groups, as in torch.nn.GroupNorm. The channels of a group are one unit: they are
    removed together. With one group nothing can be removed (mp.ties says so).

    Parameters
    ----------
    groups : int
        How many groups of equal size; it must divide channels.
    channels : int
        How many channels (features) it reads.

    Raises
    ------
    ArgumentError
        If a size is not an integer of at least 1, or groups does not divide channels.

    References
    ----------
    Wu & He (2018), Group Normalization.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.GroupNorm(2, 8).params()
    {'weight': (8,), 'bias': (8,)}
    """

    groups: int
    channels: int

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.count("GroupNorm", "groups", self.groups)
        if self.channels % self.groups:
            raise ArgumentError(
                f"GroupNorm: groups must divide {self.channels} channels, not be {self.groups}; "
                f"pass groups={math.gcd(self.groups, self.channels)}, for example"
            )

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        xhat = ag.normalise_groups(xs[0], groups=self.groups, eps=EPS)
        return ag.scale_shift(xhat, p["weight"], p["bias"], act=act)

    def path(self, p: Params, xs: list[Value]) -> Value:
        """|gamma| x: the statistics of a sample are no weights"""
        return ag.scale_shift(xs[0], p["weight"], p["bias"])

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        channels = shapes["weight"][0]  # whole groups go
        return replace(self, channels=channels, groups=self.groups * channels // self.channels)

    def refuses(self, slope: float, intercept: float) -> str:
        return f"units that {type(self).__name__} normalises cannot be merged; keep them"


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """All features normalised within each sample, the same in training and evaluation.

    y = gamma (x - mean) / sqrt(var + 1e-5) + beta      weight: gamma, bias: beta, (features,)

    mean and var (biased) are of all features, as in torch.nn.LayerNorm. So no feature can be
    removed without changing the others (mp.ties says so). For dense features only.

    Parameters
    ----------
    features : int
        How many features it reads.

    Raises
    ------
    ArgumentError
        If features is not an integer of at least 1.

    References
    ----------
    Ba, Kiros & Hinton (2016), Layer Normalization.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.LayerNorm(8).params()
    {'weight': (8,), 'bias': (8,)}
    """

    features: int
    sized: ClassVar[str] = "features"

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) > 1:
            raise ShapeError(
                f"LayerNorm: the input must be ({self.features},), not {shapes[0]}; put Flatten "
                f"before it, or use GroupNorm(1, {shapes[0][0]}) for channels"
            )
        return super().out_shape(*shapes)

    apply, path, refuses = GroupNorm.apply, GroupNorm.path, GroupNorm.refuses
    groups: ClassVar[int] = 1
