"""Constant parts are cut from the net: dead layers, dead branches, layers that are not read.

Long because each way out of a graph has its own small net here.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from randomnets import filled, models
from structures import LARGE, NETS, apart, thinned

import minprune as mp
from minprune.measures.cost import size
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.structure.cut import cut


def branched(*branch: Any, shape: tuple[int, ...] = (3,), after: str = "a") -> Net:
    """input, a, the branch `branch` beside it, their sum, fc."""
    rows = 4
    flat = len(shape) == 1
    first = mp.Dense(shape[0], rows, False) if flat else mp.Conv2d(shape[0], rows, 1, bias=False)
    layers: list[Any] = [("a", first), *branch, ("sum", mp.Add(), (branch[-1][0], after))]
    layers += [] if flat else [("p", mp.GlobalAvgPool())]
    return build(shape, [*layers, ("fc", mp.Dense(rows, 2))])


def dead(net: Net, *names: str, bias: bool = False) -> Model:
    """The net with the weights of these layers masked, and their biases if asked."""
    model = filled(net, 0)
    gone = [f"{n}.{kind}" for n in names for kind in (("weight", "bias") if bias else ("weight",))]
    return mp.with_masks(model, {n: np.zeros(net.params[n], bool) for n in gone if n in net.params})


def layers(model: Model) -> list[str]:
    return [n.name for n in model.net.nodes]


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_dead_layer_makes_a_constant_net(name: str) -> None:
    """The net becomes its remaining bias."""
    model = dead(NETS[name], "fc")
    small = mp.compact(model)
    assert layers(small) == (["pool", "fc"] if len(model.net.input_shape) == 3 else ["fc"])
    assert not small.params["fc.weight"].any()
    assert not small.masks["fc.weight"].any()
    assert np.array_equal(small.params["fc.bias"], model.params["fc.bias"])
    assert apart(model, small) == 0
    assert layers(mp.compact(small)) == layers(small)


def test_a_dead_layer_in_the_middle_too() -> None:
    model = dead(NETS["sigmoid"], "b")
    small = mp.compact(model)
    assert layers(small) == ["fc"]
    want = model.params["fc.weight"].sum(axis=1) / 2 + model.params["fc.bias"]
    assert np.allclose(small.params["fc.bias"], want, rtol=1e-14, atol=0)
    assert size(small).live == 2


def test_a_layer_called_pool_keeps_its_name() -> None:
    net = build((1, 2, 2), [("f", mp.Flatten()), ("pool", mp.Dense(4, 2))])
    small = mp.compact(dead(net, "pool"))
    assert layers(small) == ["pool_all", "pool"]


def test_inputs_of_two_axes_are_pooled_for_a_constant() -> None:
    layers_ = [("f", mp.Flatten()), ("a", mp.Dense(6, 3)), ("r", mp.ReLU()), ("fc", mp.Dense(3, 2))]
    model = dead(build((3, 2), layers_), "fc")
    small = mp.compact(model)
    assert layers(small) == ["pool", "fc"]
    assert small.params["fc.weight"].shape == (2, 3)
    assert apart(model, small) == 0


def test_a_dead_branch_that_adds_0_goes_without_trace() -> None:
    model = dead(branched(("b", mp.Dense(4, 4)), ("r", mp.ReLU())), "b", bias=True)
    small = mp.compact(model)
    assert layers(small) == ["a", "fc"]
    assert {n: s for n, s in small.net.params.items()} == {
        "a.weight": (4, 3), "fc.weight": (2, 4), "fc.bias": (2,),
    }  # fmt: skip
    assert all(np.array_equal(w, model.params[n]) for n, w in small.params.items())
    assert apart(model, small) == 0


def test_what_a_branch_adds_goes_into_the_bias_of_the_other() -> None:
    """Sigmoid(0) = 0.5 to each row; c is read by the sum alone, and had no bias."""
    net = branched(
        ("b", mp.Dense(4, 4, False)), ("r", mp.Sigmoid()), ("c", mp.Dense(4, 4, False), "a"),
        ("d", mp.Add(), ("r", "c")),
    )  # fmt: skip
    model = dead(net, "b")
    small = cut(model)
    assert layers(small) == ["a", "c", "sum", "fc"]
    assert small.params["c.bias"].tolist() == [0.5] * 4
    assert small.net.node("sum").inputs == ("c", "a")
    assert apart(model, small) <= LARGE
    assert apart(model, mp.compact(model)) <= LARGE


def test_a_masked_bias_that_takes_a_constant_up_is_live_again() -> None:
    net = branched(
        ("b", mp.Dense(4, 4, False)), ("r", mp.Sigmoid()), ("c", mp.Dense(4, 4), "a"),
        ("d", mp.Add(), ("r", "c")),
    )  # fmt: skip
    model = dead(net, "b")
    model = mp.with_masks(model, {"c.bias": np.zeros(4, bool)})
    small = mp.compact(model)
    assert "c.bias" not in small.masks
    assert small.params["c.bias"].tolist() == [0.5] * 4
    assert apart(model, small) <= LARGE


IMAGES = [("b", mp.Conv2d(4, 4, 1)), ("r", mp.Sigmoid())]


def test_where_no_bias_can_take_it_a_shift_stands_for_the_sum() -> None:
    """a is read by the branch's first layer and by the sum, through a ReLU: no bias is free."""
    net = branched(("u", mp.ReLU()), *IMAGES, shape=(2, 3, 3), after="u")
    model = dead(net, "b")
    small = mp.compact(model)
    assert layers(small) == ["a", "u", "sum", "p", "fc"]
    assert small.net.node("sum").layer == mp.Conv2d(4, 4, 1, groups=4)
    assert (small.params["sum.weight"] == 1).all()
    want = 1 / (1 + np.exp(-model.params["b.bias"]))
    assert np.allclose(small.params["sum.bias"], want, rtol=1e-14, atol=0)
    assert apart(model, small) <= LARGE
    assert size(small).parameters < size(model).parameters


