"""`minprune compare`: every criterion on the same nets, with equal budgets, over several seeds.

Longer than most files: the run, what it tells while it works, and the whole result from its rows.
"""

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from minprune.arguments import count
from minprune.core import Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning
from minprune.files import write_atomic
from minprune.jobs.cells import Cell, Factory, Here, one_thread, processes, run_cells
from minprune.jobs.cells import dask as dask_pool
from minprune.jobs.checks import at_init, possible, reachable, spent
from minprune.jobs.compare_cells import Compare, code_print, printed, there, work
from minprune.jobs.compare_stats import agreement, spread, summary
from minprune.jobs.job import RESULT, Result, Works, carry_out, options, plan_fields, say
from minprune.jobs.own import net
from minprune.jobs.settings import CompareSettings, filled, named
from minprune.jobs.store import DATABASE, Row, Store, begun, forget, read
from minprune.measures.quality import evaluate
from minprune.report.compare_page import (
    alerts,
    compare_page,
    compare_tables,
    reasons,
)
from minprune.text import table, wrapped
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import machinery
from minprune.train.plan import Done

PAGE = "compare.html"
WORK = ("train", "true changes", "score", "prune and fine-tune")
PASSES = 3  # of the time of an evaluation that an update takes
DASK = 16  # cells that Dask is given at once, at least
Map = Mapping[str, Any]


