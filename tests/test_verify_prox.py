"""The kit on proximal steps: ours pass, and each slip breaks its law."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify import check_prox
from minprune.verify.kinds import PROXES as KNOWN
from minprune.verify.numeric.prox import LAWS, PENALTIES
from minprune.verify.ours.checks import PROXES

check = partial(check_prox, examples=8)


@pytest.mark.parametrize("name", PROXES)
def test_ours_hold(name: str) -> None:
    found = check(PROXES[name], name)
    assert found.ok, found
    assert set(PROXES) == set(PENALTIES) == set(KNOWN)


def soft(v: Array, t: float) -> Array:
    """As the loop over entries that a stranger would write."""
    return np.array([max(abs(x) - t, 0) * (1 if x > 0 else -1) for x in v])


def shrink(v: Array, tau: float, power: int = 1) -> Array:
    size = np.linalg.norm(v) ** power
    return v * max(1 - tau / size, 0) if size else v


def in_place(v: Array, t: float) -> Array:
    v[np.abs(v) <= t] = 0
    v -= t * np.sign(v)
    return v


def unguarded(v: Array, t: float) -> Array:
    with np.errstate(all="ignore"):
        return v * np.maximum(1 - t * v.size**0.5 / np.linalg.norm(v), 0)


def test_another_reading_of_the_same_holds() -> None:
    assert check(soft, "l1").ok
    assert check(lambda v, t: shrink(v, t * v.size**0.5), "group_lasso").ok
    assert check(lambda v, a, b: shrink(soft(v, a), b * v.size**0.5), "sparse_group_lasso").ok
    assert check(lambda v, t: np.where(v**2 >= 2 * t, v, 0.0), "l0").ok  # a tie: both are right


SLIPS: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    ("swapped", "sparse_group_lasso", "minimizer",
     lambda v, t1, tg: soft(shrink(v, tg * v.size**0.5), t1)),
    ("swapped", "sparse_group_lasso", "zero",
     lambda v, t1, tg: soft(shrink(v, tg * v.size**0.5), t1)),
    ("sqrt(n) missing", "group_lasso", "minimizer", lambda v, t: shrink(v, t)),
    ("sqrt(n) missing", "group_lasso", "zero", lambda v, t: shrink(v, t)),
    ("n for sqrt(n)", "group_lasso", "zero", lambda v, t: shrink(v, t * v.size)),
    ("sqrt(n) missing", "sparse_group_lasso", "minimizer", lambda v, a, b: shrink(soft(v, a), b)),
    ("norm squared", "group_lasso", "minimizer", lambda v, t: shrink(v, t * v.size**0.5, 2)),
    ("t for 2t", "l0", "zero", lambda v, t: np.where(v**2 > t, v, 0.0)),
    ("sqrt(t) for 2t", "l0", "minimizer", lambda v, t: np.where(np.abs(v) > t**0.5, v, 0.0)),
    ("|v| > t", "l0", "zero", lambda v, t: np.where(np.abs(v) > t, v, 0.0)),
    ("soft for hard", "l0", "minimizer", soft),
    ("hard for soft", "l1", "minimizer", lambda v, t: np.where(np.abs(v) > t, v, 0.0)),
    ("sign lost", "l1", "signs", lambda v, t: np.maximum(np.abs(v) - t, 0)),
    ("overshoots", "l1", "signs", lambda v, t: v - t * np.sign(v)),
    ("in place", "l1", "input untouched", in_place),
    ("NaN at a zero group", "group_lasso", "zeros", unguarded),
    ("2t for t", "l2", "minimizer", lambda v, t: v / (1 + 2 * t)),
    ("order of the elastic net", "elastic_net", "minimizer", lambda v, a, b: soft(v / (1 + b), a)),
    ("an epsilon", "l2", "size 0", lambda v, t: v / (1 + 1e-8 + t)),
    ("not to exact zeros", "l1", "zero", lambda v, t: np.where(
        np.abs(v) > t, soft(v, t), 1e-12 * v)),
)  # fmt: skip


@pytest.mark.parametrize("row", SLIPS, ids=lambda row: f"{row[0]}, {row[1]}, {row[2]}")
def test_slips_are_caught(row: Any) -> None:
    _, like, law, fn = row
    found = check_prox(fn, like, laws=[law], examples=15)
    assert law in [v.law for v in found.broken], found


def test_each_law_and_penalty_has_a_slip() -> None:
    assert {law for _, _, law, _ in SLIPS} == set(LAWS)
    assert {like for _, like, _, _ in SLIPS} == set(PENALTIES)


def test_messages() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_prox(soft, "l3")
    assert caught.value.args == (
        "check_prox: like must be 'l1', 'l2', 'elastic_net', 'l0', 'group_lasso' or "
        "'sparse_group_lasso', not 'l3'; choose one of them",
    )
    with pytest.raises(ArgumentError, match=r"is called as soft\(v, t1, t2\)"):
        check_prox(soft, "elastic_net")
