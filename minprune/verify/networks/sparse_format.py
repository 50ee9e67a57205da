"""check_sparse_format: matrices of which only live entries are stored, and products with them.

Longer than most files: beside the laws stand the matrices, empty, ragged and wide.
"""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify.law import ClauseError, Laws, callable_as, judged, keywords, picked
from minprune.verify.trees import mapped, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS, PRODUCT, CSR = Laws(), Laws(), Laws()

CHECK = "check_sparse_format"
# what CSR calls its parts, in order
FIELDS = (("values", "data"), ("columns", "indices", "col_indices"),
          ("row_start", "indptr", "crow_indices"))  # fmt: skip
SHAPES = ((1, 1), (1, 5), (5, 1), (3, 4), (7, 3), (5, 9), (4, 8))


@dataclass(frozen=True)
class Named:
    """The attributes of an object, as a dict has its values."""

    of: Any

    def get(self, name: str) -> Any:
        return getattr(self.of, name, None)


@dataclass(frozen=True)
class Subject:
    """encode and decode, and the product if there is one; masked: whether encode takes the mask.

    group: (N, M) of the pattern that masks have; block: (rows, columns) of theirs.
    """

    encode: Callable[..., Any]
    decode: Callable[[Any], Any]
    product: Callable[[Any, Array], Any] | None
    masked: bool
    like: str | None
    group: tuple[int, int] | None = None
    block: tuple[int, int] | None = None

    def stored(self, m: "Matrix") -> Any:
        """What encode makes of it."""
        given = (m.dense.copy(), m.mask.copy()) if self.masked else (m.dense.copy(),)
        return self.encode(*given)

    def csr(self, m: "Matrix") -> tuple[Array, Array, Array]:
        """(values, columns, row_start) of what encode makes, by order or by name"""
        parts = self.stored(m)
        if isinstance(parts, tuple | list):
            found = list(parts[:3])
        else:
            held = parts if isinstance(parts, dict) else Named(parts)
            values = [[held.get(n) for n in names] for names in FIELDS]
            found = [next((v for v in row if v is not None), None) for row in values]
        if len(found) < 3 or any(part is None for part in found):
            raise ClauseError(
                "it is no tuple that begins with (values, columns, row_start), and has no such "
                "parts"
            )
        found = [part() if callable(part) else part for part in found]  # methods of torch
        return np.asarray(found[0]), np.asarray(found[1]), np.asarray(found[2])


@dataclass(frozen=True)
class Matrix:
    """A matrix, 0.0 where its mask is False; live entries may be 0.0 where the mask is given."""

    dense: Array
    mask: Array

    def __str__(self) -> str:
        if self.dense.size > 40:
            return f"a matrix of {self.dense.shape}, {int(self.mask.sum())} live"
        return f"dense = {self.dense.tolist()}\nmask = {self.mask.astype(int).tolist()}"


def patterned(s: Subject, keep: Array, rng: np.random.Generator) -> Array:
    """A mask that has the pattern of s: of N:M as many of every M as may stay, or whole blocks."""
    m = keep.copy()
    rows, columns = m.shape
    if s.group:
        n, group = s.group
        for r in range(rows):
            for at in range(0, columns, group):
                wide = min(group, columns - at)
                m[r, at : at + wide] = rng.permutation(wide) < n
    if s.block:
        down, over = s.block
        few = keep[::down, ::over]
        m = np.repeat(np.repeat(few, down, 0), over, 1)[:rows, :columns]
    return m


def matrix(s: Subject, rng: np.random.Generator, shape: tuple[int, int], share: float) -> Matrix:
    """Numbers of both signs at that share of the places; zeros among them if the mask is given."""
    mask = patterned(s, rng.random(shape) < share, rng)
    dense = rng.standard_normal(shape)
    if s.masked:
        dense *= rng.random(shape) < 0.8
    return Matrix(dense * mask, mask)


def matrices(s: Subject) -> st.SearchStrategy[Matrix]:
    """Of sides that nothing divides; rows and columns may be empty."""
    shares = st.sampled_from([0.0, 0.2, 0.5, 1.0])

    def make(seed: int, shape: tuple[int, int], share: float, empty: bool) -> Matrix:
        rng = np.random.default_rng(seed)
        m = matrix(s, rng, shape, share)
        if empty and not s.group and not s.block:
            rows = rng.random(shape[0]) < 0.5
            m = Matrix(m.dense * rows[:, None], m.mask & rows[:, None])
        return m

    return st.builds(make, st.integers(0, 999), st.sampled_from(SHAPES), shares, st.booleans())


