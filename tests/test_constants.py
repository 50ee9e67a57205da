"""What is constant and what is needed: by hand, against runs of changed nets, and the plan."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled
from selection import SEARCH
from structures import LARGE, NETS, apart, structured, thinned

import minprune as mp
from minprune.core import Array
from minprune.nets.model import Model, batch_last, run
from minprune.nets.net import Net
from minprune.structure import constants as module
from minprune.structure import plan
from minprune.structure.constants import Sweeps, sweep
from minprune.structure.plan import Stay

TWO = mp.build((2,), [
    ("a", mp.Dense(2, 3)), ("r", mp.Sigmoid()), ("b", mp.Dense(3, 2)), ("t", mp.ReLU()),
    ("fc", mp.Dense(2, 1)),
], "mse")  # fmt: skip


def holding(net: Net, **arrays: list[object]) -> Model:
    """A model of the net with these weights ("a") and biases ("a_bias"); ones elsewhere."""
    params = {n: np.ones(shape) for n, shape in net.params.items()}
    for key, value in arrays.items():
        layer, _, kind = key.partition("_")
        params[f"{layer}.{kind or 'weight'}"] = np.array(value, float)
    buffers = {n: np.ones(shape) for n, shape in net.buffers.items()}
    return Model(net, params, buffers)


def test_both_sweeps_by_hand() -> None:
    """a1 reads nothing, so it is 0.5; nobody reads b1, so nobody needs a2."""
    model = holding(
        TWO, a=[[1, 0], [0, 0], [0, 2]], a_bias=[1, 0, 1], b=[[1, 4, 0], [0, 0, 3]], fc=[[1, 0]]
    )
    found = sweep(model)
    assert {n: rows.tolist() for n, rows in found.needed.items()} == {
        "a.weight": [True, False, False], "a.bias": [True, False, False],
        "b.weight": [True, False], "b.bias": [True, False],
        "fc.weight": [True], "fc.bias": [True],
    }  # fmt: skip
    (fold,) = found.folds
    assert (fold.reader, fold.rows.tolist(), fold.bias.tolist(), fold.groups) == (
        "b.weight", [False, True, False], [4 * 0.5, 0], 1,
    )  # fmt: skip
    assert found.whole == {}
    assert found.stuck == {}
    assert {n: g.tolist() for n, g in plan(model).gone.items()} == {
        "a.weight": [False, True, True], "b.weight": [False, True],
    }  # fmt: skip


def test_what_is_constant_altogether_by_hand() -> None:
    model = holding(TWO, a=[[0, 0]] * 3, a_bias=[0, 0, 0], b=[[2, 2, 2], [-1, 0, 0]])
    whole = {n: value.tolist() for n, value in sweep(model).whole.items()}
    assert whole == {"a": [0] * 3, "r": [0.5] * 3, "b": [4, 0.5], "t": [4, 0.5], "fc": [5.5]}


def test_a_constant_before_padding_stays_and_the_plan_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """0.5 everywhere inside, 0 beyond the edge: no bias is that; 0 is, behind a ReLU."""
    model = filled(NETS["padded"], 0)
    params = {n: w.copy() for n, w in model.params.items()}
    params["a.weight"][1] = params["a.bias"][1] = 0
    model = replace(model, params=params)
    found = plan(model)
    assert {n: s.tolist() for n, s in found.sweeps.stuck.items()} == {
        "b.weight": [False, True, False]
    }
    assert not found.gone["a.weight"].any()
    monkeypatch.setenv("COLUMNS", "160")
    assert str(found) == PLAN
    assert mp.compact(model).net == model.net
    params["b.weight"][:, 1] = 0
    assert plan(replace(model, params=params)).gone["a.weight"].tolist() == [False, True, False]


PLAN = """\
group            units  go  stay  why others stay
---------------  -----  --  ----  ---------------------------------------------------------------------------------------
a.weight             3   0     3  1 constant: b.weight reads them unevenly (zero padding), so they cannot be folded there
b.weight             4   0     4  -
fc.weight            2   0     2  it is the net's output
the net's input      1   0     1  it is the net's input
constants folded into: none
layers that are constant altogether: none"""  # noqa: E501


def test_padding_further_up_makes_a_constant_uneven_too() -> None:
    """b0 reads a0 alone, which is constant, through padding; c pads nothing and cannot fold b0."""
    net = mp.build((1, 5, 5), [
        ("a", mp.Conv2d(1, 2, 1)), ("r", mp.Sigmoid()), ("b", mp.Conv2d(2, 2, 3, padding=1)),
        ("t", mp.Sigmoid()), ("c", mp.Conv2d(2, 2, 2)), ("p", mp.GlobalAvgPool()),
    ])  # fmt: skip
    model = filled(net, 0)
    masks = {n: np.ones(net.params[n], bool) for n in ("a.weight", "b.weight")}
    masks["a.weight"][0] = masks["b.weight"][0, 1] = False
    model = mp.with_masks(model, masks)
    assert {n: s.tolist() for n, s in sweep(model).stuck.items()} == {
        "b.weight": [True, False], "c.weight": [True, False],
    }  # fmt: skip
    assert "1 constant: c.weight reads them unevenly (zero padding)" in str(plan(model))
    assert apart(model, mp.compact(model)) <= LARGE


def test_a_scale_of_0_makes_a_constant() -> None:
    """gamma 0: the channel is beta, whatever comes in; it is folded into the dense layer."""
    model = filled(NETS["batchnorm"], 0)
    gamma = model.params["a_bn.weight"].copy()
    gamma[2] = 0
    model = replace(model, params=model.params | {"a_bn.weight": gamma})
    found = plan(model)
    assert found.gone["a.weight"].tolist() == [False, False, True, False]
    level = max(model.params["a_bn.bias"][2], 0)
    want = model.params["fc.bias"] + level * model.params["fc.weight"][:, 2]
    assert np.allclose(mp.compact(model).params["fc.bias"], want, rtol=1e-15, atol=0)


def test_a_constant_unit_that_stays_is_not_read_any_more() -> None:
    """A depthwise layer's channels are tied to the input: none goes, and one may be constant."""
    net = mp.build((2, 3, 3), [
        ("d", mp.Conv2d(2, 2, 3, groups=2)), ("r", mp.Sigmoid()), ("f", mp.Flatten()),
        ("fc", mp.Dense(2, 2)),
    ])  # fmt: skip
    mask = np.ones((2, 1, 3, 3), bool)
    mask[0] = False
    model = mp.with_masks(filled(net, 0), {"d.weight": mask})
    small = mp.compact(model)
    assert apart(model, small) <= LARGE
    assert not small.params["fc.weight"][:, 0].any()


