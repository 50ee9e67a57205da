"""The kit for Optimal Brain Surgeon's steps: ours passes, planted bugs do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune import kernels
from minprune.core import Array
from minprune.curvature.inverse import downdate, inverse_from_rows, remove
from minprune.errors import ArgumentError
from minprune.verify.numeric.obs import STEP_LAWS, check_obs
from minprune.verify.ours.checks import OBS as OURS

EXAMPLES = 30


@pytest.mark.parametrize("like", STEP_LAWS)
def test_ours_passes(like: str) -> None:
    found = check_obs(OURS[like], like, examples=EXAMPLES)
    assert found.ok, str(found)
    assert len(found) == len(STEP_LAWS[like])


def update(w: Array, inverse: Array, q: Array) -> Array:
    return remove(w, inverse, q)[0]


def sum_of_singles(w: Array, inverse: Array, q: Array) -> Array:
    """SparseML: each weight's own update, all added up."""
    step = sum(-w[k] / inverse[k, k] * inverse[:, k] for k in q)
    new = w + step
    new[q] = 0
    return np.asarray(new)


def one_by_one(w: Array, inverse: Array, q: Array) -> Array:
    """H^-1 is not downdated between the removals."""
    for k in q:
        w = w - w[k] / inverse[k, k] * inverse[:, k]
    w[q] = 0
    return w


def zeroed(w: Array, inverse: Array, q: Array) -> Array:
    """OBC where its Hessian is singular: H^-1 becomes the identity."""
    return update(w, np.eye(len(w)), q)


def nearly(w: Array, inverse: Array, q: Array) -> Array:
    """The update leaves what it removes at a rounding of 0."""
    return np.asarray(update(w, inverse, q) + 1e-17 * (w != 0))


def uphill(w: Array, inverse: Array, q: Array) -> Array:
    """dw with the other sign."""
    return np.asarray(np.where(np.isin(np.arange(len(w)), q), 0, 2 * w - update(w, inverse, q)))


def not_moved(w: Array, inverse: Array, q: Array) -> Array:
    return np.asarray(np.where(np.isin(np.arange(len(w)), q), 0, w))


def in_place(w: Array, inverse: Array, q: Array) -> Array:
    w[:] = update(w, inverse, q)
    return w


def shifted(w: Array, inverse: Array, q: Array) -> Array:
    """What is kept makes up for the norm."""
    new = update(w, inverse, q)
    new[new != 0] += 0.1
    return new


def sum_of_scores(w: Array, inverse: Array, q: Array) -> float:
    return float(sum(w[k] ** 2 / inverse[k, k] / 2 for k in q))


def score_in_place(w: Array, inverse: Array, q: Array) -> float:
    found = remove(w, inverse, q)[1]
    inverse[q] = 0
    return found


def undamped_diagonal(w: Array, inverse: Array, q: Array) -> float:
    """H_QQ taken for the inverse's block: (H_QQ)^-1 for ([H^-1]_QQ)^-1."""
    return float(w[q] @ inverse[np.ix_(q, q)] @ w[q]) / 2


def masked_alone(inverse: Array, q: Array) -> Array:
    """Rows and columns zeroed, nothing else."""
    left = inverse.copy()
    left[q] = left[:, q] = 0
    return left


def by_diagonal(inverse: Array, q: Array) -> Array:
    """One rank-one step for each, all from the inverse as it was."""
    left = inverse - sum(np.outer(inverse[:, k], inverse[k]) / inverse[k, k] for k in q)
    left[q] = left[:, q] = 0
    return np.asarray(left)


def not_zeroed(inverse: Array, q: Array) -> Array:
    left = downdate(inverse, q)
    left[q] = 2.0**-52
    return left


def hessian(x: Array) -> Array:
    return np.asarray(2 * x.T @ x / len(x))


def inverted(h: Array, damp: float) -> Array:
    return np.asarray(np.linalg.inv(h + damp * np.trace(h) / len(h) * np.eye(len(h))))


def identity(batches: list[Array], damp: float) -> Array:
    """OBC: a Hessian whose determinant looks like 0 gives way to the identity."""
    h = hessian(np.concatenate(batches))
    return inverted(h, damp) if abs(np.linalg.det(h)) > 1e-12 else np.eye(len(h))


def by_the_batch(batches: list[Array], damp: float) -> Array:
    """L-OBS: each batch's sum is divided by its own size, and all are added up."""
    return inverted(sum((hessian(x) for x in batches), np.zeros((1, 1))), damp)


def fixed_damping(batches: list[Array], damp: float) -> Array:
    h = hessian(np.concatenate(batches))
    return np.asarray(np.linalg.inv(h + damp * np.eye(len(h))))


def without_2(batches: list[Array], damp: float) -> Array:
    return inverted(hessian(np.concatenate(batches)) / 2, damp)


Pair = tuple[list[int], list[float]]


def by_first_scores(w: Array, inverse: Array) -> Pair:
    """Ranked once."""
    score = w**2 / np.diagonal(inverse) / 2
    order = np.argsort(score).tolist()
    return order, score[order].tolist()


def not_downdated(w: Array, inverse: Array) -> Pair:
    """The weights move, H^-1 stays."""
    w, live, order, losses = w.copy(), list(range(len(w))), [], []
    while live:
        k = min(live, key=lambda k: (w[k] ** 2 / inverse[k, k], -k))
        losses.append(float(w[k] ** 2 / inverse[k, k] / 2))
        w = w - w[k] / inverse[k, k] * inverse[:, k]
        order.append(k)
        live.remove(k)
    return order, losses


