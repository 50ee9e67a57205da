"""combine: ranks against their definition, norms, weights, and every sentence."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minprune as mp
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError
from minprune.masking.combine import combine, ranks

# Three values, so that ties are the rule; -0.0 and 0.0 are one.
tied = arrays(
    st.sampled_from([np.float32, np.float64]),
    array_shapes(max_dims=3, max_side=4),
    elements=st.sampled_from([-1.0, -0.0, 0.0, 2.0]),
)
layers = st.dictionaries(st.sampled_from("abc"), tied, max_size=3)
two = st.dictionaries(st.sampled_from("abc"), array_shapes(max_dims=3, max_side=3), min_size=1)

# half units: scaled 1, squared 3, summed 4, its root 3, divided 5; root and quotient by hand 2
OVER_NORM = 7 * 2.0**-53
A = {"a": np.array([3.0, 1, 1]), "b": np.array([[9.0, -4]])}
B = {"b": np.array([[0.0, 0]]), "a": np.array([5.0, 0, 12])}


def drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-3, 4, shape) / 2 for name, shape in shapes.items()}


def mean_rank(values: list[float], at: int) -> Fraction:
    """The mean of the places, from 0, that this entry can take in a sorted list; over the last."""
    below = sum(v < values[at] for v in values)
    alike = sum(v == values[at] for v in values)
    places = [Fraction(place) for place in range(below, below + alike)]
    return sum(places, Fraction(0)) / len(places) / max(1, len(values) - 1)


def are_mean_ranks(fn: Callable[[Arrays], Arrays], scores: Arrays) -> bool:
    """The definition, entry by entry, over all layers together."""
    got = fn(scores)
    flat = [float(v) for s in scores.values() for v in s.ravel()]
    want = [float(mean_rank(flat, at)) for at in range(len(flat))]
    found = [float(v) for name in scores for v in got[name].ravel()]
    shapes = [got[name].shape == s.shape for name, s in scores.items()]
    # two roundings here, one in float(Fraction)
    return all(shapes) and np.allclose(found, want, rtol=3 * np.finfo(float).eps, atol=0)


@given(scores=layers)
def test_ranks_are_their_definition(scores: Arrays) -> None:
    assert are_mean_ranks(ranks, scores)


def by_layer(fn: Callable[[Array], Array]) -> Callable[[Arrays], Arrays]:
    return lambda scores: {name: fn(s.ravel()).reshape(s.shape) for name, s in scores.items()}


def flat_ranks(order: Callable[[Array], Array]) -> Callable[[Arrays], Arrays]:
    def wrong(scores: Arrays) -> Arrays:
        flat = np.concatenate([s.ravel() for s in scores.values()])
        parts = np.split(order(flat), np.cumsum([s.size for s in scores.values()])[:-1])
        return {n: p.reshape(s.shape) for (n, s), p in zip(scores.items(), parts, strict=True)}

    return wrong


def places(flat: Array) -> Array:
    return flat.argsort(kind="stable").argsort()


@pytest.mark.parametrize(
    "wrong",
    [
        flat_ranks(lambda flat: places(flat) / (flat.size - 1)),  # ties by their index
        flat_ranks(lambda flat: np.unique(flat, return_inverse=True)[1] / (flat.size - 1)),  # dense
        flat_ranks(lambda flat: np.searchsorted(np.sort(flat), flat) / (flat.size - 1)),  # lowest
        flat_ranks(lambda flat: -ranks({"": flat})[""]),  # upside down
        flat_ranks(lambda flat: ranks({"": flat})[""] * (flat.size - 1) / flat.size),
        by_layer(lambda flat: ranks({"": flat})[""]),  # each layer for itself
    ],
)
def test_the_definition_rejects(wrong: Callable[[Arrays], Arrays]) -> None:
    assert not are_mean_ranks(wrong, A)


def test_by_hand() -> None:
    """A: 3, 1, 1, 9, -4 have the ranks 3, 1.5, 1.5, 4, 0; B: 5, 0, 12, 0, 0 have 3, 1, 4, 1, 1."""
    got = combine({"A": A, "B": B})
    assert list(got) == ["a", "b"]
    assert np.array_equal(got["a"], np.array([6, 2.5, 5.5]) / 4)
    assert np.array_equal(got["b"], np.array([[5, 1]]) / 4)
    got = combine({"A": A, "B": B}, weights={"B": 2})
    assert np.array_equal(got["a"], np.array([9, 3.5, 9.5]) / 4)
    got = combine({"A": A, "B": B}, normalize=None)
    assert [s.tolist() for s in got.values()] == [[8, 1, 13], [[9, -4]]]
    got = combine({"B": B}, normalize="layer")  # norms: 13 and 0
    assert np.allclose(got["a"], np.array([5, 0, 12]) / 13, rtol=OVER_NORM, atol=0)
    assert got["b"].tolist() == [[0, 0]]


@given(shapes=two, seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
@pytest.mark.parametrize("normalize", ["rank", "layer", None])
def test_it_is_the_weighted_sum_of_each_alone(
    normalize: Any, shapes: dict[str, tuple[int, ...]], seeds: tuple[int, int]
) -> None:
    x, y = (drawn(shapes, seed) for seed in seeds)
    both = combine({"x": x, "y": y}, {"x": 0.25, "y": 4}, normalize)
    alone = combine({"x": x}, None, normalize), combine({"y": y}, None, normalize)
    for name, s in both.items():
        assert s.dtype == np.float64
        assert np.array_equal(s, 0.25 * alone[0][name] + 4 * alone[1][name])
    turned = combine({"y": y, "x": x}, {"x": 0.25, "y": 4}, normalize)
    assert all(np.array_equal(turned[name], s) for name, s in both.items())


@given(shapes=two, seed=st.integers(0, 99))
def test_ranks_know_the_order_alone(shapes: dict[str, tuple[int, ...]], seed: int) -> None:
    """Any growing function of one criterion's scores changes nothing; a norm would."""
    x, y = drawn(shapes, seed), drawn(shapes, seed + 1)
    grown = {name: np.exp(5 * s) for name, s in y.items()}
    same, other = combine({"x": x, "y": y}), combine({"x": x, "y": grown})
    assert all(np.array_equal(other[name], s) for name, s in same.items())


