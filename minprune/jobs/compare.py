"""`minprune compare`: every criterion on the same nets, with equal budgets, over several seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minprune.core import Array, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.jobs.checks import at_init, possible, reachable
from minprune.jobs.compare_plan import Compare
from minprune.jobs.job import RESULT, Result, carry_out, options, plan_fields, say
from minprune.jobs.settings import CompareSettings, filled, named
from minprune.masking.combine import ranks
from minprune.nets.zoo import ZOO
from minprune.report.compare_page import (
    CONTROLS,
    STAGES,
    alerts,
    compare_page,
    compare_tables,
    reasons,
)
from minprune.text import table, wrapped
from minprune.train.plan import Done

PAGE = "compare.html"
WORK = {  # what each kind of result takes
    "dense": "train", "truth": "true changes", "predicted": "score",
    "cells": "prune and fine-tune",
}  # fmt: skip
Map = Mapping[str, Any]
Spread = list[float | None]  # [mean, sd]; no sd of a single value


def run(asked: CompareSettings, *, quiet: bool = False, **how: Any) -> Result:
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    Resumed, it has the same result but for its seconds. quiet, how, errors: see carry_out.
    """
    made = partial(planned, quiet=quiet)
    return carry_out(asked, made, record, (RESULT, PAGE), quiet=quiet, **how)


def planned(
    asked: CompareSettings, dataset: Dataset, quiet: bool
) -> tuple[CompareSettings, Compare]:
    """(settings with nothing left open, plan); says which criteria are left out"""
    left_out, costs, settings = choices(asked, dataset)
    say(quiet or not left_out, left_out_words(as_rows(left_out)))
    say(quiet or not costs, "\n".join(costs))
    return settings, Compare(**plan_fields(settings, dataset), left_out=left_out)


def record(plan: Compare, about: Result, dataset: Dataset, done: Done, out: Path) -> Result:
    """The whole result; the page is written."""
    missing = plan.left_out | done.state.get("left_out", {})
    found = measured(plan, done, missing)
    names = [name for name in plan.criteria or [] if name not in missing]
    result = about | {
        "options": {name: options(name) for name in plan.criteria or [] if options(name)},
        "left_out": as_rows(missing),
        "net": plan.start(dataset).summary(math.inf),
        **found,
        "notes": [*at_init(names), *same(found["cells"])],
        "seconds": seconds(plan, done),
    }
    write_atomic(out / PAGE, compare_page(result))
    return result


def text(result: Result) -> str:
    """The tables of a result, what was left out, where the time went, and where the files are."""
    tables = compare_tables(result)
    parts = [f"{wrapped(title)}\n\n{table(header, rows)}" for title, header, rows in tables]
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    files = f"written to {result['out']}; open {PAGE} there"
    said = [*result["notes"], *alerts(result), left_out_words(result["left_out"])]
    parts += [wrapped(words) for words in (*said, f"{spent}\n{files}")]
    return "\n\n".join(part for part in parts if part)


def as_rows(left_out: dict[str, str]) -> list[dict[str, str]]:
    """What was left out, as result.json holds it."""
    return [{"criterion": name, "why": why} for name, why in left_out.items()]


def left_out_words(rows: list[dict[str, str]]) -> str:
    """A line for each reason."""
    return "\n".join(f"left out: {names}: {why}" for why, names in reasons(rows).items())


def choices(
    s: CompareSettings, dataset: Dataset
) -> tuple[dict[str, str], list[str], CompareSettings]:
    """({criterion that is left out: why}, what slow ones cost, settings that leave nothing open)

    Raises ArgumentError for a criterion that is asked for by name and cannot be compared, and for a
    sparsity that the net cannot reach.
    """
    made = filled(s, dataset.input_shape)
    base = f"compare-{dataset.name}-{made.net}-{'units' if s.unit else 'weights'}"
    out = named(base, made) if s.out is None else s.out
    model = ZOO[str(made.net)](dataset, seed=0)
    reachable(model, s.unit, s.sparsities)
    samples = min(s.samples, len(dataset.train[0]))
    left_out: dict[str, str] = {}
    costs = []
    for name in s.criteria or CRITERIA:
        try:
            costs.append(possible(name, model, dataset.train, s.unit, samples=samples))
        except ArgumentError as e:
            if s.criteria:
                raise
            left_out[name] = str(e).removeprefix(f"{name}: ")
    names = s.criteria or [name for name in CRITERIA if name not in left_out]
    return left_out, [*filter(None, costs)], replace(made, out=out, criteria=names)


def measured(plan: Compare, done: Done, left_out: dict[str, str]) -> Result:
    """All numbers of the cells, and their statistics over the seeds

    Raises ArgumentError if every criterion was left out.
    """
    found: Result = {kind: [] for kind in WORK}
    for kind, _, phase in plan.phases(left_out):
        found[kind].append(done.state[phase.name])
    if not found["cells"]:
        why = "; ".join(left_out.values()) or "none is given"
        raise ArgumentError(f"no criterion could be compared: {why}")
    dense = found["dense"]
    powers = {name: fn.spec.estimates for name, fn in CRITERIA.items()}
    return found | {
        "dense": {"accuracy": spread([d["accuracy"] for d in dense]), "seeds": dense},
        "summary": summary(found["cells"]),
        "agreement": agreement(found["truth"], found["predicted"]),
        "estimates": {name: power for name, power in powers.items() if power is not None},
    }


def seconds(plan: Compare, done: Done) -> Result:
    """Seconds of each kind of work, and the mean of each criterion's scoring."""
    begin = "compile and warm up"
    of = {begin: done.seconds[begin]} | dict.fromkeys(WORK.values(), 0.0)
    scoring: dict[str, list[float]] = {}
    for kind, name, phase in plan.phases():
        if phase.name in done.seconds:
            of[WORK[kind]] += done.seconds[phase.name]
            if kind == "predicted":
                scoring.setdefault(name, []).append(done.seconds[phase.name])
    of["total"] = sum(of.values())
    return {"of": of, "scoring": {name: sum(s) / len(s) for name, s in scoring.items()}}


# --- notes


def same(cells: Sequence[Map]) -> list[str]:
    """A sentence for each criterion that made the same nets as an earlier one, cell by cell."""
    made: dict[str, list[Any]] = {}
    for cell in cells:
        mine = made.setdefault(cell["criterion"], [])
        mine.append({key: value for key, value in cell.items() if key != "criterion"})
    names = list(made)
    firsts = [next(first for first in names if made[first] == made[name]) for name in names]
    return [
        f"{name} repeats {first}: the same nets in every cell"
        for name, first in zip(names, firsts, strict=True)
        if name != first
    ]


# --- statistics over the seeds


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