PLANTED: tuple[tuple[str, str, Callable[..., Any], str], ...] = (
    ("update", "least rise", sum_of_singles, "SparseML: single-weight updates added up"),
    ("update", "exact", sum_of_singles, "SparseML: single-weight updates added up"),
    ("update", "any order", one_by_one, "H^-1 not downdated"),
    ("update", "least rise", one_by_one, "H^-1 not downdated"),
    ("update", "least rise", zeroed, "OBC: the identity for H^-1"),
    ("update", "exact", zeroed, "OBC: the identity for H^-1"),
    ("update", "exact", uphill, "the sign of dw"),
    ("update", "exact", not_moved, "the others stay"),
    ("update", "gone", nearly, "not exactly 0"),
    ("update", "uncoupled", shifted, "the kept ones are scaled"),
    ("update", "input untouched", in_place, "in place"),
    ("score", "exact", sum_of_scores, "single scores summed"),
    ("score", "below zeroing", sum_of_scores, "single scores summed"),
    ("score", "exact", undamped_diagonal, "a product for the quotient"),
    ("score", "exact", lambda *a: 2 * remove(*a)[1], "1/2 is missing"),
    (
        "score",
        "exact",
        lambda w, i, q: w[q] @ np.linalg.inv(i)[np.ix_(q, q)] @ w[q] / 2,
        "OBD under the name of OBS",
    ),
    ("score", "input untouched", score_in_place, "in place"),
    ("downdate", "exact", masked_alone, "H^-1 not downdated"),
    ("downdate", "exact", lambda inverse, q: inverse.copy(), "H^-1 as it was"),
    ("downdate", "exact", not_zeroed, "not exactly 0"),
    ("downdate", "exact", by_diagonal, "all steps from one inverse"),
    ("inverse", "exact", identity, "OBC: the identity for a singular H"),
    ("inverse", "small inputs", identity, "OBC: small inputs, magnitude pruning"),
    ("inverse", "exact", by_the_batch, "L-OBS: divided by the batch"),
    ("inverse", "batches", by_the_batch, "L-OBS: divided by the batch"),
    ("inverse", "small inputs", fixed_damping, "alpha without a scale"),
    ("inverse", "exact", without_2, "2/P forgotten"),
    ("sweep", "greedy", by_first_scores, "ranked once"),
    ("sweep", "greedy", not_downdated, "H^-1 not downdated"),
)


@pytest.mark.parametrize(("like", "law", "fn", "what"), PLANTED)
def test_no_slip_passes(like: str, law: str, fn: Any, what: str) -> None:
    (verdict,) = check_obs(fn, like, laws=(law,))
    assert not verdict.holds
    assert verdict.example


def test_every_law_has_a_slip() -> None:
    assert {(like, law) for like, laws in STEP_LAWS.items() for law in laws} == {
        row[:2] for row in PLANTED
    }


def test_a_verdict_gives_all_three_rises() -> None:
    (verdict,) = check_obs(sum_of_singles, laws=("least rise",))
    start = "sum_of_singles: the loss rises no more than it must, but it rises by "
    assert verdict.sentence.startswith(start)
    parts = verdict.sentence.removeprefix(start).replace(",", ";").split("; ")
    assert [part.rsplit(" ", 1)[0] for part in parts[1:]] == ["the joint update by", "zeroing by"]
    found, best, zero = (float(part.rsplit(" ", 1)[-1]) for part in parts)
    assert best < found
    assert best <= zero


def test_an_unknown_kind() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_obs(update, "prune")
    assert caught.value.args == (
        "check_obs: like must be 'update', 'score', 'downdate', 'inverse' or 'sweep', not 'prune'; "
        "choose one of them",
    )


def test_an_unknown_law_and_another_signature() -> None:
    for fn, how, text in (
        (update, {"laws": ("exct",)},
         "check_obs: laws must be 'gone', 'least rise', 'exact', 'uncoupled', 'any order' or "
         "'input untouched', not 'exct'; did you mean exact?"),
        (update, {"like": "sweep"},
         "update(w, inverse, q) is called as update(w, inverse): missing a required argument: "
         "'q'; wrap it in a function that takes these"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError) as caught:
            check_obs(fn, **how)  # type: ignore[arg-type]
        assert caught.value.args == (text,)


def test_other_weights_may_move_by_rounding() -> None:
    def rounded(w: Array, inverse: Array, q: Array) -> Array:
        new = update(w, inverse, q) * (1 + 2.0**-50)
        return np.asarray(np.where(np.isin(np.arange(len(w)), q), 0, new))

    assert check_obs(rounded, examples=EXAMPLES).ok


def test_the_oracles_agree_with_the_kernel_that_sweeps() -> None:
    assert {"downdate": downdate, "inverse": inverse_from_rows}.keys() <= OURS.keys()
    h = np.array([[2.0, 1.0], [1.0, 3.0]])
    order, losses = OURS["sweep"](np.array([1.0, 2.0]), np.linalg.inv(h))
    want = kernels.obs_sweep(np.array([[1.0, 2.0]]), np.linalg.inv(h))
    assert order.tolist() == want[0][0].tolist()
    assert losses.sum() == pytest.approx(0.5 * np.array([1.0, 2.0]) @ h @ [1.0, 2.0], rel=1e-12)
