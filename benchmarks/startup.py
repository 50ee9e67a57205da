"""How long it takes to begin: `import minprune`; `minprune run` with a cold and a warm cache."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.harness import Row, against, float_of, interleave, stopwatch, within

IMPORT = "import time; t = time.perf_counter(); {0}; print(time.perf_counter() - t)"


def run(quick: bool, data: Path | None) -> list[Row]:
    """Import against numpy's own (1.5x); the main job in 60 s cold and 20 s warm."""
    return [*imports(11 if quick else 31), *jobs(["--epochs", "2"] if quick else [])]


def imports(repeats: int) -> list[Row]:
    """import minprune / import numpy, each in a fresh process that times itself.

    minprune imports its parts when they are first used, NumPy with them: the second row has that.
    """
    codes = {
        "minprune": "import minprune",
        "fit": "from minprune import fit",
        "numpy": "import numpy",
    }
    found = interleave(
        {name: partial(import_seconds, code) for name, code in codes.items()},
        repeats=repeats,
        measure=float_of,
    )
    return [
        against("import minprune / import numpy", found["minprune"], found["numpy"], 1.5),
        against("from minprune import fit / import numpy", found["fit"], found["numpy"], None),
    ]


def import_seconds(code: str) -> float:
    """Seconds of one import, without the start of the interpreter."""
    command = [sys.executable, "-c", IMPORT.format(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def jobs(options: list[str]) -> list[Row]:
    """The main job twice with one Numba cache: empty at first, then filled."""
    name = " ".join(["minprune run", *options])
    with tempfile.TemporaryDirectory() as folder:
        return [
            job(f"{name}, empty cache", options, Path(folder), target=60.0),
            job(f"{name}, warm cache", options, Path(folder), target=20.0),
        ]


def job(name: str, options: list[str], folder: Path, target: float) -> Row:
    """One run of the main job in its own process; a run that fails is a target missed."""
    out = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, "-m", "minprune", "run", *options, "--out", out]
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")}
    failed = []

    def once() -> None:
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode:
            last = done.stderr.strip().split("\n")[-1]
            failed.append(f"failed with code {done.returncode}: {last}")

    seconds = stopwatch(once)
    if failed:
        return Row(name, None, None, None, target, False, note=failed[0])
    return within(name, seconds, target)
