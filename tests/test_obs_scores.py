"""The criterion obs, on evidence from anywhere: scores are the rises of a quadratic."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from surgery import EPS, TRIES, Quadratic, best, quadratics, rise

from minprune.core import Array, Evidence
from minprune.criteria.obs import obs as criterion
from minprune.curvature.inverse import downdate, remove
from minprune.errors import ArgumentError

Scores = Callable[[Evidence], dict[str, Array]]


def singles_are_the_rises(scores: Scores, at: Quadratic) -> bool:
    """Of removing one weight while all others adjust, solved densely"""
    ev = Evidence(weights={"w": at.w}, inverse_diag={"w": at.inverse.diagonal().copy()})
    want = [rise(at.h, best(at.h, at.w, np.array([k])) - at.w) for k in range(at.w.size)]
    return bool((np.abs(scores(ev)["w"] - want) <= at.near * rise(at.h, at.w) * 2).all())


def units_are_the_rises(scores: Scores, at: Quadratic) -> bool:
    """Of removing the unit's weights at once, solved densely"""
    q = at.q
    block = at.inverse[np.ix_(q, q)][None]
    ev = Evidence(weights={"w": at.w[None, q]}, inverse_block={"w": block}, unit=True)
    want = rise(at.h, best(at.h, at.w, q) - at.w)
    return bool(abs(scores(ev)["w"][0] - want) <= at.near * rise(at.h, at.w) * 2)


@given(at=quadratics)
def test_scores_of_weights_and_of_units_are_the_rises(at: Quadratic) -> None:
    for scale in ("whole", "layer", "blocks"):
        assert singles_are_the_rises(partial(criterion, scale=scale), at)
    assert units_are_the_rises(criterion, at)
    joint = remove(at.w, at.inverse, at.q)[1]
    assert units_are_the_rises(lambda ev: {"w": np.array([joint])}, at)


def no_half(ev: Evidence) -> dict[str, Array]:
    return {k: 2 * s for k, s in criterion(ev).items()}


def product(ev: Evidence) -> dict[str, Array]:
    """w^2 [H^-1]_qq: a product for the quotient."""
    return {k: w**2 * ev.of("inverse_diag")[k] / 2 for k, w in ev.of("weights").items()}


def sum_over_the_unit(ev: Evidence) -> dict[str, Array]:
    """The sum of single scores."""
    blocks = ev.of("inverse_block")
    return {
        k: (w**2 / blocks[k].diagonal(axis1=1, axis2=2) / 2).sum(axis=1)
        for k, w in ev.of("weights").items()
    }


@pytest.mark.parametrize(
    ("law", "wrong"),
    [
        (singles_are_the_rises, no_half), (singles_are_the_rises, product),
        (units_are_the_rises, no_half), (units_are_the_rises, sum_over_the_unit),
    ],
)  # fmt: skip
def test_wrong_scores_are_rejected(law: Any, wrong: Scores) -> None:
    assert not all(law(wrong, at) for at in TRIES)


def test_scores_by_hand() -> None:
    w, d = np.array([[3.0, -1.0], [0.0, 2.0]], np.float32), np.array([[1.0, 4.0], [2.0, 0.5]])
    got = criterion(Evidence(weights={"w": w}, inverse_diag={"w": d}))["w"]
    assert got.tolist() == [[4.5, 0.125], [0.0, 4.0]]
    assert got.dtype == np.float32
    losses = {"w": np.array([[1.0, 2.0]])}
    assert criterion(Evidence(sweep_loss=losses), scale="rows")["w"].tolist() == [[1.0, 2.0]]
    block = np.array([[[2.0, 1.0], [1.0, 1.0]]])  # its inverse is [[1, -1], [-1, 2]]
    unit = Evidence(weights={"w": np.array([[2.0, 1.0]])}, inverse_block={"w": block}, unit=True)
    assert np.abs(criterion(unit)["w"] - [(4 - 2 - 2 + 2) / 2]).max() <= 8 * EPS


def test_needs_follow_the_options() -> None:
    mark = criterion.spec  # type: ignore[attr-defined]
    for options, needs in (
        ({}, ("weights", "inverse_diag")),
        ({"scale": "layer"}, ("weights", "inverse_diag")),
        ({"scale": "blocks"}, ("weights", "inverse_diag")),
        ({"scale": "rows"}, ("sweep_loss",)),
        ({"unit": True}, ("weights", "inverse_block")),
    ):
        assert mark.asked(options) == (needs, "all")


MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "scale of scores": (
        lambda: criterion(Evidence(), scale="net"),  # type: ignore[arg-type]
        ArgumentError,
        "obs: scale must be 'whole', 'layer', 'rows' or 'blocks', not 'net'; choose one of them",
    ),
    "sweeps of units": (
        lambda: criterion(Evidence(unit=True), scale="rows"),
        ArgumentError,
        "obs with unit=True: scale must be 'whole', 'layer' or 'blocks', not 'rows'; choose one of "
        "them",
    ),
    "removed already": (
        lambda: criterion(
            Evidence(
                weights={"w": np.ones(3)},
                inverse_diag={"w": downdate(np.eye(3), 1).diagonal().copy()},
            )
        ),
        ArgumentError,
        "w: 1 of 3 entries of diag H^-1 are not above 0, so H is not positive definite to "
        "rounding; raise damp",
    ),
    "a unit's block": (
        lambda: criterion(
            Evidence(
                weights={"w": np.ones((1, 2))}, inverse_block={"w": np.ones((1, 2, 2))}, unit=True
            )
        ),
        ArgumentError,
        "w: a block of H^-1 is not positive definite, so its unit has no score; raise damp",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str) -> None:
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)
