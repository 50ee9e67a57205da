"""Sparse kernels over the whole range of batches: every remainder of a register and of a tile."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
import sparse_cases
from kernel_contract import CONTRACT
from test_kernels import CHOSEN, needs_numba
from twins import ref

from minprune import kernels

DTYPES = (np.float32, np.float64)
BATCHED = sorted(n for n in CONTRACT if cases.is_sparse(n)
                 and n not in ("csr_matvec", "csr_transpose"))  # fmt: skip
WIDTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 1000, 1024)


def sized(name: str, batch: int, dtype: Any, seed: int = 0) -> tuple[Any, ...]:
    """Arguments with so many samples; something is stored, and there is something to multiply."""
    pick = cases.drawn(np.random.default_rng((seed, batch)))
    while True:
        args = sparse_cases.case(name, cases.Maker(pick, dtype), batch)
        if CONTRACT[name].madds(*args):
            return args


def leaves_the_bound(
    name: str, impls: tuple[Any, ...], dtype: Any, widths: tuple[int, ...] = WIDTHS
) -> str:
    """The first batch at which a kernel leaves its bound, and how; "" for none"""
    for batch in widths:
        for seed in range(3):
            found = cases.break_bound(name, impls, sized(name, batch, dtype, seed))
            if found:
                return f"batch {batch}: {found}"
    return ""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BATCHED)
def test_every_batch_stays_within_the_bound(name: str, dtype: Any) -> None:
    assert leaves_the_bound(name, CHOSEN, dtype) == ""


@pytest.mark.parametrize("left", [1, 15, 63])
@pytest.mark.parametrize("name", BATCHED)
def test_a_remainder_that_is_forgotten_is_seen(name: str, left: int) -> None:
    """Samples beyond whole tiles of left + 1 count as zeros, or are not written."""
    right = getattr(ref, name)

    def wrong(*args: Any) -> None:
        inner = [without_rest(a) for a in args[:-1]]
        right(*inner, args[-1])

    def without_rest(a: Any) -> Any:
        if not isinstance(a, np.ndarray) or a.ndim < 2:
            return a
        a = a.copy()
        a[..., a.shape[-1] // (left + 1) * (left + 1) :] = 0
        return a

    impls = (SimpleNamespace(**{name: wrong}),)
    found = leaves_the_bound(name, impls, np.float32, (left + 1 + left,))
    assert found.startswith(f"batch {2 * left + 1}: ")
    whole = (left + 1, 2 * left + 2)
    assert leaves_the_bound(name, impls, np.float32, whole) == ""


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BATCHED)
def test_the_place_of_arrays_in_memory_changes_no_bit(name: str, dtype: Any) -> None:
    """Kernels read what lies on cache lines where it is, and copy the rest."""

    def placed(a: Any, skip: int) -> Any:
        if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
            return a
        buffer = np.empty(a.nbytes + 128, np.uint8)
        start = -buffer.ctypes.data % 64 + skip * a.itemsize
        moved = np.ndarray(a.shape, a.dtype, buffer, start)
        moved[...] = a
        return moved

    for batch in (1, 5, 16, 64, 128, 130):
        args, found = sized(name, batch, dtype), set()
        for skip in (0, 1, 3, 7):
            with cases.computing("numba"):
                found.add(getattr(kernels, name)(*(placed(a, skip) for a in args)).tobytes())
        assert len(found) == 1, batch


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act", cases.ACTIVATIONS)
@pytest.mark.parametrize("name", ["csr_matmul", "block_matmul", "csr_conv2d"])
def test_nan_stays_and_spreads_no_further(name: str, act: str, dtype: Any) -> None:
    """Through relu too; to what a stored weight leads to, of that sample, and nothing beside it."""
    for batch in (1, 2, 8, 17, 65):
        for seed in range(3):
            args = list(sized(name, batch, dtype, seed))
            where = next(k for k, a in enumerate(args) if isinstance(a, str))  # the activation
            args[where] = act
            at = next(k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.ndim > 1
                      and a.dtype.kind == "f")  # fmt: skip
            bias = next((k for k, a in enumerate(args) if k > at and isinstance(a, np.ndarray)), at)
            clean = cases.results(name, "numba", tuple(args))[0]
            odd = np.zeros(args[at].shape, dtype)
            odd[:: 1 + seed, ..., batch // 2] = 1
            ways = [np.ones_like(args[0]), *args[1:]]  # how many lead from an odd entry
            ways[bias], ways[at], ways[where] = ways[bias] * 0, odd, "none"
            lead = cases.results(name, "numba", tuple(ways))[0] > 0
            args[at] = np.where(odd > 0, np.array(np.nan, dtype), args[at])
            found = cases.results(name, "numba", tuple(args))[0]
            assert np.array_equal(np.isnan(found), lead)
            assert np.array_equal(found[~lead], clean[~lead])


def beyond(left: float, dtype: Any, seed: int) -> list[bytes]:
    """A convolution and its gradients, where the memory that they work in holds `left`"""
    from minprune.kernels.sparse.tiles_jit import scratch_of

    rng = np.random.default_rng(seed)
    n, ky, kx, sy, sx, py, px, h, w, o = (
        int(rng.integers(1, top)) for top in (17, 8, 10, 4, 4, 3, 3, 9, 12, 4)
    )
    h, w = max(h, ky), max(w, kx)
    mask = rng.random((o, 2 * ky * kx)) < 0.8
    index, values = sparse_cases.csr(mask), rng.standard_normal(int(mask.sum())).astype(dtype)
    x = rng.standard_normal((2, h, w, n)).astype(dtype)
    where = (sy, sx), (py, px), 1

    def run(name: str, *args: Any) -> Any:
        scratch_of(1_000_000, np.dtype(dtype)).fill(left)
        return getattr(kernels, name)(*args)

    y = run("csr_conv2d", values, *index, (ky, kx), x, None, *where)
    dx = run("csr_conv2d_grad_input", values, *index, (ky, kx), y, x.shape, *where)
    dw = run("csr_conv2d_grad_weight", *index, (ky, kx), y, x, *where)
    return [a.tobytes() for a in (y, dx, dw)]


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_lies_beyond_a_copied_image_changes_no_bit(dtype: Any) -> None:
    """Neither what another call left there: the last kernel column reads on beyond the last line"""
    with cases.computing("numba"):
        for seed in range(120):
            assert beyond(0.0, dtype, seed) == beyond(np.nan, dtype, seed), seed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 2])
def test_images_larger_than_the_cache(dtype: Any, groups: int) -> None:
    """Worked on some lines at a time: here three twice, and one."""
    rng, o, (c, h, w, n) = np.random.default_rng(0), 4, (64, 7, 32, 18)
    mask = rng.random((o, c // groups * 9)) < 0.05
    index, values = sparse_cases.csr(mask), rng.standard_normal(int(mask.sum())).astype(dtype)
    x = rng.standard_normal((c, h, w, n)).astype(dtype)
    for stride in ((1, 1), (2, 1)):
        where = stride, (1, 1), groups
        y = kernels.csr_conv2d(values, *index, (3, 3), x, None, *where)
        for name, args in {
            "csr_conv2d": (values, *index, (3, 3), x, None, *where, "relu"),
            "csr_conv2d_grad_input": (values, *index, (3, 3), y, x.shape, *where),
            "csr_conv2d_grad_weight": (*index, (3, 3), y, x, *where),
        }.items():
            assert cases.break_bound(name, CHOSEN, args) is None


def peak(impl: Any, name: str, args: tuple[Any, ...]) -> int:
    """Bytes that a call takes at most, beside its arguments"""
    with cases.computing(impl):
        getattr(kernels, name)(*args)  # compiled
        tracemalloc.start()
        getattr(kernels, name)(*args)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


@needs_numba
@pytest.mark.parametrize("name", [n for n in BATCHED if "conv2d" in n])
def test_direct_convolution_makes_no_unfolded_copy(name: str) -> None:
    """Its definition does, and is seen."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((c, 24, 24, 16)).astype(np.float32) for c in (8, 4))
    mask, kernel, where = rng.random((4, 200)) < 0.1, (5, 5), ((1, 1), (2, 2), 1)
    values, index = np.ones(int(mask.sum()), np.float32), sparse_cases.csr(mask)
    args: dict[str, tuple[Any, ...]] = {
        "csr_conv2d": (values, *index, kernel, x, None, *where),
        "csr_conv2d_grad_input": (values, *index, kernel, g, x.shape, *where),
        "csr_conv2d_grad_weight": (*index, kernel, g, x, *where),
    }
    unfolded = 25 * x.nbytes
    assert peak("numba", name, args[name]) < unfolded / 5
    assert peak("numpy", name, args[name]) >= unfolded
