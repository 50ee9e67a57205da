"""check_obs: the steps of Optimal Brain Surgeon, one function each, against dense solutions.

An adapter of a few lines puts anybody's function to the test. A new kind is one row of KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify.brute import quadratic_rise
from minprune.verify.criterion_bounds import clause
from minprune.verify.criterion_subject import Law
from minprune.verify.plain import Quadratic
from minprune.verify.plain_nets import quadratics
from minprune.verify.verdict import Verdicts, find

ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
DIGITS = 2.0**-20  # of an inverse: damped so that rounding leaves half the digits


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

    def best(self) -> Array:
        """The least 1/2 d^T H d with (w + d)_q = 0: H_KK d_K = H_KQ w_Q"""
        new, keep = np.where(self.keep, self.w, 0.0), self.keep
        if keep.any():
            push = self.H[np.ix_(keep, ~keep)] @ self.w[~keep]
            new[keep] += np.linalg.solve(self.H[np.ix_(keep, keep)], push)
        return new

    def rise(self, new: Array) -> float:
        """The loss at new."""
        d = np.asarray(new, np.float64) - self.w
        return float(d @ self.H @ d) / 2


@dataclass(frozen=True)
class Inputs:
    """What a layer reads, in batches (m, n), and the damping."""

    batches: tuple[Array, ...]
    damp: float

    @property
    def damped(self) -> Array:
        """H + alpha I, H = (2/P) sum x x^T over all samples, alpha = damp mean(diag H)"""
        x = np.concatenate(self.batches)
        h = 2 * sum((np.outer(row, row) for row in x), np.zeros((x.shape[1],) * 2)) / len(x)
        return np.asarray(h + self.damp * np.trace(h) / len(h) * np.eye(len(h)))


@st.composite
def removals(draw: Any, diagonal: bool = False, least: int = 1) -> Removal:
    """Minima of quadratic losses of whole numbers, and one to all of their places."""
    p: Quadratic = draw(quadratics(minimum=True, diagonal=diagonal))
    n = len(p.v)
    q = draw(st.permutations(range(n)))[: draw(st.integers(min(least, n), n))]
    return Removal(p.H, p.params["w"], np.array(q))


@st.composite
def inputs(draw: Any) -> Inputs:
    """One to three batches of one to three samples; large or tiny numbers, H singular or not."""
    n, scale = draw(st.integers(1, 3)), 2.0 ** draw(st.sampled_from([0, -12, -24]))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    row = st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)
    batches = [np.array(draw(st.lists(row, min_size=m, max_size=m))) for m in sizes]
    batches[0][0] += not np.concatenate(batches).any()  # inputs of zeros have no scale
    return Inputs(tuple(scale * b for b in batches), 1e-4)


Fn = Callable[..., Any]
LawOf = Callable[[Fn], Law]


def told(found: Array, want: Array, what: str, where: str, round_: float = ROUND) -> str | None:
    """As clause, of one array that is no score."""
    found = np.asarray(found, np.float64)
    if found.shape != want.shape:
        return f"it is {found.shape}, expected {want.shape}"
    size = float(np.abs(want).max(initial=0))
    text = clause({where: found}, {where: want}, {where: np.full(want.shape, round_ * size)}, what)
    return text and text.replace("the score of ", "")


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
        new = fn(p.w.copy(), p.inverse, p.q)
        size = ROUND * (float(np.abs(p.w).max()) + 1) * 2.0**6
        bound = {"w": np.full(p.w.shape, size)}
        text = clause({"w": np.asarray(new)}, {"w": p.best()}, bound, "solved densely it is")
        return text and text.replace("the score of ", "")

    return Law("the other weights are at the minimum that is left", removals(), broken)


def uncoupled(fn: Fn) -> Law:
    def broken(p: Removal) -> str | None:
        new = np.asarray(fn(p.w.copy(), p.inverse, p.q))
        moved = (new != p.w) & p.keep
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
        size = float(np.abs(p.inverse).max())
        text = clause({"it": left}, {"it": want}, {"it": np.full(want.shape, ROUND * size)},
                      "the dense inverse of H without the set has")  # fmt: skip
        return text and text.replace("the score of ", "")

    return Law("what is left is the inverse of H without the set, 0 on the set", removals(), broken)


def damped_inverse(fn: Fn) -> Law:
    def broken(p: Inputs) -> str | None:
        found = fn([b.copy() for b in p.batches], p.damp)
        return told(found, np.linalg.inv(p.damped), "the dense inverse has", "it", DIGITS)

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
        return told(small, one, "of inputs as given it is", "of inputs 2^-20 as large, times 2^-40",
                    DIGITS)  # fmt: skip

    return Law("small inputs make another scale and nothing else", inputs(), broken)


def of_all_samples(fn: Fn) -> Law:
    def broken(p: Inputs) -> str | None:
        parts = fn([b.copy() for b in p.batches], p.damp)
        whole = np.asarray(fn([np.concatenate(p.batches)], p.damp), np.float64)
        return told(parts, whole, "of all samples in one batch", "in batches it", DIGITS)

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


KINDS: dict[str, dict[str, LawOf]] = {
    "update": {
        "gone": gone, "least rise": best_update, "exact": exact_update, "uncoupled": uncoupled,
        "any order": any_order, "input untouched": untouched,
    },
    "score": {"exact": set_score, "below zeroing": below_zeroing, "input untouched": untouched},
    "downdate": {"exact": reduced},
    "inverse": {"exact": damped_inverse, "small inputs": scale_free, "batches": of_all_samples},
    "sweep": {"greedy": greedy_steps},
}  # fmt: skip


def check_obs(
    fn: Fn, like: str = "update", examples: int = 100, seed: int = 0, *,
    laws: Sequence[str] | None = None,
) -> Verdicts:  # fmt: skip
    """Runs the laws of one step of Optimal Brain Surgeon on fn, in float64.

    like: "update": fn(w, inverse, q) -> the new w, (n,), without the set q of places, H^-1 given;
    "score": fn(w, inverse, q) -> the rise of the loss; "downdate": fn(inverse, q) -> the inverse of
    H without q, (n, n), 0 on q; "inverse": fn(batches, damp) -> inv(alpha I + (2/P) sum x x^T),
    batches: [(m, n), ...]; "sweep": fn(w, inverse) -> (order, losses) of greedy removal to the end.
    laws: only these. Raises ArgumentError for another `like`.
    """
    if like not in KINDS:
        raise ArgumentError(
            f"like is {like!r}, expected one of {', '.join(KINDS)}; say what the function claims"
        )
    name = getattr(fn, "__name__", like)
    found = {law: make(fn) for law, make in KINDS[like].items() if laws is None or law in laws}
    return Verdicts(
        find(law, f"{name}: {of.sentence}", of.examples, of.broken, examples=examples, seed=seed)
        for law, of in found.items()
    )
