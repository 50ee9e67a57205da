"""The kernels against slow loops, exact identities and rows worked by hand.

Entries are small integers, so every sum is exact and results are compared for equality.
Long because every kernel has its own loop or row, and they read as one list.
"""

import math
from itertools import product
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_contract import CONTRACT
from test_kernels import IMPLS

from minprune import kernels

pytestmark = pytest.mark.parametrize("impl", IMPLS)


class Integers(cases.Maker):
    """A Maker whose floats are small integers."""

    def floats(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-4, 5, shape).astype(self.dtype)


makers = st.builds(
    lambda data, dtype: Integers(lambda lo, hi: data.draw(st.integers(lo, hi)), dtype),
    st.data(),
    st.sampled_from([np.float32, np.float64]),
)


def cells(kernel, stride, padding, h, w, oy, ox, dilation=(1, 1)):  # type: ignore[no-untyped-def]
    """(offset, iy, ix) of the places of one window that lie inside the image."""
    for y, x in product(range(kernel[0]), range(kernel[1])):
        iy = oy * stride[0] + y * dilation[0] - padding[0]
        ix = ox * stride[1] + x * dilation[1] - padding[1]
        if 0 <= iy < h and 0 <= ix < w:
            yield y * kernel[1] + x, iy, ix


@given(m=makers)
def test_unfold_is_the_loop(impl: Any, m: Integers) -> None:
    x, kernel, stride, padding, dilation, (c, oh, ow, n) = m.spread()
    want = np.zeros((c, kernel[0] * kernel[1], oh, ow, n), x.dtype)
    for k, oy, ox in product(range(c), range(oh), range(ow)):
        for offset, iy, ix in cells(kernel, stride, padding, *x.shape[1:3], oy, ox, dilation):
            want[k, offset, oy, ox] = x[k, iy, ix]
    (got,) = cases.results("unfold", impl, (x, kernel, stride, padding, dilation))
    assert np.array_equal(got, want.reshape(got.shape))


