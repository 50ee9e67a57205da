"""Distillation against its definition in plain NumPy; a net is no other than itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from procedures import DATA, HOW, net
from watching import same, small_data, small_net

import minprune as mp
from minprune.autograd import Tensor, grad
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.methods import Distil, iterative
from minprune.methods.distil import divergence
from minprune.methods.retrain import Retraining, distilled

HALF = 2.0**-53
logits = arrays(np.float64, (3, 4), elements=st.floats(-30, 30, width=32))
labels = arrays(np.int64, (4,), elements=st.integers(0, 2))
FEW = settings(max_examples=max(settings().max_examples // 3, 10))


def slowly(v: Array, u: Array) -> tuple[float, Array]:
    """(mean KL, its gradient in u) in long doubles, sample by sample"""
    loss, g = np.longdouble(0), np.zeros(u.shape, np.longdouble)
    for j in range(v.shape[1]):
        p, q = (np.exp(a[:, j].astype(np.longdouble) - a[:, j].max()) for a in (v, u))
        p, q = p / p.sum(), q / q.sum()
        loss += sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True))
        g[:, j] = (q - p) / v.shape[1]
    return float(loss / v.shape[1]), g.astype(float)


def is_the_divergence(of: Callable[..., Any], v: Array, u: Array, y: Array) -> bool:
    """To 40 roundings of terms up to 60."""
    leaf = Tensor(u)
    found = of(v, leaf, y)
    want, g = slowly(v, u)
    (got,) = grad(found, [leaf])
    near = abs(float(found.value) - want) <= 40 * 60 * HALF
    return bool(near and (np.abs(got - g) <= 40 * HALF).all())


@FEW
@given(v=logits, u=logits, y=labels)
def test_it_is_the_divergence_whatever_the_labels(v: Array, u: Array, y: Array) -> None:
    assert is_the_divergence(divergence, v, u, y)


WRONG: dict[str, Callable[..., Any]] = {
    "without the teacher's entropy": lambda v, u, y: divergence(v, u, y) + 0.125,
    "a sum over samples": lambda v, u, y: divergence(v, u, y) * len(y),
    "of the labels": lambda v, u, y: mp.autograd.cross_entropy(u, labels=y),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_rejects(name: str) -> None:
    rng = np.random.default_rng(0)
    v, u = rng.standard_normal((2, 3, 4))
    y = rng.integers(0, 3, 4)
    assert is_the_divergence(divergence, v, u, y)
    assert not is_the_divergence(WRONG[name], v, u, y)


def test_the_other_way_is_another_number() -> None:
    rng = np.random.default_rng(0)
    v, u = rng.standard_normal((2, 3, 4))
    one, other = (float(divergence(a, Tensor(b), np.zeros(4, int)).value)
                  for a, b in ((v, u), (u, v)))  # fmt: skip
    assert abs(one - other) > 0.01


def test_float32_does_not_overflow() -> None:
    v, u = np.array([[0.0], [300.0]], np.float32), np.array([[300.0], [0.0]], np.float32)
    leaf = Tensor(u)
    found = divergence(v, leaf, np.zeros(1, int))
    assert float(found.value) == 300.0
    assert grad(found, [leaf])[0].ravel().tolist() == [1.0, -1.0]
    assert found.value.dtype == np.float32


def test_by_hand() -> None:
    """p = (1/4, 3/4), q = (1/2, 1/2): KL = (3 log 3)/4 - log 2"""
    v, u = np.log([[1.0], [3.0]]), np.zeros((2, 1))
    got = float(divergence(v, Tensor(u), np.zeros(1, int)).value)
    assert abs(got - (0.75 * np.log(3) - np.log(2))) < 4e-16


@pytest.mark.parametrize("temperature", [1.0, 3.0, 4.0])
def test_a_net_learns_nothing_from_itself(temperature: float) -> None:
    """The gradient of the divergence is exactly 0."""
    data = small_data()
    plain = mp.zoo.mlp(data, hidden=(6,), dtype=np.float64)
    how = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.5), "progress": False}
    method = Distil(plain, temperature, alpha=1.0)
    assert same(mp.fit(plain, data, method=method, **how)[0], plain)
    other = Distil(mp.zoo.mlp(data, hidden=(6,), dtype=np.float64, seed=1), temperature, alpha=1.0)
    assert not same(mp.fit(plain, data, method=other, **how)[0], plain)


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.25), (4.0, 0.5), (4.0, 1.0)])
def test_the_loss_of_the_first_step(temperature: float, alpha: float) -> None:
    """(1 - alpha) CE + alpha T^2 KL of both nets' outputs on the batch."""
    data = small_data(8)
    model = mp.zoo.mlp(data, hidden=(6,), dtype=np.float64)
    teacher = mp.zoo.mlp(data, hidden=(5,), dtype=np.float64, seed=1)
    how = {"epochs": 1, "batch_size": 8, "progress": False}
    _, history = mp.fit(model, data, method=Distil(teacher, temperature, alpha), **how)
    x, y = data.train
    z = model(x).T
    ce = np.mean([np.log(np.exp(z[:, j]).sum()) - z[y[j], j] for j in range(8)])
    kl, _ = slowly(teacher(x).T / temperature, z / temperature)
    want = (1 - alpha) * ce + alpha * temperature**2 * kl
    assert abs(history.steps["loss"][0] - want) <= 100 * HALF * max(1.0, want)


