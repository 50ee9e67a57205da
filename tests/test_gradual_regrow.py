"""Gradual with masks that gradients pass: what comes back; and the patterns (r, c) and N:M."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import half_masked, one_sample, small_data, small_net

import minprune as mp
from minprune import schedule
from minprune.core import Arrays
from minprune.errors import ArgumentError, UnreachableError
from minprune.methods import Gradual
from minprune.nets.model import Model

LR = 0.25
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(LR), "progress": False}
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
FEW = settings(max_examples=max(settings().max_examples // 5, 8))
plans = st.tuples(
    st.sampled_from([0.0, 0.1, 0.3]), st.floats(0.3, 0.8), st.integers(1, 6), st.integers(1, 3),
    st.sampled_from([None, 1, 2]), st.booleans(),
)  # fmt: skip
Run = tuple[float, float, int, int, int | None, bool]


class Recorded(Gradual):
    """Keeps each update's weights, gradients, and the masks that it ends with."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        object.__setattr__(self, "seen", [])

    def after(self, view: mp.View) -> mp.Change | None:
        change = super().after(view)
        masks = view.ctx.masks | ((change.masks or {}) if change else {})
        arrays = [{k: a.copy() for k, a in d.items()} for d in (view.params, view.grads, masks)]
        self.seen.append(arrays)
        return change


def trained(kind: type[Recorded], plan: Run) -> tuple[Recorded, Model, Any]:
    initial, final, span, step, every, before = plan
    ramp = partial(schedule.linear, initial=initial, final=final, span=span, every=step)
    model = half_masked(small_net()) if before else small_net()
    if before:  # masks of the weights alone
        model = replace(model, masks={k: model.masks[k] for k in model.net.weights})
        ramp = partial(ramp, initial=0.6, final=max(final, 0.6))
    method = kind(ramp, regrow="dense", every=every)
    mp.fit(model, small_data(), method=method, **HOW)
    return method, model, ramp


def the_lowest_of_all_are_masked(kind: type[Recorded], plan: Run) -> bool:
    """By |w| of what is stored, masked or not, whenever it is due; counted one by one."""
    method, model, ramp = trained(kind, plan)
    names, n = model.net.weights, sum(model.params[k].size for k in model.net.weights)
    for t, (w, _, masks) in enumerate(method.seen, 1):
        if t > 1 and ramp(t) == ramp(t - 1) and (plan[4] is None or t % plan[4]):
            continue
        count = round(ramp(t) * n)
        held = [(k, m) for k in names for m in model.masks.get(k, np.ones(w[k].shape, bool)).flat]
        sizes = [abs(v) if on else -1 for (_, on), v in zip(
            held, (v for k in names for v in w[k].flat), strict=True)]  # fmt: skip
        order = sorted(range(n), key=lambda j: (sizes[j], -j))
        want = np.ones(n, bool)
        want[order[:count]] = False
        found = [masks.get(k, np.ones(w[k].shape, bool)).ravel() for k in names]
        if not np.array_equal(np.concatenate(found), want):
            return False
    return True


def masked_weights_are_updated(kind: type[Recorded], plan: Run) -> bool:
    """w - lr g everywhere: the gradient of the net that is masked, at masked entries too."""
    method, model, _ = trained(kind, plan)
    before: Arrays = model.params
    for w, g, _ in method.seen:
        if any(not np.array_equal(w[k], before[k] - LR * g[k]) for k in model.net.weights):
            return False
        before = w
    return any(g[k][~m].any() for _, g, masks in method.seen[1:] for k, m in masks.items())


class Stuck(Recorded):
    """Masked weights are stored as 0, and so never come back."""

    dense = False  # type: ignore[assignment]


class Held(Recorded):
    """Chooses among what is live."""

    def after(self, view: mp.View) -> mp.Change | None:
        state = {"held": dict(view.ctx.masks)}
        return super().after(replace(view, ctx=view.ctx._replace(state=state)))


LAWS = (the_lowest_of_all_are_masked, masked_weights_are_updated)


@pytest.mark.parametrize("law", LAWS)
@FEW
@given(plan=plans)
def test_laws(law: Callable[..., bool], plan: Run) -> None:
    assert law(Recorded, plan)


@pytest.mark.parametrize(
    ("law", "kind"), [(LAWS[0], Held), (LAWS[1], Stuck)], ids=["held", "stuck"]
)
def test_the_laws_reject(law: Callable[..., bool], kind: type[Recorded]) -> None:
    find(plans, lambda plan: not law(kind, plan), settings=QUIET)


def test_a_weight_that_comes_back_by_hand() -> None:
    """y = w1 x + w2 x, x = 1, y -> 4: w2 = 1 is masked under 2, grows by 2 lr (4 - 2), and wins."""
    net = mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], "mse")
    model = mp.Model(net, {"fc.weight": np.array([[2.0, 1.0]])})
    part = np.array([[0.0, 1.0]]), np.array([[4.0]])
    method = Recorded(lambda t: 0.5, regrow="dense", every=1)
    how = {"epochs": 2, "optimizer": mp.SGD(0.25), "method": method, "progress": False}
    found, _ = mp.fit(model, mp.Dataset(part, part, part), **how)
    # step 1: masked w2, output 0, gradient (0, -8): w2 = 3, which is chosen; step 2: output 3
    assert [(w["fc.weight"].tolist(), m["fc.weight"].tolist()) for w, _, m in method.seen] == [
        ([[2.0, 3.0]], [[False, True]]), ([[2.0, 3.5]], [[False, True]]),
    ]  # fmt: skip
    assert found.params["fc.weight"].tolist() == [[0.0, 3.5]]


