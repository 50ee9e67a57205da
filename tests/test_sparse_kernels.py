"""The sparse kernels against the dense masked product, in every path.

test_kernels.py holds them to their bounds, case by case, as it does the dense kernels. Long because
every family has its own loop or row, and they read as one list.
"""

from itertools import product
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
import sparse_cases
from hypothesis import given
from hypothesis import strategies as st
from kernel_contract import CONTRACT, bytes_moved
from test_kernel_oracles import Integers
from test_kernels import IMPLS

from minprune import kernels
from minprune.sparse.nofm import as_csr, columns_of

makers = st.builds(
    lambda data, dtype: Integers(lambda lo, hi: data.draw(st.integers(lo, hi)), dtype),
    st.data(),
    st.sampled_from([np.float32, np.float64]),
)
every_impl = pytest.mark.parametrize("impl", IMPLS)


@every_impl
@given(m=makers)
def test_csr_is_the_masked_dense_product(impl: Any, m: Integers) -> None:
    rows, n, p = m.pick(0, 9), m.pick(0, 9), m.pick(0, 9)
    a, x, g, b = m.floats(rows, n), m.floats(n, p), m.floats(rows, p), m.floats(rows)
    mask = sparse_cases.a_mask(m, rows, n)
    a[~mask] = 0
    values, index = a[mask], sparse_cases.csr(mask)
    with cases.computing(impl):
        turned = kernels.csr_transpose(*index, n)
        for got, want in zip(turned, sparse_cases.turned(mask), strict=True):
            assert np.array_equal(got, want)
        assert np.array_equal(kernels.csr_matmul(values, *index, x), a @ x)
        y = kernels.csr_matmul(values, *index, x, b, "relu")
        assert np.array_equal(y, np.maximum(a @ x + b[:, None], 0))
        assert np.array_equal(kernels.csr_matmul_t(values, *turned, g), a.T @ g)
        assert np.array_equal(kernels.csr_sampled(*index, g, x), (g @ x.T)[mask])
        v = m.floats(n)
        assert np.array_equal(kernels.csr_matvec(values, *index, v), a @ v)