def test_it_retrains_what_was_pruned() -> None:
    """In `iterative`, by the net before any pruning; alpha 0 is fine-tuning, bit for bit."""
    how = {**HOW, "epochs": 2, "sparsity": 0.75, "rounds": 2}

    def again(retrain: Any) -> mp.methods.Result:
        return iterative(net(), DATA, retrain=retrain, **how)

    tuned, taught = again("finetune"), again("distil")
    assert not same(tuned.model, taught.model)
    assert same(tuned.model, again(Retraining(lambda b: distilled(b, alpha=0.0))).model)
    by_hand = again(Retraining(lambda b: distilled(b, teacher=tuned.models["trained"])))
    assert same(taught.model, by_hand.model)
    both = iterative(net(), DATA, retrain="distil", method=mp.methods.L1(0.1), **how)
    assert not same(both.model, taught.model)


REGRESSION = mp.initialise(
    mp.build((1, 4, 5), [("f", mp.Flatten()), ("d", mp.Dense(20, 3))], "mse")
)
NARROW = mp.zoo.mlp(((1, 4, 5), 2), hidden=(3,))
FIT: dict[str, Any] = {"epochs": 1, "progress": False}
TARGETS = mp.Dataset(*[(small_data().train[0], np.zeros((11, 3)))] * 3)
MESSAGES: tuple[tuple[Callable[[], Any], type[Exception], str], ...] = (
    (lambda: Distil("net.npz"), ArgumentError,  # type: ignore[arg-type]
     "Distil: teacher must be a Model, not str; pass a trained model"),
    (lambda: Distil(small_net(), temperature=0), ArgumentError,
     "Distil: temperature must be a finite number above 0, not 0; pass temperature=1, for example"),
    (lambda: Distil(small_net(), alpha=1.5), ArgumentError,
     "Distil: alpha must be a number from 0 to 1, not 1.5; pass alpha=0.5, for example"),
    (lambda: mp.fit(REGRESSION, TARGETS, method=Distil(REGRESSION), **FIT), ArgumentError,
     "Distil: the loss of the net must be 'cross_entropy', not 'mse'; build it with that"),
    (lambda: mp.fit(small_net(), small_data(), method=Distil(NARROW), **FIT), ShapeError,
     "Distil: the teacher must have the net's outputs, (3,), not (2,); pass another teacher"),
    (lambda: mp.fit(small_net(), small_data(), method=Distil(mp.zoo.mlp(((4,), 3), (3,))), **FIT),
     ShapeError,
     "Distil: the teacher must have the net's inputs, (1, 4, 5), not (4,); pass another teacher"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
