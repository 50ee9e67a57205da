"""Sparse variational dropout and targeted dropout on MNIST: our figures beside the papers'.

Molchanov, Ashukha & Vetrov (2017), Variational Dropout Sparsifies Deep Neural Networks: 200 epochs
as there, and 40 (LeNet-300-100), and 25 with a threefold rate of log sigma^2 (LeNet-5); the weight
of the KL term grows over the first tenth, there from epoch 5 to 20; x / 255 less the mean image.
Gomez et al. (2019), Learning Sparse Networks Using Targeted Dropout, whose nets are those of CIFAR:
here LeNet-300-100, without fine-tuning. One seed each, so a claim that is met, or missed, by little
is not settled.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, cells, shown, test_error

NOISY: dict[str, dict[str, Any]] = {  # the settings, the claim and the paper's figures
    "lenet_300_100, 200 epochs": {
        "epochs": 200, "train": 55_000, "val": 5_000, "lr_factor": 1.0, "warm": 0.1, "falls": 0.5,
        "log_sigma2": -10.0, "deviation": 0.01,
    },
    "lenet_300_100": {"epochs": 40, "train": 55_000, "val": 5_000, "lr_factor": 1.0, "warm": 0.1,
                      "falls": 0.5, "log_sigma2": -10.0, "deviation": 0.01},
    "lenet_5": {"epochs": 25, "train": 55_000, "val": 5_000, "lr_factor": 3.0, "warm": 0.1,
                "falls": 0.5, "log_sigma2": -10.0, "deviation": None},
}  # fmt: skip
LENET = (50.0, 2.2), (68.0, 1.92)  # times fewer weights and error in %: claimed, the paper's
CLAIMS = {"lenet_300_100, 200 epochs": LENET, "lenet_300_100": LENET,
          "lenet_5": ((80.0, 1.2), (280.0, 0.75))}  # fmt: skip
TARGETED: dict[str, Any] = {"epochs": 20, "train": 55_000, "val": 5_000, "rate": 0.66}
GAMMAS = (0.75, 0.95)
QUICK = {"epochs": 2, "train": 300, "val": 50}
COMMON: dict[str, Any] = {"optimizer": "Adam 1e-3", "batch_size": 100, "seed": 0, "gammas": GAMMAS}
THRESHOLDS = tuple(float(t) for t in np.linspace(0, 6, 13))


def cut(data: mp.Dataset, how: dict[str, Any]) -> mp.Dataset:
    """The first samples for training and validation, less the mean image; all for the test"""
    mean = data.train[0].mean(axis=0, keepdims=True)
    n, m = how["train"], how["val"]
    parts = (data.train[0][:n], data.train[1][:n]), (data.val[0][:m], data.val[1][:m]), data.test
    return mp.Dataset(*((x - mean, y) for x, y in parts))


def falling(falls: float, t: int, total: int) -> float:
    """Constant, then linear to 0"""
    return min(1.0, (1 - t / total) / (1 - falls))


def noisy(data: mp.Dataset, net: str, how: dict[str, Any]) -> Cell:
    """One training; test error and live weights at its threshold, and at others."""
    model = getattr(mp.zoo, net.split(",")[0])(data, seed=0)
    if how["deviation"]:
        rng = np.random.default_rng(0)
        drawn = {
            k: rng.normal(0, how["deviation"], model.params[k].shape) for k in model.net.weights
        }
        drawn = {k: w.astype(model.dtype) for k, w in drawn.items()}
        model = mp.Model(model.net, model.params | drawn)
    method = mp.methods.SparseVariationalDropout(
        warm=how["warm"], log_sigma2=how["log_sigma2"], lr_factor=how["lr_factor"]
    )
    found = mp.methods.sparse_variational_dropout(
        model, part := cut(data, how), epochs=how["epochs"], batch_size=100, warm=how["warm"],
        log_sigma2=how["log_sigma2"], lr_factor=how["lr_factor"], progress=False,
        rate=partial(falling, how["falls"]),
    )  # fmt: skip
    history = found.history["train"]
    whole, scores = method.unpruned(found.model, history.extra)
    curve = [{"threshold": t, **sizes(mp.prune(whole, scores, threshold=-t), part)}
             for t in THRESHOLDS]  # fmt: skip
    epochs = {k: history.epochs[k] for k in ("val_accuracy", "sparsity", "seconds")}
    return sizes(found.model, part) | {"curve": curve, "epochs": epochs}


def sizes(model: mp.Model, data: mp.Dataset) -> Cell:
    """Test error in %, weights over live ones, and the sparsity of each layer in %"""
    error = test_error(model, data)
    masks = [model.masks[k] for k in model.net.weights]
    live = sum(int(m.sum()) for m in masks)
    return {
        "error": error, "times": sum(m.size for m in masks) / max(live, 1), "live": live,
        "layers": [100 * (1 - float(m.mean())) for m in masks],
    }  # fmt: skip


def targeted(data: mp.Dataset, gamma: float | None, how: dict[str, Any]) -> Cell:
    """Errors after pruning, without fine-tuning; gamma None: of plain training, at all GAMMAS"""
    part = cut(data, how)
    model = mp.zoo.lenet_300_100(data, seed=0)
    method = None if gamma is None else mp.methods.TargetedDropout(gamma, how["rate"])
    trained, history = mp.fit(
        model, part, epochs=how["epochs"], batch_size=100, method=method, progress=False
    )
    found: Cell = {"seconds": sum(history.epochs["seconds"])}
    if gamma is not None:
        return found | sizes(trained, part)
    dense = {"dense": test_error(trained, part)}
    same = {str(g): sizes(ended(trained, part, g), part) for g in GAMMAS}
    return found | dense | {"pruned": same}


def ended(model: mp.Model, data: mp.Dataset, gamma: float) -> mp.Model:
    """A trained model, pruned by the rule of targeted dropout"""
    method = mp.methods.TargetedDropout(gamma, 0.0)
    return mp.fit(model, data, epochs=0, method=method, progress=False)[0]


def run(quick: bool, data: Path | None) -> list[Row]:
    """Both papers, one seed; with --quick a moment of the digits."""
    return attempt("dropouts", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    """Our figure and the paper's, a row each."""
    nets, often = NOISY, TARGETED
    path: Path | None = None
    if quick:
        nets, often, samples = (
            {"lenet_300_100": NOISY["lenet_300_100"] | QUICK},
            TARGETED | QUICK,
            mp.data.digits(),
        )
    else:
        path, samples = RESULTS / "dropouts.json", mp.data.idx(data_file(data, "mnist"))
    works = {"targeted plain": partial(targeted, samples, None, often)}
    works |= {f"targeted {g:g}": partial(targeted, samples, g, often) for g in GAMMAS}
    works |= {f"noisy {net}": partial(noisy, samples, net, how) for net, how in nets.items()}
    found = cells(path, {"noisy": nets, "targeted": often, **COMMON}, works)
    plain, tables, claims = found["targeted plain"], {}, []
    for net in nets:
        own = found[f"noisy {net}"]
        tables[f"{net}, sparse variational dropout: test error by the threshold of log alpha"] = (
            ["threshold", "times fewer weights", "error in %"],
            [[row["threshold"], row["times"], row["error"]] for row in own["curve"]],
        )
        (times, error), (their_times, their_error) = CLAIMS[net]
        claims += [
            figure(f"{net}: times fewer weights", own["times"], their_times, times, "x", False),
            figure(f"{net}: test error", own["error"], their_error, error, "%", True),
        ]
    tables["lenet_300_100, targeted dropout: test error in % without fine-tuning"] = (
        ["pruned", "targeted dropout", "plain training"],
        [["none", None, plain["dense"]]]
        + [[f"{100 * g:g} %", found[f"targeted {g:g}"]["error"], plain["pruned"][str(g)]["error"]]
           for g in GAMMAS],
    )  # fmt: skip
    last = str(GAMMAS[-1])
    claims.append(figure(
        "targeted dropout, 95 %: test error", found[f"targeted {last}"]["error"],
        None, plain["pruned"][last]["error"] / 2, "%", True,
    ))  # fmt: skip
    shown(path, tables, [])
    return claims if path else [replace(row, target=None, ok=None, note="") for row in claims]


def figure(
    name: str, ours: float, theirs: float | None, bound: float, unit: str, below: bool
) -> Row:
    """Our figure beside the paper's; ok: it is on the claimed side of the bound"""
    ok = ours <= bound if below else ours >= bound
    note = f"one seed; claim: at {'most' if below else 'least'} {bound:.3g}"
    return Row(name, ours, theirs, None, bound, ok, unit=unit, note=note)
