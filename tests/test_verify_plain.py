"""The plain nets of the kit: their numbers against published ones, differences and each other."""

from typing import Any

import numpy as np
from hypothesis import given

from minprune.core import Array
from minprune.verify.plain.evidence import SINGLE, plain_evidence
from minprune.verify.plain.hessian import gauss_newton, hessian, times
from minprune.verify.plain.net import Mlp, gradient, mlps, ordinary, plain_net


def formula_net() -> Mlp:
    """Net 3-4-2 of sines and cosines, tanh, softmax cross-entropy: its loss is published."""

    def filled(f: Any, *shape: int) -> Array:
        return np.asarray(f(1.0 + np.arange(np.prod(shape)).reshape(shape)))

    params = {
        "fc1.weight": 0.7 * filled(np.sin, 4, 3), "fc1.bias": 0.1 * filled(np.cos, 4),
        "fc2.weight": 0.7 * filled(np.cos, 2, 4), "fc2.bias": 0.1 * filled(np.sin, 2),
    }  # fmt: skip
    return Mlp("tanh", "cross_entropy", params, filled(np.cos, 5, 3), np.eye(2)[[0, 1, 1, 0, 1]])


def test_the_loss_of_the_formula_net() -> None:
    assert abs(formula_net().loss() - 0.7526966241546514) < 1e-15


@given(net=mlps(acts=("tanh", "sigmoid", "linear")))
def test_gradients_are_differences_of_losses(net: Mlp) -> None:
    """Central differences: h^2 times a third derivative, below 10^3 here, and rounding / h."""
    h = 1e-5
    names = [n for n in net.params]
    g = gradient(net, names)
    for name in names:
        for k in np.ndindex(g[name].shape):
            at = []
            for step in (h, -h):
                w = net.params[name].copy()
                w[k] += step
                at.append(net.loss({name: w}))
            assert abs((at[0] - at[1]) / (2 * h) - g[name][k]) < 1e-6 * (1 + net.loss())


@given(net=mlps())
def test_hessians_are_symmetric_and_equal_the_ggn_where_they_must(net: Mlp) -> None:
    H, G = hessian(net, net.weights), gauss_newton(net, net.weights)
    size = 1e-12 * (1 + np.abs(H).max())
    assert np.abs(H - H.T).max() < size
    assert np.linalg.eigvalsh(G).min() > -size * len(G)
    if net.act in ("relu", "linear"):  # the outputs are linear in any one weight
        assert np.abs(np.diagonal(H - G)).max() < size


def test_synflow_of_the_formula_net() -> None:
    """A published total, the same in each layer."""
    k = np.arange(12.0).reshape(4, 3), np.arange(8.0).reshape(2, 4)
    params = {"fc1.weight": 0.7 * np.sin(1 + k[0]), "fc2.weight": 0.7 * np.cos(1 + k[1])}
    net = Mlp("relu", "mse", params, np.ones((1, 3)), np.ones((1, 2)))
    for name, path in SINGLE["path_grads"](net, net.weights).items():
        assert abs((np.abs(params[name]) * path).sum() - 4.683040952299719) < 1e-14


def test_gates_are_sums_over_outgoing_weights() -> None:
    """dL/dc = sum g w, and d2L/dc2 = w H w, over a unit's outgoing weights; zeroing is zeroing."""
    net = plain_net((3, 4, 3, 2), 1, samples=5)
    gate = plain_evidence(net, ("grads", "hess_diag", "weights", "removal"), "gate")
    rows = plain_evidence(net, ("grads", "weights"), "outgoing")
    for name, after in zip(net.weights[:-1], net.weights[1:], strict=True):
        want = (rows.of("grads")[name] * rows.of("weights")[name]).sum(axis=1)
        assert np.allclose(gate.of("grads")[name], want, rtol=1e-13)
        assert np.array_equal(gate.of("weights")[name], np.ones(len(want)))
        for unit in range(len(want)):
            v = np.zeros_like(net.params[after])
            v[:, unit] = net.params[after][:, unit]
            hv = times(net, {after: v})[after]
            assert np.isclose((v * hv).sum(), gate.of("hess_diag")[name][unit], rtol=1e-12)
            rise = net.loss({after: net.params[after] - v}) - net.loss()
            assert np.isclose(rise, gate.of("removal")[name][unit], rtol=1e-12)


def test_the_ordinary_net_has_every_class_and_no_constant_unit() -> None:
    net = ordinary()
    assert {*net.y.argmax(axis=1).tolist()} == {0, 1, 2}
    assert all(np.ptp(a, axis=0).min() > 0.1 for a in net.forward()[0])
