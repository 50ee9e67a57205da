"""Gates of units: derivatives of the loss in a factor on all the weights that read a unit."""

from dataclasses import replace

import numpy as np
import pytest
from curving import KINKS, Fn, gradient, half, near, same
from gating import LAWS, READ, Groups, curved, first, groups_of, is_the_curvature
from hypothesis import given
from hypothesis import strategies as st
from randomnets import batch, filled, models
from structures import NETS

import minprune as mp
from minprune.core import Arrays, Split
from minprune.curvature import diagonals, gates
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.record import record, unruled
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model

named = st.builds(
    lambda name, loss, seed: filled(curved(READ[name], loss), seed),
    st.sampled_from(sorted(READ)), st.sampled_from(sorted(LOSSES)), st.integers(0, 99),
)  # fmt: skip
drawn = models(without=KINKS, most=8).filter(lambda m: any(g.free for g in mp.ties(m)))
free = named | named | drawn


@pytest.mark.parametrize("name", LAWS)
@half
@given(model=free)
def test_gates_are_derivatives_in_a_factor_on_the_outgoing_weights(name: str, model: Model) -> None:
    law, fn = LAWS[name]
    assert law(fn, model, batch(model, 2))


@pytest.mark.parametrize("net", READ)
def test_every_structure_has_its_gates(net: str) -> None:
    model = filled(curved(READ[net]), 1)
    for law, fn in LAWS.values():
        assert law(fn, model, batch(model, 2))


def serial(model: Model) -> set[str]:
    """The groups that some path of the net reads twice: their gates have no rule"""
    reads = {name: [m.param for m in g.readers] for name, g in groups_of(model).items()}
    return set(unruled(record(model, batch(model, 1)[0], apart=True), reads, curved=True))


def test_units_that_are_read_in_series_are_found() -> None:
    serials = {n: sorted(serial(filled(net, 0))) for n, net in READ.items()}
    assert {n: names for n, names in serials.items() if names} == {
        "residual": ["a.weight"], "branch": ["a.weight"], "series": ["a.weight"],
    }  # fmt: skip
    model = mp.zoo.resnet_small(((1, 4, 4), 3), 2, dtype=np.float64)
    assert serial(model) == {"stem.weight"}


def test_gate_hess_without_the_way_through_twice_is_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagonals, "unruled", lambda *_, **__: {})
    for net, passes in (("series", False), ("residual", False), ("concat", True)):
        model = filled(curved(READ[net]), 1)
        assert is_the_curvature(gate_hess, model, batch(model, 2)) == passes


def each_reader(fn: Fn) -> Fn:
    """The gates of each reader apart, added up."""

    def wrong(model: Model, data: Split, groups: Groups) -> Arrays:
        total = {name: np.zeros(g.size) for name, g in groups.items()}
        for name, g in groups.items():
            for m in g.readers:
                one = replace(g, members=(*g.producers, m))
                total[name] = total[name] + fn(model, data, {name: one})[name]
        return total

    return wrong


def incoming(model: Model, data: Split, groups: Groups) -> Arrays:
    """sum of g w over what makes the units: weights and biases, or behind BatchNorm its own"""
    g, found = gradient(model, data), {}
    for name, group in groups.items():
        made = {m.param.rpartition(".")[0] for m in group.producers}
        behind = {r for o in made for r in model.net.readers[o]
                  if isinstance(model.net.node(r).layer, mp.BatchNorm)}  # fmt: skip
        ends = made - {o for o in made if behind & set(model.net.readers[o])} | behind
        total = np.zeros(group.size)
        for m in group.members:
            if m.role != "reads" and m.param.rpartition(".")[0] in ends:
                rows = np.moveaxis(g[m.param] * model.params[m.param], m.axis, 0)
                total += rows[m.index].reshape(group.size, -1).sum(axis=1)
        found[name] = total
    return found


def both(model: Model, data: Split, groups: Groups) -> Arrays:
    into, out = incoming(model, data, groups), first(model, data, groups)
    return {name: into[name] + out[name] for name in groups}


def gate_ggn(model: Model, data: Split, groups: Groups) -> Arrays:
    """The Gauss-Newton part alone."""
    total = {name: np.zeros(g.size) for name, g in groups.items()}
    seen = record(model, data[0])
    gates.square(total, seen, seen.out, *seen.factors(), groups=groups)
    return {name: t / len(data[0]) for name, t in total.items()}