def test_no_bias_is_made_for_units_that_go() -> None:
    """Unit 1 of a is constant, and only unit 2 of b reads it, which nothing reads."""
    masks = {n: np.ones(s, bool) for n, s in NETS["sigmoid"].params.items() if n.endswith("weight")}
    masks["a.weight"][1] = masks["b.weight"][:2, 1] = masks["fc.weight"][:, 2] = False
    model = mp.with_masks(filled(NETS["sigmoid"], 0), masks)
    small = mp.compact(model)
    assert small.net.params["b.weight"] == (2, 3)
    assert "b.bias" not in small.params
    assert apart(model, small) <= LARGE


def test_what_goes_and_stays_in_the_text_of_a_plan() -> None:
    net = mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("fc", mp.Dense(4, 2))])
    model = mp.prune(filled(net, 0), {"a.weight": np.arange(4.0)}, sparsity=0.25)
    assert str(plan(model)).splitlines()[2] == "a.weight             4   1     3  -"


def test_a_layer_keeps_a_unit_and_the_plan_says_so() -> None:
    net = mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("fc", mp.Dense(4, 2))])
    found = plan(thinned(filled(net, 0), 1, minimum=0))
    assert found.gone["a.weight"].tolist() == [False, True, True, True]
    assert Stay("a.weight", 1, "a layer has at least one unit") in found.stays
    model = thinned(filled(NETS["branch"], 0), 1, minimum=0)
    assert "a layer has at least one unit" in str(plan(model))
    assert str(plan(model)).endswith("layers that are constant altogether: a, r, b, t, sum, fc")
    assert not plan(model).empty


# --- the sweeps say what runs of the net show


