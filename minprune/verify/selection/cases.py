"""What selectors and patterns are judged on: scores with many ties, masks, targets within reach.

A target is a count of items in each scope. Of a selector every entry is an item, and the whole net
one scope; of N:M the scopes are tiles of entries; of blocks the items are the tiles.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.law import ClauseError
from minprune.verify.plain.rules import half_even
from minprune.verify.strategies import among, listed
from minprune.verify.verdict import short

Select = Callable[..., Arrays]
Index = tuple[int, ...]
Item = list[tuple[str, Index]]  # entries that stay or go together
Pattern = tuple[int, int, "int | None"]  # rows, columns of a tile; how many stay, or None: blocks
VALUES = (-1.0, 0.0, 0.5, 1.0)  # exact in float32, so that ties stay ties
SHAPES = ((1,), (3,), (2, 2), (2, 3), (2, 1, 1, 2))
MOST = 6  # entries of one of them
SHOWN = 60  # entries of an array that is printed whole
NAMES = ("b.weight", "a.weight", "c.weight")  # net order is not the order of the alphabet
inner = st.floats(0, 1, exclude_min=True, exclude_max=True) | st.sampled_from([0.25, 0.5, 0.75])
sparsities = st.floats(0, 1) | st.sampled_from([0, 0.25, 0.5, 0.75, 1])
BITS = (True, True, False)
EITHER, UP_TO_2 = st.booleans(), st.integers(0, 2)


def tiles(shape: Index, rows: int, columns: int) -> list[list[Index]]:
    """The entries of each tile of (o, i) at each (y, x), cut at the edge; by flat indices."""
    found: dict[Index, list[Index]] = {}
    for at in np.ndindex(*shape):
        found.setdefault((at[0] // rows, at[1] // columns, *at[2:]), []).append(at)
    return [found[tile] for tile in sorted(found)]


@dataclass(frozen=True)
class Case:
    """Scores, what is masked already, and a target that can be reached."""

    scores: Arrays
    masks: Arrays
    sparsity: float
    less: float  # a lower target, also reachable
    minimum: int = 0
    protect: tuple[str, ...] = ()
    pattern: Pattern | None = None

    def answer(self, select: Select) -> Arrays:
        """What the function returns."""
        given: dict[str, Any] = {n: getattr(self, n) for n in ("sparsity", "minimum", "protect")}
        return select(self.scores, self.masks, **given)

    def run(self, select: Select, **changes: Any) -> Arrays:
        """The masks for this case, or for one that differs by the given fields, as bool."""
        c = replace(self, **changes)
        found = {n: np.asarray(m).astype(bool) for n, m in c.answer(select).items()}
        if set(found) != set(c.names):
            raise ClauseError(f"there are masks for {', '.join(found)}")
        for n, m in found.items():
            if m.shape != c.scores[n].shape:
                raise ClauseError(f"the mask of {n} is {m.shape}, its scores {c.scores[n].shape}")
        return found

    @cached_property
    def names(self) -> list[str]:
        """The layers that are not protected."""
        return [n for n in self.scores if n not in self.protect]

    @cached_property
    def scopes(self) -> list[list[Item]]:
        """The items among which a count is kept, in the order of flat indices."""
        if self.pattern is None:
            return [[[(n, at)] for n in self.names for at in np.ndindex(self.scores[n].shape)]]
        rows, columns, kept = self.pattern
        cells = [[(n, at) for at in tile] for n in self.names
                 for tile in tiles(self.scores[n].shape, rows, columns)]  # fmt: skip
        return [cells] if kept is None else [[[entry] for entry in cell] for cell in cells]

    def staying(self, scope: list[Item], masks: Arrays) -> list[bool]:
        """Which items have an entry that stays."""
        return [any(bool(masks[n][at]) for n, at in item) for item in scope]

    def wanted(self, scope: list[Item]) -> int:
        """How many items of the scope go."""
        if self.pattern is None or self.pattern[2] is None:
            return half_even(self.sparsity * len(scope))
        live = sum(self.staying(scope, self.masks))
        return len(scope) - min(self.pattern[2], live)

    def __str__(self) -> str:
        lines = []
        for n, s in self.scores.items():
            lines.append(f"scores of {n} = {shown(s)}" + f", {s.dtype}" * (s.size <= SHOWN))
        for n, m in self.masks.items():
            lines += [] if m.all() else [f"mask of {n} = {shown(m.astype(int))}"]
        if self.pattern is None or self.pattern[2] is None:
            lines.append(f"sparsity = {self.sparsity}")
        lines += [f"lower sparsity = {self.less}"] * (self.less != self.sparsity)
        lines += [f"minimum = {self.minimum}"] * (self.minimum != 0)
        lines += [f"protect = {self.protect}"] * (self.protect != ())
        return "\n".join(lines)


@dataclass(frozen=True)
class Several:
    """Cases that are judged together."""

    cases: tuple[Case, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.cases))


def same(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Equal names in equal order, dtypes and entries."""
    return list(a) == list(b) and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a
    )


