"""How far off each kernel may be, derived: bound(f, *args) -> one array per result, long double.

u is half the spacing at 1 (f = np.finfo of the dtype). gamma(k) = k u / (1 - k u) bounds the
relative error of k roundings in any order, so a sum of k products s = sum a b has
|computed - s| <= gamma(k) sum |a| |b|; fused multiply-adds only round less. tanh, exp, log of the
libraries are trusted to 4 ulp (8 u). Inputs are finite; args are all arguments of the kernel.
Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, sections 3.1 to 3.4.
"""

from typing import Any

import numpy as np
from twins import ref

from minprune.core import Array

Wide = np.longdouble
FUNCTION = 8  # roundings that a call of tanh, exp or log counts for


def gamma(k: int, f: Any) -> Any:
    """k u / (1 - k u)      the relative error of k roundings"""
    ku = k * Wide(f.eps) / 2
    return ku / (1 - ku)


def within(k: int, total: Array, f: Any) -> Array:
    """gamma(k) * total, and k times the least normal number for what underflows"""
    bound: Array = gamma(k, f) * total + k * Wide(f.tiny)
    return bound


def size(a: Array | None) -> Array:
    """|a| in long double; zeros for None, which then broadcast"""
    wide: Array = np.zeros(1, Wide) if a is None else np.abs(a.astype(Wide))
    return wide


def definition(name: str, *args: Any, shape: tuple[int, ...]) -> Array:
    """The definition in long double; shape: that of the result."""
    out = np.empty(shape, Wide)
    getattr(ref, name)(*args, out)
    return out


def after_act(kind: str, z: Array, e: Array, f: Any) -> Array:
    """The error of act(z), given the error e of z: its slope is at most 1, of sigmoid 1/4"""
    if kind == "leaky_relu":  # the slope is rounded, the product too
        return e + within(3, np.abs(z) + e, f)
    if kind == "tanh":
        return e + within(FUNCTION, np.minimum(np.abs(z) + e, 1), f)
    if kind == "sigmoid":  # exp twice, a sum, a quotient
        y = definition("act", z, kind, shape=z.shape)
        return e / 4 + within(2 * FUNCTION + 2, y + e / 4, f)
    return e


def conv2d(f: Any, x, w, b, stride, padding, groups, kind, dilation) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(i/groups*ky*kx + 1) conv2d(|x|, |w|, |b|), then act"""
    shape = (len(w), *places(x.shape, w.shape[2:], stride, padding, dilation), x.shape[3])
    total = definition(
        "conv2d", size(x), size(w), size(b) if b is not None else None, stride, padding, groups,
        "none", dilation, shape=shape,
    )  # fmt: skip
    wide = [None if a is None else a.astype(Wide) for a in (x, w, b)]
    z = definition("conv2d", *wide, stride, padding, groups, "none", dilation, shape=shape)
    return (after_act(kind, z, within(w[0].size + 1, total, f), f),)


def conv2d_grad_input(  # type: ignore[no-untyped-def]
    f: Any, g, w, shape, stride, padding, groups, dilation
) -> tuple[Array]:
    """gamma(o/groups*ky*kx) conv2d_grad_input(|g|, |w|)"""
    args = size(g), size(w), shape, stride, padding, groups, dilation
    total = definition("conv2d_grad_input", *args, shape=shape)
    return (within(len(w) // groups * w[0, 0].size, total, f),)


def conv2d_grad_weight(  # type: ignore[no-untyped-def]
    f: Any, g, x, kernel, stride, padding, groups, dilation
) -> tuple[Array]:
    """gamma(oh*ow*n) conv2d_grad_weight(|g|, |x|)"""
    args, shape = (
        (size(g), size(x), kernel, stride, padding, groups, dilation),
        (len(g), len(x) // groups, *kernel),
    )
    return (within(g[0].size, definition("conv2d_grad_weight", *args, shape=shape), f),)


def spread(name: str, f: Any, g, *args) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(ky*kx + 1) kernel(|g|)      fold, put, avg_pool_grad: args end in shape, kernel, ..."""
    shape, kernel = args[1:3] if name == "put" else args[:2]
    total = definition(name, size(g), *args, shape=shape)
    return (within(kernel[0] * kernel[1] + 1, total, f),)


