"""Less than was asked is told: a schedule beyond the training, moves that never come."""

import warnings
from functools import partial
from typing import Any

import pytest

import minprune as mp
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.methods import SET, Gradual, RigL, start_sparse

DATA = mp.data.digits()
MODEL = mp.zoo.mlp(DATA, (8,))


def fit(method: mp.Method, model: mp.Model = MODEL) -> mp.Model:
    return mp.fit(model, DATA, epochs=1, batch_size=512, method=method, progress=False)[0]


def cubic(span: int) -> Any:
    return partial(mp.schedule.cubic, final=0.9, span=span)


def test_a_schedule_beyond_the_training() -> None:
    with pytest.warns(MinpruneWarning) as said:
        fit(Gradual(cubic(30)))
    assert [str(w.message) for w in said] == [
        "Gradual: the schedule reaches 0.2439 in the 3 updates of this training, and 0.9 later; "
        "train longer, or pass a shorter span"
    ]


@pytest.mark.parametrize(
    "method", [SET(), RigL(), RigL(every=3), SET(every=3), SET(every=2, stop=0.5)]
)
def test_moves_that_never_come(method: Any) -> None:
    start = start_sparse(MODEL, 0.8)
    with pytest.warns(MinpruneWarning) as said:
        moved = fit(method, start)
    assert all((moved.masks[k] == m).all() for k, m in start.masks.items())
    assert [str(w.message) for w in said] == [
        f"{type(method).__name__}: no weight moves in the 3 updates of this training, since every "
        f"is {method.every} and stop {method.stop}; pass a smaller every, or train longer"
    ]


@pytest.mark.parametrize(
    "method",
    [Gradual(cubic(3)), Gradual(lambda t: [0.0, 0.1, 0.2, 0.3][t]), Gradual(lambda t: 0.5)],
)
def test_a_schedule_that_ends_is_not_told(method: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(method)


@pytest.mark.parametrize("method", [SET(every=1), RigL(every=2), SET(fraction=0, every=9)])
def test_moves_that_come_are_not_told(method: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(method, start_sparse(MODEL, 0.8))


def test_protecting_all_is_refused() -> None:
    weights = mp.score(MODEL, None, "magnitude")
    with pytest.raises(ArgumentError) as caught:
        mp.prune(MODEL, weights, sparsity=0.5, protect=("fc1", "fc2"))
    assert caught.value.args == (
        "prune: protect must leave weights to prune, and names all layers that have scores; "
        "leave one out",
    )
    units = mp.score(MODEL, None, "magnitude", unit=True)
    with pytest.raises(ArgumentError, match="protect must leave units to prune"):
        mp.prune(MODEL, units, sparsity=0.5, protect="fc1")
