"""CASES[name](draw): every op of the engine as (function of Tensors, its inputs), small and odd.

Longer than most: it is one table, with what its rows draw.
"""

from collections.abc import Callable, Collection
from typing import Any

import hypothesis.strategies as st
import numpy as np

from minprune import autograd as ag
from minprune.autograd import Op, Tensor
from minprune.core import Array

Case = tuple[Callable[..., Any], list[Array]]
Draw = Callable[..., Any]
sizes = st.integers(1, 4)


def normal(draw: Draw, *shape: int) -> Array:
    return np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)


def spread(draw: Draw, *shape: int) -> Array:
    """Distinct values, far from each other and from 0: for functions with a kink."""
    n = int(np.prod(shape))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.permutation(np.linspace(-2, 2, 2 * n + 1)[1::2] + 1e-2).reshape(shape)


def positive(draw: Draw, *shape: int) -> Array:
    return np.abs(normal(draw, *shape)) + 0.5


def with_zeros(draw: Draw, *shape: int) -> Array:
    x = normal(draw, *shape)
    return np.where(np.abs(x) < 0.5, 0.0, x)


def broadcast_pair(draw: Draw, op: Op, second: Callable[..., Array] = normal) -> Case:
    m, n = draw(sizes), draw(sizes)
    shapes = [(m, n), (1, n), (m, 1), (n,), ()]
    return op, [normal(draw, m, n), second(draw, *draw(st.sampled_from(shapes)))]


def unary(draw: Draw, op: Callable[..., Any], values: Callable[..., Array] = normal) -> Case:
    return op, [values(draw, draw(sizes), draw(sizes))]


def power(draw: Draw) -> Case:
    p = draw(st.sampled_from([0, 1, 2, 3, 0.5, -1]))
    return unary(draw, lambda x: ag.power(x, p=p), positive if p in (0.5, -1) else with_zeros)


def acted(
    draw: Draw, kinds: Collection[str] = ("none", "relu", "leaky_relu", "tanh", "sigmoid")
) -> str:
    return str(draw(st.sampled_from(sorted(kinds))))


SMOOTH = ("none", "tanh", "sigmoid")  # a product of random numbers may fall on a kink


def matmul(draw: Draw) -> Case:
    m, k, n, ta, tb = (
        draw(sizes),
        draw(sizes),
        draw(sizes),
        draw(st.booleans()),
        draw(st.booleans()),
    )
    a, b = normal(draw, *((k, m) if ta else (m, k))), normal(draw, *((n, k) if tb else (k, n)))
    return lambda a, b: ag.matmul(a, b, ta=ta, tb=tb), [a, b]


def affine(draw: Draw) -> Case:
    o, i, n, act = draw(sizes), draw(sizes), draw(sizes), acted(draw, SMOOTH)
    inputs = [normal(draw, o, i), normal(draw, i, n)] + [normal(draw, o)] * draw(st.integers(0, 1))
    return lambda w, x, b=None: ag.affine(w, x, b, act=act), inputs


