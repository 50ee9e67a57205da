"""Where cells run: in this process, in new ones, on a Dask cluster, in the processes of MPI."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from minprune.errors import ArgumentError, MissingError
from minprune.text import told
from minprune.train.fingerprint import BLAS

THREADS = (*BLAS, "NUMBA_NUM_THREADS")
Factory = Callable[[], Executor]


class Here(Executor):
    """Runs a call at once, in this process; Ctrl-C ends it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        found: Future[Any] = Future()
        found.set_result(fn(*args, **kwargs))
        return found


def processes(workers: int) -> Factory:
    """Of pools of new processes, which end with this one."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    return partial(ProcessPoolExecutor, workers, context, begin)


def begin() -> None:
    """In a new worker: Ctrl-C is for the parent, and no worker outlives it."""
    import multiprocessing
    import signal
    from multiprocessing.connection import wait
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told.update(("threads", "compiling"))
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


@contextmanager
def dask(address: str) -> Iterator[Factory]:
    """Of executors on the Dask scheduler at host:port; raises MissingError without Dask."""
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise MissingError(
            "compare: --dask must have dask[distributed], which is not installed; pip install "
            "'minprune[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as e:
        raise ArgumentError(
            f"compare: --dask must be the host:port of a Dask scheduler, not {address!r} "
            f"({type(e).__name__}); start one with dask scheduler"
        ) from None

    def made() -> Executor:
        found: Executor = client.get_executor(pure=False)
        found.killed = KilledWorker  # type: ignore[attr-defined]
        return found

    with client:
        yield made


@contextmanager
def mpi() -> Iterator[Executor]:
    """An executor on the processes that mpiexec started, in the first; the others work, and end.

    Raises MissingError without mpi4py, ArgumentError for a process that is alone.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor
    except (ImportError, RuntimeError):  # mpi4py without a library of MPI
        raise MissingError(
            "compare: --mpi must have mpi4py and MPI, which are not installed; pip install mpi4py, "
            "and install MPI"
        ) from None
    if MPI.COMM_WORLD.size < 2:
        raise ArgumentError(
            "compare: --mpi must have 2 processes at least, not 1; start it with mpiexec -n 3 "
            "minprune compare --mpi"
        )
    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        if executor is not None:
            yield executor
            return
    raise SystemExit(0)  # a worker, after the last cell


@contextmanager
def one_thread(on: bool) -> Iterator[None]:
    """The environment of new processes, with one thread for each."""
    if not on:
        yield
        return
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
