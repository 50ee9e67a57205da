"""Criteria made of moments: a float32 net has the scores of its float64 net, within 1e-4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.core import Array
from minprune.criteria import discriminant
from minprune.evidence import activation_moments as home

MEANS = ("activation", "lda", "lda_joint", "taylor_activation")
DISTANCES = ("similarity", "correlation")
BOUND = 1e-4  # of the layer's largest score


def scores(
    seed: int, copies: int, offset: float, name: str, deviation: float = 1
) -> tuple[Array, Array]:
    """Of a float64 net, some of whose units are others times a factor, and of its float32 copy."""
    rng = np.random.default_rng(seed)
    net = mp.build((6,), [("a", mp.Dense(6, 8)), ("r", mp.ReLU()), ("o", mp.Dense(8, 3))])
    params = dict(mp.initialise(net, seed=seed, dtype=np.float64).params)
    params["a.bias"] = rng.normal(size=8) * deviation + offset
    params["a.weight"] = params["a.weight"] * deviation
    for k in range(copies):
        factor = rng.uniform(0.3, 3)
        for kind in ("a.weight", "a.bias"):
            params[kind][7 - k] = factor * params[kind][k]
    x, y = rng.normal(size=(300, 6)).astype(np.float32), rng.integers(0, 3, 300)
    narrow = mp.Model(net, {k: w.astype(np.float32) for k, w in params.items()})
    wide = mp.score(mp.Model(net, params), (x, y), name, unit=True)["a.weight"]
    return wide, mp.score(narrow, (x, y), name, unit=True)["a.weight"]


def close(wide: Array, narrow: Array) -> bool:
    return bool(np.abs(wide - narrow).max() <= BOUND * np.abs(wide).max())


@pytest.mark.parametrize("name", MEANS)
@given(st.integers(0, 999), st.integers(0, 3), st.sampled_from([0.0, 3.0]))
def test_within_the_bound(name: str, seed: int, copies: int, offset: float) -> None:
    assert close(*scores(seed, copies, offset, name))


@pytest.mark.parametrize("name", DISTANCES)
@given(st.integers(0, 999), st.sampled_from([0.0, 3.0, 100.0]))
def test_distances_are_within_the_bound(name: str, seed: int, offset: float) -> None:
    """Without copies, of which either may be dropped first."""
    assert close(*scores(seed, 0, offset, name))


@given(st.integers(0, 999))
def test_a_correlation_of_small_deviations_is_within_the_bound(seed: int) -> None:
    assert close(*scores(seed, 0, 1.0, "correlation", 1e-3))


def test_the_law_rejects_a_covariance_rebuilt_from_a_narrow_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = home.moments_of

    def rebuilt(a: Array) -> home.Moments:
        m = right(a)
        gram = m.gram.astype(np.float32).astype(np.float64)
        return home.Moments(m.weight, m.mean, gram - np.outer(m.mean, m.mean))

    monkeypatch.setattr(home, "moments_of", rebuilt)
    assert not all(close(*scores(seed, 0, 1.0, "correlation", 1e-3)) for seed in range(5))


def test_the_law_rejects_a_ridge_below_the_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    right = discriminant._joint
    monkeypatch.setattr(
        discriminant, "_joint", lambda corr, z, share, least: right(corr, z, share, 0)
    )
    assert not all(close(*scores(seed, 2, 0.0, "lda_joint")) for seed in range(20))
