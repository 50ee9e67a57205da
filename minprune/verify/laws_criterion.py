"""The laws of every criterion, whatever it measures.

Each law is a function Subject -> Law: what it asks, where to look, and a test of one example.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minprune.core import Array, Evidence
from minprune.verify.criterion_bounds import clause, largest, steady
from minprune.verify.criterion_subject import Law, Subject, changed, total
from minprune.verify.laws_criterion_sight import sees_its_evidence
from minprune.verify.plain import Mlp
from minprune.verify.plain_evidence import plain_evidence, shapes
from minprune.verify.plain_nets import FILLS, mlps, relabel

READ = "get_state"  # of numpy's global generator, which is looked at and never drawn from


LawOf = Callable[[Subject], "Law | None"]


def filled(s: Subject, p: Any) -> Evidence:
    return plain_evidence(p, s.needs, s.row)


def one_array_each(s: Subject) -> Law:
    def broken(p: Mlp) -> str | None:
        with np.errstate(all="ignore"):
            scores = s(filled(s, p))
        want = shapes(p, s.row)
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

    return Law(
        f"{s.name}: one array of finite scores for each parameter, of its shape, also for empty "
        f"layers, single units, zeros, equal weights and layers without a bias",
        mlps(hidden=(0, 3), fills=FILLS),
        broken,
    )


def dtype(s: Subject) -> Law:
    def broken(p: Mlp) -> str | None:
        for kind in (np.float32, np.float64):

            def cast(a: Array, kind: type = kind) -> Array:  # masks stay what they are
                return a.astype(kind) if a.dtype.kind == "f" else a

            for name, score in s(changed(filled(s, p), cast)).items():
                if np.asarray(score).dtype != kind:
                    return f"{name} of {np.dtype(kind)} got scores of {np.asarray(score).dtype}"
        return None

    return Law(f"{s.name}: scores come back in the dtype of the net", mlps(), broken)


def same_bits(s: Subject) -> Law:
    def broken(p: Mlp) -> str | None:
        one, two = (s(filled(s, p)) for _ in range(2))
        for name in one:
            a, b = np.asarray(one[name]), np.asarray(two[name])
            if a.tobytes() != b.tobytes():
                k = np.unravel_index(int((a != b).argmax()), a.shape)
                return f"a score of {name} was {float(a[k])!r}, and {float(b[k])!r} the second time"
        return None

    return Law(f"{s.name}: the same evidence gives the same bits", mlps(), broken)


def global_state() -> str:
    """Numpy's global generator, and the standard library's if somebody has loaded it."""
    parts = [repr(vars(np.random)[READ]())]
    if "random" in sys.modules:
        parts.append(str(hash(sys.modules["random"].getstate())))
    return "".join(parts)


def each_array(ev: Evidence) -> Iterator[tuple[str, Array]]:
    """("grads['fc1.weight']", array) of each array of evidence"""
    for kind, value in vars(ev).items():
        for name, a in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(a, np.ndarray):
                yield f"{kind}[{name!r}]" if name else kind, a


def purity(s: Subject) -> Law:
    def broken(p: Mlp) -> str | None:
        ev, state = filled(s, p), global_state()
        before = {what: a.copy() for what, a in each_array(ev)}
        s(ev)
        for what, a in each_array(ev):
            was = before.get(what, a)
            if not np.array_equal(a, was):
                k = np.unravel_index(int((a != was).argmax()), a.shape)
                index = ", ".join(map(str, k))
                return f"{what}[{index}] was {was[k]:.6g} and is {a[k]:.6g} now"
        if [what for what, _ in each_array(ev)] != [*before]:
            return "its evidence has other names now"
        return "the global random state has moved" if global_state() != state else None

    return Law(
        f"{s.name}: scoring changes neither its evidence nor the global random state",
        mlps(),
        broken,
    )


def strided(a: Array) -> Array:
    return np.asfortranarray(np.repeat(a, 2, axis=-1))[..., ::2]


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def any_layout(s: Subject) -> Law:
    def broken(p: Mlp) -> str | None:
        plain = s(filled(s, p))
        for lay_out, what in ((strided, "contiguous"), (read_only, "writable")):
            ev = changed(filled(s, p), lay_out)
            told = clause(s(ev), plain, largest(s, plain), f"of {what} arrays")
            if told and steady(s, p):
                return told.replace(" is ", f" of arrays that are not {what} is ", 1)
        return None

    return Law(
        f"{s.name}: arrays that are not contiguous, or may not be written to, score the same",
        mlps(),
        broken,
    )


def relabelling(s: Subject) -> Law | None:
    if "rng" in s.needs:
        return None

    def broken(p: Mlp) -> str | None:
        want = relabel(p, total(s, p))
        found = total(s, replace(p, params=relabel(p, p.params)))
        told = clause(found, want, largest(s, want), "before the units were turned round it was")
        return told.split(": ")[0] if told and steady(s, p) else None

    return Law(
        f"{s.name}: hidden units in another order have their own scores in that order",
        mlps(hidden=(2, 3)),
        broken,
    )


def sample_order(s: Subject) -> Law | None:
    if "rng" in s.needs:
        return None

    def broken(p: Mlp) -> str | None:
        n = range(len(p.x))
        want = total(s, p, [list(n)])
        found = total(s, p, [list(n)[::-1]])
        told = clause(found, want, largest(s, want), "with the samples in another order it is")
        return told.split(": ")[0] if told and steady(s, p) else None

    return Law(f"{s.name}: the order of the samples does not matter", mlps(samples=(2, 4)), broken)


GENERAL: dict[str, LawOf] = {
    "shapes": one_array_each,
    "dtype": dtype,
    "same bits": same_bits,
    "purity": purity,
    "any layout": any_layout,
    "sees its evidence": sees_its_evidence,
    "relabelling": relabelling,
    "sample order": sample_order,
}
