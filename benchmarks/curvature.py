"""Second-order quantities beside BackPACK, the same net and samples, and how exactly they agree.

The peer's time is of what its users call: forward, loss, backward with the extension on.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, against, attempt, interleave, peer
from benchmarks.step import torch_net
from minprune import curvature
from minprune.core import Arrays, Split
from minprune.nets.model import Model

CASES: list[tuple[str, int]] = [("lenet_300_100", 256), ("lenet_5", 64)]
# name, ours, BackPACK's extension, where it leaves the result
QUANTITIES: list[tuple[str, Callable[..., Arrays], str, str]] = [
    ("Hessian diagonal", curvature.exact, "DiagHessian", "diag_h"),
    ("GGN diagonal", curvature.gauss_newton, "DiagGGNExact", "diag_ggn_exact"),
    ("sum of squared gradients", curvature.squared_grads, "SumGradSquared", "sum_grad_squared"),
    ("gradient of each sample", curvature.sample_grads, "BatchGrad", "grad_batch"),
]
TARGET = 0.8
AGREE = 1e-5  # of the largest entry of each parameter


def run(quick: bool, data: Path | None) -> list[Row]:
    """A row for the time and one for the agreement of each quantity on each net."""
    rows: list[Row] = []
    for net, samples in CASES:
        for quantity in QUANTITIES:
            work = partial(measure, net, samples, *quantity, repeats=7 if quick else 15)
            rows += attempt(f"{net}, {quantity[0]}", work)
    return rows


def measure(
    net: str, samples: int, name: str, ours: Callable[..., Arrays], kind: str, at: str, repeats: int
) -> Iterable[Row]:
    """Both on the same weights and samples."""
    extensions = peer("backpack.extensions")
    rng = np.random.default_rng(0)
    model = getattr(mp.zoo, net)(((1, 28, 28), 10), seed=0)
    batch = rng.random((samples, 1, 28, 28), np.float32), rng.integers(0, 10, samples)
    theirs = Extended(net, model, batch, getattr(extensions, kind)(), at)
    pair = {"ours": lambda: ours(model, batch, params="all"), "theirs": theirs}
    found = interleave(pair, repeats=repeats, warmup=2)
    label = f"{net}, {name}, {samples} samples"
    yield against(label, found["ours"], found["theirs"], TARGET, f"BackPACK's {kind}")
    off = apart(ours(model, batch, params="all"), theirs(), samples, kind)
    yield Row(
        f"{label}, difference", off, None, None, AGREE, off <= AGREE, unit="",
        note="largest, of each parameter's largest entry",
    )  # fmt: skip


def apart(ours: Arrays, peer: Arrays, samples: int, kind: str) -> float:
    """The largest difference, relative to the largest entry of its parameter."""
    # of a mean loss, the peer's gradients of one sample are 1/P of it
    scale = {"SumGradSquared": samples, "BatchGrad": samples}.get(kind, 1)
    return max(
        float(np.abs(a - peer[name] * scale).max() / np.abs(a).max()) for name, a in ours.items()
    )


class Extended:
    """The same net in PyTorch, extended by BackPACK; called, it gives {our name: array}."""

    def __init__(self, net: str, model: Model, batch: Split, extension: Any, at: str) -> None:
        torch = peer("torch")
        backpack = peer("backpack")
        self.backpack, self.extension, self.at = backpack, extension, at
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        self.net = backpack.extend(torch_net(torch, net))
        for p, w in zip(self.net.parameters(), model.params.values(), strict=True):
            p.data = torch.from_numpy(w.copy())
        self.loss = backpack.extend(torch.nn.CrossEntropyLoss())
        self.x, self.y = torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
        self.names = list(model.net.params)

    def __call__(self) -> Arrays:
        with self.backpack.backpack(self.extension):
            self.loss(self.net(self.x), self.y).backward()
        found = [getattr(p, self.at).numpy() for p in self.net.parameters()]
        self.net.zero_grad()
        return dict(zip(self.names, found, strict=True))
