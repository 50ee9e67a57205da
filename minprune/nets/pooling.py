"""MaxPool, AvgPool, GlobalAvgPool over images and sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Params, Passing, Shape, sizes, windows

AXES = ("height", "width")


@dataclass(frozen=True)
class _Pool(Passing):
    """Windows of `kernel`, a `stride` apart (the kernel's size unless given)"""

    kernel: int | Shape = 2
    stride: int | Shape | None = None
    padding: int | Shape = 0
    pool: ClassVar[Callable[..., Value]]

    def __post_init__(self) -> None:
        owner = type(self).__name__
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel)
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, what, sizes(owner, what, getattr(self, what), least))
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):  # type: ignore[arg-type]
            raise ArgumentError(
                f"{owner}: padding must be at most half the window {self.kernel}, not "
                f"{self.padding}; pass less, so that every window meets the input"
            )

    def out_shape(self, *shapes: Shape) -> Shape:
        axes = AXES if len(shapes[0]) != 2 else ("length",)
        at = (self.kernel, self.stride, self.padding)
        kernel, stride, padding = (s[-len(axes) :] for s in at)  # type: ignore[index]
        owner = type(self).__name__
        return (shapes[0][0], *windows(owner, shapes[0], kernel, stride, padding, axes))

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return _pooled(self.pool, xs[0], self.kernel, self.stride, self.padding)


def _pooled(pool: Callable[..., Value], x: Value, kernel: Any, stride: Any, padding: Any) -> Value:
    """pool(x) of images, or of sequences: images of height 1"""
    c, *sides, n = x.shape
    if len(sides) == 2:
        return pool(x, kernel=kernel, stride=stride, padding=padding)
    kernel, stride, padding = (1, kernel[-1]), (1, stride[-1]), (0, padding[-1])
    image = ag.reshape(x, shape=(c, 1, *sides, n))
    y = pool(image, kernel=kernel, stride=stride, padding=padding)
    return ag.reshape(y, shape=(c, y.shape[2], n))


class MaxPool(_Pool):
    """The largest entry of each window.

    y = max over the window; padding never wins

    Parameters
    ----------
    kernel : int or (int, int), default 2
        The sides (y, x) of the window; of sequences the second counts.
    stride : int or (int, int), optional
        Steps of the window; the kernel's sides unless given.
    padding : int or (int, int), default 0
        Entries that are added at each edge, at most half the window.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, or the padding is more than half the window.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.MaxPool(2).out_shape((8, 24, 24)), mp.MaxPool(2).out_shape((8, 100))
    ((8, 12, 12), (8, 50))
    """

    pool: ClassVar[Callable[..., Value]] = staticmethod(ag.max_pool)

    def refuses(self, slope: float, intercept: float) -> str:
        if slope >= 0:
            return ""
        return (
            f"a negative slope of {slope} does not pass through max pooling; "
            f"merge with a positive one, or keep the unit"
        )


class AvgPool(_Pool):
    """The mean of each window, padding counted.

    y = sum over the window / its size

    Parameters
    ----------
    kernel : int or (int, int), default 2
        The sides (y, x) of the window; of sequences the second counts.
    stride : int or (int, int), optional
        Steps of the window; the kernel's sides unless given.
    padding : int or (int, int), default 0
        Zeros that are added at each edge, at most half the window.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, or the padding is more than half the window.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.AvgPool(3, stride=2, padding=1).out_shape((8, 7, 7))
    (8, 4, 4)
    """

    pool: ClassVar[Callable[..., Value]] = staticmethod(ag.avg_pool)

    def refuses(self, slope: float, intercept: float) -> str:
        if not intercept or not any(self.padding):  # type: ignore[arg-type]
            return ""
        return (
            f"an intercept of {intercept} through zero-padded average pooling is not exact at the "
            f"edges; merge with intercept 0, or keep the unit"
        )


class GlobalAvgPool(Passing):
    """The mean of each channel.

    y_c = the mean of channel c over all positions      (c, h, w) or (c, length) -> (c,)

    Examples
    --------
    >>> import minprune as mp
    >>> mp.GlobalAvgPool().out_shape((8, 7, 7))
    (8,)
    """

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != 2:
            windows("GlobalAvgPool", shapes[0], (1, 1), (1, 1), (0, 0), AXES)
        return shapes[0][:1]

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        c, *sides, n = xs[0].shape
        y = _pooled(ag.avg_pool, xs[0], tuple(sides), tuple(sides), (0, 0))
        return ag.reshape(y, shape=(c, n))
