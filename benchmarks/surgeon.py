"""Optimal Brain Surgeon: MONK's problems, XOR, exact row sweeps, LeNet-300-100 before retraining.

Papers: Hassibi & Stork (1992): MONK-1 58 -> 14, MONK-2 39 -> 15, MONK-3 39 -> 4 weights at 100/100,
100/100, 93.4/97.2 % (train/test); Frantar & Alistarh (2022) for the sweeps.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file, interleave, within
from benchmarks.step import high_water
from minprune import kernels
from minprune.core import Array, Arrays, Dataset
from minprune.curvature.inverse import damped_inverse
from minprune.nets.model import Model

DECAY, LR = 1e-3, 0.02
SEEDS, NETS = 10, 100
# problem, hidden units, training accuracy to hold, weights of the paper
MONKS: list[tuple[int, int, float, int]] = [(1, 3, 1.0, 14), (2, 2, 1.0, 15), (3, 2, 0.934, 4)]
ROWS, COLUMNS, SECONDS = 32, 784, 2.0
CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


def run(quick: bool, data: Path | None) -> list[Row]:
    """All of it; quick: fewer seeds and nets."""
    rows = attempt("exact rows", sweep)
    rows += attempt("XOR", partial(xor, 10 if quick else NETS))
    for problem in MONKS:
        rows += attempt(f"MONK-{problem[0]}", partial(monk, *problem, 2 if quick else SEEDS, data))
    return rows + attempt("lenet_300_100", partial(lenet, 2 if quick else 10, data))


def sweep() -> Iterable[Row]:
    """Rows of a layer all the way to empty."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((ROWS, COLUMNS)), rng.standard_normal((2 * COLUMNS, COLUMNS))
    inverse = damped_inverse(2 / len(x) * x.T @ x).inverse
    kernels.obs_sweep(w[:1, :8].copy(), inverse[:8, :8].copy())  # compile
    before = high_water()
    found = interleave({"ours": lambda: kernels.obs_sweep(w, inverse)}, repeats=7, warmup=1)
    note = f"{ROWS} x {COLUMNS}, every row to empty, +{high_water() - before:.0f} MiB"
    yield within("exact rows", found["ours"].median, SECONDS, note=note)


@dataclass(frozen=True)
class Trial:
    """What one seed gave: weights left, and (train, test) accuracy."""

    left: int
    obs: tuple[float, float]
    magnitude: tuple[float, float]
    obd: tuple[float, float]


def monk(
    problem: int, hidden: int, hold: float, paper: int, seeds: int, data: Path | None
) -> Iterable[Row]:
    """Weights left over the seeds; accuracies of OBS, and of others at the same count."""
    train = data_file(data, "monks", f"monks-{problem}.train")
    test = train.with_suffix(".test")
    dataset = mp.data.csv(train, test, one_hot="all", outputs="column", dtype=np.float64)
    trials = [trial(dataset, hidden, hold, seed) for seed in range(seeds)]
    left = [t.left for t in trials]
    note = f"least {min(left)}, most {max(left)} of {hidden * 19 + 1}; paper {paper}; "
    note += "; ".join(
        f"{who} {shown([getattr(t, who) for t in trials])}" for who in ("obs", "magnitude", "obd")
    )
    yield Row(
        f"MONK-{problem}, weights left", float(np.median(left)), float(paper),
        float(np.median(left)) / paper, None, None, unit="", note=note,
    )  # fmt: skip


def shown(pairs: list[tuple[float, float]]) -> str:
    """Mean train/test accuracy in percent."""
    return "/".join(f"{100 * x:.1f}" for x in np.mean(pairs, axis=0))


def trial(data: Dataset, hidden: int, hold: float, seed: int) -> Trial:
    """OBS with retraining as far as the training accuracy holds; others to the same count."""
    dense = trained(mp.zoo.monk(hidden, seed=seed), data, 2000, seed)
    hold = min(hold, mp.evaluate(dense, data.train).accuracy)
    best = now = dense
    while True:
        now = mp.methods.obs(now, data.train, params="all", accuracy=hold, progress=False).model
        best = now if live(now) < live(best) else best
        one = 1 - (live(now) - 1) / total(now)
        if live(now) == 1:
            break
        now = mp.methods.obs(now, data.train, params="all", sparsity=one, progress=False).model
        now = trained(now, data, 1000, seed)
        if mp.evaluate(now, data.train).accuracy < hold:
            break
        best = now
    share = 1 - live(best) / total(best)
    others = [
        trained(mp.prune(dense, scores(dense, data, name), sparsity=share, minimum=0), data, 1000,
                seed)
        for name in ("magnitude", "obd")
    ]  # fmt: skip
    return Trial(live(best), *(accuracies(m, data) for m in (best, *others)))


