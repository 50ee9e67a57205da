"""Laws of the steps of Optimal Brain Surgeon, on quadratic losses that are solved densely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.verify.brute import quadratic_rise
from minprune.verify.criterion_bounds import clause
from minprune.verify.criterion_subject import Law
from minprune.verify.obs_examples import Inputs, Removal, inputs, removals

ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
DIGITS = 2.0**-20  # of an inverse: damped so that rounding leaves half the digits
Fn = Callable[..., Any]
LawOf = Callable[[Fn], Law]


def told(found: Any, want: Array, what: str, where: str, off: float | None = None) -> str | None:
    """As clause, of one array that is no score; off: how far, None: a rounding of its largest."""
    found = np.asarray(found, np.float64)
    if found.shape != want.shape:
        return f"it is {found.shape}, expected {want.shape}"
    off = ROUND * float(np.abs(want).max(initial=0)) if off is None else off
    text = clause({where: found}, {where: want}, {where: np.full(want.shape, off)}, what)
    return text and text.removeprefix("the score of ")


def gone(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        left = np.asarray(fn(p.w.copy(), p.inverse, p.q))[p.q]
        return None if not left.any() else f"one is {left[np.flatnonzero(left)[0]]!r}"

    return Law("removed weights are 0.0, exactly", removals(), broken)


def best_update(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        new = np.asarray(fn(p.w.copy(), p.inverse, p.q), np.float64)
        found, best, zeroed = p.rise(new), p.rise(p.best()), p.rise(np.where(p.keep, p.w, 0.0))
        if found <= best + ROUND * (zeroed + 1):
            return None
        return f"it rises by {found:.6g}; the joint update by {best:.6g}, zeroing by {zeroed:.6g}"

    return Law("the loss rises no more than it must", removals(), broken)


def exact_update(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        off = ROUND * (float(np.abs(p.w).max()) + 1) * 2.0**6
        return told(fn(p.w.copy(), p.inverse, p.q), p.best(), "solved densely it is", "w", off)

    return Law("the other weights are at the minimum that is left", removals(), broken)


def uncoupled(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        new = np.asarray(fn(p.w.copy(), p.inverse, p.q), np.float64)
        moved = ~(np.abs(new - p.w) <= ROUND * np.abs(p.w).max()) & p.keep
        return f"w[{int(moved.argmax())}] has moved" if moved.any() else None

    return Law("with a diagonal Hessian no other weight moves", removals(diagonal=True), broken)


def any_order(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        one, two = (np.asarray(fn(p.w.copy(), p.inverse, q)) for q in (p.q, p.q[::-1]))
        return told(one, two, "with the set turned round it is", "w")

    return Law("the order in which a set is named does not matter", removals(least=2), broken)


def untouched(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        w, inverse = p.w.copy(), p.inverse
        fn(w, inverse, p.q)
        same = np.array_equal(w, p.w) and np.array_equal(inverse, p.inverse)
        return None if same else "they are"

    return Law("the weights and the inverse that are given are not changed", removals(), broken)


def set_score(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        found, want = float(fn(p.w.copy(), p.inverse, p.q)), quadratic_rise(p.H, p.w, p.keep)
        if abs(found - want) <= ROUND * (want + 1):
            return None
        return f"it is {found:.6g}, and solved densely {want:.6g}"

    return Law("the score of a set is the least rise of the loss without it", removals(), broken)


def below_zeroing(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        found = float(fn(p.w.copy(), p.inverse, p.q))
        zeroed = p.rise(np.where(p.keep, p.w, 0.0))
        if found <= zeroed + ROUND * (zeroed + 1):
            return None
        return f"it is {found:.6g}, and zeroing costs {zeroed:.6g}"

    return Law("the score of a set is at most the cost of zeroing it", removals(), broken)


def reduced(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        want = np.zeros(p.H.shape)
        want[np.ix_(p.keep, p.keep)] = np.linalg.inv(p.H[np.ix_(p.keep, p.keep)])
        left = np.asarray(fn(p.inverse, p.q))
        if left.shape == want.shape and (left[p.q].any() or left[:, p.q].any()):
            return "rows or columns of what is removed are not 0.0"
        off = ROUND * float(np.abs(p.inverse).max())
        return told(left, want, "the dense inverse of H without the set has", "it", off)

    return Law("what is left is the inverse of H without the set, 0 on the set", removals(), broken)


def damped_inverse(fn: Fn) -> Law:
    def broken(p: Inputs) -> str | None:
        want = np.linalg.inv(p.damped)
        found = fn([b.copy() for b in p.batches], p.damp)
        return told(found, want, "the dense inverse has", "it", DIGITS * np.abs(want).max())

    return Law(
        "it is inv(alpha I + (2/P) sum x x^T) over all P samples, alpha = damp mean(diag)",
        inputs(),
        broken,
    )


def scale_free(fn: Fn) -> Law:
    def broken(p: Inputs) -> str | None:
        one, small = (
            np.asarray(fn([b * f for b in p.batches], p.damp)) * f**2 for f in (1, 2.0**-20)
        )
        where = "of inputs 2^-20 as large, times 2^-40"
        return told(small, one, "of inputs as given it is", where, DIGITS * np.abs(one).max())

    return Law("small inputs make another scale and nothing else", inputs(), broken)


def of_all_samples(fn: Fn) -> Law:
    def broken(p: Inputs) -> str | None:
        parts = fn([b.copy() for b in p.batches], p.damp)
        whole = np.asarray(fn([np.concatenate(p.batches)], p.damp), np.float64)
        off = DIGITS * float(np.abs(whole).max())
        return told(parts, whole, "of all samples in one batch", "in batches it", off)

    return Law("how samples fall into batches does not matter", inputs(), broken)


def greedy_steps(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        order, losses = (np.asarray(a) for a in fn(p.w.copy(), p.inverse))
        keep, spent = np.ones(len(p.w), bool), 0.0
        if sorted(order.tolist()) != list(range(len(p.w))):
            return f"the order is {order.tolist()}"
        for step, q in enumerate(order.tolist()):
            after = {k: quadratic_rise(p.H, p.w, keep & (np.arange(len(p.w)) != k)) - spent
                     for k in np.flatnonzero(keep).tolist()}  # fmt: skip
            size = ROUND * (p.rise(0 * p.w) + 1)
            if after[q] > min(after.values()) + size:
                best = min(after, key=lambda k: after[k])
                return (f"step {step} takes {q}, which costs {after[q]:.6g}, and {best} costs "
                        f"{after[best]:.6g}")  # fmt: skip
            if abs(losses[step] - after[q]) > size:
                return f"step {step} says {losses[step]:.6g} for {q}, which costs {after[q]:.6g}"
            keep[q], spent = False, spent + after[q]
        return None

    return Law(
        "each step takes the weight whose removal costs least, all that are left adjusted, and "
        "says what it costs",
        removals(),
        broken,
    )