def windows(draw: Draw) -> dict[str, Any]:
    kernel = draw(st.tuples(*[st.integers(1, 3)] * 2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    return {
        "kernel": kernel,
        "stride": draw(st.tuples(*[st.integers(1, 3)] * 2)),
        "padding": padding,
    }


def image(draw: Draw, c: int, at: dict[str, Any], most: int = 2) -> tuple[int, int, int, int]:
    h, w = (
        k - 2 * p + draw(st.integers(0, most))
        for k, p in zip(at["kernel"], at["padding"], strict=True)
    )
    return c, max(h, 1), max(w, 1), draw(st.integers(1, 2))


def places(shape: tuple[int, ...], at: dict[str, Any]) -> tuple[int, int]:
    oy, ox = (
        (s + 2 * p - k) // t + 1
        for s, p, k, t in zip(shape[1:3], at["padding"], at["kernel"], at["stride"], strict=True)
    )
    return oy, ox


def convolution(draw: Draw) -> dict[str, Any]:
    at = windows(draw)
    groups = draw(st.integers(1, 2))
    i, o = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    shape = image(draw, i, at)
    at["dilation"] = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    extent = [(k - 1) * d + 1 for k, d in zip(at["kernel"], at["dilation"], strict=True)]
    more = draw(st.integers(0, 1))  # at the last edges
    last = tuple(
        max(p + more, e - s - p) for p, e, s in zip(at["padding"], extent, shape[1:3], strict=True)
    )
    oh, ow = (
        (s + p + q - e) // t + 1
        for s, p, q, e, t in zip(shape[1:3], at["padding"], last, extent, at["stride"], strict=True)
    )
    at["padding"] += last
    kernel = at.pop("kernel")
    sides, out = shape[1:3], (oh, ow)
    if draw(st.booleans()):  # a sequence
        at = {"stride": (1, at["stride"][1]), "dilation": (1, at["dilation"][1])} | {
            "padding": (0, at["padding"][1], 0, at["padding"][3])
        }
        kernel, sides, out = kernel[1:], sides[1:], out[1:]
    return {
        "at": at | {"groups": groups},
        "x": (i, *sides, shape[3]),
        "w": (o, i // groups, *kernel),
        "g": (o, *out, shape[3]),
        "kernel": kernel,
    }


def conv2d(draw: Draw) -> Case:
    d, act = convolution(draw), acted(draw, SMOOTH)
    inputs = [normal(draw, *d["x"]), normal(draw, *d["w"])]
    inputs += [normal(draw, d["w"][0])] * draw(st.integers(0, 1))
    return lambda x, w, b=None: ag.conv2d(x, w, b, **d["at"], act=act), inputs


def conv_input(draw: Draw) -> Case:
    d = convolution(draw)
    inputs = [normal(draw, *d["g"]), normal(draw, *d["w"])]
    return lambda g, w: ag.conv_input(g, w, shape=d["x"], **d["at"]), inputs


def conv_weight(draw: Draw) -> Case:
    d = convolution(draw)
    inputs = [normal(draw, *d["g"]), normal(draw, *d["x"])]
    return lambda g, x: ag.conv_weight(g, x, kernel=d["kernel"], **d["at"]), inputs


def pooled(draw: Draw, op: Op, values: Callable[..., Array] = normal) -> Case:
    at = windows(draw)
    return lambda x: op(x, **at), [values(draw, *image(draw, draw(sizes), at))]


def fold(draw: Draw) -> Case:
    at = windows(draw)
    shape = image(draw, draw(sizes), at)
    oh, ow = places(shape, at)
    rows = shape[0] * at["kernel"][0] * at["kernel"][1]
    return lambda z: ag.fold(z, shape=shape, **at), [normal(draw, rows, oh * ow * shape[3])]


def picked(draw: Draw, back: bool) -> Case:
    at = windows(draw)
    shape = image(draw, draw(sizes), at)
    made = ag.max_pool(Tensor(spread(draw, *shape)), **at)
    index = made.settings["index"]
    if back:
        return lambda g: ag.put(g, shape=shape, index=index, **at), [normal(draw, *made.shape)]
    return lambda x: ag.pick(x, index=index, **at), [normal(draw, *shape)]


def spread_out(draw: Draw) -> Case:
    at = windows(draw)
    shape = image(draw, draw(sizes), at)
    g = normal(draw, shape[0], *places(shape, at), shape[3])
    return lambda g: ag.spread(g, shape=shape, **at), [g]


def rows(draw: Draw) -> tuple[int, ...]:
    """(c, ...) with at least three entries a row, so that a variance is well away from 0."""
    return draw(st.sampled_from([(1, 3), (2, 4), (3, 5), (2, 2, 1, 2), (1, 1, 3, 1), (3, 2, 2, 1)]))


def normalise(draw: Draw) -> Case:
    return lambda x: ag.normalise(x, eps=1e-5)[0], [spread(draw, *rows(draw))]


def normalise_groups(draw: Draw) -> Case:
    """At least two entries a group and sample, so that a variance is well away from 0."""
    groups, shape = draw(
        st.sampled_from([(1, (2, 3)), (2, (4, 2)), (3, (3, 2, 2)), (2, (4, 1, 2, 1))])
    )
    x = spread(draw, *shape)
    return lambda x: ag.normalise_groups(x, groups=groups, eps=1e-5), [x]


def normalise_grad(draw: Draw) -> Case:
    shape = rows(draw)
    return ag.normalise_grad, [normal(draw, *shape), normal(draw, *shape), positive(draw, shape[0])]


def scale_shift(draw: Draw) -> Case:
    shape, act = rows(draw), acted(draw, SMOOTH)
    inputs = [normal(draw, *shape), normal(draw, shape[0]), normal(draw, shape[0])]
    return lambda x, a, b: ag.scale_shift(x, a, b, act=act), inputs


def act(draw: Draw) -> Case:
    kind = acted(draw, ag.ACTIVATIONS)
    return lambda x: ag.act(x, kind=kind), [spread(draw, draw(sizes), draw(sizes))]


def act_grad(draw: Draw) -> Case:
    kind, shape = acted(draw), (draw(sizes), draw(sizes))
    inputs = [normal(draw, *shape), spread(draw, *shape)]
    return lambda g, y: ag.act_grad(g, y, kind=kind), inputs


def labelled(draw: Draw) -> Case:
    k, n = draw(sizes), draw(sizes)
    labels = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    return lambda x: ag.cross_entropy(x, labels=labels), [normal(draw, k, n)]


def mse(draw: Draw) -> Case:
    shape = (draw(sizes), draw(sizes))
    y = normal(draw, *shape)
    return lambda x: ag.mse(x, y=y), [normal(draw, *shape)]


def yes_or_no(draw: Draw) -> Case:
    shape = (draw(sizes), draw(sizes))
    y = np.sign(normal(draw, *shape)) / 2 + 0.5
    return lambda x: ag.binary_cross_entropy(x, y=y), [normal(draw, *shape)]


def placed(draw: Draw) -> Case:
    start, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    x = normal(draw, draw(sizes), 2)
    return lambda x: ag.place(x, start=start, rows=start + len(x.value) + after), [x]


def parted(draw: Draw) -> Case:
    n = draw(sizes)
    start = draw(st.integers(0, n - 1))
    stop = draw(st.integers(start + 1, n))
    return lambda x: ag.part(x, start=start, stop=stop), [normal(draw, n, 2)]


def concat(draw: Draw) -> Case:
    return ag.concat, [normal(draw, draw(sizes), 2) for _ in range(draw(st.integers(1, 3)))]


def transposed(draw: Draw) -> Case:
    axes = tuple(draw(st.permutations(range(3))))
    return lambda x: ag.transpose(x, axes=axes), [normal(draw, 1, 2, 3)]


def summed(draw: Draw) -> Case:
    shape = draw(st.sampled_from([(), (3,), (1, 3), (2, 1), (2, 3), (1, 1)]))
    return lambda x: ag.sum_to(x, shape=shape), [normal(draw, 2, 3)]


def expanded(draw: Draw) -> Case:
    shape = draw(st.sampled_from([(), (3,), (1, 3), (2, 1), (2, 3), (1, 1)]))
    return lambda x: ag.expand(x, shape=(2, 3)), [normal(draw, *shape)]


def two_rows(draw: Draw, op: Op) -> Case:
    shape = rows(draw)
    return op, [normal(draw, *shape), normal(draw, *shape)]


CASES: dict[str, Callable[[Draw], Case]] = {
    "add": lambda d: broadcast_pair(d, ag.add),
    "sub": lambda d: broadcast_pair(d, ag.sub),
    "mul": lambda d: broadcast_pair(d, ag.mul),
    "div": lambda d: broadcast_pair(d, ag.div, positive),
    "power": power,
    "exp": lambda d: unary(d, ag.exp),
    "log": lambda d: unary(d, ag.log, positive),
    "absolute": lambda d: unary(d, ag.absolute, spread),
    "clip": lambda d: unary(d, lambda x: ag.clip(x, low=-1.0, high=0.9), spread),
    "sqrt": lambda d: unary(d, ag.sqrt, positive),
    "sigmoid": lambda d: unary(d, ag.sigmoid),
    "softplus": lambda d: unary(d, ag.softplus),
    "act": act,
    "act_grad": act_grad,
    "reshape": lambda d: (lambda x: ag.reshape(x, shape=(3, -1)), [normal(d, 2, 3, d(sizes))]),
    "expand": expanded,
    "sum_to": summed,
    "transpose": transposed,
    "part": parted,
    "place": placed,
    "concat": concat,
    "matmul": matmul,
    "affine": affine,
    "row_sum": lambda d: (ag.row_sum, [normal(d, *rows(d))]),
    "row_dot": lambda d: two_rows(d, ag.row_dot),
    "conv2d": conv2d,
    "conv_input": conv_input,
    "conv_weight": conv_weight,
    "unfold": lambda d: pooled(d, ag.unfold),
    "fold": fold,
    "max_pool": lambda d: pooled(d, ag.max_pool, spread),
    "pick": lambda d: picked(d, back=False),
    "put": lambda d: picked(d, back=True),
    "avg_pool": lambda d: pooled(d, ag.avg_pool),
    "spread": spread_out,
    "normalise": normalise,
    "normalise_grad": normalise_grad,
    "normalise_groups": normalise_groups,
    "scale_shift": scale_shift,
    "softmax": lambda d: unary(d, ag.softmax),
    "cross_entropy": labelled,
    "mse": mse,
    "binary_cross_entropy": yes_or_no,
}
