"""45 times fewer weights at e <= dense + 0.2: dynamic network surgery of Guo et al. (2016), MNIST.

As there, a net is trained by SGD with weight decay, and surgery trains it on: thresholds mean + c
deviations of each layer, weights and biases together, fixed where it begins. The paper's
LeNet-300-100 has one c that it does not tell: several are tried, and all are printed. Of LeNet-5 c
is theirs; masks change until 65 % of the updates in all layers, where they change until update
14,000 and 10,000. Rates are those of Caffe's examples, with a cosine. One seed each.
"""

from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, shown, test_error
from minprune.nets.counts import counts

PROTOCOL: dict[str, Any] = {
    "optimizer": "SGD, momentum 0.9, decay 5e-4, cosine", "batch_size": 64, "gamma": 1e-4,
    "power": 1, "margin": 0.1, "params": "all", "stop": 0.65, "seed": 0,
    "nets": {
        "lenet_300_100": {"lr": 0.05, "epochs": 15, "surgery": 25, "c": [2.0, 4.0, 5.0, 6.0]},
        "lenet_5": {
            "lr": 0.01, "epochs": 10, "surgery": 20,
            "c": [{"conv1": 1.0, "conv2": 3.0, "fc1": 4.0, "fc2": 2.5}],
        },
    },
}  # fmt: skip
QUICK = {"nets": {"mlp": {"lr": 0.05, "epochs": 2, "surgery": 2, "c": [0.5]}}}
CLAIMS = {"lenet_300_100": 45.0, "lenet_5": 80.0}  # times fewer parameters
SLACK = 0.2  # points of error above the dense net
PAPER = {
    "lenet_300_100": {"dense": 2.28, "pruned": 1.99, "times": 53.5},
    "lenet_5": {"dense": 0.91, "pruned": 0.91, "times": 108.0},
}  # of the released models


def cell(data: mp.Dataset, net: str, how: dict[str, Any]) -> Cell:
    """The errors of the dense net and of the pruned ones, in %, at the last and the best epoch."""
    sgd = mp.SGD(how["lr"], momentum=0.9, weight_decay=5e-4)
    common: dict[str, Any] = {
        "batch_size": 64, "optimizer": sgd, "rate": mp.rates.cosine(), "progress": False,
    }  # fmt: skip
    dense, _ = mp.fit(
        getattr(mp.zoo, net)(data, seed=0), data, epochs=how["epochs"], seed=0, **common
    )
    found: Cell = {"dense": test_error(dense, data), "pruned": []}
    for c in how["c"]:
        method = mp.methods.DynamicSurgery(c=c, params="all", stop=0.65)
        model, history = mp.fit(dense, data, epochs=how["surgery"], seed=1, method=method, **common)
        of = counts(model.net, model.masks)
        found["pruned"].append({
            "c": c, "error": test_error(model, data), "seconds": sum(history.epochs["seconds"]),
            "times": sum(n.total for n in of) / sum(n.live for n in of),
            "live": {n.name: n.live for n in of}, "cut": int(history.extra["cut"].sum()),
            "spliced": int(history.extra["spliced"].sum()),
        })  # fmt: skip
    return found


def run(quick: bool, data: Path | None) -> list[Row]:
    """Both nets, one seed; with --quick a moment of the digits."""
    if quick:
        return rows(None, QUICK, mp.data.digits())

    def full() -> list[Row]:
        return rows(RESULTS / "surgery.json", PROTOCOL, mp.data.idx(data_file(data, "mnist")))

    return attempt("surgery", full)


def rows(path: Path | None, how: dict[str, Any], data: mp.Dataset) -> list[Row]:
    """A claim for each net: the most that goes at no more than the dense error + SLACK."""
    nets = how["nets"]
    found = cells(path, how, {net: partial(cell, data, net, nets[net]) for net in nets})
    body: list[list[Any]] = []
    claims = []
    for net, one in found.items():
        paper = PAPER.get(net, {})
        said = [f"{v:g}" for v in paper.values()] or ["", "", ""]
        body.append([net, "the paper's", said[0], said[1], said[2], "", ""])
        for k in one["pruned"]:
            c = (
                k["c"]
                if isinstance(k["c"], float)
                else ", ".join(f"{v:g}" for v in k["c"].values())
            )
            body.append([
                net, f"c = {c}", f"{one['dense']:.2f}", f"{k['error']:.2f}", f"{k['times']:.1f}",
                k["spliced"], f"{k['seconds']:.0f}",
            ])  # fmt: skip
        good = [k["times"] for k in one["pruned"] if k["error"] <= one["dense"] + SLACK]
        name = f"{net}: times fewer at e <= dense + {SLACK}"
        claims.append(Claim(name, [max(good, default=1.0)], CLAIMS.get(net, 0.0), "x"))
    header = ["net", "surgery", "dense e", "e", "times fewer", "spliced back", "seconds"]
    return shown(path, {"Test errors in %, at the last epoch; one seed": (header, body)}, claims)