@given(m=makers)
def test_conv2d_is_the_loop(impl: Any, m: Integers) -> None:
    x, w, g, at = m.conv()
    stride, padding, groups, dilation = at.values()
    want = np.zeros(g.shape, x.dtype)
    per_out, per_in = len(w) // groups, len(x) // groups
    for o, oy, ox in product(*(range(k) for k in g.shape[:3])):
        where = cells(w.shape[2:], stride, padding, *x.shape[1:3], oy, ox, dilation)
        for offset, iy, ix in where:
            for i in range(per_in):
                tap = w[o, i].reshape(-1)[offset]
                want[o, oy, ox] += tap * x[o // per_out * per_in + i, iy, ix]
    b = m.floats(len(w))
    want = np.maximum(want + b[:, None, None, None], 0)
    (got,) = cases.results("conv2d", impl, (x, w, b, stride, padding, groups, "relu", dilation))
    assert np.array_equal(got, want)


@given(m=makers)
def test_gradients_of_conv2d_are_its_adjoints(impl: Any, m: Integers) -> None:
    x, w, g, at = m.conv()
    with cases.computing(impl):
        y = kernels.conv2d(x, w, None, **at)
        dx = kernels.conv2d_grad_input(g, w, x.shape, **at)
        dw = kernels.conv2d_grad_weight(g, x, w.shape[2:], **at)
    assert np.vdot(y, g) == np.vdot(x, dx) == np.vdot(w, dw)
    assert dx.shape == x.shape
    assert dw.shape == w.shape


@given(m=makers)
def test_fold_put_and_avg_pool_grad_are_adjoints(impl: Any, m: Integers) -> None:
    z, *spread, _ = m.spread()
    x, *where, out = m.image()
    kernel = where[0]
    g, index = m.floats(*out), m.index(kernel, out)
    with cases.computing(impl):
        cols = kernels.unfold(z, *spread)
        c = m.floats(*cols.shape)
        assert np.vdot(cols, c) == np.vdot(z, kernels.fold(c, z.shape, *spread))
        picked, placed = kernels.pick(x, index, *where), kernels.put(g, index, x.shape, *where)
        assert np.vdot(picked, g) == np.vdot(x, placed)
        size = kernel[0] * kernel[1]  # multiples of it make the means exact
        total = kernels.avg_pool(x * size, *where)
        back = kernels.avg_pool_grad(g * size, x.shape, *where)
        assert np.vdot(total, g) == np.vdot(x, back)


@given(m=makers, odd=st.sampled_from([0.0, np.nan, np.inf, -np.inf]))
def test_pooling_is_the_loop(impl: Any, m: Integers, odd: float) -> None:
    x, kernel, stride, padding, out = m.image()
    x[m.rng.random(x.shape) < 0.2] = odd
    (y, index) = cases.results("max_pool", impl, (x, kernel, stride, padding))
    for k, oy, ox, j in np.ndindex(*out):
        window = [
            (x[k, iy, ix, j], offset)
            for offset, iy, ix in cells(kernel, stride, padding, *x.shape[1:3], oy, ox)
        ]
        nans = [cell for cell in window if math.isnan(cell[0])]
        value, offset = nans[0] if nans else max(window, key=lambda cell: (cell[0], -cell[1]))
        assert np.array_equal(y[k, oy, ox, j], value, equal_nan=True)
        assert index[k, oy, ox, j] == offset
    picked = cases.results("pick", impl, (x, index, kernel, stride, padding))[0]
    assert np.array_equal(picked, y, equal_nan=True)
    (alone,) = cases.results("max_values", impl, (x, kernel, stride, padding))
    assert np.array_equal(alone, y, equal_nan=True)
    if odd == 0.0:
        cols = cases.results("unfold", impl, (x, kernel, stride, padding, (1, 1)))[0]
        want = cols.reshape(len(x), -1, *out[1:]).sum(1) / x.dtype.type(kernel[0] * kernel[1])
        assert np.array_equal(
            cases.results("avg_pool", impl, (x, kernel, stride, padding))[0], want
        )


def test_large_windows_have_exact_indices(impl: Any) -> None:
    x = np.zeros((1, 20, 20, 2), np.float32)
    x[0, 19, 18, 1] = 1.0
    y, index = cases.results("max_pool", impl, (x, (20, 20), (1, 1), (0, 0)))
    assert index.reshape(-1).tolist() == [0, 398]
    assert y.reshape(-1).tolist() == [0.0, 1.0]


@given(m=makers)
def test_products_are_the_loop(impl: Any, m: Integers) -> None:
    o, i, n = m.pick(1, 5), m.pick(1, 5), m.pick(1, 5)
    w, x, b = m.floats(o, i), m.floats(i, n), m.floats(o)
    want = [[sum(w[r, k] * x[k, j] for k in range(i)) for j in range(n)] for r in range(o)]
    for a, c, ta, tb in product((w,), (x,), (False, True), (False, True)):
        args = np.ascontiguousarray(a.T if ta else a), np.ascontiguousarray(c.T if tb else c)
        assert np.array_equal(cases.results("matmul", impl, (*args, ta, tb))[0], want)
    (got,) = cases.results("affine", impl, (w, x, b, "none"))
    assert np.array_equal(got, np.array(want) + b[:, None])


@given(m=makers)
def test_row_kernels_are_their_equations(impl: Any, m: Integers) -> None:
    x = m.rows()
    y, c = m.floats(*x.shape), m.floats(len(x))
    column = c[:, None, None]
    assert np.array_equal(cases.results("row_sum", impl, (x,))[0], [math.fsum(r.flat) for r in x])
    dots = [math.fsum((a * b).flat) for a, b in zip(x, y, strict=True)]
    assert np.array_equal(cases.results("row_dot", impl, (x, y))[0], dots)
    (got,) = cases.results("scale_shift", impl, (x, c, c, "relu"))
    assert np.array_equal(got, np.maximum(x * column + column, 0))
    (got,) = cases.results("scale_shift", impl, (x, None, c, "none"))
    assert np.array_equal(got, x + column)
    (got,) = cases.results("normalise", impl, (x, c, c))
    assert np.array_equal(got, (x - column) * column)
    n = x.shape[-1]
    total = x.dtype.type(math.fsum(((x - y) ** 2).flat) / n)
    (got,) = cases.results("mse", impl, (x, y))
    assert got.shape == ()
    assert got == total


def test_moments_and_normalise_grad_by_hand(impl: Any) -> None:
    x = np.array([[1.0, 2, 3, 4], [5, 5, 5, 5]])
    mean, var = cases.results("moments", impl, (x,))
    assert mean.tolist() == [2.5, 5.0]
    assert var.tolist() == [1.25, 0.0]
    g, xhat = np.array([[4.0, 0, -4, 8]]), np.array([[1.0, -1, 2, 0]])
    # The Jacobian of x -> xhat is inv (1[i = j] - 1/m - xhat_i xhat_j / m).
    jacobian = 2.0 * (np.eye(4) - 0.25 - np.outer(xhat, xhat) / 4)
    (got,) = cases.results("normalise_grad", impl, (g, xhat, np.array([2.0])))
    assert np.array_equal(got, g @ jacobian)


def test_activations_by_hand(impl: Any) -> None:
    x = np.array([-2.0, 0.0, 3.0, np.nan, np.inf, -np.inf])
    want = {
        "none": x,
        "relu": [0, 0, 3, np.nan, np.inf, 0],
        "leaky_relu": [-0.02, 0, 3, np.nan, np.inf, -np.inf],
        "tanh": [np.tanh(-2.0), 0, np.tanh(3.0), np.nan, 1, -1],
    }
    for kind, y in want.items():
        (got,) = cases.results("act", impl, (x, kind))
        assert np.array_equal(got, y, equal_nan=True), kind
    (got,) = cases.results("act", impl, (np.array([0.0, np.nan, np.inf, -np.inf, -800]), "sigmoid"))
    assert np.array_equal(got, [0.5, np.nan, 1, 0, 0], equal_nan=True)
    g, y = np.array([8.0, 8, 8]), np.array([-0.5, 0.0, 0.5])
    slopes = {"none": [8, 8, 8], "relu": [0, 0, 8], "leaky_relu": [0.08, 0.08, 8]}
    slopes |= {"tanh": [6, 8, 6], "sigmoid": [-6, 0, 2]}
    for kind, dx in slopes.items():
        assert np.array_equal(cases.results("act_grad", impl, (g, y, kind))[0], dx), kind


def test_erf_by_hand(impl: Any) -> None:
    x = np.array([0.0, 0.5, 1.0, 2.0, 30.0, np.inf])
    want = [0.0, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 1.0, 1.0]
    for dtype in (np.float32, np.float64):
        (got,) = cases.results("erf", impl, (x.astype(dtype),))
        (below,) = cases.results("erf", impl, (-x.astype(dtype),))
        assert got.dtype == dtype
        assert (np.abs(got - want) <= 4 * np.finfo(dtype).eps * np.array(want)).all()
        assert (got == -below).all()
    (got,) = cases.results("erf", impl, (np.full((2, 1, 3), np.nan),))
    assert got.shape == (2, 1, 3)
    assert np.isnan(got).all()


def test_losses_by_hand(impl: Any) -> None:
    f = np.finfo(np.float64)
    x = np.array([[1000.0, 0.0], [0.0, math.log(3.0)]])
    (p,) = cases.results("softmax", impl, (x,))
    (off,) = CONTRACT["softmax"].bound(f, x)
    assert (np.abs(p - [[1, 0.25], [0, 0.75]]) <= off + f.eps).all()
    for labels, want in (([0, 0], math.log(4) / 2), ([1, 1], (1000 + math.log(4 / 3)) / 2)):
        args = x, np.array(labels)
        (loss,) = cases.results("cross_entropy", impl, args)
        (off,) = CONTRACT["cross_entropy"].bound(f, *args)
        assert loss.shape == ()
        assert abs(loss - want) <= off + f.eps * want
    y = np.array([[1.0, 2], [3, 4], [5, 6]])
    (loss,) = cases.results("mse", impl, (y, np.zeros_like(y)))
    assert loss == (1 + 9 + 25 + 4 + 16 + 36) / 2  # sums over the outputs, mean over the samples


@given(m=makers)
def test_smallest_is_sorted_order_with_the_higher_index_first(impl: Any, m: Integers) -> None:
    values = np.array([-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf], m.dtype)
    x = m.rng.choice(values, (m.pick(1, 6), m.pick(1, 6)))
    k = m.pick(0, x.size)
    order = sorted(range(x.size), key=lambda j: (x.flat[j], -j))
    (got,) = cases.results("smallest", impl, (x, k))
    assert got.shape == x.shape
    assert np.flatnonzero(got).tolist() == sorted(order[:k])


def test_smallest_of_many(impl: Any) -> None:
    x = np.round(np.random.default_rng(0).standard_normal(20_000), 1).astype(np.float32)
    order = sorted(range(x.size), key=lambda j: (x[j], -j))
    for k in (1, 9_000, 19_999):
        (got,) = cases.results("smallest", impl, (x, k))
        assert np.flatnonzero(got).tolist() == sorted(order[:k])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 2, 3, 5), (7, 130), (6,), (40, 33), (8, 0)])
