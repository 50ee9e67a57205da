"""Laws of the steps of Optimal Brain Surgeon, on quadratic losses that are solved densely."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.verify.criterion.bounds import clause, off
from minprune.verify.law import Laws
from minprune.verify.plain.inverse import adjusted, quadratic_rise
from minprune.verify.plain.net import Quadratic
from minprune.verify.plain.nets import quadratics
from minprune.verify.trees import untouched

ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
DIGITS = 2.0**-20  # of an inverse: damped so that rounding leaves half the digits
Fn = Callable[..., Any]
UPDATE, SCORE, DOWNDATE, INVERSE, SWEEP = (Laws() for _ in range(5))


@dataclass(frozen=True)
class Removal:
    """1/2 (v - w)^T H (v - w), w its minimum, and the places q that are to be 0"""

    H: Array
    w: Array
    q: Array

    @property
    def keep(self) -> Array:
        """(n,), True = stays"""
        return np.asarray(~np.isin(np.arange(len(self.w)), self.q))

    @property
    def inverse(self) -> Array:
        """H^-1, symmetric"""
        found = np.linalg.inv(self.H)
        return np.asarray(found + found.T) / 2

    @property
    def best(self) -> Array:
        """The minimum that is left without q."""
        return np.where(self.keep, self.w + adjusted(self.H, self.w, self.keep), 0.0)

    @property
    def zeroed(self) -> float:
        """The loss where q is 0 and no other weight moves."""
        return self.rise(np.where(self.keep, self.w, 0.0))

    def rise(self, new: Any) -> float:
        """The loss at new."""
        d = np.asarray(new, np.float64) - self.w
        return float(d @ self.H @ d) / 2

    def after(self, fn: Fn) -> Array:
        """The weights after the update."""
        return np.asarray(fn(self.w.copy(), self.inverse, self.q), np.float64)


@dataclass(frozen=True)
class Inputs:
    """What a layer reads, in batches (m, n), and the damping."""

    batches: tuple[Array, ...]
    damp: float

    @property
    def inverse(self) -> Array:
        """inv(H + alpha I), H = (2/P) sum x x^T over all samples, alpha = damp mean(diag H)"""
        x = np.concatenate(self.batches)
        h = 2 * sum((np.outer(row, row) for row in x), np.zeros((x.shape[1],) * 2)) / len(x)
        return np.asarray(np.linalg.inv(h + self.damp * np.trace(h) / len(h) * np.eye(len(h))))

    def made(self, fn: Fn, factor: float = 1.0) -> Array:
        """What fn makes of inputs that are factor as large."""
        return np.asarray(fn([b * factor for b in self.batches], self.damp), np.float64)


@st.composite
def draw_removal(draw: Any, diagonal: bool = False, least: int = 1) -> Removal:
    """Minima of quadratic losses of whole numbers, and one to all of their places."""
    p: Quadratic = draw(quadratics(minimum=True, diagonal=diagonal))
    n = len(p.v)
    q = draw(st.permutations(range(n)))[: draw(st.integers(min(least, n), n))]
    return Removal(p.H, p.params["w"], np.array(q))


@st.composite
def draw_inputs(draw: Any) -> Inputs:
    """One to three batches of one to three samples; large or tiny numbers, H singular or not."""
    n, scale = draw(st.integers(1, 3)), 2.0 ** draw(st.sampled_from([0, -12, -24]))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    row = st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)
    batches = [np.array(draw(st.lists(row, min_size=m, max_size=m))) for m in sizes]
    batches[0][0] += not np.concatenate(batches).any()  # inputs of zeros have no scale
    return Inputs(tuple(scale * b for b in batches), 1e-4)


removals, inputs = draw_removal(), draw_inputs()


def told(found: Any, want: Array, what: str, where: str, off: float) -> str | None:
    """A clause of one array that is off by more than that."""
    found = np.asarray(found, np.float64)
    if found.shape != want.shape:
        return f"it is {found.shape}, expected {want.shape}"
    return clause({where: found}, {where: want}, {where: np.full(want.shape, off)}, what, "")


def size(a: Array) -> float:
    return float(np.abs(a).max(initial=0))


@UPDATE("gone", removals)
def gone(fn: Fn, p: Removal) -> str | None:
    """removed weights are 0.0, exactly"""
    left = p.after(fn)[p.q]
    return None if not left.any() else f"one is {left[np.flatnonzero(left)[0]]!r}"


@UPDATE("least rise", removals)
def best_update(fn: Fn, p: Removal) -> str | None:
    """the loss rises no more than it must"""
    found, best, zeroed = p.rise(p.after(fn)), p.rise(p.best), p.zeroed
    if found <= best + ROUND * (zeroed + 1):
        return None
    return f"it rises by {found:.6g}; the joint update by {best:.6g}, zeroing by {zeroed:.6g}"


@UPDATE("exact", removals)
def exact_update(fn: Fn, p: Removal) -> str | None:
    """the other weights are at the minimum that is left"""
    off = ROUND * (size(p.w) + 1) * 2.0**6
    return told(p.after(fn), p.best, "solved densely it is", "w", off)


@UPDATE("uncoupled", draw_removal(diagonal=True))
def uncoupled(fn: Fn, p: Removal) -> str | None:
    """with a diagonal Hessian no other weight moves"""
    moved = ~(np.abs(p.after(fn) - p.w) <= ROUND * np.abs(p.w).max()) & p.keep
    return f"w[{int(moved.argmax())}] has moved" if moved.any() else None


@UPDATE("any order", draw_removal(least=2))
def any_order(fn: Fn, p: Removal) -> str | None:
    """the order in which a set is named does not matter"""
    turned = Removal(p.H, p.w, p.q[::-1]).after(fn)
    what = "with the set reversed it is"
    return told(p.after(fn), turned, what, "w", ROUND * size(turned))


@UPDATE("input untouched", removals)
def leaves_input(fn: Fn, p: Removal) -> str | None:
    """the weights and the inverse that are given are not changed"""
    return untouched(lambda w, inverse: fn(w, inverse, p.q), p.w.copy(), p.inverse)


@SCORE("exact", removals)
def set_score(fn: Fn, p: Removal) -> str | None:
    """the score of a set is the least rise of the loss without it"""
    found = float(fn(p.w.copy(), p.inverse, p.q))
    return off(found, quadratic_rise(p.H, p.w, p.keep), ROUND, "it is {}, and solved densely {}")


@SCORE("below zeroing", removals)
def below_zeroing(fn: Fn, p: Removal) -> str | None:
    """the score of a set is at most the cost of zeroing it"""
    found = float(fn(p.w.copy(), p.inverse, p.q))
    if found <= p.zeroed + ROUND * (p.zeroed + 1):
        return None
    return f"it is {found:.6g}, and zeroing costs {p.zeroed:.6g}"


@DOWNDATE("exact", removals)
def reduced(fn: Fn, p: Removal) -> str | None:
    """what is left is the inverse of H without the set, 0 on the set"""
    want = np.zeros(p.H.shape)
    want[np.ix_(p.keep, p.keep)] = np.linalg.inv(p.H[np.ix_(p.keep, p.keep)])
    left = np.asarray(fn(p.inverse, p.q), np.float64)
    if left.shape == want.shape and (left[p.q].any() or left[:, p.q].any()):
        return "rows or columns of what is removed are not 0.0"
    what = "the dense inverse of H without the set has"
    return told(left, want, what, "it", ROUND * size(p.inverse))


@INVERSE("exact", inputs)
def damped_inverse(fn: Fn, p: Inputs) -> str | None:
    """it is inv(alpha I + (2/P) sum x x^T) over all P samples, alpha = damp mean(diag)"""
    want = p.inverse
    return told(p.made(fn), want, "the dense inverse has", "it", DIGITS * size(want))


@INVERSE("small inputs", inputs)
def scale_free(fn: Fn, p: Inputs) -> str | None:
    """small inputs make another scale and nothing else"""
    small, want = p.made(fn, 2.0**-20) * 2.0**-40, p.made(fn)
    where = "of inputs 2^-20 as large, times 2^-40"
    return told(small, want, "of inputs as given it is", where, DIGITS * size(want))


@INVERSE("batches", inputs)
def of_all_samples(fn: Fn, p: Inputs) -> str | None:
    """how samples fall into batches does not matter"""
    whole = Inputs((np.concatenate(p.batches),), p.damp).made(fn)
    what = "of all samples in one batch"
    return told(p.made(fn), whole, what, "in batches it", DIGITS * size(whole))


@SWEEP("greedy", removals)
def greedy_steps(fn: Fn, p: Removal) -> str | None:
    """each step takes the weight whose removal costs least, all that are left adjusted, and says
    what it costs
    """
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


STEP_LAWS = {
    "update": UPDATE,
    "score": SCORE | {"input untouched": leaves_input},
    "downdate": DOWNDATE,
    "inverse": INVERSE,
    "sweep": SWEEP,
}
