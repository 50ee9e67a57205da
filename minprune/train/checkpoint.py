"""Checkpoints of `fit`: all that the next update depends on, so that resumed = uninterrupted."""

import glob
import os
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minprune.arguments import file_path
from minprune.core import Arrays
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.files import alone_with, check_writable, sweep
from minprune.nets.counts import sparsity
from minprune.nets.model import Model, check_masks
from minprune.nets.net import Net
from minprune.train.continuing import Rates, continues
from minprune.train.fingerprint import described, difference
from minprune.train.history import History
from minprune.train.state import Tree, load_tree, pack, save_tree, sound
from minprune.train.step import Parts, Training, locked

COUNTERS = ("epoch", "batch", "losses", "waited", "stopped", "best_loss")  # of LoopPosition
HELD = ("params", "buffers", "masks", "extra", "opt_state", "state", "done", "taken")


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
    held: Tree = None  # all of Training at that epoch, where it is asked for
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
        best: Tree = None
        if self.best is not None:
            model, *learned = self.best
            best = [model.params, model.buffers, model.masks, *learned]
        counters = {name: getattr(self, name) for name in (*COUNTERS, "shuffle")}
        spent = time.perf_counter() - self.began
        return counters | {"best": best, "held": self.held, "seconds": spent}

    def restore(self, tree: Tree, net: Net) -> None:
        """Continue from what `tree` gave."""
        for name in COUNTERS:
            setattr(self, name, type(getattr(self, name))(tree[name]))
        self.order.bit_generator.state = self.shuffle = tree["shuffle"]
        self.began = time.perf_counter() - tree["seconds"]
        self.held = tree["held"]
        if tree["best"] is not None:
            params, buffers, masks, extra, state, done = tree["best"]
            self.best = Model(net, params, buffers, masks), extra, state, int(done)


def tree_of(training: Training) -> Tree:
    """All that the next update depends on, besides the position; the arrays are not copied."""
    streams = (training.dropout, *training.streams)
    held = {name: getattr(training, name) for name in HELD}
    return held | {"streams": [rng.bit_generator.state for rng in streams]}


def restore(training: Training, tree: Tree) -> None:
    """Continue from what `tree_of` gave; raises ShapeError where it is not of this training."""
    for kind in ("params", "buffers", "extra"):
        _refill(getattr(training, kind), tree[kind], kind)
    training.buffers.update({k: locked(training.buffers[k]) for k in training.net.indices})
    for slot, arrays in training.opt_state.items():
        _refill(arrays, tree["opt_state"][slot], slot)
    check_masks(tree["masks"], training.net.params)
    training.masks = tree["masks"]
    training.state = tree["state"]
    training.done, training.taken = int(tree["done"]), int(tree["taken"])
    training.lr = training.rate_at(training.done - 1)
    for rng, state in zip((training.dropout, *training.streams), tree["streams"], strict=True):
        rng.bit_generator.state = state
    training.sparsity = sparsity(training.net, training.masks)


def _refill(own: Arrays, found: Arrays, kind: str) -> None:
    """own[name] = found[name] for every name; raises ShapeError unless names and shapes agree."""
    for name in sorted(own.keys() | found.keys()):
        a, b = own.get(name), found.get(name)
        if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ShapeError(
                f"{name}: its array in {kind} must fit this training, and does not; start again"
            )
        own[name] = b


class Checkpointer:
    """Writes the state of one `fit` into a file and reads it back; without a path, does nothing

    As a context manager it resumes training from the file if that exists, keeps other processes
    from the file, delays Ctrl-C until an update is complete, and names the last good checkpoint
    when a value is not finite. A second Ctrl-C stops at once.

    Raises ArgumentError, naming what differs, for a file that was made with other arguments, but
    for a number of epochs that leaves what is done as it is.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, every: int | None, asked: dict[str, Any],
        training: Training, place: LoopPosition, history: History, updates: int,
    ) -> None:  # fmt: skip
        self.path = None if path is None else file_path("fit", "checkpoint", path)
        self.every, self.asked, self.owner = every, asked, type(training.method).__name__
        self.training, self.place, self.history = training, place, history
        self.rates = Rates(training.rate, updates)
        self.good: tuple[int, int] | None = None  # the step and the epoch of what the file holds
        self.interrupted = False
        self._before: Any = None

    def reached(self, epoch_end: bool) -> None:
        """After each update, and after each epoch."""
        due = not self.every if epoch_end else self.every and self.training.done % self.every == 0
        if self.interrupted or due:
            self.write()
        self._stop()

    def write(self) -> None:
        """Raises NonFiniteError, and leaves the file as it was, where an array is not finite."""
        at = self.training.done, self.place.epoch
        if self.path is None or at == self.good:
            return
        self.training.check()
        rate = self.rates.digest(self.asked["epochs"], self.training.done)
        tree = tree_of(self.training) | {
            "asked": self.asked | {"rate": rate}, "place": self.place.tree(),
            "history": self.history, "net": described(self.training.net),
        }  # fmt: skip
        save_tree(self.path, tree, self.owner)
        self.good = at

    def _read(self, path: Path) -> None:
        tree = load_tree(path)
        with sound(path):
            asked, done = tree["asked"], int(tree["done"])
            first = {"epochs": int(asked["epochs"]), "rate": str(asked["rate"])}
        refuse(path, asked, self.asked | first)
        epochs, patient = self.asked["epochs"], self.asked["patience"] is not None
        continues(path, first, epochs, done, self.rates, self.training.method, patient)
        with sound(path):
            restore(self.training, tree)
            self.place.restore(tree["place"], self.training.net)
            self.history.steps, self.history.epochs = tree["history"].steps, tree["history"].epochs
        self.good = self.training.done, self.place.epoch

    def _stop(self) -> None:
        if self.interrupted:
            raise KeyboardInterrupt

    def __enter__(self) -> "Checkpointer":
        with ExitStack() as held:
            if self.path is not None:
                pack({"state": self.training.state}, self.owner)  # refused before an epoch is done
                check_writable(self.path)
                held.enter_context(alone_with(self.path))
                sweep(self.path.parent, glob.escape(self.path.name))
                if self.path.exists():
                    self._read(self.path)
            self._held = held.pop_all()
        ours = threading.current_thread() is threading.main_thread()
        if self.path and ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self._held.close()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if error is None:
            self._stop()
        if isinstance(error, NonFiniteError) and self.good is not None:
            raise NonFiniteError(
                f"{error}; the last good checkpoint, of step {self.good[0]}, is {self.path}"
            ) from None

    def _interrupt(self, *_: object) -> None:
        self._stop()
        self.interrupted = True


def refuse(path: Path, theirs: Any, ours: dict[str, Any]) -> None:
    """Raises ArgumentError, naming the first entry that differs, unless both are equal."""
    found = difference(theirs, ours)
    if found:
        raise ArgumentError(
            f"{path}: it was made with {found}; pass the same, or delete it to start again"
        )