def test_with_features_and_no_free_bias_the_sum_stays() -> None:
    """No layer with a bias makes the other branch, and Tanh reads the sum."""
    layers_ = [
        ("u", mp.ReLU()), ("b", mp.Dense(4, 4)), ("sum", mp.Add(), ("u", "b")),
        ("t", mp.Tanh()), ("fc", mp.Dense(4, 2)),
    ]  # fmt: skip
    net = build((4,), layers_)
    start = mp.initialise(net, seed=0, dtype=np.float64)
    start = replace(start, params=start.params | {"b.bias": np.ones(4)})
    model = mp.with_masks(start, {"b.weight": np.zeros((4, 4), bool)})
    small = mp.compact(model)
    assert "sum" in layers(small)
    assert apart(model, small) <= LARGE


def test_a_constant_that_is_not_even_stays() -> None:
    """A padded convolution of 0.5 is less at the edges than inside: no bias is that."""
    net = branched(*IMAGES, ("c", mp.Conv2d(4, 4, 3, padding=1)), shape=(2, 3, 3))
    model = dead(net, "b")
    small = mp.compact(model)
    assert {"b", "c", "sum"} <= set(layers(small))
    assert apart(model, small) <= LARGE


def test_both_sides_of_a_sum_may_be_dead() -> None:
    model = dead(branched(*IMAGES, shape=(2, 3, 3)), "a", "b")
    small = mp.compact(model)
    assert layers(small) == ["pool", "fc"]
    assert apart(model, small) <= LARGE


def test_what_nobody_reads_goes() -> None:
    net = build((2,), [
        ("a", mp.Dense(2, 3)), ("side", mp.Dense(3, 4)), ("bn", mp.BatchNorm(4)),
        ("fc", mp.Dense(3, 2), "a"),
    ])  # fmt: skip
    model = filled(net, 0)
    small = mp.compact(model)
    assert layers(small) == ["a", "fc"]
    assert small.buffers == {}
    assert apart(model, small) == 0
    assert apart(thinned(model, 0.5), mp.compact(thinned(model, 0.5))) <= LARGE


def test_resnet_small_without_its_first_block() -> None:
    """Behind the dead convolutions, BatchNorm's beta is left: the trunk's ReLU cannot take it."""
    model = filled(mp.zoo.resnet_small(((1, 8, 8), 3), width=4).net, 0)
    masks = {n: np.zeros(model.net.params[n], bool) for n in
             ("block1_conv1.weight", "block1_conv2.weight")}  # fmt: skip
    model = mp.with_masks(model, masks)
    small = mp.compact(model)
    gone = set(layers(model)) - set(layers(small))
    assert gone == {"block1_conv1", "block1_conv1_bn", "block1_relu1", "block1_conv2",
                    "block1_conv2_bn"}  # fmt: skip
    assert small.net.node("block1_sum").layer == mp.Conv2d(4, 4, 1, groups=4)
    assert apart(model, small) <= LARGE


