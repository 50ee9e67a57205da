"""mp.score with functions and evidence of one's own."""

from typing import Any

import numpy as np
import pytest
from probing import X, Y, line
from randomnets import batch, filled
from structures import NETS

import minprune as mp
from minprune.core import Arrays, Evidence, Split, criterion
from minprune.errors import ArgumentError
from minprune.evidence.sources import SOURCES
from minprune.nets.model import Model


def test_an_unmarked_function_gets_the_weights_and_its_options() -> None:
    def own(ev: Evidence, power: int = 1) -> Arrays:
        assert ev.grads is None
        assert ev.masks is None
        return {n: np.abs(w) ** power for n, w in ev.of("weights").items()}

    assert mp.score(line(), None, own)["fc1.weight"].tolist() == [[2, 1]]
    assert mp.score(line(), None, own, power=3)["fc1.weight"].tolist() == [[8, 1]]


def test_a_function_of_kinds_gets_its_options() -> None:
    def own(weights: Arrays, factor: float, power: int = 1) -> Arrays:
        return {n: factor * np.abs(w) ** power for n, w in weights.items()}

    assert mp.score(line(), None, own, factor=2)["fc1.weight"].tolist() == [[4, 2]]
    assert mp.score(line(), None, own, factor=2, power=3)["fc1.weight"].tolist() == [[16, 2]]

    def open_ended(weights: Arrays, *more: Any, **options: Any) -> Arrays:
        return {n: np.full(w.shape, options["factor"]) for n, w in weights.items()}

    assert mp.score(line(), None, open_ended, factor=2)["fc1.weight"].tolist() == [[2, 2]]


@criterion(needs=("weights", "mine"))
def own(ev: Evidence, *, power: int = 1) -> Arrays:
    return {n: w * ev.of("mine")[n] ** power for n, w in ev.of("weights").items()}


def mine(model: Model, data: Split | None, rng: np.random.Generator) -> Arrays:
    return {n: np.full(w.shape, 3.0) + rng.integers(0, 1) for n, w in model.params.items()}


def test_defaults_of_ones_own_options_say_how_evidence_is_made() -> None:
    seen = []

    @criterion(needs=("act_hist", "weights"), unit="incoming and bias", single=False)
    def four(ev: Evidence, *, bins: int = 4, bias: bool = False) -> Arrays:
        seen.append((ev.of("act_hist")["a.weight"].shape, ev.of("weights")["a.weight"].shape))
        return {n: w.sum(axis=1) for n, w in ev.of("weights").items()}

    chain = filled(NETS["chain"], 0)
    for how in ({}, {"bins": 7, "bias": True}):
        mp.score(chain, batch(chain, 5), four, unit=True, **how)
    assert seen == [((4, 4), (4, 3)), ((4, 7), (4, 4))]


def test_evidence_of_ones_own() -> None:
    assert mp.score(line(), None, own, needs={"mine": mine})["fc1.weight"].tolist() == [[6, -3]]
    squared = mp.score(line(), None, own, needs={"mine": mine}, power=2)
    assert squared["fc1.weight"].tolist() == [[18, -9]]


def test_evidence_of_ones_own_is_an_argument_too_and_what_an_unmarked_function_gets() -> None:
    def by_name(mine: Arrays, weights: Arrays) -> Arrays:
        return {n: w * mine[n] for n, w in weights.items()}

    def unmarked(ev: Evidence) -> Arrays:
        return by_name(ev.of("mine"), ev.of("weights"))

    for fn in (by_name, unmarked):
        assert mp.score(line(), None, fn, needs={"mine": mine})["fc1.weight"].tolist() == [[6, -3]]


def test_evidence_of_ones_own_needs_no_data_and_is_made_where_it_is_wanted() -> None:
    def grads(model: Model, data: Any, rng: np.random.Generator) -> Arrays:
        assert data is None
        return dict(model.params)

    got = mp.score(line(), None, "taylor", needs={"grads": grads})["fc1.weight"]
    assert got.tolist() == [[16, 1]]
    unwanted = {"grads": lambda *_: pytest.fail("nobody asked")}
    assert mp.score(line(), None, "magnitude", needs=unwanted)["fc1.weight"].tolist() == [[2, 1]]


def test_evidence_of_ones_own_stands_before_ours_and_draws_from_the_seed() -> None:
    def grads(model: Model, data: Any, rng: np.random.Generator) -> Arrays:
        return {n: rng.random(w.shape) for n, w in model.params.items()}

    @criterion(needs=("grads",))
    def taken(ev: Evidence) -> Arrays:
        return dict(ev.of("grads"))

    runs = [mp.score(line(), (X, Y), taken, needs={"grads": grads}, seed=s)["fc1.weight"].tolist()
            for s in (0, 0, 1)]  # fmt: skip
    assert runs[0] == runs[1] != runs[2]


def test_evidence_that_nobody_has_names_ones_own_too() -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.score(line(), None, own, needs={"yours": mine})
    there = ", ".join(sorted({*(k for k, row in SOURCES.items() if row.entries), "yours"}))
    assert caught.value.args == (
        f"own: needs must be of {there}, not 'mine'; "
        "declare evidence that exists, or pass needs={'mine': function}",
    )  # fmt: skip
