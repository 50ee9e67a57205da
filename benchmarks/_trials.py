"""Tests on a mutant: those that reach its lines, past killers and the fast first, in a fork.

A copy of the repository is what is mutated and tested.
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._mutants import Mutant

Reach = dict[str, tuple[float, dict[str, list[int]]]]  # {test: (seconds, {file: lines})}
ARGS = ["-n0", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:terminal",
        "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # fmt: skip
FEW, SECONDS = 20, 45.0  # tests of the first round, seconds of those of the second
MEMORY = 6 * 2**30  # bytes of address space


class Recorder:
    """A plugin of pytest: how long each test takes, which failed, and what each reaches."""

    def __init__(self, coverage: Any = None) -> None:
        self.coverage, self.failed = coverage, list[str]()
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.coverage:
            self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid}, not imported")


def copied(root: Path, to: Path) -> None:
    """The files that tests need, without what earlier runs left."""
    shutil.rmtree(to, ignore_errors=True)
    left = shutil.ignore_patterns("__pycache__", ".git", "runs", ".*cache", ".hypothesis", "*.egg*")
    shutil.copytree(root, to, ignore=left)


def warmed(place: Path) -> None:
    """Leave compiled files in the copy, which no trial writes: importing takes a third then."""
    import pytest

    def work() -> int:
        sys.dont_write_bytecode = False
        return int(pytest.main([*ARGS, "--collect-only", "tests"]))

    forked(place, 600, work)


def forked(place: Path, limit: int, work: Callable[[], Any]) -> Any:
    """What work() returns in a fork of this process that tests the copy; None where it dies.

    limit: seconds of processor time; six times as long by the clock.
    """
    answer = place / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        finally:
            end(child)
        return json.loads(answer.read_text()) if answer.exists() else None
    try:
        os.setsid()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(6 * limit)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        for name in [n for n in sys.modules if n.split(".")[0] in ("minprune", "benchmarks")]:
            del sys.modules[name]
        os.environ.update(PYTHONPATH=str(place), HYPOTHESIS_PROFILE="ci", MPLBACKEND="agg")
        os.chdir(place)
        sys.path.insert(0, str(place))
        found = json.dumps(work())
        answer.write_text(found)
    finally:
        os._exit(0)


def end(child: int) -> None:
    """End what a trial left running."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def reach(place: Path, test: str, files: list[str]) -> Reach:
    """What the tests of one file that pass reach, and how long each takes."""
    import coverage
    import pytest

    def work() -> Reach:
        cover = coverage.Coverage(data_file=None, include=[str(place / file) for file in files])
        recorder = Recorder(cover)
        cover.start()
        pytest.main([*ARGS, test], plugins=[recorder])
        cover.stop()
        data = cover.get_data()
        found: Reach = {t: (s, {}) for t, s in recorder.seconds.items() if t not in recorder.failed}
        for file in files:
            for line, tests in data.contexts_by_lineno(str(place / file)).items():
                for name in found if "" in tests else found.keys() & tests:  # "": as it is imported
                    found[name][1].setdefault(file, []).append(line)
        return found

    return forked(place, 1200, work) or {}


def reached(place: Path, files: list[str], tests: list[str], kept: Path) -> Reach:
    """What the tests reach; what is kept of test files and sources that did not change is used."""
    known = json.loads(kept.read_text()) if kept.exists() else {}
    state = {f: hashlib.sha256((place / f).read_bytes()).hexdigest() for f in [*files, *tests]}
    for test in tests:
        if test in known and known[test]["state"].items() <= state.items():
            continue
        found = reach(place, test, files)
        hit = {file for _, lines in found.values() for file in lines}
        known[test] = {"state": {f: state[f] for f in (test, *sorted(hit))}, "tests": found}
        print(f"{test}: {len(found)} tests reach {len(hit)} files", flush=True)
        kept.write_text(json.dumps(known))
    return {t: tuple(at) for test in tests for t, at in known[test]["tests"].items()}


def chosen(mutant: Mutant, reach: Reach, killers: Counter[str]) -> list[str]:
    """The tests that reach the narrowest of its scopes: past killers first, then the fast.

    Of a test's cases the fastest comes first, after it the fastest of every other test.
    """
    lines = {test: files[mutant.path] for test, (_, files) in reach.items() if mutant.path in files}
    hit: list[str] = []
    for first, last in mutant.scopes:
        hit = hit or [t for t, at in lines.items() if any(first <= line <= last for line in at)]
    turn: Counter[str] = Counter()
    ranked = []
    for test in sorted(hit, key=lambda t: reach[t][0]):
        name = test.split("[")[0]
        turn[name] += 1
        ranked.append((-killers[name], turn[name], reach[test][0], test))
    return [test for *_, test in sorted(ranked)]


def rounds(tests: list[str], reach: Reach) -> list[list[str]]:
    """The first few tests; and the others, the fastest first, as far as time permits"""
    first, others = tests[:FEW], sorted(tests[FEW:], key=lambda test: reach[test][0])
    total = np.cumsum([reach[test][0] + 0.02 for test in others])
    others = others[: np.searchsorted(total, SECONDS)]
    return [batch for batch in (first, others) if batch]


def trial(place: Path, mutant: Mutant, tests: list[list[str]], seconds: float) -> str:
    """The test that fails first; "timeout", or "" for a survivor."""
    import pytest

    def work() -> str:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for batch in tests:
            recorder = Recorder()
            status = pytest.main([*ARGS, "-x", *batch], plugins=[recorder])
            if recorder.failed or status:
                return recorder.failed[0] if recorder.failed else f"pytest ended with {status}"
        return ""

    source = place / mutant.path
    for cached in source.parent.glob(f"__pycache__/{source.stem}.*.pyc"):
        cached.unlink()
    source.write_text(mutant.after)
    try:
        answer = forked(place, int(seconds + 30), work)
    finally:
        source.write_text(mutant.before)
    return "timeout" if answer is None else str(answer)
