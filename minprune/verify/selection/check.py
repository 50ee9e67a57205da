"""check_selector and check_pattern: every law of selection on a function of the user.

Longer than most files: both call functions of the same forms.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import numpy as np

from minprune.arguments import choice
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.law import Law, callable_as, judged, keywords, picked
from minprune.verify.selection.cases import Case, Pattern, Select, Several, cases, inner, tiled
from minprune.verify.selection.large import many, wide
from minprune.verify.selection.laws import (
    APART,
    BLOCKS,
    ENDS,
    LAWS,
    N_OF_M,
    NEARLY,
    REDUCED,
    one_score,
)  # fmt: skip
from minprune.verify.verdict import Verdict, Verdicts

SELECTOR, PATTERN = "check_selector", "check_pattern"  # what messages begin with
Form = Literal["dict", "array"]
Scope = Literal["global", "layer"]
Tie = Literal["lower", "any"]
Count = Literal["round", "any"]
Reduce = Literal["mean", "sum", "max"]
EVERY = LAWS | ENDS | APART
# where any tie rule will do these are judged on scores without ties
WITHOUT_TIES = ("nested", "by steps", "memory layout", "float32", "definition")
# of a pattern; "edge" alone has tiles that do not fit
ON_MANY = ("N of each M", "the best stay", "whole blocks", "exact count", "masked stay masked",
           "edge")  # fmt: skip
COUNTED = ("exact count", "lowest scores go")  # which are also tried on many entries
TAKES = ("masks", "minimum", "protect")
FORMS: tuple[Form, ...] = ("dict", "array")
ONE = np.array([[1.0, 2.0]])
TAKES_OF = {"by steps": "masks", "masked stay masked": "masks", "minimum": "minimum",
            "protected": "protect"}  # fmt: skip


def check_selector(
    fn: Callable[..., Any], *, form: Form | None = None, scope: Scope = "global",
    tie: Tie = "lower", count: Count = "round", signed: bool = True,
    laws: Collection[str] | None = None, examples: int = 200, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `masks = fn(scores, sparsity)`, True = kept, on scores with many ties.

    sparsity is the share of all entries whose mask is False afterwards. Where fn has parameters
    `masks` (True = not pruned so far), `minimum` (kept in each layer at least) or `protect` (names
    of layers left alone), their laws are checked too; else minimum=0 is understood.

    Parameters
    ----------
    fn : callable
        The selector.
    form : {"dict", "array"}, optional
        "dict": it takes {name: scores} and returns {name: mask}, all layers compared with each
        other; "array": it takes one array and returns its mask. None: what it answers to.
    scope : {"global", "layer"}
        "layer": each layer loses that share of its own, whatever the others are.
    tie : {"lower", "any"}
        "lower": of equal scores the lower flat index is kept, so that masks are nested and do not
        depend on memory; "any": another rule, and those laws are tried on scores without ties.
    count : {"round", "any"}
        "round": round(sparsity n), half to even; "any": rounded in any way.
    signed : bool
        False: fn ranks magnitudes, so no score is negative.
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
        For another form, scope, tie, count or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def above(scores, sparsity):
    ...     return scores >= np.quantile(scores, sparsity)
    >>> import numpy as np
    >>> [v.law for v in mp.verify.check_selector(above, laws=["exact count"]).broken]
    ['exact count']
    """
    choice(SELECTOR, "form", form, (None, *FORMS))
    choice(SELECTOR, "scope", scope, ("global", "layer"))
    choice(SELECTOR, "tie", tie, ("lower", "any"))
    choice(SELECTOR, "count", count, ("round", "any"))
    wanted = picked(SELECTOR, laws, EVERY)
    takes = keywords(fn, TAKES)
    callable_as(fn, "scores", "sparsity", given=takes)
    form = form or form_of(fn, takes)
    if form == "array":  # which has no layers to protect
        takes = [name for name in takes if name != "protect"]
    select = adapted(fn, form, takes)
    alone = form == "array" or scope == "layer"
    left = {law for law, parameter in TAKES_OF.items() if parameter not in takes}
    left |= {"protected"} if alone else {"layers apart"}  # which judges it
    left |= {"layers apart"} if form == "array" else set()
    left |= {"ties by lower index"} if tie == "any" else set()
    left |= {"definition"} if count == "any" else set()
    wanted = {name: law for name, law in wanted.items() if name not in left}
    if count == "any":
        wanted |= {name: law for name, law in NEARLY.items() if name in wanted}
    draw: dict[str, Any] = {name: name in takes for name in TAKES} | {
        "layers": 1 if alone else 3, "empty": False, "share": inner, "signed": signed,
    }  # fmt: skip
    untied = {name for name in WITHOUT_TIES if tie == "any"}
    several = draw | {"layers": 3, "masks": False, "minimum": False}
    found = []
    for names, strategy in (
        ({*LAWS} - untied, cases(**draw)),
        (untied, cases(**draw, ties=False)),
        ({*APART}, cases(**several)),
        ({"sparsity 0 and 1"}, ends(alone)),
        ({"empty layer"}, emptied(alone)),
    ):
        table = {name: law for name, law in wanted.items() if name in names}
        found += judged(table, select, strategy, examples=examples, seed=seed)
    large = {name: wanted[name] for name in COUNTED if name in wanted}
    strategy = many(alone, "masks" in takes, signed)
    return Verdicts(sorted(both(found, judged(large, select, strategy, examples=1, seed=seed)),
                           key=lambda v: list(EVERY).index(v.law)))  # fmt: skip