def shuffled(m: Integers, rows: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """columns and row_start with equal places, in any order, and the row of each entry"""
    at = np.sort(m.rng.integers(0, rows, m.pick(0, 12)))
    columns = m.rng.integers(0, n, at.size).astype(np.uint32)
    return columns, np.searchsorted(at, np.arange(rows + 1)).astype(np.uint32), at


@every_impl
@given(m=makers)
def test_entries_may_come_in_any_order_and_equal_places_add_up(impl: Any, m: Integers) -> None:
    rows, n = m.pick(1, 3), m.pick(1, 4)
    columns, starts, at = shuffled(m, rows, n)
    values, x, g = m.floats(at.size), m.floats(n, 3), m.floats(rows, 3)
    a = np.zeros((rows, n), m.dtype)
    np.add.at(a, (at, columns), values)
    with cases.computing(impl):
        assert np.array_equal(kernels.csr_matmul(values, columns, starts, x), a @ x)
        assert np.array_equal(kernels.csr_matvec(values, columns, starts, x[:, 0]), a @ x[:, 0])
        turned = kernels.csr_transpose(columns, starts, n)
        assert np.array_equal(kernels.csr_matmul_t(values, *turned, g), a.T @ g)
        assert np.array_equal(kernels.csr_sampled(columns, starts, g, x), (g @ x.T)[at, columns])
        image = m.floats(1, 3, n + 1, (1, 8, 17)[m.pick(0, 2)])  # A as filters (rows, 1, 1, n)
        kernel, dense = (1, n), a.reshape(rows, 1, 1, n)
        y = kernels.csr_conv2d(values, columns, starts, kernel, image)
        back = m.floats(*y.shape)
        assert np.array_equal(y, kernels.conv2d(image, dense))
        dx = kernels.csr_conv2d_grad_input(values, columns, starts, kernel, back, image.shape)
        assert np.array_equal(dx, kernels.conv2d_grad_input(back, dense, image.shape))
        dw = kernels.csr_conv2d_grad_weight(columns, starts, kernel, back, image)
        want = kernels.conv2d_grad_weight(back, image, kernel).reshape(rows, n)
        assert np.array_equal(dw, want[at, columns])


@every_impl
@given(m=makers)
def test_blocks_may_come_in_any_order_too(impl: Any, m: Integers) -> None:
    """More of them in a row than the matrix has columns."""
    size, down, across = m.pick(1, 4), m.pick(1, 3), m.pick(1, 3)
    shape = down * size - m.pick(0, size - 1), across * size - m.pick(0, size - 1)
    columns, starts, at = shuffled(m, down, across)
    places = [
        (y, z)
        for r, c in zip(at.tolist(), columns.tolist(), strict=True)
        for y in range(r * size, min((r + 1) * size, shape[0]))
        for z in range(c * size, min((c + 1) * size, shape[1]))
    ]
    values, x, g = m.floats(len(places)), m.floats(shape[1], 3), m.floats(shape[0], 3)
    a = np.zeros(shape, m.dtype)
    for place, value in zip(places, values, strict=True):
        a[place] += value
    with cases.computing(impl):
        for p in (1, 3):
            y = kernels.block_matmul(values, columns, starts, size, shape, x[:, :p])
            assert np.array_equal(y, a @ x[:, :p])
        turned = kernels.csr_transpose(columns, starts, across)
        assert np.array_equal(kernels.block_matmul_t(values, *turned, size, shape, g), a.T @ g)
        slope = kernels.block_sampled(columns, starts, size, values.size, g, x)
    assert slope.tolist() == [(g @ x.T)[place] for place in places]


def products_of_blocks(
    impl: Any, m: Integers, blocks: np.ndarray, size: int, shape: tuple[int, int], p: int
) -> None:
    """All three products with these blocks, against the dense matrix"""
    rows, n = shape
    dense, places = np.zeros(shape, m.dtype), []
    for r, c in zip(*np.nonzero(blocks), strict=True):
        for y in range(r * size, min((r + 1) * size, rows)):
            places += [(y, z) for z in range(c * size, min((c + 1) * size, n))]
    values = m.floats(len(places))
    for place, value in zip(places, values, strict=True):
        dense[place] = value
    x, g, index = m.floats(n, p), m.floats(rows, p), sparse_cases.csr(blocks)
    b = m.floats(rows)
    with cases.computing(impl):
        y = kernels.block_matmul(values, *index, size, shape, x, b, "relu")
        back = kernels.block_matmul_t(values, *sparse_cases.turned(blocks), size, shape, g)
        slope = kernels.block_sampled(*index, size, values.size, g, x)
    assert np.array_equal(y, np.maximum(dense @ x + b[:, None], 0))
    assert np.array_equal(back, dense.T @ g)
    assert slope.tolist() == [(g @ x.T)[place] for place in places]


@every_impl
@given(m=makers)
def test_blocks_are_the_masked_dense_product(impl: Any, m: Integers) -> None:
    rows, n, p, size = m.pick(0, 11), m.pick(0, 11), m.pick(0, 5), m.pick(1, 5)
    blocks = sparse_cases.a_mask(m, -(-rows // size), -(-n // size))
    products_of_blocks(impl, m, blocks, size, (rows, n), p)


@every_impl
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", sparse_cases.SIDES)
def test_every_side_of_a_block_whole_and_cut(impl: Any, size: int, dtype: Any) -> None:
    """Some sides have loops of their own, for one sample or four rows."""
    m = Integers(cases.drawn(np.random.default_rng(size)), dtype)
    for cut_rows, cut_columns, p in product((0, size // 2), (0, size // 2), (1, 2, 65)):
        shape = 3 * size - cut_rows, 3 * size - cut_columns
        products_of_blocks(impl, m, np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1]]) > 0, size, shape, p)


@every_impl
@given(m=makers)
def test_n_of_m_is_the_masked_dense_product(impl: Any, m: Integers) -> None:
    rows, n, p = m.pick(0, 5), m.pick(0, 20), m.pick(0, 5)
    keep, group = sparse_cases.GROUPS[m.pick(0, 6)]
    positions, count = sparse_cases.packed(m, rows, keep, group, n)
    values, x, g = m.floats(rows * count), m.floats(n, p), m.floats(rows, p)
    columns, index = columns_of(positions, keep, group, n), as_csr(positions, keep, group, n)
    with cases.computing(impl):
        y = kernels.csr_matmul(values, *index, x)
        back = kernels.csr_matmul_t(values, *kernels.csr_transpose(*index, n), g)
        slope = kernels.csr_sampled(*index, g, x)
    dense = np.zeros((rows, n), m.dtype)
    np.put_along_axis(dense, columns.astype(int), values.reshape(rows, count), 1)
    for first in range(0, n, group):  # so many of each group, in climbing order
        inside = (columns >= first) & (columns < first + group)
        assert (inside.sum(1) == min(keep, n - first)).all()
    dense, x, g = (a.astype(int) for a in (dense, x, g))  # exact, and without BLAS
    assert np.array_equal(y, dense @ x)
    assert np.array_equal(back, dense.T @ g)
    assert slope.tolist() == np.take_along_axis(g @ x.T, columns.astype(int), 1).ravel().tolist()


@every_impl
@given(m=makers)
def test_sparse_convolution_is_the_masked_dense_one(impl: Any, m: Integers) -> None:
    x, w, g, at = m.conv()
    mask = sparse_cases.a_mask(m, *w.shape)
    w[~mask] = 0
    flat, kernel = mask.reshape(len(w), -1), w.shape[2:]
    index, b = sparse_cases.csr(flat), m.floats(len(w))
    with cases.computing(impl):
        y = kernels.csr_conv2d(w[mask], *index, kernel, x, b, act="relu", **at)
        dx = kernels.csr_conv2d_grad_input(w[mask], *index, kernel, g, x.shape, **at)
        dw = kernels.csr_conv2d_grad_weight(*index, kernel, g, x, **at)
        assert np.array_equal(y, kernels.conv2d(x, w, b, act="relu", **at))
        assert np.array_equal(dx, kernels.conv2d_grad_input(g, w, x.shape, **at))
        assert np.array_equal(dw, kernels.conv2d_grad_weight(g, x, kernel, **at)[mask])


def a_product(p: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(p)
    mask = rng.random((37, 29)) < 0.3
    a, x = (rng.standard_normal(s).astype(np.float32) for s in ((37, 29), (29, p)))
    return a[mask], *sparse_cases.csr(mask), x


def test_costs_by_hand() -> None:
    values, columns, row_start, x = a_product(8)
    k = values.size
    args = values, columns, row_start, x
    assert CONTRACT["csr_matmul"].madds(*args) == k * 8
    out = kernels.csr_matmul(*args)
    assert bytes_moved("csr_matmul", args, (out,)) == 4 * (k + k + 38 + 29 * 8 + 37 * 8)
    assert CONTRACT["csr_matvec"].madds(values, columns, row_start, x[:, 0]) == k
    assert CONTRACT["csr_sampled"].madds(columns, row_start, out, x) == k * 8
    turned = kernels.csr_transpose(columns, row_start, 29)
    assert CONTRACT["csr_matmul_t"].madds(values, *turned, out) == k * 8
    image, where = np.zeros((2, 5, 5, 3), np.float32), ((3, 3), np.zeros((2, 5, 5, 3), np.float32))
    live = np.ones(4, np.float32), np.arange(4, dtype=np.uint32), np.array([0, 1, 4], np.uint32)
    assert CONTRACT["csr_conv2d"].madds(*live, *where) == 4 * 9 * 3
    g = kernels.csr_conv2d(*live, (3, 3), image)
    assert g.shape == (2, 3, 3, 3)
    assert CONTRACT["csr_conv2d_grad_input"].madds(*live, (3, 3), g, image.shape) == 4 * 9 * 3
    assert CONTRACT["csr_conv2d_grad_weight"].madds(*live[1:], (3, 3), g, image) == 4 * 9 * 3


def test_costs_of_blocks_by_hand() -> None:
    """A block of 2 x 2 and one cut to 2 x 1."""
    x, g = np.zeros((3, 5), np.float32), np.zeros((2, 5), np.float32)
    index = np.array([0, 1], np.uint32), np.array([0, 2], np.uint32)
    values = np.ones(6, np.float32)
    assert CONTRACT["block_matmul"].madds(values, *index, 2, (2, 3), x) == 6 * 5
    turned = kernels.csr_transpose(*index, 2)
    assert CONTRACT["block_matmul_t"].madds(values, *turned, 2, (2, 3), g) == 6 * 5
    assert CONTRACT["block_sampled"].madds(*index, 2, 6, g, x) == 6 * 5
    assert CONTRACT["csr_transpose"].madds(*index, 2) == 0


def test_read_only_indices_are_checked_once_and_others_each_time() -> None:
    from minprune.kernels import indices

    values, columns, row_start, x = a_product(2)
    calls = []

    def check(*arrays: Any) -> None:
        calls.append(arrays[-1])

    pair = columns, row_start
    for _ in range(3):
        indices.kept(check, pair, "k")
    assert len(calls) == 3
    for a in pair:
        a.flags.writeable = False
    for _ in range(3):
        indices.kept(check, pair, "k")
    assert len(calls) == 4
    base = np.zeros(3, np.uint32)  # a read-only view of what can be written to is not trusted
    view = base[:2]
    view.flags.writeable = False
    assert not indices.fixed(view)
    assert kernels.csr_matmul(values, columns, row_start, x).shape == (37, 2)
