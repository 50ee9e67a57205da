"""dy/dx = sum over paths of the product of local rules: ops, tensors that record them, `grad`.

Longer than most files: half of it is the docstrings of Op, Tensor, Links and grad.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from minprune import kernels
from minprune.arguments import instance
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

Value: TypeAlias = Any  # an array, or a Tensor over one: every op takes either
Parts: TypeAlias = Sequence[Value]  # one for each input: its gradient, or None; or itself
Rule = Callable[..., Parts]
Second = Literal["copy", "linear", "product", "activation", "apart"]

OPERATORS: dict[str, Op] = {}  # what +, -, *, /, ** and abs mean: arithmetic.py fills it
_count = itertools.count()  # creation order: the tape is walked in it, never by memory address


def _operator(sign: str, swapped: bool = False) -> Callable[[Any, Value], Value]:
    """x sign y, or y sign x, by the op of that sign"""

    def apply(x: Tensor, y: Value) -> Value:
        y = y if isinstance(y, Tensor | np.ndarray) else np.asarray(y, x.dtype)
        return OPERATORS[sign](y, x) if swapped else OPERATORS[sign](x, y)

    return apply


class Tensor:
    """An array that records how it was computed: value = op(*inputs, **settings)

    Parameters
    ----------
    value : array
        Of any shape.
    op : Op, optional
        None for a leaf, such as a parameter.
    inputs : tuple
        Tensors and arrays that the op was called with.
    settings : dict, optional
        Its other arguments, which are constants.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> x = mp.Tensor(np.array([1.0, 2.0]))
    >>> x * x
    Tensor(mul, shape=(2,), dtype=float64)
    """

    __array_ufunc__ = None  # array + Tensor comes to Tensor.__radd__
    __slots__ = ("inputs", "op", "order", "settings", "value")

    def __init__(
        self, value: Array, op: Op | None = None, inputs: tuple[Value, ...] = (),
        settings: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.value, self.op, self.inputs = value, op, inputs
        self.settings = settings if settings is not None else {}
        self.order = next(_count)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype

    __add__, __radd__ = _operator("+"), _operator("+", swapped=True)
    __sub__, __rsub__ = _operator("-"), _operator("-", swapped=True)
    __mul__, __rmul__ = _operator("*"), _operator("*", swapped=True)
    __truediv__, __rtruediv__ = _operator("/"), _operator("/", swapped=True)

    def __neg__(self) -> Value:
        return self * -1

    def __pow__(self, p: float) -> Value:
        return OPERATORS["**"](self, p=p)

    def __abs__(self) -> Value:
        return OPERATORS["abs"](self)

    def __repr__(self) -> str:
        made = self.op.name if self.op else "leaf"
        return f"Tensor({made}, shape={self.shape}, dtype={self.dtype})"


@dataclass(eq=False)
class Op:
    """An op: `forward` on arrays, and the rule of its derivative, written in ops.

    Arrays in, array out; a Tensor among the inputs, a Tensor out.
    `rule(g, output, inputs, need, **settings)` gives one gradient for each input, None for zero or
    where need is False. It runs on plain arrays for gradients and on Tensors for derivatives of
    derivatives. Non-float arguments (shapes, indices, labels) are settings: constants.
    `tie(links, output, inputs, settings)` states how the rows (channels, features: the first axis)
    of the output depend on those of the inputs; see Links.
    Ops that take parameters have two more rules, both on arrays, for one gradient of each sample:
    `each(g, output, inputs, need, **settings)` gives (n, *shape) for the parameters (the gradient
    in column n of g alone), and `squares(gs, weights, output, inputs, need, **settings)` gives
    sum over k, n of weights[k, n] * each(gs[k])[n]^2, without holding what it sums. They give no
    part for the input number `samples`, which holds the samples.

    `second` says what the op is for second derivatives. All words promise that sample n of the
    output depends on sample n of the inputs alone, where the last axis of both is the samples:

    - "copy": linear in its inputs jointly, every coefficient 0 or 1;
    - "linear": linear in its inputs jointly;
    - "product": linear in each input while the others are constant;
    - "activation": elementwise, by the row of the table that its setting `kind` names;
    - "apart": no more than that promise;
    - None, for an op that says nothing: it may mix samples.

    `squared(h, output, inputs, need, **settings)` gives sum over outputs of h (d output/d input)^2.
    """

    forward: Callable[..., Array]
    rule: Rule
    tie: Callable[..., None] | None = None
    each: Rule | None = None
    squares: Rule | None = None
    second: Second | None = None
    squared: Rule | None = None
    samples: int = 0

    def __post_init__(self) -> None:
        self.name, self.__doc__ = self.forward.__name__.strip("_"), self.forward.__doc__

    def __call__(self, *inputs: Value, **settings: Any) -> Value:
        for x in inputs:
            if isinstance(x, Tensor):
                result = self.forward(*map(value, inputs), **settings)
                return Tensor(result, self, inputs, settings)
        return kernels.noted(self.forward, *inputs, **settings)


class Links(Protocol):
    """What a tie rule may say of an output: how its rows depend on those of its inputs.

    A row is an entry of the first axis: a channel or a feature, that is a unit. A pass over a trace
    gives the six words a meaning: nets/unit_labels.py collects what goes together,
    structure/constants.py what is constant and what is needed.
    """

    def same(self, out: Tensor, *xs: Tensor) -> None:
        """Row k of out comes from row k of each x, and from nothing else."""

    def scale(self, out: Tensor, x: Tensor, s: Tensor) -> None:
        """Row k of out comes from row k of x times s[k], so from nothing of x where s[k] is 0."""

    def spread(self, out: Tensor, x: Tensor, times: int) -> None:
        """Row k of x becomes rows k times ... (k + 1) times - 1 of out."""

    def stack(self, out: Tensor, *xs: Tensor) -> None:
        """The rows of out are those of the xs, one after another."""

    def bind(self, out: Tensor, x: Tensor, groups: int) -> None:
        """Row k of out comes from row k of x, measured by all rows of its group.

        groups: how many runs of rows of equal length.
        """

    def mix(self, out: Tensor, w: Tensor, x: Tensor, groups: int, padded: bool) -> None:
        """Row o of out sums w[o, i] times the rows i of x (of its group of rows).

        padded: zeros are read beyond the edges of x, so a constant row of x is not constant to out.
        """


def rows(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """Row k from row k: elementwise ops, pooling, normalisation."""
    links.same(out, *(x for x in inputs if isinstance(x, Tensor)))


def value(x: Value) -> Array:
    """The array inside, for a Tensor; the array itself otherwise."""
    return x.value if isinstance(x, Tensor) else x


FREED = Op(value, lambda *_: ())  # the op of tensors whose graph grad(..., free=True) has freed


def ancestors(y: Tensor) -> list[Tensor]:
    """All tensors that y was computed from, oldest first, y last; iterative, for long chains"""
    seen, stack = {y}, [y]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor) and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=lambda t: t.order)


def grad(
    y: Tensor,
    wrt: Sequence[Tensor],
    g: Value | None = None,
    *,
    create_graph: bool = False,
    free: bool = False,
) -> list[Value]:
    """The gradients sum(g * dy/dx) for each x in wrt

    Parameters
    ----------
    y : Tensor
        What is differentiated.
    wrt : sequence of Tensor
        In what; zeros for one that y does not depend on.
    g : array or Tensor, optional
        Weights of the entries of y, of its shape; ones unless given.
    create_graph : bool
        Whether the gradients are Tensors that can be differentiated again.
    free : bool
        Whether the graph is freed on the way, which returns memory early; y cannot be
        differentiated again then.

    Returns
    -------
    list
        An array for each x, of its shape; Tensors with create_graph.

    Raises
    ------
    ArgumentError
        Where y or one of wrt is not a Tensor, or the graph was freed.
    ShapeError
        Where g does not have the shape of y.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> x = mp.Tensor(np.array([1.0, 2.0]))
    >>> mp.grad(x**3, [x])[0]
    array([ 3., 12.])
    """
    instance("grad", "y", y, Tensor, "what is computed from a Tensor(x)")
    others = [wrt] if isinstance(wrt, Tensor) else [x for x in wrt if not isinstance(x, Tensor)]
    if others:
        raise ArgumentError(
            f"grad: wrt must be a list of Tensors, not one that is or holds a "
            f"{type(others[0]).__name__}; pass Tensors that y was computed from"
        )
    if g is None:
        g = np.ones_like(y.value)
    if np.shape(value(g)) != y.shape:
        raise ShapeError(
            f"grad: g must be {y.shape}, as y is, not {np.shape(value(g))}; pass np.ones(y.shape)"
        )
    if create_graph and not isinstance(g, Tensor):
        g = Tensor(g)
    targets, wanted = set(wrt), set(wrt)  # wanted: what lies on a path from wrt to y
    nodes = ancestors(y)
    if any(t.op is FREED for t in nodes):
        raise ArgumentError("grad: free=True freed this graph; leave it out, or compute it again")
    for t in nodes:
        if any(isinstance(x, Tensor) and x in wanted for x in t.inputs):
            wanted.add(t)
    grads: dict[Tensor, Value] = {y: g}
    while nodes:
        t = nodes.pop()
        if t.op is None or t not in wanted or t not in grads:
            continue
        g = grads[t] if t in targets else grads.pop(t)
        need = tuple(isinstance(x, Tensor) and x in wanted for x in t.inputs)
        if create_graph:
            parts = t.op.rule(g, t, t.inputs, need, **t.settings)
        else:
            parts = t.op.rule(g, t.value, tuple(map(value, t.inputs)), need, **t.settings)
        for x, part, needed in zip(t.inputs, parts, need, strict=True):
            if needed and part is not None:
                grads[x] = OPERATORS["+"](grads[x], part) if x in grads else part
        if free:
            t.inputs, t.settings, t.op = (), {}, FREED
            wanted.discard(t)  # or its value would live on in there
        del g, parts
    return [grads[x] if x in grads else np.zeros_like(x.value) for x in wrt]
