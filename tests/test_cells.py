"""Cells and their rows: any number of workers, in any order, killed at any time: the same rows."""

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from forking import forked
from hypothesis import given
from hypothesis import strategies as st

from minprune.errors import ArgumentError, MinpruneError, MissingError
from minprune.jobs.cells import MOST, Cell, Row, run_cells
from minprune.jobs.executors import Here, dask, mpi, processes

NETS, EACH = 3, 4  # the last net fails, so that none of its cells runs
CELLS = [Cell(f"net {k}", ("net", k)) for k in range(NETS)] + [
    Cell(f"{k} of {n}", ("of", n, k), f"net {n}") for n in range(NETS) for k in range(EACH)
]


def make(key: Any, model: bytes | None) -> tuple[Any, bytes | None]:
    """A net, or what a cell makes of it; the last one fails."""
    if key[0] == "net":
        if key[1] == NETS - 1:
            raise MinpruneError("it cannot be trained")
        return {"net": key[1]}, b"%d" % key[1]
    if key[2] == EACH - 1:
        raise ZeroDivisionError(f"cell {key[1]}")
    assert model is not None
    return {"of": int(model), "cell": key[2]}, None


def dies(folder: str, times: int, key: Any, model: bytes | None) -> tuple[Any, bytes | None]:
    """The same, but one cell kills its process, so many times."""
    if key == ("of", 0, 1):
        for k in range(times):
            try:
                os.close(os.open(f"{folder}/{k}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
    return make(key, model)


def rows(
    executor: Any, work: Any = make, cells: Any = CELLS, known: Any = None, **how: Any
) -> dict[str, Row]:
    """{id: what must be the same in every run}"""
    found: dict[str, Row] = {}

    def wrote(cell: Cell, row: Row) -> None:
        assert cell.id not in found
        found[cell.id] = {k: row[k] for k in ("made", "model", "error", "warnings")}

    run_cells(cells, work, {} if known is None else known, wrote, executor, **how)
    return found


WHOLE = rows(Here())


def test_a_cell_that_raises_costs_its_own_row_alone() -> None:
    assert {cell.id for cell in CELLS} - set(WHOLE) == {f"{k} of 2" for k in range(EACH)}
    failed = {id for id, row in WHOLE.items() if row["error"]}
    assert failed == {"3 of 0", "3 of 1", "net 2"}
    assert WHOLE["net 2"]["error"] == "it cannot be trained"
    assert WHOLE["3 of 1"]["error"] == "ZeroDivisionError: cell 1"
    assert WHOLE["2 of 1"]["made"] == {"of": 1, "cell": 2}


class Shuffled(Executor):
    """Ends its calls in any order; breaks after some, with what is in flight."""

    def __init__(self, draw: Callable[[int], int], breaks: list[int]) -> None:
        self.draw, self.breaks, self.waiting = draw, breaks, []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.waiting.append((future, partial(fn, *args, **kwargs)))
        real = future.add_done_callback

        def added(call: Any) -> None:
            real(call)
            self.turn()

        future.add_done_callback = added  # type: ignore[method-assign]
        return future

    def turn(self) -> None:
        """Ends some of what waits, or all of it with an error."""
        if self.breaks and self.breaks[0] == 0:
            self.breaks.pop(0)
            for future, _ in self.waiting:
                future.set_exception(BrokenProcessPool("killed"))
            self.waiting = []
            return
        if self.breaks:
            self.breaks[0] -= 1
        future, call = self.waiting.pop(self.draw(len(self.waiting)))
        future.set_result(call())


Work = Callable[[Any, bytes | None], tuple[Any, bytes | None]]
Runner = Callable[..., dict[str, Row]]


def same_rows(runner: Runner, work: Work, draw: Callable[[int], int], breaks: list[int]) -> bool:
    """Law: whichever cell ends first, and whatever is lost on the way, the rows are the same."""
    try:
        return runner(lambda: Shuffled(draw, breaks), work, workers=3) == WHOLE
    except AssertionError:  # of a cell, or of a row that is written twice
        return False


@given(st.data(), st.lists(st.integers(0, 9), max_size=MOST - 1))
def test_any_order_and_any_loss_give_the_same_rows(data: st.DataObject, breaks: list[int]) -> None:
    def draw(n: int) -> int:
        return data.draw(st.integers(0, n - 1))

    assert same_rows(rows, make, draw, breaks)


def counts(calls: list[Any], key: Any, model: bytes | None) -> tuple[Any, bytes | None]:
    """A cell that depends on what ran before it in its process: a wrong one"""
    calls.append(key)
    made, body = make(key, model)
    return {**made, "cell": made.get("cell") and len(calls)}, body


def at_once(executor: Any, work: Work, workers: int) -> dict[str, Row]:
    """Waits for no cell that another needs: a wrong runner"""
    return rows(executor, work, [replace(cell, needs=None) for cell in CELLS], workers=workers)


def lost(executor: Any, work: Work, workers: int) -> dict[str, Row]:
    """What was in flight does not run again"""
    pool, found = executor(), dict[str, Row]()
    try:
        return rows(pool, work, workers=workers)
    except MinpruneError:
        return found


def first_wins(executor: Any, work: Work, workers: int) -> dict[str, Row]:
    """Every cell has the row of the first to end"""
    found = rows(executor, work, workers=workers)
    return dict.fromkeys(found, next(iter(found.values())))


@pytest.mark.parametrize(
    ("runner", "work"),
    [(rows, partial(counts, [])), (at_once, make), (lost, make), (first_wins, make)],
)
def test_cells_that_depend_on_their_order_are_seen(runner: Runner, work: Work) -> None:
    laws = [same_rows(runner, work, lambda n, k=k: k % n, [3][: k % 2]) for k in range(4)]
    assert not all(laws)


@given(st.sets(st.sampled_from(sorted(WHOLE))))
def test_only_missing_cells_run(done: set[str]) -> None:
    known = {id: WHOLE[id]["model"] for id in done}
    found = rows(Here(), known=known)
    assert found == {id: row for id, row in WHOLE.items() if id not in done}


def test_a_dask_cluster_gives_the_same_rows() -> None:
    distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        dask(cluster.scheduler_address) as pools,
    ):
        assert rows(pools, workers=4) == WHOLE


def test_threads_and_another_executor() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert rows(pool, workers=3) == WHOLE
        assert rows(pool, workers=3) == WHOLE  # it is left open


def test_killed_workers_are_replaced_and_lost_cells_run_again(tmp_path: Path) -> None:
    assert rows(processes(2), partial(dies, str(tmp_path), MOST - 1), workers=2) == WHOLE
    assert len(list(tmp_path.iterdir())) == MOST - 1


def test_a_cell_that_always_kills_its_worker_has_that_as_its_row(tmp_path: Path) -> None:
    found = rows(processes(2), partial(dies, str(tmp_path), 99), workers=2)
    said = "its worker process died 3 times, as it does without memory; pass fewer workers"
    assert found.pop("1 of 0")["error"] == said
    assert found == {id: row for id, row in WHOLE.items() if id != "1 of 0"}


def broken(draw: Any = None) -> Executor:
    return Shuffled(lambda n: 0, [0] * 9)


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        (broken, "compare: worker processes die before any cell ends; run with one worker to see "
         "why, and in a script call it under if __name__ == '__main__'"),
        (broken(), "compare: the executor is broken, and rows of the cells that ended are kept; "
         "pass a function that makes one, so that it can be made again"),
    ],
)  # fmt: skip
def test_what_cannot_go_on(executor: Any, said: str) -> None:
    with pytest.raises(MinpruneError) as e:
        rows(executor)
    assert str(e.value) == said