def scores(model: Model, data: Dataset, name: str) -> Arrays:
    """Chunk all parameters, as OBS is; OBD with the Gauss-Newton diagonal, which is not negative"""
    how = {"diagonal": "gauss_newton"} if name == "obd" else {}
    return mp.score(model, data.train, name, params="all", **how)


def trained(model: Model, data: Dataset, epochs: int, seed: int) -> Model:
    """Full batches, weight decay."""
    how = {"batch_size": len(data.train[0]), "optimizer": mp.Adam(LR, weight_decay=DECAY)}
    return mp.fit(model, data, epochs=epochs, seed=seed, progress=False, **how)[0]


def accuracies(model: Model, data: Dataset) -> tuple[float, float]:
    """(train, test)"""
    return mp.evaluate(model, data.train).accuracy, mp.evaluate(model, data.test).accuracy


def total(model: Model) -> int:
    """Parameters, biases included."""
    return sum(w.size for w in model.params.values())


def live(model: Model) -> int:
    """Parameters that are not masked."""
    return total(model) - sum(int((~m).sum()) for m in model.masks.values())


def xor(nets: int) -> Iterable[Row]:
    """How often the first weight that each removes is one that XOR can do without."""
    y = (CORNERS.sum(axis=1, keepdims=True) == 1).astype(float)
    data = Dataset((CORNERS, y), (CORNERS[:0], y[:0]), (CORNERS, y))
    net = mp.build((2,), [
        ("fc1", mp.Dense(2, 2)), ("act1", mp.Sigmoid()), ("fc2", mp.Dense(2, 1)),
        ("act2", mp.Sigmoid()),
    ], "mse")  # fmt: skip
    right = dict.fromkeys(("magnitude", "obd", "obs"), 0)
    seen, seed = 0, 0
    while seen < nets:
        model = sloped(mp.initialise(net, seed=seed, scheme="glorot", dtype=np.float64), data, seed)
        seed += 1
        if mp.evaluate(model, data.train).accuracy < 1:
            continue
        seen += 1
        known: dict[tuple[str, int], bool] = {}
        for name in right:
            first = least(scores(model, data, name))
            if first not in known:
                known[first] = can_do_without(model, data, first, seed)
            right[name] += known[first]
    for name, count in right.items():
        note = f"{nets} trained 2-2-1 nets of {seed} begun; correct = retraining solves XOR again"
        yield Row(f"XOR, {name}, first weight correct", 100 * count / nets, None, None, None, None,
                  unit="%", note=note)  # fmt: skip


def sloped(model: Model, data: Dataset, seed: int) -> Model:
    """Trained on the corners."""
    how = {"batch_size": 4, "optimizer": mp.Adam(0.1)}
    return mp.fit(model, data, epochs=400, seed=seed, progress=False, **how)[0]


def least(found: dict[str, Array]) -> tuple[str, int]:
    """The entry of the lowest score."""
    return min(((name, int(s.argmin())) for name, s in found.items()),
               key=lambda at: found[at[0]].flat[at[1]])  # fmt: skip


def can_do_without(model: Model, data: Dataset, entry: tuple[str, int], seed: int) -> bool:
    """Whether retraining, from what is left, solves XOR with that entry at 0."""
    name, at = entry
    mask = np.ones(model.params[name].shape, bool)
    mask.flat[at] = False
    again = sloped(mp.with_masks(model, {name: mask}), data, seed)
    return mp.evaluate(again, data.train).accuracy == 1


def lenet(epochs: int, data: Path | None) -> Iterable[Row]:
    """By layer to 95 %, before any retraining, beside magnitude."""
    dataset = mp.data.idx(data_file(data, "mnist"))
    model, _ = mp.fit(mp.zoo.lenet_300_100(dataset), dataset, epochs=epochs, progress=False)
    samples = dataset.train[0][:20_000], dataset.train[1][:20_000]
    dense = mp.evaluate(model, dataset.test).accuracy
    plain = mp.score(model, None, "magnitude")
    for share in (0.9, 0.95):
        begun = time.perf_counter()
        pruned = mp.methods.obs(model, samples, scale="layer", sparsity=share, progress=False).model
        seconds = time.perf_counter() - begun
        other = mp.prune(model, plain, sparsity=share, scope="layer")
        note = f"dense {100 * dense:.2f} %, {seconds:.1f} s with 20,000 samples; peer: magnitude"
        yield Row(
            f"lenet_300_100, OBS by layer to {share:.0%}, accuracy",
            100 * mp.evaluate(pruned, dataset.test).accuracy,
            100 * mp.evaluate(other, dataset.test).accuracy,
            None, None, None, unit="%", note=note,
        )  # fmt: skip