def kept(masks: Mapping[str, Array]) -> str:
    """Masks in a clause: 1 = kept."""
    return "; ".join(f"{n} {shown(np.asarray(m).astype(int))}" for n, m in masks.items())


def shown(a: Array) -> str:
    return short(a) if a.size > SHOWN else str(a.tolist())


def differ(got: Arrays, want: Arrays, how: str = "expected") -> str | None:
    """None where they are the same, or both of them."""
    return None if same(got, want) else f"the masks are {kept(got)}, {how} {kept(want)}"


@st.composite
def cases(
    draw: Any, layers: int = 3, empty: bool = True, masks: bool = True, minimum: bool = True,
    protect: bool = True, share: Any = sparsities, ties: bool = True, signed: bool = True,
) -> Case:  # fmt: skip
    """Cases of a selector.

    layers: at most how many. empty: also a layer without entries. masks, minimum, protect: whether
    something is masked already, a layer keeps a minimum, a layer is left alone. ties, signed:
    whether scores may be equal, and negative.
    """
    names = NAMES[: draw(among(range(1, layers + 1)))]
    shapes = among(SHAPES + ((0, 2),) * empty)
    scores: dict[str, Array] = {}
    live: dict[str, Array] = {}
    ranks = draw(st.permutations(range(MOST * layers))) if not ties else []
    for name in names:
        shape = draw(shapes)
        n = math.prod(shape)
        if ties:
            values = draw(listed(among(VALUES), n))
        else:
            values = [ranks.pop() / 2 + VALUES[0] for _ in range(n)]
        scores[name] = np.array(values, np.float64).reshape(shape) - (0 if signed else VALUES[0])
        bits = [True] * n
        if masks:
            bits = draw(listed(among(BITS), n))
        live[name] = np.array(bits, bool).reshape(shape)
    left = (names[-1],) if protect and len(names) > 1 and draw(EITHER) else ()
    least = draw(UP_TO_2) if minimum else 0
    free = [n for n in names if n not in left]
    size = sum(scores[n].size for n in free)
    dead = sum(int((~live[n]).sum()) for n in free)
    most = size - sum(min(least, int(live[n].sum())) for n in free)
    pair = [min(max(draw(share), dead / size), most / size) if size else 0 for _ in range(2)]
    return Case(scores, live, max(pair), min(pair), least, left)


def tiled_shapes(rows: int, columns: int, edge: bool) -> tuple[Index, ...]:
    """Weights of a few tiles, dense and of convolutions, that fit or do not."""
    if not edge:
        r, c = rows, columns
        return (r, c), (r, 2 * c), (2 * r, c), (r, c, 2, 1), (r, c, 1, 3), (2 * r, 2 * c, 1, 2)
    # one more than fits, and one less
    (r, short), (c, narrow) = [(s + 1, max(s - 1, 1)) for s in (rows, columns)]
    return (r, c), (r, c, 2, 1), (rows, c), (rows, columns + narrow), (rows + short, narrow)


@st.composite
def tiled(draw: Any, pattern: Pattern, masks: bool, signed: bool, edge: bool) -> Case:
    """Cases of a pattern: one layer, masks (of whole blocks), shares that can be reached."""
    rows, columns, keep = pattern
    shape = draw(among(tiled_shapes(rows, columns, edge)))
    cells = tiles(shape, rows, columns)
    low = 0.0 if signed else -VALUES[0]
    values = tuple(v + low for v in VALUES)
    bits = BITS if masks else (True,)
    scores, live = np.zeros(shape), np.ones(shape, bool)
    for cell in cells:
        at = tuple(zip(*cell, strict=True))
        if keep is not None:
            scores[at] = draw(listed(among(values), len(cell)))
            live[at] = draw(listed(among(bits), len(cell)))
            continue
        scores[at], live[at] = draw(among(values)), draw(among(bits))
        if len(cell) == rows * columns:
            scores[at] += np.array(draw(st.permutations(range(len(cell))))) / 2
    dead = sum(not live[cell[0]] for cell in cells) / max(len(cells), 1)
    share = max(draw(inner), dead) if keep is None else 0.0
    return Case({NAMES[1]: scores}, {NAMES[1]: live}, share, share, pattern=pattern)
