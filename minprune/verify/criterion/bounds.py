"""Two results side by side: how far apart they may be, and a clause that says how far they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.criterion.subject import Subject, jittered, total
from minprune.verify.plain.twin import Twin
from minprune.verify.plain.weights import layer_norm

Bound = Mapping[str, Any]  # how far off each array, or each of its entries, may be


def worst(found: Arrays, want: Arrays, bound: Bound) -> tuple[str, Any] | None:
    """(name, index) of the entry that is furthest outside its bound, or None."""
    place, most = None, 0.0
    for name, w in want.items():
        over = np.abs(np.asarray(found[name], np.float64) - w) - bound[name]
        over = np.where(np.isnan(over), np.inf, over)
        if over.size and over.max() > most:
            most = float(over.max())
            place = name, tuple(int(k) for k in np.unravel_index(int(over.argmax()), over.shape))
    return place


def clause(
    found: Arrays, want: Arrays, bound: Bound, what: str, item: str = "the score of "
) -> str | None:
    """None, or "the score of w[0] is 4, and <what> 2" """
    for name, w in want.items():
        shape = np.shape(found[name]) if name in found else "missing"
        if shape != np.shape(w):
            return f"{name} is {shape}, expected {np.shape(w)}"
    at = worst(found, want, bound)
    if at is None:
        return None
    name, k = at
    index = f"[{', '.join(map(str, k))}]" if k else ""
    pair = float(np.asarray(found[name])[k]), float(want[name][k])
    short, full = ([f"{v:{digits}}" for v in pair] for digits in (".6g", ".17g"))
    here, there = short if short[0] != short[1] else full
    return f"{item}{name}{index} is {here}, and {what} {there}"


def off(found: float, want: float, share: float, what: str) -> str | None:
    """None, or the two numbers in words, where they differ by more than share (want + 1)."""
    if abs(found - want) <= share * (want + 1):
        return None
    return what.format(f"{found:.6g}", f"{want:.6g}")


def largest(s: Subject, arrays: Arrays) -> dict[str, float]:
    """Half the digits, or what s may lose, of each layer's largest score, and s's floor

    What the laws allow between two runs of one function: sums in another order differ by far less,
    and a wrong entry by far more.
    """
    top = {n: float(np.abs(a).max(initial=0)) for n, a in arrays.items()}
    return {n: s.twin.share * most + s.twin.floor for n, most in top.items()}


def near(arrays: Arrays, share: float) -> Arrays:
    """That share of each number, or of 1."""
    return {n: share * (np.abs(a) + 1) for n, a in arrays.items()}


def differ(s: Subject, found: Arrays, want: Arrays, what: str = "") -> str | None:
    """The clause of two runs of s."""
    return clause(found, want, largest(s, want), what)


def steady(s: Subject, p: Any) -> bool:
    """Whether scores hold still where the evidence is off by rounding: near a tie they do not.

    A law that compares two ways to one score says nothing about an example where they do not.
    """
    ev = s.of(p)
    one = {name: np.asarray(a) for name, a in s(ev).items()}
    bound = largest(s, one)
    return all(worst(s(jittered(ev, seed)), one, bound) is None for seed in range(3))


def alike(s: Subject, ref: Subject) -> bool:
    """Whether both read the same numbers."""
    return set(s.needs) == set(ref.needs) and s.view == ref.view


def rounding(s: Subject, ref: Subject, p: Any) -> Arrays:
    """gamma(k) * the sum of the terms' sizes: how far any order of the definition's sums may be

    k counts 4 roundings for each entry that is summed, twice for a square, and 64 for the rest.
    Where s reads other evidence, half the digits of that size, and of the layer's largest: what
    is summed before the one may cancel in the other.
    """
    same, row = alike(s, ref), ref.twin
    size = total(replace(ref, raw=lambda ev: row.size(ev, s.options), finish=None), p)
    terms = max((a.size for a in size.values()), default=0) + sum(w.size for w in p.params.values())
    share = (64 + 8 * terms * (1 + np.size(getattr(p, "x", ())))) * 2.0**-53 if same else 2.0**-26
    top = {name: 0.0 if same else a.max(initial=0) for name, a in size.items()}
    bound = {name: share * (a + top[name]) + Twin.floor for name, a in size.items()}
    if ref.finish is None:
        return bound
    before = total(replace(ref, finish=None), p)
    if row.finish is not layer_norm:
        up, down = (ref.finish({n: np.maximum(b + d * bound[n], 0) for n, b in before.items()})
                    for d in (1, -1))  # fmt: skip
        return {n: up[n] - down[n] + share * up[n] for n in up}
    after: dict[str, Array] = {}  # s / norm(s): its own error, and that of the norm
    for name, e in bound.items():
        length = float(np.sqrt((before[name] ** 2).sum())) or 1.0
        after[name] = (e + np.abs(before[name]) / length * np.sqrt((e**2).sum())) / length
        after[name] = after[name] + share
    return after
