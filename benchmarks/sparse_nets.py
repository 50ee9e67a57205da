"""Whole nets on sparse kernels: latency and training steps, beside dense ones, ours and PyTorch's.

Unstructured masks by magnitude over the whole net; warm, as a net that runs all the time. Memory is
that of weights, indices, gradients and the optimizer's state.
"""

import math
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, against, attempt, interleave, peer, stopwatch, timed
from benchmarks.step import sample, stepping, torch_net, torch_step, training
from minprune.nets.model import Model, replays
from minprune.train.step import Training

SHAPE, BATCH, ROTATED = (1, 28, 28), 64, 64
LATENCY = [("lenet_300_100", 0.95, 0.2), ("lenet_5", 0.95, 0.35)]
SINGLE = [("lenet_300_100", 0.0, 0.6), ("lenet_300_100", 0.95, 0.35), ("lenet_5", 0.0, None)]
STEPS = [("lenet_300_100", 0.95, 0.5), ("lenet_300_100", 0.98, 0.35)]


def run(quick: bool, data: Path | None) -> list[Row]:
    """Latency of two nets, of one sample too, then steps of one, then memory."""
    rows: list[Row] = []
    repeats = 15 if quick else 51
    for net, share, target in LATENCY:
        rows += attempt(f"{net}, {share:.0%}", partial(latency, net, share, target, repeats))
    for net, share, most in SINGLE:
        rows += attempt(f"{net}, batch 1", partial(single, net, share, most, repeats))
    for net, share, target in STEPS:
        rows += attempt(f"{net}, step", partial(steps, net, share, target, repeats))
    return rows


def pruned(net: str, share: float) -> Model:
    """The net with its smallest weights masked."""
    model = getattr(mp.zoo, net)((SHAPE, 10), seed=0)
    return mp.prune(model, mp.score(model, None, "magnitude"), sparsity=share)


def latency(net: str, share: float, target: float, repeats: int) -> Iterable[Row]:
    """Forward passes of a batch: sparse, masked dense, PyTorch dense in its faster layout."""
    torch = peer("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    dense = pruned(net, share)
    sparse = mp.sparsify(dense)
    x, _ = sample(BATCH, SHAPE)
    fns: dict[str, Callable[[], Any]] = {"sparse": lambda: sparse(x), "dense": lambda: dense(x)}
    for layout in ("default", "last"):
        fns[layout] = torch_pass(torch, net, x, layout)
    found, once = timed(fns, repeats), interleave(fns, repeats=repeats)
    kinds = ", ".join(
        f"{n.name} {getattr(n.layer, 'format', 'dense')}"
        for n in sparse.net.nodes
        if f"{n.name}.weight" in sparse.net.params
    )
    label = f"{net} at {share:.0%}, latency, batch {BATCH}"
    yield against(f"{label}, our dense", found["sparse"], found["dense"], target, kinds)
    best = min(("default", "last"), key=lambda name: found[name].median)
    yield against(f"{label}, PyTorch", found["sparse"], found[best], target, f"{best} layout")
    note = "one call after another's: with what that leaves of the caches"
    yield against(f"{label}, our dense, in turn", once["sparse"], once["dense"], None, note)


def single(net: str, share: float, most: float | None, repeats: int) -> Iterable[Row]:
    """One sample after another, ROTATED of them: a call, and what it costs beside its kernels."""
    torch = peer("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    model = mp.sparsify(pruned(net, share)) if share else pruned(net, share)
    x, _ = sample(ROTATED, SHAPE)
    xs = [x[k : k + 1] for k in range(ROTATED)]
    theirs, tensors = torch_net(torch, net).eval(), [torch.from_numpy(one) for one in xs]

    def peers() -> None:
        with torch.inference_mode():
            for one in tensors:
                theirs(one)

    def kernels() -> None:
        for _ in xs:
            for function, args in calls:
                function(*args)

    for one in xs:
        model(one)
    (replay, _) = replays(model)._held[1]
    calls = replay.calls  # type: ignore[union-attr]
    fns = {"ours": lambda: [model(one) for one in xs], "torch": peers, "kernels": kernels}
    found = interleave(fns, repeats=repeats)
    label = f"{net}{f' at {share:.0%}' if share else ''}, {ROTATED} calls of one sample"
    yield against(label, found["ours"], found["torch"], most, "PyTorch")
    least = {"ours": math.inf, "kernels": math.inf}  # what is beside is too short for medians
    for _ in range(repeats):
        least = {name: min(t, stopwatch(fns[name])) for name, t in least.items()}
    cost = (least["ours"] - least["kernels"]) / ROTATED / len(model.net.nodes) * 1e6
    yield Row(
        f"{label}, Python a layer", cost, None, None, 1, cost <= 1, unit="us",
        note="what a call costs beside its kernels",
    )  # fmt: skip


def torch_pass(torch: Any, net: str, x: Any, layout: str) -> Callable[[], Any]:
    """A forward pass without a graph."""
    given, built = torch.from_numpy(x), torch_net(torch, net).eval()
    if layout == "last":
        given, built = (a.to(memory_format=torch.channels_last) for a in (given, built))

    def go() -> Any:
        with torch.inference_mode():
            return built(given)

    return go


def steps(net: str, share: float, target: float, repeats: int) -> Iterable[Row]:
    """A step of training: sparse, masked dense, PyTorch dense."""
    dense = pruned(net, share)
    sparse = mp.sparsify(dense)
    ours = {name: training(m) for name, m in (("sparse", sparse), ("dense", dense))}
    fns: dict[str, Callable[[], Any]] = {
        name: stepping(t, *sample(BATCH, SHAPE)) for name, t in ours.items()
    }
    fns["torch"] = torch_step(net, BATCH, SHAPE, "default")
    found = timed(fns, repeats)
    label = f"{net} at {share:.0%}, step, batch {BATCH}"
    yield against(f"{label}, our dense", found["sparse"], found["dense"], target)
    yield against(f"{label}, PyTorch", found["sparse"], found["torch"], target)
    held = {name: memory(t) for name, t in ours.items()}
    ratio = held["sparse"] / held["dense"]
    yield Row(
        f"{label}, memory", held["sparse"] / 1024, held["dense"] / 1024, ratio, None, None,
        unit="KiB", note="weights, indices, gradients, velocity",
    )  # fmt: skip


def memory(state: Training) -> int:
    """Bytes of weights, their gradients, the optimizer's state, and indices."""
    weights = sum(w.nbytes for w in state.params.values())
    slots = sum(a.nbytes for arrays in state.opt_state.values() for a in arrays.values())
    return 2 * weights + slots + sum(state.buffers[name].nbytes for name in state.net.indices)
