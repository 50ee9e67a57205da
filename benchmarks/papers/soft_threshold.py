"""error(decay), sparsity(decay): soft threshold reparameterization on MNIST.

Kusupati et al. (2020), Soft Threshold Weight Reparameterization for Learnable Sparsity, whose nets
are those of ImageNet: one s a layer, begun at -3200, SGD with momentum, a cosine rate, and the
decay of the weights for s too. Here LeNet-300-100, in few epochs, so s has a larger decay: |s|
falls by about the factor exp(-decay sum lr / (1 - momentum)), from 3200 to less than 1, if
the loss lets it.
"""

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, shown, test_error

DECAYS = (0.0, 5e-3, 1.2e-2, 1.8e-2, 2e-2, 2.4e-2)
PROTOCOL: dict[str, Any] = {
    "net": "lenet_300_100", "epochs": 10, "batch_size": 100, "lr": 0.1, "momentum": 0.9,
    "rate": "cosine", "initial": -3200.0, "decays": DECAYS, "weight_decay": 5e-4, "seeds": 1,
}  # fmt: skip
SPARSE, CLOSE = 95.0, 0.5  # the claim: that sparsity in %, and the error in points above dense


def cell(data: mp.Dataset, decay: float, epochs: int, seed: int) -> Cell:
    """One training; decay 0: dense."""
    optimizer = mp.SGD(PROTOCOL["lr"], momentum=0.9, weight_decay=PROTOCOL["weight_decay"])
    method = mp.methods.SoftThreshold(decay, -3200.0, s_lr=1.0) if decay else None
    model, history = mp.fit(
        mp.zoo.lenet_300_100(data, seed=seed), data, epochs=epochs, batch_size=100, seed=seed,
        optimizer=optimizer, rate=mp.rates.cosine(), method=method, progress=False,
    )  # fmt: skip
    return {
        "error": test_error(model, data),
        "sparsity": 100 * history.epochs["sparsity"][-1],
        "thresholds": [float(a.mean()) for a in history.extra.values()],
        "seconds": sum(history.epochs["seconds"]),
    }


def run(quick: bool, data: Path | None) -> list[Row]:
    """MNIST, one seed; with --quick a moment of the digits."""
    return attempt("soft_threshold", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    """The table over the decays, and two claims."""
    path = None if quick else RESULTS / "soft_threshold.json"
    samples = mp.data.digits() if quick else mp.data.idx(data_file(data, "mnist"))
    decays, epochs = (DECAYS[:3], 1) if quick else (DECAYS, PROTOCOL["epochs"])
    works = {f"{decay:g}": partial(cell, samples, decay, epochs, 0) for decay in decays}
    found = cells(path, PROTOCOL, works)
    body = [[name, f"{c['sparsity']:.2f}", f"{c['error']:.2f}", f"{c['seconds']:.0f}"]
            for name, c in found.items()]  # fmt: skip
    dense, *sparse = found.values()
    best = max((c["sparsity"] for c in sparse if c["error"] <= dense["error"] + CLOSE), default=0.0)
    steps = [b["sparsity"] - a["sparsity"] for a, b in pairwise(sparse)]
    claims = [
        Claim(f"sparsity in % at an error of dense + {CLOSE}, above {SPARSE:g}", [best - SPARSE]),
        Claim("the least rise of the sparsity from a decay to the next", [min(steps)]),
    ]
    title = "MNIST, LeNet-300-100, last epoch, one seed"
    return shown(path, {title: (["decay", "sparsity %", "error %", "seconds"], body)}, claims)
