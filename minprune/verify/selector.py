"""Every law of selection on a function of one's own: which entries go, and exactly how many."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.calling import keywords
from minprune.verify.laws_selector import LAWS, Case, Select, differ, kept
from minprune.verify.strategies import cases, inner
from minprune.verify.verdict import Verdict, Verdicts, find, find_each, first

Form = Literal["dict", "array"]
Scope = Literal["global", "layer"]
Tie = Literal["lower", "any"]
EVERY = (*LAWS, "sparsity 0 and 1", "empty layer")
WITH_LOWER = (
    "ties by lower index", "nested", "by steps", "memory layout", "float32", "definition",
)  # fmt: skip
TAKES = ("masks", "minimum", "protect")


def check_selector(
    fn: Callable[..., Any],
    *,
    form: Form | None = None,
    scope: Scope = "global",
    tie: Tie = "lower",
    laws: Collection[str] | None = None,
    examples: int = 200,
    seed: int = 0,
) -> Verdicts:
    """The laws of `masks = fn(scores, sparsity)`, True = kept, on scores with many ties

    fn: takes {name: scores} and gives {name: mask} (form "dict", all layers compared with each
    other), or takes one array and gives its mask ("array"); None: what it answers to. sparsity is
    the share of all entries whose mask is False afterwards. Where fn has parameters `masks`
    (True = not pruned so far), `minimum` (kept in each layer at least) or `protect` (names of
    layers left alone), their laws are checked too; else minimum=0 is understood.
    scope: "layer": each layer loses that share of its own, whatever the others are.
    tie: "lower": of equal scores the lower flat index is kept, so that masks are nested and do not
    depend on memory; "any": another rule, and what follows from it, is let be. laws: their names;
    None: all that apply.

    Raises ArgumentError for another form, tie or law.
    """
    for name, value, allowed in (("form", form, (None, "dict", "array")),
                                 ("scope", scope, ("global", "layer")),
                                 ("tie", tie, ("lower", "any"))):  # fmt: skip
        if value not in allowed:
            names = " or ".join(map(repr, allowed))
            raise ArgumentError(f"{name} is {value!r}, expected {names}; choose one of them")
    for law in laws or ():
        if law not in EVERY:
            raise ArgumentError(f"{law!r} is no law of selection; there are {', '.join(EVERY)}")
    form = form or form_of(fn)
    takes = keywords(fn, TAKES)
    select = adapted(fn, form, takes)
    exact = adapted(fn, form, takes, as_bool=False)
    alone = form == "array" or scope == "layer"
    layers = 1 if alone else 3
    draw: dict[str, Any] = {
        "layers": layers,
        **{name: name in takes for name in TAKES},
        "empty": False,
    }
    plain = cases(share=inner, **draw)
    wanted = [
        law
        for law in EVERY
        if TAKES_OF.get(law) in (None, *takes)
        and (tie == "lower" or law not in WITH_LOWER)
        and (laws is None or law in laws)
    ]
    table = {
        law: (said(law), partial(LAWS[law], exact if law == "shape" else select))
        for law in wanted
        if law in LAWS
    }
    verdicts = find_each(table, plain, examples=examples, seed=seed)
    if "sparsity 0 and 1" in wanted:
        verdicts.append(ends(select, alone, "minimum" in takes))
    if "empty layer" in wanted:
        verdicts.append(empty_layer(exact, alone))
    if form == "dict" and scope == "layer" and laws is None:
        several = cases(share=inner, **(draw | {"layers": 3, "masks": False, "protect": False}))
        law, sentence = "layers apart", "the mask of a layer is the same when it comes alone"
        broken = partial(apart, select)
        verdicts.append(find(law, sentence, several, broken, examples=examples, seed=seed))
    return Verdicts(verdicts)


def apart(select: Select, c: Case) -> str | None:
    """Each layer's mask, and that of the layer alone, are the same."""
    new = c.run(select)
    for n, s in c.scores.items():
        clause = differ({n: new[n]}, c.run(select, scores={n: s}, masks={n: c.masks[n]}), "alone")
        if clause:
            return clause
    return None


