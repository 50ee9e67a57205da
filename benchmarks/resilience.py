"""SIGKILL at random moments of `minprune run`, then --resume: the same models to the byte.

After each kill every file that has its final name must be whole.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, stopwatch, within
from minprune.errors import FileError
from minprune.files import load
from minprune.train.state import load_tree

EACH = 4  # kills of one job at most
JOB = ["--net", "mlp", "--epochs", "40", "--fine-tune", "40", "--sparsity", "0.8"]


def run(quick: bool, data: Path | None) -> list[Row]:
    """A hundred kills (five with --quick), as many jobs as that takes."""
    with tempfile.TemporaryDirectory() as folder:
        return rows(Path(folder), JOB, kills=5 if quick else 100)


def rows(
    folder: Path, options: list[str], kills: int, each: int = EACH, seed: int = 0
) -> list[Row]:
    """What is wrong after that many kills of jobs with those options."""
    start(folder / "warm", options).wait()  # compilation
    seconds = stopwatch(lambda: start(folder / "whole", options).wait())
    want = models(folder / "whole")
    rng = np.random.default_rng(seed)  # of moments in time; nothing that is computed
    left, jobs, other, halves = kills, 0, [], []
    while left or not jobs:
        jobs, here = jobs + 1, min(left, each)
        out, begun, killed = folder / str(jobs), time.perf_counter(), left
        while not finished(job := start(out, options), rng.uniform(0, seconds) if here else None):
            left, here = left - 1, here - 1
            halves += unsound(out)
        if killed == left:  # it was faster than any before: kill earlier
            seconds = min(seconds, time.perf_counter() - begun)
        halves += unsound(out)
        if job.returncode or models(out) != want:
            other.append(out.name)
    note = f"{kills} kills at random moments of {jobs} jobs of {seconds:.1f} s"
    return [
        Row("stages of the job", len(want), None, None, None, len(want) >= 4, unit="", note=note),
        within("jobs whose models differ", len(other), 0, "", ", ".join(other)),
        within("files that were seen half-written", len(halves), 0, "", ", ".join(halves)),
    ]


def start(out: Path, options: list[str]) -> "subprocess.Popen[bytes]":
    """The main job in its own process; it resumes where it was stopped."""
    command = [sys.executable, "-m", "minprune", "run", *options, "--quiet", "--resume"]
    root = str(Path(__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    where = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, "--out", str(out)], env=env, **where)


def finished(job: "subprocess.Popen[bytes]", moment: float | None) -> bool:
    """Whether the job ended before that moment; if it did not, it is killed."""
    try:
        job.wait(moment)
    except subprocess.TimeoutExpired:
        job.kill()
        job.wait()
        return False
    return True


def models(out: Path) -> dict[str, bytes]:
    """{file: bytes} of the models in the folder."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.npz"))}


def page(path: Path) -> None:
    """Raises ValueError unless the page has its end."""
    if not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError(f"{path} has no end")


def arrays(path: Path) -> dict[str, Any]:
    """All arrays of a file that `numpy.savez` wrote."""
    with np.load(path) as stored:
        return dict(stored)


def unsound(out: Path) -> list[str]:
    """The files with a final name, in the folder and its checkpoint, that are not whole."""
    readers: dict[str, Callable[[Path], object]] = {
        ".npz": load, ".html": page, ".json": lambda p: json.loads(p.read_text("utf-8"))
    }  # fmt: skip
    wrong = []
    for path in sorted(p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")):
        read = readers[path.suffix]
        if path.parent.name == "checkpoint":
            read = load_tree
        elif path.name == "history.npz":  # arrays of a method, as `numpy.savez` writes them
            read = arrays
        try:
            read(path)
        except (FileError, ValueError, zipfile.BadZipFile) as e:
            wrong.append(str(e))
    return wrong
