"""Checkpoints of `fit`: all that the next update depends on, so that resumed = uninterrupted."""

import glob
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minprune.errors import ArgumentError, NonFiniteError
from minprune.files import rebuild, sweep
from minprune.masking.apply import apply
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.train.fingerprint import difference
from minprune.train.history import History
from minprune.train.training import Parts, Training
from minprune.train.tree import Tree, load_tree, pack, save_tree, sound

COUNTERS = ("epoch", "batch", "losses", "waited", "stopped", "best_loss")  # of LoopPosition


@dataclass
class LoopPosition:
    """Where the loop is between two updates, besides what Training holds."""

    order: np.random.Generator
    epoch: int = 1
    batch: int = 0  # batches of this epoch that are done
    losses: float = 0.0  # their losses, weighted by their samples
    waited: int = 0  # epochs without a lower validation loss
    stopped: bool = False
    best_loss: float = np.inf
    best: Parts | None = None
    began: float = field(default_factory=time.perf_counter)
    shuffle: dict[str, Any] = field(init=False)  # of `order`, as this epoch found it

    def __post_init__(self) -> None:
        self.shuffle = dict(self.order.bit_generator.state)

    def next_epoch(self) -> None:
        """The epoch is done; the next one begins."""
        self.epoch, self.batch, self.losses = self.epoch + 1, 0, 0.0
        self.began, self.shuffle = time.perf_counter(), dict(self.order.bit_generator.state)

    def tree(self) -> Tree:
        """For a checkpoint."""
        found = {name: getattr(self, name) for name in (*COUNTERS, "shuffle")}
        if self.best is not None:
            model, extra, state, done = self.best
            arrays = {"params": model.params, "buffers": model.buffers, "masks": model.masks}
            found["best"] = arrays | {"extra": extra, "state": state, "done": done}
        return found | {"seconds": time.perf_counter() - self.began}

    def restore(self, tree: Tree, net: Net) -> None:
        """Continue from what `tree` gave."""
        for name in COUNTERS:
            setattr(self, name, type(getattr(self, name))(tree[name]))
        self.order.bit_generator.state = self.shuffle = tree["shuffle"]
        self.began = time.perf_counter() - tree["seconds"]
        best = tree.get("best")
        if best is not None:
            model = Model(net, best["params"], best["buffers"], best["masks"])
            self.best = model, best["extra"], best["state"], int(best["done"])


class Checkpointer:
    """Writes the state of one `fit` into a file and reads it back; without a path, does nothing

    As a context manager it delays Ctrl-C until an update is complete, and names the last good
    checkpoint when a value is not finite. A second Ctrl-C stops at once.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, every: int | None, asked: dict[str, Any]
    ) -> None:
        self.path = None if path is None else Path(path)
        self.every, self.asked = every, asked
        self.good: int | None = None  # the step of what the file holds
        self._at: tuple[int, int] | None = None  # and its epoch
        self.interrupted = False
        self._before: Any = None

    def hold(self, training: Training, place: LoopPosition, history: History) -> None:
        """What is written from now on; if the file exists, training resumes from it.

        Raises ArgumentError, naming what differs, for a file that was made with other arguments.
        """
        self.training, self.place, self.history = training, place, history
        self.owner = type(training.method).__name__
        if self.path is None:
            return
        pack({"state": training.state}, self.owner)  # refused now, and not after an epoch
        sweep(self.path.parent, glob.escape(self.path.name))
        if self.path.exists():
            self._read(self.path)

    def updated(self) -> None:
        """After each update."""
        if self.interrupted or (self.every and self.training.done % self.every == 0):
            self.write()
        self._stop()

    def epoch_ended(self) -> None:
        """After each epoch."""
        if self.interrupted or not self.every:
            self.write()
        self._stop()

    def write(self) -> None:
        """Raises NonFiniteError, and leaves the file as it was, where an array is not finite."""
        at = self.training.done, self.place.epoch
        if self.path is None or at == self._at:
            return
        self.training.check()
        tree = self.training.tree() | {
            "asked": self.asked, "place": self.place.tree(), "history": self.history,
        }  # fmt: skip
        save_tree(self.path, tree, self.owner)
        self.good, self._at = self.training.done, at

    def _read(self, path: Path) -> None:
        tree = load_tree(path)
        with sound(path):
            asked = tree["asked"]
        refuse(path, asked, self.asked)
        with sound(path):
            self.training.restore(tree)
            self.place.restore(tree["place"], self.training.net)
            self.history.steps, self.history.epochs = tree["history"].steps, tree["history"].epochs
        self.good, self._at = self.training.done, (self.training.done, self.place.epoch)

    def _stop(self) -> None:
        if self.interrupted:
            raise KeyboardInterrupt

    def __enter__(self) -> "Checkpointer":
        import signal
        import threading

        ours = threading.current_thread() is threading.main_thread()
        if self.path and ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if self._before is not None:
            import signal

            signal.signal(signal.SIGINT, self._before)
        if error is None:
            self._stop()
        if isinstance(error, NonFiniteError) and self.good is not None:
            raise NonFiniteError(
                f"{error}; the last good checkpoint, of step {self.good}, is {self.path}"
            ) from None

    def _interrupt(self, *_: object) -> None:
        self._stop()
        self.interrupted = True


def refuse(path: Path, theirs: Any, ours: dict[str, Any]) -> None:
    """Raises ArgumentError, naming the first entry that differs, unless both are equal."""
    found = difference(theirs, ours)
    if found:
        raise ArgumentError(
            f"{path}: it was made with {found}; give the same, or delete it to begin anew"
        )


def model_of(path: str | os.PathLike[str]) -> Model:
    """The model in a checkpoint of `fit`, as it was then; raises FileError for other files."""
    tree = load_tree(path)
    with sound(path):
        params = apply(tree["params"], tree["masks"])  # a dense method keeps values there
        return Model(rebuild(tree["net"]), params, tree["buffers"], tree["masks"])
