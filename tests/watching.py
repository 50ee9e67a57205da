"""A method that only records, a small net and small data: shared by the tests of `fit`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minprune as mp
from minprune.core import Array, Arrays
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model


@dataclass(frozen=True)
class Watching(mp.Method):
    """Keeps a copy of what `after` sees."""

    params: list[Arrays] = field(default_factory=list)
    opt_state: list[dict[str, Arrays]] = field(default_factory=list)
    batches: list[tuple[Array, Array]] = field(default_factory=list)
    views: list[mp.View] = field(default_factory=list)

    def after(self, view: mp.View) -> None:
        self.params.append({k: w.copy() for k, w in view.params.items()})
        self.opt_state.append(
            {slot: {k: a.copy() for k, a in s.items()} for slot, s in view.opt_state.items()}
        )
        self.batches.append((view.batch[0].copy(), view.batch[1].copy()))
        self.views.append(view)


def small_net(dropout: float = 0.0, dtype: type = np.float64, seed: int = 0) -> Model:
    """Two convolutions, BatchNorm, a sum, dropout, two dense layers."""
    layers: list[Any] = [
        ("conv1", mp.Conv2d(1, 3, 3, padding=1)), ("bn1", mp.BatchNorm(3)), ("relu1", mp.ReLU()),
        ("conv2", mp.Conv2d(3, 3, 3, padding=1)), ("sum", mp.Add(), ("conv2", "relu1")),
        ("pool", mp.MaxPool(2)), ("flatten", mp.Flatten()), ("drop", mp.Dropout(dropout)),
        ("fc1", mp.Dense(12, 5)), ("tanh1", mp.Tanh()), ("fc2", mp.Dense(5, 3)),
    ]  # fmt: skip
    return mp.initialise(mp.build((1, 4, 5), layers), dtype=dtype, seed=seed)


def small_data(n: int = 11, dtype: type = np.float64) -> mp.Dataset:
    """n images of noise in 3 classes; the first entry of each is its number."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 1, 4, 5)).astype(dtype)
    x[:, 0, 0, 0] = np.arange(n)
    y = rng.integers(0, 3, n)
    return mp.Dataset((x, y), (x[:4], y[:4]), (x[:2], y[:2]))


def half_masked(model: Model) -> Model:
    """About half the entries of every weight and bias masked, BatchNorm's too."""
    rng = np.random.default_rng(1)
    return mp.with_masks(model, {k: rng.random(w.shape) < 0.5 for k, w in model.params.items()})


def context(model: Model, seed: int = 0) -> mp.Context:
    """What `start` is given, at the beginning of training."""
    streams = (np.random.default_rng(seed),)
    return mp.Context(model.net, model.masks, None, 1, 1, 0, 1, 0.1, streams, ForwardContext())


def same(a: Model, b: Model) -> bool:
    """Whether two models have the same parameters and buffers, to the bit."""
    pairs = [(a.params, b.params), (a.buffers, b.buffers)]
    return all(
        p.keys() == q.keys() and all(p[k].tobytes() == q[k].tobytes() for k in p) for p, q in pairs
    )


def one_weight(w: float = 2.0) -> Model:
    """y = w x: on x = 1 and target 0 the loss is w^2."""
    net = mp.build((1,), [("fc", mp.Dense(1, 1, bias=False))], "mse")
    return mp.Model(net, {"fc.weight": np.array([[w]])})


def one_sample(x: float = 1.0, y: float = 0.0) -> mp.Dataset:
    part = np.array([[x]]), np.array([[y]])
    return mp.Dataset(part, part, part)


@dataclass(frozen=True)
class Changing(mp.Method):
    """Returns one change after step 1, and keeps what the later steps see."""

    change: Callable[[mp.View], mp.Change]
    views: list[dict[str, Any]] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, {"sigma": np.ones(2)}, "old"

    def after(self, view: mp.View) -> mp.Change | None:
        self.views.append({
            "w": view.params["fc1.weight"].copy(),
            "masks": dict(view.ctx.masks),
            "state": view.ctx.state,
            "v": view.opt_state["velocity"]["fc1.weight"].copy(),
            "sigma": view.extra["sigma"].copy(),
        })  # fmt: skip
        return self.change(view) if view.ctx.step == 1 else None


def changed(change: Callable[[mp.View], mp.Change]) -> tuple[Model, list[dict[str, Any]]]:
    """The model after 6 steps of learning rate 0: only the change moves it; and the views."""
    method, still = Changing(change), mp.SGD(0.0, momentum=0.5)
    how = {"epochs": 2, "batch_size": 4, "optimizer": still, "progress": False}
    return mp.fit(small_net(), small_data(), method=method, **how)[0], method.views