def run(
    asked: CompareSettings, *, quiet: bool = False, workers: int = 1, dask: str | None = None,
    executor: Executor | Factory | None = None, **how: Any,
) -> Result:  # fmt: skip
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    Resumed, it has the same result but for its seconds: runs.db there has a row for each cell that
    ended, and only the others run. workers: processes, of one thread each; dask: "host:port" of a
    scheduler instead; executor: another one, or a function that makes one, for `workers` cells at
    once. quiet, how, errors: see carry_out.
    """
    count("compare", "--workers", workers)
    if sum((workers > 1 and executor is None, dask is not None, executor is not None)) > 1:
        raise ArgumentError(
            "compare: cells must run on --workers or on --dask or on an executor, not on several "
            "of them; pass one"
        )
    pool: Executor | Factory = executor or Here()
    if dask is not None:
        pool, workers = dask_pool(dask), max(workers, DASK)
    elif workers > 1 and executor is None:
        pool = processes(workers)
    works = Works(partial(by_cells, pool=pool, workers=workers), stopped, erase, kept=True)
    made = partial(planned, quiet=quiet)
    return carry_out(
        asked, made, record, (RESULT, PAGE, DATABASE), works=works, quiet=quiet, **how
    )  # fmt: skip


def stopped(out: Path) -> bool:
    """Whether there are rows in the folder without a result."""
    return (out / DATABASE).exists() and not (out / RESULT).exists()


def erase(out: Path) -> None:
    """Remove the rows."""
    forget(out / DATABASE)


def by_cells(
    plan: Compare, about: Result, dataset: Dataset, out: Path, progress: bool, *,
    pool: Executor | Factory, workers: int,
) -> Done:  # fmt: skip
    """All rows of the job, after the missing cells have run"""
    path, found, here = out / DATABASE, printed(dataset), isinstance(pool, Here)
    there.cache_clear()
    known = machinery() | ({} if here else {"BLAS threads": "1"})
    asked = asdict(replace(plan, left_out={})) | found | known
    if path.exists() and (was := begun(path)) is not None:
        refuse(path, was["asked"], asked)
    code = {"source": code_print(), **found, **known}
    cells = list(plan.cells(dataset, code))
    about = about | {
        "asked": asked, "net": plan.start(dataset).summary(math.inf), "left_out": plan.left_out,
    }  # fmt: skip
    do = partial(work, asdict(plan), about["settings"]["data"], found, progress and here)
    store = Store(path, about)
    try:
        had = {id: model for id, model in store.models().items() if id in {c.id for c in cells}}
        told = Told(cells, had, store, workers, progress)
        say(not progress or not told.left, before(plan, dataset, told.left, workers))
        with one_thread(not here):
            run_cells(cells, do, had, told, pool, workers)
    finally:
        store.close()
    rows = read(path)[1]
    return Done({"rows": [rows[cell.id] for cell in cells if cell.id in rows]}, {})


def before(plan: Compare, dataset: Dataset, cells: Sequence[Cell], workers: int) -> str:
    """How much there is to do, and about how long it takes, from the time of one batch."""
    model, batch = plan.start(dataset), [a[: plan.batch_size] for a in dataset.train]
    updates, begun_at = sum(cell.updates for cell in cells), perf_counter()
    evaluate(model, (batch[0], batch[1]))
    seconds = PASSES * updates * (perf_counter() - begun_at) / workers
    return f"{len(cells)} cells, {updates:,} updates: {spent(seconds)} and the time to score"


class Told:
    """Keeps each row, and says how far the work is."""

    def __init__(
        self, cells: Sequence[Cell], had: Mapping[str, Any], store: Store, workers: int,
        progress: bool,
    ) -> None:  # fmt: skip
        self.left, self.total = [c for c in cells if c.id not in had], len(cells)
        self.store, self.workers, self.progress = store, workers, progress
        self.seconds: dict[Any, list[float]] = {}
        self.warned: set[str] = set()

    def __call__(self, cell: Cell, row: Row) -> None:
        self.store.write(cell.id, cell.key, row)
        self.left.remove(cell)
        self.seconds.setdefault(cell.key[0], []).append(row["seconds"])
        for words in row["warnings"]:
            if words not in self.warned:
                self.warned.add(words)
                warnings.warn(words, MinpruneWarning, stacklevel=2)
        kind, seed, *of = cell.key
        name = f"{' '.join(map(str, of)) or kind}, seed {seed}"
        done = f"{self.total - len(self.left)}/{self.total}: {name}"
        said = row["error"] or ", ".join(accuracies(row["made"]))
        say(not self.progress, f"{done}: {said}{self.to_go()}")

    def to_go(self) -> str:
        """About how long the rest takes, once a cell of each kind has ended."""
        kinds = Counter(cell.key[0] for cell in self.left)
        if not kinds or kinds.keys() - self.seconds.keys():
            return ""
        left = sum(n * sum(s := self.seconds[kind]) / len(s) for kind, n in kinds.items())
        return f"; {spent(left / self.workers)} to go"


def accuracies(made: Map) -> list[str]:
    """ "accuracy 0.9123 at 0.9, fine-tuned 0.9611" for each sparsity, or that of the dense net"""
    if "dense" in made:
        return [f"accuracy {made['dense']['accuracy']:.4f}"]
    return [
        f"accuracy {c['pruned']['accuracy']:.4f} at {c['sparsity']}, fine-tuned "
        f"{c['fine-tuned']['accuracy']:.4f}"
        for c in made["cells"]
    ]


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
    about = about | {"left_out": plan.left_out, "net": plan.start(dataset).summary(math.inf)}
    result = gathered(about, done.state["rows"], done.seconds)
    write_atomic(out / PAGE, compare_page(result))
    return result


def gathered(about: Result, rows: Sequence[Row], since: Map) -> Result:
    """The result of these rows; since: seconds before them"""
    failed = {r["key"][2]: r for r in rows if r["error"] and len(r["key"]) > 2}
    missing = about["left_out"] | {
        name: row["error"].removeprefix(f"{name}: ") for name, row in failed.items()
    }
    names = [name for name in about["settings"]["criteria"] if name not in missing]
    found = measured(rows, missing)
    return about | {
        "options": {name: options(name) for name in names if options(name)},
        "left_out": as_rows(missing),
        **found,
        "notes": [*at_init(names), *same(found["cells"])],
        "seconds": seconds(rows, since),
    }


def text(result: Result) -> str:
    """The tables of a result, and where the files are."""
    files = f"written to {result['out']}; open {PAGE} there"
    return f"{tables(result)}\n{wrapped(files)}"


def tables(result: Result) -> str:
    """The tables of a result, what was left out, and where the time went."""
    each = compare_tables(result)
    parts = [f"{wrapped(title)}\n\n{table(header, rows)}" for title, header, rows in each]
    took = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    said = [*result["notes"], *alerts(result), left_out_words(result["left_out"]), took]
    return "\n\n".join(part for part in [*parts, *map(wrapped, said)] if part)


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
    model = net(str(made.net), dataset, 0)
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


def measured(rows: Sequence[Row], left_out: Mapping[str, str]) -> Result:
    """All numbers of the rows, and their statistics over the seeds

    A criterion that failed for one seed is left out for all. Raises MinpruneError if no net could
    be trained, and ArgumentError if every criterion was left out.
    """
    made = [row["made"] for row in rows if row["error"] is None]
    nets = [one for one in made if "dense" in one]
    if not nets:
        raise MinpruneError(rows[0]["error"])
    cells = [one for one in made if "cells" in one]
    cells = [one for one in cells if one["predicted"]["criterion"] not in left_out]
    if not cells:
        why = "; ".join(left_out.values()) or "none is given"
        raise ArgumentError(f"no criterion could be compared: {why}")
    dense, truth = ([net[kind] for net in nets] for kind in ("dense", "truth"))
    predicted, all_cells = (
        [one["predicted"] for one in cells],
        [c for o in cells for c in o["cells"]],
    )
    powers = {name: fn.spec.estimates for name, fn in CRITERIA.items()}
    return {
        "dense": {"accuracy": spread([d["accuracy"] for d in dense]), "seeds": dense},
        "truth": truth, "predicted": predicted, "cells": all_cells,
        "summary": summary(all_cells), "agreement": agreement(truth, predicted),
        "estimates": {name: power for name, power in powers.items() if power is not None},
    }  # fmt: skip


def seconds(rows: Sequence[Row], since: Map) -> Result:
    """Seconds of each kind of work, summed over the workers, and of each criterion's scoring."""
    of = dict(since) | dict.fromkeys(WORK, 0.0)
    scoring: dict[str, list[float]] = {}
    for row in rows:
        for name, took in (row["made"] or {}).get("seconds", {}).items():
            of[name] += took
        if row["made"] and "predicted" in row["made"]:
            name, took = row["key"][2], row["made"]["seconds"]["score"]
            scoring.setdefault(name, []).append(took)
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
