"""Regression and merging: duplicates and affine copies keep the function; what stays and why.

Long because laws, slips, lines by hand and messages of one function stand together here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import batch, filled
from selection import SEARCH
from structures import LARGE, NETS, apart
from test_merge import IMAGE, LINEAR, copied

import minprune as mp
from minprune.core import Split
from minprune.errors import ArgumentError
from minprune.evidence.activation_moments import Moments, moments
from minprune.nets.model import Model
from minprune.structure import merge, redundant, regressions
from minprune.structure.redundant import Freedom, line

N = 64
# Duplicates of everything that makes a unit; a grouped convolution reads the one of "grouped".
COPIES = [
    (name, g.name)
    for name in sorted(NETS.keys() - {"unread", "halves"})  # its groups are named by rows
    for g in mp.ties(filled(NETS[name], 0))
    if g.free and g.size > 1 and (name, g.name) != ("grouped", "a.weight")
]
POSITIVE = {"chain": (2.0, 0.0), "linear": (0.5, 1.5), "image": (2.0, -1.0), "flatten": (0.25, 0.0)}


@dataclass(frozen=True)
class Case:
    """A net in which unit d of a group is slope x unit k + intercept, on any input."""

    model: Model
    data: Split
    group: str
    twins: tuple[int, int]
    criterion: str


def planted(name: str, group: str, seed: int, factor: float, shift: float, by: str) -> Case:
    net = {"linear": LINEAR, "image": IMAGE}.get(name) or NETS[name]
    model = filled(net, seed)
    g = next(g for g in mp.ties(model) if g.name == group)
    d, k = (int(u) for u in np.random.default_rng(seed).permutation(g.size)[:2])
    model = copied(model, g, d, k, factor, shift)
    return Case(model, batch(model, N, seed), group, (d, k), by)


copies = st.builds(
    lambda at, seed, by: planted(*at, seed, 1.0, 0.0, by), st.sampled_from(COPIES),
    st.integers(0, 20), st.sampled_from(["similarity", "correlation"]),
)  # fmt: skip
affine = st.builds(
    lambda name, seed: planted(name, "a.weight", seed, *POSITIVE[name], "correlation"),
    st.sampled_from(sorted(POSITIVE)), st.integers(0, 20),
)  # fmt: skip
cases = copies | affine
Merged = Callable[[Case], Model]


def ours(c: Case, **how: Any) -> Model:
    """The model with one unit of the group merged away."""
    pairs = regressions(c.model, c.data, c.criterion, sparsity=share(c), **how)
    return merge(c.model, pairs)


def share(c: Case) -> dict[str, float]:
    """One unit of the group."""
    weight = c.group.split(" ")[0]
    return {weight: 1 / next(g.size for g in mp.ties(c.model) if g.name == c.group)}


def has_dead_units(c: Case) -> bool:
    """Constant on these data: they go before twins do."""
    groups = {g.name: g for g in mp.ties(c.model) if g.free}
    return any(
        (np.diagonal(m.cov) <= 1e-9 * (1e-9 + np.diagonal(m.gram))).any()
        for m in moments(c.model, c.data, groups).values()
    )


def keeps_the_function(fn: Merged, c: Case) -> bool:
    """On inputs that the regression has not seen, too."""
    return has_dead_units(c) or apart(c.model, fn(c)) <= LARGE


def drops_a_twin(fn: Merged, c: Case) -> bool:
    """One unit fewer in the group."""
    left = {g.name: g.size for g in mp.ties(fn(c))}
    return left[c.group] == next(g.size for g in mp.ties(c.model) if g.name == c.group) - 1


LAWS = {law.__name__: law for law in (keeps_the_function, drops_a_twin)}


@pytest.mark.parametrize("law", LAWS)
@given(case=cases)
def test_merging_by_regression_keeps_the_laws(law: str, case: Case) -> None:
    assert LAWS[law](ours, case)


def with_line(change: Callable[[float, float], tuple[float, float]]) -> Merged:
    def fn(c: Case) -> Model:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redundant, "line", lambda *a: change(*line(*a)))
            return ours(c)

    return fn


def by_other_pairs(c: Case) -> Model:
    """Onto a unit that is not the closest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            redundant.np, "argmin", lambda d: int(np.argmax(np.where(np.isinf(d), -1, d)))
        )
        return ours(c)


WRONG: dict[str, tuple[str, Merged]] = {
    "slope 1": ("keeps_the_function", with_line(lambda slope, level: (1.0, level))),
    "no intercept": ("keeps_the_function", with_line(lambda slope, level: (slope, 0.0))),
    "inverse slope": ("keeps_the_function", with_line(lambda slope, level: (1 / slope, level))),
    "just dropped": ("keeps_the_function", with_line(lambda slope, level: (0.0, 0.0))),
    "not the closest": ("keeps_the_function", by_other_pairs),
    "nothing": ("drops_a_twin", lambda c: c.model),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    find(affine, lambda case: not LAWS[law](fn, case), settings=SEARCH)


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)