@pytest.mark.parametrize("count", [0, 1, 4, 16, 37])
def test_gather_last_is_the_loop(impl: Any, count: int, shape: tuple[int, ...], dtype: Any) -> None:
    x = np.arange(math.prod(shape), dtype=dtype).reshape(shape)
    index = (np.arange(count) * 5 % 6).astype(np.uint8)
    (got,) = cases.results("gather_last", impl, (x, index))
    assert got.flags.c_contiguous
    assert got.shape == (*shape[1:], count)
    for j, k in enumerate(index):
        assert np.array_equal(got[..., j], x[k])


def test_sgd_by_hand(impl: Any) -> None:
    w, g, mask = np.array([1.0, 2.0, np.inf]), np.array([4.0, -2.0, np.nan]), np.array([1, 1, 0])
    mask = mask.astype(bool)
    # plain: w - (g + w) / 4
    assert cases.results("sgd_step", impl, (w, g, None, mask, 0.25, 0.0, False, 1.0))[
        0
    ].tolist() == [-0.25, 2.0, 0.0]
    v = np.array([8.0, 0.0, np.nan])
    new_w, new_v = cases.results("sgd_step", impl, (w, g, v, mask, 0.25, 0.5, False, 1.0))
    assert new_v.tolist() == [9.0, 0.0, 0.0]  # 8/2 + (4 + 1), 0/2 + (-2 + 2)
    assert new_w.tolist() == [1 - 9 / 4, 2.0, 0.0]
    new_w, new_v = cases.results("sgd_step", impl, (w, g, v, mask, 0.25, 0.5, True, 1.0))
    assert new_v.tolist() == [9.0, 0.0, 0.0]
    assert new_w.tolist() == [1 - (5 + 9 / 2) / 4, 2.0, 0.0]


def test_adam_by_hand(impl: Any) -> None:
    """At step 1, from zeros and without eps, the step is lr * sign(g), whatever the betas."""
    w, g, zero = np.array([1.0, 2.0, 7.0]), np.array([4.0, -8.0, 1.0]), np.zeros(3)
    mask = np.array([True, True, False])
    new = cases.results(
        "adam_step", impl, (w, g, zero, zero, mask, 0.25, 0.5, 0.75, 0.0, 0.0, False, 1)
    )
    assert [a.tolist() for a in new] == [[0.75, 2.25, 0.0], [2.0, -4.0, 0.0], [4.0, 16.0, 0.0]]
    args = (w, g, zero, zero, mask, 0.25, 0.5, 0.75, 0.0, 0.5, True, 1)
    assert cases.results("adam_step", impl, args)[0].tolist() == [1 - 1 / 8 - 1 / 4, 2.0, 0.0]
