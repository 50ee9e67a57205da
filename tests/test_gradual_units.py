"""Gradual pruning of units by activations: the schedule to one unit, moving moments, bits."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from randomnets import batch, filled
from structures import NETS
from watching import small_data, small_net

import minprune as mp
from minprune import schedule
from minprune.core import Array, Arrays
from minprune.errors import UnreachableError
from minprune.evidence.activation_moments import Moments, moments_of, moved
from minprune.masking.units import live_units
from minprune.methods import Gradual
from minprune.nets.model import Model

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.Adam(0.1), "progress": False}
HALF = 2.0**-53
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
FEW = settings(max_examples=max(settings().max_examples // 3, 5))
KINDS = {
    "apoz": {}, "activation": {"kind": "rms"}, "similarity": {}, "correlation": {}, "lda": {},
    "lda_joint": {}, "cosine": {}, "magnitude": {}, "random": {},
}  # fmt: skip


def net() -> Model:
    """Two hidden layers without dropout or batch statistics."""
    layers = [
        ("a", mp.Conv2d(1, 4, 2)), ("r", mp.ReLU()), ("f", mp.Flatten()), ("b", mp.Dense(48, 6)),
        ("s", mp.ReLU()), ("fc", mp.Dense(6, 3)),
    ]  # fmt: skip
    return mp.initialise(mp.build((1, 4, 5), layers), dtype=np.float64)


def dead(model: Model) -> int:
    return sum(int((~live_units(g, model.masks)).sum()) for g in mp.ties(model) if g.free)


class Recorded(Gradual):
    """Keeps how many units are gone after each update, and which."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, unit=True, **options)
        object.__setattr__(self, "seen", [])

    def after(self, view: mp.View) -> mp.Change | None:
        change = super().after(view)
        masks = view.ctx.masks | (change.masks or {} if change else {})
        self.seen.append(Model(view.ctx.net, dict(view.params), dict(view.buffers), dict(masks)))
        return change


def recorded(plan: Callable[[int], float], name: str = "apoz", kind: Any = Recorded) -> Any:
    return kind(plan, name, **KINDS[name])


plans = st.tuples(
    st.sampled_from([0.0, 0.1, 0.3]), st.floats(0.3, 0.7), st.integers(0, 3), st.integers(1, 5),
    st.integers(1, 3), st.sampled_from(sorted(KINDS)),
)  # fmt: skip
Run = tuple[float, float, int, int, int, str]


def is_the_schedule(kind: type[Recorded], plan: Run) -> bool:
    """After update t round(schedule(t) n) of the units are silent; what is silent stays so."""
    initial, final, start, span, every, name = plan
    ramp = partial(
        schedule.cubic, initial=initial, final=final, start=start, span=span, every=every
    )
    method = recorded(ramp, name, kind)
    mp.fit(net(), small_data(), method=method, **HOW)
    counts = [dead(m) for m in method.seen]
    grows = all(
        not (b.masks[k] & ~a.masks[k]).any() for a, b in pairwise(method.seen) for k in a.masks
    )
    return counts == [round(ramp(t) * 10) for t in range(1, 7)] and grows


@FEW
@given(plan=plans)
def test_sparsity_is_the_schedule_to_one_unit(plan: Run) -> None:
    assert is_the_schedule(Recorded, plan)


class Late(Recorded):
    def after(self, view: mp.View) -> mp.Change | None:
        return super().after(view) if view.ctx.step > 1 else None


class OneMore(Recorded):
    def _masks(self, model: Model, sparsity: float, *rest: Any) -> Arrays | None:
        return super()._masks(model, min(sparsity + 0.1, 0.8), *rest)


@pytest.mark.parametrize("kind", [Late, OneMore])
def test_the_law_of_the_schedule_rejects(kind: type[Recorded]) -> None:
    find(plans, lambda plan: not is_the_schedule(kind, plan), settings=QUIET)


@pytest.mark.parametrize("name", ["apoz", "activation", "similarity", "correlation", "lda"])
def test_without_forgetting_or_learning_it_is_score_and_prune(name: str) -> None:
    """One epoch at a rate of 0, decay 1: the moments of all samples."""
    data, plan = small_data(23), partial(schedule.one_shot, final=0.5, at=6)
    method = Gradual(plan, name, unit=True, decay=1.0, **KINDS[name])
    how = HOW | {"optimizer": mp.SGD(0.0), "epochs": 1}
    got, _ = mp.fit(net(), data, method=method, **how)
    scores = mp.score(net(), data.train, name, unit=True, batch_size=4, **KINDS[name])
    want = mp.prune(net(), scores, sparsity=0.5)
    assert dead(got) == 5
    assert {k: m.tolist() for k, m in got.masks.items()} == {
        k: m.tolist() for k, m in want.masks.items()
    }


