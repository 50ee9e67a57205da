"""Merging: duplicates and affine copies keep the function; what is not exact is refused.

Long because laws, slips and messages of one function stand together here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled
from selection import SEARCH
from structures import LARGE, NETS, apart

import minprune as mp
from minprune.errors import ArgumentError
from minprune.masking.units import unit_sparsity
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.nets.ties import Group
from minprune.structure import merge
from minprune.structure.merge import Unit

Merge = Callable[[Model, Sequence[tuple[Unit, Unit, float, float]]], Model]
# the last layer is one that a net without bias gets its intercept in
LINEAR = mp.build((3,), [("a", mp.Dense(3, 4)), ("fc", mp.Dense(4, 2, bias=False))])
IMAGE = mp.build((2, 5, 5), [
    ("a", mp.Conv2d(2, 4, 2)), ("p", mp.AvgPool(2)), ("b", mp.Conv2d(4, 3, 2, bias=False)),
    ("r", mp.ReLU()), ("m", mp.MaxPool(1)), ("f", mp.Flatten()), ("fc", mp.Dense(3, 2)),
])  # fmt: skip


def copied(
    model: Model, group: Group, dropped: int, kept: int, factor: float, shift: float
) -> Model:
    """What makes the dropped unit becomes factor x what makes the kept one, plus shift

    BatchNorm's vectors and statistics are copied.
    """
    arrays = {n: a.copy() for n, a in (model.params | model.buffers).items()}
    for m in group.members:
        if m.axis:
            continue
        norm = f"{m.param.split('.')[0]}.running_mean" in arrays
        scale = 1.0 if norm else factor
        moved = scale * arrays[m.param][m.index[kept]]
        if m.param.endswith(".bias") and not norm:
            moved = moved + shift
        arrays[m.param][m.index[dropped]] = moved
        for kind in ("mean", "var") if norm else ():
            name = f"{m.param.split('.')[0]}.running_{kind}"
            arrays[name][m.index[dropped]] = arrays[name][m.index[kept]]
    return replace(
        model, params={n: arrays[n] for n in model.params},
        buffers={n: arrays[n] for n in model.buffers},
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model in which one unit is slope x another + intercept, as the readers see it."""

    model: Model
    pair: tuple[Unit, Unit, float, float]
    group: str


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["copy", "relu", "linear", "image", "odd", "sigmoid"]))
    name = {"relu": "flatten", "odd": "shared", "sigmoid": "sigmoid"}.get(kind, "")
    name = draw(st.sampled_from(sorted(NETS.keys() - {"unread"}))) if kind == "copy" else name
    net: Net = {"linear": LINEAR, "image": IMAGE}.get(kind) or NETS[name]
    model = filled(net, draw(st.integers(0, 99)))
    groups = [g for g in mp.ties(model) if g.free and g.size > 1]
    groups = [g for g in groups if (name, g.name) != ("grouped", "a.weight")]
    group = draw(st.sampled_from(groups)) if kind == "copy" else groups[0]
    slope = draw(st.sampled_from([0.25, 0.5, 2.0]))
    shift = draw(st.sampled_from([-1.5, 0.5, 1.0]))
    factor, add, slope, intercept = {
        "copy": (1.0, 0.0, 1.0, 0.0),
        "relu": (slope, 0.0, slope, 0.0),  # ReLU(s x) = s ReLU(x) for s > 0
        "linear": (-slope, shift, -slope, shift),
        "image": (-slope, shift, -slope, shift),
        "odd": (-1.0, 0.0, -1.0, 0.0),  # tanh(-x) = -tanh(x)
        "sigmoid": (-1.0, 0.0, -1.0, 1.0),  # sigmoid(-x) = 1 - sigmoid(x)
    }[kind]
    dropped, kept = draw(st.permutations(range(group.size)))[:2]
    model = copied(model, group, dropped, kept, factor, add)
    maker = group.producers[draw(st.integers(0, len(group.producers) - 1))]
    layer = maker.param.rpartition(".")[0]
    units = [(layer, int(maker.index[u, 0])) for u in (dropped, kept)]
    return Case(model, (units[0], units[1], slope, intercept), group.name)


