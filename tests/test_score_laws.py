"""Laws of scores on real nets: relabelled units, rescaled units, what flows in flows out."""

from dataclasses import replace

import numpy as np
import pytest
from curving import EPS, Fn, near
from hypothesis import given
from randomnets import batch, filled
from scored import ALL, GATHERED, Options, Scored, by, few, free, kinds
from structures import NETS, ZOO, structured

import minprune as mp
from minprune.core import Arrays, Split
from minprune.nets.model import Model
from minprune.nets.net import Net


def relabelled(arrays: Arrays, model: Model, seed: int, unit: bool = False) -> Arrays:
    """Units in another order, all that they own with them; for scores of units: their rows."""
    rng, out = np.random.default_rng(seed), dict(arrays)
    for g in free(model):
        order = rng.permutation(g.size)
        for m in g.members:
            for name in [m.param] + ([] if unit else statistics(model, m.param)):
                if name in out and (m.axis == 0 or not unit):
                    a = np.moveaxis(out[name].copy(), m.axis, 0)
                    a[m.index] = a[m.index[order]]
                    out[name] = np.moveaxis(a, 0, m.axis)
    return out


def statistics(model: Model, param: str) -> list[str]:
    """The running statistics that go with a gamma."""
    layer = param.removesuffix(".weight")
    return [n for n in model.net.buffers if n.startswith(f"{layer}.running")]


def follows_its_units(fn: Fn, model: Model, data: Split, unit: bool) -> bool:
    both = relabelled(model.params | model.buffers, model, 7)
    moved = Model(
        model.net, {n: both[n] for n in model.params}, {n: both[n] for n in model.buffers}
    )
    assert near({0: moved(data[0])}, {0: model(data[0])})
    want = relabelled(fn(model, data, unit), model, 7, unit)
    return near(fn(moved, data, unit), want)


@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
@few
@given(model=structured())
def test_scores_go_with_their_units(name: str, options: Options, model: Model) -> None:
    """Of every structure; units that nobody reads are not scored by what they send."""
    if any(not g.readers for g in free(model)):
        return
    for unit in kinds(name):
        assert follows_its_units(by(name, **options), model, batch(model, 3), unit)


@pytest.mark.parametrize("net", ["mlp", "resnet_small", "monk"])
@pytest.mark.parametrize(
    ("name", "options"),
    GATHERED[:1]
    + [
        (name, {}) for name in ("synflow", "taylor", "taylor_activation", "fisher", "snip", "grasp")
    ],
    ids=str,
)
def test_scores_go_with_their_units_in_nets_of_the_zoo(
    name: str, options: Options, net: str
) -> None:
    model = ZOO[net]()
    for unit in kinds(name):
        assert follows_its_units(by(name, **options), model, batch(model, 3), unit)


def by_place(model: Model, data: Split, unit: bool) -> Arrays:
    s = mp.score(model, data, "taylor", unit=unit)
    return {n: a + np.arange(len(a)).reshape(-1, *(1,) * (a.ndim - 1)) for n, a in s.items()}


@pytest.mark.parametrize("unit", [False, True])
def test_the_law_of_relabelling_rejects(unit: bool) -> None:
    model = filled(NETS["residual"], 1)
    data = batch(model, 3)
    assert follows_its_units(by("taylor"), model, data, unit)
    assert not follows_its_units(by_place, model, data, unit)
    assert not follows_its_units(by("random"), model, data, unit)


# Rescaling

RELU: dict[str, Net] = {
    "dense": mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("b", mp.Dense(4, 3)),
                             ("t", mp.LeakyReLU()), ("fc", mp.Dense(3, 2))]),
    "images": mp.build((1, 5, 5), [
        ("a", mp.Conv2d(1, 2, 2)), ("r", mp.ReLU()), ("p", mp.MaxPool(2)),
        ("b", mp.Conv2d(2, 3, 2)), ("t", mp.ReLU()), ("f", mp.Flatten()), ("fc", mp.Dense(3, 2))]),
    "normalised": NETS["batchnorm"],
    "tied": NETS["halves"],
}  # fmt: skip
STAY: list[Scored] = [
    ("synflow", {}), ("snip", {}), ("taylor", {}), ("taylor", {"order": 2}),
    ("taylor", {"order": 2, "hessian": "row"}), ("fisher", {}), ("norm", {"p": 0}),
    ("taylor_activation", {}), ("taylor_activation", {"order": 2}), ("oracle", {}), *GATHERED,
]  # fmt: skip
CHANGE: list[Scored] = [
    ("magnitude", {}), ("norm", {"p": 1}), ("norm", {"p": 2}), ("norm", {"p": np.inf}),
    ("geometric_median", {}), ("weight_entropy", {}), ("grasp", {}),
]  # fmt: skip


