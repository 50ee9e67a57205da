"""Hypothesis profiles: quick (default), ci (where CI is set), deep (HYPOTHESIS_PROFILE=deep)."""

import gc
import os
import signal

# Same bits need one BLAS thread count, and it is read when numpy is first imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["COLUMNS"] = "100"  # tables are fitted to the terminal

# A shell that runs the tests in the background has them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "quick"))


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """What is told once in a process would come up in any test."""
    from minprune.text import told

    told.update(("threads", "compiling"))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Formats are chosen by made-up speeds: a busy machine, which measures anew each time, would
    choose others from process to process. Nothing is left in the user's own cache."""
    from minprune.sparse.speeds import Speeds, here, keep, kept, names

    each = {name: 0.02 if "dense" in name else 0.06 for name in names()}
    calls = {name: 4000.0 if "dense" in name else 7000.0 for name in each}
    moves = dict.fromkeys(each, 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINPRUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        machines = [here()]
        with pytest.MonkeyPatch.context() as command:  # in a process of its own it takes one thread
            command.setenv("NUMBA_NUM_THREADS", "1")
            machines.append(here())
        for machine in machines:
            assert keep(Speeds(machine, each, calls, moves), kept())
        yield


def pytest_make_parametrize_id(val: object) -> str | None:
    """The same test names in every process: no addresses in them, so that workers can share."""
    if callable(val):
        return str(getattr(val, "__qualname__", type(val).__name__))
    text = str(val)
    return text.partition(" at 0x")[0] if " at 0x" in text else None


@pytest.hookimpl(optionalhook=True)  # without xdist too
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Workers for the whole suite alone: starting them takes longer than most files do."""
    return None if config.args_source is config.ArgsSource.TESTPATHS else 0


def pytest_collection_finish() -> None:
    """Modules and tests live to the end; the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