def both(found: Collection[Verdict], large: Collection[Verdict]) -> list[Verdict]:
    """The verdicts on each law, of larger examples where the others do not break it."""
    broken = {v.law: v for v in large if not v.holds}
    return [broken.get(v.law, v) if v.holds else v for v in found]


def adapted(fn: Callable[..., Any], form: Form, takes: list[str]) -> Select:
    """fn with the parameters that the laws use, its masks in the order of the scores

    Protected layers may be in its answer, if they are as they were.
    """

    def select(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
        given = {name: (target | {"masks": masks})[name] for name in takes}
        if form == "dict":
            found = dict(fn(scores, target["sparsity"], **given))
        else:
            ((name, one),) = scores.items()
            given |= {"masks": masks[name]} if "masks" in takes else {}
            found = {name: fn(one, target["sparsity"], **given)}
        for name in target["protect"]:
            was = masks[name] if "masks" in takes else np.ones_like(masks[name])
            if name in found and np.array_equal(found[name], was):
                del found[name]
        names = [n for n in scores if n in found] + [n for n in found if n not in scores]
        return {n: found[n] for n in names}

    return select


def form_of(fn: Callable[..., Any], takes: list[str], one: Array = ONE) -> Form:
    """What fn answers to: a dict with a dict, or an array with a mask; "dict" if to neither."""
    scores, masks = {"a.weight": one}, {"a.weight": np.ones(one.shape, bool)}
    for form in FORMS:
        select = adapted(fn, form, takes)
        try:
            answer = select(scores, masks, sparsity=0.5, minimum=0, protect=())
        except (Exception, SystemExit):  # user code may raise anything
            continue
        if not isinstance(answer.get("a.weight"), Mapping):
            return form
    return "dict"


def dense(*rows: Any, sparsity: float) -> Case:
    """Nothing masked: a.weight holds the first row, ..."""
    scores = {f"{'abc'[k]}.weight": np.array(row, float) for k, row in enumerate(rows)}
    masks = {n: np.ones(s.shape, bool) for n, s in scores.items()}
    return Case(scores, masks, sparsity, sparsity)


def ends(alone: bool) -> list[Case]:
    """Sparsity 0 and 1."""
    tried: list[list[Any]] = [[[0.5]], [[0, 0.5, 1]], [[1, 1]], *[[[0.5], [0, 1]]] * (not alone)]
    return [dense(*rows, sparsity=share) for share in (0.0, 1.0) for rows in tried]


def emptied(alone: bool) -> list[Case]:
    """A layer without entries, alone and beside another."""
    empty = np.zeros((0, 2))
    return [dense(*rows, sparsity=0.5) for rows in ([empty], [empty, [0.5, 1.0]])[: 2 - alone]]


def check_pattern(
    fn: Callable[..., Any], pattern: str | tuple[int, int], *, form: Form | None = None,
    tie: Tie = "lower", signed: bool = True, reduce: Reduce | None = None,
    laws: Collection[str] | None = None, examples: int = 200, seed: int = 0,
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
    reduce : {"mean", "sum", "max"}, optional
        Which of these a block's score is; None: any of them, the same for all blocks.
    laws : collection of str, optional
        Only these. The law "edge" alone has tiles that do not fit.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another pattern, form, tie, reduce or law, and a function that cannot be called so.

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
    choice(PATTERN, "form", form, (None, *FORMS))
    choice(PATTERN, "tie", tie, ("lower", "any"))
    choice(PATTERN, "reduce", reduce, (None, *REDUCED))
    known: dict[str, Law] = dict(N_OF_M)
    if kept is None:
        known = {**BLOCKS, **dict(zip(("one score", "edge"), one_score(reduce), strict=True))}
    table = picked(PATTERN, laws, known)
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
    run: dict[str, Any] = {"examples": examples, "seed": seed}
    for edge in (False, True):
        here = {n: law for n, law in table.items() if n not in left and (n == "edge") == edge}
        large = wide(parsed, bool(takes), signed, edge)
        together = {n: here.pop(n) for n in ("one score",) if n in here}
        some = judged(here, select, tiled(parsed, bool(takes), signed, edge), **run)
        more = {n: law for n, law in here.items() if n in ON_MANY}
        found += both(some, judged(more, select, large, **run))
        found += judged(together, select, [Several(tuple(large))], **run)
    return Verdicts(sorted(found, key=lambda v: list(known).index(v.law)))


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
        f"{PATTERN}: pattern must be 'N:M' with 1 <= N <= M, or a pair (rows, columns) of integers "
        f"of at least 1, not {pattern!r}; pass '2:4' or (4, 4)"
    )


def again(fn: Callable[..., Any], form: Form | None = None, **other: Any) -> Arrays:
    """The masks of fixed scores with ties, to be compared between processes."""
    scores = {name: np.arange(12) % 3 / 2 for name in ("a.w", "b.w")}  # the cut is among equals
    takes = keywords(fn, TAKES)
    form = form or form_of(fn, takes)
    if form == "array":
        scores.pop("b.w")
    masks = {n: np.ones(s.shape, bool) for n, s in scores.items()}
    return adapted(fn, form, takes)(scores, masks, sparsity=0.5, minimum=0, protect=())