@pytest.mark.parametrize("regrow", ["none", "dense"])
def test_n_of_m_in_the_end_and_more_of_them_before(regrow: Any) -> None:
    """Of a share s, 4 - round(4 s) of 4 are kept: 4, 3, 3, 2, ..."""
    method = Recorded(lambda t: min(t / 8, 0.5), pattern="2:4", regrow=regrow)
    got, _ = mp.fit(small_net(), small_data(), method=method, **HOW)
    kept = []
    for _, _, masks in method.seen:
        rows = masks.get("fc1.weight", np.ones((5, 12), bool)).reshape(5, 3, 4).sum(-1)
        kept.append(set(rows.ravel().tolist()))
    assert kept == [{4 - round(4 * min(t / 8, 0.5))} for t in range(1, 7)]
    assert (got.masks["fc1.weight"].reshape(5, 3, 4).sum(-1) == 2).all()
    alone, _ = mp.fit(small_net(), small_data(), method=Gradual(pattern="2:4"), **HOW)
    assert (alone.masks["fc1.weight"].reshape(5, 3, 4).sum(-1) == 2).all()


@pytest.mark.parametrize("regrow", ["none", "dense"])
def test_blocks_are_counted_as_blocks(regrow: Any) -> None:
    """(2, 3): fc1 (5, 12) has 3 x 4, fc2 (3, 5) 2 x 2, conv1 (3, 1, 3, 3) 2 x 9, conv2 2 x 9"""
    ramp = partial(schedule.linear, final=0.7, span=6)
    method = Recorded(ramp, pattern=(2, 3), regrow=regrow)
    mp.fit(small_net(), small_data(), method=method, **HOW)
    for t, (_, _, masks) in enumerate(method.seen, 1):
        dead = 0
        for m in masks.values():
            for i in range(0, m.shape[0], 2):
                for j in range(0, m.shape[1], 3):
                    tile = m[i : i + 2, j : j + 3].reshape(-1, *m.shape[2:])
                    tile = tile.reshape(len(tile), -1)  # one block at each place of the kernel
                    assert (tile == tile[0]).all()
                    dead += int((~tile[0]).sum())
        assert dead == round(ramp(t) * (12 + 4 + 18 + 18))


def test_a_sparsity_is_cubic_over_three_quarters() -> None:
    method = Gradual(sparsity=0.8)
    got = [method.at(t, 8) for t in range(9)]
    want = [0.8 * (1 - (1 - min(t, 6) / 6) ** 3) for t in range(9)]
    assert got == pytest.approx(want, abs=1e-15)
    assert len({method.at(t, 4000) for t in range(4001)}) == 101
    assert method.settled(6, 8)
    assert not method.settled(5, 8)


def test_what_cannot_be_reached_is_said_at_the_first_update() -> None:
    with pytest.raises(UnreachableError, match=r"^Gradual: sparsity=0\.95 leaves 3 of 52 blocks"):
        mp.fit(small_net(), small_data(), method=Gradual(sparsity=0.95, pattern=(2, 3)), **HOW)


FLAT = mp.Model(
    mp.build((1,), [("fc", mp.Dense(1, 1, bias=False))], "mse"), {"fc.weight": np.ones((1, 1))}
)
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: Gradual(), "Gradual: sparsity must be a number from 0 to 1, not None; pass "
     "sparsity=0.5, for example"),
    (lambda: Gradual(lambda t: 0.5, sparsity=0.5),
     "Gradual: one of schedule and sparsity must be given, not both; leave one out"),
    (lambda: Gradual(sparsity=0.5, pattern="2:4"),
     "Gradual: sparsity must not be given with the pattern 2:4, which fixes how many weights stay; "
     "leave sparsity out"),
    (lambda: Gradual(sparsity=0.5, regrow="dens"),  # type: ignore[arg-type]
     "Gradual: regrow must be 'none' or 'dense', not 'dens'; did you mean dense?"),
    (lambda: Gradual(sparsity=0.5, regrow="dense", unit=True),
     "Gradual: regrow must be 'none' where units are pruned, not 'dense', since no gradient "
     "reaches a silent unit; use mp.methods.Soft, which keeps its outputs"),
    (lambda: Gradual(sparsity=0.5, every=3),
     "Gradual: every needs regrow='dense', not regrow='none'; leave every out"),
    (lambda: Gradual(sparsity=0.5, every=0, regrow="dense"),
     "Gradual: every must be an integer of at least 1, not 0; pass every=1, for example"),
    (lambda: Gradual(sparsity=0.5, unit=True, pattern=(4, 4)),
     "Gradual: pattern must be None where units are pruned, not (4, 4); leave out unit or the "
     "pattern"),
    (lambda: Gradual(sparsity=0.5, scope="net"),  # type: ignore[arg-type]
     "Gradual: scope must be 'global' or 'layer', not 'net'; choose one of them"),
    (lambda: mp.fit(FLAT, one_sample(), method=Gradual(lambda t: 0.3, pattern="2:4"), **HOW),
     "Gradual: schedule must reach 0.5, the share that the pattern 2:4 masks, not 0.3; leave the "
     "schedule out"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
