"""mean, s = sqrt(sum (v - mean)^2 / (n - 1)) over seeds, and Spearman's rho: for compare."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.jobs.job import Result
from minprune.masking.combine import ranks
from minprune.report.compare_page import CONTROLS, STAGES

Map = Mapping[str, Any]
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


def summary(cells: Sequence[Map]) -> list[Result]:
    """One row for each (criterion, sparsity), in the order of the cells

    cells: {"seed", "criterion", "sparsity", "pruned": {"accuracy"}, "fine-tuned": {"accuracy"}} ->
    {"criterion", "sparsity", stage: {"accuracy": spread, "minus_magnitude": spread, ...}, "cost":
    {"macs": spread, "bytes": spread}}; the differences are paired by seed, and absent where the
    control was not compared; costs are absent if the cells have none. "collapsed": in how many
    seeds the net is no better than chance; absent for none.
    """
    found: dict[tuple[str, float], list[Map]] = {}
    for cell in sorted(cells, key=lambda cell: int(cell["seed"])):
        found.setdefault((cell["criterion"], cell["sparsity"]), []).append(cell)
    rows = []
    for (name, sparsity), own in found.items():
        row: Result = {"criterion": name, "sparsity": sparsity}
        row["cost"] = {k: spread([c["cost"][k] for c in own]) for k in own[0].get("cost", {})}
        for stage in STAGES:
            mine = [c[stage]["accuracy"] for c in own]
            row[stage] = {"accuracy": spread(mine)}
            if at_chance := sum(c[stage].get("collapsed", False) for c in own):
                row[stage]["collapsed"] = at_chance
            for control in CONTROLS:
                if control != name and (control, sparsity) in found:
                    theirs = [c[stage]["accuracy"] for c in found[control, sparsity]]
                    row[stage][f"minus_{control}"] = paired(mine, theirs)
        rows.append(row)
    return rows


def agreement(truth: Sequence[Map], predicted: Sequence[Map]) -> list[Result]:
    """Spearman's rho of each criterion's scores with the true changes, and with their sizes

    truth: {"seed", "change": (n,)}; predicted: {"seed", "criterion", "scores": (n,)} ->
    {"criterion", "change": spread, "size": spread}; None if a seed has no rho.
    """
    changes = {t["seed"]: np.asarray(t["change"], np.float64) for t in truth}
    found: dict[str, dict[str, list[Any]]] = {}
    for p in predicted:
        row, change = found.setdefault(p["criterion"], {}), changes[p["seed"]]
        for kind, moved in {"change": change, "size": np.abs(change)}.items():
            row.setdefault(kind, []).append(spearman(p["scores"], moved))
    return [
        {"criterion": name} | {k: None if None in rho else spread(rho) for k, rho in row.items()}
        for name, row in found.items()
    ]
