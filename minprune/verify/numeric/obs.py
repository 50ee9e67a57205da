"""The steps of Optimal Brain Surgeon, one function each, against dense solutions.

An adapter of a few lines puts any function to the test. A new step is one row of STEP_LAWS, and its
parameters in kinds.OBS_STEPS.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array
from minprune.verify.criterion.bounds import clause, off
from minprune.verify.kinds import OBS_STEPS
from minprune.verify.law import Laws, callable_as, judged, picked
from minprune.verify.plain.hessian import Removal, quadratic_rise, removals
from minprune.verify.strategies import listed
from minprune.verify.trees import untouched
from minprune.verify.verdict import Verdicts

CHECK = "check_obs"
ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
DIGITS = 2.0**-20  # of an inverse: damped so that rounding leaves half the digits
Fn = Callable[..., Any]
UPDATE, SCORE, DOWNDATE, INVERSE, SWEEP = (Laws() for _ in range(5))


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


WHOLE = st.integers(-3, 3).map(float)


@st.composite
def draw_inputs(draw: Any) -> Inputs:
    """One to three batches of one to three samples; large or tiny numbers, H singular or not."""
    n, scale = draw(st.integers(1, 3)), 2.0 ** draw(st.sampled_from([0, -12, -24]))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    batches = [np.array(draw(listed(listed(WHOLE, n), m))) for m in sizes]
    batches[0][0] += not np.concatenate(batches).any()  # inputs of zeros have no scale
    return Inputs(tuple(scale * b for b in batches), 1e-4)


removal, inputs = removals(), draw_inputs()


def near(found: Any, want: Array, what: str, where: str, off: float) -> str | None:
    """A clause of one array that is off by more than that."""
    return clause({where: np.asarray(found)}, {where: want}, {where: off}, what, "")


def after(fn: Fn, p: Removal) -> Array:
    """The weights after the update."""
    return np.asarray(fn(p.w.copy(), p.inverse, p.q), np.float64)


def size(a: Array) -> float:
    return float(np.abs(a).max(initial=0))


@UPDATE("gone", removal)
def gone(fn: Fn, p: Removal) -> str | None:
    """removed weights are 0.0, exactly"""
    left = after(fn, p)[p.q]
    return None if not left.any() else f"one is {left[np.flatnonzero(left)[0]]!r}"


@UPDATE("least rise", removal)
def best_update(fn: Fn, p: Removal) -> str | None:
    """the loss rises no more than it must"""
    found, best, zeroed = p.rise(after(fn, p)), p.rise(p.best), p.zeroed
    if found <= best + ROUND * (zeroed + 1):
        return None
    return f"it rises by {found:.6g}; the joint update by {best:.6g}, zeroing by {zeroed:.6g}"


@UPDATE("exact", removal)
def exact_update(fn: Fn, p: Removal) -> str | None:
    """the other weights are at the minimum that is left"""
    off = ROUND * (size(p.w) + 1) * 2.0**6
    return near(after(fn, p), p.best, "solved densely it is", "w", off)


@UPDATE("uncoupled", removals(diagonal=True))
def uncoupled(fn: Fn, p: Removal) -> str | None:
    """with a diagonal Hessian no other weight moves"""
    moved = ~(np.abs(after(fn, p) - p.w) <= ROUND * np.abs(p.w).max()) & p.keep
    return f"w[{int(moved.argmax())}] has moved" if moved.any() else None


@UPDATE("any order", removals(least=2))
def any_order(fn: Fn, p: Removal) -> str | None:
    """the order in which a set is named does not matter"""
    turned = after(fn, Removal(p.H, p.w, p.q[::-1]))
    what = "with the set reversed it is"
    return near(after(fn, p), turned, what, "w", ROUND * size(turned))


@UPDATE("input untouched", removal)
def leaves_input(fn: Fn, p: Removal) -> str | None:
    """the weights and the inverse that are given are not changed"""
    return untouched(lambda w, inverse: fn(w, inverse, p.q), p.w.copy(), p.inverse)


@SCORE("exact", removal)
def set_score(fn: Fn, p: Removal) -> str | None:
    """the score of a set is the least rise of the loss without it"""
    found = float(fn(p.w.copy(), p.inverse, p.q))
    return off(found, quadratic_rise(p.H, p.w, p.keep), ROUND, "it is {}, and solved densely {}")


@SCORE("below zeroing", removal)
def below_zeroing(fn: Fn, p: Removal) -> str | None:
    """the score of a set is at most the cost of zeroing it"""
    found = float(fn(p.w.copy(), p.inverse, p.q))
    if found <= p.zeroed + ROUND * (p.zeroed + 1):
        return None
    return f"it is {found:.6g}, and zeroing costs {p.zeroed:.6g}"


@DOWNDATE("exact", removal)
def reduced(fn: Fn, p: Removal) -> str | None:
    """what is left is the inverse of H without the set, 0 on the set"""
    want = np.zeros(p.H.shape)
    want[np.ix_(p.keep, p.keep)] = np.linalg.inv(p.H[np.ix_(p.keep, p.keep)])
    left = np.asarray(fn(p.inverse, p.q), np.float64)
    if left.shape == want.shape and (left[p.q].any() or left[:, p.q].any()):
        return "rows or columns of what is removed are not 0.0"
    what = "the dense inverse of H without the set has"
    return near(left, want, what, "it", ROUND * size(p.inverse))


@INVERSE("exact", inputs)
def damped_inverse(fn: Fn, p: Inputs) -> str | None:
    """it is inv(alpha I + (2/P) sum x x^T) over all P samples, alpha = damp mean(diag)"""
    want = p.inverse
    return near(p.made(fn), want, "the dense inverse has", "it", DIGITS * size(want))


@INVERSE("small inputs", inputs)
def scale_free(fn: Fn, p: Inputs) -> str | None:
    """small inputs make another scale and nothing else"""
    small, want = p.made(fn, 2.0**-20) * 2.0**-40, p.made(fn)
    where = "of inputs 2^-20 as large, times 2^-40"
    return near(small, want, "of inputs as given it is", where, DIGITS * size(want))


@INVERSE("batches", inputs)
def of_all_samples(fn: Fn, p: Inputs) -> str | None:
    """how samples fall into batches does not matter"""
    whole = Inputs((np.concatenate(p.batches),), p.damp).made(fn)
    what = "of all samples in one batch"
    return near(p.made(fn), whole, what, "in batches it", DIGITS * size(whole))


@SWEEP("greedy", removal)
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


def check_obs(
    fn: Callable[..., Any], like: str = "update", *, laws: Collection[str] | None = None,
    examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check one step of Optimal Brain Surgeon, in float64.

    Parameters
    ----------
    fn : callable
        See `like`.
    like : str
        "update": fn(w, inverse, q) -> the new w, (n,), without the set q of places, H^-1 given.
        "score": fn(w, inverse, q) -> the rise of the loss. "downdate": fn(inverse, q) -> the
        inverse of H without q, (n, n), 0 on q. "inverse": fn(batches, damp) -> inv(alpha I + (2/P)
        sum x x^T), batches: [(m, n), ...]. "sweep": fn(w, inverse) -> (order, losses) of greedy
        removal to the end.
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
        For another `like` or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> def zeroed(w, inverse, q):
    ...     return np.where(np.isin(np.arange(len(w)), q), 0.0, w)
    >>> [v.law for v in mp.verify.check_obs(zeroed).broken]
    ['least rise', 'exact']
    """
    choice(CHECK, "like", like, list(STEP_LAWS))
    table = picked(CHECK, laws, STEP_LAWS[like])
    callable_as(fn, *OBS_STEPS[like])
    name = getattr(fn, "__name__", like)
    return Verdicts(judged(table, fn, name=name, examples=examples, seed=seed))
