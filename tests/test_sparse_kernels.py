"""The sparse kernels against the dense masked product, in every path; and slips they must not pass.

test_kernels.py holds them to their bounds, case by case, as it does the dense kernels. Long because
every family has its own loop or row, and they read as one list.
"""

from types import SimpleNamespace
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
import sparse_cases
from hypothesis import given
from hypothesis import strategies as st
from test_kernel_oracles import Integers
from test_kernels import IMPLS, needs_numba

from minprune import kernels
from minprune.kernels import sparse_ref as ref
from minprune.kernels.contract import CONTRACT, bytes_moved

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


@every_impl
@given(m=makers)
def test_entries_may_come_in_any_order_and_equal_places_add_up(impl: Any, m: Integers) -> None:
    k, n = m.pick(0, 12), m.pick(1, 4)
    columns = m.rng.integers(0, n, k).astype(np.uint32)
    values, x = m.floats(k), m.floats(n, 3)
    starts = np.array([0, m.pick(0, k), k], np.uint32)
    a = np.zeros((2, n), m.dtype)
    for j in range(k):
        a[int(j >= starts[1]), columns[j]] += values[j]
    with cases.computing(impl):
        assert np.array_equal(kernels.csr_matmul(values, columns, starts, x), a @ x)


@every_impl
@given(m=makers)
def test_blocks_are_the_masked_dense_product(impl: Any, m: Integers) -> None:
    rows, n, p, size = m.pick(0, 11), m.pick(0, 11), m.pick(0, 5), m.pick(1, 5)
    shape = rows, n
    blocks = sparse_cases.a_mask(m, -(-rows // size), -(-n // size))
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
        slope = kernels.block_sampled(*index, size, g, x)
    assert np.array_equal(y, np.maximum(dense @ x + b[:, None], 0))
    assert np.array_equal(back, dense.T @ g)
    assert slope.tolist() == [(g @ x.T)[place] for place in places]


@every_impl
@given(m=makers)
def test_n_of_m_is_the_masked_dense_product(impl: Any, m: Integers) -> None:
    rows, n, p = m.pick(0, 5), m.pick(0, 20), m.pick(0, 5)
    keep, group = sparse_cases.GROUPS[m.pick(0, 6)]
    positions, count = sparse_cases.packed(m, rows, keep, group, n)
    values, x, g = m.floats(rows * count), m.floats(n, p), m.floats(rows, p)
    with cases.computing(impl):
        columns = kernels.nm_columns(positions, keep, group, n)
        y = kernels.nm_matmul(values, positions, keep, group, x)
        back = kernels.nm_matmul_t(values, positions, keep, group, n, g)
        slope = kernels.nm_sampled(positions, keep, group, g, x)
    dense = np.zeros((rows, n), m.dtype)
    np.put_along_axis(dense, columns.astype(int), values.reshape(rows, count), 1)
    for first in range(0, n, group):  # so many of each group, in climbing order
        inside = (columns >= first) & (columns < first + group)
        assert (inside.sum(1) == min(keep, n - first)).all()
    assert np.array_equal(y, dense @ x)
    assert np.array_equal(back, dense.T @ g)
    assert slope.tolist() == np.take_along_axis(g @ x.T, columns.astype(int), 1).ravel().tolist()


@every_impl
@given(m=makers)
def test_sparse_convolution_is_the_masked_dense_one(impl: Any, m: Integers) -> None:
    x, w, g, *where = m.conv()
    n = (1, 3, 8, 16, 17, 35)[m.pick(0, 5)]
    x, g = m.floats(*x.shape[:3], n), m.floats(*g.shape[:3], n)
    mask = sparse_cases.a_mask(m, *w.shape)
    w[~mask] = 0
    flat, kernel = mask.reshape(len(w), -1), w.shape[2:]
    index, b = sparse_cases.csr(flat), m.floats(len(w))
    with cases.computing(impl):
        y = kernels.csr_conv2d(w[mask], *index, kernel, x, b, *where, "relu")
        dx = kernels.csr_conv2d_grad_input(w[mask], *index, kernel, g, x.shape, *where)
        dw = kernels.csr_conv2d_grad_weight(*index, kernel, g, x, *where)
        assert np.array_equal(y, kernels.conv2d(x, w, b, *where, "relu"))
        assert np.array_equal(dx, kernels.conv2d_grad_input(g, w, x.shape, *where))
        assert np.array_equal(dw, kernels.conv2d_grad_weight(g, x, kernel, *where)[mask])


def a_product(p: int, dtype: Any, live: float = 0.3) -> tuple[Any, ...]:
    rng = np.random.default_rng(p)
    mask = rng.random((37, 29)) < live
    a, x = (rng.standard_normal(s).astype(dtype) for s in ((37, 29), (29, p)))
    return (a[mask], *sparse_cases.csr(mask), x), np.where(mask, a, 0)


@every_impl
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 128, 1000, 1024])
def test_every_width_stays_within_the_bound(impl: Any, p: int, dtype: Any) -> None:
    for live in (0.05, 0.9):
        args, _ = a_product(p, dtype, live)
        assert cases.breaks("csr_matmul", impl, (*args, None, "relu")) is None
        (_, columns, row_start, x) = args
        g = np.random.default_rng(0).standard_normal((37, p)).astype(dtype)
        assert cases.breaks("csr_sampled", impl, (columns, row_start, g, x)) is None


