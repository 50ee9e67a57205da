"""Names of layers mean nothing: with those of other frameworks each call gives the same bits.

Methods: see names_mean_nothing in test_methods_table.py; random nets have such names everywhere.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from renaming import back, renamed, to
from watching import half_masked, small_data, small_net

import minprune as mp
from minprune.curvature.layerwise import layer_hessian
from minprune.masking.units import unit_sparsity
from minprune.nets.model import Model

DATA = small_data()
MODEL = small_net()
To = Callable[[Any], Any]


def scored(model: Model, **how: Any) -> Any:
    return mp.score(model, DATA.train, how.pop("by", "taylor"), **how)


def pruned(model: Model, t: To) -> Model:
    by = t({"conv1": 0.25, "fc*": 0.5, "fc2.weight": 0.75})
    return mp.prune(model, scored(model), sparsity=by, protect=t("conv2"))


def thinned(model: Model, t: To) -> Model:
    units = scored(model, unit=True)
    return mp.prune(model, units, sparsity=t({"conv1": 0.5, "fc1": 0.5}))


def saved(model: Model, t: To) -> Model:
    from io import BytesIO

    out = BytesIO()
    mp.save(mp.sparsify(half(model), t({"fc1": "csr", "conv2.weight": "csr"})), out)
    return mp.load(BytesIO(out.getvalue()))


def half(model: Model) -> Model:
    """Every second weight masked"""
    masks = {k: np.arange(model.params[k].size) % 2 > 0 for k in model.net.weights}
    return mp.with_masks(model, {k: m.reshape(model.params[k].shape) for k, m in masks.items()})


def frozen(model: Model, t: To) -> Model:
    how = {"epochs": 1, "batch_size": 4, "progress": False}
    return mp.fit(model, DATA, freeze=t(("bn*", "conv1", "fc2.bias")), **how)[0]


def lottery(model: Model, t: To) -> Model:
    how = {
        "rounds": 2,
        "rate": 0.5,
        "epochs": 1,
        "controls": (),
        "batch_size": 4,
        "progress": False,
    }
    return mp.methods.lottery_ticket(model, DATA, **how).model


CALLS: dict[str, Callable[[Model, To], Any]] = {
    "score": lambda m, t: scored(m, by="obd"),
    "units": lambda m, t: scored(m, by="activation", unit=True),
    "prune": pruned,
    "prune units": thinned,
    "half_masked": lambda m, t: half_masked(m).summary(200),
    "allocate": lambda m, t: mp.allocate(m, 0.5, protect=t("fc1")),
    "ties": lambda m, t: [
        f"{g.name} {g.why} {[(o.param, o.axis, o.role) for o in g.members]}" for g in mp.ties(m)
    ],
    "compact": lambda m, t: mp.compact(thinned(m, t)),
    "plan": lambda m, t: str(mp.structure.plan(thinned(m, t))),
    "merge": lambda m, t: mp.structure.merge(m, [((t("fc1"), 0), (t("fc1.weight"), 1), 1.0, 0.0)]),
    "sparse file": saved,
    "densify": lambda m, t: mp.densify(saved(m, t)),
    "freeze": frozen,
    "lottery": lottery,
    "collapsed": lambda m, t: mp.collapsed(
        mp.prune(m, scored(m), sparsity=t({"fc1": 1.0}), minimum=0)
    ),
    "obs": lambda m, t: (
        mp.methods.obs(
            m, DATA.train, names=t(["fc1.weight", "fc2"]), sparsity=0.1, progress=False
        ).model
    ),
    "hessian": lambda m, t: [
        layer_hessian(m, DATA.train[0], t(k)) for k in ("fc1", "conv2.weight")
    ],
    "sensitivity": lambda m, t: str(mp.sensitivity(m, DATA)),
    "measure": lambda m, t: mp.measure(half(m), DATA.train, time=False).size.live_macs,
    "unit sparsity": lambda m, t: unit_sparsity(thinned(m, t)),
}


def plain(found: Any, name: Callable[[str], str]) -> Any:
    """What can be compared, by the names of MODEL"""
    if isinstance(found, Model):
        net = [(name(n.name), n.layer, [name(i) for i in n.inputs]) for n in found.net.nodes]
        return net, *(plain(a, name) for a in (found.params, found.buffers, found.masks))
    if isinstance(found, dict):
        return {name(k): plain(v, name) for k, v in found.items()}
    if isinstance(found, np.ndarray):
        return found.shape, found.tobytes()
    if isinstance(found, list):
        return [plain(one, name) for one in found]
    return sorted(re.findall(r"[^\s,-]+", name(found))) if isinstance(found, str) else found


@pytest.mark.parametrize("call", CALLS)
def test_names_mean_nothing(call: str) -> None:
    net, other = MODEL.net, renamed(MODEL)
    mine = plain(CALLS[call](MODEL, lambda given: given), str)
    theirs = CALLS[call](other, lambda given: to(net, given))
    assert plain(theirs, lambda text: back(net, text)) == mine


def test_the_law_rejects_a_split_at_the_first_dot() -> None:
    found = [{k.partition(".")[0] for k in m.net.weights} for m in (MODEL, renamed(MODEL))]
    assert {back(MODEL.net, k) for k in found[1]} != found[0]
