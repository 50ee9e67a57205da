"""Soft pruning: the lowest become factor w and go on training; what is chosen last is masked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import half_masked, one_sample, one_weight, small_data, small_net

import minprune as mp
from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.masking.units import live_units
from minprune.methods import Soft
from minprune.nets.model import Model

LR, STEPS = 0.25, 6
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(LR), "progress": False}
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
FEW = settings(max_examples=max(settings().max_examples // 5, 8))


@dataclass(frozen=True)
class Run:
    """The arguments of one run."""

    sparsity: float
    factor: float
    every: int | None
    stop: float
    masked: bool = False
    unit: bool = False

    def model(self) -> Model:
        model = half_masked(small_net()) if self.masked else small_net()
        return replace(model, masks={k: m for k, m in model.masks.items() if k == "fc1.weight"})

    def last(self) -> int:
        return max(1, round(self.stop * STEPS))

    def due(self, t: int) -> bool:
        return t == self.last() or (t < self.last() and t % (self.every or 3) == 0)


plans = st.builds(
    Run, st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([None, 1, 2]), st.sampled_from([0.5, 0.7, 1.0]), st.booleans(),
)  # fmt: skip


class Recorded(Soft):
    """Keeps each update's weights, gradients, and what it makes of the weights."""

    def after(self, view: mp.View) -> mp.Change | None:
        before, grads = ({k: w.copy() for k, w in d.items()} for d in (view.params, view.grads))
        change = super().after(view)
        new = before | {k: w.copy() for k, w in (change.params or {}).items()} if change else before
        masks = (change.masks or {}) if change else {}
        seen = [*getattr(self, "seen", []), (before, grads, new, masks)]
        object.__setattr__(self, "seen", seen)
        return change


def trained(plan: Run) -> tuple[list[Any], Model]:
    method = Recorded(
        plan.sparsity, unit=plan.unit, factor=plan.factor, every=plan.every, stop=plan.stop
    )
    model, _ = mp.fit(plan.model(), small_data(), method=method, **HOW)
    return method.seen, model  # type: ignore[attr-defined]


def lowest(plan: Run, w: Arrays) -> dict[str, list[bool]]:
    """Which weights are out: by |w| of all together, those masked from the start first."""
    start = plan.model()
    entries = [
        (abs(v) if start.masks.get(k, np.ones(w[k].shape, bool)).flat[j] else -1.0, -at, -j)
        for at, k in enumerate(start.net.weights)
        for j, v in enumerate(w[k].flat)
    ]
    out = {k: [False] * w[k].size for k in start.net.weights}
    for _, at, j in sorted(entries)[: round(plan.sparsity * len(entries))]:
        out[start.net.weights[-at]][-j] = True
    return out


def the_lowest_are_shrunk_and_then_masked(plan: Run) -> bool:
    for t, (w, _, new, masks) in enumerate(trained(plan)[0], 1):
        out = lowest(plan, w)
        if t == plan.last():
            good = {k: (~m).ravel().tolist() for k, m in masks.items()} == out
        else:
            factor = plan.factor if plan.due(t) else 1.0
            want = {k: np.where(np.reshape(o, w[k].shape), factor * w[k], w[k])
                    for k, o in out.items()}  # fmt: skip
            good = not masks and all(np.array_equal(new[k], want[k]) for k in out)
        if not good:
            return False
    return True


def what_is_out_goes_on_training(plan: Run) -> bool:
    """w - lr g everywhere but for masks, from what the update before made."""
    before, start, masks = plan.model().params, plan.model(), plan.model().masks
    for w, g, new, made in trained(plan)[0]:
        for k in start.net.weights:
            want = np.where(masks.get(k, True), before[k] - LR * g[k], 0)
            if not np.array_equal(w[k], want):
                return False
        masks = masks | made
        before = {k: np.where(masks.get(k, True), v, 0) for k, v in new.items()}
    return True


LAWS = (the_lowest_are_shrunk_and_then_masked, what_is_out_goes_on_training)


@pytest.mark.parametrize("law", LAWS)
@FEW
@given(plan=plans)
def test_laws(law: Callable[[Run], bool], plan: Run) -> None:
    assert law(plan)


REAL = Soft.after


def hard(self: Soft, view: mp.View) -> mp.Change | None:
    """Masks what it shrinks, at once."""
    change = REAL(self, view)
    return change and replace(change, masks=change.masks or change.state)