@given(shapes=two, seed=st.integers(0, 99))
def test_one_that_outweighs_all_ranks_decides(
    shapes: dict[str, tuple[int, ...]], seed: int
) -> None:
    """Where x differs, so does the sum, in the same direction; y decides ties of x alone."""
    x, y = drawn(shapes, seed), drawn(shapes, seed + 1)
    n = sum(s.size for s in x.values())
    flat = [np.concatenate([s[k].ravel() for k in x]) for s in (x, y, combine(
        {"x": x, "y": y}, {"x": 4 * n}))]  # fmt: skip
    for i in range(n):
        for k in range(n):
            if flat[0][i] != flat[0][k]:
                assert (flat[2][i] < flat[2][k]) == (flat[0][i] < flat[0][k])
            elif flat[1][i] == flat[1][k]:
                assert flat[2][i] == flat[2][k]


def test_a_weight_of_0_leaves_a_criterion_out() -> None:
    alone, with_nothing = combine({"A": A}), combine({"A": A, "B": B}, {"B": 0})
    assert all(np.array_equal(with_nothing[name], s) for name, s in alone.items())


def test_what_is_given_stays_as_it_is() -> None:
    a, b = ({name: s.copy() for name, s in given.items()} for given in (A, B))
    for normalize in ("rank", "layer", None):
        got = combine({"A": a, "B": b}, normalize=normalize)  # type: ignore[arg-type]
        got["a"][:] = 7
    assert all(np.array_equal(a[n], A[n]) and np.array_equal(b[n], B[n]) for n in A)


def test_edges() -> None:
    assert combine({"A": {}}) == {}
    assert combine({"A": {"a": np.array([5.0])}})["a"].tolist() == [0]
    assert combine({"A": {"a": np.full(3, 5.0)}})["a"].tolist() == [0.5] * 3
    got = combine({"A": {"a": np.zeros((0, 2)), "b": np.array([1.0, 2])}})
    assert got["a"].shape == (0, 2)
    assert got["b"].tolist() == [0, 1]
    assert combine({"A": {"a": np.zeros(0)}})["a"].shape == (0,)


def more(**changed: Any) -> dict[str, Any]:
    return {"A": A, "B": B | changed}


