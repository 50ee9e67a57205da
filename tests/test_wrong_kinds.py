"""What people give by mistake: a Dataset for a pair, a class for a value; one sentence each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.core import Arrays
from minprune.errors import ArgumentError

DATA = mp.Dataset(
    (np.ones((4, 3)), np.array([0, 1, 1, 0])), (np.ones((2, 3)), np.array([0, 1])),
    (np.ones((2, 3)), np.array([0, 1])),
)  # fmt: skip
MODEL = mp.zoo.mlp(DATA, (4,), dtype=np.float64)
SIZES = mp.score(MODEL, None, "magnitude")
PAIR = "data is a Dataset, expected one of its pairs; give data.train, for example"
MADE = "expected a Model; give one that mp.zoo, mp.initialise or mp.load made"
TARGETS = "sparsity, threshold, scope, protect, minimum, normalize, pattern, block_reduce, round_to"
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: mp.score(MODEL, DATA, "taylor"), f"data: {PAIR}"),
    (lambda: mp.curvature.hvp(MODEL, DATA, MODEL.params), f"data: {PAIR}"),
    (lambda: mp.evaluate(MODEL, DATA), f"evaluate: {PAIR}"),
    (lambda: mp.evaluate(MODEL, (DATA.test[0],)),
     "evaluate: data is tuple, expected a pair (x, y); give data.train, for example"),
    (lambda: mp.fit(MODEL, DATA.train, epochs=1),
     "fit: data is tuple, expected Dataset; give mp.Dataset(train, val, test)"),
    (lambda: mp.fit(MODEL, DATA, epochs=1, method=mp.methods.SET),
     "fit: method is SET, expected Method; give mp.methods.L1(1e-4), with its brackets"),
    (lambda: mp.fit(MODEL, DATA, epochs=1, optimizer="adam"),
     "fit: optimizer is str, expected Optimizer; give mp.SGD(0.1)"),
    (lambda: mp.prune(MODEL, SIZES, sparcity=0.9),
     f"prune: sparcity is not among its arguments: {TARGETS}"),
    (lambda: mp.prune(MODEL, [1.0], sparsity=0.9),
     "prune: scores is list, expected a dict of arrays; give what mp.score returns"),
    (lambda: mp.score(DATA, None, "magnitude"), f"score: the model is Dataset, {MADE}"),
    (lambda: mp.prune(SIZES, SIZES, sparsity=0.5), f"prune: the model is dict, {MADE}"),
    (lambda: mp.fit("net", DATA, epochs=1), f"fit: the model is str, {MADE}"),
    (lambda: mp.evaluate(None, DATA.test), f"evaluate: the model is NoneType, {MADE}"),
    (lambda: mp.score(MODEL, None, lambda ev: {n: w + 1j for n, w in ev.weights.items()}),
     "<lambda>: score of fc1.weight is complex128, expected real numbers; return those"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:40] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_a_function_of_dicts_is_a_criterion_as_it_stands() -> None:
    def product(weights: Arrays, grads: Arrays, *, power: int = 1) -> Arrays:
        return {n: np.abs(w * grads[n]) ** power for n, w in weights.items()}

    x = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1, 1, 0, 1, 0])
    marked = mp.criterion(needs=("weights", "grads"))(
        lambda ev, power=1: product(ev.of("weights"), ev.of("grads"), power=power)
    )
    for how in ({}, {"power": 2}):
        found, want = mp.score(MODEL, x, product, **how), mp.score(MODEL, x, marked, **how)
        assert all(np.array_equal(found[n], want[n]) for n in want)
