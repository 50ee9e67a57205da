"""Greedy removal: sorted scores replay the rule, ties included, in either precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH

from minprune.core import Array, Evidence
from minprune.criteria import CRITERIA
from minprune.criteria.redundancy import APART, greedy
from minprune.verify.plain.units import greedy as definition


@dataclass(frozen=True)
class Case:
    """Distances and norms of few values, so that ties are the rule."""

    apart: Array
    norms: Array
    first: Array
    dtype: Any

    def scores(self, fn: Callable[..., Array]) -> Array:
        return fn(self.apart, self.norms, self.first, self.dtype)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n = draw(st.integers(1, 7))
    values = draw(st.sampled_from([[0.0, 0.5], [0.0, 0.1, 0.1 + 1e-12, 1.0], [2.0]]))
    apart = np.zeros((n, n))
    for j in range(n):
        for k in range(j + 1, n):
            apart[j, k] = apart[k, j] = draw(st.sampled_from(values))
    norms = np.array([draw(st.sampled_from([0.0, 1.0, 1.5])) for _ in range(n)])
    first = np.array([draw(st.sampled_from([False, False, True])) for _ in range(n)])
    return Case(apart, norms, first, draw(st.sampled_from([np.float32, np.float64])))


def is_the_definition(fn: Callable[..., Array], case: Case) -> bool:
    """Bit for bit: the rule pair by pair, ties and the floats above them included."""
    of, got = (a.tolist() for a in (case.apart, case.first, case.norms)), case.scores(fn)
    return got.dtype == case.dtype and np.array_equal(got, definition(*of, case.dtype))


def lifted_in_float64(apart: Array, norms: Array, first: Array, dtype: Any) -> Array:
    return greedy(apart, norms, first, np.float64).astype(dtype)


def survivor_at_0(apart: Array, norms: Array, first: Array, dtype: Any) -> Array:
    s = greedy(apart, norms, first, dtype)
    s[np.argmax(s)] = 0
    return s


def survivor_far(apart: Array, norms: Array, first: Array, dtype: Any) -> Array:
    s = greedy(apart, norms, first, dtype)
    s[np.argmax(s)] += 1
    return s


@given(case=cases())
def test_greedy_is_the_definition(case: Case) -> None:
    assert is_the_definition(greedy, case)


@pytest.mark.parametrize("wrong", [lifted_in_float64, survivor_at_0, survivor_far])
def test_the_definition_rejects(wrong: Callable[..., Array]) -> None:
    """More wrong rules are in wrong_units.py."""
    find(cases(), lambda case: not is_the_definition(wrong, case), settings=SEARCH)


def test_by_hand() -> None:
    """Four equal distances: (2, 3) is the greatest pair, then (1, 2), then (0, 1)."""
    norms = np.array([1.0, 1, 1, 1])
    s = greedy(np.full((4, 4), 0.25), norms, np.zeros(4, bool), np.float32)
    step = np.spacing(np.float32(0.25))
    assert s.tolist() == [0.25 + 3 * step, 0.25 + 2 * step, 0.25 + step, 0.25]
    assert greedy(np.zeros((0, 0)), norms[:0], np.zeros(0, bool), np.float32).shape == (0,)
    assert greedy(np.zeros((1, 1)), norms[:1], np.ones(1, bool), np.float32).tolist() == [0]


rows = st.integers(2, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 999)))


@pytest.mark.parametrize(
    ("name", "options"), [("cosine", {}), ("correlation", {"source": "weights"})]
)
@given(size=rows)
def test_twins_of_weights_are_exactly_0_apart_and_one_goes_first(
    name: str, options: Any, size: tuple[int, int]
) -> None:
    n, seed = size
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((n, 5))
    j, k = rng.permutation(n)[:2]
    w[j] = w[k] * 2.0 ** int(rng.integers(-3, 4))
    for lay_out in (np.ascontiguousarray, np.asfortranarray):
        ev = Evidence(weights={"w": lay_out(w)}, outgoing={"w": rng.random((n, 2))}, unit=True)
        apart, first = APART[name](ev, **options)["w"]
        assert apart[j, k] == apart[k, j] == 0
        assert not first.any()
        s = CRITERIA[name](ev, **options)["w"]
        assert sorted([s[j], s[k]])[0] == 0 == s.min()
        assert np.count_nonzero(s == 0) == 1


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        ("similarity", {}, 2),
        ("cosine", {}, 2),
        ("correlation", {}, 1),
        ("correlation", {"source": "weights"}, 1),
    ],
)
@given(seed=st.integers(0, 999))
def test_distances_are_symmetric_and_in_their_range(
    name: str, options: Any, most: int, seed: int
) -> None:
    """Copies and opposites are among the units, whose products may be rounded above 1."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((4, 7))
    a = np.concatenate([a, a * rng.uniform(0.5, 2, (4, 1)), -a, a])
    m, gram = {"w": a.mean(axis=1)}, {"w": a @ a.T / a.shape[1]}
    cov = {"w": np.cov(a, bias=True)}
    ev = Evidence(weights={"w": a}, act_mean=m, act_gram=gram, act_cov=cov, unit=True)
    apart, _ = APART[name](ev, **options)["w"]
    assert np.array_equal(apart, apart.T)
    assert 0 <= apart.min() <= apart.max() <= most