def test_collinear_vectors_merge_exactly_for_relu_and_not_for_tanh() -> None:
    chain = planted("chain", "a.weight", 1, 3.0, 0.0, "cosine")
    assert apart(chain.model, ours(chain)) <= LARGE
    scaled = planted("shared", "a.weight", 1, 3.0, 0.0, "cosine")
    assert apart(scaled.model, ours(scaled)) > 1e-3


def some(seed: int = 0) -> Moments:
    """Of a unit and its copies: -2 a + 3, a constant, silence, a / 2 + 1."""
    a = np.random.default_rng(seed).standard_normal(50) + 1
    all_ = np.stack([a, -2 * a + 3, 0 * a + 5, 0 * a, a / 2 + 1])
    return Moments(50, all_.mean(axis=1), np.cov(all_, bias=True))


def test_lines_by_hand() -> None:
    m, free = some(), Freedom(True, True)
    assert np.allclose(line(m, 1, 0, free), (-2, 3))
    assert np.allclose(line(m, 0, 1, free), (-0.5, 1.5))
    assert np.allclose(line(m, 2, 0, free), (0, 5))  # a constant is all intercept
    assert np.allclose(line(m, 0, 2, free), (0, m.mean[0]))
    assert line(m, 0, 3, free) == (0, m.mean[0])
    assert line(m, 3, 0, free) == (0, 0)
    positive = line(m, 1, 0, Freedom(True, False))
    assert np.allclose(positive, (0, m.mean[1]))
    assert np.allclose(line(m, 4, 0, Freedom(True, False)), (0.5, 1))
    gram = m.gram
    through_0 = line(m, 1, 0, Freedom(False, True))
    assert np.allclose(through_0, (gram[1, 0] / gram[0, 0], 0))
    assert line(m, 0, 3, Freedom(False, False)) == (0, 0)
    assert line(m, 0, 0, free) == (1, 0)


@pytest.mark.parametrize(
    ("name", "group", "want"),
    [
        ("chain", "a.weight", Freedom(True, True)),
        ("flatten", "a.weight", Freedom(True, True)),
        ("padded", "a.weight", Freedom(False, True)),
        ("padded", "b.weight", Freedom(True, True)),
        ("residual", "a.weight", Freedom(False, False)),  # read before the sum, too
        ("grouped", "a.weight", None),
        ("concat", "a.weight", Freedom(True, True)),  # read behind the ReLU of the concatenation
    ],
)
def test_what_a_merge_may_use(name: str, group: str, want: Freedom | None) -> None:
    model = filled(NETS[name], 0)
    groups = {g.name: g for g in mp.ties(model) if g.free}
    at = redundant.spots(model, groups)[group][0]
    assert redundant._freedom(model, groups[group], at) == want


def test_max_pooling_takes_no_negative_slope_and_norm_behind_a_branch_nothing() -> None:
    pooled = mp.build((1, 4, 4), [
        ("a", mp.Conv2d(1, 2, 1)), ("p", mp.MaxPool(2)), ("f", mp.Flatten()),
        ("fc", mp.Dense(8, 2)),
    ])  # fmt: skip
    model = filled(pooled, 0)
    (group,) = [g for g in mp.ties(model) if g.free]
    assert redundant._freedom(model, group, "a") == Freedom(True, False)
    branch = mp.build((3,), [
        ("a", mp.Dense(3, 4)), ("bn", mp.BatchNorm(4)), ("b", mp.Dense(4, 2)),
        ("c", mp.Dense(4, 2), "a"), ("sum", mp.Add(), ("b", "c")), ("fc", mp.Dense(2, 2)),
    ])  # fmt: skip
    model = filled(branch, 0)
    group = next(g for g in mp.ties(model) if g.name == "a.weight")
    assert redundant._freedom(model, group, "a") is None


@pytest.mark.parametrize("name", sorted(NETS))
def test_every_structure_is_merged_as_far_as_it_can_be(name: str) -> None:
    model = filled(NETS[name], 0)
    pairs = regressions(model, batch(model, N), "similarity", sparsity=0.3)
    sizes = [sum(g.size for g in mp.ties(m) if g.free) for m in (model, merge(model, pairs))]
    assert pairs
    assert sizes[1] == sizes[0] - len(pairs)


