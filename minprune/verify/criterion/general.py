"""The laws of every criterion, whatever it measures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minprune.core import Array
from minprune.verify.criterion.bounds import differ, steady
from minprune.verify.criterion.sight import sees_its_evidence
from minprune.verify.criterion.subject import Subject, changed, total
from minprune.verify.law import Law, law
from minprune.verify.plain.evidence import shapes
from minprune.verify.plain.net import Mlp
from minprune.verify.plain.nets import FILLS, mlps, relabel
from minprune.verify.trees import LAYOUTS, mapped, repeats, untouched

ANY = mlps()


def draws_nothing(s: Subject) -> bool:
    return "rng" not in s.needs


@law(mlps(hidden=(0, 3), fills=FILLS))
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


@law(ANY)
def dtype(s: Subject, p: Mlp) -> str | None:
    """scores come back in the dtype of the net"""
    for kind in (np.float32, np.float64):

        def cast(_: str, a: Array, kind: type = kind) -> Array:  # masks stay what they are
            return a.astype(kind) if a.dtype.kind == "f" else a

        for name, score in s(changed(s.of(p), cast)).items():
            if np.asarray(score).dtype != kind:
                return f"{name} of {np.dtype(kind)} got scores of {np.asarray(score).dtype}"
    return None


@law(ANY)
def same_bits(s: Subject, p: Mlp) -> str | None:
    """the same evidence gives the same bits"""
    return repeats(lambda: s(s.of(p)))


@law(ANY)
def purity(s: Subject, p: Mlp) -> str | None:
    """scoring changes neither its evidence nor the global random state"""
    return untouched(s, s.of(p))


@law(ANY)
def any_layout(s: Subject, p: Mlp) -> str | None:
    """arrays that are not contiguous, or may not be written to, score the same"""
    plain = s(s.of(p))
    for how, lay_out in LAYOUTS.items():
        found = s(mapped(s.of(p), lay_out))
        told = differ(s, found, plain, f"(of arrays {how}) plainly")
        if told and steady(s, p):
            return told
    return None


@law(mlps(hidden=(2, 3)), draws_nothing)
def relabelling(s: Subject, p: Mlp) -> str | None:
    """hidden units in another order have their own scores in that order"""
    want = relabel(p, total(s, p))
    found = total(s, replace(p, params=relabel(p, p.params)))
    told = differ(s, found, want, "before the units were turned round it was")
    return told if told and steady(s, p) else None


@law(mlps(samples=(2, 4)), draws_nothing)
def sample_order(s: Subject, p: Mlp) -> str | None:
    """the order of the samples does not matter"""
    n = list(range(len(p.x)))
    want, found = total(s, p, [n]), total(s, p, [n[::-1]])
    told = differ(s, found, want, "with the samples in another order it is")
    return told if told and steady(s, p) else None


GENERAL: dict[str, Law] = {
    "shapes": one_array_each,
    "dtype": dtype,
    "same bits": same_bits,
    "purity": purity,
    "any layout": any_layout,
    "sees its evidence": sees_its_evidence,
    "relabelling": relabelling,
    "sample order": sample_order,
}
