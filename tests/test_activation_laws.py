"""Laws of the criteria on activations, through mp.score: relabelling, rescaling, twins, splits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from capturing import evidence
from hypothesis import given
from hypothesis import strategies as st
from randomnets import batch, filled
from test_merge import copied
from test_score_laws import relabelled

import minprune as mp
from minprune.core import Arrays, Split
from minprune.criteria.redundancy import APART
from minprune.nets.model import Model

N = 40
NETS = {
    "dense": mp.build((4,), [("a", mp.Dense(4, 5)), ("r", mp.ReLU()), ("b", mp.Dense(5, 4)),
                             ("s", mp.ReLU()), ("fc", mp.Dense(4, 3))]),
    "images": mp.build((2, 4, 4), [
        ("a", mp.Conv2d(2, 4, 2)), ("r", mp.ReLU()), ("b", mp.Conv2d(4, 3, 2, padding=1)),
        ("s", mp.ReLU()), ("p", mp.MaxPool(2)), ("f", mp.Flatten()), ("fc", mp.Dense(12, 3)),
    ]),
}  # fmt: skip
SCORES: list[tuple[str, dict[str, Any]]] = [
    ("apoz", {}), ("activation", {}), ("activation", {"kind": "rms"}), ("activation_entropy", {}),
    ("similarity", {}), ("correlation", {}), ("correlation", {"source": "weights"}),
    ("cosine", {}), ("lda", {}), ("lda_joint", {}),
]  # fmt: skip
GREEDY = [(n, o) for n, o in SCORES if n in APART]
ROUNDING = 2.0**-36  # 2^10 operations, and moments whose squares are up to 2^6 of a variance
cases = st.tuples(st.sampled_from(sorted(NETS)), st.integers(0, 99))
each = pytest.mark.parametrize(("name", "options"), SCORES, ids=str)


def case(net: str, seed: int) -> tuple[Model, Split]:
    """Biases above 0, so that no unit is dead."""
    model = filled(NETS[net], seed)
    params = {n: np.abs(w) if n.endswith("bias") else w for n, w in model.params.items()}
    x, _ = batch(model, N, seed)
    return replace(model, params=params), (x, np.arange(N) % 3)


def rescaled(model: Model, seed: int) -> Model:
    """W1 *= a, b1 *= a, W2 /= a for each unit of the first group; powers of two round nothing."""
    rng = np.random.default_rng(seed)
    params = {n: w.copy() for n, w in model.params.items()}
    for g in mp.ties(model):
        first = g.name == "a.weight"  # the rows of W2 have another direction afterwards
        factors = 2.0 ** rng.integers(1, 4, g.size) if first else np.ones(g.size)
        for m in g.members:
            for unit, a in enumerate(factors):
                at = (slice(None),) * m.axis + (m.index[unit],)
                params[m.param][at] *= 1 / a if m.role == "reads" else a
    return replace(model, params=params)


def near(a: Arrays, b: Arrays, within: float = ROUNDING) -> bool:
    return all(np.allclose(a[n], b[n], rtol=within, atol=within) for n in b)


def scored(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    return mp.score(model, data, name, unit=True, **options)


@each
@given(drawn=cases)
def test_relabelling_permutes_scores(name: str, options: Any, drawn: tuple[str, int]) -> None:
    model, data = case(*drawn)
    other = replace(model, params=relabelled(model.params, model, drawn[1]))
    assert near({"f": model(data[0])}, {"f": other(data[0])})
    want = relabelled(scored(name, model, data, **options), model, drawn[1], unit=True)
    # S_w may be nearly singular, and histograms jump where a value lies on an edge
    within = {"lda_joint": 2.0**-16, "activation_entropy": 0.2}.get(name, ROUNDING)
    assert near(scored(name, other, data, **options), want, within)


def distances(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    kinds, _ = mp.criteria.CRITERIA[name].spec.asked(options, True)  # type: ignore[attr-defined]
    row = mp.criteria.CRITERIA[name].spec.unit  # type: ignore[attr-defined]
    given_bias = {k: v for k, v in options.items() if k == "bias"}
    ev = evidence(model, data, *kinds, row=row, **given_bias)
    return {n: apart for n, (apart, _) in APART[name](ev, **options).items()}


Value = Callable[[Model, Split], Arrays]
KEPT: dict[str, Value] = {
    "apoz": lambda m, d: scored("apoz", m, d),
    "lda": lambda m, d: scored("lda", m, d),
    "lda_joint": lambda m, d: scored("lda_joint", m, d),
    "activation_entropy": lambda m, d: scored("activation_entropy", m, d),
    "pairs of correlation": lambda m, d: distances("correlation", m, d),
    "pairs of cosine": lambda m, d: distances("cosine", m, d),
}
MOVED: dict[str, Value] = {
    "activation": lambda m, d: scored("activation", m, d),
    "rms": lambda m, d: scored("activation", m, d, kind="rms"),
    "similarity": lambda m, d: scored("similarity", m, d),
    "pairs of similarity": lambda m, d: distances("similarity", m, d),
    "silence by a tolerance": lambda m, d: scored("apoz", m, d, tol=0.3),
}


def same_bits(fn: Value, drawn: tuple[str, int]) -> bool:
    model, data = case(*drawn)
    other = rescaled(model, drawn[1])
    a, b = fn(model, data), fn(other, data)
    return bool(np.array_equal(model(data[0]), other(data[0]))) and all(
        np.array_equal(a[n], b[n]) for n in ("a.weight",)
    )


@pytest.mark.parametrize("name", KEPT)
@given(drawn=cases)
def test_rescaling_a_relu_net_leaves(name: str, drawn: tuple[str, int]) -> None:
    assert same_bits(KEPT[name], drawn)


@pytest.mark.parametrize("name", MOVED)
def test_rescaling_changes(name: str) -> None:
    assert not any(same_bits(MOVED[name], (net, seed)) for net in NETS for seed in range(3))


def test_greedy_scores_hang_on_the_outgoing_norm() -> None:
    """So rescaling may change who goes, though no distance changes."""
    fns = [lambda m, d, n=name: scored(n, m, d) for name in ("correlation", "cosine")]
    for fn in fns:
        assert not all(same_bits(fn, ("dense", seed)) for seed in range(9))


def duplicated(drawn: tuple[str, int], shift: float = 0.0) -> tuple[Model, Split, str, list[int]]:
    """Unit d of the first group is a copy of unit k; shift: but for its bias."""
    model, data = case(*drawn)
    group = next(g for g in mp.ties(model) if g.free)
    rng = np.random.default_rng(drawn[1])
    d, k = (int(u) for u in rng.permutation(group.size)[:2])
    model = copied(model, group, d, k, 1.0, shift)
    return model, data, group.name, [d, k]


def one_goes_first(fn: Value, drawn: tuple[str, int]) -> bool:
    """With a score of 0 to rounding; the other one is judged by those that are left."""
    model, data, name, (j, k) = duplicated(drawn)
    s = fn(model, data)[name]
    return bool(np.argmin(s) in (j, k) and s.min() <= ROUNDING and max(s[j], s[k]) > 2.0**-20)


@pytest.mark.parametrize(("name", "options"), GREEDY, ids=str)
@given(drawn=cases)
def test_of_twins_exactly_one_goes_first(name: str, options: Any, drawn: tuple[str, int]) -> None:
    assert one_goes_first(lambda m, d: scored(name, m, d, **options), drawn)
    model, data, group, (j, k) = duplicated(drawn)
    apart = distances(name, model, data, **options)[group][j, k]
    exact = name == "cosine" or options
    assert apart == 0 if exact else apart <= ROUNDING


@pytest.mark.parametrize("name", ["similarity", "correlation", "cosine"])
def test_the_law_of_twins_rejects_each_units_nearest(name: str) -> None:
    def nearest(model: Model, data: Split) -> Arrays:
        found = distances(name, model, data)
        return {n: (d + np.diag(np.full(len(d), 9.0))).min(axis=1) for n, d in found.items()}

    assert not all(one_goes_first(nearest, ("dense", seed)) for seed in range(9))


def test_cosine_without_the_bias_takes_other_units_for_twins() -> None:
    model, data, group, (j, k) = duplicated(("dense", 1), shift=2.0)
    assert distances("cosine", model, data, bias=False)[group][j, k] == 0
    assert distances("cosine", model, data)[group][j, k] > 0.01
    scores = scored("cosine", model, data, bias=False)[group]
    assert min(scores[j], scores[k]) == 0


@each
@given(drawn=cases, size=st.integers(1, N + 1))
def test_neither_the_order_nor_the_split_of_samples_matters(
    name: str, options: Any, drawn: tuple[str, int], size: int
) -> None:
    model, (x, y) = case(*drawn)
    places = np.random.default_rng(drawn[1]).permutation(N)
    want = scored(name, model, (x, y), **options)
    got = scored(name, model, (x[places], y[places]), batch_size=size, **options)
    within = {"lda_joint": 2.0**-16, "activation_entropy": 0.2}.get(name, ROUNDING)
    assert near(got, want, within)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["lda", "lda_joint"])
def test_no_variance_within_classes_is_the_largest_number_of_the_nets_dtype(
    name: str, dtype: type
) -> None:
    model = filled(NETS["dense"], 1, dtype)
    bias = model.params["a.bias"].copy()
    bias[0] = -1e3
    model = replace(model, params=model.params | {"a.bias": bias})
    x = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])[np.arange(N) % 2]
    s = scored(name, model, (x, np.arange(N) % 2))["a.weight"]
    assert s.dtype == dtype
    assert s[0] == 0  # silent
    assert s.max() == np.finfo(dtype).max
    assert set(s.tolist()) == {0, float(np.finfo(dtype).max)}


@pytest.mark.parametrize("net", NETS)
def test_joint_equals_alone_where_units_are_uncorrelated_within_classes(net: str) -> None:
    model, data = case(net, 0)
    ev = evidence(model, data, "class_counts", "class_means", "within")
    plain = {n: np.diag(np.diagonal(w)) for n, w in ev.within.items()}  # type: ignore[union-attr]
    ev = replace(ev, within=plain)
    joint, alone = mp.criteria.lda_joint(ev), mp.criteria.lda(ev)
    assert near(joint, alone, 2.0**-44)
    assert not near(scored("lda_joint", model, data), scored("lda", model, data), 0.01)


def test_joint_of_twins_is_finite_and_shared() -> None:
    """S_w is singular; each of k twins has 1 / k^2 of what one alone has, but for eps."""
    model, data, group, (j, k) = duplicated(("dense", 3))
    ev = evidence(model, data, "class_counts", "class_means", "within")
    both = mp.criteria.lda_joint(ev)[group]
    assert np.isfinite(both).all()
    left = [u for u in range(len(both)) if u != j]
    alone = replace(
        ev,
        class_means={group: ev.class_means[group][:, left]},  # type: ignore[index]
        within={group: ev.within[group][np.ix_(left, left)]},  # type: ignore[index]
    )
    one = mp.criteria.lda_joint(alone)[group][left.index(k)]
    assert np.allclose([both[j], both[k]], one / 4, rtol=1e-4)