def test_one_minus_the_product_is_not_0_for_twins() -> None:
    """Why the distance of weights is 1/2 |u - v|^2."""
    w = np.random.default_rng(0).standard_normal((50, 7))
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    assert (1 - np.einsum("ui,ui->u", u, u)).any()


def test_constant_vectors_and_zeros_go_first() -> None:
    w = np.array([[0.1, 0.1, 0.1], [1.0, 2, 3], [0, 0, 0], [3.0, 2, 2]])
    out = np.ones((4, 1))
    ev = Evidence(weights={"w": w}, outgoing={"w": out}, unit=True)
    _, first = APART["correlation"](ev, source="weights")["w"]
    assert first.tolist() == [True, False, True, False]
    assert APART["cosine"](ev)["w"][1].tolist() == [False, False, True, False]


def test_what_varies_by_rounding_alone_is_constant() -> None:
    """Less than 2^-23 of its root mean square: float32's rounding."""
    for noise, constant in ((2.0**-30, True), (2.0**-16, False)):
        w = np.array([[1 + noise, 1, 1 - noise], [1.0, 2, 3]])
        ev = Evidence(weights={"w": w}, outgoing={"w": np.ones((2, 1))}, unit=True)
        assert APART["correlation"](ev, source="weights")["w"][1].tolist() == [constant, False]
        cov = {"w": np.array([[noise**2, 0], [0, 4]])}
        ev = Evidence(act_mean={"w": np.ones(2)}, act_cov=cov, unit=True)
        assert APART["correlation"](ev)["w"][1].tolist() == [constant, False]


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e3, 1e6])
def test_correlation_from_moments_errs_by_rounding_of_the_activations(mean: float) -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((3, 4000)) + mean
    a[2] = mean  # constant
    ev = Evidence(
        act_mean={"w": a.mean(axis=1)}, act_cov={"w": np.cov(a, bias=True)}, unit=True
    )  # fmt: skip
    apart, first = APART["correlation"](ev)["w"]
    assert first.tolist() == [False, False, True]
    want = 1 - max(np.corrcoef(a[:2])[0, 1], 0)
    assert abs(apart[0, 1] - want) <= 8 * 2.0**-52 * (1 + mean)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_and_smallest_numbers_do_not_overflow_or_vanish(dtype: type) -> None:
    for size in (np.finfo(dtype).max / 64, np.finfo(dtype).tiny * 64):
        w = np.array([[1, 0], [1, 1], [-1, 0]], dtype) * dtype(size)
        ev = Evidence(weights={"w": w}, outgoing={"w": w}, unit=True)
        s = CRITERIA["cosine"](ev)["w"]
        assert s.dtype == dtype
        # 0 and 1 are closest, and 0 sends on less; what is left points 135 degrees apart
        assert np.allclose(s, [1 - np.sqrt(0.5), 1 + np.sqrt(0.5), 1 + np.sqrt(0.5)])
        assert s[0] < s[2] < s[1]