WRONG: dict[str, tuple[str, str, Fn]] = {
    "incoming and outgoing": ("grads", "chain", both),
    "incoming, for tanh": ("grads", "chain", incoming),
    "sum of the squares of readers": ("squares", "residual", each_reader(gate_squares)),
    "square of the mean": ("squares", "chain",
                           lambda *a: {n: g * g for n, g in first(*a).items()}),
    "summed over the batch": ("squares", "chain", lambda m, d, g: {
        n: s * len(d[0]) for n, s in gate_squares(m, d, g).items()}),
    "readers apart": ("hess", "residual", each_reader(gate_hess)),
    "readers apart in a row": ("product", "residual", each_reader(gate_product)),
    "own gate for the row": ("product", "chain", gate_hess),
    "the row for the own gate": ("hess", "chain", gate_product),
    "no second derivative of the activation": ("hess", "sigmoid", gate_ggn),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_of_gates_reject(name: str) -> None:
    law, net, wrong = WRONG[name]
    model = filled(curved(READ[net]), 1)
    data = batch(model, 3)
    check, right = LAWS[law]
    assert check(right, model, data)
    assert not check(wrong, model, data)


HOMOGENEOUS = ("chain", "batchnorm", "residual", "concat", "flatten", "grouped", "halves")


@pytest.mark.parametrize("net", HOMOGENEOUS)
def test_for_relu_the_gate_is_that_on_every_producers_output(net: str) -> None:
    """Incoming weights and bias, gamma and beta behind a normalisation; both together: twice."""
    for seed in range(5):
        model = filled(READ[net], seed)
        data, groups = batch(model, 4), groups_of(model)
        out = first(model, data, groups)
        assert near(incoming(model, data, groups), out)
        assert near(both(model, data, groups), {n: 2 * s for n, s in out.items()})


def test_a_depthwise_layer_makes_what_its_input_made() -> None:
    """Its own weights and biases stand for its units: what comes before would count twice."""
    model = filled(READ["depthwise"], 0)
    data, g = batch(model, 4), gradient(model, batch(model, 4))
    (group,) = (x for x in groups_of(model).values() if x.name == "a.weight")
    own = [m for m in group.members if m.param in ("b.weight", "b.bias")]
    total = sum((g[m.param] * model.params[m.param]).reshape(6, -1).sum(axis=1)[m.index].sum(axis=1)
                for m in own)  # fmt: skip
    assert same(first(model, data, {"a.weight": group})["a.weight"], total)


def test_squares_below_the_least_of_float32_are_kept() -> None:
    """Of a linear net and targets 0 the loss is of degree 2 in x, and the square of its slope 4."""
    layers = [("a", mp.Dense(3, 4, bias=False)), ("fc", mp.Dense(4, 2, bias=False))]
    model = mp.initialise(mp.build((3,), layers, loss="mse"), seed=0)
    x, y = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32), np.zeros((5, 2))
    got, want = (
        gate_squares(model, (size * x, y), groups_of(model))["a.weight"]
        for size in (np.float32(2.0**-40), np.float32(1))
    )
    assert want.all()
    assert np.array_equal(got, want * 2.0**-160)


def test_gates_of_no_units() -> None:
    model = filled(mp.build((3,), [("fc", mp.Dense(3, 2))]), 0)
    data = batch(model, 3)
    assert [fn(model, data, {}) for _, fn in LAWS.values()] == [{}] * 4
    assert mp.score(model, data, "taylor", unit=True, order=2, hessian="row") == {}


def test_units_that_a_dead_end_reads_have_gates() -> None:
    """`side` reads the units of a, and nobody reads `side`."""
    model = filled(curved(NETS["unread"]), 2)
    data, groups = batch(model, 3), groups_of(model)
    one = {"a.weight": groups["a.weight"]}
    short = {n: replace(g, members=tuple(m for m in g.members if m.param != "side.weight"))
             for n, g in one.items()}  # fmt: skip
    for _, fn in LAWS.values():
        assert near(fn(model, data, one), fn(model, data, short))
    side = {"side.weight": groups["side.weight"]}
    assert not gate_squares(model, data, side)["side.weight"].any()


@pytest.mark.parametrize("criterion", ["taylor", "snip", "grasp"])
def test_units_that_no_layer_reads_score_0(criterion: str) -> None:
    model = filled(NETS["unread"], 2)
    assert not mp.score(model, batch(model, 3), criterion, unit=True)["side.weight"].any()
