"""fit(freeze=): the frozen keep their bits, and the rest trains as if they were constants."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watching import half_masked, same, small_data, small_net

import minprune as mp
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Layer, Params, Shape
from minprune.nets.model import Model
from minprune.train import step
from minprune.train.freezing import Frozen

DATA = small_data()
LAYERS = ("conv1", "bn1", "conv2", "fc1", "fc2")
OPTIMIZERS = (
    mp.SGD(0.1, momentum=0.9, weight_decay=0.1), mp.SGD(0.1, 0.9, nesterov=True),
    mp.Adam(0.05, weight_decay=0.1), mp.AdamW(0.05, weight_decay=0.5),
)  # fmt: skip
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}


@dataclass(frozen=True, eq=False)
class Constant(Layer):
    """A layer whose arrays are constants of it, in evaluation mode."""

    inner: Layer
    arrays: Mapping[str, Array]
    bends = False

    @property
    def fuses(self) -> bool:  # type: ignore[override]
        return self.inner.fuses

    def out_shape(self, *shapes: Shape) -> Shape:
        return self.inner.out_shape(*shapes)

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return self.inner.apply(self.arrays, xs, ForwardContext(), act)


def moved(model: Model) -> Model:
    """With running statistics, gamma and beta that say something."""
    rng = np.random.default_rng(3)
    new = {k: rng.uniform(0.5, 2, a.shape) for k, a in model.buffers.items()}
    return replace(model, buffers=new)


def constants(model: Model, frozen: list[str]) -> Model:
    arrays = model.params | model.buffers
    nodes = tuple(
        n._replace(layer=Constant(n.layer, n.layer.own(n.name, arrays))) if n.name in frozen else n
        for n in model.net.nodes
    )
    net = replace(model.net, nodes=nodes)

    def of(there: Arrays, names: Any) -> Arrays:
        return {k: a for k, a in there.items() if k in names}

    masks = of(model.masks, net.params)
    return Model(net, of(model.params, net.params), of(model.buffers, net.buffers), masks)


def holds(names: list[str], optimizer: Any, masked: bool, dropout: float) -> bool:
    model = moved(small_net(dropout))
    model = half_masked(model) if masked else model
    how = HOW | {"optimizer": optimizer}
    found, history = mp.fit(model, DATA, freeze=names, **how)
    want, other = mp.fit(constants(model, names), DATA, **how)
    first, last = (m.params | m.buffers for m in (model, found))
    rest = want.params | want.buffers
    right = {k: rest.get(k, a) for k, a in first.items()}
    return history.steps["loss"] == other.steps["loss"] and all(
        np.array_equal(last[k], a) for k, a in right.items()
    )


some = st.lists(st.sampled_from(LAYERS), unique=True, max_size=4)


@settings(max_examples=25)
@given(some, st.sampled_from(OPTIMIZERS), st.booleans(), st.sampled_from([0.0, 0.5]))
def test_the_rest_trains_as_if_the_frozen_were_constants(
    names: list[str], optimizer: Any, masked: bool, dropout: float
) -> None:
    assert holds(names, optimizer, masked, dropout)


WRONG = {
    "statistics of the batch": lambda f: Frozen(f.names, frozenset()),
    "statistics that move": lambda f: Frozen(
        frozenset(k for k in f.names if "running" not in k), frozenset()
    ),
    "gamma and beta that move": lambda f: Frozen(frozenset(), f.layers),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_rejects(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = step.frozen
    monkeypatch.setattr(step, "frozen", lambda *args: WRONG[name](real(*args)))
    assert not all(holds(["bn1"], optimizer, False, 0.0) for optimizer in OPTIMIZERS)


def test_a_zero_gradient_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weight decay moves what has no gradient."""
    real = step.grad
    monkeypatch.setattr(step, "frozen", lambda *args: Frozen())

    def grad(loss: Any, wrt: list[Any], **how: Any) -> list[Array]:
        return [g * (g.shape != (5, 12)) for g in real(loss, wrt, **how)]

    monkeypatch.setattr(step, "grad", grad)
    assert not holds(["fc1"], OPTIMIZERS[0], False, 0.0)


