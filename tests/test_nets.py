"""Nets and models as a whole: gradients, fused runs, running statistics, what a net refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from differences import STEP, UNIT
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from randomnets import ALSO, batch, filled, last, models, nets

import minprune as mp
from minprune import kernels
from minprune.autograd import Tensor, Value, grad, value
from minprune.core import Array, Arrays
from minprune.nets.activation_layers import LeakyReLU, ReLU
from minprune.nets.layer import ForwardContext
from minprune.nets.model import CHUNK, Model, batch_last, loss_of, run
from minprune.nets.net import Net
from minprune.nets.pooling import MaxPool
from minprune.nets.registry import LAYERS

QUIET = settings(derandomize=True, database=None, phases=[Phase.generate], max_examples=1000)


def forward(
    model: Model, p: dict[str, Any], x: Array, y: Array, train: bool, watch: Any = None
) -> Value:
    """The loss; the same dropout at each call."""
    how = ForwardContext(train=train, rng=np.random.default_rng(3))
    out = run(model.net, model.buffers | p, batch_last(x, model.dtype), how, watch)
    return loss_of(model.net, out, y)


def gates(model: Model, p: Arrays, x: Array, y: Array, train: bool) -> list[Array]:
    """Which side of each kink the run is on: the signs before ReLU, the places of maxima."""
    seen: dict[str, Array] = {"input": batch_last(x, model.dtype)}
    forward(model, p, x, y, train, lambda name, out: seen.update({name: value(out)}))
    found = []
    for name, layer, reads in model.net.nodes:
        if isinstance(layer, ReLU | LeakyReLU):
            found.append(seen[name] > 0)
        elif isinstance(layer, MaxPool):
            x, at = seen[reads[0]], (layer.kernel, layer.stride, layer.padding)
            if x.ndim == 3:  # a sequence is an image of height 1
                x, at = x[:, None], tuple((k, s[1]) for k, s in zip((1, 1, 0), at, strict=True))  # type: ignore[index]
            found.append(kernels.max_pool(x, *at)[1])  # type: ignore[arg-type]
    return found


def slope(model: Model, name: str, x: Array, y: Array, train: bool) -> tuple[Array, float, float]:
    """(v, dL/dt, bound) at w + t v, for a random direction v in the parameter `name`

    Central differences at h and 2h; what they differ by bounds the truncation three times over.
    """
    w = model.params[name]
    v = np.random.default_rng(len(name)).standard_normal(w.shape)

    def moved(t: float) -> Arrays:
        return model.params | {name: w + t * v}

    here = gates(model, model.params, x, y, train)
    for t in (2 * STEP, -2 * STEP):  # no derivative where a kink lies between
        there = gates(model, moved(t), x, y, train)
        assume(all(np.array_equal(a, b) for a, b in zip(here, there, strict=True)))
    up, down, up2, down2 = (
        float(forward(model, moved(t), x, y, train)) for t in (STEP, -STEP, 2 * STEP, -2 * STEP)
    )
    near, far = (up - down) / (2 * STEP), (up2 - down2) / (4 * STEP)
    size = max(map(abs, (up, down, up2, down2))) + 1
    return v, near, abs(near - far) + 512 * UNIT * size / STEP


def gradients(model: Model, x: Array, y: Array, train: bool) -> Arrays:
    leaves = {name: Tensor(w) for name, w in model.params.items()}
    grads = grad(forward(model, leaves, x, y, train), list(leaves.values()))
    return dict(zip(leaves, grads, strict=True))


def is_the_slope(f: Callable[..., Arrays], model: Model, n: int, train: bool) -> bool:
    x, y = batch(model, n)
    grads = f(model, x, y, train)
    for name in model.params:
        v, want, bound = slope(model, name, x, y, train)
        if abs(float((grads[name] * v).sum()) - want) > bound:
            return False
    return True


cases = st.tuples(models(also=ALSO), st.integers(2, 4), st.booleans())


@settings(max_examples=settings().max_examples // 2)
@given(case=cases)
def test_the_gradient_of_a_net_is_its_slope(case: tuple[Model, int, bool]) -> None:
    assert is_the_slope(gradients, *case)


WRONG: dict[str, Callable[..., Arrays]] = {
    "running statistics in training": lambda model, x, y, train: gradients(model, x, y, False),
    "sum over samples for the mean": lambda model, x, y, train: {
        k: len(x) * g for k, g in gradients(model, x, y, train).items()
    },
    "half the squared error": lambda model, x, y, train: {
        k: g / (2 if model.net.loss == "mse" else 1)
        for k, g in gradients(model, x, y, train).items()
    },
    "no bias": lambda model, x, y, train: {
        k: g * (g.ndim > 1) for k, g in gradients(model, x, y, train).items()
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_the_gradient_law_rejects(name: str) -> None:
    find(cases, lambda case: not is_the_slope(WRONG[name], *case), settings=QUIET)


@given(model=models(also=ALSO), train=st.booleans())
def test_a_watched_run_gives_the_fused_result(model: Model, train: bool) -> None:
    x, y = batch(model, 3)
    seen: list[str] = []
    fused = forward(model, model.params, x, y, train)
    plain = forward(model, model.params, x, y, train, lambda name, out: seen.append(name))
    assert fused == plain  # to the bit: the same operations in the same order
    assert seen == [node.name for node in model.net.nodes]


def test_an_output_that_others_read_too_is_not_fused_away() -> None:
    """z = 2 x - 1, y = relu(z) + z: the sum reads z before and after the activation."""
    layers = [("z", mp.Dense(1, 1)), ("relu", mp.ReLU()), ("sum", mp.Add(), ("relu", "z"))]
    net = mp.build((1,), layers, "mse")
    model = Model(net, {"z.weight": np.array([[2.0]]), "z.bias": np.array([-1.0])})
    assert model(np.array([[3.0], [-1.0]])).tolist() == [[10.0], [-3.0]]
    assert net.fused == {}
    assert mp.zoo.monk().net.fused.keys() == {"fc1", "fc2"}


@given(model=models(also=ALSO), n=st.integers(0, 3))
def test_outputs_are_batch_first_and_contiguous(model: Model, n: int) -> None:
    got = model(batch(model, n)[0])
    assert got.shape == (n, *last(model.net))
    assert got.dtype == np.float64
    assert got.flags.c_contiguous


def keeps_samples_apart(call: Callable[[Model, Array], Array], model: Model) -> bool:
    """Another first sample changes no other output, to the bit."""
    x, _ = batch(model, 3)
    other = np.concatenate([x[:1] + 1, x[1:]])
    return np.array_equal(call(model, x)[1:], call(model, other)[1:])


def in_training(model: Model, x: Array) -> Array:
    how = ForwardContext(train=True, rng=np.random.default_rng(3))
    return run(model.net, model.params | model.buffers, batch_last(x, model.dtype), how).T


@given(model=models(also=ALSO))
def test_samples_do_not_meet_in_evaluation(model: Model) -> None:
    assert keeps_samples_apart(Model.__call__, model)


def test_the_law_of_samples_rejects_training_mode() -> None:
    find(models(), lambda model: not keeps_samples_apart(in_training, model), settings=QUIET)


def test_large_inputs_go_through_in_chunks() -> None:
    model = filled(mp.build((2,), [("fc", mp.Dense(2, 3))]), 0)
    x, _ = batch(model, 2 * CHUNK + 5)
    parts = [model(x[i : i + CHUNK]) for i in (0, CHUNK, 2 * CHUNK)]
    assert np.array_equal(model(x), np.concatenate(parts))


@pytest.mark.parametrize("kind", LAYERS)
def test_the_random_nets_have_every_kind_of_layer(kind: str) -> None:
    def has(net: Net) -> bool:
        return any(type(node.layer).__name__ == kind for node in net.nodes)

    find(nets(also=ALSO), has, settings=QUIET)
    if kind not in ("Dense", "Flatten"):
        with pytest.raises(NoSuchExample):
            find(nets(without=(kind,), also=ALSO), has, settings=settings(QUIET, max_examples=50))
