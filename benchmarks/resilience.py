"""SIGKILL at random moments of fit, run, compare and every plan: then the same results to the byte.

After each kill every file that has its final name must be whole. Speeds of kernels, by which
formats are chosen, are measured once, beforehand.
"""

import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import _plans
from benchmarks._jobs import JOBS, Job, ended, fork, unsound
from benchmarks.harness import Row, within

EACH = 4  # kills of one job at most
KILLS = {"fit": 80, "run": 60, "compare": 60, "methods": 60}
OF_PLANS = 100  # or more, as many of each plan


def run(quick: bool, data: Path | None) -> list[Row]:
    """Three hundred kills and more (twenty with --quick), as many jobs as that takes."""
    plans, found = _plans.jobs(), []
    tried = [(JOBS[name], 2 if quick else kills) for name, kills in KILLS.items()]
    tried += [(job, 1 if quick else -(-OF_PLANS // len(plans))) for job in plans.values()]
    for job, kills in tried:
        with tempfile.TemporaryDirectory() as folder:
            found += rows(Path(folder), job, kills=kills)
    return found


def rows(folder: Path, job: Job, kills: int, each: int = EACH, seed: int = 0) -> list[Row]:
    """What is wrong after that many kills of such jobs."""
    said = folder / "said"

    def start(out: Path) -> int:
        out.mkdir(exist_ok=True)
        return fork(lambda: job.work(out), said)

    ended(start(folder / "warm"))  # what is compiled and kept on disk
    begun = time.perf_counter()
    ended(start(folder / "whole"))
    seconds = time.perf_counter() - begun
    want = job.made(folder / "whole")
    rng = np.random.default_rng(seed)  # of moments in time; nothing that is computed
    left, jobs, other, halves = kills, 0, [], []
    while left or not jobs:
        jobs, here = jobs + 1, min(left, each)
        out, begun, killed = folder / str(jobs), time.perf_counter(), left
        while (code := stopped(start(out), rng.uniform(0, seconds) if here else None)) is None:
            left, here = left - 1, here - 1
            halves += unsound(out)
        if killed == left:  # it was faster than any before: kill earlier
            seconds = min(seconds, time.perf_counter() - begun)
        halves += unsound(out)
        if code or job.made(out) != want:
            other.append(f"{out.name} ({code}: {said.read_text()[-200:]})")
    note = f"{kills} kills at random moments of {jobs} jobs of {seconds:.1f} s"
    return [
        Row(f"{job.name}: files compared", len(want), None, None, None, len(want) >= 1, unit="",
            note=note),
        within(f"{job.name}: jobs whose files differ", len(other), 0, "", ", ".join(other)),
        within(f"{job.name}: files seen half-written", len(halves), 0, "", ", ".join(halves)),
    ]  # fmt: skip


def stopped(child: int, moment: float | None) -> int | None:
    """Its exit code, if it ends before that moment; if not, it is killed"""
    until = time.perf_counter() + (moment or 0.0)
    while moment is not None:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.perf_counter() >= until:
            os.kill(child, signal.SIGKILL)
            code = ended(child)  # its own, if it ended meanwhile
            return None if code == -signal.SIGKILL else code
        time.sleep(0.0005)
    return ended(child)