@every_impl
def test_the_place_of_x_in_memory_changes_no_bit(impl: Any) -> None:
    args, _ = a_product(128, np.float32, 0.9)
    want = cases.results("csr_matmul", impl, args)[0]
    for skip in range(17):
        x = np.empty(29 * 128 + 32, np.float32)[skip:][: 29 * 128].reshape(29, 128)
        x[...] = args[3]
        with cases.computing(impl):
            assert kernels.csr_matmul(*args[:3], x).tobytes() == want.tobytes()


def several(name: str, p: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(p)
    if name == "csr_matmul":
        return a_product(p, np.float32)[0]
    mask = rng.random((6, 27)) < 0.5
    x = rng.standard_normal((3, 7, 8, p)).astype(np.float32)
    values = rng.standard_normal(int(mask.sum())).astype(np.float32)
    return (values, *sparse_cases.csr(mask), (3, 3), x, None, (1, 2), (1, 0))


@needs_numba
@pytest.mark.parametrize("p", [8, 200])
@pytest.mark.parametrize("name", ["csr_matmul", "csr_conv2d"])
def test_parts_for_threads_give_the_same_bits(
    name: str, p: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minprune.kernels import sparse_conv_jit, sparse_csr_jit, sparse_jit

    args = several(name, p)
    with cases.computing(SimpleNamespace(**{name: getattr(sparse_jit, name)})):
        want = getattr(kernels, name)(*args)
        for parts in (2, 3, 5):
            for module in (sparse_csr_jit, sparse_conv_jit):
                monkeypatch.setattr(module, "shares", lambda madds, most, n=parts: min(n, most))
            assert getattr(kernels, name)(*args).tobytes() == want.tobytes()


def changed(name: str, **places: Any) -> Any:
    """The definition of `name`, wrong on purpose: some arguments, by place, are replaced."""
    right = getattr(ref, name)

    def wrong(*args: Any) -> None:
        inner = list(args)
        for place, change in places.items():
            inner[int(place[1:])] = change(inner[int(place[1:])])
        right(*inner)

    return wrong


def overwriting(values, columns, row_start, x, b, kind, out):  # type: ignore[no-untyped-def]
    out[...] = 0
    out[ref.rows_of(row_start)] = values[:, None] * x[columns]  # no +=
    ref.finish(b, kind, out)


def batch_first(values, columns, row_start, x, b, kind, out):  # type: ignore[no-untyped-def]
    ref.csr_matmul(values, columns, row_start, x.reshape(x.shape[::-1]).T, b, kind, out)


def unstable(columns, row_start, positions, rows, column_start):  # type: ignore[no-untyped-def]
    ref.csr_transpose(columns, row_start, positions, rows, column_start)
    positions[...], rows[...] = positions[::-1].copy(), rows[::-1].copy()


def not_turned(values, positions, rows, column_start, g, out):  # type: ignore[no-untyped-def]
    ref.csr_matmul_t(values[np.argsort(positions)], positions, rows, column_start, g, out)


def one_column(columns, row_start, g, x, out):  # type: ignore[no-untyped-def]
    ref.csr_sampled(columns, row_start, g[:, :1], x[:, :1], out)


def wrapped_block(values, columns, row_start, size, shape, x, b, kind, out):  # type: ignore[no-untyped-def]
    """What overhangs the edge reads x from the other side."""
    y, z = ref.block_places(ref.rows_of(row_start), columns, size, (10**6, 10**6))
    value = np.resize(values, y.size) if values.size else np.zeros(y.size, x.dtype)
    inside = y < shape[0]
    ref.product(value[inside], y[inside], z[inside] % max(len(x), 1), x, out)
    ref.finish(b, kind, out)


def blocks_by_column(values, columns, row_start, size, shape, x, b, kind, out):  # type: ignore[no-untyped-def]
    y, z = ref.block_places(ref.rows_of(row_start), columns, size, shape)
    block = np.searchsorted(np.unique(y // size * 10**6 + z // size), y // size * 10**6 + z // size)
    order = np.lexsort((y, z, block))
    ref.product(values, y[order], z[order], x, out)
    ref.finish(b, kind, out)


def n_m_over_outputs(values, positions, keep, group, x, b, kind, out):  # type: ignore[no-untyped-def]
    r, c = ref.nm_places(positions, keep, group, len(x))
    ref.product(values, c % max(len(out), 1), r % max(len(x), 1), x, out)
    ref.finish(b, kind, out)


def high_bits_first(positions, keep, group, n, out):  # type: ignore[no-untyped-def]
    turned = np.packbits(np.unpackbits(positions, axis=1, bitorder="little"), axis=1)
    ref.nm_columns(turned, keep, group, n, out)


def flipped(name: str) -> Any:
    """The kernel of a convolution from its last tap to its first"""

    def wrong(values, columns, row_start, kernel, *rest):  # type: ignore[no-untyped-def]
        taps = kernel[0] * kernel[1]
        columns = columns // taps * taps + (taps - 1 - columns % taps)
        getattr(ref, name)(values, columns, row_start, kernel, *rest)

    return wrong


WRONG = {
    "the last of a row wins": ("csr_matmul", overwriting),
    "x is batch-first": ("csr_matmul", batch_first),
    "bias left out": ("csr_matmul", changed("csr_matmul", _4=lambda b: None)),
    "activation left out": ("csr_matmul", changed("csr_matmul", _5=lambda kind: "none")),
    "entries of a column from the last": ("csr_transpose", unstable),
    "positions turned the other way": ("csr_matmul_t", not_turned),
    "only the first of the batch": ("csr_sampled", one_column),
    "a block wrapped round the edge": ("block_matmul", wrapped_block),
    "a block column by column": ("block_matmul", blocks_by_column),
    "N:M over outputs": ("nm_matmul", n_m_over_outputs),
    "positions from the high bits": ("nm_columns", high_bits_first),
    "image upside down": (
        "csr_conv2d_grad_weight",
        changed("csr_conv2d_grad_weight", _4=lambda x: x[:, ::-1]),
    ),
    "convolution in place of correlation": ("csr_conv2d", flipped("csr_conv2d")),
    "kernel not turned round": ("csr_conv2d_grad_input", flipped("csr_conv2d_grad_input")),
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_bound_rejects_a_wrong_kernel(slip: str) -> None:
    name, wrong = WRONG[slip]
    rng = np.random.default_rng(5)
    tries = (cases.case(name, cases.drawn(rng), np.float32) for _ in range(200))
    assert any(cases.breaks(name, SimpleNamespace(**{name: wrong}), args) for args in tries)


def test_costs_by_hand() -> None:
    (values, columns, row_start, x), _ = a_product(8, np.float32)
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


def test_read_only_indices_are_checked_once_and_others_each_time() -> None:
    from minprune.kernels import sparse_checks

    (values, columns, row_start, x), _ = a_product(2, np.float32)
    calls = []

    def check(kernel: str, *arrays: Any) -> None:
        calls.append(kernel)

    pair = columns, row_start
    for _ in range(3):
        sparse_checks.once(check, "k", pair)
    assert len(calls) == 3
    for a in pair:
        a.flags.writeable = False
    for _ in range(3):
        sparse_checks.once(check, "k", pair)
    assert len(calls) == 4
    base = np.zeros(3, np.uint32)  # a read-only view of what can be written to is not trusted
    view = base[:2]
    view.flags.writeable = False
    assert not sparse_checks.fixed(view)
    assert kernels.csr_matmul(values, columns, row_start, x).shape == (37, 2)