def test_freezing_nothing_changes_nothing() -> None:
    assert same(mp.fit(small_net(), DATA, freeze=[], **HOW)[0], mp.fit(small_net(), DATA, **HOW)[0])


@pytest.mark.parametrize(
    ("freeze", "held"),
    [
        ("bn*", {"bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"}),
        ("bn1.running_mean", {"bn1.running_mean", "bn1.running_var"}),
        (("bn1.weight", "fc2.bias"), {"bn1.weight", "fc2.bias"}),
        ("conv?", {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"}),
    ],
)
def test_what_names_mean(freeze: Any, held: set[str]) -> None:
    model = moved(small_net())
    found, _ = mp.fit(model, DATA, freeze=freeze, **HOW)
    first, last = (m.params | m.buffers for m in (model, found))
    assert {k for k, a in first.items() if np.array_equal(a, last[k])} == held


def test_a_methods_own_layers_run_in_evaluation_mode_too() -> None:
    class Same(mp.Method):
        def layer(self, name: str, layer: Any, x: Any, params: Any, extra: Any, ctx: Any) -> Any:
            return layer.apply(layer.own(name, params), [x], ctx.forward) if name == "bn1" else None

    model, how = moved(small_net()), HOW | {"freeze": "bn1"}
    own, plain = mp.fit(model, DATA, method=Same(), **how)[0], mp.fit(model, DATA, **how)[0]
    for k, w in plain.params.items():
        np.testing.assert_allclose(own.params[k], w, rtol=1e-9, atol=1e-12)


def test_l1_leaves_the_frozen_alone() -> None:
    model = small_net()
    found, _ = mp.fit(model, DATA, freeze="fc1", method=mp.methods.L1(1.0), **HOW)
    assert np.array_equal(found.params["fc1.weight"], model.params["fc1.weight"])
    assert np.count_nonzero(found.params["fc2.weight"]) < 15


def test_frozen_batchnorm_takes_a_batch_of_one() -> None:
    net = mp.build(
        (2,), [("fc1", mp.Dense(2, 3)), ("bn", mp.BatchNorm(3)), ("fc2", mp.Dense(3, 2))]
    )
    model, part = mp.initialise(net, dtype=np.float64), (np.ones((3, 2)), np.array([0, 1, 1]))
    data = mp.Dataset(part, part, part)
    how: dict[str, Any] = {"epochs": 1, "batch_size": 1, "progress": False}
    mp.fit(model, data, freeze="bn", **how)
    with pytest.raises(ArgumentError, match="bn: a batch must have at least 2 samples"):
        mp.fit(model, data, **how)


ALL = ", ".join([*small_net().net.params, *small_net().net.buffers])
NEEDS = "must be a layer that has parameters, a parameter, or a pattern of either, of this net"


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"freeze": "bn1.weigth"}, f"fit: freeze: 'bn1.weigth' {NEEDS} (did you mean bn1.weight?); "
         f"choose among {ALL}"),
        ({"freeze": ["fc1", "relu1"]}, f"fit: freeze: 'relu1' {NEEDS}; choose among {ALL}"),
        ({"freeze": None}, f"fit: freeze: None {NEEDS}; choose among {ALL}"),
        ({"freeze": "*"}, "fit: freeze must leave something to train, and names all layers; leave "
         "one out"),
        ({"freeze": "fc1", "method": mp.methods.Gradual(lambda t: min(t / 8, 0.5))},
         "fc1.weight: Gradual must not prune or move what is frozen; leave fc1 out of freeze"),
        ({"freeze": "fc1", "method": mp.methods.TargetedDropout(0.5)},
         "fc1.weight: TargetedDropout must not prune or move what is frozen; leave fc1 out of "
         "freeze"),
    ],
)  # fmt: skip
def test_messages(how: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.fit(small_net(), DATA, **HOW | how)
    assert caught.value.args == (text,)


def test_a_checkpoint_says_what_was_frozen(tmp_path: Any) -> None:
    how = HOW | {"checkpoint": tmp_path / "fit.npz"}
    mp.fit(small_net(), DATA, freeze="bn*", **how)
    mp.fit(small_net(), DATA, freeze=["bn1"], **how)  # the same
    with pytest.raises(ArgumentError, match="it was made with freeze "):
        mp.fit(small_net(), DATA, **how)
