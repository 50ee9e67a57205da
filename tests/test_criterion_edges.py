"""Criteria called by hand: numbers at the ends of the range, twins, whole numbers, no gradient.

What each number means is said by the laws of the kit: see test_verify_criterion.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import Evidence
from minprune.criteria import CRITERIA


def test_synflow_of_the_formula_defined_net() -> None:
    k = np.arange(12.0)
    one, two = 0.7 * np.sin(1 + k).reshape(4, 3), 0.7 * np.cos(1 + k[:8]).reshape(2, 4)
    paths = {
        "fc1.weight": np.outer(np.abs(two).sum(axis=0), np.ones(3)),
        "fc2.weight": np.outer(np.ones(2), np.abs(one).sum(axis=1)),
    }
    weights = {"fc1.weight": one, "fc2.weight": two}
    scores = CRITERIA["synflow"](Evidence(weights=weights, path_grads=paths))
    for s in scores.values():
        assert abs(s.sum() - 4.683040952299719) <= 12 * np.spacing(4.7)


def test_snip_of_no_gradient_at_all_is_zero_in_every_layer() -> None:
    zero = {"a": np.zeros(2), "b": np.zeros((1, 2))}
    scores = CRITERIA["snip"](Evidence(weights=zero, grads=zero))
    assert [s.tolist() for s in scores.values()] == [[0, 0], [[0, 0]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_the_largest_and_smallest_numbers_do_not_overflow_or_vanish(dtype: type) -> None:
    for size in (np.finfo(dtype).max / 64, np.finfo(dtype).tiny * 64):
        w = np.array([[size, -size], [size, size], [0, 0]], dtype)
        ev = Evidence(weights={"w": w}, unit=True)
        far = CRITERIA["geometric_median"](ev)["w"] / dtype(size)
        assert np.allclose(far, [2 + np.sqrt(2), 2 + np.sqrt(2), 2 * np.sqrt(2)], rtol=1e-6)
        share = CRITERIA["snip"](Evidence(weights={"w": w}, grads={"w": np.ones_like(w)}))["w"]
        assert np.allclose(share, np.abs(np.sign(w)) / 4)
        ranked = CRITERIA["lamp"](Evidence(weights={"w": w}))["w"]
        assert np.allclose(ranked, [[1, 1 / 2], [1 / 3, 1 / 4], [0, 0]])
    ends = np.array([[-1, 1], [1, 1]], dtype) * np.finfo(dtype).max
    got = CRITERIA["weight_entropy"](Evidence(weights={"w": ends}, unit=True))["w"]
    assert np.allclose(got, [-np.log(2), 0])


def test_snip_of_products_beyond_float32() -> None:
    w = np.array([3e38, -1e38, 0], np.float32)
    for size in (1.0, 1e-38):
        ev = Evidence(weights={"w": w * np.float32(size)}, grads={"w": w * np.float32(size)})
        assert np.allclose(CRITERIA["snip"](ev)["w"], [0.9, 0.1, 0], rtol=1e-5)


@given(seed=st.integers(0, 2**32), units=st.integers(3, 9), entries=st.integers(2, 20))
def test_twins_have_one_distance_to_the_bit(seed: int, units: int, entries: int) -> None:
    w = np.random.default_rng(seed).standard_normal((units, entries))
    w[-1] = w[0]
    for lay_out in (np.ascontiguousarray, np.asfortranarray):
        ev = Evidence(weights={"w": lay_out(w)}, unit=True)
        s = CRITERIA["geometric_median"](ev)["w"]
        assert s[-1] == s[0]
        assert len(set(s.tolist())) == units - 1


def test_arrays_of_whole_numbers_and_lists_are_read() -> None:
    ev = Evidence(weights={"w": [3, -1, 0]}, hess_diag={"w": [2, 4, 9]})  # type: ignore[dict-item]
    assert CRITERIA["obd"](ev)["w"].tolist() == [9, 2, 0]
