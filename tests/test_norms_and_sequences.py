"""GroupNorm, LayerNorm and Conv1d in whole nets: ties, compaction, SynFlow, sparse layers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import ALSO, batch, filled, models
from structures import LARGE, apart, thinned
from test_score_laws import relabelled

import minprune as mp
from minprune.curvature import becker_lecun, exact, gauss_newton, hessian
from minprune.errors import ArgumentError
from minprune.evidence.sources import path_grads
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.sparse.calibrate import DENSE, passes
from minprune.sparse.convert import fitting

NETS: dict[str, Net] = {
    "groups": mp.build((2, 4, 4), [
        ("a", mp.Conv2d(2, 6, 3)), ("gn", mp.GroupNorm(3, 6)), ("r", mp.ReLU()),
        ("p", mp.GlobalAvgPool()), ("fc", mp.Dense(6, 2)),
    ]),
    "dense groups": mp.build((3,), [
        ("a", mp.Dense(3, 6)), ("gn", mp.GroupNorm(3, 6)), ("r", mp.Tanh()), ("fc", mp.Dense(6, 2)),
    ]),
    "sequence": mp.build((2, 9), [
        ("a", mp.Conv1d(2, 4, 3, padding=1)), ("bn", mp.BatchNorm(4)), ("r", mp.ReLU()),
        ("m", mp.MaxPool(2)), ("b", mp.Conv1d(4, 4, 2, groups=2)), ("gn", mp.GroupNorm(4, 4)),
        ("v", mp.AvgPool(2)), ("f", mp.Flatten()), ("fc", mp.Dense(4, 2)),
    ]),
}  # fmt: skip
WHOLE = mp.build((3,), [
    ("a", mp.Dense(3, 4)), ("ln", mp.LayerNorm(4)), ("r", mp.ReLU()), ("b", mp.Dense(4, 3)),
    ("t", mp.ReLU()), ("fc", mp.Dense(3, 2)),
])  # fmt: skip


def test_the_channels_of_a_group_are_one_unit() -> None:
    (group,) = [g for g in mp.ties(filled(NETS["groups"], 0)) if g.free]
    assert {m.param: m.index.tolist() for m in group.members}["gn.weight"] == [
        [0, 1], [2, 3], [4, 5]
    ]  # fmt: skip


def test_what_is_normalised_as_a_whole_cannot_shrink() -> None:
    layers = [("a", mp.Dense(3, 4)), ("gn", mp.GroupNorm(1, 4)), ("fc", mp.Dense(4, 2))]
    for net in (WHOLE, mp.build((3,), layers)):
        tied = next(g for g in mp.ties(filled(net, 0)) if g.name == "a.weight")
        assert (tied.size, tied.why) == (4, "normalised as a whole, each unit by all")


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_compaction_keeps_the_function_and_removes_units(name: str, share: float) -> None:
    model = filled(NETS[name], 1)
    pruned = thinned(model, share)
    small = mp.compact(pruned)
    assert apart(pruned, small) <= LARGE
    assert sum(w.size for w in small.params.values()) < sum(w.size for w in model.params.values())


@settings(max_examples=30)
@given(model=models(also=ALSO, most=6), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_compaction_of_random_nets(model: Model, share: float, seed: int) -> None:
    weights = thinned(model, share, seed, unit=False, minimum=0)
    assert apart(weights, mp.compact(weights)) <= LARGE


@pytest.mark.parametrize("name", ["groups", "dense groups"])
def test_synflow_is_conserved_through_abs_gamma(name: str) -> None:
    """At each unit the incoming scores sum to gamma's, and to the outgoing ones."""
    model = filled(NETS[name], 2)
    names = ["a.weight", "gn.weight", "fc.weight"]
    found = path_grads(model, names)
    into, gamma, out = (found[n] * np.abs(model.params[n]) for n in names)
    np.testing.assert_allclose(into.reshape(6, -1).sum(axis=1), gamma, rtol=1e-12)
    np.testing.assert_allclose(out.sum(axis=0), gamma, rtol=1e-12)
    assert (gamma > 0).all()
    assert (model.params["gn.weight"] < 0).any()


@pytest.mark.parametrize("name", NETS)
def test_units_are_scored_and_pruned(name: str) -> None:
    model = filled(NETS[name], 3)
    rng = np.random.default_rng(0)
    data: Any = rng.standard_normal((8, *model.net.input_shape)), rng.integers(0, 2, 8)
    for criterion in ("magnitude", "taylor", "synflow", "apoz", "fisher"):
        scores = mp.score(model, data, criterion, unit=True)
        pruned = mp.prune(model, scores, sparsity=0.5)
        assert apart(pruned, mp.compact(pruned)) <= LARGE, criterion