def avg_pool(f: Any, x, kernel, stride, padding) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(ky*kx + 1) avg_pool(|x|)"""
    shape = (len(x), *places(x.shape, kernel, stride, padding), x.shape[3])
    total = definition("avg_pool", size(x), kernel, stride, padding, shape=shape)
    return (within(kernel[0] * kernel[1] + 1, total, f),)


def affine(f: Any, w, x, b, kind) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(i + 1) (|w| |x| + |b|), then act"""
    z = w.astype(Wide) @ x.astype(Wide) + (0 if b is None else b.astype(Wide)[:, None])
    total = size(w) @ size(x) + size(b)[:, None]
    return (after_act(kind, z, within(w.shape[1] + 1, total, f), f),)


def matmul(f: Any, a, b, transpose_a, transpose_b) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(n) |a| |b|"""
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    return (within(a.shape[1], size(a) @ size(b), f),)


def act(f: Any, x, kind) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """That of the function alone: x has no error"""
    return (after_act(kind, x.astype(Wide), np.zeros(x.shape, Wide), f),)


def erf(f: Any, x) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(8) |erf(x)|"""
    return (within(FUNCTION, np.abs(definition("erf", x.astype(Wide), shape=x.shape)), f),)


def act_grad(f: Any, g, y, kind) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(3) |g| |1 or 1 + y^2 or y (1 + y)|      relu only copies"""
    slope = {"leaky_relu": 1, "tanh": 1 + size(y) ** 2, "sigmoid": size(y) * (1 + size(y))}
    return (within(3, size(g) * slope[kind], f) if kind in slope else np.zeros(g.shape, Wide),)


def scale_shift(f: Any, x, scale, shift, kind) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(2) (|x scale| + |shift|), then act"""
    scale = np.ones_like(shift) if scale is None else scale
    a, c = ref.column(scale.astype(Wide), x), ref.column(shift.astype(Wide), x)
    e = within(2, np.abs(x * a) + np.abs(c), f)
    return (after_act(kind, x * a + c, e, f),)


def noisy(f: Any, mean, variance, words, table, eps) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(5) (|mean| + sqrt(variance + eps) |e|)      eps is rounded, too"""
    scale = np.sqrt(size(variance) + Wide(eps))
    return (within(5, size(mean) + scale * size(table)[words], f),)


def noisy_grad(f: Any, g, variance, words, table, eps) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(6) |g e| / (2 sqrt(variance + eps))"""
    d = size(table)[words] / (2 * np.sqrt(size(variance) + Wide(eps)))
    return (within(6, size(g) * d, f) + f.tiny * size(g),)


def row_sum(f: Any, x) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(m + 2) sum |x|"""
    return (within(x[0].size + 2, size(x).reshape(len(x), -1).sum(1), f),)


def row_dot(f: Any, a, b) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(m + 2) sum |a b|"""
    return row_sum(f, size(a) * size(b))


def moments(f: Any, x) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
    """e = gamma(m + 2) mean |x|      var: gamma(m + 5) (var + e^2) + e^2

    Around a mean that is off by e, the mean square is var + e^2.
    """
    rows = x.reshape(len(x), -1).astype(Wide)
    m = rows.shape[1]
    e = within(m + 2, np.abs(rows).mean(1), f)
    return e, within(m + 5, rows.var(1) + e**2, f) + e**2


def normalise(f: Any, x, mean, inv) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(2) |x - mean| |inv|"""
    centred = x.astype(Wide) - ref.column(mean, x)
    return (within(2, np.abs(centred * ref.column(inv, x)), f) + f.tiny * ref.column(size(inv), x),)


def normalise_grad(f: Any, g, xhat, inv) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(m + 8) |inv| (|g| + mean |g| + |xhat| mean |g xhat|)"""
    axes, a, b = tuple(range(1, g.ndim)), size(g), size(xhat)
    k = ref.column(size(inv), g)
    total = a + a.mean(axes, keepdims=True) + b * (a * b).mean(axes, keepdims=True)
    return (within(g[0].size + 8, k * total, f) + (g[0].size + 8) * f.tiny * k * (1 + b),)


def exponentials(f: Any, x) -> tuple[Array, Array, Array, Array]:  # type: ignore[no-untyped-def]
    """d = top - x    s = sum exp(-d)    the relative errors: of exp, exp(u (d + 8)) - 1; of s"""
    d = x.astype(Wide).max(0) - x.astype(Wide)
    e = np.exp(-d)
    off = np.expm1(Wide(f.eps) / 2 * (d + FUNCTION))
    s = e.sum(0)
    return d, s, off, (1 + (e * off).sum(0) / s) * (1 + gamma(len(x), f)) - 1 + len(x) * f.tiny