def test_workers_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    """Which was killed: none is left to hold its memory"""
    pid = tmp_path / "pid"
    with forked(lambda: rows(processes(1), partial(sleeps, str(tmp_path)), CELLS[:1])):
        wait(pid.exists)
        time.sleep(0.1)
    wait(lambda: not alive(int(pid.read_text())))


def sleeps(folder: str, key: Any, model: Any) -> Any:
    part = Path(folder, "part")
    part.write_text(str(os.getpid()))
    part.rename(Path(folder, "pid"))
    time.sleep(60)


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait(until: Callable[[], bool]) -> None:
    for _ in range(1000):
        if until():
            return
        time.sleep(0.02)
    raise AssertionError("it never comes")


def test_mpi_is_refused_without_it_or_with_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingError, match="--mpi must have mpi4py and MPI"), mpi():
        pass
    alone = ModuleType("mpi4py")
    alone.MPI = SimpleNamespace(COMM_WORLD=SimpleNamespace(size=1))  # type: ignore[attr-defined]
    futures = ModuleType("mpi4py.futures")
    futures.MPICommExecutor = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mpi4py", alone)
    monkeypatch.setitem(sys.modules, "mpi4py.futures", futures)
    with pytest.raises(ArgumentError, match="must have 2 processes at least, not 1"), mpi():
        pass