def emptied(s: Subject) -> list[Matrix]:
    """Matrices whose first, last and middle rows, or all, hold nothing."""
    found = []
    for rows in ([0], [4], [1, 2], [0, 1, 3, 4], range(5)):
        m = matrix(s, np.random.default_rng(0), (5, 6), 0.6)
        left = ~np.isin(np.arange(5), list(rows))[:, None]
        found.append(Matrix(m.dense * left, m.mask & left))
    return found


def ragged(s: Subject) -> list[Matrix]:
    """Sides of one more and one fewer than what groups and blocks divide."""
    shapes = ((1, 1), (2, 3), (3, 5), (4, 7), (5, 9), (9, 17), (7, 33))
    return [matrix(s, np.random.default_rng(k), shape, 0.5) for k, shape in enumerate(shapes)]


def wide(s: Subject) -> list[Matrix]:
    """300 and 70,000 columns, and more than 65,536 live entries: too many for small indices."""
    rng = np.random.default_rng(0)
    shapes = (((3, 300), 0.9), ((300, 3), 0.9), ((2, 70_000), 0.01), ((2, 70_000), 0.6))
    return [matrix(s, rng, shape, share) for shape, share in shapes]


def differs(found: Any, m: Matrix) -> str | None:
    """A clause where a dense matrix is not this one."""
    a = np.asarray(found)
    if a.shape != m.dense.shape or a.dtype != m.dense.dtype:
        return f"it comes back as {a.shape}, {a.dtype}, and was {m.dense.shape}, {m.dense.dtype}"
    if (a != m.dense).any():
        k = tuple(int(i) for i in np.argwhere(a != m.dense)[0])
        return f"entry {list(k)} was {m.dense[k].item()!r} and is {a[k].item()!r}"
    return None


@LAWS("round trip", matrices)
def round_trip(s: Subject, m: Matrix) -> str | None:
    """what is decoded is the matrix, exactly"""
    return differs(s.decode(s.stored(m)), m)


@LAWS("empty rows", emptied, lambda s: not (s.group or s.block))
def empty_rows(s: Subject, m: Matrix) -> str | None:
    """rows without an entry, the first and the last too, and empty matrices come back"""
    return differs(s.decode(s.stored(m)), m) or (unlike(s, m) if s.product else None)


@LAWS("ragged tails", ragged)
def ragged_tails(s: Subject, m: Matrix) -> str | None:
    """sides that groups and blocks do not divide come back"""
    return differs(s.decode(s.stored(m)), m) or (unlike(s, m) if s.product else None)


@LAWS("wide", wide)
def wide_ones(s: Subject, m: Matrix) -> str | None:
    """indices of 70,000 columns and counts of 80,000 entries do not overflow"""
    return differs(s.decode(s.stored(m)), m)


@LAWS("float32", matrices)
def keeps_float32(s: Subject, m: Matrix) -> str | None:
    """a matrix in float32 comes back in float32"""
    narrow = Matrix(m.dense.astype(np.float32), m.mask)
    return differs(s.decode(s.stored(narrow)), narrow)


@LAWS("own memory", matrices)
def own_memory(s: Subject, m: Matrix) -> str | None:
    """what is stored does not change with the matrix that it was made from"""
    dense = m.dense.copy()
    parts = s.encode(dense, m.mask.copy()) if s.masked else s.encode(dense)
    dense += 1
    return differs(s.decode(parts), m)


@LAWS("same bits", matrices)
def same_bits(s: Subject, m: Matrix) -> str | None:
    """the same matrix gives the same bits"""
    return repeats(lambda: s.decode(s.stored(m)))


@LAWS("input untouched", matrices)
def leaves_input(s: Subject, m: Matrix) -> str | None:
    """neither the matrix, nor its mask, nor what is stored is changed"""
    given = (m.dense, m.mask) if s.masked else (m.dense,)
    parts = s.stored(m)
    return untouched(s.encode, *given) or untouched(s.decode, parts)


def unlike(s: Subject, m: Matrix, columns: int = 3) -> str | None:
    """A clause where the product is further from the dense one than rounding may take it."""
    assert s.product is not None
    x = np.random.default_rng(1).standard_normal((m.dense.shape[1], columns))
    found = np.asarray(s.product(s.stored(m), mapped(x, np.copy)))
    want, k = m.dense @ x, m.dense.shape[1] + 2
    if found.shape != want.shape:
        return f"the product is {found.shape}, expected {want.shape}"
    gamma = k * 2.0**-53 / (1 - k * 2.0**-53)
    off = np.abs(found - want) - 2 * gamma * (np.abs(m.dense) @ np.abs(x))
    if not (off <= 0).all():
        at = tuple(int(i) for i in np.unravel_index(int(np.nan_to_num(off, nan=np.inf).argmax()),
                                                    off.shape))  # fmt: skip
        return f"the product at {list(at)} is {found[at].item()!r}, and of the dense {want[at]!r}"
    return None


