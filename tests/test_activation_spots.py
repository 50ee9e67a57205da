"""Where the activation of a unit is read, and that what is read there is right."""

import numpy as np
import pytest
from curving import near
from randomnets import batch, filled
from slow_units import gate
from structures import NETS

import minprune as mp
from minprune.probe.activations import act_grads, activations, spots

SPOTS: dict[str, dict[str, tuple[str, int]]] = {  # the layer, and the positions of a unit there
    "chain": {"a.weight": ("r", 1)},
    "batchnorm": {"a.weight": ("r", 4)},  # through BatchNorm and ReLU, not the pooling behind
    "residual": {"a.weight": ("u", 9), "b.weight": ("t", 9)},  # after the sum, and its ReLU
    "branch": {"a.weight": ("sum", 1)},
    "concat": {"a.weight": ("a", 1), "b.weight": ("b", 1)},  # nothing but the concatenation reads
    "shared": {"a.weight": ("r", 1), "b.weight": ("sum", 1)},
    "flatten": {"a.weight": ("r", 4)},
    "grouped": {"a.weight": ("r", 8), "b.weight": ("t", 8)},  # two channels go together
    "depthwise": {"a.weight": ("t", 18), "c.weight": ("c", 9)},  # two outputs to each input
}


@pytest.mark.parametrize("net", SPOTS)
def test_activations_are_read_behind_the_last_sum_before_pooling(net: str) -> None:
    model = filled(NETS[net], 0)
    data, groups = batch(model, 3), {g.name: g for g in mp.ties(model) if g.free}
    found, a, g = (fn(model, groups if fn is spots else data, *([] if fn is spots else [groups]))
                   for fn in (spots, activations, act_grads))  # fmt: skip
    want = SPOTS[net]
    assert {n: at for n, (at, _) in found.items()} == {n: at for n, (at, _) in want.items()}
    shapes = {n: (3, groups[n].size, size) for n, (_, size) in want.items()}
    assert {n: x.shape for n, x in a.items()} == {n: x.shape for n, x in g.items()} == shapes


@pytest.mark.parametrize("net", ["chain", "batchnorm", "flatten", "grouped", "shared"])
def test_activations_times_their_gradients_are_gates_of_each_sample(net: str) -> None:
    """Where the way on to the readers is linear, and all of it comes after the spot."""
    model = filled(NETS[net], 2)
    data, groups = batch(model, 3), {g.name: g for g in mp.ties(model) if g.free}
    a, g = activations(model, data, groups), act_grads(model, data, groups)
    for name, group in groups.items():
        for p in range(3):
            one = data[0][p : p + 1], data[1][p : p + 1]
            want = {u: gate(model, one, group, u) for u in range(group.size)}
            got = (a[name] * g[name])[p].sum(axis=1)
            assert near(dict(enumerate(got)), want), (name, p)


def test_activations_are_the_outputs_of_that_layer() -> None:
    """In evaluation mode, sample by sample; grouped: rows k and k + o/groups are one unit."""
    model = filled(NETS["grouped"], 3)
    x, y = batch(model, 4)
    groups = {g.name: g for g in mp.ties(model) if g.free}
    at = activations(model, (x, y), groups)["a.weight"]
    w, b = model.params["a.weight"], model.params["a.bias"]
    for p, unit in np.ndindex(4, 2):
        want = np.array([
            max(0.0, float((x[p, :, i : i + 2, j : j + 2] * w[row]).sum() + b[row]))
            for row in (unit, unit + 2) for i in range(2) for j in range(2)
        ])  # fmt: skip
        assert near({0: at[p, unit]}, {0: want})
