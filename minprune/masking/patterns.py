"""Patterns of single weights: N kept of every M inputs ("2:4"), or whole blocks ((4, 4)).

Both cut the matrix (o, i), at each (y, x) of a kernel, into tiles: (1, M) or (rows, columns). A
tile that overhangs the edge is cut there.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minprune.arguments import choice, is_count
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.model import all_finite

Given = str | tuple[int, int] | None  # what a caller may write


class Pattern(NamedTuple):
    """Tiles of (rows, columns) over (o, i); `kept` of each stay, None: all of a tile or none."""

    rows: int
    columns: int
    kept: int | None = None

    def within(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(rows, columns) of a tile, no larger than the matrix, so that padding stays small."""
        return max(1, min(self.rows, shape[0])), max(1, min(self.columns, shape[1]))


def parse(given: Given) -> Pattern | None:
    """ "2:4" -> tiles (1, 4), 2 kept      (4, 4) -> tiles (4, 4), whole      None -> None

    Raises ArgumentError for anything else, N of 0, N above M, or a side below 1.
    """
    if given is None:
        return None
    if isinstance(given, str):
        found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", given)
        n, m = map(int, found.groups()) if found else (0, 0)
        if 1 <= n <= m:
            return Pattern(1, m, n)
    elif isinstance(given, tuple | list) and len(given) == 2 and all(map(is_count, given)):
        return Pattern(int(given[0]), int(given[1]))
    raise ArgumentError(
        f"prune: pattern must be 'N:M' with 1 <= N <= M, or a pair (rows, columns) of integers of "
        f"at least 1, not {given!r}; pass pattern='2:4' or pattern=(4, 4), for example"
    )


def tiles(a: Array, pattern: Pattern, fill: float | bool) -> Array:
    """(o, i, ...) -> (ceil(o / rows), ceil(i / columns), ..., rows * columns), row by row

    `fill` is used where a tile overhangs the edge. Tiles lie in the order of their first entries.
    """
    r, c = pattern.within(a.shape)
    o, i, *rest = a.shape
    down, across = -(-o // r), -(-i // c)
    over = [(0, down * r - o), (0, across * c - i)] + [(0, 0)] * len(rest)
    if any(pair != (0, 0) for pair in over):
        a = np.pad(a, over, constant_values=fill)
    a = np.moveaxis(a.reshape(down, r, across, c, *rest), (1, 3), (-2, -1))
    return np.ascontiguousarray(a).reshape(down, across, *rest, r * c)


def untiled(t: Array, shape: tuple[int, ...], pattern: Pattern) -> Array:
    """The inverse of `tiles`: (..., rows * columns) -> shape, without what overhung the edge"""
    r, c = pattern.within(shape)
    down, across, *rest, _ = t.shape
    t = np.moveaxis(t.reshape(down, across, *rest, r, c), (-2, -1), (1, 3))
    t = t.reshape(down * r, across * c, *rest)
    return np.ascontiguousarray(t[: shape[0], : shape[1]])


def n_of_m(scores: Array, live: Array, pattern: Pattern) -> Array:
    """mask = the N best live entries of every M consecutive inputs; of equals the lower index

    scores: (o, i, ...) floats, live: bool -> bool, the same shape. A shorter tile at the end keeps
    as many, up to its length. Source: Zhou et al. (2021), Learning N:M fine-grained structured
    sparse networks; Mishra et al. (2021) for 2:4.
    """
    there = tiles(live, pattern, False)
    order = np.argsort(np.where(there, -tiles(scores, pattern, 0), np.inf), axis=-1, kind="stable")
    best = np.zeros(there.shape, bool)
    np.put_along_axis(best, order[..., : pattern.kept], True, axis=-1)
    return untiled(best & there, scores.shape, pattern)


def _sum(s: Array, live: Array) -> Array:
    return np.asarray(np.where(live, s, 0).sum(-1))


def _max(s: Array, live: Array) -> Array:
    top: Array = np.where(live, s, -np.inf).max(-1)
    return np.where(live.any(-1), top, 0)


def _mean(s: Array, live: Array) -> Array:
    low, high = -_max(-s, live), _max(s, live)
    # without rounding where all are equal: such blocks are a tie, whatever their sizes
    return np.where(low == high, high, _sum(s, live) / np.maximum(live.sum(-1), 1))


REDUCE: dict[str, Callable[[Array, Array], Array]] = {"mean": _mean, "sum": _sum, "max": _max}


def blocks(
    name: str, scores: Array, live: Array, pattern: Pattern, reduce: str = "mean"
) -> tuple[Array, Array]:
    """(score of each block, which blocks have a live entry)      both (o / rows, i / columns, ...)

    A block's score is the mean, sum or max of its live entries, taken in float64 and rounded to the
    dtype of the scores; 0 where none is live. Raises ArgumentError for another reduction,
    NonFiniteError for a sum that overflows.
    """
    choice("prune", "block_reduce", reduce, tuple(REDUCE))
    there = tiles(live, pattern, False)
    alive = np.asarray(there.any(-1))
    with np.errstate(over="ignore", invalid="ignore"):
        found = REDUCE[reduce](tiles(scores, pattern, 0).astype(np.float64), there)
        found = found.astype(scores.dtype)
    remedy = f"divide the scores by a constant first, so that sums fit in {scores.dtype}"
    all_finite(name, "the scores of blocks", found, remedy)
    return found, alive


def per_entry(kept: Array, shape: tuple[int, ...], pattern: Pattern) -> Array:
    """One bool for each block -> one for each entry of an array of this shape"""
    r, c = pattern.within(shape)
    return untiled(np.broadcast_to(kept[..., None], (*kept.shape, r * c)), shape, pattern)
