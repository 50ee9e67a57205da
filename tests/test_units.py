"""Pruning units: what a mask on a unit silences, exact counts under ties, arguments, messages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled
from selection import SEARCH, half_even, same, slow
from structures import NETS, pieces, structured

import minprune as mp
from minprune.core import Arrays
from minprune.masking.apply import prune
from minprune.masking.units import choose_units, live_units
from minprune.nets.model import Model

Prune = Callable[..., Model]


def net(name: str) -> Model:
    return filled(NETS[name], 0)


def zeros(model: Model) -> dict[str, list[Any]]:
    """Where each mask is False."""
    return {n: np.argwhere(~m).tolist() for n, m in model.masks.items()}


def test_a_silenced_sigmoid_unit_by_hand() -> None:
    pruned = mp.prune(net("sigmoid"), {"a.weight": np.array([3.0, 1, 2, 4])}, sparsity=0.25)
    assert zeros(pruned) == {
        "a.weight": [[1, 0], [1, 1], [1, 2]],
        "a.bias": [[1]],
        "b.weight": [[0, 1], [1, 1], [2, 1]],
    }


def test_a_silenced_channel_behind_a_sum_by_hand() -> None:
    """Both producers, the bias, both vectors of BatchNorm, the 9 columns of the flattened map."""
    scores = {"a.weight": np.array([3.0, 4, 1, 2]), "c.weight": np.array([3.0, 4, 1, 2])}
    pruned = mp.prune(net("residual"), scores, sparsity=0.25)
    model = pruned.net.params
    assert {n: int((~m).sum()) for n, m in pruned.masks.items()} == {
        "a.weight": 2, "a.bias": 1, "c.weight": 3, "c_bn.weight": 1, "c_bn.bias": 1,
        "b.weight": 3 * 9, "fc.weight": 2 * 9,
    }  # fmt: skip
    for name in ("a.weight", "a.bias", "c.weight", "c_bn.weight", "c_bn.bias"):
        assert not pruned.masks[name][2].any()
    assert not pruned.masks["b.weight"][:, 2].any()
    assert not pruned.masks["fc.weight"][:, 18:27].any()
    assert {n: m.shape for n, m in pruned.masks.items()} == {n: model[n] for n in pruned.masks}
    assert pruned.params["c_bn.bias"][2] == 0


def share_of_units(model: Model) -> float:
    """The share of units that may go whose incoming weights are all masked."""
    free = [g for g in mp.ties(model) if g.free]
    gone = sum(
        not any(model.masks[p][k].any() if p in model.masks else True
                for p, axis, k in pieces(g, u) if axis == 0 and p.endswith("weight")
                and len(model.net.params[p]) > 1)
        for g in free for u in range(g.size)
    )  # fmt: skip
    return gone / sum(g.size for g in free)


# --- laws, of any function with the arguments of `prune`


def drawn(model: Model, seed: int) -> Arrays:
    """Unit scores with many ties: a value of four for each unit, one for all that is tied."""
    rng = np.random.default_rng(seed)
    found = {}
    for g in mp.ties(model):
        value = rng.choice([0.0, 0.5, 1.0, 2.0], g.size)
        for m in g.producers if g.free else ():
            found.setdefault(m.param, np.zeros(model.params[m.param].shape[0]))
            found[m.param][m.index] = value[:, None]
    return found


def reach(model: Model) -> float:
    """The largest sparsity: each group keeps one unit."""
    sizes = [g.size for g in mp.ties(model) if g.free]
    return 1 - len(sizes) / sum(sizes)


Case = tuple[Model, int, float, float]
cases = st.tuples(structured(), st.integers(0, 999), st.floats(0, 1), st.floats(0, 1))


def counts_exactly(fn: Prune, c: Case) -> bool:
    model, seed, share, _ = c
    n = sum(g.size for g in mp.ties(model) if g.free)
    share *= reach(model)
    pruned = fn(model, drawn(model, seed), sparsity=share)
    return round(share_of_units(pruned) * n) == half_even(share * n)


def is_all_or_nothing(fn: Prune, c: Case) -> bool:
    """What is masked is what the silenced units own, and it is 0."""
    model, seed, share, _ = c
    pruned = fn(model, drawn(model, seed), sparsity=share * reach(model))
    groups = [g for g in mp.ties(model) if g.free]
    weights = [p for p, shape in model.net.params.items() if len(shape) > 1]
    want = {n: np.ones(shape, bool) for n, shape in model.net.params.items()}
    for g in groups:
        for u in range(g.size):
            owned = pieces(g, u)
            if any(pruned.masks[p][k].any() if p in pruned.masks else True
                   for p, axis, k in owned if axis == 0 and p in weights):  # fmt: skip
                continue
            for p, axis, k in owned:
                want[p][(slice(None),) * axis + (k,)] = False
    masks = {n: pruned.masks.get(n, np.ones(shape, bool)) for n, shape in model.net.params.items()}
    return same(masks, want) and all(not w[~masks[n]].any() for n, w in pruned.params.items())


def is_nested(fn: Prune, c: Case) -> bool:
    """At once, and step by step: what is masked stays masked."""
    model, seed, *shares = c
    low, high = (share * reach(model) for share in sorted(shares))
    scores = drawn(model, seed)
    less = fn(model, scores, sparsity=low)
    more = fn(model, scores, sparsity=high)
    again = fn(less, scores, sparsity=high)
    other = fn(less, drawn(model, seed + 1), sparsity=high)
    kept = all(not m[~less.masks[n]].any() for n, m in other.masks.items())
    return kept and same(again.masks, more.masks)


def takes_the_lowest(fn: Prune, c: Case) -> bool:
    """The units that go are those of selection by sorting, groups for layers."""
    model, seed, share, _ = c
    groups, scores = [g for g in mp.ties(model) if g.free], drawn(model, seed)
    share *= reach(model)
    firsts = {g.name: g.producers[0] for g in groups}
    units = {name: scores[m.param][m.index[:, 0]] for name, m in firsts.items()}
    want = slow(units, {n: np.ones(s.shape, bool) for n, s in units.items()}, sparsity=share)
    masks = fn(model, scores, sparsity=share).masks
    return same({g.name: live_units(g, masks) for g in groups}, want)


def forgets_the_outgoing(model: Model, scores: Arrays, **target: Any) -> Model:
    pruned = prune(model, scores, **target)
    rows = {n: m & m.reshape(len(m), -1).any(1).reshape(-1, *(1,) * (m.ndim - 1))
            for n, m in pruned.masks.items()}  # fmt: skip
    open_ = {n: np.broadcast_to(m.reshape(len(m), -1).any(1).reshape(-1, *(1,) * (m.ndim - 1)),
                                m.shape) for n, m in rows.items()}  # fmt: skip
    return mp.with_masks(model, {n: np.array(m) for n, m in open_.items()})


def forgets_the_norms(model: Model, scores: Arrays, **target: Any) -> Model:
    pruned = prune(model, scores, **target)
    return mp.with_masks(model, {n: m for n, m in pruned.masks.items() if m.ndim > 1})


def counts_producers(model: Model, scores: Arrays, **target: Any) -> Model:
    """A tied unit counts once for each weight that makes it."""
    n = sum(g.size for g in mp.ties(model) if g.free)
    more = sum(g.size * len(g.producers) for g in mp.ties(model) if g.free)
    return prune(model, scores, **target | {"sparsity": min(1, target["sparsity"] * more / n)})


def forgets_the_past(model: Model, scores: Arrays, **target: Any) -> Model:
    chosen = choose_units(Model(model.net, model.params, model.buffers), scores,
                          **target)  # fmt: skip
    return Model(model.net, model.params, model.buffers, chosen)


LAWS = {
    law.__name__: law for law in (counts_exactly, is_all_or_nothing, is_nested, takes_the_lowest)
}
WRONG: dict[str, tuple[str, Prune]] = {
    "outgoing live": ("is_all_or_nothing", forgets_the_outgoing),
    "normalisation live": ("is_all_or_nothing", forgets_the_norms),
    "tied twice": ("counts_exactly", counts_producers),
    "one too many": ("counts_exactly", lambda m, s, sparsity, **t: prune(
        m, s, sparsity=min(1, sparsity + 0.2), **t)),
    "ties all go": ("counts_exactly", lambda m, s, sparsity, **t: prune(
        m, s, threshold=sparsity * 2, **t)),
    "revived": ("is_nested", forgets_the_past),
    "the highest go": ("takes_the_lowest", lambda m, s, **t: prune(
        m, {n: -v for n, v in s.items()}, **t)),
    "each group for itself": ("takes_the_lowest", lambda m, s, **t: prune(
        m, s, scope="layer", minimum=0, **t)),
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@given(case=cases)
def test_pruning_units_keeps_the_laws(law: str, case: Case) -> None:
    assert LAWS[law](prune, case)


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    find(cases, lambda case: not LAWS[law](fn, case), settings=SEARCH)


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)


def test_a_unit_without_live_inputs_is_a_constant_until_it_is_silenced() -> None:
    """Its bias lives on: pruning units counts it, and at the present share touches nothing."""
    net = mp.build((2,), [
        ("a", mp.Dense(2, 4)), ("s", mp.Sigmoid()), ("fc", mp.Dense(4, 2)),
    ])  # fmt: skip
    model = mp.initialise(net, dtype=np.float64)
    mask = np.ones((4, 2), bool)
    mask[0] = False
    model = mp.with_masks(model, {"a.weight": mask})
    scores = {"a.weight": np.array([4.0, 3, 2, 1])}
    x = np.ones((1, 2))
    same = mp.prune(model, scores, sparsity=0.0)
    assert np.array_equal(same(x), model(x))
    pruned = mp.prune(model, scores, sparsity=0.25)
    assert pruned.masks["fc.weight"][0].tolist() == [True, True, True, False]
    twice = mp.prune(pruned, scores, sparsity=0.25)  # what is silenced counts as pruned
    assert all(np.array_equal(twice.masks[n], m) for n, m in pruned.masks.items())


@pytest.mark.parametrize("name", NETS)
def test_weights_that_were_masked_stay_so(name: str) -> None:
    model = net(name)
    before = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.3)
    units = mp.score(before, None, "magnitude", unit=True)
    after = mp.prune(before, units, sparsity=0.5)
    assert all((after.masks[k] <= mask).all() for k, mask in before.masks.items())
