"""Which units go together: tables by hand, and what removing them does."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled, models
from selection import SEARCH
from structures import LARGE, NETS, apart, pieces, silent, structured, without
from tie_tables import PRINTED, TABLES

import minprune as mp
from minprune.autograd import arithmetic
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import Model
from minprune.nets.ties import Group, Member
from minprune.structure.compact import shrink
from minprune.structure.plan import indices_left

Groups = list[Group]
Drawn = tuple[Model, int]


@pytest.mark.parametrize("name", TABLES)
def test_tables_by_hand(name: str) -> None:
    found = {
        g.name: (g.why, {(m.param, m.axis): m.index.tolist() for m in g.members})
        for g in mp.ties(filled(NETS[name], 0))
    }
    assert found == TABLES[name]


def test_ties_are_printed() -> None:
    assert str(mp.ties(mp.zoo.lenet_5(((1, 28, 28), 10)))) == PRINTED


def test_resnet_small_ties_the_sums() -> None:
    found = {g.name: g for g in mp.ties(mp.zoo.resnet_small(((1, 8, 8), 10)))}
    trunk, second = found["stem.weight"], found["block2_conv2.weight"]
    assert [m.param for m in trunk.producers] == ["stem.weight", "block1_conv2.weight"]
    assert {m.param for m in trunk.readers} == {
        "block1_conv1.weight", "block2_conv1.weight", "block2_project.weight",
    }  # fmt: skip
    assert [m.param for m in second.producers] == ["block2_conv2.weight", "block2_project.weight"]
    assert [m.param for m in second.readers] == ["fc.weight"]
    assert {g.name: g.size for g in found.values() if g.free} == {
        "stem.weight": 16, "block1_conv1.weight": 16, "block2_conv1.weight": 32,
        "block2_conv2.weight": 32,
    }  # fmt: skip


def test_an_op_without_a_tie_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic.add, "tie", None)
    with pytest.raises(ArgumentError) as caught:
        mp.ties(filled(NETS["residual"], 0))
    assert caught.value.args == (
        "the op add must have a tie rule, which says how its rows depend on those of its "
        "inputs; add one beside its derivative",
    )


# --- laws: each takes a model and its groups


def is_partition(model: Model, groups: Iterable[Group]) -> bool:
    """Every index of every output and input axis is in one group once, and names are unique."""
    groups = list(groups)
    found = sorted(p for g in groups for u in range(g.size) for p in pieces(g, u))
    want = []
    for node in model.net.nodes:
        for kind, shape in node.layer.params().items():
            depthwise = getattr(node.layer, "groups", 1) == getattr(node.layer, "inputs", 0) > 1
            for axis in range(min(len(shape), 1 if depthwise else 2)):
                want += [(f"{node.name}.{kind}", axis, k) for k in range(shape[axis])]
    total = sum(m.index.size for g in groups for m in g.members)
    unique = len({g.name for g in groups}) == len(groups)
    return found == sorted(want) and total == len(want) and unique


def goes(model: Model, groups: Iterable[Group]) -> bool:
    """Removing a unit with all it owns gives the outputs of the net where it is silenced."""
    for g in groups:
        for u in range(g.size if g.free and g.size > 1 else 0):
            gone = pieces(g, u)
            try:
                smaller = without(model, gone)
            except (ShapeError, ArgumentError):
                return False
            if not apart(silent(model, gone), smaller) <= LARGE:
                return False
    return True


def nothing_less_goes(model: Model, groups: Iterable[Group], seed: int) -> bool:
    """No part of what a unit owns can be removed without the rest."""
    rng = np.random.default_rng(seed)
    for g in groups:
        for u in range(g.size if g.free else 0):
            owned = sorted(pieces(g, u))
            by_param = len({p[:2] for p in owned}) > 1 and rng.random() < 0.5
            keys = sorted({p[:2] for p in owned}) if by_param else owned
            size = int(rng.integers(1, len(keys))) if len(keys) > 1 else 0
            some = {keys[k] for k in rng.permutation(len(keys))[:size]}
            part = [p for p in owned if (p[:2] if by_param else p) in some]
            if not part or len(part) == len(owned):
                continue
            try:
                without(model, part)
            except (ShapeError, ArgumentError):
                continue
            return False
    return True


def test_every_group_of_the_named_nets_goes_as_it_stands() -> None:
    for name, net in NETS.items():
        model = filled(net, 1)
        assert is_partition(model, mp.ties(model)), name
        assert goes(model, mp.ties(model)), name


@given(model=models(most=8))
def test_groups_are_a_partition_of_every_axis(model: Model) -> None:
    assert is_partition(model, mp.ties(model))


@given(model=structured())
def test_a_unit_goes_with_all_it_owns(model: Model) -> None:
    assert goes(model, mp.ties(model))


@given(model=structured(), seed=st.integers(0, 999))
def test_nothing_less_than_a_unit_goes(model: Model, seed: int) -> None:
    assert nothing_less_goes(model, mp.ties(model), seed)


@given(model=structured(), data=st.data())
def test_any_units_of_any_groups_leave_a_net_that_runs(model: Model, data: Any) -> None:
    """By the index map that compaction uses."""
    groups = mp.ties(model)
    gone = {}
    for g in groups:
        if g.free:
            keep = data.draw(st.sets(st.integers(0, g.size - 1), min_size=1), label=g.name)
            gone[g.name] = np.array([u not in keep for u in range(g.size)])
    small = shrink(model, indices_left(model, groups, gone))
    lost = [p for g in groups if g.free for u in np.flatnonzero(gone[g.name]) for p in pieces(g, u)]
    assert apart(silent(model, lost), small) <= LARGE
    assert small.net == without(model, lost).net


def changed(groups: Iterable[Group], member: Callable[[Member], Member | None]) -> Groups:
    return [
        replace(g, members=tuple(x for m in g.members if (x := member(m)) is not None))
        for g in groups
    ]


def no_runs(groups: Iterable[Group]) -> Groups:
    """Flatten columns taken as single entries."""
    return changed(groups, lambda m: replace(m, index=m.index[:, :1]))


def no_shifts(groups: Iterable[Group]) -> Groups:
    return changed(groups, lambda m: m if m.role != "shifts" else None)


def no_second_producer(groups: Iterable[Group]) -> Groups:
    """Sums and depthwise layers do not tie."""
    return [
        replace(g, members=tuple(m for m in g.members if m not in g.producers[1:])) for g in groups
    ]


def no_readers(groups: Iterable[Group]) -> Groups:
    return changed(groups, lambda m: m if m.role != "reads" else None)


def paired(groups: Iterable[Group]) -> Groups:
    """Two units taken for one."""
    return [
        replace(g, size=1, members=tuple(replace(m, index=m.index[:2].reshape(1, -1))
                                         for m in g.members))
        for g in groups
    ]  # fmt: skip


WRONG: tuple[tuple[Callable[[Iterable[Group]], Groups], tuple[str, ...]], ...] = (
    (no_runs, ("is_partition", "goes")),
    (no_shifts, ("is_partition", "goes")),
    (no_second_producer, ("is_partition", "goes")),
    (no_readers, ("is_partition", "goes")),
    (lambda groups: [g for g in groups if g.free], ("is_partition",)),
    (lambda groups: [*groups, *groups], ("is_partition",)),
    (lambda groups: [replace(g, name="a") for g in groups], ("is_partition",)),
    (paired, ("is_partition", "nothing_less_goes")),
)
LAWS: dict[str, Callable[[Model, Groups, int], bool]] = {
    "is_partition": lambda model, groups, seed: is_partition(model, groups),
    "goes": lambda model, groups, seed: goes(model, groups),
    "nothing_less_goes": nothing_less_goes,
}
few = st.tuples(
    st.builds(filled, st.sampled_from([NETS["residual"], NETS["shared"]]), st.just(0)),
    st.integers(0, 9999),
)


@pytest.mark.parametrize(("wrong", "laws"), WRONG)
def test_the_laws_reject(wrong: Callable[[Iterable[Group]], Groups], laws: tuple[str, ...]) -> None:
    for law in laws:
        find(few, lambda d, law=law: not LAWS[law](d[0], wrong(mp.ties(d[0])), d[1]),
             settings=SEARCH)  # fmt: skip


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for _, laws in WRONG for law in laws} == set(LAWS)