def outputs(model: Model, x: Array) -> dict[str, Array]:
    seen: dict[str, Array] = {}
    run(model.net, model.params | model.buffers, batch_last(x, model.dtype),
        watch=lambda name, out: seen.update({name: out}))  # fmt: skip
    return seen


def says_what_is_constant(fn: Callable[[Model], Sweeps], model: Model) -> bool:
    """A layer in `whole` puts out those values for any input, and one that never varies is there

    As far as exact zeros make it so: random numbers do not cancel, but ReLU can be shut for all of
    the inputs that are tried, so the second half is asked of layers before the first activation.
    """
    rng = np.random.default_rng(0)
    x = 3 * rng.standard_normal((4, *model.net.input_shape))
    seen, found = outputs(model, x), fn(model).whole
    told = all(
        np.allclose(seen[n], value[..., None], rtol=0, atol=1e-12) for n, value in found.items()
    )
    open_ = {"input"}
    for node in model.net.nodes:
        if open_.issuperset(node.inputs) and isinstance(node.layer, mp.Dense | mp.Conv2d):
            still = (seen[node.name] == seen[node.name][..., :1]).all()
            told = told and (not still or node.name in found)
        elif open_.issuperset(node.inputs) and not isinstance(node.layer, mp.ReLU | mp.MaxPool):
            open_.add(node.name)
    return bool(told)


def says_what_is_needed(fn: Callable[[Model], Sweeps], model: Model) -> bool:
    """Weights of rows that are not needed may be anything, once the constants are folded."""
    found = fn(model)
    rng = np.random.default_rng(1)
    params = {n: w.copy() for n, w in model.params.items()}
    for f in found.folds:  # what is folded is read no more; its value goes to the bias
        name = f.reader.rpartition(".")[0]
        closed = np.repeat(f.rows.reshape(f.groups, -1), len(f.bias) // f.groups, axis=0)
        params[f.reader][closed] = 0
        if f.bias.any() and f"{name}.bias" not in params:
            return True  # there is nowhere to put it without another net
        if f"{name}.bias" in params:
            params[f"{name}.bias"] = params[f"{name}.bias"] + f.bias
    for n, rows in found.needed.items():
        params[n][~rows] = rng.standard_normal(params[n][~rows].shape)
    x = rng.standard_normal((3, *model.net.input_shape))
    return bool(np.allclose(replace(model, params=params)(x), model(x), rtol=1e-10, atol=1e-10))


thin = st.builds(
    lambda model, share, seed: thinned(model, share, seed, minimum=0, unit=False),
    structured(), st.floats(0, 1), st.integers(0, 99),
)  # fmt: skip
LAWS = {law.__name__: law for law in (says_what_is_constant, says_what_is_needed)}


@pytest.mark.parametrize("law", LAWS)
@given(model=thin)
def test_the_sweeps_keep_the_laws(law: str, model: Model) -> None:
    assert LAWS[law](sweep, model)


def planted(change: Callable[[Sweeps], Sweeps]) -> Callable[[Model], Sweeps]:
    return lambda model: change(sweep(model))


def first_not_needed(found: Sweeps) -> Sweeps:
    needed = {n: rows & (np.arange(len(rows)) > 0) for n, rows in found.needed.items()}
    return replace(found, needed=needed)


def padded_folds(model: Model) -> Sweeps:
    with pytest.MonkeyPatch.context() as patch:
        mix = module._Links.mix
        patch.setattr(module._Links, "mix", lambda s, o, w, x, g, p: mix(s, o, w, x, g, False))
        return sweep(model)


WRONG: dict[str, tuple[str, Callable[[Model], Sweeps]]] = {
    "one is needed": ("says_what_is_needed", planted(first_not_needed)),
    "folded without a value": (
        "says_what_is_needed",
        planted(lambda f: replace(
            f, folds=tuple(replace(x, bias=0 * x.bias) for x in f.folds))),
    ),
    "padding folds": ("says_what_is_needed", padded_folds),
    "nothing is constant": (
        "says_what_is_constant", planted(lambda f: replace(f, whole={})),
    ),
    "other values": (
        "says_what_is_constant",
        planted(lambda f: replace(f, whole={n: v + 1 for n, v in f.whole.items()})),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    find(thin, lambda model: not LAWS[law](fn, model), settings=SEARCH)


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)
