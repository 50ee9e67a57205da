"""Patterns by definition: loops over tiles of indices, exact means, and the cases to run on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from selection import slow

from minprune.core import Array, Arrays

Select = Callable[..., Any]
Index = tuple[int, ...]
SHAPES = [(1, 1), (2, 3), (3, 7), (7, 3), (1, 8), (4, 4), (0, 2), (2, 0),
          (2, 2, 2, 2), (1, 5, 2, 1), (3, 2, 1, 2)]  # fmt: skip
DTYPES = st.sampled_from([np.float32, np.float64])
VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0])  # ties are the rule, and sums are exact


def tile_of(at: Index, rows: int, columns: int) -> Index:
    return (at[0] // rows, at[1] // columns, *at[2:])


def cells(shape: Index, rows: int, columns: int, tile: Any = tile_of) -> dict[Index, list[Index]]:
    """{tile: its entries}, both in the order of flat indices."""
    found: dict[Index, list[Index]] = {}
    for at in np.ndindex(*shape):
        found.setdefault(tile(at, rows, columns), []).append(at)
    return dict(sorted(found.items()))


def slow_n_of_m(
    scores: Array, live: Array, n: int, m: int, *,
    tile: Callable[..., Index] = tile_of,
    first: Callable[[float, Index], Any] = lambda score, at: (-score, at),
    count: Callable[[int, list[Index], Array], int] = lambda n, cell, live: n,
) -> Array:  # fmt: skip
    """What "n:m" means; `first` orders what stays, `count` says how many of a tile do."""
    mask = np.zeros(scores.shape, bool)
    for cell in cells(scores.shape, 1, m, tile).values():
        open_ = sorted((at for at in cell if live[at]), key=lambda at: first(scores[at], at))
        for at in open_[: count(n, cell, live)]:
            mask[at] = True
    return mask


def exactly(scores: Array, live: Array, cell: list[Index], how: str) -> Fraction:
    """The mean, sum or max of the live entries of one block, without rounding; 0 without any."""
    values = [Fraction(float(scores[at])) for at in cell if live[at]]
    if not values:
        return Fraction(0)
    total = sum(values, Fraction(0))
    return {"mean": total / len(values), "sum": total, "max": max(values)}[how]


def slow_blocks(
    scores: Arrays, masks: Arrays, *, pattern: Index, reduce: str = "mean",
    tile: Callable[..., Index] = tile_of,
    value: Callable[..., Fraction] = exactly,
    **target: Any,
) -> Arrays:  # fmt: skip
    """What pattern=(rows, columns) means: `slow` selection with blocks for entries."""
    found = {n: list(cells(s.shape, *pattern, tile).values()) for n, s in scores.items()}
    ranks = {n: np.array([value(scores[n], masks[n], c, reduce) for c in f], object)
             for n, f in found.items()}  # fmt: skip
    alive = {n: np.array([any(masks[n][at] for at in c) for c in f], bool)
             for n, f in found.items()}  # fmt: skip
    new = {}
    for n, kept in slow(ranks, alive, **target).items():
        new[n] = masks[n].copy()
        for cell in (c for c, k in zip(found[n], kept, strict=True) if not k):
            for at in cell:
                new[n][at] = False
    return new


@dataclass(frozen=True)
class Few:
    """One array, its mask, and N:M."""

    scores: Array
    live: Array
    n: int
    m: int

    def run(self, select: Select, **changes: Any) -> Array:
        c = replace(self, **changes)
        return select(c.scores, c.live, c.n, c.m)  # type: ignore[no-any-return]

    def tiles(self) -> Iterable[list[Index]]:
        return cells(self.scores.shape, 1, self.m).values()


@dataclass(frozen=True)
class Blocks:
    """Arrays, masks, a block and a share of blocks that can be reached."""

    scores: Arrays
    masks: Arrays
    pattern: tuple[int, int]
    reduce: str
    sparsity: float
    less: float
    minimum: int
    protect: tuple[str, ...]

    def run(self, select: Select, **changes: Any) -> Arrays:
        c = replace(self, **changes)
        return select(  # type: ignore[no-any-return]
            c.scores, c.masks, pattern=c.pattern, reduce=c.reduce, sparsity=c.sparsity,
            minimum=c.minimum, protect=c.protect,
        )  # fmt: skip

    @property
    def names(self) -> list[str]:
        return [n for n in self.scores if n not in self.protect]

    def tiles(self) -> Iterable[tuple[str, list[Index]]]:
        for n in self.names:
            for cell in cells(self.scores[n].shape, *self.pattern).values():
                yield n, cell

    def alive(self, masks: Arrays) -> list[bool]:
        return [any(masks[n][at] for at in cell) for n, cell in self.tiles()]


def drawn(draw: st.DrawFn, shape: Index, dtype: Any) -> tuple[Array, Array]:
    size = int(np.prod(shape))
    scores = np.array(draw(st.lists(VALUES, min_size=size, max_size=size))).reshape(shape)
    bit = st.sampled_from([True, True, False])
    bits = draw(st.lists(bit, min_size=size, max_size=size))
    return scores.astype(dtype), np.array(bits, bool).reshape(shape)


@st.composite
def few(draw: st.DrawFn) -> Few:
    scores, live = drawn(draw, draw(st.sampled_from(SHAPES)), draw(DTYPES))
    n, m = draw(st.sampled_from([(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (1, 9), (3, 3)]))
    return Few(scores, live, n, m)


@st.composite
def blocks(draw: st.DrawFn) -> Blocks:
    names = ("b.weight", "a.weight")[: draw(st.integers(1, 2))]
    dtype = draw(DTYPES)
    pairs = {n: drawn(draw, draw(st.sampled_from(SHAPES)), dtype) for n in names}
    pattern = draw(st.sampled_from([(1, 1), (2, 3), (1, 3), (2, 2), (3, 1), (1, 2), (9, 9)]))
    protect = (names[-1],) if len(names) > 1 and draw(st.booleans()) else ()
    scores, masks = {n: p[0] for n, p in pairs.items()}, {n: p[1] for n, p in pairs.items()}
    reduce = draw(st.sampled_from(["mean", "mean", "sum", "max"]))
    case = Blocks(scores, masks, pattern, reduce, 0, 0, draw(st.integers(0, 2)), protect)
    lives = [sum(replace(case, protect=tuple(set(names) - {n})).alive(masks)) for n in case.names]
    size = len(case.alive(masks))
    most = size - sum(min(case.minimum, k) for k in lives)
    part = st.sampled_from([k / 8 for k in range(9)])  # of the way from masked to all but minimum
    pair = [draw(part) for _ in range(2)]
    pair = [((size - sum(lives)) * (1 - p) + most * p) / max(size, 1) for p in pair]
    return replace(case, sparsity=max(pair), less=min(pair))
