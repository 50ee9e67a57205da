"""What happens in training: recorded (History), and shown on stderr while it runs (progress).

progress: a tqdm bar where tqdm is installed, plain lines otherwise.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from minprune.core import Arrays

STEPS = ("step", "loss", "penalty", "lr", "sparsity")
EPOCHS = ("epoch", "train_loss", "val_loss", "val_accuracy", "sparsity", "seconds")
EVERY = 10.0  # seconds between two lines


def _columns(names: tuple[str, ...]) -> dict[str, list[float]]:
    return {name: [] for name in names}


@dataclass
class History:
    """What happened in training: numbers of every update and every epoch, and what was learned.

    Parameters
    ----------
    steps : {"step", "loss", "penalty", "lr", "sparsity"}: a list each, one entry an update. loss is
        the data loss; a method's penalty, which is added to it, stands beside it.
    epochs : {"epoch", "train_loss", "val_loss", "val_accuracy", "sparsity", "seconds"}: a list
        each, one entry an epoch. train_loss is the mean data loss. val_loss, val_accuracy and
        sparsity are of the model that training would end with there; sparsity is of the weights,
        without biases; seconds include the evaluation.
    extra : what a method learned besides the weights, by name: its extra arrays at the end.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model, history = mp.fit(mp.zoo.lenet_300_100(data), data, epochs=1, progress=False)
    >>> history.epochs["epoch"], len(history.steps["loss"]), history.extra
    ([1], 19, {})
    """

    steps: dict[str, list[float]] = field(default_factory=lambda: _columns(STEPS))
    epochs: dict[str, list[float]] = field(default_factory=lambda: _columns(EPOCHS))
    extra: Arrays = field(default_factory=dict)

    def step(self, *values: float) -> None:
        """One update: the values of STEPS."""
        for name, v in zip(STEPS, values, strict=True):
            self.steps[name].append(v)

    def epoch(self, *values: float) -> None:
        """One epoch: the values of EPOCHS."""
        for name, v in zip(EPOCHS, values, strict=True):
            self.epochs[name].append(v)


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
            self._say(f"{self.done} of {self.steps} steps")

    def epoch(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        self.last = monotonic()
        print(f"{self.label}: {text}", file=sys.stderr, flush=True)


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
    if not show:
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
