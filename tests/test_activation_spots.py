"""Where the activation of a unit is recorded, and that its values are right."""

import numpy as np
import pytest
from curving import near
from randomnets import batch, filled
from slowly import gate
from structures import NETS

import minprune as mp
from minprune.evidence.activations import act_grads, activations, spots
from minprune.nets.layer import Layer

SPOTS: dict[str, dict[str, tuple[str, int]]] = {  # the layer, and the positions of a unit there
    "chain": {"a.weight": ("r", 1)},
    "batchnorm": {"a.weight": ("r", 4)},  # through BatchNorm and ReLU, not the pooling behind
    "residual": {"a.weight": ("u", 9), "b.weight": ("t", 9)},  # after the sum, and its ReLU
    "branch": {"a.weight": ("sum", 1)},
    "concat": {"a.weight": ("r", 2), "b.weight": ("r", 1)},  # behind it; a is there twice
    "shared": {"a.weight": ("r", 1), "b.weight": ("sum", 1)},
    "flatten": {"a.weight": ("r", 4)},
    "grouped": {"a.weight": ("r", 8), "b.weight": ("t", 8)},  # two channels go together
    "depthwise": {"a.weight": ("t", 18), "c.weight": ("c", 9)},  # two outputs to each input
}


@pytest.mark.parametrize("net", SPOTS)
def test_activations_are_read_behind_the_last_sum(net: str) -> None:
    model = filled(NETS[net], 0)
    data, groups = batch(model, 3), {g.name: g for g in mp.ties(model) if g.free}
    found, a, g = (fn(model, groups if fn is spots else data, *([] if fn is spots else [groups]))
                   for fn in (spots, activations, act_grads))  # fmt: skip
    want = SPOTS[net]
    assert {n: at for n, (at, _) in found.items()} == {n: at for n, (at, _) in want.items()}
    shapes = {n: (3, groups[n].size, size) for n, (_, size) in want.items()}
    assert {n: x.shape for n, x in a.items()} == {n: x.shape for n, x in g.items()} == shapes


# (what stands between a convolution of three channels and Flatten, the layer where activations are
# read, and where they are read "before")
BETWEEN: dict[str, tuple[list[tuple[str, Layer]], str, str]] = {
    "pooled in front": ([("p", mp.MaxPool(2)), ("r", mp.ReLU())], "r", "a"),
    "dropped in front": ([("d", mp.Dropout(0.5)), ("r", mp.ReLU())], "r", "a"),
    "normalised behind pooling": (
        [("p", mp.AvgPool(2)), ("n", mp.BatchNorm(3)), ("r", mp.ReLU())], "r", "n"),
    "pooled behind": ([("r", mp.ReLU()), ("p", mp.MaxPool(2)), ("n", mp.BatchNorm(3))], "r", "a"),
    "normalised behind": ([("r", mp.ReLU()), ("n", mp.BatchNorm(3))], "n", "a"),
    "pooled between": (
        [("r", mp.ReLU()), ("p", mp.MaxPool(2)), ("t", mp.Tanh())], "r", "a"),
    "linear": ([("p", mp.MaxPool(2))], "a", "a"),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_activations_are_read_behind_the_first_run_of_activations(name: str) -> None:
    between, after, before = BETWEEN[name]
    side = 2 if any(n == "p" for n, _ in between) else 4
    layers = [("a", mp.Conv2d(1, 3, 2)), *between, ("f", mp.Flatten()),
              ("fc", mp.Dense(3 * side * side, 2))]  # fmt: skip
    model = filled(mp.build((1, 5, 5), layers), 0)
    groups = {g.name: g for g in mp.ties(model) if g.free}
    for where, want in ((False, after), (True, before)):
        assert spots(model, groups, where)["a.weight"][0] == want


def test_activations_behind_a_flattened_concatenation() -> None:
    """(c, h, w) of two branches, flattened, then ReLU: a channel is a run of its rows."""
    model = filled(mp.build((1, 3, 3), [
        ("a", mp.Conv2d(1, 2, 2)), ("b", mp.Conv2d(1, 3, 2), "input"),
        ("cat", mp.Concat(), ("a", "b")), ("f", mp.Flatten()), ("r", mp.ReLU()),
        ("fc", mp.Dense(20, 2)),
    ]), 1)  # fmt: skip
    data, groups = batch(model, 3), {g.name: g for g in mp.ties(model) if g.free}
    found = activations(model, data, groups)
    for name, before in activations(model, data, groups, before=True).items():
        assert np.array_equal(found[name], np.maximum(before, 0))
        assert found[name].shape == (3, groups[name].size, 4)


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