def softmax(f: Any, x) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """p ((1 + error of exp) (1 + u) / (1 - error of sum) - 1)"""
    d, s, off, off_sum = exponentials(f, x)
    return (np.exp(-d) / s * ((1 + off) * (1 + gamma(1, f)) / (1 - off_sum) - 1) + 2 * f.tiny,)


def cross_entropy(f: Any, x, labels) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """mean (error of log s + gamma(n + 11) (|log s| + top - x[label]))"""
    d, s, _, off = exponentials(f, x)
    terms = np.log(s) + d[labels, np.arange(x.shape[1])]
    return (np.mean(off / (1 - off)) + within(x.shape[1] + FUNCTION + 3, terms.mean(), f),)


def mse(f: Any, x, y) -> tuple[Array]:  # type: ignore[no-untyped-def]
    """gamma(size + 4) mse"""
    return (within(x.size + 4, definition("mse", x.astype(Wide), y.astype(Wide), shape=()), f),)


def sgd_step(  # type: ignore[no-untyped-def]
    f: Any, w, g, v, mask, lr, momentum, nesterov, weight_decay
) -> tuple[Array, ...]:
    """v: gamma(5) q, q = mu |v| + d, d = |g| + wd |w|      w: gamma(9) (|w| + lr step)

    step: d without v, q with it, d + mu q for Nesterov.
    """
    live = 1 if mask is None else mask
    d = size(g) + weight_decay * size(w)
    moved = d if v is None else momentum * size(v) + d
    step = d + momentum * moved if nesterov and v is not None else moved
    of_w = live * within(9, size(w) + lr * step, f)
    return (of_w,) if v is None else (of_w, live * within(5, moved, f))


def adam_step(  # type: ignore[no-untyped-def]
    f: Any, w, g, m, s, mask, lr, beta1, beta2, eps, weight_decay, decoupled, step
) -> tuple[Array, ...]:
    """m: gamma(6) (b1 |m| + (1-b1) d)      s: gamma(10) (b2 s + (1-b2) d^2)      d = |g| + wd |w|

    w: through the quotient. A root is off by at most min(sqrt(e), e / sqrt(s)) when s is off by e.
    """
    live = 1 if mask is None else mask
    wide = [a.astype(Wide) for a in (w, g, m, s)]
    after = [a.copy() for a in wide]
    rest = lr, beta1, beta2, eps, weight_decay, decoupled, step
    ref.adam_step(after[0], after[1], after[2], after[3], None, *rest)
    d = size(g) + (0 if decoupled else weight_decay) * size(w)
    e_m = within(6, beta1 * size(m) + (1 - beta1) * d, f)
    e_s = within(10, beta2 * size(s) + (1 - beta2) * d**2, f)
    root = np.sqrt(after[3])
    e_root = np.minimum(np.sqrt(e_s), e_s / np.maximum(root, np.sqrt(e_s)))
    unbias = Wide((1 - beta2**step) ** 0.5)
    below = root / unbias + eps
    e_below = e_root / unbias + within(6, below, f)
    quotient = np.abs(after[2]) / below
    left = below - e_below
    e_quotient = np.where(left > 0, (e_m + quotient * e_below) / np.maximum(left, f.tiny), np.inf)
    rate = lr / (1 - beta1**step)
    e_w = rate * e_quotient + within(8, size(w) + rate * (quotient + e_quotient), f)
    return tuple(np.where(live, e, 0) for e in (e_w, e_m, e_s))


def places(
    shape: tuple[int, ...], window: Any, stride: Any, padding: Any, dilation: Any = (1, 1)
) -> tuple[int, int]:
    """(oh, ow) = (size + paddings - (kernel - 1) dilation - 1) // stride + 1"""
    sides = [shape[k + 1] + padding[k] + padding[k - 2] for k in (0, 1)]
    oh, ow = ((sides[k] - (window[k] - 1) * dilation[k] - 1) // stride[k] + 1 for k in (0, 1))
    return oh, ow


def exact(*_: Any) -> tuple[int, int]:
    """0: entries are copied or compared, never rounded"""
    return (0, 0)