def added(self: Soft, view: mp.View) -> mp.Change | None:
    """What is out at one choice is out for good."""
    change, before = REAL(self, view), view.ctx.state or {}
    if change is None:
        return None
    kept = {k: m & before.get(k, True) for k, m in change.state.items()}
    params = {k: np.where(kept[k], w, 0) for k, w in (change.params or {}).items()}
    return replace(change, state=kept, params=params)


@pytest.mark.parametrize("wrong", [hard, added])
def test_the_laws_reject(wrong: Any) -> None:
    with patch.object(Soft, "after", wrong):
        find(plans, lambda plan: not all(law(plan) for law in LAWS), settings=QUIET)


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_units_lose_what_they_read_and_in_the_end_all(factor: float) -> None:
    """conv1 and conv2 are tied, 3 units, fc1 has 5: of 8, 4 are out"""
    plan = Run(0.5, factor, 3, 1.0, unit=True)
    seen, model = trained(plan)
    w, _, new, _ = seen[2]
    gone = 0
    for names in (("conv1", "conv2"), ("fc1",)):
        rows = [(new[f"{n}.weight"] != w[f"{n}.weight"]).reshape(len(w[f"{n}.bias"]), -1)
                for n in names]  # fmt: skip
        out = rows[0].any(axis=1)
        gone += int(out.sum())
        for n, changed in zip(names, rows, strict=True):
            assert (changed.all(axis=1) == out).all()
            assert np.array_equal(new[f"{n}.weight"][out], factor * w[f"{n}.weight"][out])
            assert np.array_equal(new[f"{n}.bias"], w[f"{n}.bias"])
    assert gone == 4
    assert np.array_equal(new["fc2.weight"], w["fc2.weight"])
    live = [live_units(g, model.masks) for g in mp.ties(model) if g.free]
    assert sum(int((~m).sum()) for m in live) == 4
    dead = ~model.masks["fc1.weight"].any(axis=1)
    assert not model.params["fc2.weight"][:, dead].any()
    assert not model.params["fc1.bias"][dead].any()


def test_one_weight_by_hand() -> None:
    """y = w1 x1 + w2 x2: w2 becomes 1/2 of itself, grows by lr 2 (4 - y), and is in at last."""
    net = mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], "mse")
    part = np.array([[0.0, 1.0]]), np.array([[4.0]])
    method = Recorded(0.5, factor=0.5, every=1, stop=1.0)
    how = {"epochs": 3, "optimizer": mp.SGD(0.125), "progress": False}
    model = mp.Model(net, {"fc.weight": np.array([[2.5, 1.0]])})
    model, _ = mp.fit(model, mp.Dataset(part, part, part), method=method, **how)
    seen = [(w["fc.weight"].tolist(), new["fc.weight"].tolist()) for w, _, new, _ in method.seen]  # type: ignore[attr-defined]
    assert seen[0] == ([[2.5, 1.75]], [[2.5, 0.875]])
    assert seen[1] == ([[2.5, 0.875 + 3.125 / 4]], [[2.5, (0.875 + 3.125 / 4) / 2]])
    assert model.masks["fc.weight"].tolist() == [[True, False]]


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: Soft(1.5),
     "Soft: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for example"),
    (lambda: Soft(0.5, factor=-1.0),
     "Soft: factor must be a number from 0 to 1, not -1.0; pass factor=0.5, for example"),
    (lambda: Soft(0.5, stop=0.0),
     "Soft: stop must be a number above 0 and at most 1, not 0.0; pass stop=0.5, for example"),
    (lambda: Soft(0.5, pattern="2:4"),
     "Soft: pattern must be None or a pair (rows, columns), not '2:4'; use "
     "mp.methods.Gradual(pattern='2:4', regrow='dense')"),
    (lambda: mp.fit(small_net(), small_data(), method=Soft(0.5, "apoz", unit=True), **HOW),
     "Soft: criterion must need no activations, not 'apoz'; choose 'magnitude', for example"),
    (lambda: mp.fit(one_weight(), one_sample(), method=Soft(0.5, unit=True), **HOW),
     "Soft: the net must have units that may be removed, in a hidden layer, not none; "
     "print(mp.ties(model)) shows its groups"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
