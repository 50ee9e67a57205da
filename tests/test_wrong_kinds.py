"""Arguments of a wrong type: a Dataset for a pair, a class for an instance; one sentence each."""

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
PAIR = (
    "data must be a pair (x, y) of at least one sample, not a Dataset; pass data.train, for example"
)
MADE = "{}: model must be a Model, not {}; pass one that mp.zoo, mp.initialise or mp.load made"
BUILT = "pass one that mp.build made, or a model's model.net"
LAYERS = [("a", mp.Dense(4, 3))]
SHAPE = (
    "build: input_shape must have an integer of at least 1 for each axis but the batch, not "
    "{}; pass (784,) or (1, 28, 28), for example"
)
PAIRS = (
    "build: layer {} must be (name, layer) or (name, layer, what it reads), not {}; pass "
    "[('fc1', mp.Dense(4, 3)), ...], for example"
)
XY = "must be a pair (x, y) of NumPy arrays of numbers with a row for each sample, not {}; " \
     "pass mp.Dataset((x, y), (x, y), (x, y))"  # fmt: skip
SIZED = "data must be a Dataset or a pair (input shape, outputs), not {}; pass mp.data.digits() " \
        "or ((1, 28, 28), 10), for example"  # fmt: skip
CRITERIA = "combine: scores must be a Mapping, not {}; pass {{'magnitude': mp.score(...)}}"
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: mp.score(MODEL, DATA, "taylor"), PAIR),
    (lambda: mp.curvature.hvp(MODEL, DATA, MODEL.params), PAIR),
    (lambda: mp.evaluate(MODEL, DATA), f"evaluate: {PAIR}"),
    (lambda: mp.evaluate(MODEL, (DATA.test[0],)),
     "evaluate: data must be a pair (x, y) of at least one sample, not tuple; pass "
     "data.train, for example"),
    (lambda: mp.fit(MODEL, DATA.train, epochs=1),
     "fit: data must be a Dataset, not tuple; pass mp.Dataset(train, val, test)"),
    (lambda: mp.fit(MODEL, DATA, epochs=1, method=mp.methods.SET),
     "fit: method must be a Method, not the class SET; pass mp.methods.L1(1e-4), with its "
     "brackets"),
    (lambda: mp.fit(MODEL, DATA, epochs=1, optimizer="adam"),
     "fit: optimizer must be an Optimizer, not str; pass mp.SGD(0.1)"),
    (lambda: mp.prune(MODEL, [1.0], sparsity=0.9),
     "prune: scores must be a Mapping, not list; pass the result of mp.score"),
    (lambda: mp.prune(MODEL, {}, sparsity=0.9),
     "prune: scores must not be empty; print(mp.ties(model)) lists the units that can be "
     "removed"),
    (lambda: mp.score(DATA, None, "magnitude"), MADE.format("score", "Dataset")),
    (lambda: mp.prune(SIZES, SIZES, sparsity=0.5), MADE.format("prune", "dict")),
    (lambda: mp.fit("net", DATA, epochs=1), MADE.format("fit", "str")),
    (lambda: mp.evaluate(None, DATA.test), MADE.format("evaluate", "NoneType")),
    (lambda: mp.with_masks(MODEL.net, {}), MADE.format("with_masks", "Net")),
    (lambda: mp.collapsed(None), MADE.format("collapsed", "NoneType")),
    (lambda: mp.compact(MODEL.net), MADE.format("compact", "Net")),
    (lambda: mp.ties(MODEL.net), MADE.format("ties", "Net")),
    (lambda: mp.structure.plan(None), MADE.format("plan", "NoneType")),
    (lambda: mp.structure.merge(MODEL.net, []), MADE.format("merge", "Net")),
    (lambda: mp.structure.regressions(None, DATA.train),
     MADE.format("regressions", "NoneType")),
    (lambda: mp.combine({"a": SIZES}, model=MODEL.net), MADE.format("combine", "Net")),
    (lambda: mp.initialise(MODEL), f"initialise: net must be a Net, not Model; {BUILT}"),
    (lambda: mp.Model(MODEL, MODEL.params), f"Model: net must be a Net, not Model; {BUILT}"),
    (lambda: mp.Model(MODEL.net, None),
     "params must be a dict of arrays by full name, not NoneType; pass {'fc1.weight': array, "
     "...}"),
    (lambda: mp.Model(MODEL.net, {n: w.tolist() for n, w in MODEL.params.items()}),
     "fc1.weight: must be an array, not list; use np.asarray"),
    (lambda: mp.with_masks(MODEL, {"fc2.bias": [True, False]}),
     "fc2.bias: must be an array, not list; use np.asarray"),
    (lambda: mp.with_masks(MODEL, [True]),
     "masks must be a dict of arrays by full name, not list; pass {'fc1.weight': array, ...}"),
    (lambda: mp.build(4, LAYERS), SHAPE.format("4")),
    (lambda: mp.build((4.0,), LAYERS), SHAPE.format("(4.0,)")),
    (lambda: mp.build((), LAYERS), SHAPE.format("()")),
    (lambda: mp.build((0,), LAYERS), SHAPE.format("(0,)")),
    (lambda: mp.build((4,), [mp.Dense(4, 3), mp.ReLU()]),
     PAIRS.format(1, "Dense(inputs=4, outputs=3, bias=True)")),
    (lambda: mp.build((4,), mp.Flatten()), PAIRS.format(1, "Flatten()")),
    (lambda: mp.build((4,), None), PAIRS.format(1, "None")),
    (lambda: mp.build((4,), [*LAYERS, ("b", mp.Add(), "a", "input")]),
     PAIRS.format(2, "('b', Add(), 'a', 'input')")),
    (lambda: mp.build((4,), [(mp.Dense(4, 3), "a")]),
     "Dense(inputs=4, outputs=3, bias=True) cannot name a layer; use letters, digits and _, "
     "with dots between them"),
    (lambda: mp.build((4,), [*LAYERS, ("b", mp.ReLU(), mp.Tanh())]),
     "b: must read earlier layers, not Tanh(); name one before it"),
    (lambda: mp.Dropout("0.5"),
     "Dropout: rate must be a number from 0 to below 1, not '0.5'; pass rate=0.5, for example"),
    (lambda: mp.Dataset(np.ones((4, 3)), DATA.val, DATA.test),
     "train " + XY.format("ndarray float64")),
    (lambda: mp.Dataset(DATA.train, None, DATA.test), "val " + XY.format("NoneType")),
    (lambda: mp.Dataset(DATA.train, DATA.val, ([[1.0, 2, 3]], [0])),
     "test " + XY.format("list, list")),
    (lambda: mp.Dataset((np.array(1.0), np.ones(1)), DATA.val, DATA.test),
     "train " + XY.format("ndarray float64, ndarray float64")),
    (lambda: mp.Dataset((np.ones((2, 3)), np.array([1j, 2j])), DATA.val, DATA.test),
     "train " + XY.format("ndarray float64, ndarray complex128")),
    (lambda: mp.Dataset((np.ones((2, 3)), np.array(["a", "b"])), DATA.val, DATA.test),
     "val: targets are int64, those of train are <U1; pass all parts as text, or all as numbers"),
    (lambda: mp.zoo.mlp(DATA.train), SIZED.format("tuple")),
    (lambda: mp.zoo.lenet_5("digits"), SIZED.format("str")),
    (lambda: mp.zoo.mlp(DATA, 64),
     "mlp: hidden must be a tuple of sizes, not 64; pass (64, 32), or () "
     "for none"),
    (lambda: mp.initialise(MODEL.net, dtype="float3"),
     "initialise: dtype must be float32 or float64, not 'float3'; pass np.float32, for "
     "example"),
    (lambda: mp.data.idx(None), "idx: folder must be a path, not None; pass its name as text"),
    (lambda: mp.data.csv("a\0b"),
     "csv: train_path must be a path, not 'a\\x00b'; pass its name as text"),
    (lambda: mp.data.csv(None), "csv: train_path must be a path, not None; pass its name as "
                                "text"),
    (lambda: mp.data.csv("a", 3), "csv: test_path must be a path, not 3; pass its name as "
                                  "text"),
    (lambda: mp.allocate([(3, 4)], 0.5),
     "allocate: layers must be a Mapping, not list; pass a model, or {'fc1.weight': (300, 784)}"),
    (lambda: mp.allocate(MODEL.params, 0.5),
     "allocate: the shape of fc1.weight must be (o, i) or (o, i, y, x) with sides of at least"
     " 1, not ndarray; pass the shapes of weights alone"),
    (lambda: mp.allocate(MODEL, 0.5, protect=3),
     "3 must be a scored parameter, or a layer of one; choose among fc1.weight, fc2.weight"),
    (lambda: mp.prune(MODEL, {"fc1.weight": np.ones(4)}, sparsity=0.5, protect=None),
     "prune: None must make units that can be removed, and makes none; choose among fc1.weight"),
    (lambda: mp.combine([SIZES, SIZES]), CRITERIA.format("list")),
    (lambda: mp.combine(SIZES), CRITERIA.format("ndarray")),
    (lambda: mp.combine(None), CRITERIA.format("NoneType")),
    (lambda: mp.combine({"a": SIZES}, [1]),
     "combine: weights must be a Mapping, not list; pass {'a': 1.0}"),
    (lambda: mp.combine({"a": {"fc9": np.ones(3)}}, model=MODEL),
     "fc9: no such parameter; there are fc1.weight, fc1.bias, fc2.weight, fc2.bias"),
    (lambda: mp.score(MODEL, None, lambda ev: {n: w + 1j for n, w in ev.weights.items()}),
     "<lambda>: score of fc1.weight must be real numbers, not complex128; return those"),
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


def test_a_misspelt_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'sparcity'"):
        mp.prune(MODEL, SIZES, sparcity=0.9)  # type: ignore[call-arg]
