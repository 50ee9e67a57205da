"""Methods that begin with a model of which some is masked already."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from watching import same, small_data, small_net

import minprune as mp
from minprune import methods, schedule
from minprune.errors import ArgumentError
from minprune.masking.units import unit_sparsity
from minprune.methods import Gradual
from minprune.nets.model import Model

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 3, "progress": False}  # 8 updates


def masked(sparsity: Any = 0.5, unit: bool = False) -> Model:
    model = small_net()
    return mp.prune(model, mp.score(model, None, "magnitude", unit=unit), sparsity=sparsity)


HALF = masked()
UNEVEN = masked({"fc1.weight": 0.5, "fc2.weight": 0.4})
N = sum(HALF.params[k].size for k in HALF.net.weights)
PRESENT = (N - sum(int(HALF.masks[k].sum()) for k in HALF.net.weights)) / N


def live(model: Model) -> dict[str, int]:
    return {k: int(model.masks[k].sum()) if k in model.masks else w.size
            for k, w in model.params.items() if k in model.net.weights}  # fmt: skip


@pytest.mark.parametrize("regrow", ["none", "dense"])
def test_the_cubic_schedule_starts_at_what_is_masked(regrow: Any) -> None:
    found, history = mp.fit(HALF, small_data(), method=Gradual(sparsity=0.8, regrow=regrow), **HOW)
    want = [schedule.cubic(t, final=0.8, span=6, initial=PRESENT) for t in range(1, 9)]
    assert history.steps["sparsity"] == [round(s * N) / N for s in want]
    assert not any((found.masks[k] & ~HALF.masks[k]).any() for k in HALF.net.weights)


@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_each_layer_starts_at_its_own_share(sparsity: float) -> None:
    method = Gradual(sparsity=sparsity, scope="layer")
    found, _ = mp.fit(UNEVEN, small_data(), method=method, **HOW)
    assert live(found) == {
        k: UNEVEN.params[k].size - round(sparsity * UNEVEN.params[k].size)
        for k in UNEVEN.net.weights
    }


def test_units_and_blocks_start_at_their_share() -> None:
    few = masked(0.5, unit=True)
    found, _ = mp.fit(few, small_data(), method=Gradual(sparsity=0.6, unit=True), **HOW)
    assert unit_sparsity(found) == 0.625 > unit_sparsity(few) == 0.5
    method = Gradual(sparsity=0.8, pattern=(2, 3))
    blocks, _ = mp.fit(UNEVEN, small_data(), method=method, **HOW)
    assert not any((blocks.masks[k] & ~m).any() for k, m in UNEVEN.masks.items())


def test_a_schedule_above_the_present_share_may_wait_at_0() -> None:
    late = Gradual(partial(schedule.one_shot, final=0.8, at=4))
    _, history = mp.fit(HALF, small_data(), method=late, **HOW)
    assert history.steps["sparsity"] == [PRESENT] * 3 + [round(0.8 * N) / N] * 5


@pytest.mark.parametrize("method", [
    Gradual(sparsity=0.0), Gradual(sparsity=0.0, regrow="dense", every=2),
    Gradual(partial(schedule.constant, final=0.0), "taylor"),
    Gradual(sparsity=0.0, scope="layer"), methods.Soft(0.0), methods.Soft(0.0, scope="layer"),
    methods.DynamicSurgery(sparsity=0.0),
    methods.SoftThreshold(decay=0, initial=-3200, sparsity=0.0),
    methods.TargetedDropout(0.0), methods.GrowingRegularization(0.0),
], ids=lambda method: type(method).__name__)  # fmt: skip
def test_a_sparsity_of_0_is_plain_training(method: mp.Method) -> None:
    plain, want = mp.fit(HALF, small_data(), **HOW)
    found, history = mp.fit(HALF, small_data(), method=method, **HOW)
    assert same(found, plain)
    assert all((mask == plain.masks.get(k, True)).all() for k, mask in found.masks.items())
    assert history.steps["loss"] == want.steps["loss"]


def below(**how: Any) -> dict[str, Callable[..., mp.Method]]:
    names = (
        "Gradual", "Soft", "DynamicSurgery", "TargetedDropout", "GrowingRegularization",
        "HardConcrete", "LearnedMasks", "SoftThreshold", "SparseVariationalDropout",
    )  # fmt: skip
    return {name: partial(getattr(methods, name), sparsity=0.1, **how) for name in names}


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("name", below())
def test_a_method_refuses_a_sparsity_below_the_present_in_its_own_name(
    name: str, chained: bool
) -> None:
    method = below()[name]()
    method = methods.chain(methods.L1(0.0), method) if chained else method
    with pytest.raises(ArgumentError) as caught:
        mp.fit(HALF, small_data(), method=method, **HOW)
    assert caught.value.args == (
        f"{name}: sparsity=0.1 is below the present {PRESENT!r} of the "
        f"net, and pruned weights are not restored; pass at least the present sparsity",
    )


class Unused(mp.Method):
    def after(self, view: mp.View) -> mp.Change | None:
        raise AssertionError("an update was made")


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_schedule_that_begins_below_the_present_share_is_refused_before_training(
    scope: Any,
) -> None:
    grows = partial(schedule.cubic, final=0.9, span=8, every=2)
    method = methods.chain(Unused(), Gradual(grows, scope=scope))
    first = schedule.cubic(2, final=0.9, span=8)
    model = masked(0.8) if scope == "global" else masked({"fc2.weight": 0.8})
    what, share = ("the net", round(0.8 * N) / N) if scope == "global" else ("fc2.weight", 0.8)
    with pytest.raises(ArgumentError) as caught:
        mp.fit(model, small_data(), method=method, **HOW)
    assert caught.value.args == (
        f"Gradual: schedule must begin at {share!r} or above, the present sparsity of {what}, not "
        f"at {first!r}, since pruned weights are not restored; pass initial={share!r} to it, or "
        f"sparsity in its place",
    )
    if scope == "global":  # as the message says
        mp.fit(model, small_data(), method=Gradual(partial(grows, initial=share)), **HOW)
