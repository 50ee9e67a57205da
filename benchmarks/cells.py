"""What a cell of a comparison costs besides its work, and what a second worker gains.

Empty cells are timed in batches of two sizes, whose difference has no start of processes in it; the
least of several counts, since other work of the machine only adds. Speed-ups need a quiet machine:
the row says how busy it was.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, peer, within
from minprune.jobs.cells import Cell, run_cells
from minprune.jobs.executors import Factory, Here, dask, one_thread, processes

LIMITS = {"in this process": 1e-3, "processes": 1e-3, "Dask": 30e-3}  # seconds a cell
GAIN = 1.8  # of two workers over one
EPOCHS = 60  # of a long cell: a few seconds


def run(quick: bool, data: Path | None) -> list[Row]:
    """Overhead per cell of each kind of executor; the gain of two processes."""
    times = 1 if quick else 5
    return [
        overhead("in this process", Here(), 1, times),
        overhead("processes", processes(2), 2, times),
        *attempt("overhead of a cell, Dask", partial(cluster, times)),
        gain(2 if quick else EPOCHS, times),
    ]


def cluster(times: int) -> Iterator[Row]:
    """Two processes of a cluster on this machine."""
    local = peer("distributed").LocalCluster
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with local(**how) as found, dask(found.scheduler_address) as pools:
        yield overhead("Dask", pools, 16, times)


def empty(key: Any, body: bytes | None) -> tuple[Any, bytes | None]:
    """No work."""
    return {}, None


def trains(epochs: int, key: Any, body: bytes | None) -> tuple[Any, bytes | None]:
    """A net on the digits."""
    data = mp.data.digits()
    model = mp.zoo.lenet_300_100(data, seed=key[1])
    _, history = mp.fit(model, data, epochs=epochs, seed=key[1], progress=False)
    return {"loss": history.epochs["train_loss"][-1]}, None


def seconds(work: Callable[..., Any], many: int, pool: Executor | Factory, workers: int) -> float:
    """Of so many cells, the pool's start in it"""
    cells = [Cell(str(k), ("cell", k)) for k in range(many)]
    begun = time.perf_counter()
    with one_thread(not isinstance(pool, Here)):
        run_cells(cells, work, {}, lambda cell, row: None, pool, workers)
    return time.perf_counter() - begun


def overhead(name: str, pool: Executor | Factory, workers: int, times: int) -> Row:
    """Seconds of one more empty cell, the least of several times"""
    few, many = 100, 500 if name == "Dask" else 4_000
    each = [
        (seconds(empty, many, pool, workers) - seconds(empty, few, pool, workers)) / (many - few)
        for _ in range(times)
    ]
    return within(f"overhead of a cell, {name}", min(each), LIMITS[name], note=load())


def gain(epochs: int, times: int) -> Row:
    """Seconds of eight trainings with one process, over those with two"""
    work = partial(trains, epochs)
    one, two = (min(seconds(work, 8, processes(n), n) for _ in range(times)) for n in (1, 2))
    part = two / one
    return Row("two workers beside one", two, one, part, 1 / GAIN, part <= 1 / GAIN, note=load())


def load() -> str:
    """How busy the machine is"""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
