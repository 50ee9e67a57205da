"""error(share of channels removed): network slimming on MNIST.

Liu et al. (2017), Learning Efficient Convolutional Networks through Network Slimming, whose nets
are those of CIFAR, SVHN and ImageNet, and one of dense layers for MNIST, 784-500-300-10, as here,
with BatchNorm behind both hidden layers: trained with an L1 penalty on their scales, pruned to
784-100-60-10 (80 % of each layer), fine-tuned without it, 1.49 % after 1.43. Beside it: units by
the norm of their weights, trained without the penalty. Fewer epochs than there.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, shown, test_error

SPARSITIES = (0.5, 0.8, 0.9)
PROTOCOL: dict[str, Any] = {
    "net": "784-500-300-10, BatchNorm", "epochs": 8, "fine-tuning epochs": 4, "batch_size": 100,
    "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "rate": "cosine", "fine-tuning lr": 0.01,
    "lam": 1e-3, "sparsities": SPARSITIES, "scope": "layer", "seeds": 1,
}  # fmt: skip
CLOSE = 0.2  # the claim: the error in points above dense at 80 % of the units


def net(data: mp.Dataset, seed: int) -> mp.Model:
    """The dense net; the penultimate BatchNorm shifts, so no layer before it needs a bias."""
    inputs = int(np.prod(data.input_shape))
    return mp.initialise(mp.build(data.input_shape, [
        ("flatten", mp.Flatten()), ("fc1", mp.Dense(inputs, 500)), ("bn1", mp.BatchNorm(500)),
        ("relu1", mp.ReLU()), ("fc2", mp.Dense(500, 300)), ("bn2", mp.BatchNorm(300)),
        ("relu2", mp.ReLU()), ("fc3", mp.Dense(300, data.outputs)),
    ]), seed=seed)  # fmt: skip


def cell(data: mp.Dataset, lam: float, criterion: str, part: float, seed: int) -> Cell:
    """Trained, then pruned to each sparsity from there and fine-tuned; part: of the epochs."""
    how: dict[str, Any] = {"batch_size": 100, "seed": seed, "progress": False, "drop_last": True}
    first = mp.SGD(PROTOCOL["lr"], momentum=0.9, weight_decay=PROTOCOL["weight_decay"])
    again = mp.SGD(PROTOCOL["fine-tuning lr"], momentum=0.9, weight_decay=PROTOCOL["weight_decay"])
    method = mp.methods.Slimming(lam) if lam else None
    trained, history = mp.fit(
        net(data, seed), data, epochs=max(1, int(PROTOCOL["epochs"] * part)), optimizer=first,
        rate=mp.rates.cosine(), method=method, **how,
    )  # fmt: skip
    scores = mp.score(trained, None, criterion, unit=True)
    rounds = [{"sparsity": 0.0, "error": test_error(trained, data)}]
    for sparsity in SPARSITIES:
        pruned = mp.prune(trained, scores, sparsity=sparsity, scope="layer")
        tuned, _ = mp.fit(
            pruned, data, epochs=max(1, int(PROTOCOL["fine-tuning epochs"] * part)),
            optimizer=again, rate=mp.rates.cosine(), **how,
        )  # fmt: skip
        small = mp.compact(tuned)
        widths = [small.params[f"{k}.weight"].shape[0] for k in ("fc1", "fc2")]
        left = sum(w.size for w in small.params.values()) / sum(
            w.size for w in trained.params.values()
        )
        rounds.append({
            "sparsity": sparsity, "error": test_error(tuned, data),
            "pruned error": test_error(pruned, data),
            "widths": widths, "parameters removed": 100 * (1 - left),
        })  # fmt: skip
    scales = np.concatenate([a.ravel() for a in history.extra.values()] or [np.zeros(0)])
    return {
        "rounds": rounds, "seconds": sum(history.epochs["seconds"]),
        "scales below 0.01": float((scales < 0.01).mean()) if scales.size else None,
    }  # fmt: skip


def run(quick: bool, data: Path | None) -> list[Row]:
    """MNIST, one seed; with --quick a moment of the digits."""
    return attempt("slimming", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    """The table over the sparsities, and two claims."""
    path = None if quick else RESULTS / "slimming.json"
    samples = mp.data.digits() if quick else mp.data.idx(data_file(data, "mnist"))
    part = 0.1 if quick else 1.0
    works = {
        "slimming": partial(cell, samples, PROTOCOL["lam"], "scale", part, 0),
        "weight norm": partial(cell, samples, 0.0, "magnitude", part, 0),
    }
    found = cells(path, PROTOCOL, works)
    body = [
        [name, f"{100 * r['sparsity']:g}", "-".join(map(str, r.get("widths", (500, 300)))),
         f"{r.get('parameters removed', 0.0):.1f}", f"{r.get('pruned error', r['error']):.2f}",
         f"{r['error']:.2f}"]
        for name, c in found.items() for r in c["rounds"]
    ]  # fmt: skip
    slim, other = ({r["sparsity"]: r["error"] for r in found[k]["rounds"]}
                   for k in ("slimming", "weight norm"))  # fmt: skip
    claims = [
        Claim(f"dense + {CLOSE} - error at 80 %", [other[0.0] + CLOSE - slim[0.8]]),
        Claim("error by weight norm - by slimming, 90 %", [other[0.9] - slim[0.9]]),
    ]
    header = ["method", "units %", "widths", "parameters %", "error before fine-tuning", "error %"]
    return shown(path, {"MNIST, 784-500-300-10, last epoch, one seed": (header, body)}, claims)
