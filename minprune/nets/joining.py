"""Add and Concat: several layers become one."""

from typing import ClassVar

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.errors import ShapeError
from minprune.nets.layer import ForwardContext, Params, Passing, Shape


class Add(Passing):
    """A residual sum of two or more layers; all have one shape.

    y = x_1 + x_2 + ...

    Examples
    --------
    >>> import minprune as mp
    >>> net = mp.build((4,), [("fc", mp.Dense(4, 4)), ("sum", mp.Add(), ("fc", "input"))])
    >>> net.shapes["sum"]
    (4,)
    """

    arity: ClassVar[int | None] = None
    sums: ClassVar[bool] = True

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"Add: the inputs must have one shape, not {' and '.join(map(str, shapes))}; "
                f"project the shorter branch with a convolution of kernel 1"
            )
        return shapes[0]

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        y = xs[0]
        for x in xs[1:]:
            y = ag.add(y, x)
        return y


class Concat(Passing):
    """Two or more layers one after another, along the channels (features).

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Concat().out_shape((3, 8, 8), (5, 8, 8))
    (8, 8, 8)
    """

    arity: ClassVar[int | None] = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({s[1:] for s in shapes}) > 1:
            raise ShapeError(
                f"Concat: the inputs must have equal sizes after the first, not "
                f"{' and '.join(map(str, shapes))}; pool or pad one branch"
            )
        return (sum(s[0] for s in shapes), *shapes[0][1:])

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return ag.concat(*xs)
