"""The door to matrix products, activations, row reductions and normalisation.

x (c, ...) means: the first axis is the channel, all others are one long row; (features, n) too.
All raise ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

from minprune.core import Array
from minprune.errors import ShapeError
from minprune.kernels.checks import ANY, MATRIX, ROWS, VECTOR, expect, known_act, ready, some
from minprune.kernels.choice import impl
from minprune.kernels.workspace import empty

PER_ROW = "one per row of x"


def affine(w: Array, x: Array, b: Array | None = None, act: str = "none") -> Array:
    """out[o, n] = act(sum_i w[o, i] * x[i, n] + b[o])

    w: (o, i), x: (i, n), b: (o,) or None -> (o, n). act: see `act`.
    """
    x = ready("affine", "x", x, MATRIX)
    w = ready("affine", "w", w, MATRIX, x)
    o, i = w.shape
    if x.shape[0] != i:
        expect("affine", "x", x, (i, x.shape[1]), f"the inputs of w {w.shape}")
    if b is not None:
        b = ready("affine", "b", b, VECTOR, x)
        expect("affine", "b", b, (o,), "one per row of w")
    known_act("affine", act)
    out = empty((o, x.shape[1]), x.dtype)
    impl().affine(w, x, b, act, out)
    return out


def matmul(a: Array, b: Array, transpose_a: bool = False, transpose_b: bool = False) -> Array:
    """out[m, p] = sum_n a[m, n] * b[n, p]      a or b given transposed where it says so"""
    a = ready("matmul", "a", a, MATRIX)
    b = ready("matmul", "b", b, MATRIX, a, "a")
    a = a.T if transpose_a else a
    b = b.T if transpose_b else b
    if a.shape[1] != b.shape[0]:
        raise ShapeError(
            f"matmul: a is {a.shape}, b is {b.shape}, after transposing, and the inner sizes "
            f"differ; check transpose_a and transpose_b"
        )
    out = empty((a.shape[0], b.shape[1]), a.dtype)
    impl().matmul(a, b, out)
    return out


def act(x: Array, kind: str) -> Array:
    """none: x    relu: max(x, 0)    leaky_relu: x or 0.01 x    tanh    sigmoid: 1/(1+exp(-x))

    Any shape. NaN stays NaN.
    """
    x = ready("act", "x", x, ANY)
    known_act("act", kind)
    out = empty(x.shape, x.dtype)
    impl().act(x, kind, out)
    return out


def act_grad(g: Array, out: Array, kind: str) -> Array:
    """g * act'(x), written in the output out = act(x)

    relu: out > 0    leaky_relu: 1 or 0.01    tanh: 1 - out**2    sigmoid: out * (1 - out)
    Any shape. At x = 0 the derivative of relu is 0, of leaky_relu 0.01.
    """
    out = ready("act_grad", "out", out, ANY)
    g = ready("act_grad", "g", g, ANY, out, "out")
    expect("act_grad", "g", g, out.shape, "the shape of out")
    known_act("act_grad", kind)
    dx = empty(g.shape, g.dtype)
    impl().act_grad(g, out, kind, dx)
    return dx


def erf(x: Array) -> Array:
    """out = 2/sqrt(pi) * integral of exp(-t**2) from 0 to x      any shape; NaN stays NaN"""
    x = ready("erf", "x", x, ANY)
    out = empty(x.shape, x.dtype)
    impl().erf(x, out)
    return out


def scale_shift(x: Array, scale: Array | None, shift: Array, kind: str = "none") -> Array:
    """out[c, ...] = act(x[c, ...] * scale[c] + shift[c])

    x: (c, ...), scale: (c,) or None for ones, shift: (c,) -> the shape of x. kind: see `act`.
    """
    x = ready("scale_shift", "x", x, ROWS)
    shift = ready("scale_shift", "shift", shift, VECTOR, x)
    expect("scale_shift", "shift", shift, x.shape[:1], PER_ROW)
    if scale is not None:
        scale = ready("scale_shift", "scale", scale, VECTOR, x)
        expect("scale_shift", "scale", scale, x.shape[:1], PER_ROW)
    known_act("scale_shift", kind)
    out = empty(x.shape, x.dtype)
    impl().scale_shift(x, scale, shift, kind, out)
    return out


def row_sum(x: Array) -> Array:
    """out[c] = sum x[c, ...]      x: (c, ...) -> (c,)"""
    x = ready("row_sum", "x", x, ROWS)
    out = empty(x.shape[:1], x.dtype)
    impl().row_sum(x, out)
    return out


def row_dot(a: Array, b: Array) -> Array:
    """out[c] = sum a[c, ...] * b[c, ...]      a, b: (c, ...) -> (c,)"""
    a = ready("row_dot", "a", a, ROWS)
    b = ready("row_dot", "b", b, ROWS, a, "a")
    expect("row_dot", "b", b, a.shape, "the shape of a")
    out = empty(a.shape[:1], a.dtype)
    impl().row_dot(a, b, out)
    return out


def moments(x: Array) -> tuple[Array, Array]:
    """mean[c] = mean x[c, ...]      var[c] = mean (x[c, ...] - mean[c])**2

    x: (c, ...) -> mean, var: (c,). Two passes; biased: the divisor is the count.
    """
    x = ready("moments", "x", x, ROWS)
    some("moments", "x", x)
    mean, var = empty(x.shape[:1], x.dtype), empty(x.shape[:1], x.dtype)
    impl().moments(x, mean, var)
    return mean, var


def normalise(x: Array, mean: Array, inv: Array) -> Array:
    """out[c, ...] = (x[c, ...] - mean[c]) * inv[c]      x: (c, ...), mean, inv: (c,)"""
    x = ready("normalise", "x", x, ROWS)
    mean = ready("normalise", "mean", mean, VECTOR, x)
    inv = ready("normalise", "inv", inv, VECTOR, x)
    expect("normalise", "mean", mean, x.shape[:1], PER_ROW)
    expect("normalise", "inv", inv, x.shape[:1], PER_ROW)
    out = empty(x.shape, x.dtype)
    impl().normalise(x, mean, inv, out)
    return out


def normalise_grad(g: Array, xhat: Array, inv: Array) -> Array:
    """out = inv * (g - mean(g) - xhat * mean(g * xhat))      means per row

    g, xhat: (c, ...), inv: (c,) -> the shape of g. xhat: the output of normalise on the batch
    whose own moments it used. Source: Ioffe, Szegedy (2015), Batch Normalization, section 3.
    """
    g = ready("normalise_grad", "g", g, ROWS)
    xhat = ready("normalise_grad", "xhat", xhat, ROWS, g, "g")
    inv = ready("normalise_grad", "inv", inv, VECTOR, g, "g")
    some("normalise_grad", "g", g)
    expect("normalise_grad", "xhat", xhat, g.shape, "the shape of g")
    expect("normalise_grad", "inv", inv, g.shape[:1], "one per row of g")
    out = empty(g.shape, g.dtype)
    impl().normalise_grad(g, xhat, inv, out)
    return out