def is_exact(fn: Merge, c: Case) -> bool:
    return apart(c.model, fn(c.model, [c.pair])) <= LARGE


def drops_one(fn: Merge, c: Case) -> bool:
    """One unit fewer in its group, and as many in the others."""
    want = [g.size - (g.name == c.group) for g in mp.ties(c.model)]
    return [g.size for g in mp.ties(fn(c.model, [c.pair]))] == want


def with_pair(change: Callable[..., Any]) -> Merge:
    return lambda model, pairs: merge(model, [change(*pair) for pair in pairs])


LAWS = {law.__name__: law for law in (is_exact, drops_one)}
WRONG: dict[str, tuple[str, Merge]] = {
    "bias forgotten": ("is_exact", with_pair(lambda d, k, slope, level: (d, k, slope, 0))),
    "slope forgotten": ("is_exact", with_pair(lambda d, k, slope, level: (d, k, 1, level))),
    "just dropped": ("is_exact", with_pair(lambda d, k, slope, level: (d, k, 0, 0))),
    "the kept one goes": ("is_exact", with_pair(lambda d, k, slope, level: (k, d, slope, level))),
    "nothing": ("drops_one", lambda model, pairs: model),
}


@pytest.mark.parametrize("law", LAWS)
@given(case=cases())
def test_merging_keeps_the_laws(law: str, case: Case) -> None:
    assert LAWS[law](merge, case)


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    find(cases(), lambda case: not LAWS[law](fn, case), settings=SEARCH)


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)


def test_by_hand() -> None:
    """W[:, 1] += 2 W[:, 0], bias = -3 W[:, 0]: created, since fc had none."""
    model = filled(LINEAR, 0)
    w = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    model = replace(model, params=model.params | {"fc.weight": w})
    small = merge(model, [(("a", 0), ("a", 1), 2, -3)])
    assert small.params["fc.weight"].tolist() == [[4, 3, 4], [16, 7, 8]]
    assert small.params["fc.bias"].tolist() == [-3, -15]
    assert np.array_equal(small.params["a.weight"], model.params["a.weight"][1:])
    assert model.params["fc.weight"] is w
    assert w.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    chain = merge(model, [(("a", 0), ("a", 3), 1, 0), (("a", 2), ("a", 3), 1, 0)])
    assert chain.params["fc.weight"].tolist() == [[2, 8], [6, 20]]
    assert "fc.bias" not in chain.params
    assert merge(model, []).net == model.net


def test_masks_go_along() -> None:
    """A column that gets something is live where either was; so is the bias."""
    model = filled(NETS["chain"], 0)
    columns = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)
    masked = mp.with_masks(model, {"fc.weight": columns, "fc.bias": np.zeros(2, bool)})
    small = merge(masked, [(("a", 0), ("a", 1), 1, 0.5)])
    assert small.masks["fc.weight"].tolist() == [[True, False, True], [True, False, True]]
    assert small.masks["fc.bias"].tolist() == [True, False]
    assert small.params["fc.bias"].tolist() == [0.5 * masked.params["fc.weight"][0, 0], 0]


def test_a_silenced_unit_stays_one_where_its_layer_gets_a_bias() -> None:
    """A bias without a mask would count it as live again."""
    net = mp.build((3,), [
        ("a", mp.Dense(3, 4)), ("b", mp.Dense(4, 4, bias=False)), ("s", mp.Sigmoid()),
        ("fc", mp.Dense(4, 2)),
    ])  # fmt: skip
    model = mp.prune(filled(net, 0), {"b.weight": np.arange(4.0)}, sparsity=0.5)
    small = merge(model, [(("a", 0), ("a", 1), 1.0, 0.5)])
    assert unit_sparsity(small) == pytest.approx(2 / 7)  # 2 of the 8 units before
    assert small.masks["b.bias"].tolist() == [False, False, True, True]


def pooled(layer: Any) -> Model:
    return filled(mp.build((1, 4, 4), [
        ("a", mp.Conv2d(1, 2, 1)), ("p", layer), ("f", mp.GlobalAvgPool()), ("fc", mp.Dense(2, 2)),
    ]), 0)  # fmt: skip


