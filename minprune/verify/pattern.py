"""Every law of a pattern on a function of one's own: N kept of every M inputs, or whole blocks."""

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as, keywords
from minprune.verify.laws_pattern import BLOCKS, N_OF_M, Index, Tiled, tiles
from minprune.verify.selector import Form, Tie, adapted, form_of, said
from minprune.verify.strategies import VALUES, inner
from minprune.verify.verdict import Verdicts, find_each

NAME = "a.weight"


def check_pattern(
    fn: Callable[..., Any],
    pattern: str | tuple[int, int],
    *,
    form: Form | None = None,
    tie: Tie = "lower",
    signed: bool = True,
    laws: Collection[str] | None = None,
    examples: int = 200,
    seed: int = 0,
) -> Verdicts:
    """The laws of `mask = fn(scores)` for "N:M", and of `fn(scores, sparsity)` for (rows, columns)

    scores: of a weight (o, i) or (o, i, y, x), True = kept. "2:4": of every 4 consecutive inputs
    (axis 1; of a convolution at each y, x) the 2 best stay, of fewer at the end as many or all.
    (4, 4): blocks of 4 outputs by 4 inputs (at each y, x) stay or go whole, cut at the edge, and
    sparsity is the share of the blocks; a block's score may be the mean, the sum or the largest.
    fn takes and gives arrays or dicts of them (form "array" or "dict"; None: what it answers to).
    Where it has a parameter `masks` (True = not pruned so far), what is masked must stay so.
    tie, signed, laws: as for check_selector. The law "edge" alone has tiles that do not fit.

    Raises ArgumentError for another pattern, form or tie, and a function that cannot be called so.
    """
    rows, columns, kept = parse(pattern)
    for name, value, allowed in (("form", form, (None, "dict", "array")),
                                 ("tie", tie, ("lower", "any"))):  # fmt: skip
        if value not in allowed:
            names = " or ".join(map(repr, allowed))
            raise ArgumentError(f"{name} is {value!r}, expected {names}; choose one of them")
    known = BLOCKS if kept is None else N_OF_M
    for law in laws or ():
        if law not in known:
            raise ArgumentError(f"{law!r} is no law of {pattern}; there are {', '.join(known)}")
    takes = keywords(fn, ("masks",))
    callable_as(fn, *(("scores", "sparsity") if kept is None else ("scores",)), given=takes)

    def called(scores: Any, sparsity: float, **masks: Any) -> Any:
        return fn(scores, **masks) if kept is not None else fn(scores, sparsity, **masks)

    one = np.arange(float(rows * columns)).reshape(rows, columns)
    select = adapted(called, form or form_of(called, takes, one), takes, as_bool=False)

    def mask(scores: Array, live: Array, sparsity: float) -> Any:
        target: dict[str, Any] = {"sparsity": sparsity, "minimum": 0, "protect": ()}
        return select({NAME: scores}, {NAME: live}, **target)[NAME]

    left = {"masked stay masked"} if not takes else set()
    left |= {"ties by lower index", "nested"} if tie == "any" else set()
    table = {
        law: (said(judge), partial(judge, mask))
        for law, judge in known.items()
        if law not in left and (laws is None or law in laws)
    }
    how = {"rows": rows, "columns": columns, "kept": kept, "masks": bool(takes), "signed": signed}
    edge = {"edge": table.pop("edge")} if "edge" in table and (rows, columns) != (1, 1) else {}
    run: dict[str, Any] = {"examples": examples, "seed": seed}
    found = find_each(table, tiled(**how, edge=False), **run)
    return Verdicts(found + find_each(edge, tiled(**how, edge=True), **run))


def parse(pattern: Any) -> tuple[int, int, int | None]:
    """(rows, columns, kept): "2:4" -> (1, 4, 2)      (4, 4) -> (4, 4, None)"""
    if isinstance(pattern, str) and (found := re.fullmatch(r"([0-9]{1,3}):([0-9]{1,3})", pattern)):
        n, m = map(int, found.groups())
        if 1 <= n <= m:
            return 1, m, n
    sides = pattern if isinstance(pattern, tuple) and len(pattern) == 2 else (0, 0)
    if all(isinstance(side, int) and side >= 1 for side in sides):
        return sides[0], sides[1], None
    raise ArgumentError(
        f"pattern is {pattern!r}, expected 'N:M' with 1 <= N <= M, or a pair (rows, columns) of "
        f"integers of at least 1; give '2:4' or (4, 4)"
    )


def shapes(rows: int, columns: int, edge: bool) -> list[Index]:
    """Weights of a few tiles, dense and of convolutions, that fit or do not."""
    if not edge:
        r, c = rows, columns
        return [(r, c), (r, 2 * c), (2 * r, c), (r, c, 2, 1), (r, c, 1, 3), (2 * r, 2 * c, 1, 2)]
    # one more than fits, and one less
    (r, short), (c, narrow) = [(s + 1, max(s - 1, 1)) for s in (rows, columns)]
    return [(r, c), (r, c, 2, 1), (rows, c), (rows, columns + narrow), (rows + short, narrow)]


@st.composite
def tiled(
    draw: Any, rows: int, columns: int, kept: int | None, masks: bool, signed: bool, edge: bool
) -> Tiled:
    """Scores with many ties; masks (of whole blocks) and shares that can be reached."""
    shape = draw(st.sampled_from(shapes(rows, columns, edge)))
    cells = tiles(shape, rows, columns)
    low = 0.0 if signed else -VALUES[0]
    value = st.sampled_from([v + low for v in VALUES])
    bit = st.sampled_from([True, True, False]) if masks else st.just(True)
    scores, live = np.zeros(shape), np.ones(shape, bool)
    for cell in cells:
        at = tuple(zip(*cell, strict=True))
        if kept is not None:
            scores[at] = draw(st.lists(value, min_size=len(cell), max_size=len(cell)))
            live[at] = draw(st.lists(bit, min_size=len(cell), max_size=len(cell)))
            continue
        scores[at], live[at] = draw(value), draw(bit)
        if len(cell) == rows * columns:
            scores[at] += np.array(draw(st.permutations(range(len(cell))))) / 2
    dead = sum(not live[cell[0]] for cell in cells) / max(len(cells), 1)
    share = max(draw(inner), dead) if kept is None else 0.0
    return Tiled(scores, live, rows, columns, kept, share)
