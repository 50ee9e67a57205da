"""Laws of Optimal Brain Surgeon's score: the rise of a quadratic loss when all others adjust."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays, Evidence
from minprune.verify.brute import quadratic_rise
from minprune.verify.criterion_bounds import clause, near
from minprune.verify.criterion_subject import Law, Options, Subject, total
from minprune.verify.definitions_table import Definition
from minprune.verify.laws_criterion_exact import of_each
from minprune.verify.plain import Quadratic
from minprune.verify.plain_nets import quadratics

ROUND = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
Sets = tuple[Quadratic, tuple[int, ...]]


def drop(p: Quadratic, q: tuple[int, ...]) -> Array:
    """What is kept without q."""
    keep = np.ones(len(p.v), bool)
    keep[list(q)] = False
    return keep


def single_rises(p: Quadratic) -> Arrays:
    """min over d of 1/2 d^T H d with (w + d)_q = 0, for each q"""
    n, w = len(p.v), p.params["w"]
    return {"w": np.array([quadratic_rise(p.H, w, drop(p, (q,))) for q in range(n)])}


def sets() -> st.SearchStrategy[Sets]:
    """A minimum of a quadratic loss, and what of it is one unit."""

    def of(p: Quadratic) -> st.SearchStrategy[Sets]:
        places = st.permutations(range(len(p.v)))
        some = st.builds(lambda at, k: tuple(at[:k]), places, st.integers(1, len(p.v)))
        return st.tuples(st.just(p), some)

    return quadratics(minimum=True).flatmap(of)


def set_score(s: Subject, p: Quadratic, q: tuple[int, ...]) -> float:
    """The score of a unit whose weights are those at q."""
    block, w = np.linalg.inv(p.H)[np.ix_(np.array(q), np.array(q))], p.params["w"][list(q)]
    ev = Evidence(weights={"w": w[None]}, inverse_block={"w": block[None]}, unit=True)
    return float(np.asarray(s(ev)["w"])[0])


def able(s: Subject) -> bool:
    """Whether the law has evidence: of units it makes weights and blocks of the inverse."""
    return s.row is None or set(s.needs) == {"weights", "inverse_block"}


LEAST_RISE = "the least rise with it at 0, all others free, is"
REMOVED = "at a minimum of a quadratic loss the score is the rise of the loss from removing"
exact_single = of_each(
    f"{REMOVED} the weight while all others adjust, solved densely",
    LEAST_RISE,
    single_rises,
    quadratics(minimum=True),
    ROUND,
)


def exact_removal(s: Subject, row: Definition, options: Options) -> Law | None:
    if s.row is None or not able(s):
        return exact_single(s, row, options)

    def broken(example: Sets) -> str | None:
        p, q = example
        want = {"w": np.array([quadratic_rise(p.H, p.params["w"], drop(p, q))])}
        return clause({"w": np.array([set_score(s, p, q)])}, want, near(want, ROUND), LEAST_RISE)

    return Law(
        f"{s.name}: {REMOVED} the unit's weights at once while all others adjust, solved densely",
        sets(),
        broken,
    )


def below_zeroing(s: Subject, row: Definition, options: Options) -> Law | None:
    if not able(s):
        return None

    def broken(example: Sets) -> str | None:
        p, q = example
        if s.row is None:
            q = q[:1]
            found = float(total(s, p)["w"][q[0]])
        else:
            found = set_score(s, p, q)
        w, at = p.params["w"][list(q)], np.ix_(np.array(q), np.array(q))
        zeroed = float(w @ p.H[at] @ w) / 2
        if found > zeroed + ROUND * (zeroed + 1):
            return f"the score of {list(q)} is {found:.6g}, and zeroing it costs {zeroed:.6g}"
        alone = not (p.H[np.ix_(np.array(q), np.flatnonzero(drop(p, q)))].T @ w).any()
        if alone != (abs(found - zeroed) <= ROUND * (zeroed + 1)):
            how = "uncoupled" if alone else "coupled"
            return f"{list(q)} is {how} and scores {found:.6g}, and zeroing costs {zeroed:.6g}"
        return None

    return Law(
        f"{s.name}: removing with all others adjusted costs no more than zeroing, 1/2 w_Q H_QQ "
        f"w_Q, and as much if and only if the others feel no pull",
        sets(),
        broken,
    )


def downdated_singles(s: Subject, row: Definition, options: Options) -> Law | None:
    if not able(s):
        return None

    def broken(example: Sets) -> str | None:
        p, q = example
        inverse, w, total_ = np.linalg.inv(p.H), p.params["w"].copy(), 0.0
        for k in q:
            total_ += w[k] ** 2 / inverse[k, k] / 2
            column = inverse[:, k] / inverse[k, k]
            w = w - w[k] * column
            inverse = inverse - np.outer(column, inverse[k])
        found = set_score(s, p, q)
        if abs(found - total_) <= ROUND * (total_ + 1):
            return None
        return f"the score of {list(q)} is {found:.6g}, and one by one they sum to {total_:.6g}"

    return Law(
        f"{s.name}: the score of a set is the sum of single scores, one by one in any order, each "
        f"with the inverse and the weights that the one before has left",
        sets(),
        broken,
    )
