"""The change of the loss when an entry or a unit is removed: by hand, and as `prune` does it."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from curving import EPS, Fn, half, losses, made, with_params
from hypothesis import given
from hypothesis import strategies as st
from probing import X, Y, line
from randomnets import batch, filled, models
from structures import NETS, structured

import minprune as mp
from minprune.core import Array, Arrays, Split
from minprune.curvature.removal import removal, unit_removal
from minprune.errors import ArgumentError, MinpruneError, ShapeError
from minprune.nets.model import Model


def rise(model: Model, data: Split, changed: Arrays) -> tuple[float, float]:
    """L(w | changed) - L(w), and what rounding may make of it"""
    before, after = losses(model, data), losses(with_params(model, changed), data)
    size = np.abs(before).max() + np.abs(after).max() + 1
    return float(after.mean() - before.mean()), 2**14 * EPS * float(size)


def is_the_rise(fn: Fn, model: Model, data: Split, entries: dict[str, Array] | None) -> bool:
    found = fn(model, data, entries)
    wanted = entries or {n: np.arange(model.params[n].size) for n in model.net.weights}
    for name, at in wanted.items():
        if found[name].shape != (len(at),) or found[name].dtype != np.float64:
            return False
        for got, k in zip(found[name], at, strict=True):
            w = model.params[name].copy()
            w.flat[k] = 0
            want, bound = rise(model, data, {name: w})
            if abs(got - want) > bound:
                return False
    return list(found) == list(wanted)


@half
@given(model=models(most=4), n=st.integers(1, 4))
def test_removal_is_the_loss_without_that_entry(model: Model, n: int) -> None:
    data = batch(model, n)
    assert is_the_rise(removal, model, data, None)
    some = {name: np.array([p.size - 1, 0, 0]) for name, p in reversed(model.params.items())}
    assert is_the_rise(removal, model, data, some)


def test_removal_by_hand() -> None:
    """f = 2 a - b; f - y is 1, 0, -2: L = 5/3. Without 2: -2, -2, -4 ... without -1: 2, 0, 0."""
    found = removal(line(), (X, Y))["fc1.weight"]
    assert np.abs(found - [(1 + 4 + 16 - 5) / 3, (4 + 0 + 0 - 5) / 3]).max() <= 32 * EPS


def kept(model: Model, data: Split, entries: Any = None) -> Arrays:
    """The entries stay gone: each is taken away on top of those before it."""
    found, changed = {}, dict(model.params)
    for name in model.net.weights:
        w, before, changes = changed[name].copy(), losses(model, data).mean(), []
        for k in range(w.size):
            w.flat[k] = 0
            changes.append(losses(with_params(model, changed | {name: w}), data).mean() - before)
        found[name] = np.array(changes)
    return found


WRONG: dict[str, Fn] = {
    "not put back": kept,
    "sign": lambda *a: {n: -r for n, r in removal(*a).items()},
    "squared": lambda *a: {n: r * r for n, r in removal(*a).items()},
    "of the sum": lambda m, d, e: {n: r * len(d[0]) for n, r in removal(m, d, e).items()},
    "the loss itself": lambda m, d, e: {
        n: r + losses(m, d).mean() for n, r in removal(m, d, e).items()
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_removal_rejects(name: str) -> None:
    model, data = made((3,), mp.Dense(3, 3), mp.Tanh(), mp.Dense(3, 2))
    assert is_the_rise(removal, model, data, None)
    assert not is_the_rise(WRONG[name], model, data, None)


def pruned(model: Model, group: Any, unit: int) -> Model:
    """That one unit gone, as `prune` does it."""
    scores = {n: np.ones(len(s)) for n, s in mp.score(model, None, "norm", unit=True).items()}
    for m in group.producers:
        scores[m.param][m.index[unit]] = 0
    return mp.prune(model, scores, threshold=0.5, minimum=0)


def is_what_prune_does(fn: Fn, model: Model, data: Split) -> bool:
    groups = {g.name: g for g in mp.ties(model) if g.free}
    found = fn(model, data, groups)
    for name, group in groups.items():
        for unit in range(group.size):
            after = pruned(model, group, unit)
            want, bound = rise(model, data, after.params)
            if abs(found[name][unit] - want) > bound:
                return False
            loss = mp.evaluate(after, data).loss - mp.evaluate(model, data).loss
            if abs(loss - want) > bound:
                return False
    return True


@half
@given(model=structured())
def test_a_removed_unit_is_what_prune_leaves(model: Model) -> None:
    assert is_what_prune_does(unit_removal, model, batch(model, 3))


def only(*roles: str) -> Fn:
    """What those members alone own is zeroed."""

    def fn(model: Model, data: Split, groups: Any) -> Arrays:
        found = {}
        for name, group in groups.items():
            changes = []
            for unit in range(group.size):
                params = {n: w.copy() for n, w in model.params.items()}
                for m in group.members:
                    if m.role in roles:
                        params[m.param][(slice(None),) * m.axis + (m.index[unit],)] = 0
                changes.append(rise(model, data, params)[0])
            found[name] = np.array(changes)
        return found

    return fn


def test_the_law_of_removed_units_rejects_what_leaves_something() -> None:
    """sigmoid(0) = 0.5: without the outgoing weights the unit is not silent; and the other way."""
    sigmoid = filled(NETS["sigmoid"], 1)
    assert is_what_prune_does(only("makes", "shifts", "reads"), sigmoid, batch(sigmoid, 3))
    assert not is_what_prune_does(only("makes", "shifts"), sigmoid, batch(sigmoid, 3))
    shifted = filled(NETS["batchnorm"], 1)
    assert not is_what_prune_does(only("makes"), shifted, batch(shifted, 3))
    residual = filled(NETS["residual"], 1)
    assert is_what_prune_does(only("reads"), residual, batch(residual, 3))


def test_parts_of_the_data_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 2), n=7)
    want = removal(model, data)
    monkeypatch.setattr(import_module("minprune.curvature.removal"), "CHUNK", 3)
    for name, got in removal(model, data).items():
        assert np.abs(got - want[name]).max() <= 2**10 * EPS


def test_parameters_that_are_not_weights_can_be_removed_too() -> None:
    model, data = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 2))
    for name, s in mp.score(model, data, "oracle", params="all").items():
        flat = removal(model, data, {name: np.arange(s.size)})[name]
        assert s.tolist() == flat.reshape(s.shape).tolist()


MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: removal(line(), (X, Y), {"fc1.weight": np.array([0, 2])}), ArgumentError,
     "fc1.weight: entries must be flat indices below 2, not 0 to 2; pass np.arange(2), for "
     "example"),
    (lambda: removal(line(), (X, Y), {"fc1.weight": np.array([-1])}), ArgumentError,
     "fc1.weight: entries must be flat indices below 2, not -1 to -1; pass np.arange(2), for "
     "example"),
    (lambda: removal(line(), (X, Y), {"fc1.weight": np.array([0.5])}), ArgumentError,
     "fc1.weight: entries must be flat indices below 2, not 0.5 to 0.5; pass np.arange(2), for "
     "example"),
    (lambda: removal(line(), (X, Y), {"fc9.weight": np.array([0])}), ArgumentError,
     "fc9.weight: no such parameter; there are fc1.weight"),
    (lambda: removal(line(), (X, Y), {"fc9.weight": np.array([], int)}), ArgumentError,
     "fc9.weight: no such parameter; there are fc1.weight"),
    (lambda: removal(line(), (X[:0], Y[:0])), ArgumentError,
     "data must be a pair (x, y) of at least one sample, not empty; pass data.train, for example"),
    (lambda: unit_removal(line(), (X, Y[:1]), {}), ShapeError,
     "data: x has 3 rows and y has 1; pass one target for each input"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:40] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_no_entries_are_no_changes() -> None:
    assert removal(line(), (X, Y), {"fc1.weight": np.array([], int)})["fc1.weight"].shape == (0,)
    assert removal(line(), (X, Y), {}) == {}
