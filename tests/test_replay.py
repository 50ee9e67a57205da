"""The third call of a model with so many samples, and those after it: the bits of the first."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import ALSO, models

import minprune as mp
from minprune.core import Array
from minprune.kernels import replay
from minprune.kernels.replay import Recording, Replay
from minprune.nets.activation_layers import ReLU
from minprune.nets.model import replays as model_replays


def inputs(model: mp.Model, n: int, seed: int = 0) -> Array:
    shape = (n, *model.net.input_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(model.dtype)


def fresh(model: mp.Model, x: Array) -> Array:
    """What a model that was never called gives"""
    return mp.Model(model.net, model.params, model.buffers, model.masks)(x)


def replays(model: mp.Model) -> list[int]:
    """For which numbers of samples there is a replay"""
    return [n for n, (r, _) in model_replays(model)._held.items() if isinstance(r, Replay)]


def as_fresh(model: mp.Model, n: int = 2, calls: int = 5) -> bool:
    """Whether each of so many calls gives the bits of a first one"""
    found = []
    for seed in range(calls):
        x = inputs(model, n, seed)
        found.append(np.array_equal(model(x), fresh(model, x), equal_nan=True))
    return all(found)


@settings(max_examples=30)
@given(models(also=ALSO), st.integers(1, 4), st.booleans())
def test_every_call_gives_the_bits_of_a_first_one(model: mp.Model, n: int, sparse: bool) -> None:
    if sparse:
        pruned = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5, minimum=0)
        model = mp.sparsify(pruned, format="csr")
    assert as_fresh(model, n)
    assert replays(model) == [n]


def test_nets_of_the_zoo_are_replayed() -> None:
    for name in ("mlp", "cnn_small", "resnet_small"):
        model = getattr(mp.zoo, name)(((1, 8, 8), 10), seed=0)
        assert as_fresh(model, 1)
        assert replays(model) == [1]


def test_arrays_that_changed_in_place_or_were_replaced_are_read() -> None:
    model = mp.zoo.resnet_small(((1, 8, 8), 10), seed=0)
    assert as_fresh(model)
    for arrays in (model.params, model.buffers):
        for a in arrays.values():
            a += 1
        assert as_fresh(model)
        for name, a in arrays.items():
            arrays[name] = a / 2
        assert as_fresh(model)


def test_inputs_are_converted_and_results_are_new() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=0)
    x = np.arange(8.0).reshape(2, 4)
    first = [model(x) for _ in range(4)][-1]
    kept = first.copy()
    for other in (x.astype(int), x.tolist(), np.asfortranarray(x), x[::1].astype(np.float16)):
        assert np.array_equal(model(other), kept)  # type: ignore[arg-type]
    model(x + 1)
    assert np.array_equal(first, kept)
    assert first.flags.writeable
    assert first.flags.c_contiguous


def test_few_replays_are_held_and_no_large_ones() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=0)
    for n in (1, 2, 3, 4, 5, 6):
        assert as_fresh(model, n)
    assert replays(model) == [3, 4, 5, 6]
    wide = mp.zoo.mlp(((4,), 3), (3000,), seed=0)
    assert as_fresh(wide, 100)
    assert replays(wide) == []


def test_replays_are_no_part_of_a_model() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=0)
    assert as_fresh(model)
    assert vars(model).keys() == {"net", "params", "buffers", "masks"}
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert replays(other) == []
        assert as_fresh(other)


def test_threads_do_not_share_a_replay() -> None:
    model = mp.zoo.mlp(((64,), 10), (50,), seed=0)
    xs = [inputs(model, 1, seed) for seed in range(40)]
    expected = [fresh(model, x) for x in xs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for got, want in zip(pool.map(model, xs), expected, strict=True):
                assert np.array_equal(got, want)


@dataclass(frozen=True)
class Unseen(ReLU):
    """A layer of one's own that computes without ops"""

    fused = ""

    def apply(self, p: Any, xs: list[Any], run: Any, act: str = "none") -> Any:
        return np.maximum(xs[0] - 0.1, 0)


@dataclass(frozen=True)
class InPlace(Unseen):
    """One that changes its input"""

    def apply(self, p: Any, xs: list[Any], run: Any, act: str = "none") -> Any:
        xs[0][:1] += 1
        return xs[0]


def with_layer(layer: Any) -> mp.Model:
    layers = [("fc1", mp.Dense(4, 5)), ("own", layer), ("fc2", mp.Dense(5, 3))]
    return mp.initialise(mp.build((4,), layers), seed=0)


@pytest.mark.parametrize("layer", [Unseen(), InPlace()], ids=["unseen", "in place"])
def test_what_no_op_computes_is_not_replayed(layer: Any) -> None:
    model = with_layer(layer)
    assert as_fresh(model)
    assert replays(model) == []


@pytest.mark.parametrize("layer", [Unseen(), InPlace()], ids=["unseen", "in place"])
def test_the_law_rejects_replays_that_nobody_checked(layer: Any, monkeypatch: Any) -> None:
    model = with_layer(layer)
    with monkeypatch.context() as patched:
        patched.setattr(Recording, "knows", lambda self, a: True)
        patched.setattr(replay.np, "array_equal", lambda *a, **how: True)
        for _ in range(3):
            model(inputs(model, 2))
    assert replays(model) == [2]
    assert not as_fresh(model)