@given(model=models(most=8), share=st.sampled_from([0.8, 0.95, 1.0]), seed=st.integers(0, 99))
def test_cut_keeps_the_function_and_leaves_no_layer_unread(
    model: Model, share: float, seed: int
) -> None:
    masked = thinned(model, share, seed, minimum=0, unit=False)
    small = cut(masked)
    assert apart(masked, small) <= LARGE
    assert all(small.net.readers[n.name] for n in small.net.nodes[:-1])
    again = cut(small)
    assert again.net == small.net
    assert apart(small, replace(again, masks={})) == 0


@pytest.mark.parametrize("shortcut", ["a", "t", "input"])
def test_a_constant_branch_of_a_last_sum(shortcut: str) -> None:
    """The sum was the output: what it leaves must be the output, not the branch that went."""
    layers = [
        ("a", mp.Dense(3, 3)), ("r", mp.ReLU()), ("t", mp.Dense(3, 3)),
        ("b", mp.Dense(3, 3), "input"), ("s", mp.Add(), (shortcut, "b")),
    ]  # fmt: skip
    model = mp.initialise(mp.build((3,), layers, "mse"), seed=0, dtype=np.float64)
    params = model.params | {"b.bias": np.array([1.0, 2.0, 3.0])}
    dead = {"b.weight": np.zeros((3, 3), bool)}
    masked = mp.with_masks(mp.Model(model.net, params), dead)
    x = np.random.default_rng(0).standard_normal((5, 3))
    small = mp.compact(masked)
    assert np.abs(small(x) - masked(x)).max() < 1e-12
    assert len(small.net.nodes) <= (3 if shortcut == "t" else 2)


def test_a_sum_of_nothing_and_the_input_stays() -> None:
    """Without it the net would have no layer."""
    model = dead(build((3,), [("b", mp.Dense(3, 3)), ("s", mp.Add(), ("b", "input"))]), "b",
                 bias=True)  # fmt: skip
    small = mp.compact(model)
    assert layers(small) == ["b", "s"]
    assert apart(model, small) == 0


@pytest.mark.parametrize("bias", [True, False])
def test_one_of_three_branches_goes_from_a_sum(bias: bool) -> None:
    """sigmoid(b.bias) goes into the bias of c, 0 goes without trace."""
    net = build((3,), [
        ("a", mp.Dense(3, 4)), ("b", mp.Dense(4, 4)), ("t", mp.Sigmoid() if bias else mp.ReLU()),
        ("c", mp.Dense(4, 4, False), "a"), ("s", mp.Add(), ("t", "c", "a")), ("fc", mp.Dense(4, 2)),
    ])  # fmt: skip
    model = dead(net, "b", bias=not bias)
    small = mp.compact(model)
    assert layers(small) == ["a", "c", "s", "fc"]
    assert small.net.node("s").inputs == ("c", "a")
    assert ("c.bias" in small.params) == bias
    assert apart(model, small) <= LARGE


@pytest.mark.parametrize("bias", [True, False])
def test_a_constant_dense_branch_goes_into_the_readers(bias: bool) -> None:
    """t2 is sigmoid(c.bias) whatever the input; r is no layer with a bias, so fc takes it."""
    layers = [
        ("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("b", mp.Dense(4, 5)), ("t", mp.Sigmoid()),
        ("c", mp.Dense(5, 4)), ("t2", mp.Sigmoid()), ("s", mp.Add(), ("t2", "r")),
        ("fc", mp.Dense(4, 2, bias=bias)),
    ]  # fmt: skip
    model = mp.initialise(mp.build((3,), layers), seed=0, dtype=np.float64)
    masked = mp.with_masks(model, {"c.weight": np.zeros((4, 5), bool)})
    x = np.random.default_rng(0).standard_normal((5, 3))
    small = mp.compact(masked)
    assert np.abs(small(x) - masked(x)).max() < 1e-12
    assert [n.name for n in small.net.nodes] == ["a", "r", "fc"]
