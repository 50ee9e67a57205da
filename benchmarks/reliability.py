"""What may not happen: damaged files, kills, a full disk, two writers, other bits: all of it.

The parts are benchmarks of their own: fuzz, resilience, disk_full and same_bits.
"""

import os
import signal
import tempfile
import time
from pathlib import Path

import minprune as mp
from benchmarks import disk_full, fuzz, resilience, same_bits
from benchmarks._jobs import ended, fork
from benchmarks.harness import Row, attempt, within
from minprune.errors import FileError

PARTS = (fuzz, resilience, disk_full, same_bits)


def run(quick: bool, data: Path | None) -> list[Row]:
    """The rows of all parts."""
    found = [within("two fits on one checkpoint: second not refused", two_fits(), 0, "")]
    for part in PARTS:
        found += attempt(part.__name__, lambda part=part: part.run(quick, data))  # type: ignore[misc]
    return found


def two_fits() -> int:
    """0 if a second `fit` on a checkpoint that a running one has is refused, in one sentence"""
    data = mp.data.digits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fit.npz")

        def fit(epochs: int) -> None:
            model = mp.zoo.mlp(data, (8,))
            mp.fit(model, data, epochs=epochs, checkpoint=path, every=1, progress=False)

        child = fork(lambda: fit(10_000), Path(folder, "said"))
        try:
            until = time.monotonic() + 60
            while not path.exists() and time.monotonic() < until:
                time.sleep(0.01)
            fit(10_000)
        except FileError as e:
            told = str(e).startswith(f"{path}: must not be in use by another process; ")
            return int(not told)
        finally:
            os.kill(child, signal.SIGKILL)
            ended(child)
    return 1
