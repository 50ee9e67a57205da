"""Every law of selection on a function of one's own: which entries go, and exactly how many."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as, keywords
from minprune.verify.laws_selector import LAWS, counts_nearly
from minprune.verify.selection import Case, Select, differ, kept
from minprune.verify.strategies import cases, inner
from minprune.verify.verdict import Verdict, Verdicts, find_each, first

Form = Literal["dict", "array"]
Scope = Literal["global", "layer"]
Tie = Literal["lower", "any"]
Count = Literal["round", "any"]
EVERY = (*LAWS, "sparsity 0 and 1", "empty layer", "layers apart")
# where any tie rule will do these are judged on scores without ties
WITHOUT_TIES = ("nested", "by steps", "memory layout", "float32", "definition")
TAKES = ("masks", "minimum", "protect")
FORMS: tuple[Form, ...] = ("dict", "array")
ONE = np.array([[1.0, 2.0]])
TAKES_OF = {
    "by steps": "masks",
    "masked stay masked": "masks",
    "minimum": "minimum",
    "protected": "protect",
}


def check_selector(
    fn: Callable[..., Any],
    *,
    form: Form | None = None,
    scope: Scope = "global",
    tie: Tie = "lower",
    count: Count = "round",
    signed: bool = True,
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
    depend on memory; "any": another rule, and those laws are asked of scores without ties.
    count: "round": round(sparsity n), half to even; "any": rounded in any way. signed: False: fn
    ranks magnitudes, so no score is negative. laws: their names; None: all that apply.

    Raises ArgumentError for another form, scope, tie, count or law, and for a function that cannot
    be called so.
    """
    for name, value, allowed in (("form", form, (None, "dict", "array")),
                                 ("scope", scope, ("global", "layer")),
                                 ("tie", tie, ("lower", "any")),
                                 ("count", count, ("round", "any"))):  # fmt: skip
        if value not in allowed:
            names = " or ".join(map(repr, allowed))
            raise ArgumentError(f"{name} is {value!r}, expected {names}; choose one of them")
    for law in laws or ():
        if law not in EVERY:
            raise ArgumentError(f"{law!r} is no law of selection; there are {', '.join(EVERY)}")
    takes = keywords(fn, TAKES)
    callable_as(fn, "scores", "sparsity", given=takes)
    form = form or form_of(fn, takes)
    if form == "array":  # which has no layers to protect
        takes = [name for name in takes if name != "protect"]
    select = adapted(fn, form, takes)
    exact = adapted(fn, form, takes, as_bool=False)
    alone = form == "array" or scope == "layer"
    wanted = [law for law in EVERY if TAKES_OF.get(law) in (None, *takes)]
    if alone and "protected" in wanted:  # judged with "layers apart"
        wanted.remove("protected")
    wanted = [law for law in wanted if laws is None or law in laws]
    if tie == "any" and "ties by lower index" in wanted:
        wanted.remove("ties by lower index")
    if count == "any" and "definition" in wanted:
        wanted.remove("definition")
    if form == "array" or scope == "global":
        wanted = [law for law in wanted if law != "layers apart"]
    judges = LAWS | ({"exact count": counts_nearly} if count == "any" else {})
    table = {
        law: (said(judges[law]), partial(judges[law], exact if law == "shape" else select))
        for law in wanted
        if law in LAWS
    }
    draw: dict[str, Any] = {name: name in takes for name in TAKES} | {
        "layers": 1 if alone else 3, "empty": False, "share": inner, "signed": signed,
    }  # fmt: skip
    untied = {law: table.pop(law) for law in WITHOUT_TIES if tie == "any" and law in table}
    run: dict[str, Any] = {"examples": examples, "seed": seed}
    verdicts = find_each(table, cases(**draw), **run)
    verdicts += find_each(untied, cases(**draw, ties=False), **run)
    verdicts.sort(key=lambda v: wanted.index(v.law))
    if "sparsity 0 and 1" in wanted:
        verdicts.append(ends(select, alone, "minimum" in takes))
    if "empty layer" in wanted:
        verdicts.append(empty_layer(select, exact, alone))
    if "layers apart" in wanted:
        several = cases(**draw | {"layers": 3, "masks": False, "minimum": False})
        judge = {"layers apart": (said(apart), partial(apart, select))}
        verdicts += find_each(judge, several, **run)
    return Verdicts(verdicts)


def apart(select: Select, c: Case) -> str | None:
    """the mask of a layer is the same when it comes alone, protected ones are left as they are"""
    new = c.run(select)
    if set(new) != set(c.names):
        return f"there are masks for {', '.join(new)}"
    for n in c.names:
        one: dict[str, Any] = {"scores": {n: c.scores[n]}, "masks": {n: c.masks[n]}, "protect": ()}
        clause = differ({n: new[n]}, c.run(select, **one), "alone")
        if clause:
            return clause
    return None


def said(law: Callable[..., Any]) -> str:
    """What the law asks: the first line of its docstring."""
    return str(law.__doc__).splitlines()[0]


def adapted(fn: Callable[..., Any], form: Form, takes: list[str], as_bool: bool = True) -> Select:
    """fn with the parameters that the laws use, its masks in the order of the scores

    Protected layers may be in its answer, if they are as they were.
    """

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
        for name in target["protect"]:
            was = masks[name] if "masks" in takes else np.ones_like(masks[name])
            if name in found and np.array_equal(found[name], was):
                del found[name]
        names = [n for n in scores if n in found] + [n for n in found if n not in scores]
        return {n: np.asarray(found[n]).astype(bool) if as_bool else found[n] for n in names}

    return select


def form_of(fn: Callable[..., Any], takes: list[str], one: Array = ONE) -> Form:
    """What fn answers to: a dict with a dict, or an array with a mask; "dict" if to neither."""
    scores, masks = {"a.weight": one}, {"a.weight": np.ones(one.shape, bool)}
    for form in FORMS:
        select = adapted(fn, form, takes, as_bool=False)
        try:
            answer = select(scores, masks, sparsity=0.5, minimum=0, protect=())
        except (Exception, SystemExit):  # of strangers' code, anything
            continue
        if not isinstance(answer.get("a.weight"), Mapping):
            return form
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


def empty_layer(select: Select, exact: Select, alone: bool) -> Verdict:
    """A layer without entries has an empty mask."""

    def broken(c: Case) -> str | None:
        return LAWS["shape"](exact, c) or LAWS["exact count"](select, c)

    empty = np.zeros((0, 2))
    rows: list[dict[str, Array]] = [{"a.weight": empty}]
    if not alone:
        rows.append({"a.weight": empty, "b.weight": np.array([0.5, 1.0])})
    tries = [Case(s, {n: np.ones(a.shape, bool) for n, a in s.items()}, 0.5, 0.5) for s in rows]
    return first("empty layer", "a layer without entries gets an empty mask", tries, broken)


def again(fn: Callable[..., Any], form: Form | None = None) -> Arrays:
    """The masks of fixed scores with ties, to be compared between processes."""
    scores = {name: np.arange(12) % 3 / 2 for name in ("a.w", "b.w")}  # the cut is among equals
    takes = keywords(fn, TAKES)
    form = form or form_of(fn, takes)
    if form == "array":
        scores.pop("b.w")
    masks = {n: np.ones(s.shape, bool) for n, s in scores.items()}
    select = adapted(fn, form, takes)
    return select(scores, masks, sparsity=0.5, minimum=0, protect=())
