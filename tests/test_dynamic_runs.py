"""SET and RigL: what resuming needs, in little memory; the gradient of one layer."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import equal, written
from moving import Run, true_gradients
from watching import small_data

import minprune as mp
from minprune.core import Array
from minprune.methods import SET, RigL, start_sparse
from minprune.methods import set_rigl as dynamic
from minprune.methods.drop_grow import whole_grads
from minprune.nets.model import Model
from minprune.train import checkpoint


def train(plan: Run, path: Path | None = None, **more: Any) -> tuple[Model, mp.History]:
    how = plan.how() | more | {"checkpoint": path}
    return mp.fit(plan.model(0.5), small_data(), method=plan.method(), **how)


def contents(monkeypatch: pytest.MonkeyPatch, plan: Run, path: Path) -> list[bytes]:
    """What the file is after each update."""
    return written(monkeypatch, path, lambda: train(plan, path, every=1))[1]


@pytest.mark.parametrize("part", ["buffers", "opt_state", "the method's stream"])
def test_the_law_rejects_what_is_forgotten(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "fit.npz", Run(SET, every=1, stored=True)
    plain, written = train(plan), contents(monkeypatch, plan, path)
    path.write_bytes(written[0])
    first, real = checkpoint.load_tree(path), checkpoint.load_tree

    def load(path: Path) -> Any:
        tree = real(path)
        if part == "the method's stream":
            tree["streams"][1] = first["streams"][1]
        else:
            tree[part] = first[part]
        return tree

    path.write_bytes(written[3])
    monkeypatch.setattr(checkpoint, "load_tree", load)
    assert not equal(train(plan, path), plain)


@dataclass(frozen=True)
class Peak(mp.Method):
    """The bytes that RigL takes at most, beside what there is."""

    method: RigL
    peaks: list[int] = field(default_factory=list)

    def after(self, view: mp.View) -> mp.Change | None:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        change = self.method.after(view)
        self.peaks.append(tracemalloc.get_traced_memory()[1] - before)
        return change


SIDE = 300


def peak(depth: int) -> int:
    """Of the first move in `depth` layers of 300 x 300, 2 % live."""
    rng = np.random.default_rng(0)
    layers = [(f"fc{k}", mp.Dense(SIDE, SIDE, bias=False)) for k in range(depth)]
    model = mp.initialise(mp.build((SIDE,), layers, "mse"), dtype=np.float64)
    stored = mp.sparsify(start_sparse(model, 0.98, "uniform"), "csr")
    part = rng.standard_normal((4, SIDE)), rng.standard_normal((4, SIDE))
    looking, none = Peak(RigL(0.3, 1, 1.0)), (part[0][:0], part[1][:0])
    tracemalloc.start()
    try:
        mp.fit(stored, mp.Dataset(part, none, none), epochs=2, batch_size=4, method=looking,
               optimizer=mp.SGD(1e-3, momentum=0.9), progress=False)  # fmt: skip
    finally:
        tracemalloc.stop()
    return looking.peaks[0]


def test_never_all_dense_gradients_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = SIDE * SIDE * 8
    peak(1)  # compiled
    few, many = peak(2), peak(8)
    assert many - few < one
    real = whole_grads

    def hoarding(view: mp.View, names: Any) -> Callable[[str], Array]:
        grads = real(view, names)
        return {name: grads(name) for name in names}.__getitem__

    monkeypatch.setattr(dynamic, "whole_grads", hoarding)
    assert peak(8) - few > 5 * one


def odd_net() -> Model:
    """Groups, strides, a 1 x 3 kernel, fused activations, a layer that nobody reads."""
    layers: list[Any] = [
        ("conv1", mp.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)), ("tanh1", mp.Tanh()),
        ("conv2", mp.Conv2d(4, 6, (1, 3), padding=(0, 1))), ("relu2", mp.LeakyReLU()),
        ("aside", mp.Conv2d(6, 2, 1)),
        ("flatten", mp.Flatten(), "relu2"), ("fc1", mp.Dense(36, 5)), ("sigmoid1", mp.Sigmoid()),
        ("fc2", mp.Dense(5, 3, bias=False)),
    ]  # fmt: skip
    return mp.initialise(mp.build((2, 3, 5), layers), dtype=np.float64)


@pytest.mark.parametrize("stored", [False, True])
def test_the_gradient_is_that_of_the_dense_net_one_layer_at_a_time(stored: bool) -> None:
    seen: list[float] = []

    class Comparing(mp.Method):
        def after(self, view: mp.View) -> None:
            found = whole_grads(
                view, ["conv1.weight", "conv2.weight", "aside.weight", "fc1.weight"]
            )
            for name, want in true_gradients(view).items():
                if name != "fc2.weight":
                    got = found(name)
                    assert got.shape == want.shape
                    seen.append(float(np.abs(got - want).max()))
                    assert want.any() == (name != "aside.weight")

    rng = np.random.default_rng(0)
    part = rng.standard_normal((5, 2, 3, 5)), rng.integers(0, 3, 5)
    model = start_sparse(odd_net(), 0.5, "er")
    mp.fit(mp.sparsify(model, "csr") if stored else model, mp.Dataset(part, part, part), epochs=2,
           method=Comparing(), progress=False)  # fmt: skip
    assert len(seen) == 8
    assert max(seen) < 1e-14  # of gradients below 1, from sums of some tens of products
