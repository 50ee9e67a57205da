"""Every law of a pattern on a function of the user: N kept of every M inputs, or whole blocks."""

import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from minprune.arguments import choice
from minprune.errors import ArgumentError
from minprune.verify.law import callable_as, judged, keywords, picked
from minprune.verify.selection.cases import Pattern, tiled
from minprune.verify.selection.laws import BLOCKS, N_OF_M
from minprune.verify.selection.selector import FORMS, Form, Tie, adapted, form_of
from minprune.verify.verdict import Verdicts

CHECK = "check_pattern"


def check_pattern(
    fn: Callable[..., Any], pattern: str | tuple[int, int], *, form: Form | None = None,
    tie: Tie = "lower", signed: bool = True, laws: Collection[str] | None = None,
    examples: int = 200, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `mask = fn(scores)` for "N:M", and `mask = fn(scores, sparsity)` for blocks.

    scores: of a weight (o, i) or (o, i, y, x); True = kept. Where fn has a parameter `masks`
    (True = not pruned so far), what is masked must stay so.

    Parameters
    ----------
    fn : callable
        It takes and returns arrays, or dicts of them.
    pattern : str or (int, int)
        "2:4": of every 4 consecutive inputs (axis 1; of a convolution at each y, x) the 2 best
        stay, of fewer at the end as many or all. (4, 4) or "4x4": blocks of 4 outputs by 4 inputs
        (at each y, x) stay or go whole, cut at the edge, and sparsity is the share of the blocks;
        a block's score may be the mean, the sum or the largest.
    form, tie, signed, examples, seed
        As for check_selector.
    laws : collection of str, optional
        Only these. The law "edge" alone has tiles that do not fit.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another pattern, form, tie or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> def threshold(scores):
    ...     return scores > np.median(scores)
    >>> [v.law for v in mp.verify.check_pattern(threshold, "2:4", laws=["N of each M"]).broken]
    ['N of each M']
    """
    parsed = parse(pattern)
    rows, columns, kept = parsed
    choice(CHECK, "form", form, (None, *FORMS))
    choice(CHECK, "tie", tie, ("lower", "any"))
    table = picked(CHECK, laws, BLOCKS if kept is None else N_OF_M)
    takes = keywords(fn, ("masks",))
    callable_as(fn, *(("scores", "sparsity") if kept is None else ("scores",)), given=takes)

    def called(scores: Any, sparsity: float, **masks: Any) -> Any:
        return fn(scores, **masks) if kept is not None else fn(scores, sparsity, **masks)

    one = np.arange(float(rows * columns)).reshape(rows, columns)
    select = adapted(called, form or form_of(called, takes, one), takes)
    left = {"masked stay masked"} if not takes else set()
    left |= {"ties by lower index", "nested"} if tie == "any" else set()
    left |= {"edge"} if (rows, columns) == (1, 1) else set()
    found = []
    for edge in (False, True):
        here = {n: law for n, law in table.items() if n not in left and (n == "edge") == edge}
        strategy = tiled(parsed, bool(takes), signed, edge)
        found += judged(here, select, strategy, examples=examples, seed=seed)
    return Verdicts(found)


def parse(pattern: Any) -> Pattern:
    """(rows, columns, kept): "2:4" -> (1, 4, 2)      (4, 4) or "4x4" -> (4, 4, None)"""
    text = pattern if isinstance(pattern, str) else ""
    words = re.fullmatch(r"([0-9]{1,3})([:x])([0-9]{1,3})", text)
    if words and words[2] == ":" and 1 <= int(words[1]) <= int(words[3]):
        return 1, int(words[3]), int(words[1])
    sides: Any = pattern if isinstance(pattern, tuple) and len(pattern) == 2 else (0, 0)
    if words and words[2] == "x":
        sides = int(words[1]), int(words[3])
    if all(isinstance(side, int) and side >= 1 for side in sides):
        return sides[0], sides[1], None
    raise ArgumentError(
        f"{CHECK}: pattern must be 'N:M' with 1 <= N <= M, or a pair (rows, columns) of integers "
        f"of at least 1, not {pattern!r}; pass '2:4' or (4, 4)"
    )