MESSAGES = (
    (lambda: combine({}),
     "combine: scores must not be empty; pass {'magnitude': mp.score(...)}, for example"),
    (lambda: combine({"A": A}, normalize="ranks"),  # type: ignore[arg-type]
     "combine: normalize must be 'rank', 'layer' or None, not 'ranks'; did you mean rank?"),
    (lambda: combine({"A": A, "B": B}, {"C": 1}),
     "combine: a criterion of weights must be 'A' or 'B', not 'C'; choose one of them"),
    (lambda: combine({"A": A}, {"A": -1}),
     "combine: weights['A'] must be a finite number of at least 0, not -1; pass "
     "weights['A']=1, for example"),
    (lambda: combine({"A": A}, {"A": float("nan")}),
     "combine: weights['A'] must be a finite number of at least 0, not nan; pass "
     "weights['A']=1, for example"),
    (lambda: combine({"A": A}, {"A": float("inf")}),
     "combine: weights['A'] must be a finite number of at least 0, not inf; pass "
     "weights['A']=1, for example"),
    (lambda: combine({"A": A}, {"A": "1"}),  # type: ignore[dict-item]
     "combine: weights['A'] must be a finite number of at least 0, not '1'; pass "
     "weights['A']=1, for example"),
    (lambda: combine({"A": A, "B": B}, {"A": 0, "B": 0}),
     "combine: one weight must be above 0, and all are 0; leave weights out to count all "
     "criteria equally"),
    (lambda: combine(more(c=np.zeros(2))),
     "combine: all criteria must score the same parameters, but A has no scores of c, and B "
     "has; score them with the same arguments"),
    (lambda: combine({"A": A, "B": {"a": A["a"]}}),
     "combine: all criteria must score the same parameters, but B has no scores of b, and A "
     "has; score them with the same arguments"),
    (lambda: combine(more(b=np.zeros((2, 2)))),
     "combine: the scores of b in B, as in A, must have the shape (1, 2), not (2, 2); score "
     "weights, or units, with each"),
    (lambda: combine(more(b=np.array([[1.0, np.nan]]))),
     "B, b: 1 of 2 entries of the scores are not finite, but must be numbers; fix the criterion, "
     "or the model that it scores"),
    (lambda: combine(more(b=np.array([[1, 2]]))),
     "B, b: scores must be float32 or float64, not int64; use astype(float)"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text[:60] for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises((ArgumentError, ArithmeticError)) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_with_the_model_tied_units_count_once() -> None:
    """Units a0 = c0 and a1 = c1 are tied: four rows, two units, beside three of b."""
    net = mp.build((2,), [
        ("a", mp.Dense(2, 2)), ("c", mp.Dense(2, 2), "input"), ("sum", mp.Add(), ("a", "c")),
        ("b", mp.Dense(2, 3)), ("fc", mp.Dense(3, 2)),
    ])  # fmt: skip
    model = mp.initialise(net, dtype=np.float64)
    one = {"a.weight": np.array([3.0, 1]), "c.weight": np.array([3.0, 1]),
           "b.weight": np.array([2.0, 4, 5])}  # fmt: skip
    found = combine({"one": one}, model=model)
    assert {n: s.tolist() for n, s in found.items()} == {
        "a.weight": [0.5, 0], "c.weight": [0.5, 0], "b.weight": [0.25, 0.75, 1],
    }  # fmt: skip
    assert combine({"one": one})["a.weight"].tolist() != found["a.weight"].tolist()
    length = combine({"one": one}, normalize="layer", model=model)
    assert np.allclose(length["a.weight"], np.array([3, 1]) / np.sqrt(10), rtol=OVER_NORM, atol=0)
    whole = mp.score(model, None, "magnitude")
    assert combine({"w": whole}, model=model).keys() == whole.keys()


def test_a_sum_that_overflows_is_said() -> None:
    with pytest.raises(NonFiniteError) as caught:
        combine({"a": {"w": np.array([1.7e308])}, "b": {"w": np.array([1.7e308])}}, normalize=None)
    assert caught.value.args == (
        "combine: 1 of 1 entries of the summed scores of w are not finite, but must be numbers; "
        "pass normalize='rank'",
    )
