"""One training step (forward, backward, SGD with momentum, float32) beside PyTorch's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import AbsentError, Row, against, attempt, interleave, peer
from minprune.train.step import Training

# net, batch, input, target against the default layout, target against channels_last
CASES: list[tuple[str, int, tuple[int, ...], float, float | None]] = [
    ("lenet_300_100", 64, (1, 28, 28), 0.85, None),
    ("lenet_5", 64, (1, 28, 28), 0.65, 1.0),
    ("conv_4", 60, (3, 32, 32), 1.15, None),
]
LR, MOMENTUM = 0.01, 0.9


def run(quick: bool, data: Path | None) -> list[Row]:
    """Time and peak memory of a step of three nets."""
    rows: list[Row] = []
    for name, batch, shape, target, last in CASES:
        repeats = 7 if name == "conv_4" else 15 if quick else 51
        timed = partial(times, name, batch, shape, target, last, repeats)
        rows += attempt(f"{name}, batch {batch}", timed)
    for name, batch, shape, *_ in CASES:
        rows += attempt(f"{name}, peak MiB", partial(memory, name, batch, shape))
    return rows


def times(
    name: str, batch: int, shape: tuple[int, ...], target: float, last: float | None, repeats: int
) -> Iterable[Row]:
    """Our step against PyTorch's in both layouts, in turn."""
    fns = {"ours": our_step(name, batch, shape)}
    fns |= {layout: torch_step(name, batch, shape, layout) for layout in ("default", "last")}
    found = interleave(fns, repeats=repeats, warmup=5)
    yield against(
        f"{name}, batch {batch}, PyTorch default", found["ours"], found["default"], target
    )
    yield against(f"{name}, batch {batch}, channels_last", found["ours"], found["last"], last)


def sample(batch: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((batch, *shape), np.float32), rng.integers(0, 10, batch)


def our_step(name: str, batch: int, shape: tuple[int, ...]) -> Callable[[], Any]:
    """A step of the loop of `fit`, on a batch that is at hand."""
    return stepping(training(getattr(mp.zoo, name)((shape, 10))), *sample(batch, shape))


def training(model: mp.Model) -> Training:
    """What `fit` steps with."""
    return Training(model, mp.SGD(LR, momentum=MOMENTUM), mp.rates.constant(), mp.Method(), 0)


def stepping(state: Training, x: Any, y: Any) -> Callable[[], float]:
    """A step on this batch, in a workspace of its own."""
    x = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    space = mp.kernels.Workspace()

    def step() -> float:
        with mp.kernels.lend(space):
            return state.step(x, y)

    return step


def torch_net(torch: Any, name: str) -> Any:
    nn = torch.nn
    if name == "lenet_300_100":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(),
            nn.Linear(100, 10),
        )  # fmt: skip
    if name == "lenet_5":
        return nn.Sequential(
            nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
        )  # fmt: skip
    convs, channels = [], 3
    for k, width in enumerate((64, 64, 128, 128), 1):
        convs += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        convs += [nn.MaxPool2d(2)] if k % 2 == 0 else []
        channels = width
    return nn.Sequential(
        *convs, nn.Flatten(), nn.Linear(8192, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
        nn.Linear(256, 10),
    )  # fmt: skip


def torch_step(name: str, batch: int, shape: tuple[int, ...], layout: str) -> Callable[[], Any]:
    torch = peer("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, y = map(torch.from_numpy, sample(batch, shape))
    net = torch_net(torch, name)
    if layout == "last":
        x, net = (a.to(memory_format=torch.channels_last) for a in (x, net))
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    loss_of = torch.nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def memory(name: str, batch: int, shape: tuple[int, ...]) -> Iterable[Row]:
    """Peak resident MiB of ten steps above that of the imports, each in a process of its own."""
    peer("torch")
    ours, theirs = (peak(kind, name, batch, shape) for kind in ("our", "torch"))
    yield Row(
        f"{name}, batch {batch}, peak MiB", ours, theirs, ours / theirs, None, None, unit="MiB"
    )


def peak(kind: str, name: str, batch: int, shape: tuple[int, ...]) -> float:
    program = (
        f"from benchmarks.step import climb; print(climb({kind!r}, {name!r}, {batch}, {shape}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def climb(kind: str, name: str, batch: int, shape: tuple[int, ...]) -> float:
    """How many MiB the peak of this process rises in ten steps, the net itself included."""
    if kind == "our":  # kernels are compiled and loaded before the count begins
        our_step("cnn_small", 8, (1, 8, 8))()
        build = partial(our_step, name, batch, shape)
    else:
        peer("torch").ones(2).sum()
        build = partial(torch_step, name, batch, shape, "default")
    before = high_water()
    step = build()
    for _ in range(10):
        step()
    return high_water() - before


def high_water() -> float:
    """The peak resident MiB of this process (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise AbsentError("no /proc/self/status to read the peak memory from")
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
