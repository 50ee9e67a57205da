"""The tape: order, same bits, reuse of a node, long chains, the published micrograd example."""

import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest

from minprune import autograd as ag
from minprune.autograd import Op, Tensor, Value, grad, value
from minprune.errors import ArgumentError, ShapeError


def test_micrograd_readme() -> None:
    def relu(x: Tensor) -> Tensor:
        return ag.act(x, kind="relu")

    a, b = Tensor(np.array(-4.0)), Tensor(np.array(2.0))
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + relu(b + a))
    d = d + (3 * d + relu(b - a))
    e = c - d
    g = e**2 / 2.0
    g = g + 10.0 / e**2
    da, db = grad(g, [a, b])
    assert [round(float(value(v)), 4) for v in (g, da, db)] == [24.7041, 138.8338, 645.5773]


def test_arrays_in_array_out() -> None:
    assert isinstance(ag.mul(np.ones(2), np.ones(2)), np.ndarray)
    assert isinstance(ag.mul(np.ones(2), Tensor(np.ones(2))), Tensor)


def test_a_node_used_twice_gets_both_gradients() -> None:
    x = Tensor(np.array([2.0, -3.0]))
    y = ag.mul(x, x)
    assert grad(ag.total(ag.add(y, ag.mul(y, x))), [x])[0].tolist() == [2 * 2 + 3 * 4, -6 + 27]


def test_gradient_of_an_inner_node_and_of_one_not_reached() -> None:
    x, other = Tensor(np.array([2.0])), Tensor(np.array([5.0, 6.0]))
    y = ag.mul(x, x)
    gx, gy, gother = grad(ag.total(ag.mul(y, y)), [x, y, other])
    assert (gx.tolist(), gy.tolist(), gother.tolist()) == ([32.0], [8.0], [0.0, 0.0])


def test_a_chain_of_ten_thousand_ops() -> None:
    x = Tensor(np.array([1.0]))
    y = x
    for _ in range(10_000):
        y = ag.add(y, x)
    assert grad(ag.total(y), [x])[0].tolist() == [10_001.0]
    del y  # freeing it must not recurse either


def test_third_derivative() -> None:
    x = Tensor(np.array(2.0))
    d = ag.power(x, p=5)
    for _ in range(3):
        (d,) = grad(d, [x], create_graph=True)
    assert float(value(d)) == 5 * 4 * 3 * 2.0**2


def test_free_forgets_the_tape() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    y = ag.total(ag.mul(x, x))
    assert grad(y, [x], free=True)[0].tolist() == [2.0, 4.0]
    assert y.inputs == ()
    with pytest.raises(ArgumentError) as again:
        grad(y, [x])
    assert str(again.value) == FREED


FREED = "grad: free=True freed this graph; leave it out, or compute it again"


def test_what_was_freed_on_another_way_is_no_zero() -> None:
    """Two losses on one trunk: the second would lose the way through it, and its gradient."""
    x = Tensor(np.array([1.0, 2.0]))
    trunk = ag.mul(x, x)
    one, two = ag.total(trunk), ag.total(ag.mul(trunk, trunk))
    grad(one, [x], free=True)
    with pytest.raises(ArgumentError) as lost:
        grad(two, [x])
    assert lost.value.args == (FREED,)


@pytest.mark.parametrize("free", [False, True])
def test_free_gives_values_back_on_the_way(free: bool) -> None:
    """When a rule runs, nothing is left of what came after its output."""
    made: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def forward(x: np.ndarray) -> np.ndarray:
        y = x + 1
        made.append(weakref.ref(y))
        return y

    def rule(g: Value, y: Value, inputs: Any, need: Any) -> tuple[Value]:
        alive.append(sum(ref() is not None for ref in made))
        return (g,)

    x, step = Tensor(np.ones(3)), Op(forward, rule)
    y = ag.total(step(step(step(step(x)))))
    grad(y, [x], free=free)
    assert alive == ([4, 3, 2, 1] if free else [4, 4, 4, 4])


def test_inputs_are_untouched() -> None:
    x = np.arange(6.0).reshape(2, 3)
    x.flags.writeable = False
    t = Tensor(x)
    grad(ag.total(ag.mul(ag.softmax(t), t)), [t])
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


PROGRAM = """
import numpy as np
from minprune import autograd as ag
from minprune.autograd import Tensor, grad
rng = np.random.default_rng(0)
x = Tensor(rng.standard_normal((2, 6, 6, 3)).astype("f4"))
ws = [Tensor(rng.standard_normal((2, 2, 3, 3)).astype("f4")) for _ in range(4)]
ys = [ag.conv2d(x, w, None, padding=(1, 1), act="tanh") for w in ws]
y = ys[0]
for z in ys[1:]:
    y = ag.add(ag.mul(y, z), z)
print(b"".join(g.tobytes() for g in grad(ag.total(y), [x, *ws])).hex())
"""


def test_gradients_have_the_same_bits_in_every_process() -> None:
    """A shared node adds up many gradients; their order must not hang on memory addresses."""
    runs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
    assert len(runs.pop()) > 100


def test_messages() -> None:
    with pytest.raises(ArgumentError) as no_tensor:
        grad(np.ones(2), [])  # type: ignore[arg-type]
    assert no_tensor.value.args == (
        "grad: y must be a Tensor, not ndarray; pass what is computed from a Tensor(x)",
    )
    t = Tensor(np.ones(2))
    for wrt, found in ((t, "Tensor"), ([t, np.ones(2)], "ndarray"), (["w"], "str")):
        with pytest.raises(ArgumentError) as no_list:
            grad(ag.mul(t, t), wrt)  # type: ignore[arg-type]
        assert no_list.value.args == (
            f"grad: wrt must be a list of Tensors, not one that is or holds a {found}; pass "
            f"Tensors that y was computed from",
        )
    with pytest.raises(ShapeError) as other_shape:
        grad(Tensor(np.ones(2)), [], np.ones(3))
    assert other_shape.value.args == (
        "grad: g must be (2,), as y is, not (3,); pass np.ones(y.shape)",
    )
