"""Gradual pruning: each step's sparsity is the schedule's, masks only grow, 0 changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import context, half_masked, small_data, small_net

import minprune as mp
from minprune import schedule
from minprune.core import Arrays, Criterion, Evidence, criterion
from minprune.errors import UnreachableError
from minprune.methods import Gradual
from minprune.nets.counts import sparsity
from minprune.nets.model import Model

STEPS = 6
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.Adam(0.1), "progress": False}


@criterion(needs=("weights", "grads"))
def saliency(ev: Evidence) -> Arrays:
    """s = |g w|"""
    return {k: np.abs(w * ev.of("grads")[k]) for k, w in ev.of("weights").items()}


CRITERIA: tuple[str | Criterion, ...] = ("magnitude", "random", saliency)


@dataclass(frozen=True)
class Run:
    """The arguments of one run."""

    initial: float
    final: float
    start: int
    span: int
    every: int
    scope: str
    criterion: str | Criterion

    def at(self, step: int) -> float:
        ramp = {k: getattr(self, k) for k in ("initial", "final", "start", "span", "every")}
        return schedule.cubic(step, **ramp)


shares = st.sampled_from([0.0, 0.1, 0.25, 0.5]) | st.floats(0, 0.7)
plans = st.builds(
    lambda pair, *rest: Run(min(pair), max(pair), *rest),
    st.tuples(shares, shares), st.integers(0, 3), st.integers(1, 5), st.integers(1, 3),
    st.sampled_from(["global", "layer"]), st.sampled_from(CRITERIA),
)  # fmt: skip


Seen = list[tuple[Arrays, Arrays, Arrays]]


class Recorded(Gradual):
    """Keeps the masks that each update ends with, its weights before they act, its gradients."""

    seen: Seen

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        object.__setattr__(self, "seen", [])

    def after(self, view: mp.View) -> mp.Change | None:
        change = super().after(view)
        masks = view.ctx.masks | (change.masks or {} if change else {})
        masks = {k: np.ones(view.params[k].shape, bool) for k in view.ctx.net.weights} | masks
        params, grads = ({k: a.copy() for k, a in d.items()} for d in (view.params, view.grads))
        self.seen.append((masks, params, grads))
        return change


def trained(kind: type[Recorded], plan: Run) -> tuple[Seen, mp.History]:
    method = kind(plan.at, criterion=plan.criterion, scope=plan.scope)  # type: ignore[arg-type]
    _, history = mp.fit(small_net(), small_data(), method=method, **HOW)
    return method.seen, history


def is_the_schedule(kind: type[Recorded], plan: Run) -> bool:
    """After update t round(schedule(t) n) weights are masked: of the net, or of each layer."""
    seen, history = trained(kind, plan)
    for t, (masks, _, _) in enumerate(seen, 1):
        groups = [list(masks)] if plan.scope == "global" else [[k] for k in masks]
        for group in groups:
            dead = sum(int((~masks[k]).sum()) for k in group)
            n = sum(masks[k].size for k in group)
            if dead != round(plan.at(t) * n):
                return False
        dead, n = (
            sum(v) for v in zip(*[((~m).sum(), m.size) for m in masks.values()], strict=True)
        )
        if abs(history.steps["sparsity"][t - 1] - dead / n) > 2.0**-52:
            return False
    return len(seen) == STEPS


def masks_grow(kind: type[Recorded], plan: Run) -> bool:
    """What is masked stays masked, and is 0.0 after each later update."""
    seen, _ = trained(kind, plan)
    return all(
        not (now[k] & ~before[k]).any() and not params[k][~before[k]].any()
        for (before, _, _), (now, params, _) in pairwise(seen)
        for k in now
    )


@settings(max_examples=settings().max_examples // 2)
@given(plan=plans)
def test_sparsity_is_the_schedule_to_one_weight_and_masks_grow(plan: Run) -> None:
    assert is_the_schedule(Recorded, plan)
    assert masks_grow(Recorded, plan)


class Late(Recorded):
    def after(self, view: mp.View) -> mp.Change | None:
        return super().after(replace(view, ctx=view.ctx._replace(step=view.ctx.step - 1)))


class Floor(Recorded):
    def _masks(self, model: Model, sparsity: float, *rest: Any) -> Arrays | None:
        n = size(model)
        return super()._masks(model, int(sparsity * n) / n, *rest)


class Afresh(Recorded):
    """Chooses among all weights at each step, so that masked ones come back."""

    def _masks(self, model: Model, *rest: Any) -> Arrays | None:
        return super()._masks(Model(model.net, model.params, model.buffers), *rest)


@pytest.mark.parametrize(
    ("law", "kind"), [(is_the_schedule, Late), (is_the_schedule, Floor), (masks_grow, Afresh)]
)
def test_the_laws_reject(law: Callable[..., bool], kind: type[Recorded]) -> None:
    find(plans, lambda plan: not law(kind, plan), settings=QUIET)


def size(model: Model) -> int:
    return sum(model.params[k].size for k in model.net.weights)


def started(method: Gradual, model: Model) -> Model:
    return method.start(model, context(model))[0]


def test_a_net_that_is_sparse_from_the_start() -> None:
    half = partial(schedule.constant, final=0.5)
    model, n = small_net(), size(small_net())
    masks = started(Gradual(half), model).masks
    assert sum(int((~m).sum()) for m in masks.values()) == round(0.5 * n)
    assert not started(Gradual(half, criterion=saliency), model).masks  # no gradients yet
    _, history = mp.fit(model, small_data(), method=Gradual(half, criterion=saliency), **HOW)
    assert history.steps["sparsity"] == [round(0.5 * n) / n] * STEPS


def test_one_weight_an_update() -> None:
    n = size(small_net())
    _, history = mp.fit(small_net(), small_data(), method=Gradual(lambda t: t // 2 / n), **HOW)
    assert [round(s * n) for s in history.steps["sparsity"]] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("which", ["magnitude", saliency])
def test_the_lowest_scores_of_the_step_go(which: str | Criterion) -> None:
    method = Recorded(partial(schedule.one_shot, final=0.4, at=3), criterion=which)
    mp.fit(small_net(), small_data(), method=method, **HOW)
    masks, params, grads = method.seen[2]
    of = grads if which is saliency else dict.fromkeys(masks, 1.0)
    scores = np.concatenate([np.abs(params[k] * of[k]).ravel() for k in masks])
    kept = np.concatenate([masks[k].ravel() for k in masks])
    assert scores[kept].min() > scores[~kept].max()


class Restless(Gradual):
    """Any epoch may be the best one."""

    def settled(self, step: int, total: int) -> bool:
        return True


def stopped(kind: type[Gradual], last: int) -> float:
    """The sparsity of the best of 6 epochs of 3 updates, when masks change up to update `last`."""
    method = kind(partial(schedule.linear, final=0.6, span=last))
    how = HOW | {"epochs": 6, "patience": 1, "optimizer": mp.SGD(0.0)}
    model, _ = mp.fit(small_net(), small_data(), method=method, **how)
    return sparsity(model.net, model.masks)


@pytest.mark.parametrize("last", [5, 9, 14, 18, 30])
def test_with_patience_the_best_epoch_is_one_at_the_last_sparsity(last: int) -> None:
    n = size(small_net())
    want = round(schedule.linear(18, final=0.6, span=last) * n) / n
    assert stopped(Gradual, last) == pytest.approx(want, abs=2.0**-52)
    assert stopped(Restless, last) < want - 0.1


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_what_cannot_be_reached_is_said_at_the_first_update(scope: Any) -> None:
    """Not at the last, where the schedule asks for it."""
    method = Recorded(partial(schedule.one_shot, final=1.0, at=6), scope=scope)
    with pytest.raises(UnreachableError, match=r"^Recorded: sparsity=1\.0 leaves 0 of "):
        mp.fit(small_net(), small_data(), method=method, **HOW)
    assert method.seen == []


def test_a_criterion_cannot_change_what_is_trained() -> None:
    def careless(weights: Arrays, grads: Arrays) -> Arrays:
        return {k: np.abs(w, out=w) for k, w in weights.items()}

    with pytest.raises(ValueError, match="read-only"):
        mp.fit(small_net(), small_data(), method=Gradual(lambda t: 0.5, careless), **HOW)


def test_layers_that_need_no_change_are_not_scored() -> None:
    calls: list[int] = []

    def counted(ev: Evidence) -> Arrays:
        calls.append(1)
        return {k: np.abs(w) for k, w in ev.of("weights").items()}

    for scope in ("global", "layer"):
        calls.clear()
        shares = (0.0, 0.0, 0.3, 0.3, 0.3, 0.6, 0.6)
        mp.fit(small_net(), small_data(), method=Gradual(shares.__getitem__, counted, scope), **HOW)  # type: ignore[arg-type]
        assert len(calls) == 2


def test_masks_that_were_there_count_and_stay() -> None:
    model, n = half_masked(small_net()), size(small_net())
    method = Gradual(partial(schedule.constant, final=0.8))
    pruned, history = mp.fit(model, small_data(), method=method, **HOW)
    for k in model.net.weights:
        assert not (pruned.masks[k] & ~model.masks[k]).any()
    assert history.steps["sparsity"][0] == pytest.approx(round(0.8 * n) / n, abs=2.0**-52)
