"""The kit for learned gates: ours passes, planted bugs do not."""

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pytest

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify.ours.procedures import GATES as OURS
from minprune.verify.training.gate import OFF, PART_LAWS, check_gate, gate_of

EXAMPLES = 20
B, G, Z = 2 / 3, -0.1, 1.1


@pytest.mark.parametrize("like", PART_LAWS)
def test_ours_passes(like: str) -> None:
    found = check_gate(OURS[like], like, examples=EXAMPLES)
    assert found.ok, str(found)
    assert len(found) == len(PART_LAWS[like])


def sigmoid(x: Any) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def logit(u: Array) -> Array:
    return np.asarray(np.log(u) - np.log(1 - u))


def concrete(a: Array, u: Array) -> Array:
    """Not stretched."""
    return sigmoid((logit(u) + a) / B)


def open_ended(a: Array, u: Array) -> Array:
    """Not clipped."""
    return concrete(a, u) * (Z - G) + G


def cold(a: Array, u: Array) -> Array:
    """The temperature on the noise alone."""
    return np.clip(sigmoid(logit(u) / B + a) * (Z - G) + G, 0, 1)


def in_place(a: Array, u: Array) -> Array:
    u[:] = gate_of(a, u)
    return u


def slope(a: Array, u: Array) -> Array:
    z = gate_of(a, u)
    return np.asarray((z - G) * (Z - z) / (Z - G) / B * ((z > 0) & (z < 1)))


def warm(a: Array) -> Array:
    """The temperature left in the gate of the test."""
    return np.clip(sigmoid(a / B) * (Z - G) + G, 0, 1)


def masked(s: Array, g: Array) -> Array:
    """The gradient of kept ones alone."""
    return g * (s >= 0)


def by_sigmoid(s: Array, g: Array) -> Array:
    return g * sigmoid(s) * (1 - sigmoid(s))


SHIFT = B * log(-G / Z)
PLANTED: tuple[tuple[str, str, Callable[..., Any], str], ...] = (
    ("sample", "exact", open_ended, "no clip"),
    ("sample", "exact", concrete, "no stretch"),
    ("sample", "exact", cold, "the temperature on the noise alone"),
    ("sample", "closed and open", concrete, "no stretch"),
    ("sample", "input untouched", in_place, "in place"),
    ("expected", "monte carlo", sigmoid, "no beta log(-gamma / zeta)"),
    ("expected", "exact", sigmoid, "no beta log(-gamma / zeta)"),
    ("expected", "monte carlo", lambda log_alpha: sigmoid(log_alpha + SHIFT), "the shift's sign"),
    ("expected", "exact", lambda log_alpha: sigmoid(log_alpha - SHIFT / B), "no beta"),
    ("expected", "monte carlo", lambda log_alpha: 1 - sigmoid(log_alpha - SHIFT), "P(z = 0)"),
    ("test", "exact", lambda log_alpha: sigmoid(log_alpha) * (Z - G) + G, "no clip"),
    ("test", "exact", warm, "the temperature left in"),
    ("test", "closed and open", warm, "the temperature left in"),
    ("test", "closed and open", sigmoid, "no stretch"),
    ("slope", "difference", lambda log_alpha, u: slope(log_alpha, u) * B, "no 1 / beta"),
    ("slope", "difference", lambda log_alpha, u: slope(log_alpha, u) + 0.1, "of closed gates"),
    ("straight_through", "through", masked, "kept ones alone"),
    ("straight_through", "through", by_sigmoid, "the sigmoid's slope"),
)


@pytest.mark.parametrize(("like", "law", "fn", "what"), PLANTED)
def test_no_slip_passes(like: str, law: str, fn: Any, what: str) -> None:
    (verdict,) = check_gate(fn, like, laws=(law,), examples=EXAMPLES)
    assert not verdict.holds
    assert verdict.example


def test_every_law_has_a_slip() -> None:
    assert {(like, law) for like, laws in PART_LAWS.items() for law in laws} == {
        row[:2] for row in PLANTED
    }


def test_a_right_gate_and_a_worked_one() -> None:
    """log alpha = 0, u = 1/2: s = 1/2, z = 1/2; and P(z > 0) = 11^(2/3) / (1 + 11^(2/3))"""
    assert check_gate(gate_of, examples=EXAMPLES).ok
    assert check_gate(slope, "slope", examples=EXAMPLES).ok
    half, zero = np.array([0.5]), np.array([0.0])
    assert OURS["sample"](zero, half) == pytest.approx(0.5)
    assert OURS["expected"](zero) == pytest.approx(11 ** (2 / 3) / (1 + 11 ** (2 / 3)))
    assert OURS["test"](np.log([1 / 11, 1 / 10, 1.0, 11.0])) == pytest.approx(
        [0, 1.2 / 11 - 0.1, 0.5, 1]
    )
    assert OFF < 0.03


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError) as e:
        check_gate(gate_of, "prune")
    assert e.value.args == (
        "check_gate: like must be 'sample', 'expected', 'test', 'slope' or 'straight_through', not "
        "'prune'; choose one of them",
    )
