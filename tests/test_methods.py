"""The method interface: what each part is given, and what becomes of what it returns."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from watching import (
    Changing,
    Watching,
    changed,
    half_masked,
    one_sample,
    one_weight,
    same,
    small_data,
    small_net,
)

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Arrays
from minprune.nets.model import Model

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.125), "progress": False}


@dataclass(frozen=True)
class Gate(mp.Method):
    """The forward pass sees w * gate; the gate is trained too, with a penalty, and folded in."""

    lam: float = 0.0
    seen: list[tuple[float, float]] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, {"gate": np.full((1, 1), 3.0)}, "memory"

    def weights(
        self, params: dict[str, Value], extra: dict[str, Value], ctx: mp.Context
    ) -> dict[str, Value]:
        assert ctx.state == "memory"
        return params | {"fc.weight": ag.mul(params["fc.weight"], extra["gate"])}

    def penalty(
        self, params: dict[str, Value], extra: dict[str, Value], ctx: mp.Context
    ) -> Value | None:
        assert ctx.state == "memory"
        return ag.total(extra["gate"]) * (self.lam * (ctx.step + 1)) if self.lam else None

    def after(self, view: mp.View) -> None:
        w, gate = view.params["fc.weight"], view.extra["gate"]
        self.seen.append((float(w[0, 0]), float(gate[0, 0])))

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        assert ctx.state == "memory"
        return Model(model.net, {"fc.weight": model.params["fc.weight"] * extra["gate"]})


@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_extra_arrays_are_trained_through_the_weights_that_the_pass_sees(lam: float) -> None:
    """L = (w gate)^2 + lam (t + 1) gate: dL/dw = 2 w gate^2, dL/dgate = 2 w^2 gate + lam (t + 1)"""
    method, w, gate, want, losses = Gate(lam), 2.0, 3.0, [], []
    trained, history = mp.fit(
        one_weight(w), one_sample(), epochs=3, optimizer=mp.SGD(2**-6), method=method,
        progress=False,
    )  # fmt: skip
    for t in range(3):
        losses.append(((w * gate) ** 2, lam * (t + 1) * gate))
        dw, dgate = 2 * w * gate**2, 2 * w * w * gate + lam * (t + 1)
        w, gate = w - dw / 64, gate - dgate / 64
        want.append((w, gate))
    # powers of two and few digits: nearly all steps are exact; 8 roundings of at most 72
    assert np.abs(np.subtract(method.seen, want)).max() <= 3 * 8 * 72 * 2.0**-53
    found = list(zip(history.steps["loss"], history.steps["penalty"], strict=True))
    assert np.abs(np.subtract(found, losses)).max() <= 3 * 8 * 72 * 2.0**-53
    assert abs(trained.params["fc.weight"][0, 0] - w * gate) <= 3 * 8 * 72 * 2.0**-53


@dataclass(frozen=True)
class Looking(Watching):
    """Asks for the outputs of two layers."""

    activations: tuple[str, ...] = ("conv1", "tanh1")  # type: ignore[misc]


def test_the_view_shows_the_update_that_was_just_done() -> None:
    model, data, method = half_masked(small_net()), small_data(), Looking()
    _, history = mp.fit(model, data, method=method, **HOW)
    before = model.params
    for view, (x, y), after in zip(method.views, method.batches, method.params, strict=True):
        assert view.ctx.net is model.net
        assert view.ctx.masks.keys() == model.masks.keys()
        assert (view.ctx.total, view.ctx.lr, view.ctx.state) == (6, 0.125, None)
        assert x.shape == (len(y), 1, 4, 5)
        assert np.array_equal(data.train[0][x[:, 0, 0, 0].astype(int)], x)
        for k, w in after.items():  # gradients are those of this update, dense where masked
            step = np.where(model.masks[k], before[k] - 0.125 * view.grads[k], 0)
            assert np.array_equal(w, step), k
        before = after
        conv = view.activations["conv1"]
        assert conv.shape == (len(y), 3, 4, 5)
        assert conv.flags.c_contiguous
        assert view.activations.keys() == {"conv1", "tanh1"}
    masked = ~model.masks["fc1.weight"]
    assert any(view.grads["fc1.weight"][masked].any() for view in method.views)
    assert [view.ctx.step for view in method.views] == history.steps["step"]
    first, (x, _) = method.views[0], method.batches[0]
    p = {k: w.astype(np.float64) for k, w in model.params.items()}
    alone = mp.Model(
        mp.build((1, 4, 5), [("conv1", mp.Conv2d(1, 3, 3, padding=1)), ("flat", mp.Flatten())]),
        {k: p[k] for k in ("conv1.weight", "conv1.bias")},
    )
    assert np.array_equal(first.activations["conv1"].reshape(len(x), -1), alone(x))


def test_a_method_that_looks_changes_nothing() -> None:
    plain = mp.fit(small_net(0.5), small_data(), **HOW)[0]
    for method in (mp.Method(), Watching(), Looking()):
        assert same(mp.fit(small_net(0.5), small_data(), method=method, **HOW)[0], plain)


def test_changes_are_taken_over_and_parts_left_out_stay() -> None:
    new = np.asfortranarray(np.arange(60.0).reshape(5, 12)).astype(np.float32)
    trained, views = changed(lambda view: mp.Change(params={"fc1.weight": new}))
    assert np.array_equal(trained.params["fc1.weight"], new)
    assert trained.params["fc1.weight"].dtype == np.float64  # the net's
    assert np.array_equal(trained.params["fc2.weight"], small_net().params["fc2.weight"])
    assert (views[1]["state"], views[1]["masks"]) == ("old", {})

    _, views = changed(lambda view: mp.Change(extra={"sigma": np.array([5.0, 6.0])}, state="new"))
    assert views[1]["sigma"].tolist() == [5, 6]
    assert views[1]["state"] == "new"

    zero = {"velocity": {"fc1.weight": np.zeros((5, 12))}}
    _, kept = changed(lambda view: mp.Change())
    _, reset = changed(lambda view: mp.Change(opt_state=zero))
    # v_2 = g_2 + v_1 / 2, without v_1 after the reset; the weights are the same, so g_2 is
    want = reset[1]["v"] + 0.5 * kept[0]["v"]
    assert np.array_equal(kept[1]["v"], want)
    assert kept[0]["v"].any()


def test_the_arrays_of_a_method_are_copied_at_the_start_and_at_the_end() -> None:
    sigma, kept = np.ones(2), []

    class Holding(mp.Method):
        def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
            return model, {"sigma": sigma}, None

        def penalty(self, params: Any, extra: dict[str, Value], ctx: mp.Context) -> Value:
            return ag.total(extra["sigma"])

        def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
            kept.append(extra["sigma"].tolist())
            return model

    mp.fit(small_net(), small_data(), method=Holding(), **HOW)
    assert sigma.tolist() == [1, 1]
    assert kept == [[0.625, 0.625], [0.25, 0.25], [0.25, 0.25]]  # 3 steps of 1/8 an epoch; the end


DECAYING = (
    mp.SGD(0.125, weight_decay=0.5), mp.SGD(0.125, momentum=0.5, weight_decay=0.5),
    mp.Adam(0.125, weight_decay=0.5), mp.AdamW(0.125),
)  # fmt: skip


@pytest.mark.parametrize("optimizer", DECAYING, ids=str)
def test_weight_decay_is_of_the_weights_and_not_of_extra(optimizer: Any) -> None:
    """A log sigma of -3 would go towards 0, which is no smaller: nobody asked for that."""
    kept = []

    class Resting(mp.Method):
        def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
            return model, {"log_sigma": np.full(2, -3.0)}, None

        def after(self, view: mp.View) -> None:
            kept.append(view.extra["log_sigma"].tolist())

    how = HOW | {"optimizer": optimizer}
    trained, _ = mp.fit(small_net(), small_data(), method=Resting(), **how)
    assert kept == [[-3.0, -3.0]] * 6
    assert same(trained, mp.fit(small_net(), small_data(), **how)[0])
    spared = HOW | {"optimizer": optimizer.undecayed}
    assert not same(trained, mp.fit(small_net(), small_data(), **spared)[0])


def test_new_masks_are_applied_at_once_and_may_bring_weights_back() -> None:
    mask = np.arange(60).reshape(5, 12) % 3 > 0
    trained, views = changed(lambda view: mp.Change(masks={"fc1.weight": mask}))
    old = small_net().params["fc1.weight"]
    assert np.array_equal(trained.masks["fc1.weight"], mask)
    assert np.array_equal(trained.params["fc1.weight"], np.where(mask, old, 0))
    assert not views[1]["v"][~mask].any()
    both = mp.Change(masks={"fc1.weight": mask}, params={"fc1.weight": old + 1})
    trained, _ = changed(lambda view: both)
    assert np.array_equal(trained.params["fc1.weight"], np.where(mask, old + 1, 0))

    masked = mp.with_masks(small_net(), {"fc1.weight": mask})
    grown = Changing(lambda view: mp.Change(masks={"fc1.weight": np.ones_like(mask)}))
    how = HOW | {"optimizer": mp.SGD(0.125, momentum=0.5), "method": grown}
    trained, history = mp.fit(masked, small_data(), **how)
    assert trained.params["fc1.weight"][~mask].all()  # they grow from 0 by their gradients
    assert history.steps["sparsity"][1:] == [0.0] * 5
