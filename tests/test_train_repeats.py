"""The same arguments give the same bits: twice, in a new process, with memory used again or not."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watching import Watching, same, small_data, small_net

import minprune as mp
from minprune import kernels
from minprune.core import Array, stream
from minprune.kernels import Workspace
from minprune.nets.model import Model

ROOT = Path(__file__).parent.parent
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}


def trained(seed: Any = 0, dropout: float = 0.5, **how: Any) -> Model:
    return mp.fit(small_net(dropout), small_data(), seed=seed, **(HOW | how))[0]


def test_one_seed_gives_the_same_bits_and_history() -> None:
    first, second = (mp.fit(small_net(0.5), small_data(), seed=3, **HOW) for _ in range(2))
    assert same(first[0], second[0])
    assert first[1].steps == second[1].steps
    for kind in ("train_loss", "val_loss", "val_accuracy"):
        assert first[1].epochs[kind] == second[1].epochs[kind]
    assert not same(first[0], trained(seed=4))


def test_a_generator_is_a_seed_and_moves_on() -> None:
    rng = np.random.default_rng(0)
    first, second = trained(seed=rng), trained(seed=rng)
    assert not same(first, second)
    assert same(first, trained(seed=np.random.default_rng(0)))


PRINT = """
import sys
sys.path.insert(0, "tests")
from test_train_repeats import digest, trained
print(digest(trained(seed=3)))
"""


def digest(model: Model) -> str:
    arrays = {**model.params, **model.buffers}
    return hashlib.sha256(b"".join(arrays[k].tobytes() for k in arrays)).hexdigest()


def test_the_same_bits_in_a_new_process() -> None:
    there = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert there.stdout.strip() == digest(trained(seed=3))


class Greedy(mp.Method):
    """Draws from the method's own stream at every step."""

    def weights(self, params: Any, extra: Any, ctx: mp.Context) -> Any:
        ctx.rng.random(100)
        return params


def test_streams_do_not_disturb_each_other() -> None:
    """Dropout does not change the order of the data, nor does a method that draws."""
    orders = []
    for dropout in (0.0, 0.5):
        watching = Watching()
        trained(dropout=dropout, method=watching)
        orders.append(np.concatenate([x[:, 0, 0, 0] for x, _ in watching.batches]))
    assert np.array_equal(*orders)
    rng = stream(0, "order")
    assert np.array_equal(orders[0], np.concatenate([rng.permutation(11) for _ in range(2)]))
    assert same(trained(), trained(method=Greedy()))
    draws = [stream(0, name).random(4) for name in ("order", "dropout", "method", "initialisation")]
    assert len(np.unique(np.concatenate(draws))) == 16


class Careless(Workspace):
    """Hands out one buffer for each size, whoever still holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.one: dict[int, tuple[Array, int]] = {}

    def buffer(self, size: int) -> tuple[Array, int]:
        return self.one.setdefault(size, (np.empty(size, np.uint8), 0))


def large(monkeypatch: pytest.MonkeyPatch, lend: Callable[[], Any], **how: Any) -> Model:
    """Training with arrays large enough to be lent: 16 x 8 x 8 x 32 floats."""
    monkeypatch.setattr(kernels, "lend", lend)
    rng = np.random.default_rng(0)
    part = rng.standard_normal((64, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 64)
    how = {"epochs": 2, "batch_size": 32, "method": Watching(), "progress": False} | how
    model = mp.zoo.resnet_small(((1, 8, 8), 3), 16)
    return mp.fit(model, mp.Dataset(part, part, part), **how)[0]


def test_memory_that_is_used_again_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    lend, space = kernels.lend, Workspace()
    plain = large(monkeypatch, contextlib.nullcontext)
    assert same(plain, large(monkeypatch, lambda: lend(space)))
    assert space.bytes > 0
    try:
        careless = large(monkeypatch, lambda: lend(Careless()))
    except mp.errors.NonFiniteError:
        return  # so far off that training stopped
    assert not same(plain, careless)


class Lent(mp.Method):
    """Ends with a model whose arrays are lent: what must not happen."""

    def finish(self, model: Model, extra: Any, ctx: mp.Context) -> Model:
        params = {}
        for k, w in model.params.items():
            params[k] = kernels.empty(w.shape, w.dtype)
            params[k][...] = w
        return Model(model.net, params, model.buffers, model.masks)


def survives(monkeypatch: pytest.MonkeyPatch, lend: Callable[..., Any], method: mp.Method) -> bool:
    """A model does not change while another is trained in the very same memory."""
    with lend(Careless()):  # `large` lends nothing of its own here
        first = large(monkeypatch, contextlib.nullcontext, method=method, epochs=0)
        kept = digest(first)
        large(monkeypatch, contextlib.nullcontext, epochs=1, seed=1)
    return digest(first) == kept


def test_nothing_lent_leaves_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    lend = kernels.lend
    assert survives(monkeypatch, lend, mp.Method())
    assert not survives(monkeypatch, lend, Lent())
