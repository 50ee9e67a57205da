"""The laws of every criterion, whatever it measures."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays, Evidence, UnitView
from minprune.verify.criterion.bounds import differ, steady
from minprune.verify.criterion.subject import SYMMETRIC, Subject, total
from minprune.verify.law import Laws
from minprune.verify.plain.evidence import plain_evidence, shapes
from minprune.verify.plain.net import FILLS, Mlp, mlps, ordinary, relabel
from minprune.verify.trees import LAYOUTS, mapped, repeats, untouched

GENERAL = Laws()
ANY = mlps()


def draws_nothing(s: Subject) -> bool:
    return "rng" not in s.needs


@GENERAL("shapes", mlps(hidden=(0, 3), fills=FILLS))
def one_array_each(s: Subject, p: Mlp) -> str | None:
    """one array of finite scores for each parameter, of its shape, also for empty layers, single
    units, zeros, equal weights and layers without a bias
    """
    with np.errstate(all="ignore"):
        scores = s(s.of(p))
    want = shapes(p, s.view)
    if not hasattr(scores, "items"):
        return f"it returned {type(scores).__name__}"
    if scores.keys() != want.keys():
        return f"it scored {', '.join(scores) or 'nothing'} and not {', '.join(want)}"
    for name, shape in want.items():
        if np.shape(scores[name]) != shape:
            return f"the scores of {name} are {np.shape(scores[name])}, expected {shape}"
        flat = np.ravel(scores[name])
        if not np.isfinite(flat).all():
            return f"a score of {name} is {flat[~np.isfinite(flat)][0]}"
    return None


@GENERAL("dtype", ANY)
def dtype(s: Subject, p: Mlp) -> str | None:
    """scores come back in the dtype of the net"""
    for kind in (np.float32, np.float64):

        def cast(a: Array, kind: type = kind) -> Array:  # masks stay what they are
            return a.astype(kind) if a.dtype.kind == "f" else a

        for name, score in s(mapped(s.of(p), cast)).items():
            if np.asarray(score).dtype != kind:
                return f"{name} of {np.dtype(kind)} got scores of {np.asarray(score).dtype}"
    return None


@GENERAL("same bits", ANY)
def same_bits(s: Subject, p: Mlp) -> str | None:
    """the same evidence gives the same bits"""
    return repeats(lambda: s(s.of(p)))


@GENERAL("purity", ANY)
def purity(s: Subject, p: Mlp) -> str | None:
    """scoring changes neither its evidence nor the global random state"""
    return untouched(s, s.of(p))


@GENERAL("any layout", ANY)
def any_layout(s: Subject, p: Mlp) -> str | None:
    """arrays that are not contiguous, or may not be written to, score the same"""
    plain = s(s.of(p))
    for how, lay_out in LAYOUTS.items():
        found = s(mapped(s.of(p), lay_out))
        wrong = differ(s, found, plain, f"(of arrays {how}) plainly")
        if wrong and steady(s, p):
            return wrong
    return None


@GENERAL("relabelling", mlps(hidden=(2, 3)), draws_nothing)
def relabelling(s: Subject, p: Mlp) -> str | None:
    """hidden units in another order have their own scores in that order"""
    want = relabel(p, total(s, p))
    found = total(s, replace(p, params=relabel(p, p.params)))
    wrong = differ(s, found, want, "before the units were reversed it was")
    return wrong if wrong and steady(s, p) else None


@GENERAL("sample order", mlps(samples=(2, 4)), draws_nothing)
def sample_order(s: Subject, p: Mlp) -> str | None:
    """the order of the samples does not matter"""
    n = list(range(len(p.x)))
    want, found = total(s, p, [n]), total(s, p, [n[::-1]])
    wrong = differ(s, found, want, "with the samples in another order it is")
    return wrong if wrong and steady(s, p) else None


POSITIVE = ("squared_grads", "inverse_diag", "act_hist")
FACTORS = (3, 0, 1000, -1000, 2.0**40)  # the last: what is compared with the size of rounding
FILLINGS = 20


@dataclass(frozen=True)
class Change:
    """One entry of one array of evidence; entry counts on from the end of the array."""

    kind: str
    name: str
    entry: int
    seed: int


@cache
def of_ordinary(kinds: tuple[str, ...], view: UnitView | None) -> dict[str, Any]:
    return {kind: getattr(plain_evidence(ordinary(), (kind,), view), kind) for kind in kinds}


def blank(s: Subject) -> Any:
    """{kind: what the criterion is given of an ordinary net}, to be changed at will"""
    return mapped(of_ordinary(s.needs, s.view), np.copy)


def where(s: Subject) -> list[tuple[str, str]]:
    """(kind, name) of each array that has to matter."""
    ones = s.view in ("gate", "whole")  # where weights are 1 by definition
    return [
        (kind, name)
        for kind, arrays in blank(s).items()
        if isinstance(arrays, dict) and kind != "masks" and not (ones and kind == "weights")
        for name in arrays
    ]


def some(a: Array, rng: np.random.Generator, kind: str) -> Array:
    """Numbers away from 0 in the shape of a; two positions where there is one

    What is a symmetric matrix stays one, with a diagonal that outweighs the rest.
    """
    a = np.repeat(a, 2, axis=2) if kind in ("activations", "act_grads") else a
    sign = 1 if kind in POSITIVE else rng.choice([-1, 1], a.shape)
    found = np.asarray((0.5 + rng.random(a.shape)) * sign)
    if kind in SYMMETRIC:
        n = a.shape[-1]
        found = (found + np.swapaxes(found, -1, -2)) / 2 + 3 * n * np.eye(n)
    return found


def changes(s: Subject) -> st.SearchStrategy[Change]:
    entry = st.integers(0, 99)
    return st.builds(lambda at, *rest: Change(*at, *rest), st.sampled_from(where(s)), entry, entry)


def matters(s: Subject, change: Change, at: Any, fill: int) -> bool:
    """Whether another number at that place changes a score of evidence filled by that seed."""
    rng, given = np.random.default_rng(fill), blank(s)
    for kind, name in where(s):
        given[kind] = given[kind] | {name: some(given[kind][name], rng, kind)}
    ev = Evidence(unit=s.view is not None, **given)
    before: Arrays = s(ev)
    mirror = (*at[:-2], at[-1], at[-2]) if change.kind in SYMMETRIC else at
    for factor in FACTORS:
        new = given[change.kind][change.name].copy()
        for place in {at, mirror}:
            new[place] *= factor
        try:
            after = s(replace(ev, **{change.kind: given[change.kind] | {change.name: new}}))
        except Exception:  # user code may raise anything: what refuses a number has read it
            return True
        if any(not np.array_equal(after[n], before[n]) for n in before):
            return True
    return False


@GENERAL("sees its evidence", changes, lambda s: "rng" not in s.needs and bool(where(s)))
def sees_its_evidence(s: Subject, change: Change) -> str | None:
    """each entry of the evidence that it asks for matters to some score"""
    a = blank(s)[change.kind][change.name]
    shape = some(a, np.random.default_rng(0), change.kind).shape
    at = tuple(int(k) for k in np.unravel_index(change.entry % int(np.prod(shape)), shape))
    pairs = change.kind == "within" or (change.kind == "act_gram" and "outgoing" not in s.needs)
    if pairs:  # variances or mean squares alone may be asked for
        at = (at[0], at[0])
    # one fill may hide an entry, as a negative Hessian does that is clipped; not all of them
    if any(matters(s, change, at, fill) for fill in range(change.seed, change.seed + FILLINGS)):
        return None
    index = ", ".join(map(str, at))
    return f"no other number at {change.kind}[{change.name!r}][{index}] changes a score"
