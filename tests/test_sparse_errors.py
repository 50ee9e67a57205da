"""Every refusal of the sparse door and of the formats, its sentence compared whole.

Long because it is one table: a row per sentence.
"""

import numpy as np
import pytest
from test_kernel_errors import Row, f

from minprune import kernels as k
from minprune.errors import ArgumentError, ShapeError
from minprune.sparse import CSR, BlockCSR, NofM
from minprune.sparse.nofm import columns_of


def u(*entries: int) -> np.ndarray:
    return np.array(entries, np.uint32)


def yes(*shape: int) -> np.ndarray:
    return np.ones(shape, bool)


V, C, S = f(3), u(0, 2, 1), u(0, 2, 3)  # 2 x 3, three entries live
X, G = f(3, 4), f(2, 4)
P, R, T = k.csr_transpose(C, S, 3)
N = np.full((2, 1), 0b0100, np.uint8)  # 2:4, 2 x 4: columns 0 and 1
BELONG = "; give arrays that belong to one layer and one batch"
TAKE = "; take it from a format of minprune.sparse"
IMAGE = f(3, 4, 4, 2)
ONE = (1, 1)
ROWS = {
    "signed columns": Row(
        lambda: k.csr_matmul(V, C.astype(np.int32), S, X),
        ArgumentError,
        "csr_matmul: columns must be an array of uint32, not int32; take it from a format"
        " of minprune.sparse",
    ),
    "a list of starts": Row(
        lambda: k.csr_matvec(V, C, [0, 2, 3], f(3)),  # type: ignore[arg-type]
        ArgumentError,
        "csr_matvec: row_start must be an array of uint32, not list; take it from a "
        "format of minprune.sparse",
    ),
    "no starts": Row(
        lambda: k.csr_matmul(V, C, u(), X),
        ArgumentError,
        "csr_matmul: row_start must climb from 0 to 3, the number of columns, not hold "
        "nothing; it has one entry more than there are lines",
    ),
    "starts that end early": Row(
        lambda: k.csr_matmul(V, C, u(0, 2), X),
        ArgumentError,
        "csr_matmul: row_start must climb from 0 to 3, the number of columns, not from 0 "
        "to 2; it has one entry more than there are lines",
    ),
    "starts that fall": Row(
        lambda: k.csr_sampled(C, u(0, 3, 2, 3), f(3, 4), X),
        ArgumentError,
        "csr_sampled: row_start must never fall, but entry 2 is 2, below 3 before it; "
        "sort the entries by line",
    ),
    "a column beyond x": Row(
        lambda: k.csr_matmul(V, C, S, f(2, 4)),
        ArgumentError,
        "csr_matmul: columns[1] must be below 2, not 2; pass indices that belong to this "
        "matrix and this batch",
    ),
    "too few values": Row(
        lambda: k.csr_matmul(V[:2], C, S, X),
        ShapeError,
        "csr_matmul: columns must have the shape (k,) = (2,), not (3,); pass arrays that "
        "belong to one layer and one batch",
    ),
    "values of another dtype": Row(
        lambda: k.csr_matmul(V.astype(np.float64), C, S, X),
        ArgumentError,
        "csr_matmul: x must be float64 like values, not float32; convert it",
    ),
    "bias of another layer": Row(
        lambda: k.csr_matmul(V, C, S, X, f(3)),
        ShapeError,
        "csr_matmul: b must have the shape (m,) = (2,), not (3,); pass arrays that belong"
        " to one layer and one batch",
    ),
    "another act": Row(
        lambda: k.csr_matmul(V, C, S, X, None, "gelu"),
        ArgumentError,
        "csr_matmul: act must be 'none', 'relu', 'leaky_relu', 'tanh' or 'sigmoid', not "
        "'gelu'; did you mean relu?",
    ),
    "fewer than no columns": Row(
        lambda: k.csr_transpose(C, S, -1),
        ArgumentError,
        "csr_transpose: n must be an integer of at least 0, not -1; pass n=1, for example",
    ),
    "a shape of floats": Row(
        lambda: k.block_matmul(V, u(0), u(0, 1), 2, (2.0, 3), X),  # type: ignore[arg-type]
        ArgumentError,
        "block_matmul: shape must be a tuple of 2 integers of at least 0, not (2.0, 3); "
        "pass a tuple such as (1, 1)",
    ),
    "positions twice": Row(
        lambda: k.csr_matmul_t(V, u(0, 0, 1), R, T, G),
        ArgumentError,
        "csr_matmul_t: positions must hold each of 0 to 2 once, but 2 is absent; take "
        "them from csr_transpose",
    ),
    "positions of another matrix": Row(
        lambda: k.csr_matmul_t(V, P[:2], R, T, G),
        ShapeError,
        "csr_matmul_t: positions must have the shape (k,) = (3,), not (2,); pass arrays "
        "that belong to one layer and one batch",
    ),
    "a row beyond g": Row(
        lambda: k.csr_matmul_t(V, P, R, T, G[:1]),
        ArgumentError,
        "csr_matmul_t: rows[1] must be below 1, not 1; pass indices that belong to this "
        "matrix and this batch",
    ),
    "g of another batch": Row(
        lambda: k.csr_sampled(C, S, f(2, 3), X),
        ShapeError,
        "csr_sampled: x must have the shape (n, p) = (3, 3), not (3, 4); pass arrays that"
        " belong to one layer and one batch",
    ),
    "g of another matrix": Row(
        lambda: k.csr_sampled(C, S, f(5, 4), X),
        ShapeError,
        "csr_sampled: g must have the shape (m, p) = (2, 4), not (5, 4); pass arrays that"
        " belong to one layer and one batch",
    ),
    "blocks of nothing": Row(
        lambda: k.block_matmul(V, u(0), u(0, 1), 0, (2, 3), X),
        ArgumentError,
        "block_matmul: size must be an integer of at least 1, not 0; pass size=1, for example",
    ),
    "a shape of three": Row(
        lambda: k.block_matmul(V, u(0), u(0, 1), 2, (2, 3, 1), X),  # type: ignore[arg-type]
        ArgumentError,
        "block_matmul: shape must be a tuple of 2 integers of at least 0, not (2, 3, 1); pass a "
        "tuple such as (1, 1)",
    ),
    "a block cut but stored whole": Row(
        lambda: k.block_matmul(f(4), u(1), u(0, 1), 2, (2, 3), X),
        ShapeError,
        "block_matmul: values must have 2 entries, one for each entry of the blocks, not "
        "4; pass values and indices of one matrix",
    ),
    "x of another matrix": Row(
        lambda: k.block_matmul(f(4), u(0), u(0, 1), 2, (2, 2), X),
        ShapeError,
        "block_matmul: x must have the shape (n, p) = (2, 4), not (3, 4); pass arrays "
        "that belong to one layer and one batch",
    ),
    "too many rows of blocks": Row(
        lambda: k.block_matmul(f(4), u(0), u(0, 1, 1), 2, (2, 3), X),
        ShapeError,
        "block_matmul: row_start must have the shape (down+1,) = (2,), not (3,); pass "
        "arrays that belong to one layer and one batch",
    ),
    "positions of a wider matrix": Row(
        lambda: NofM(f(12), N, 2, 4, (2, 12)),
        ShapeError,
        "NofM: positions must have the shape (m, bytes) = (2, 2), not (2, 1); pass arrays "
        "that belong to one layer and one batch",
    ),
    "the same position twice": Row(
        lambda: columns_of(np.array([[0b0000]], np.uint8), 2, 4, 4),
        ArgumentError,
        "NofM: columns must climb, 2 in each group of 4 and below 4, but position 1 of "
        "row 0 is column 0; make positions with from_dense",
    ),
    "a position beyond the tail": Row(
        lambda: columns_of(np.array([[0b1000]], np.uint8), 2, 4, 2),
        ArgumentError,
        "NofM: columns must climb, 2 in each group of 4 and below 2, but position 1 of "
        "row 0 is column 2; make positions with from_dense",
    ),
    "a weight of other channels": Row(
        lambda: k.csr_conv2d(f(1), u(27), u(0, 1), (3, 3), IMAGE),
        ArgumentError,
        "csr_conv2d: columns[0] must be below 27, not 27; pass indices that belong to "
        "this matrix and this batch",
    ),
    "groups that do not divide": Row(
        lambda: k.csr_conv2d(f(1), u(0), u(0, 1), (3, 3), IMAGE, groups=2),
        ShapeError,
        "csr_conv2d: 3 channels in, 1 out and 1 per filter do not fit 2 groups; "
        "w is (o, i/groups, ky, kx), and groups divides both o and i",
    ),
    "a gradient of another stride": Row(
        lambda: k.csr_conv2d_grad_input(
            f(1), u(0), u(0, 1), (3, 3), f(1, 2, 2, 2), IMAGE.shape, (2, 2)
        ),
        ShapeError,
        "csr_conv2d_grad_input: g must have the shape (o, oh, ow, n) = (1, 1, 1, 2), not "
        "(1, 2, 2, 2); pass arrays that belong to one layer and one batch",
    ),
    "a filter more than g has": Row(
        lambda: k.csr_conv2d_grad_weight(u(0), u(0, 1), ONE, f(3, 4, 4, 2), IMAGE),
        ShapeError,
        "csr_conv2d_grad_weight: g must have the shape (o, oh, ow, n) = (1, 4, 4, 2), not"
        " (3, 4, 4, 2); pass arrays that belong to one layer and one batch",
    ),
    "CSR: shape": Row(
        lambda: CSR(V, C, S, (2,)),  # type: ignore[arg-type]
        ArgumentError,
        "CSR: shape must be a tuple of 2 integers of at least 0, not (2,); pass a "
        "tuple such as (1, 1)",
    ),
    "CSR: signed": Row(
        lambda: CSR(V, C.astype(np.int64), S, (2, 3)),
        ArgumentError,
        "CSR: columns must be an array of uint32, not int64; take it from a format of "
        "minprune.sparse",
    ),
    "CSR: rows": Row(
        lambda: CSR(V, u(0, 2, 1), S, (3, 3)),
        ShapeError,
        "CSR: row_start must have the shape (m+1,) = (4,), not (3,); pass arrays that "
        "belong to one layer and one batch",
    ),
    "CSR: starts that fall": Row(
        lambda: CSR(V, C, u(0, 3, 2, 3), (3, 3)),
        ArgumentError,
        "CSR: row_start must never fall, but entry 2 is 2, below 3 before it; sort the "
        "entries by line",
    ),
    "CSR: beyond the edge": Row(
        lambda: CSR(V, C, S, (2, 2)),
        ArgumentError,
        "CSR: columns[1] must be below 2, not 2; pass indices that belong to this matrix "
        "and this batch",
    ),
    "CSR: unsorted": Row(
        lambda: CSR(V, u(2, 0, 1), S, (2, 3)),
        ArgumentError,
        "CSR: columns must climb in each row, but columns[1] is 0, after 2; sort the "
        "entries of each row, and add up equal ones",
    ),
    "CSR: twice": Row(
        lambda: CSR(V, u(1, 1, 1), S, (2, 3)),
        ArgumentError,
        "CSR: columns must climb in each row, but columns[1] is 1, twice; sort the "
        "entries of each row, and add up equal ones",
    ),
    "CSR: values of integers": Row(
        lambda: CSR(np.ones(3, int), C, S, (2, 3)),
        ArgumentError,
        "CSR: values must be an array of float32 or float64, not int64; convert it with "
        "np.asarray(values, np.float32)",
    ),
    "CSR: too few values": Row(
        lambda: CSR(V[:2], C, S, (2, 3)),
        ShapeError,
        "CSR: columns must have the shape (k,) = (2,), not (3,); pass arrays that belong to"
        " one layer and one batch",
    ),
    "CSR: a convolution's weight": Row(
        lambda: CSR.from_dense(f(2, 1, 3, 3), yes(2, 1, 3, 3)),
        ShapeError,
        "CSR: array must have the shape (m, n), not (2, 1, 3, 3); reshape it, with the "
        "batch as the last axis of activations",
    ),
    "CSR: mask of another shape": Row(
        lambda: CSR.from_dense(f(2, 3), yes(3, 2)),
        ShapeError,
        "CSR: mask must have the shape (m, n) = (2, 3), not (3, 2); pass arrays that belong"
        " to one layer and one batch",
    ),
    "BlockCSR: size": Row(
        lambda: BlockCSR.from_dense(f(2, 3), yes(2, 3), True),
        ArgumentError,
        "BlockCSR: size must be an integer of at least 1, not True; pass size=1, for example",
    ),
    "BlockCSR: half a block": Row(
        lambda: BlockCSR.from_dense(f(2, 3), np.eye(2, 3) > 0, 2),
        ArgumentError,
        "BlockCSR: a block must be live as a whole or not at all, but block (0, 0) has 2 "
        "of 4 entries live; prune with pattern=(2, 2) before anything else is pruned, or "
        "use CSR",
    ),
    "BlockCSR: unsorted": Row(
        lambda: BlockCSR(f(6), u(1, 0), u(0, 2), 2, (2, 3)),
        ArgumentError,
        "BlockCSR: columns must climb in each row, but columns[1] is 0, after 1; sort the"
        " entries of each row, and add up equal ones",
    ),
    "NofM: ratio": Row(
        lambda: NofM.from_dense(f(2, 4), yes(2, 4), 2, 300),
        ArgumentError,
        "NofM: keep must be at most group, and group at most 256, not 2 of 300; pass "
        "keep=2, group=4, for example",
    ),
    "NofM: over outputs": Row(
        lambda: NofM.from_dense(f(4, 4), yes(4, 4) & (np.arange(4) < 2)[:, None]),
        ArgumentError,
        "NofM: group 0 of row 0 must have exactly 2 of its 4 entries live, not 4; prune "
        "with pattern='2:4' before anything else is pruned, or use CSR",
    ),
    "NofM: rows": Row(
        lambda: NofM(f(2), N, 2, 4, (1, 4)),
        ShapeError,
        "NofM: positions must have the shape (m, bytes) = (1, 1), not (2, 1); pass arrays "
        "that belong to one layer and one batch",
    ),
    "NofM: values": Row(
        lambda: NofM(f(3), N, 2, 4, (2, 4)),
        ShapeError,
        "NofM: values must have the shape (entries,) = (4,), not (3,); pass arrays that "
        "belong to one layer and one batch",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_refusal(name: str) -> None:
    row = ROWS[name]
    with pytest.raises(row.error) as caught:
        row.provoke()
    assert caught.value.args == (row.text,)


def test_a_changed_index_is_checked_again() -> None:
    """An index that can be written to is never trusted, however often it was right."""
    columns = C.copy()
    assert k.csr_matmul(V, columns, S, X).shape == (2, 4)
    columns[2] = 7
    with pytest.raises(ArgumentError):
        k.csr_matmul(V, columns, S, X)
