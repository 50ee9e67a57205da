"""Adding a criterion: a function (a user's), or a function and its definition (ours: lamp)."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minprune as mp
from minprune.core import Array, Arrays, Criterion, Evidence
from minprune.criteria import CRITERIA, listing
from minprune.verify import check_criterion
from minprune.verify.plain.twin import TWINS


@mp.criterion(
    needs=("weights",), cite="nobody", examples=(mp.Example({"weights": [2, -1]}, [8, 1]),)
)
def cubed(ev: Evidence) -> Arrays:
    """s = |w|^3"""
    return {name: np.abs(w) ** 3 for name, w in ev.of("weights").items()}


def test_a_criterion_of_ones_own_is_one_function() -> None:
    data = mp.data.digits()
    model = mp.zoo.mlp(data, hidden=(8,), seed=0)
    scores = mp.score(model, None, cubed)
    pruned = mp.prune(model, scores, sparsity=0.5)
    same = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5)
    assert all((pruned.masks[k] == m).all() for k, m in same.masks.items())
    assert listing({"cubed": cubed})[0].equation == "s = |w|^3"


def test_the_general_laws_run_without_a_twin() -> None:
    found = check_criterion(cubed, examples=5)
    assert found.ok
    assert "definition" not in str(found)


def test_a_function_of_a_family_file_is_listed() -> None:
    assert CRITERIA["lamp"] is mp.criteria.lamp
    assert [e.name for e in mp.criteria.list()][:4] == ["random", "magnitude", "norm", "lamp"]
    assert mp.criteria.list()[3].scores == "weights"


def test_lamp_empties_no_layer_at_one_threshold() -> None:
    """The largest weight of each layer scores 1, the highest of all."""
    model = mp.zoo.mlp(mp.data.digits(), hidden=(8,), seed=0)
    params = model.params | {"fc1.weight": model.params["fc1.weight"] / 1000}
    tiny = mp.Model(model.net, params)
    scores = mp.score(tiny, None, "lamp")
    assert all(s.max() == 1 for s in scores.values())
    n = sum(s.size for s in scores.values())
    pruned = mp.prune(tiny, scores, sparsity=1 - 2 / n, minimum=0)
    assert [int(m.sum()) for m in pruned.masks.values()] == [1, 1]
    size = mp.score(tiny, None, "magnitude")
    assert not mp.prune(tiny, size, sparsity=0.99, minimum=0).masks["fc1.weight"].any()


def by_layer(layer: Callable[[Array], Array]) -> Criterion:
    """layer: squares, the highest rank first -> scores in that order"""

    def scores(weights: Arrays) -> Arrays:
        found = {}
        for name, w in weights.items():
            order = np.argsort(-np.abs(w.ravel()), kind="stable")
            found[name] = np.empty(w.size)
            found[name][order] = layer(w.ravel()[order] ** 2)
            found[name] = found[name].reshape(w.shape).astype(w.dtype)
        return found

    return scores


def over(squares: Array, sums: Array) -> Array:
    return np.divide(squares, sums, out=np.zeros_like(squares), where=sums > 0)


def test_lamp_ranks_weights_that_differ_in_the_last_bit() -> None:
    """Their quotients by the largest are the same number"""
    w = np.array([1.788169680870331, 1.7881696808703311, 2.686558159035452])
    first, second, _ = mp.criteria.lamp(mp.Evidence(weights={"w": w}))["w"]
    assert w[0] < w[1]
    assert first < second


def test_the_twin_of_lamp_accepts_the_definition() -> None:
    right = by_layer(lambda q: over(q, np.cumsum(q)))
    assert check_criterion(right, "lamp", examples=10).ok


@pytest.mark.parametrize(
    "layer",
    [
        lambda q: over(q, np.cumsum(q[::-1])[::-1]),  # the lower ranks
        lambda q: over(q, np.full_like(q, q.sum())),  # the whole layer
        lambda q: over(q**0.5, np.cumsum(q**0.5)),  # |w| for w^2
        lambda q: over(q, np.cumsum(q) - q),  # without itself
    ],
)
def test_the_twin_of_lamp_rejects(layer: Callable[[Array], Array]) -> None:
    found = check_criterion(by_layer(layer), "lamp", examples=10)
    assert [v.law for v in found if not v.holds] == ["definition", "any numbers"]


tied = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=4),
              elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]))  # fmt: skip


def is_lamp(w: Array, turn: int) -> bool:
    """The criterion, of the layer turned, equals the twin: turned once, ties go another way."""
    places = slice(None, None, turn)
    got = mp.criteria.lamp(Evidence(weights={"w": w[places, places]}))["w"][places, places]
    return np.allclose(got, TWINS["lamp"].score(Evidence(weights={"w": w}))["w"], rtol=1e-14)


@given(w=tied)
def test_lamp_and_its_twin_have_one_tie_rule(w: Array) -> None:
    assert is_lamp(w, 1)


def test_another_tie_rule_is_rejected() -> None:
    find(
        tied,
        lambda w: not is_lamp(w, -1),
        settings=settings(derandomize=True, database=None, phases=[Phase.generate]),
    )
