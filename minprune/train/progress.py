"""Progress on stderr while training runs: a tqdm bar where tqdm is installed, else plain lines."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from minprune.text import tell as tell
from minprune.text import tell_once
from minprune.train.fingerprint import threads

EVERY = 10.0  # seconds between two lines


def tell_threads() -> None:
    """Tells, once in a process, that BLAS uses all cores where nobody chose a number of threads."""
    cores = threads()
    if cores.startswith("all ") and cores != "all 1":
        tell_once(
            "threads",
            f"matrix products use {cores} cores, which is up to 10 times slower while other "
            f"programs run; set OPENBLAS_NUM_THREADS=1 before NumPy is imported",
        )


class Quiet:
    """Shows nothing."""

    def update(self) -> None:
        """One training step is done."""

    def epoch(self, text: str) -> None:
        """An epoch is done."""


class Lines(Quiet):
    """A line an epoch, or every EVERY seconds, for logs and where tqdm is absent."""

    def __init__(self, label: str, steps: int, done: int) -> None:
        self.label, self.steps, self.done, self.last = label, steps, done, monotonic()

    def update(self) -> None:
        self.done += 1
        if monotonic() - self.last >= EVERY:
            self.epoch(f"{self.done} of {self.steps} steps")

    def epoch(self, text: str) -> None:
        self.last = monotonic()
        tell(f"{self.label}: {text}")


class Bar(Quiet):
    """A tqdm bar over the steps; the last epoch's figures after it."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def update(self) -> None:
        self.bar.update()

    def epoch(self, text: str) -> None:
        self.bar.set_postfix_str(text, refresh=False)


@contextmanager
def progress(label: str, steps: int, show: bool, done: int = 0) -> Iterator[Quiet]:
    """A bar: call `update()` after each of `steps` steps, `epoch(text)` after each epoch.

    done: the steps that an earlier call has taken.
    """
    if not show or sys.stderr is None:
        yield Quiet()
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield Lines(label, steps, done)
        return
    with tqdm(
        total=steps, initial=done, desc=label, unit="step", file=sys.stderr, mininterval=0.5
    ) as bar:
        yield Bar(bar)
