"""mean = sum v / n, sd = sqrt(sum (v - mean)^2 / (n - 1)); Spearman's rho; both over the seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.masking.combine import ranks
from minprune.report.compare_tables import CONTROLS, STAGES

Spread = list[float | None]  # [mean, sd]; no sd of a single value


def spread(values: Sequence[float]) -> Spread:
    """[mean, sample standard deviation]: n - 1, since the seeds are a sample; None if n = 1"""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return [mean, None]
    return [mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))]


def paired(a: Sequence[float], b: Sequence[float]) -> Spread:
    """spread of a_k - b_k: what the model of seed k adds to both cancels"""
    return spread([x - y for x, y in zip(a, b, strict=True)])


def spearman(x: Array, y: Array) -> float | None:
    """rho = corr(rank x, rank y), equal values share their mean rank      x, y: (n,)

    None if one of them is constant.
    """
    both = [ranks({"v": np.asarray(v, np.float64)})["v"] for v in (x, y)]
    a, b = (r - r.mean() for r in both)
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else None


def summary(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each (criterion, sparsity), in the order of the cells

    cells: {"seed", "criterion", "sparsity", "pruned": {"accuracy"}, "fine-tuned": {"accuracy"}} ->
    {"criterion", "sparsity", stage: {"accuracy": spread, "minus_magnitude": spread, ...}, "cost":
    {"macs": spread, "bytes": spread}}; the differences are paired by seed, and absent where the
    control was not compared; costs are absent if the cells have none.
    """
    found: dict[tuple[str, float], dict[str, list[float]]] = {}
    costs: dict[tuple[str, float], dict[str, list[float]]] = {}
    for cell in sorted(cells, key=lambda cell: int(cell["seed"])):
        at = cell["criterion"], cell["sparsity"]
        row = found.setdefault(at, {s: [] for s in STAGES})
        for stage in STAGES:
            row[stage].append(cell[stage]["accuracy"])
        for kind, value in cell.get("cost", {}).items():
            costs.setdefault(at, {}).setdefault(kind, []).append(value)
    return [
        {"criterion": name, "sparsity": sparsity}
        | {"cost": {k: spread(v) for k, v in costs.get((name, sparsity), {}).items()}}
        | {
            stage: {"accuracy": spread(values)}
            | {
                f"minus_{control}": paired(values, found[control, sparsity][stage])
                for control in CONTROLS
                if control != name and (control, sparsity) in found
            }
            for stage, values in row.items()
        }
        for (name, sparsity), row in found.items()
    ]


def agreement(
    truth: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Spearman's rho of each criterion's scores with the true changes, and with their sizes

    truth: {"seed", "change": (n,)}; predicted: {"seed", "criterion", "scores": (n,)} ->
    {"criterion", "change": spread, "size": spread}; None if a seed has no rho.
    """
    changes = {t["seed"]: np.asarray(t["change"], np.float64) for t in truth}
    found: dict[str, dict[str, list[float | None]]] = {}
    for p in predicted:
        row, scores = found.setdefault(p["criterion"], {"change": [], "size": []}), p["scores"]
        row["change"].append(spearman(scores, changes[p["seed"]]))
        row["size"].append(spearman(scores, np.abs(changes[p["seed"]])))
    return [
        {"criterion": name}
        | {kind: None if None in rhos else spread([r for r in rhos if r is not None])
           for kind, rhos in row.items()}
        for name, row in found.items()
    ]  # fmt: skip
