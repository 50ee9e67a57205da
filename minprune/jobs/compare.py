"""`minprune compare`: criteria on the same nets, or methods, with equal budgets, over seeds."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from minprune.arguments import count
from minprune.core import Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.jobs import compare_result, method_result
from minprune.jobs.cells import run_cells
from minprune.jobs.checks import possible, reachable
from minprune.jobs.compare_cells import Compare, code_print, printed, there, work
from minprune.jobs.compare_progress import Told, before
from minprune.jobs.compare_result import as_rows, left_out_words
from minprune.jobs.executors import Factory, Here, one_thread, processes
from minprune.jobs.executors import dask as dask_pool
from minprune.jobs.executors import mpi as mpi_pool
from minprune.jobs.job import RESULT, Result, Works, carry_out, discard, plan_fields, say
from minprune.jobs.method_choices import method_choices
from minprune.jobs.own import net
from minprune.jobs.settings import CompareSettings, filled, named
from minprune.jobs.store import DATABASE, Store, begun, forget, read
from minprune.report.compare_page import compare_page
from minprune.report.methods_page import methods_page
from minprune.text import wrapped
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import machinery
from minprune.train.plan import Done

PAGE = "compare.html"
CLUSTER = 16  # cells that Dask or MPI is given at once, at least


@dataclass(frozen=True)
class Look:
    """How rows become a result, a result the tables of the terminal, and its page"""

    gathered: Callable[..., Result]
    tables: Callable[[Result], str]
    page: Callable[[Mapping[str, Any]], str]


OF_CRITERIA = Look(compare_result.gathered, compare_result.tables, compare_page)
OF_METHODS = Look(method_result.gathered, method_result.tables, methods_page)


def look(settings: Mapping[str, Any]) -> Look:
    """That of what is compared"""
    return OF_CRITERIA if settings.get("methods") is None else OF_METHODS


def run(
    asked: CompareSettings, *, quiet: bool = False, workers: int = 1, dask: str | None = None,
    mpi: bool = False, executor: Executor | Factory | None = None, resume: bool = False,
    retry: bool = False, **how: Any,
) -> Result:  # fmt: skip
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    Resumed, it has the same result but for its seconds: runs.db there has a row for each cell that
    ended, and only the others run. workers: processes, of one thread each; dask: "host:port" of a
    scheduler instead; mpi: the processes that mpiexec started; executor: another one, or a function
    that makes one, for `workers` cells at once. retry: as resume, but cells that failed run again.
    quiet, how, errors: see carry_out.
    """
    count("compare", "--workers", workers)
    if sum((workers > 1 and executor is None, dask is not None, mpi, executor is not None)) > 1:
        raise ArgumentError(
            "compare: cells must run on --workers, --dask, --mpi or an executor, not on several of "
            "them; pass one"
        )
    usual: Executor | Factory = processes(workers) if workers > 1 else Here()
    pools: AbstractContextManager[Executor | Factory]
    pools = nullcontext(executor or usual) if dask is None else dask_pool(dask)
    with mpi_pool() if mpi else pools as pool:
        many = max(workers, CLUSTER) if mpi or dask else workers
        do = partial(by_cells, pool=pool, workers=many, retry=retry)
        works = Works(do, partial(stopped, retry=retry), erase, kept=True)
        return carry_out(
            asked, partial(planned, quiet=quiet), record, (RESULT, PAGE, DATABASE), works=works,
            quiet=quiet, resume=resume or retry, **how,
        )  # fmt: skip


def stopped(out: Path, retry: bool = False) -> bool:
    """Whether there are rows in the folder without a result, or to retry"""
    return (out / DATABASE).exists() and (retry or not (out / RESULT).exists())


def erase(out: Path) -> None:
    """Remove the rows."""
    forget(out / DATABASE)


def by_cells(
    plan: Compare, about: Result, dataset: Dataset, out: Path, progress: bool, *,
    pool: Executor | Factory, workers: int, retry: bool = False,
) -> Done:  # fmt: skip
    """All rows of the job, after the missing cells have run; retry: and those that failed"""
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
    if retry:
        discard(out / RESULT)  # killed from here on, the job is one to resume
        store.forget_failed()
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


def planned(
    asked: CompareSettings, dataset: Dataset, quiet: bool
) -> tuple[CompareSettings, Compare]:
    """(settings with nothing left open, plan); says what is left out"""
    costs: list[str] = []
    if asked.methods is None:
        left_out, costs, settings = choices(asked, dataset)
    else:
        left_out, settings = method_choices(asked, dataset)
    say(quiet or not left_out, left_out_words(as_rows(left_out)))
    say(quiet or not costs, "\n".join(costs))
    return settings, Compare(**plan_fields(settings, dataset), left_out=left_out)


def record(plan: Compare, about: Result, dataset: Dataset, done: Done, out: Path) -> Result:
    """The whole result; the page is written."""
    about = about | {"left_out": plan.left_out, "net": plan.start(dataset).summary(math.inf)}
    shown = look(about["settings"])
    result = shown.gathered(about, done.state["rows"], done.seconds)
    write_atomic(out / PAGE, shown.page(result))
    return result


def text(result: Result) -> str:
    """The tables of a result, and where the files are."""
    files = f"written to {result['out']}; open {PAGE} there"
    return f"{look(result['settings']).tables(result)}\n{wrapped(files)}"


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