def test_a_threshold_and_what_is_chosen_are_those_of_prune() -> None:
    model = mp.zoo.lenet_300_100(((1, 4, 4), 3), dtype=np.float64)
    data = batch(model, 100)
    for how in ({"sparsity": 0.3}, {"sparsity": 0.3, "scope": "layer"}, {"threshold": 0.4},
                {"sparsity": 0.5, "protect": ("fc1",)}):  # fmt: skip
        pruned = mp.prune(model, mp.score(model, data, "similarity", unit=True), **how)  # type: ignore[arg-type]
        pairs = regressions(model, data, "similarity", **how)  # type: ignore[arg-type]
        gone = {
            (n.rpartition(".")[0], int(u))
            for n, mask in pruned.masks.items()
            if n in ("fc1.weight", "fc2.weight")
            for u in np.flatnonzero(~mask.any(axis=1))
        }
        assert {dropped for dropped, _, _, _ in pairs} == gone
        small = merge(model, pairs)
        assert sum(g.size for g in mp.ties(small) if g.free) == 400 - len(gone)


@pytest.mark.parametrize("how", [{"source": "weights"}, {"nonlinearity": "before"}])
def test_options_reach_the_scores_and_the_distances(
    how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is dropped is what prune drops; distances get the criterion's own options alone."""
    model, asked = filled(NETS["sigmoid"], 0), []
    data, plain = batch(model, N), redundant.APART["correlation"]
    monkeypatch.setitem(
        redundant.APART, "correlation", lambda ev, **own: (asked.append(own), plain(ev, **own))[1]
    )
    pairs = regressions(model, data, "correlation", sparsity=0.3, **how)
    scores = mp.score(model, data, "correlation", unit=True, **how)
    masks = mp.prune(model, scores, sparsity=0.3).masks
    gone = {
        (n.rpartition(".")[0], int(u))
        for n in scores.keys() & masks.keys()
        for u in np.flatnonzero(~masks[n].any(axis=1))
    }
    assert {dropped for dropped, *_ in pairs} == gone
    assert asked == [{k: v for k, v in how.items() if k == "source"}]


def test_duplicates_get_no_intercept_and_silent_units_are_left_alone() -> None:
    case = planted("chain", "a.weight", 1, 1.0, 0.0, "similarity")
    ((_, _, slope, level),) = regressions(case.model, case.data, "similarity", sparsity=0.25)
    assert abs(slope - 1) <= LARGE
    assert level == 0
    silent = mp.prune(case.model, {"a.weight": np.arange(4.0)}, sparsity=0.25)
    pairs = regressions(silent, case.data, "similarity", sparsity=0.5)
    assert len(pairs) == 1
    assert ("a", 0) not in pairs[0][:2]


def test_merging_errs_less_than_silencing() -> None:
    """What it is for: noisy copies of units, on the data of the regression."""
    model = filled(LINEAR, 0)
    model = copied(model, next(g for g in mp.ties(model) if g.free), 0, 1, 2.0, 1.0)
    noise = np.random.default_rng(0).standard_normal(3) / 20
    w = model.params["a.weight"].copy()
    w[0] += noise
    model = replace(model, params=model.params | {"a.weight": w})
    data = batch(model, N)
    pairs = regressions(model, data, sparsity=0.25)
    assert pairs[0][0][1] in (0, 1)
    silent = mp.prune(model, mp.score(model, data, "correlation", unit=True), sparsity=0.25)
    want = model(data[0])
    errors = [np.abs(m(data[0]) - want).mean() for m in (merge(model, pairs), silent)]
    assert errors[0] < errors[1] / 5


DATA = batch(filled(NETS["chain"], 0), 9)
ONLY_GROUPED = mp.build((2, 3, 3), [
    ("a", mp.Conv2d(2, 4, 2)), ("b", mp.Conv2d(4, 2, 2, groups=2)), ("f", mp.Flatten()),
])  # fmt: skip
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: regressions(filled(NETS["chain"], 0), DATA, "magnitude", sparsity=0.5),
     "regressions: criterion must be 'similarity', 'correlation' or 'cosine', not 'magnitude'; "
     "choose one of them"),
    (lambda: regressions(filled(ONLY_GROUPED, 0), batch(filled(ONLY_GROUPED, 0), 5), sparsity=0.5),
     "regressions: the net must have units that dense layers or ungrouped convolutions read alone, "
     "not none; print(mp.ties(model)) shows them"),
    (lambda: regressions(filled(NETS["chain"], 0), DATA),
     "prune: one of sparsity and threshold must be given, not none; pass sparsity=0.9 alone, "
     "for example"),
    (lambda: regressions(filled(NETS["chain"], 0), (DATA[0][:0], DATA[1][:0]), sparsity=0.5),
     "regressions: data must be a pair (x, y) of at least one sample, not empty; pass data.train, "
     "for example"),
    (lambda: regressions(filled(NETS["chain"], 0), DATA, sparsity=1, minimum=0),
     "a.weight: at least one unit must be kept, to merge the others into, not none; "
     "leave minimum at 1, or protect it"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