TAKES_OF = {
    "by steps": "masks",
    "masked stay masked": "masks",
    "minimum": "minimum",
    "protected": "protect",
}


def said(law: str) -> str:
    """What the law asks: the first line of its docstring."""
    return str(LAWS[law].__doc__)


def adapted(fn: Callable[..., Any], form: Form, takes: list[str], as_bool: bool = True) -> Select:
    """fn with the parameters that the laws use."""

    def select(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
        given = {name: target[name] for name in takes if name in target}
        if form == "dict":
            if "masks" in takes:
                given["masks"] = masks
            found = dict(fn(scores, target["sparsity"], **given))
        else:
            ((name, one),) = scores.items()
            if "masks" in takes:
                given["masks"] = masks[name]
            found = {name: fn(one, target["sparsity"], **given)}
        if not as_bool:
            return found
        return {name: np.asarray(m).astype(bool) for name, m in found.items()}

    return select


def form_of(fn: Callable[..., Any]) -> Form:
    """What fn answers to: a dict with a dict, or an array with a mask; "dict" if to neither."""
    scores = np.array([1.0, 2.0])
    for form, given in (("dict", {"a.weight": scores}), ("array", scores)):
        try:
            answer = fn(given, 0.5)
        except Exception:  # of strangers' code, anything
            continue
        if isinstance(answer, Mapping) == (form == "dict"):
            return "dict" if form == "dict" else "array"
    return "dict"


def scores_of(*rows: list[float]) -> Arrays:
    """{"a.weight": first row, ...}"""
    return {f"{'abc'[k]}.weight": np.array(row, float) for k, row in enumerate(rows)}


def ends(select: Select, alone: bool, minimum: bool) -> Verdict:
    """Sparsity 0 prunes nothing, 1 everything."""

    def broken(c: Case) -> str | None:
        new = c.run(select)
        stays = sum(int(m.sum()) for m in new.values())
        want = 0 if c.sparsity == 1 else sum(s.size for s in c.scores.values())
        return None if stays == want else f"{stays} entries stay: {kept(new)}"

    tried = [scores_of([0.5]), scores_of([0, 0.5, 1]), scores_of([1, 1])]
    tried += [] if alone else [scores_of([0.5], [0, 1])]
    tries = [
        Case(s, {n: np.ones(a.shape, bool) for n, a in s.items()}, share, share)
        for share in (0.0, 1.0)
        for s in tried
    ]
    least = ", with minimum=0," if minimum else ""
    sentence = f"sparsity 0 prunes nothing and 1{least} prunes everything"
    return first("sparsity 0 and 1", sentence, tries, broken)


def empty_layer(select: Select, alone: bool) -> Verdict:
    """A layer without entries has an empty mask."""

    def broken(c: Case) -> str | None:
        shape = LAWS["shape"](select, c)
        return shape or LAWS["exact count"](select, c)

    empty = np.zeros((0, 2))
    rows: list[dict[str, Array]] = [{"a.weight": empty}]
    if not alone:
        rows.append({"a.weight": empty, "b.weight": np.array([0.5, 1.0])})
    tries = [Case(s, {n: np.ones(a.shape, bool) for n, a in s.items()}, 0.5, 0.5) for s in rows]
    return first("empty layer", "a layer without entries gets an empty mask", tries, broken)


def again(fn: Callable[..., Any]) -> Arrays:
    """The masks of fixed scores with ties, to be compared between processes."""
    scores = {name: np.arange(12) % 3 / 2 for name in ("a.w", "b.w")}  # the cut is among equals
    form = form_of(fn)
    if form == "array":
        scores.pop("b.w")
    masks = {n: np.ones(s.shape, bool) for n, s in scores.items()}
    select = adapted(fn, form, keywords(fn, TAKES))
    return select(scores, masks, sparsity=0.5, minimum=0, protect=())
