"""Dynamic surgery against its definition, one weight at a time; wrong ones that the laws reject."""

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
from minprune.core import Arrays, stream
from minprune.errors import ArgumentError, UnreachableError
from minprune.methods import DynamicSurgery
from minprune.nets.model import Model

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.3), "progress": False}
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
FEW = settings(max_examples=max(settings().max_examples // 5, 8))
SEED, STEPS = 3, 6


@dataclass(frozen=True)
class Run:
    """The arguments of one run."""

    c: float | None
    sparsity: float | None
    begin: float
    stop: float
    gamma: float
    params: str
    masked: bool

    def model(self) -> Model:
        if not self.masked:
            return small_net()
        model = half_masked(small_net())
        return replace(model, masks={k: model.masks[k] for k in ("fc1.weight", "conv2.weight")})

    def settings(self) -> dict[str, Any]:
        names = ("c", "sparsity", "begin", "stop", "gamma", "params")
        return {"power": 2.0, "margin": 0.25} | {k: getattr(self, k) for k in names}


plans = st.builds(
    lambda pair, *rest: Run(*pair, *rest),
    st.sampled_from([(0.0, None), (-0.5, None), (1.0, None), (None, 0.5), (None, 0.8)]),
    st.sampled_from([0.0, 0.2, 0.4]), st.sampled_from([0.5, 0.8, 1.0]),
    st.sampled_from([0.0, 0.5]), st.sampled_from(["weights", "all"]), st.booleans(),
)  # fmt: skip


class Recorded(DynamicSurgery):
    """Keeps each update's weights and the masks that it begins and ends with."""

    def after(self, view: mp.View) -> mp.Change | None:
        change = super().after(view)
        masks = dict(view.ctx.masks) | ((change.masks or {}) if change else {})
        weights = {k: w.copy() for k, w in view.params.items()}
        seen = [*getattr(self, "seen", []), (weights, dict(view.ctx.masks), masks)]
        object.__setattr__(self, "seen", seen)
        return change


def trained(plan: Run) -> tuple[list[Any], Model, mp.History]:
    method = Recorded(**plan.settings())
    model, history = mp.fit(plan.model(), small_data(), method=method, seed=SEED, **HOW)
    return method.seen, model, history  # type: ignore[attr-defined]


def slowly(plan: Run, seen: list[Any]) -> list[dict[str, list[bool]]]:
    """The masks after each update, by the definition, weight by weight"""
    start, rng = plan.model(), stream(SEED, "method")
    names = [k for k in start.net.params if plan.params == "all" or start.params[k].ndim > 1]
    layers = list(dict.fromkeys(k.rpartition(".")[0] for k in names))
    of = {layer: [k for k in names if k.rpartition(".")[0] == layer] for layer in layers}
    held = {k: start.masks.get(k, np.ones(start.params[k].shape, bool)).ravel() for k in names}
    now = {k: held[k].tolist() for k in names}
    first, last = round(plan.begin * STEPS), max(1, round(plan.stop * STEPS))
    dense = [k for k in names if start.params[k].ndim > 1]
    ts: dict[str, float] = {}
    scores: dict[str, list[float]] = {}

    def fix(w: Arrays) -> None:
        z, n, dead = [], 0, 0
        for layer in layers:
            live = [abs(v) for k in of[layer] for v, on in
                    zip(w[k].flat, held[k], strict=True) if on]  # fmt: skip
            mean = sum(live) / len(live)
            ts[layer], scores[layer] = mean, [mean, np.sqrt(sum((a - mean) ** 2 for a in live)
                                                            / len(live)) or 1.0]  # fmt: skip
            z += [(a - mean) / scores[layer][1] for a in live]
            n += sum(held[k].size for k in of[layer])
            dead = n - len(z)
        gone = round(plan.sparsity * n) - dead if plan.sparsity is not None else 0
        c = plan.c if plan.c is not None else sorted(z)[gone - 1] if gone > 0 else -np.inf
        for layer in layers:
            ts[layer] = max(ts[layer] + c * scores[layer][1], 0.0)

    def cut(w: Arrays, chance: float | None) -> None:
        for layer in layers:
            if chance is not None and rng.random() >= chance:
                continue
            for k in of[layer]:
                for j, v in enumerate(map(abs, w[k].flat)):
                    if v <= 0.75 * ts[layer]:
                        now[k][j] = False
                    elif v > 1.25 * ts[layer]:
                        now[k][j] = bool(held[k][j])

    def exactly(w: Arrays) -> None:
        order = []
        for at, k in enumerate(names):
            mean, deviation = scores[k.rpartition(".")[0]]
            for j, v in enumerate(map(abs, w[k].flat)):
                order.append(((v - mean) / deviation if held[k][j] else -np.inf, -at, -j))
        for at, k in enumerate(names):  # each keeps its best, but for biases beside weights
            if start.params[k].ndim > 1 or f"{k.rpartition('.')[0]}.weight" not in dense:
                best = max((row for row in order if row[1] == -at), default=None)
                if best is not None:
                    order[order.index(best)] = (np.inf, *best[1:])
        order.sort()
        for _, at, j in order[: round(plan.sparsity * len(order))]:  # type: ignore[operator]
            now[names[-at]][-j] = False
        for _, at, j in order[round(plan.sparsity * len(order)) :]:  # type: ignore[operator]
            now[names[-at]][-j] = True

    found = []
    if first == 0:
        fix(start.params)
        cut(start.params, None)
    for t, (w, _, _) in enumerate(seen, 1):
        if first <= t <= last:
            if not ts:
                fix(w)
            cut(w, (1 + plan.gamma * (t - first)) ** -2.0)
            if t == last and plan.sparsity is not None:
                exactly(w)
        found.append({k: list(m) for k, m in now.items()})
    return found


def it_is_the_definition(plan: Run) -> bool:
    seen, _, _ = trained(plan)
    for want, (w, _, masks) in zip(slowly(plan, seen), seen, strict=True):
        got = {k: masks.get(k, np.ones(w[k].shape, bool)).ravel().tolist() for k in want}
        if got != want:
            return False
    return len(seen) == STEPS


def the_share_is_exact(plan: Run) -> bool:
    """Where a sparsity is given, of all that may be cut, from the last choice on."""
    if plan.sparsity is None:
        return True
    seen, model, _ = trained(plan)
    names = [k for k, w in model.params.items() if plan.params == "all" or w.ndim > 1]
    n = sum(model.params[k].size for k in names)
    dead = sum(int((~model.masks[k]).sum()) for k in names)
    kept = all((seen[-1][2][k] == model.masks[k]).all() for k in names)
    return dead == round(plan.sparsity * n) and kept


def what_is_noted_is_what_happened(plan: Run) -> bool:
    """Weights cut and spliced back, summed over the updates, from the masks before and after."""
    seen, _, history = trained(plan)
    cut = back = 0
    for _, before, after in seen:
        for k, m in after.items():
            old = before.get(k, np.ones(m.shape, bool))
            cut, back = cut + int((old & ~m).sum()), back + int((m & ~old).sum())
    sums = history.extra["cut"].sum(), history.extra["spliced"].sum()
    return sums == (cut, back)


LAWS: tuple[Callable[[Run], bool], ...] = (
    it_is_the_definition, the_share_is_exact, what_is_noted_is_what_happened
)  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@FEW
@given(plan=plans)
def test_laws(law: Callable[[Run], bool], plan: Run) -> None:
    assert law(plan)


def moving_levels(self: DynamicSurgery, net: Any, params: Arrays, *rest: Any) -> Arrays:
    """Thresholds of the weights as they are now."""
    state = rest[1] | {"of": self._levels(net, params, rest[1]["held"])}
    return CUT(self, net, params, rest[0], state, rest[2])


def one_level(self: DynamicSurgery, *args: Any) -> Arrays:
    return CUT(replace(self, margin=0.0), *args)


def all_at_once(self: DynamicSurgery, net: Any, params: Any, masks: Any, state: Any,
                draw: Any) -> Arrays:  # fmt: skip
    """One draw decides for all layers."""
    if draw is not None and draw[0].random() >= draw[1]:
        return {}
    return CUT(self, net, params, masks, state, None)


def signed(self: DynamicSurgery, net: Any, params: Arrays, *rest: Any) -> dict[str, Any]:
    """Mean and deviation of w, not of abs(w)."""
    found = LEVELS(self, net, params, *rest)
    means = {layer: params[f"{layer}.weight"].mean() for layer in found}
    return {k: [means[k], d, max(t - mean + means[k], 0)] for k, (mean, d, t) in found.items()}


CUT, LEVELS = DynamicSurgery._cut, DynamicSurgery._levels
WRONG: dict[str, tuple[str, Any]] = {
    "levels that move": ("_cut", moving_levels), "one level": ("_cut", one_level),
    "all at once": ("_cut", all_at_once), "of w": ("_levels", signed),
    "not exact": ("_exactly", lambda self, held, scores: {}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject(name: str) -> None:
    where, wrong = WRONG[name]
    with patch.object(DynamicSurgery, where, wrong):
        find(plans, lambda plan: not it_is_the_definition(plan), settings=QUIET)


def test_one_layer_by_hand() -> None:
    """abs(w) = 1, 2, 3, 6: mean 3, deviation sqrt(3.5); c = 0: cut at <= 2.7, back above 3.3."""
    net = mp.build((4,), [("fc", mp.Dense(4, 1, bias=False))], "mse")
    w = np.array([[1.0, -2.0, 3.0, -6.0]])
    x, y = np.array([[0.0, -1.0, 0.0, 0.0]]), np.array([[8.0]])
    data = mp.Dataset((x, y), (x, y), (x, y))
    method = Recorded(c=0.0, gamma=0.0, stop=1.0)
    how = {"epochs": 3, "optimizer": mp.SGD(1 / 16), "progress": False}
    model, history = mp.fit(mp.Model(net, {"fc.weight": w}), data, method=method, **how)
    # the second weight is masked: the output 0, its gradient 2 (0 - 8) (-1) = 16, so that it goes
    # to -3, between the levels, and then to -4, above the higher one; then 2 (4 - 8) (-1) / 16
    seen = method.seen  # type: ignore[attr-defined]
    assert [s[0]["fc.weight"][0, 1] for s in seen] == [-3.0, -4.0, -4.5]
    assert [s[2]["fc.weight"][0].tolist() for s in seen] == [
        [False, False, True, True], [False, True, True, True], [False, True, True, True],
    ]  # fmt: skip
    assert history.extra["fc threshold"].tolist() == [3.0]
    assert (history.extra["cut"].tolist(), history.extra["spliced"].tolist()) == (
        [0, 0, 0], [0, 1, 0],
    )  # fmt: skip
    assert model.params["fc.weight"].tolist() == [[0.0, -4.5, 3.0, -6.0]]


def test_a_dict_leaves_the_other_layers_dense() -> None:
    method = DynamicSurgery(c={"fc*": 0.5})
    model, history = mp.fit(small_net(), small_data(), method=method, **HOW)
    assert model.masks.keys() == {"fc1.weight", "fc2.weight"}
    assert {k for k in history.extra if "threshold" in k} == {"fc1 threshold", "fc2 threshold"}


def test_little_sparsity_cuts_nothing() -> None:
    model, _ = mp.fit(small_net(), small_data(), method=DynamicSurgery(sparsity=1e-6), **HOW)
    assert all(m.all() for m in model.masks.values())


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: DynamicSurgery(),
     "DynamicSurgery: one of c and sparsity must be given, not none; pass sparsity=0.9 alone, for "
     "example"),
    (lambda: DynamicSurgery(c=1.0, sparsity=0.9),
     "DynamicSurgery: one of c and sparsity must be given, not both; pass sparsity=0.9 alone, for "
     "example"),
    (lambda: DynamicSurgery(c={"fc1": float("nan")}),
     "DynamicSurgery: c must be a finite number, or a dict of them, not nan; pass c=1, for "
     "example"),
    (lambda: DynamicSurgery(sparsity=1.5),
     "DynamicSurgery: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for "
     "example"),
    (lambda: DynamicSurgery(sparsity=0.5, begin=0.8),
     "DynamicSurgery: begin must be below stop, 0.75, not 0.8; lower it"),
    (lambda: DynamicSurgery(sparsity=0.5, params="biases"),
     "DynamicSurgery: params must be 'weights' or 'all', not 'biases'; choose one of them"),
    (lambda: DynamicSurgery(sparsity=0.5, margin=1.0),
     "DynamicSurgery: margin must be a number from 0 to below 1, not 1.0; pass margin=0.5, for "
     "example"),
    (lambda: mp.fit(small_net(), small_data(), method=DynamicSurgery(c={"fc9": 1.0}), **HOW),
     "'fc9' must be a scored parameter, or a layer of one; choose among conv1.weight, "
     "conv2.weight, fc1.weight, fc2.weight"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_what_cannot_be_reached_is_said_before_the_first_update() -> None:
    with pytest.raises(UnreachableError, match=r"^DynamicSurgery: sparsity=1\.0 leaves 0 of 1 "):
        mp.fit(one_weight(), one_sample(), method=DynamicSurgery(sparsity=1.0), **HOW)
