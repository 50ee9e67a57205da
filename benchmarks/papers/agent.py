"""An agent's ratios against uniform ones at 30 % of the multiply-adds: LeNet-5, on MNIST.

REINFORCE in the manner of Huang et al. (2018), whose nets are those of CIFAR; AMC (He et al. 2018)
uses DDPG. R = accuracy - 2 max(0, share - 0.3): multiply-adds cost nothing up to the budget. The
uniform net has the largest share of each layer, the same for all and by the same criterion, at no
more multiply-adds than the agent's. One seed, no fine-tuning.
"""

from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown, test_error
from benchmarks.papers.renda import cut
from minprune.measures.cost import size

PROTOCOL: dict[str, Any] = {
    "net": "lenet_5", "train": 55_000, "val": 5_000, "epochs": 5, "seeds": 1, "batch_size": 100,
    "optimizer": "Adam 1e-3", "samples": 1000, "episodes": 800, "macs": 0.3, "lam": 2.0,
}  # fmt: skip
QUICK = PROTOCOL | {"net": "mlp", "train": 200, "val": 100, "epochs": 1, "episodes": 5}
WAYS = ("layer", "unit")


def cell(data: mp.Dataset, how: dict[str, Any], seed: int) -> Cell:
    """{by: errors in % of the agent's net and of a uniform one}, and of the dense one"""
    data = cut(data, how["train"], how["val"])
    common: dict[str, Any] = {"batch_size": how["batch_size"], "seed": seed, "progress": False}
    start = getattr(mp.zoo, how["net"])(data, seed=seed)
    dense, _ = mp.fit(start, data, epochs=how["epochs"], **common)
    found: Cell = {"dense": test_error(dense, data)}
    own = {k: how[k] for k in ("samples", "episodes", "macs", "lam")}
    for by in WAYS:
        done = mp.methods.agent(dense, data, by=by, epochs=0, retrain_epochs=0, **own, **common)
        left = share(done.model)
        even = uniform(dense, left)
        found[by] = {
            "macs": left, "agent": test_error(done.model, data), "uniform": test_error(even, data),
            "uniform macs": share(even), "policy": done.report["policy"],
            "pruned by": done.report["pruned by"],
            "seconds": sum(s for name, s in done.seconds.items() if name.startswith("search")),
        }  # fmt: skip
    return found


def uniform(model: mp.Model, macs: float) -> mp.Model:
    """The same share of the smallest units of each layer, at no more multiply-adds"""
    scores = mp.score(model, None, "magnitude", unit=True)
    cuts = (mp.prune(model, scores, sparsity=k / 100, scope="layer") for k in range(100))
    return next(found for found in cuts if share(found) <= macs)


def share(model: mp.Model) -> float:
    """Of the multiply-adds, that are left"""
    found = size(model)
    return found.live_macs / found.macs


def run(quick: bool, data: Path | None) -> list[Row]:
    """One seed; with --quick a moment of the digits."""
    if quick:
        return rows(None, QUICK, mp.data.digits())

    def full() -> list[Row]:
        return rows(RESULTS / "agent.json", PROTOCOL, mp.data.idx(data_file(data, "mnist")))

    return attempt("agent", full)


def rows(path: Path | None, how: dict[str, Any], data: mp.Dataset) -> list[Row]:
    """Uniform minus agent, of ratios by layer."""
    works = {f"seed {s}": partial(cell, data, how, s) for s in range(how["seeds"])}
    found = list(cells(path, how, works).values())
    body: list[list[Any]] = [["no pruning", "100", mean([one["dense"] for one in found]), ""]]
    for by in WAYS:
        each = [one[by] for one in found]
        columns = [[100 * t["macs"] for t in each], [t["agent"] for t in each],
                   [t["uniform"] for t in each]]  # fmt: skip
        body.append([by, *map(mean, columns)])
    gaps = [one["layer"]["uniform"] - one["layer"]["agent"] for one in found]
    claims = [Claim("e(uniform) - e(agent), at 30 %", gaps, 0.5)]
    header = ["by", "multiply-adds, %", "agent", "uniform"]
    return shown(path, {"Test errors in %, without fine-tuning": (header, body)}, claims)
