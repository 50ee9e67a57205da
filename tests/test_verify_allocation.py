"""The kit on allocations and shuffles: right ones pass, each wrong variant breaks its law."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from planted_selection import ALLOCATIONS, SHUFFLES, Planted, uniform

from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.masking.allocate import allocate
from minprune.verify import check_allocation, check_shuffle
from minprune.verify.plain.rules import ALLOCATIONS as LIKE
from minprune.verify.plain.rules import allocated as defined


def rejected(check: Callable[..., Any], rows: tuple[Planted, ...]) -> None:
    for row in rows:
        found = check(row.fn, examples=60)
        assert row.law in [v.law for v in found.broken], (row.what, found)
    assert {v.law for v in check(rows[0].fn, examples=1)} == {row.law for row in rows}


def test_slips_of_shuffles_are_caught() -> None:
    def right(masks: Arrays, rng: np.random.Generator) -> Arrays:
        return {n: rng.permuted(m.ravel()).reshape(m.shape) for n, m in masks.items()}

    assert check_shuffle(right).ok
    rejected(check_shuffle, SHUFFLES)


def test_slips_of_allocation_are_caught() -> None:
    assert check_allocation(uniform).ok
    rejected(check_allocation, ALLOCATIONS)


@pytest.mark.parametrize("like", LIKE)
def test_the_rule_of_an_allocation(like: str) -> None:
    """A right total is no right rule."""
    for rule in LIKE:
        found = check_allocation(partial(allocate, how=rule), like=like, examples=60)
        assert [v.law for v in found.broken] == ([] if rule == like else [f"like {like}"])
        exact = check_allocation(partial(defined, rule), like=like, examples=60)
        assert exact.ok == (rule == like)


def test_erk_as_jaxpruner_has_it() -> None:
    """Three shapes at 0.5, to its two digits, and at 0.8 without its rounding down."""
    shapes = {"a": (2, 4), "b": (3, 6), "c": (2, 4, 6)}
    found = defined("erk", shapes, 0.5)
    assert [round(s, 2) for s in found.values()] == [0, 0.31, 0.65]
    found = defined("erk", shapes, 0.8)
    assert [round(s, 6) for s in found.values()] == [0.588889, 0.725926, 0.862963]


def test_a_share_may_be_off_by_rounding() -> None:
    tiny = 2.0**-51

    def near(shapes: dict[str, tuple[int, ...]], sparsity: float) -> dict[str, float]:
        return {n: s + (tiny if s == 1 else -tiny) for n, s in uniform(shapes, sparsity).items()}

    assert check_allocation(near, examples=60).ok


def test_another_rule_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_allocation(uniform, like="ERK")
    assert caught.value.args == (
        "check_allocation: like must be None, 'uniform', 'er' or 'erk', not 'ERK'; did you mean "
        "erk?",
    )