def test_merging_through_a_group_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.structure.merge(filled(NETS["groups"], 0), [(("a", 0), ("a", 2), 1.0, 0.0)])
    assert caught.value.args == (
        "a.weight: units that GroupNorm normalises cannot be merged; keep them",
    )


def test_a_pattern_and_training_reach_a_sequence() -> None:
    model = filled(NETS["sequence"], 4)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 2, 9)), rng.integers(0, 2, 24)
    y[:2] = 0, 1
    data = mp.Dataset((x, y), (x, y), (x, y))
    pruned = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5, pattern=None)
    trained, _ = mp.fit(pruned, data, epochs=1, batch_size=8, seed=0, progress=False)
    assert all(not trained.params[n][~m].any() for n, m in trained.masks.items())
    assert apart(trained, mp.compact(trained)) <= LARGE


def test_a_sequence_has_no_sparse_layer() -> None:
    model = thinned(filled(NETS["sequence"], 5), 0.5, unit=False)
    with pytest.raises(ArgumentError) as caught:
        mp.sparsify(model, {"a": "csr"})
    assert caught.value.args == (
        "a: format must be 'dense' for Conv1d, which has no sparse layer, not 'csr'; "
        "leave it out, or choose 'auto'",
    )
    assert type(mp.sparsify(model).net.node("a").layer) is mp.Conv1d
    layer, mask = model.net.node("a").layer, model.masks["a.weight"]
    assert fitting(layer, mask) == []
    assert list(passes(layer, model.net.input_shape, 2, (0.5,))) == [DENSE]


EVERY = {**NETS, "whole": WHOLE}


@pytest.mark.parametrize("name", EVERY)
def test_the_exact_diagonal_is_that_of_the_dense_hessian(name: str) -> None:
    model = filled(EVERY[name], 1)
    data = batch(model, 3)
    want = np.diag(hessian(model, data, params="all"))
    found, linear = (fn(model, data, params="all") for fn in (exact, gauss_newton))
    flat, other = (np.concatenate([a.ravel() for a in f.values()]) for f in (found, linear))
    bound = 1e-12 * abs(want).max()  # float64 sums of a few thousand terms
    assert abs(flat - want).max() <= bound < abs(other - want).max()


@pytest.mark.parametrize("name", EVERY)
def test_becker_lecun_refuses_by_the_name_of_the_op(name: str) -> None:
    model = filled(EVERY[name], 1)
    with pytest.raises(ArgumentError) as caught:
        becker_lecun(model, batch(model, 3), params="all")
    assert caught.value.args == (
        "becker_lecun: the op normalise_groups must have a rule for squared coefficients, not "
        "none; use the diagonal 'exact', 'gauss_newton' or 'hutchinson'",
    )


@pytest.mark.parametrize("name", NETS)
def test_relabelled_units_keep_the_function(name: str) -> None:
    """And the readers' columns alone in another order do not."""
    model, wrong = filled(NETS[name], 2), []
    for seed in range(4):
        both = relabelled(model.params | model.buffers, model, seed)
        other = Model(model.net, *({n: both[n] for n in a} for a in (model.params, model.buffers)))
        assert apart(model, other) <= LARGE
        alone = replace(model, params=model.params | {"fc.weight": both["fc.weight"]})
        wrong.append(apart(model, alone))
    assert max(wrong) > LARGE


def test_a_pattern_of_a_sequence_is_that_of_an_image_of_height_one() -> None:
    line = mp.build(
        (4, 9), [("a", mp.Conv1d(4, 4, 2)), ("f", mp.Flatten()), ("b", mp.Dense(32, 2))]
    )
    image = mp.build(
        (4, 1, 9), [("a", mp.Conv2d(4, 4, (1, 2))), ("f", mp.Flatten()), ("b", mp.Dense(32, 2))]
    )
    one = filled(line, 3)
    w = one.params["a.weight"]
    two = replace(one, net=image, params=one.params | {"a.weight": w[:, :, None]})
    for how in ({"pattern": "2:4"}, {"pattern": (2, 2), "sparsity": 0.5}, {"sparsity": 0.5}):
        masks = [
            mp.prune(m, mp.score(m, None, "magnitude"), **how).masks["a.weight"] for m in (one, two)
        ]
        assert 0 < np.count_nonzero(masks[0]) < w.size
        np.testing.assert_array_equal(masks[0], masks[1][:, :, 0])
