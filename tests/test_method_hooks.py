"""Each hook of a method: what it is given, what the loop does with what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from watching import Watching, half_masked, one_sample, one_weight, same, small_data, small_net

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.layer import Layer
from minprune.nets.model import Model

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.125), "progress": False}


def fit(method: mp.Method | None = None, model: Model | None = None, **how: Any) -> Any:
    return mp.fit(model or small_net(0.5), small_data(), method=method, **HOW | how)


class Same(mp.Method):
    """Computes every layer and the loss as the net does."""

    def layer(
        self, name: str, layer: Layer, x: Value, params: dict[str, Value],
        extra: dict[str, Value], ctx: mp.Context,
    ) -> Value | None:  # fmt: skip
        return layer.apply(layer.own(name, params), x if isinstance(x, list) else [x], ctx.forward)

    def loss(
        self, outputs: Value, x: Array, y: Array, params: dict[str, Value],
        extra: dict[str, Value], ctx: mp.Context,
    ) -> Value | None:  # fmt: skip
        assert x.shape[-1] == len(y) == outputs.shape[-1]  # batch-last
        return ag.cross_entropy(outputs, labels=y)


@pytest.mark.parametrize("optimizer", [mp.SGD(0.125, momentum=0.5), mp.Adam(0.1)], ids=str)
def test_layers_and_loss_replaced_by_their_own_give_the_same_bits(optimizer: Any) -> None:
    for model in (small_net(0.5), half_masked(small_net(0.5)), small_net(dtype=np.float32)):
        (plain, one), (again, two) = (
            fit(method, model, optimizer=optimizer) for method in (None, Same())
        )
        assert same(plain, again)
        assert one.steps == two.steps


class Doubled(Same):
    """Each of the two acts on one layer, or on the loss, and leaves the others."""

    def layer(self, name: str, layer: Layer, x: Value, params: Any, extra: Any, ctx: Any) -> Any:
        return ag.act(x, kind="relu") * 2.0 if name == "relu1" else None

    def loss(self, outputs: Any, x: Any, y: Any, params: Any, extra: Any, ctx: Any) -> Any:
        return ag.cross_entropy(outputs, labels=y) * 2.0 if ctx.step else None


def test_what_a_hook_returns_is_what_training_sees() -> None:
    plain, doubled = fit()[1].steps["loss"], fit(Doubled())[1].steps["loss"]
    assert plain[0] != doubled[0]  # by the layer, the loss is the net's at step 0
    loud = fit(type("Loud", (Same,), {"loss": Doubled.loss})())[1].steps["loss"]
    assert loud[0] == plain[0]
    assert loud[1] == pytest.approx(2 * plain[1], rel=1e-12)  # the first update was the same


@dataclass(frozen=True)
class Shifted(mp.Method):
    """The forward pass would see w + 1 everywhere; keeps what it does see."""

    dense: bool = False
    seen: list[Arrays] = field(default_factory=list)
    views: list[Any] = field(default_factory=list)

    def weights(self, params: dict[str, Value], extra: Any, ctx: mp.Context) -> dict[str, Value]:
        return {k: w + 1.0 for k, w in params.items()}

    def layer(self, name: str, layer: Layer, x: Value, params: Any, extra: Any, ctx: Any) -> Any:
        self.seen.append({k: ag.value(v).copy() for k, v in params.items()})

    def after(self, view: mp.View) -> None:
        kept = {k: w.copy() for k, w in view.params.items()}
        self.views.append((kept, {k: g.copy() for k, g in view.grads.items()}))


@pytest.mark.parametrize("dense", [False, True])
def test_the_masks_are_applied_after_weights_and_gradients_stay_dense(dense: bool) -> None:
    model, method = half_masked(small_net()), Shifted(dense)
    trained, _ = fit(method, model, epochs=1)
    for seen in method.seen:
        assert all(not seen[k][~mask].any() for k, mask in model.masks.items())
    for k, mask in model.masks.items():
        # in this order: the same mask, then dw = -lr dL/d(m (w + 1)), masked entries too if dense
        stored = model.params[k]
        for params, grads in method.views:
            step = stored - 0.125 * grads[k]
            stored = params[k]
            assert np.array_equal(stored, step if dense else np.where(mask, step, 0))
        assert np.array_equal(trained.params[k], np.where(mask, stored, 0))
        assert np.array_equal(trained.masks[k], mask)
    gradients = [np.abs(g["fc1.weight"][~model.masks["fc1.weight"]]) for _, g in method.views]
    assert all(g.any() for g in gradients)
    assert any(method.views[-1][0][k][~m].any() for k, m in model.masks.items()) == dense


class Regrown(mp.Method):
    """The masks of the model come off after the first update."""

    dense = True

    def after(self, view: mp.View) -> mp.Change | None:
        masks = {k: np.ones_like(m) for k, m in view.ctx.masks.items()}
        return mp.Change(masks=masks) if view.ctx.step == 1 else None


def test_a_dense_method_brings_weights_back_with_the_values_that_they_kept() -> None:
    """One update: w = -lr g where a mask was, and training goes on from there."""
    model, watch = half_masked(small_net()), Watching()
    trained, history = fit(Regrown(), model, epochs=1, batch_size=11)
    fit(watch, model, epochs=1, batch_size=11)
    (view,) = watch.views
    for k, w in trained.params.items():
        assert np.array_equal(w, model.params[k] - 0.125 * view.grads[k])
    assert history.steps["sparsity"] == [0.0]


@dataclass(frozen=True)
class Rated(mp.Method):
    """L = w^2 + sum of a two-dimensional extra array, which has its own learning rate."""

    extra_lr: Mapping[str, float] = field(default_factory=dict)
    kept: list[Array] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, {"scale.weight": np.ones((3, 5)), "other": np.zeros(())}, None

    def penalty(self, params: Any, extra: dict[str, Value], ctx: mp.Context) -> Value:
        return ag.total(extra["scale.weight"])

    def after(self, view: mp.View) -> None:
        self.kept.append(view.extra["scale.weight"].copy())


@pytest.mark.parametrize("factor", [1.0, 4.0, 0.0])
def test_extra_arrays_have_a_learning_rate_of_their_own(factor: float) -> None:
    method = Rated({"scale.weight": factor})
    how = HOW | {"rate": mp.rates.step(1, 0.5)}
    trained, history = mp.fit(one_weight(), one_sample(), method=method, **how)
    plain, _ = mp.fit(one_weight(), one_sample(), **how)
    assert same(trained, plain)
    want = [1 - factor * 0.125, 1 - factor * 0.125 * 1.5]
    assert [a.tolist() for a in method.kept] == [np.full((3, 5), w).tolist() for w in want]
    assert history.extra["scale.weight"].tolist() == method.kept[-1].tolist()
    assert history.extra["other"].tolist() == 0.0


def test_extra_arrays_of_two_axes_are_no_weights() -> None:
    model, method = half_masked(small_net()), Rated()
    decayed = {"optimizer": mp.SGD(0.125, weight_decay=0.5)}
    trained, history = fit(method, model, **decayed)
    plain, before = fit(None, model, **decayed)
    assert same(trained, plain)
    assert history.steps["sparsity"] == before.steps["sparsity"]
    assert trained.net is model.net
    assert history.extra["scale.weight"].tolist() == np.full((3, 5), 1 - 6 * 0.125).tolist()


@dataclass(frozen=True)
class Noting(mp.Method):
    """Keeps the contexts of all hooks."""

    seen: list[tuple[str, mp.Context]] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        self.seen.append(("start", ctx))
        return model, {}, {"n": 1}

    def weights(self, params: Any, extra: Any, ctx: mp.Context) -> Any:
        self.seen.append(("weights", ctx))
        return params

    def penalty(self, params: Any, extra: Any, ctx: mp.Context) -> None:
        self.seen.append(("penalty", ctx))

    def after(self, view: mp.View) -> None:
        self.seen.append(("after", view.ctx))

    def finish(self, model: Model, extra: Any, ctx: mp.Context) -> Model:
        self.seen.append(("finish", ctx))
        return model


def test_the_context_says_where_training_is() -> None:
    method, model = Noting(), half_masked(small_net())
    fit(method, model, rate=mp.rates.step(1, 0.5), epochs=2)
    hooks = ["weights", "penalty", "after"]
    assert [hook for hook, _ in method.seen] == [
        "start", *hooks * 3, "finish", *hooks * 3, "finish", "finish",
    ]  # fmt: skip
    places = {(c.samples, c.batch_size, c.total, c.updates_of_epoch) for _, c in method.seen}
    assert places == {(11, 4, 6, 3)}
    assert all(c.net is model.net and c.masks.keys() == model.masks.keys() for _, c in method.seen)
    rates = [(hook, c.step, c.lr) for hook, c in method.seen if hook in ("penalty", "after")]
    assert rates == [
        (hook, t + (hook == "after"), 0.125 * 0.5**t)
        for t in range(6) for hook in ("penalty", "after")
    ]  # fmt: skip
    ends = [(c.step, c.lr) for hook, c in method.seen if hook in ("start", "finish")]
    assert ends == [(0, 0.125), (3, 0.125 / 4), (6, 0.125 / 32), (6, 0.125 / 32)]
    assert [c.state for _, c in method.seen] == [None, *[{"n": 1}] * (len(method.seen) - 1)]


class Spying:
    """Before a method: what its `after` changes, update by update."""

    changes: ClassVar[list[Any]] = []

    def after(self, view: mp.View) -> Any:
        self.changes.append(change := super().after(view))  # type: ignore[misc]
        return change


class SpyingGates(Spying, mp.methods.AttentionGates):
    pass


class SpyingSoft(Spying, mp.methods.Soft):
    pass


def test_an_epoch_without_its_last_batch_is_shorter() -> None:
    """11 samples in batches of 4: 2 updates, so that two epochs end after 2 and 4."""
    how: dict[str, Any] = {"epochs": 2, "drop_last": True}
    _, history = fit(mp.methods.HardConcrete(), **how)
    assert len(history.extra["expected L0"]) == 2
    Spying.changes.clear()
    fit(SpyingGates(0.0, fine_tune=0.0, every=1), **how)
    assert [change.state["batches"] for change in Spying.changes] == [1, 2, 1, 2]
    Spying.changes.clear()
    fit(SpyingSoft(0.2, stop=1.0), **how)
    assert [change is not None for change in Spying.changes] == [False, True, False, True]


class Drawing(mp.Method):
    """Draws while it finishes, and ends as what it drew."""

    def finish(self, model: Model, extra: Any, ctx: mp.Context) -> Model:
        params = {k: ctx.rng.standard_normal(w.shape) for k, w in model.params.items()}
        return Model(model.net, params, model.buffers)

    def learned(self, model: Model, extra: Any, ctx: mp.Context) -> Arrays:
        return {"norm": np.array([np.linalg.norm(w) for w in model.params.values()])}


def test_finish_may_draw_and_changes_nothing() -> None:
    """It draws the same at each call, from a copy: the last epoch's model is the end's."""
    trained, history = fit(Drawing())
    plain, _ = fit()
    assert history.epochs["val_loss"][-1] == mp.evaluate(trained, small_data().val).loss
    norms = [np.linalg.norm(w) for w in plain.params.values()]
    assert history.extra["norm"].tolist() == norms  # of the model that finish was given


def test_what_was_learned_is_of_the_epoch_that_is_returned() -> None:
    """With patience, of the best one."""

    class Scripted(mp.Method):
        def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
            return model, {"w": np.zeros(1)}, None

        def after(self, view: mp.View) -> mp.Change:
            w = (3.0, 1.0, 2.0, 4.0)[view.ctx.step - 1]
            return mp.Change(params={"fc.weight": np.array([[w]])}, extra={"w": np.array([w])})

    how: dict[str, Any] = {"epochs": 4, "progress": False, "method": Scripted()}
    for patience, best in ((None, 4.0), (2, 1.0)):
        trained, history = mp.fit(one_weight(), one_sample(), patience=patience, **how)
        assert trained.params["fc.weight"] == history.extra["w"] == [best]


def old(**hooks: Callable[..., Any]) -> mp.Method:
    method: mp.Method = type("Old", (mp.Method,), hooks)()
    return method


SIGNATURES: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("start", lambda self, model, rng: None, "(model, ctx), not (model, rng)"),
    ("weights", lambda self, params, extra, state, rng: None,
     "(params, extra, ctx), not (params, extra, state, rng)"),
    ("penalty", lambda self, params, extra, state, step: None,
     "(params, extra, ctx), not (params, extra, state, step)"),
    ("finish", lambda self, model, extra, state: None,
     "(model, extra, ctx), not (model, extra, state)"),
)  # fmt: skip


@pytest.mark.parametrize(("hook", "fn", "text"), SIGNATURES, ids=[row[0] for row in SIGNATURES])
def test_hooks_of_0_1_0_are_refused_at_once(hook: str, fn: Callable[..., Any], text: str) -> None:
    for method in (old(**{hook: fn}), mp.methods.chain(Watching(), old(**{hook: fn}))):
        with pytest.raises(ArgumentError) as caught:
            fit(method)
        assert caught.value.args == (
            f"Old: {hook} must take {text}; since 0.2.0 hooks get ctx, which holds state, step and "
            f"rng",
        )


def test_underscores_before_a_parameter_are_no_other_name() -> None:
    fit(old(penalty=lambda self, _params, _extra, _ctx: None))


@dataclass(frozen=True)
class Wrong(mp.Method):
    """Returns what it is told to."""

    made: Any = None
    extra_lr: Mapping[str, float] = field(default_factory=dict)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, {"gate": np.ones(1)}, None

    def weights(self, params: Any, extra: Any, ctx: mp.Context) -> Any:
        return self.made(params) if self.made else params


class Turned(mp.Method):
    def layer(self, name: str, layer: Layer, x: Value, params: Any, extra: Any, ctx: Any) -> Any:
        return ag.transpose(x, axes=(1, 0)) if name == "tanh1" else None


class Infinite(mp.Method):
    def penalty(self, params: Any, extra: Any, ctx: mp.Context) -> Value:
        return ag.total(params["fc1.bias"]) + np.inf


class Noisy(mp.Method):
    def layer(self, name: str, layer: Layer, x: Value, params: Any, extra: Any, ctx: Any) -> Any:
        return x * np.nan if name == "tanh1" else None


MESSAGES: tuple[tuple[mp.Method, type[Exception], str], ...] = (
    (Wrong(extra_lr={"gat": 2.0}), ArgumentError,
     "Wrong: extra_lr must name extra arrays (gate), not 'gat'; rename it"),
    (Wrong(extra_lr={"gate": -1.0}), ArgumentError,
     "Wrong: extra_lr['gate'] must be a finite number of at least 0, not -1.0; pass "
     "extra_lr['gate']=1, for example"),
    (Wrong(lambda params: {k: w for k, w in params.items() if k != "fc1.bias"}), ArgumentError,
     "Wrong: weights must return every parameter and nothing else, and fc1.bias is absent; return "
     "params | {...}"),
    (Wrong(lambda params: params | {"fc3.bias": params["fc1.bias"]}), ArgumentError,
     "Wrong: weights must return every parameter and nothing else, and fc3.bias is none of them; "
     "return params | {...}"),
    (Turned(), ShapeError,
     "Turned: the output of tanh1 that layer gives must have the shape (5, 4), not (4, 5); "
     "reshape it, the batch last"),
    (Infinite(), NonFiniteError,
     "step 1: the penalty must be finite, not inf: the data loss is finite, at learning "
     "rate 0.125; lower the learning rate or check the data"),
    (Noisy(), NonFiniteError,
     "step 1: the loss must be finite, not nan: layer tanh1 gave 20 of 20 values that are "
     "not finite, at learning rate 0.125; lower the learning rate or check the data"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(method: mp.Method, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        fit(method)
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
