"""A lowered model: program(model)(x) = model(x) for nets of every layer, within rounding."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from deploy_bounds import bound
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import ALSO, batch, models

import minprune as mp
from minprune.deploy import lowers, program
from minprune.deploy import steps as kinds
from minprune.deploy.program import RULES
from minprune.nets.activation_layers import GELU
from minprune.nets.layer import Layer
from minprune.nets.registry import LAYERS

ZOO = ("mlp", "lenet_5", "cnn_small", "conv_4", "resnet_small")


def masked(model: mp.Model, sparsity: float, seed: int = 0) -> mp.Model:
    """The model with random masks, the values of masked entries as they were."""
    rng = np.random.default_rng(seed)
    masks = {k: rng.random(model.net.params[k]) >= sparsity for k in model.net.weights}
    return replace(model, masks=masks)


def apart(model: mp.Model, x: Any) -> float:
    """|program - model| / the bound, the largest over all outputs"""
    made = program(model)
    unit = np.finfo(model.dtype).eps / 2
    held = replace(model, params={k: a * model.masks.get(k, True) for k, a in model.params.items()})
    gap = abs(made(x).astype(np.float64) - held(x))
    return float(np.max(gap / (2 * bound(made, x, unit) + np.finfo(np.float32).tiny)))


@settings(max_examples=30)
@given(models(also=ALSO), st.integers(0, 99), st.sampled_from([0.0, 0.5, 0.9]))
def test_the_steps_compute_what_the_model_does(model: mp.Model, seed: int, sparsity: float) -> None:
    assert apart(masked(model, sparsity, seed), batch(model, 3, seed)[0]) <= 1


@pytest.mark.parametrize("name", ZOO)
def test_nets_of_the_zoo(name: str) -> None:
    model = masked(getattr(mp.zoo, name)(((3, 16, 16), 10)), 0.5)
    rng = np.random.default_rng(0)
    moved = {k: (a + rng.random(a.shape)).astype("f") for k, a in model.buffers.items()}
    assert apart(replace(model, buffers=moved), rng.standard_normal((2, 3, 16, 16))) <= 1


def test_a_program_that_forgets_the_masks_is_outside_the_bound() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,))
    x = np.ones((2, 4), np.float32)
    dense, sparse = program(model), program(masked(model, 0.5))
    assert (abs(dense(x) - sparse(x)) > 100 * bound(dense, x, 2.0**-24)).any()


def test_sparse_models_are_lowered_with_their_places() -> None:
    model = masked(mp.zoo.cnn_small(((1, 8, 8), 10)), 0.8)
    made = program(mp.sparsify(model, "csr"))
    for step in (s for s in made.steps if isinstance(s, kinds.Mixing)):
        assert (step.live == model.masks[f"{step.name}.weight"]).all()
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    assert (made(x) == program(model)(x)).all()


def test_constants_and_activations_go_into_the_step_before_where_nothing_else_reads_it() -> None:
    names = [(s.name, type(s).__name__, getattr(s, "act", "")) for s in
             program(mp.zoo.resnet_small(((1, 8, 8), 10), 4)).steps]  # fmt: skip
    assert names[:4] == [
        ("stem", "Convolve", "relu"), ("block1_conv1", "Convolve", "relu"),
        ("block1_conv2", "Convolve", "none"), ("block1_sum", "Sum", "relu"),
    ]  # fmt: skip
    net = mp.build((3,), [("fc", mp.Dense(3, 3)), ("bn", mp.BatchNorm(3)),
                          ("sum", mp.Add(), ("fc", "bn"))], loss="mse")  # fmt: skip
    kept = program(mp.initialise(net)).steps
    assert [type(s).__name__ for s in kept] == ["Linear", "Scale", "Sum"]


def test_last_use_says_when_a_value_is_free() -> None:
    net = mp.build((3,), [("a", mp.Dense(3, 3)), ("b", mp.Dense(3, 3)),
                          ("sum", mp.Add(), ("a", "b"))], loss="mse")  # fmt: skip
    assert program(mp.initialise(net)).last_use == (1, 3, 3, 4)


def test_layers_that_no_output_needs_are_left_out() -> None:
    net = mp.build((3,), [("a", mp.Dense(3, 9)), ("b", mp.Dense(3, 2), "input")], loss="mse")
    assert [s.name for s in program(mp.initialise(net)).steps] == ["b"]


def test_both_forms_of_gelu() -> None:
    for how in ("none", "tanh"):
        net = mp.build((3,), [("fc", mp.Dense(3, 3)), ("act", GELU(how))], loss="mse")
        assert apart(mp.initialise(net), np.linspace(-3, 3, 12).reshape(4, 3)) <= 1


def test_every_layer_has_a_rule() -> None:
    assert set(LAYERS.values()) <= set(RULES)


@dataclass(frozen=True)
class Twice(Layer):
    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return xs[0] + xs[0]


def test_an_unknown_layer_is_refused_until_it_has_a_rule() -> None:
    net = mp.build((3,), [("twice", Twice())], loss="mse")
    model = mp.initialise(net)
    with pytest.raises(mp.errors.ArgumentError) as error:
        program(model, "export_c")
    assert str(error.value) == (
        "export_c: twice: Twice must have a rule that lowers it, and has none; register one with "
        "minprune.deploy.lowers"
    )
    lowers(Twice)(lambda layer, site: site.add(kinds.Sum, reads=site.reads * 2))
    try:
        assert program(model)(np.ones((1, 3))).tolist() == [[2, 2, 2]]
    finally:
        del RULES[Twice]


def test_weights_that_are_not_finite_are_refused() -> None:
    model = mp.zoo.mlp(((2,), 2), ())
    model.params["fc1.weight"][0] = np.nan
    with pytest.raises(mp.errors.ArgumentError) as error:
        program(model)
    assert str(error.value) == (
        "program: fc1.weight must be finite, but has 2 of 4 entries that are not; train the model "
        "again with a smaller lr"
    )