def test_moving_moments_by_hand() -> None:
    """Three batches of 4, 4, 3 samples: weights 4/4, 4/2, 3."""
    states: list[Any] = []

    class Spy(Gradual):
        def after(self, view: mp.View) -> mp.Change | None:
            change = super().after(view)
            states.append((change.state["moving"], view.activations["s"].copy()))  # type: ignore[union-attr]
            return change

    spy = Spy(lambda t: 0.0, "correlation", unit=True, decay=0.5)
    mp.fit(net(), small_data(), method=spy, **(HOW | {"epochs": 1}))
    weights = np.array([1.0, 2.0, 3.0])
    parts = [moments_of(a[:, :, None]) for _, a in states]
    assert [len(a) for _, a in states] == [4, 4, 3]
    mean = sum(w * m.mean for w, m in zip(weights, parts, strict=True)) / 6
    gram = sum(w * m.gram for w, m in zip(weights, parts, strict=True)) / 6
    got = Moments(**states[-1][0]["moments"]["b.weight"])
    assert got.weight == 6
    # two merges of at most 8 roundings here, and 6 and 12 in the sums, of numbers up to the largest
    assert np.abs(got.mean - mean).max() <= 22 * HALF * mean.max()
    assert np.abs(got.gram - gram).max() <= 34 * HALF * gram.max()


def moving(name: str, needs: set[str], parts: list[Any]) -> Any:
    state: Any = {}
    for a, y in parts:
        asked = {"needs": needs, "raw": mp.criteria.CRITERIA[name].spec.raw, "options": {}}
        state = moved(state, a, (a["w"], y), asked, 0.5)
    return state


def test_moving_scores_and_classes_forget_alike() -> None:
    rng = np.random.default_rng(0)
    parts = [{"w": rng.standard_normal((n, 2, 3)).clip(0)} for n in (4, 4, 3)]
    found = moving("apoz", {"activations"}, [(a, np.arange(len(a["w"]))) for a in parts])
    shares = [(a["w"] > 0).mean(axis=(0, 2)) for a in parts]
    assert found["weight"] == 6
    want = (1 * shares[0] + 2 * shares[1] + 3 * shares[2]) / 6
    assert np.abs(found["scores"]["w"] - want).max() <= 22 * HALF
    found = moving("lda", {"within"}, [(a, np.arange(len(a["w"])) % 2) for a in parts])
    assert found["classes"]["w"]["counts"].tolist() == [0.5 + 1 + 2, 0.5 + 1 + 1]


def ramp(step: int) -> float:
    return min(step / 10, 0.5)


class Restless(Recorded):
    """Any epoch may be the best one."""

    def settled(self, step: int, total: int) -> bool:
        return True


def test_with_patience_the_best_epoch_is_one_at_the_last_sparsity() -> None:
    how = HOW | {"epochs": 6, "patience": 1, "optimizer": mp.SGD(0.0)}
    found = []
    for kind in (Recorded, Restless):
        method = recorded(partial(schedule.linear, final=0.5, span=14), kind=kind)
        found.append(dead(mp.fit(net(), small_data(), method=method, **how)[0]))
    assert found[1] < found[0] == 5


def test_what_cannot_be_reached_is_said_at_the_first_update() -> None:
    method = recorded(partial(schedule.one_shot, final=0.9, at=6))
    with pytest.raises(UnreachableError) as caught:
        mp.fit(net(), small_data(), method=method, **HOW)
    assert caught.value.args == (
        "Recorded: sparsity=0.9 leaves 1 of 10 units of the net, fewer than minimum=1 for each "
        "layer; the largest reachable is 0.8",
    )
    assert method.seen == []


def test_tied_units_and_layers_of_their_own_share() -> None:
    """small_net: conv1 and conv2 make one group of 3, fc1 one of 5."""
    method = Gradual(ramp, "correlation", scope="layer", unit=True)
    assert method.watches(small_net()) == ("sum", "tanh1")
    got, _ = mp.fit(small_net(), small_data(), method=method, **HOW)
    gone = {g.name: int((~live_units(g, got.masks)).sum()) for g in mp.ties(got) if g.free}
    assert gone == {"conv1.weight": round(0.5 * 3), "fc1.weight": round(0.5 * 5)}


@pytest.mark.parametrize("name", NETS)
def test_every_structure_can_be_watched(name: str) -> None:
    model = filled(NETS[name], 0)
    parts = batch(model, 12)
    data = mp.Dataset(parts, parts, parts)
    n = sum(g.size for g in mp.ties(model) if g.free)
    for which in ("apoz", "correlation", "lda"):
        method = Gradual(partial(schedule.constant, final=0.3), which, unit=True)
        assert dead(mp.fit(model, data, method=method, **HOW)[0]) == round(0.3 * n)


def test_it_prunes_what_is_silent_in_training() -> None:
    """Two units with large negative biases."""
    model = net()
    bias: Array = model.params["b.bias"].copy()
    bias[[1, 4]] = -100
    model = Model(model.net, model.params | {"b.bias": bias})
    method = Gradual(partial(schedule.one_shot, final=0.2, at=4), "apoz", unit=True)
    got, _ = mp.fit(model, small_data(), method=method, **HOW)
    assert np.flatnonzero(~got.masks["b.weight"].any(axis=1)).tolist() == [1, 4]