def rescaled(model: Model, seed: int = 0) -> Model:
    """W *= a, b *= a, outgoing /= a for each unit; gamma and beta where a normalisation follows."""
    rng, params = np.random.default_rng(seed), {n: w.copy() for n, w in model.params.items()}
    for g in free(model):
        a = rng.uniform(0.5, 3, g.size)
        norms = {m.param for m in g.members if statistics(model, m.param)}
        behind = {n.replace("weight", "bias") for n in norms} | norms
        for m in g.members:
            if norms and m.role != "reads" and m.param not in behind:
                continue
            part = (slice(None),) * m.axis + (m.index,)
            factor = a if m.role != "reads" else 1 / a
            shape = (1,) * m.axis + m.index.shape + (1,) * (params[m.param].ndim - m.axis - 1)
            params[m.param][part] *= np.broadcast_to(factor[:, None], m.index.shape).reshape(shape)
    return replace(model, params=params)


def survives(fn: Fn, model: Model, data: Split, unit: bool) -> bool:
    other = rescaled(model)
    assert near({0: other(data[0])}, {0: model(data[0])})
    assert not near(other.params, model.params)
    return near(fn(other, data, unit), fn(model, data, unit))


@pytest.mark.parametrize("net", RELU)
@pytest.mark.parametrize(("name", "options"), STAY, ids=str)
def test_rescaling_leaves_what_looks_at_the_function(name: str, options: Options, net: str) -> None:
    model = filled(RELU[net], 1)
    for unit in kinds(name):
        assert survives(by(name, **options), model, batch(model, 4), unit)


@pytest.mark.parametrize(("name", "options"), CHANGE, ids=str)
def test_rescaling_changes_what_looks_at_sizes(name: str, options: Options) -> None:
    model = filled(RELU["dense"], 1)
    for unit in kinds(name):
        assert not survives(by(name, **options), model, batch(model, 4), unit)


def test_a_tanh_net_may_not_be_rescaled() -> None:
    model = filled(NETS["shared"], 1)
    with pytest.raises(AssertionError):
        survives(by("snip"), model, batch(model, 4), unit=False)


# Conservation


def conserved(model: Model, scores: Arrays) -> bool:
    """Of each unit: the sum over all its producers = the sum over all its readers."""
    into, out = {}, {}
    for g in free(model):
        for total, members in ((into, g.producers), (out, g.readers)):
            total[g.name] = sum(
                np.moveaxis(scores[m.param], m.axis, 0)[m.index].reshape(g.size, -1).sum(axis=1)
                for m in members
            )
    return near(into, out)


CONSERVING = [n for n in NETS if n not in ("unread", "depthwise")]


@pytest.mark.parametrize("net", CONSERVING)
def test_what_flows_into_a_unit_flows_out_of_it(net: str) -> None:
    """Through normalisation, residual sums (of all producers and readers), bundles, flattening."""
    for seed in range(5):
        model = filled(NETS[net], seed)
        assert conserved(model, mp.score(model, None, "synflow"))


def test_a_depthwise_layer_is_flowed_through_once_more() -> None:
    """It makes the units that it reads: the sum over all that makes them has the flow twice."""
    model = filled(NETS["depthwise"], 1)
    scores = mp.score(model, None, "synflow")
    assert not conserved(model, scores)
    assert conserved(model, scores | {
        n: scores[n] / 2 for n in ("a.weight", "b.weight")})  # fmt: skip


def test_a_chain_has_one_total_in_all_layers() -> None:
    for net in ("chain", "sigmoid", "padded", "batchnorm", "flatten", "grouped", "depthwise"):
        totals = [s.sum() for s in mp.score(filled(NETS[net], 3), None, "synflow").values()]
        assert np.ptp(totals) <= 2**14 * EPS * max(totals), net


@pytest.mark.parametrize("name", ["magnitude", "snip", "taylor"])
def test_the_law_of_conservation_rejects(name: str) -> None:
    model = filled(NETS["shared"], 1)
    assert not conserved(model, mp.score(model, batch(model, 3), name))