@PRODUCT("product", matrices)
def product(s: Subject, m: Matrix) -> str | None:
    """the product with a batch is the dense one, to 2 gamma(n) sum abs(a) abs(x)"""
    return unlike(s, m)


@PRODUCT("product of one", matrices)
def product_of_one(s: Subject, m: Matrix) -> str | None:
    """the product with a single column is the dense one, to 2 gamma(n) sum abs(a) abs(x)"""
    return unlike(s, m, 1)


@CSR("live entries", matrices)
def stores_live(s: Subject, m: Matrix) -> str | None:
    """every live entry is stored, a 0.0 too, and nothing else"""
    found, want = s.csr(m)[0].size, int(m.mask.sum() if s.masked else np.count_nonzero(m.dense))
    return None if found == want else f"{found} values are stored, expected {want}"


@CSR("indices", matrices)
def sound_indices(s: Subject, m: Matrix) -> str | None:
    """row starts climb from 0 to the count of values, columns climb within a row and are those of
    the matrix; all are integers
    """
    values, columns, starts = s.csr(m)
    rows, n = m.dense.shape
    if columns.dtype.kind not in "iu" or starts.dtype.kind not in "iu":
        return f"columns are {columns.dtype} and row starts {starts.dtype}"
    if starts.shape != (rows + 1,) or columns.shape != values.shape or values.ndim != 1:
        return f"values, columns and starts are {values.shape}, {columns.shape}, {starts.shape}"
    where = starts.astype(int).tolist()
    if where[0] != 0 or where[-1] != values.size or sorted(where) != where:
        return f"the row starts are {where} for {values.size} values"
    for r, (a, b) in enumerate(itertools.pairwise(where)):
        row = columns[a:b].astype(int).tolist()
        if sorted(set(row)) != row or (row and not 0 <= row[0] <= row[-1] < n):
            return f"the columns of row {r} are {row}, of {n}"
        if (values[a:b] != m.dense[r, row]).any():
            return f"the values of row {r} are {values[a:b].tolist()} at columns {row}"
    return None


def check_sparse_format(
    encode: Callable[..., Any], decode: Callable[[Any], Any],
    product: Callable[[Any, Array], Any] | None = None, like: str | None = None, *,
    laws: Collection[str] | None = None, examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check a sparse format: `encode(dense) -> parts`, `decode(parts) -> dense`.

    Parameters
    ----------
    encode : callable
        encode(dense), or encode(dense, mask), which stores what is live (True), a 0.0 too. What it
        returns may be anything that decode takes.
    decode : callable
        parts -> the matrix (m, n), 0.0 where nothing is stored.
    product : callable, optional
        product(parts, x) -> dense @ x, x: (n, columns).
    like : str, optional
        "csr": parts begin with (values, columns, row_start), or have them by these names or those
        of SciPy or torch. "2:4", "1:4", ...: masks keep so many of every so many inputs. "4x4",
        ...: masks are of whole blocks, cut at the edge.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like` or law, and functions that cannot be called so.

    Examples
    --------
    >>> import numpy as np
    >>> import minprune as mp
    >>> def encode(dense):
    ...     rows, columns = np.nonzero(dense)
    ...     return dense[rows, columns], columns.astype(np.uint8), np.bincount(rows), dense.shape
    >>> def decode(parts):
    ...     values, columns, counts, shape = parts
    ...     dense = np.zeros(shape, values.dtype)
    ...     dense[np.repeat(np.arange(len(counts)), counts), columns] = values
    ...     return dense
    >>> [v.law for v in mp.verify.check_sparse_format(encode, decode).broken]
    ['wide']
    """
    group, block = patterns(like)
    table = LAWS | (PRODUCT if product else {}) | (CSR if like == "csr" else {})
    wanted = picked(CHECK, laws, table)
    masked = bool(keywords(encode, ("mask",)))
    callable_as(encode, "dense", given=["mask"] if masked else [])
    callable_as(decode, "parts")
    if product is not None:
        callable_as(product, "parts", "x")
    subject = Subject(encode, decode, product, masked, like, group, block)
    return Verdicts(judged(wanted, subject, examples=examples, seed=seed))


def patterns(like: str | None) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """((N, M), None) of "2:4", (None, (rows, columns)) of "4x4"; raises for another name."""
    for sign in ":x":
        a, found, b = (like or "").partition(sign)
        if found and a.isdigit() and b.isdigit() and int(a) and int(b):
            pair = int(a), int(b)
            if sign == "x":
                return None, pair
            if pair[0] <= pair[1]:
                return pair, None
    if like not in (None, "csr"):
        raise ArgumentError(
            f"{CHECK}: like must be 'csr', N:M with N <= M or ROWSxCOLUMNS, not {like!r}; pass "
            f"like='2:4', for example"
        )
    return None, None
