"""Dense -> format -> dense is exact, and so is the mask; and wrong formats are rejected."""

from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
import sparse_cases
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import Maker

from minprune import kernels
from minprune.errors import ArgumentError
from minprune.kernels import indices
from minprune.masking.patterns import Pattern, n_of_m
from minprune.sparse import CSR, BlockCSR, NofM
from minprune.sparse.nofm import as_csr, columns_of, values_of

makers = st.builds(
    lambda data, dtype: Maker(lambda lo, hi: data.draw(st.integers(lo, hi)), dtype),
    st.data(),
    st.sampled_from([np.float32, np.float64]),
)
FORMATS = (CSR, BlockCSR, NofM)


def some_matrix(kind: type, m: Maker) -> tuple[Any, ...]:
    """array, mask and the options of a format; ties, zeros and -0.0 among the live entries"""
    rows, n = m.pick(0, 9), m.pick(0, 11)
    array = m.floats(rows, n)
    array[m.rng.random(array.shape) < 0.2] = -0.0
    if kind is CSR:
        return array, sparse_cases.a_mask(m, rows, n)
    if kind is BlockCSR:
        size = sparse_cases.SIDES[m.pick(0, 5)]
        blocks = sparse_cases.a_mask(m, -(-rows // size), -(-n // size))
        return array, np.kron(blocks, np.ones((size, size), bool))[:rows, :n] > 0, size
    keep, group = sparse_cases.GROUPS[m.pick(0, 6)]
    order = m.rng.random((rows, n))
    return array, n_of_m(order, np.ones((rows, n), bool), Pattern(1, group, keep)), keep, group


def law(build: Any, args: tuple[Any, ...]) -> bool:
    """A format holds exactly what is live, and gives it back to the last bit."""
    array, mask, *_ = args
    try:
        stored = build(*args)
        back, again = stored.to_dense(), stored.mask()
    except (IndexError, ValueError):
        return False
    want = np.where(mask, array, array.dtype.type(0))
    return (
        back.dtype == array.dtype
        and back.tobytes() == want.tobytes()
        and np.array_equal(again, mask)
        and stored.values.size == mask.sum()
    )


@pytest.mark.parametrize("kind", FORMATS)
@given(m=makers)
def test_the_round_trip_is_exact(kind: Any, m: Maker) -> None:
    args = some_matrix(kind, m)
    assert law(kind.from_dense, args)
    again = kind.from_dense(*args)
    rebuilt = kind(**vars(again))  # the checked constructor takes what from_dense gives
    assert rebuilt.to_dense().tobytes() == again.to_dense().tobytes()


@pytest.mark.parametrize("shape", [(3, 5), (0, 5), (3, 0)])
def test_blocks_and_groups_larger_than_the_matrix(shape: tuple[int, int]) -> None:
    """They take no more room than it."""
    array, mask = np.arange(np.prod(shape), dtype=np.float32).reshape(shape), np.ones(shape, bool)
    huge: tuple[Any, ...] = (BlockCSR, 10**9), (NofM, 200, 256)
    for kind, *how in huge:
        assert law(kind.from_dense, (array, mask, *how))
    stored = BlockCSR.from_dense(array, mask, 10**9)
    x = np.ones((shape[1], 3), np.float32)
    at = stored.columns, stored.row_start, stored.size, shape
    assert np.array_equal(kernels.block_matmul(stored.values, *at, x), array @ x)
    g = np.ones((shape[0], 3), np.float32)
    turned = kernels.csr_transpose(*at[:2], -(-shape[1] // stored.size))
    back = kernels.block_matmul_t(stored.values, *turned, stored.size, shape, g)
    assert np.array_equal(back, array.T @ g)
    assert kernels.block_sampled(*at[:3], array.size, g, x).tolist() == [3.0] * array.size


def positions_by_loop(positions: np.ndarray, keep: int, group: int, n: int) -> list[list[int]]:
    """Bit by bit: the s-th value of a row has the bits s*width .. of the row, the lowest first."""
    width = {True: 1}.get(group <= 2, 2 if group <= 4 else 4 if group <= 16 else 8)
    found = []
    for row in positions:
        bits = int.from_bytes(row.tobytes(), "little")
        places = [bits >> width * s & (1 << width) - 1 for s in range(values_of(keep, group, n))]
        found.append([s // keep * group + place for s, place in enumerate(places)])
    return found


def decodes(decode: Any, m: Maker) -> bool:
    keep, group = sparse_cases.GROUPS[m.pick(0, 6)]
    rows, n = m.pick(0, 5), m.pick(0, 20)
    positions, _ = sparse_cases.packed(m, rows, keep, group, n)
    want = positions_by_loop(positions, keep, group, n)
    return bool(decode(positions, keep, group, n).tolist() == want)


@given(m=makers)
def test_positions_are_decoded_bit_by_bit(m: Maker) -> None:
    assert decodes(columns_of, m)


def high_bits_first(positions: np.ndarray, *how: int) -> np.ndarray:
    turned = np.packbits(np.unpackbits(positions, axis=1, bitorder="little"), axis=1)
    try:
        return columns_of(turned, *how)
    except ValueError:
        return positions


def groups_run_on(positions: np.ndarray, keep: int, group: int, n: int) -> np.ndarray:
    """Every position counted from the first group."""
    return columns_of(positions, keep, group, n) % group


@pytest.mark.parametrize("wrong", [high_bits_first, groups_run_on])
def test_a_wrong_decoding_is_rejected(wrong: Any) -> None:
    rng = np.random.default_rng(0)
    pick = cases.drawn(rng)
    assert not all(decodes(wrong, Maker(pick, np.float32)) for _ in range(50))


def test_positions_are_decoded_once_and_forgotten_with_them() -> None:
    array = np.ones((3, 8), np.float32)
    stored = NofM.from_dense(array, np.broadcast_to(np.arange(8) % 4 < 2, (3, 8)))
    first = as_csr(stored.positions, 2, 4, 8)
    assert as_csr(stored.positions, 2, 4, 8)[0] is first[0]
    assert not first[0].flags.writeable
    known = len(indices._kept)
    del stored
    assert len(indices._kept) < known
    changing = np.full((1, 1), 0b0100, np.uint8)  # may change, so it is never trusted
    assert as_csr(changing, 2, 4, 4)[0].tolist() == [0, 1]
    changing[0, 0] = 0b1101
    assert as_csr(changing, 2, 4, 4)[0].tolist() == [1, 3]


@given(m=makers)
def test_csr_is_the_loop_over_rows(m: Maker) -> None:
    array, mask = some_matrix(CSR, m)
    stored = CSR.from_dense(array, mask)
    columns, row_start = sparse_cases.csr(mask)
    assert np.array_equal(stored.columns, columns)
    assert np.array_equal(stored.row_start, row_start)
    want = [array[r, c] for r in range(len(mask)) for c in range(mask.shape[1]) if mask[r, c]]
    assert stored.values.tolist() == want


@pytest.mark.parametrize("kind", FORMATS)
@given(m=makers)
def test_products_are_those_of_the_masked_matrix(kind: Any, m: Maker) -> None:
    array, mask, *rest = some_matrix(kind, m)
    array = np.round(array)  # small integers: sums are exact
    a, stored = np.where(mask, array, 0), kind.from_dense(array, mask, *rest)
    x = np.round(m.floats(a.shape[1], m.pick(0, 5)))
    g = np.round(m.floats(a.shape[0], x.shape[1]))
    index: Any
    if kind is BlockCSR:
        index, size, shape = (stored.columns, stored.row_start), stored.size, stored.shape
        turned = kernels.csr_transpose(*index, -(-shape[1] // size))
        y = kernels.block_matmul(stored.values, *index, size, shape, x)
        back = kernels.block_matmul_t(stored.values, *turned, size, shape, g)
        slope = kernels.block_sampled(*index, size, stored.values.size, g, x)
    else:
        index = (
            as_csr(stored.positions, stored.keep, stored.group, a.shape[1])
            if kind is NofM
            else (stored.columns, stored.row_start)
        )
        y = kernels.csr_matmul(stored.values, *index, x)
        turned = kernels.csr_transpose(*index, a.shape[1])
        back = kernels.csr_matmul_t(stored.values, *turned, g)
        slope = kernels.csr_sampled(*index, g, x)
    assert np.array_equal(y, a @ x)
    assert np.array_equal(back, a.T @ g)
    expected = kind.from_dense((g @ x.T).astype(array.dtype), mask, *rest).values
    assert np.array_equal(slope, expected)


def test_bytes_by_hand() -> None:
    mask = np.zeros((5, 6), bool)
    mask[0, :4] = mask[4, 4:] = True
    array = np.ones((5, 6), np.float32)
    assert CSR.from_dense(array, mask).bytes == 4 * 6 + 4 * 6 + 4 * 6
    mask[:4, :4] = True  # a whole block, and one cut to 1 x 2
    stored = BlockCSR.from_dense(array, mask)
    assert stored.values.size == 18
    assert stored.bytes == 4 * 18 + 4 * 2 + 4 * 3
    two = n_of_m(np.ones((5, 6)), np.ones((5, 6), bool), Pattern(1, 4, 2))
    packed = NofM.from_dense(array, two)
    assert packed.values.size == 20  # 2 of the first 4, and both of the tail
    assert packed.bytes == 4 * 20 + 5  # 4 positions of 2 bits: one byte a row
    assert packed.positions.tolist() == [[0b01000100]] * 5


def test_a_live_zero_is_stored_and_a_masked_value_is_not() -> None:
    array, mask = np.array([[0.0, 7.0]]), np.array([[True, False]])
    stored = CSR.from_dense(array, mask)
    assert stored.values.tolist() == [0.0]
    assert stored.to_dense().tolist() == [[0.0, 0.0]]
    assert stored.mask().tolist() == [[True, False]]


def test_indices_are_read_only_and_the_caller_keeps_its_own() -> None:
    columns = np.array([0, 1], np.uint32)
    stored = CSR(np.ones(2), columns, np.array([0, 2], np.uint32), (1, 2))
    columns[0] = 1
    assert stored.columns.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        stored.columns[0] = 1


def nonzeros(array: np.ndarray, mask: np.ndarray) -> CSR:
    return CSR.from_dense(array, mask & (array != 0))


def everything(array: np.ndarray, mask: np.ndarray) -> CSR:
    return CSR.from_dense(np.where(mask, array, 0), np.ones_like(mask))


def column_order(array: np.ndarray, mask: np.ndarray) -> CSR:
    right = CSR.from_dense(array, mask)
    return CSR(array.T[mask.T], right.columns, right.row_start, right.shape)


def wrapped(array: np.ndarray, mask: np.ndarray, size: int) -> BlockCSR:
    """What overhangs the edge comes from the other side of the matrix."""
    m, n = array.shape
    rows, columns = np.arange(-(-m // size) * size) % m, np.arange(-(-n // size) * size) % n
    full = BlockCSR.from_dense(array[rows][:, columns], mask[rows][:, columns], size)
    return BlockCSR(full.values, full.columns, full.row_start, size, (m, n))


def padded(array: np.ndarray, mask: np.ndarray, size: int) -> BlockCSR:
    """The edge is filled up by the remainder, in place of what is missing."""
    m, n = array.shape
    array, mask = (np.pad(a, ((0, m % size), (0, n % size))) for a in (array, mask))
    return BlockCSR.from_dense(array, mask, size)


def by_columns(array: np.ndarray, mask: np.ndarray, size: int) -> BlockCSR:
    right = BlockCSR.from_dense(array, mask, size)
    values = [
        array[r : r + size, c : c + size].T.reshape(-1)
        for r in range(0, len(array), size)
        for c in range(0, array.shape[1], size)
        if mask[r, c]
    ]
    return BlockCSR(
        np.concatenate([*values, array[:0, 0]]), right.columns, right.row_start, size, right.shape
    )


def over_outputs(array: np.ndarray, mask: np.ndarray, keep: int, group: int) -> NofM:
    return NofM.from_dense(np.ascontiguousarray(array.T), mask.T.copy(), keep, group)


def tail_dropped(array: np.ndarray, mask: np.ndarray, keep: int, group: int) -> NofM:
    n = array.shape[1] // group * group
    return NofM.from_dense(array[:, :n].copy(), mask[:, :n].copy(), keep, group)


WRONG = {
    "zeros are not stored": (CSR, nonzeros),
    "the mask is forgotten": (CSR, everything),
    "values in the order of columns": (CSR, column_order),
    "blocks wrapped round the edge": (BlockCSR, wrapped),
    "blocks padded by the remainder": (BlockCSR, padded),
    "blocks column by column": (BlockCSR, by_columns),
    "N:M over outputs": (NofM, over_outputs),
    "the tail of N:M dropped": (NofM, tail_dropped),
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_law_rejects_a_wrong_format(slip: str) -> None:
    kind, wrong = WRONG[slip]
    rng = np.random.default_rng(0)
    tries = []
    while len(tries) < 60:
        args = some_matrix(kind, Maker(lambda lo, hi: int(rng.integers(lo, hi + 1)), np.float64))
        tries += [args] if args[0].size else []
    assert all(law(kind.from_dense, args) for args in tries)
    assert not all(law(wrong, args) for args in tries)


@pytest.mark.parametrize("keep", [True, 1.0, [1]])
def test_what_fitted_once_does_not_let_its_equals_through(keep: Any) -> None:
    array, mask = np.ones((1, 4)), np.array([[True, False, False, False]])
    NofM.from_dense(array, mask, 1, 4)
    with pytest.raises(ArgumentError, match="keep must be an integer of at least 1"):
        NofM.from_dense(array, mask, keep, 4)