def net(name: str) -> Model:
    return filled(NETS[name], 0)


def pair(layer: str, d: int, k: int, slope: float = 1, level: float = 0) -> Any:
    return ((layer, d), (layer, k), slope, level)


A_PAIR = "merge: a pair must be ((layer, unit), (layer, unit), slope, intercept) with finite " \
         "numbers, not {}; mp.structure.regressions gives some"  # fmt: skip
A_UNIT = "merge: a unit must be (layer, index) of a free group, not {}; print(mp.ties(model)) " \
         "shows them"  # fmt: skip
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: merge(net("chain"), [(("a", 0), ("a", 1))]),  # type: ignore[list-item]
     A_PAIR.format("(('a', 0), ('a', 1))")),
    (lambda: merge(net("chain"), [pair("a", 0, 1, float("nan"))]),
     A_PAIR.format("(('a', 0), ('a', 1), nan, 0)")),
    (lambda: merge(net("chain"), [pair("a", 4, 1)]),
     A_UNIT.format("('a', 4)")),
    (lambda: merge(net("chain"), [pair("fc", 0, 1)]),
     A_UNIT.format("('fc', 0)")),
    (lambda: merge(net("half_tied"), [pair("c", 2, 1)]),
     A_UNIT.format("('c', 1)")),
    (lambda: merge(net("sigmoid"), [(("a", 0), ("b", 1), 1, 0)]),
     "merge: ('a', 0) and ('b', 1) must be two units of one group, read by the same layers; "
     "pass units of one layer"),
    (lambda: merge(net("chain"), [pair("a", 2, 2)]),
     "merge: ('a', 2) and ('a', 2) must be two units of one group, read by the same layers; "
     "pass units of one layer"),
    (lambda: merge(net("chain"), [pair("a", 0, 1), pair("a", 1, 2)]),
     "merge: ('a', 1) must not be kept by one pair and dropped by another; merge into the last "
     "unit of a chain"),
    (lambda: merge(net("chain"), [pair("a", 0, 1), pair("a", 0, 2)]),
     "merge: ('a', 0) must be dropped by one pair, not by two; merge it into one unit"),
    (lambda: merge(net("padded"), [pair("a", 0, 1, 1, 0.5)]),
     "b.weight: an intercept of 0.5 into a zero-padded convolution is not exact at the edges; "
     "merge with intercept 0, or keep the unit"),
    (lambda: merge(net("grouped"), [pair("a", 0, 1)]),
     "b.weight: units that a grouped convolution reads cannot be merged; keep them"),
    (lambda: merge(pooled(mp.MaxPool(2)), [pair("a", 0, 1, -2)]),
     "a.weight: a negative slope of -2 does not pass through max pooling; merge with a "
     "positive one, or keep the unit"),
    (lambda: merge(pooled(mp.AvgPool(2, padding=1)), [pair("a", 0, 1, 1, 3)]),
     "a.weight: an intercept of 3 through zero-padded average pooling is not exact at the "
     "edges; merge with intercept 0, or keep the unit"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def broken(model: Model, slope: float, level: float) -> float:
    """What merging by the plain equation would be wrong by, were it not refused."""
    group = next(g for g in mp.ties(model) if g.free)
    twin = copied(model, group, 0, 1, slope, level)
    w = twin.params["fc.weight"].copy()
    bias = twin.params["fc.bias"] + level * w[:, 0]
    w[:, 1] += slope * w[:, 0]
    w[:, 0] = 0
    return apart(twin, replace(twin, params=twin.params | {"fc.weight": w, "fc.bias": bias}))


def test_what_is_refused_is_not_exact() -> None:
    assert broken(pooled(mp.MaxPool(2)), -2, 0) > 0.01
    assert broken(pooled(mp.AvgPool(2, padding=1)), 1, 3) > 0.01
    assert broken(pooled(mp.MaxPool(2)), 2, 3) <= LARGE
    assert broken(pooled(mp.AvgPool(2)), -2, 3) <= LARGE
    merge(pooled(mp.MaxPool(2)), [pair("a", 0, 1, 0, 3)])  # a constant passes: not refused
