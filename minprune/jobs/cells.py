"""rows = work(cell) for every cell that has no row yet: in this process, or on any executor.

Only the parent writes. An executor that breaks is made again, and its lost cells run again; a cell
whose worker dies MOST times has that as its row.
"""

import platform
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from socket import gethostname
from typing import Any

from minprune.errors import MinpruneError, MinpruneWarning
from minprune.jobs.executors import Factory, Here

MOST = 3  # times that a cell may lose its worker
AHEAD = 2  # cells that are submitted for each worker, so that none waits
Key = tuple[str | int | None, ...]
Row = dict[str, Any]
Work = Callable[[Key, bytes | None], tuple[Any, bytes | None]]  # -> (JSON, a model)


@dataclass(frozen=True)
class Cell:
    """id: a digest of all that its row depends on. key: what `work` is given, with the model of
    the cell `needs`. updates: of training, as a guess of how long it takes."""

    id: str
    key: Key
    needs: str | None = None
    updates: int = 1


def row_of(work: Work, key: Key, model: bytes | None) -> Row:
    """What a cell gives, or how it failed; seconds, host, CPU and BLAS"""
    begun, row = time.perf_counter(), dict[str, Any](made=None, model=None, error=None, trace=None)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", MinpruneWarning)
        try:
            row["made"], row["model"] = work(key, model)
        except Exception as e:  # whatever a function of one's own may raise
            said = str(e) if isinstance(e, MinpruneError) else f"{type(e).__name__}: {e}"
            row |= {"error": said, "trace": traceback.format_exc()}
    row["warnings"] = [str(w.message) for w in heard]
    return row | {"seconds": time.perf_counter() - begun} | machine()


@cache
def machine() -> dict[str, str]:
    """Where a cell ran."""
    import numpy as np

    blas: Any = np.show_config(mode="dicts")
    found = blas.get("Build Dependencies", {}).get("blas", {})
    return {
        "host": gethostname(), "cpu": processor(),
        "blas": f"{found.get('name', 'unknown')} {found.get('version', '')}".strip(),
    }  # fmt: skip


def processor() -> str:
    """The name of the CPU."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":", 1)[1].strip() for line in f if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def run_cells(
    cells: Sequence[Cell], work: Work, known: dict[str, bytes | None],
    wrote: Callable[[Cell, Row], None], executor: Executor | Factory, workers: int = 1,
) -> None:  # fmt: skip
    """wrote(cell, row) for every cell, in the order in which they end; a model goes into `known`

    known: {id: model} of the cells that have a row. A cell that needs one that failed has no row.
    executor: one, or what makes one. Raises MinpruneError where workers die before any cell ends,
    and where an executor breaks and cannot be made again.
    """
    missing = [c for c in cells if c.id not in known]
    ready = deque(c for c in missing if c.needs is None or known.get(c.needs) is not None)
    later: dict[str, list[Cell]] = {}
    for c in missing:
        if c.needs is not None and c.needs not in known:
            later.setdefault(c.needs, []).append(c)
    pool = Pool(executor)
    lost: Counter[str] = Counter()
    ended, breaks = False, 0
    running: dict[Future[Any], Cell] = {}
    over: SimpleQueue[Future[Any]] = SimpleQueue()
    ahead = 1 if isinstance(executor, Here) else AHEAD * workers

    def keep(cell: Cell, row: Row) -> None:
        wrote(cell, row)
        known[cell.id] = row["model"]
        if row["error"] is None:
            ready.extend(later.pop(cell.id, []))

    try:
        while ready or running:
            broken = False
            while ready and len(running) < (1 if lost[ready[0].id] > 1 else ahead) and not broken:
                if any(lost[c.id] > 1 for c in running.values()):
                    break  # it runs alone, so that nobody else is suspected
                cell = ready.popleft()
                model = None if cell.needs is None else known[cell.needs]
                try:
                    future = pool.now.submit(row_of, work, cell.key, model)
                except BrokenExecutor:
                    ready.appendleft(cell)
                    broken = True
                    break
                running[future] = cell
                future.add_done_callback(over.put)
            if running:
                future = over.get()
                cell = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    ready.appendleft(cell)
                    lost[cell.id] += 1
                    broken = True
                elif isinstance(error, getattr(pool.now, "killed", ())):
                    ended = True
                    keep(cell, died())
                elif error is not None:  # the executor's own
                    raise error
                else:
                    ended = True
                    keep(cell, future.result())
            if broken:
                breaks += 1
                while running:  # what is in flight ends now, or is lost with it
                    future = over.get()
                    cell = running.pop(future)
                    if future.exception() is None:
                        ended = True
                        keep(cell, future.result())
                    else:
                        ready.appendleft(cell)
                        lost[cell.id] += 1
                pool.again(breaks if not ended else 0)
                for cell in [c for c in ready if lost[c.id] >= MOST]:
                    ready.remove(cell)
                    keep(cell, died())
                ready = deque(sorted(ready, key=lambda c: lost[c.id]))
    finally:
        pool.end()


def died() -> Row:
    """The row of a cell that kills its workers."""
    said = f"its worker process died {MOST} times, as it does without memory; pass fewer workers"
    return {
        "made": None, "model": None, "error": said, "trace": said, "warnings": [], "seconds": 0.0
    } | machine()  # fmt: skip


class Pool:
    """An executor, made again when it is broken."""

    def __init__(self, given: Executor | Factory) -> None:
        self.make = None if isinstance(given, Executor) else given
        self.now: Executor = given if isinstance(given, Executor) else given()

    def again(self, breaks: int) -> None:
        """Another one; breaks: so far, without any cell that ended"""
        if self.make is None:
            raise MinpruneError(
                "compare: the executor is broken, and rows of the cells that ended are kept; pass "
                "a function that makes one, so that it can be made again"
            )
        if breaks >= MOST:
            raise MinpruneError(
                "compare: worker processes die before any cell ends; run with one worker to see "
                "why, and in a script call it under if __name__ == '__main__'"
            )
        self.now.shutdown(wait=False)
        self.now = self.make()

    def end(self) -> None:
        """Nothing is left running of what was made here."""
        if self.make is not None:
            left = list((getattr(self.now, "_processes", None) or {}).values())
            self.now.shutdown(wait=False)  # Dask's takes no more; a pool's cells end with it
            for process in left:
                process.terminate()
