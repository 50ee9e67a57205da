"""Laws of Optimal Brain Surgeon's score: the rise of a quadratic loss when all others adjust."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Evidence
from minprune.verify.criterion.bounds import clause, near, off
from minprune.verify.criterion.exact import minima
from minprune.verify.criterion.subject import Subject, total
from minprune.verify.law import law
from minprune.verify.plain.net import Quadratic
from minprune.verify.plain.removal import quadratic_rise

ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
Sets = tuple[Quadratic, tuple[int, ...]]


def without(p: Quadratic, q: tuple[int, ...]) -> Array:
    """What is kept without q."""
    return np.asarray(~np.isin(np.arange(len(p.v)), q))


def with_set(p: Quadratic) -> st.SearchStrategy[Sets]:
    places = st.permutations(range(len(p.v)))
    some = st.builds(lambda at, k: tuple(at[:k]), places, st.integers(1, len(p.v)))
    return st.tuples(st.just(p), some)


# a minimum of a quadratic loss, and what of it is one unit
sets = minima.flatmap(with_set)


def removed(s: Subject) -> Callable[[Quadratic, tuple[int, ...]], float]:
    """The score of a unit whose weights are those at q; of a single weight the first of q."""

    def of_set(p: Quadratic, q: tuple[int, ...]) -> float:
        block, w = np.linalg.inv(p.H)[np.ix_(np.array(q), np.array(q))], p.params["w"][list(q)]
        ev = Evidence(weights={"w": w[None]}, inverse_block={"w": block[None]}, unit=True)
        return float(np.asarray(s(ev)["w"])[0])

    return of_set if s.view else lambda p, q: float(total(s, p)["w"][q[0]])


def able(s: Subject) -> bool:
    """Whether the law has evidence: of units it makes weights and blocks of the inverse."""
    return s.view is None or set(s.needs) == {"weights", "inverse_block"}


@law(sets, able)
def exact_removal(s: Subject, example: Sets) -> str | None:
    """at a minimum of a quadratic loss the score is the rise of the loss from removing the weight,
    or the unit's weights at once, while all others adjust, solved densely
    """
    p, q = example
    each = [q] if s.view else [(k,) for k in range(len(p.v))]
    want = {"w": np.array([quadratic_rise(p.H, p.params["w"], without(p, one)) for one in each])}
    found = {"w": np.array([removed(s)(p, one) for one in each])}
    what = "the least rise with it at 0, all others free, is"
    return clause(found, want, near(want, ROUND), what)


@law(sets, able)
def below_zeroing(s: Subject, example: Sets) -> str | None:
    """removing with all others adjusted costs no more than zeroing, 1/2 w_Q H_QQ w_Q, and as much
    if and only if the others feel no pull
    """
    p, q = example
    q = q if s.view else q[:1]
    found = removed(s)(p, q)
    w, at = p.params["w"][list(q)], np.ix_(np.array(q), np.array(q))
    zeroed = float(w @ p.H[at] @ w) / 2
    if found > zeroed + ROUND * (zeroed + 1):
        return f"the score of {list(q)} is {found:.6g}, and zeroing it costs {zeroed:.6g}"
    alone = not (p.H[np.ix_(np.array(q), np.flatnonzero(without(p, q)))].T @ w).any()
    if alone != (off(found, zeroed, ROUND) is None):
        how = "uncoupled" if alone else "coupled"
        return f"{list(q)} is {how} and scores {found:.6g}, and zeroing costs {zeroed:.6g}"
    return None


@law(sets, able)
def downdated_singles(s: Subject, example: Sets) -> str | None:
    """the score of a set is the sum of single scores, one by one in any order, each with the
    inverse and the weights that the one before has left
    """
    p, q = example
    inverse, w, sum_ = np.linalg.inv(p.H), p.params["w"].copy(), 0.0
    for k in q:
        sum_ += w[k] ** 2 / inverse[k, k] / 2
        column = inverse[:, k] / inverse[k, k]
        w = w - w[k] * column
        inverse = inverse - np.outer(column, inverse[k])
    text = f"the score of {list(q)} is {{}}, and one by one they sum to {{}}"
    return off(removed(s)(p, q), sum_, ROUND, text)
