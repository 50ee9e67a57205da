"""The one training loop: epochs, batches, validation, early stopping; no method by name."""

import time
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays, Dataset, Seed, stream
from minprune.data import batches
from minprune.errors import ArgumentError
from minprune.measures.quality import evaluate
from minprune.nets.model import Model, checked_input
from minprune.train.history import History
from minprune.train.method import Method
from minprune.train.optim import Adam, Optimizer
from minprune.train.progress import progress as show_progress
from minprune.train.rates import Rate, constant
from minprune.train.training import Training


def fit(
    model: Model,
    data: Dataset,
    *,
    epochs: int,
    seed: Seed = 0,
    batch_size: int = 64,
    optimizer: Optimizer | None = None,
    rate: Rate | None = None,
    method: Method | None = None,
    patience: int | None = None,
    progress: bool = True,
    label: str = "fit",
) -> tuple[Model, History]:
    """The model after `epochs` passes over data.train, and its history

    Masked weights get no update and are exactly 0.0 after every step. optimizer: Adam() unless
    given; rate: its learning-rate schedule, constant unless given. patience: stop after that many
    epochs without a lower validation loss, and return the best epoch's model. method: what acts
    during training. progress: on stderr. The model given is not changed.

    Raises ArgumentError for arguments it cannot use; NonFiniteError, naming step, layer and
    learning rate, where the loss is not finite.
    """
    for what, given, least in (
        ("epochs", epochs, 0), ("batch_size", batch_size, 1),
        ("patience", 1 if patience is None else patience, 1),
    ):  # fmt: skip
        if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
            raise ArgumentError(
                f"{what} is {given!r}, expected an integer of at least {least}; give another"
            )
    x, y = checked_input(model.net, data.train[0]), np.asarray(data.train[1])
    if len(x) == 0:
        raise ArgumentError("data.train has no samples, expected at least one; give a pair (x, y)")
    if patience is not None and not len(data.val[0]):
        raise ArgumentError(
            f"patience is {patience} and data.val has no samples, expected some to stop by; "
            f"give data.val, or patience=None"
        )
    state = Training(model, optimizer or Adam(), rate or constant(), method or Method(), seed)
    state.total = epochs * -(-len(x) // batch_size)
    order = stream(seed, "order")
    history = History()
    best: tuple[Model, Arrays, Any] | None = None
    best_loss, waited = np.inf, 0
    # What is not finite is looked for below and named; NumPy's warning would come first.
    quiet = np.errstate(over="ignore", invalid="ignore")
    with kernels.lend(), quiet, show_progress(label, state.total, progress) as shown:
        for epoch in range(1, epochs + 1):
            start, losses = time.perf_counter(), 0.0
            for index in batches(len(x), batch_size, order):
                loss = state.step(_gather(x, index, model.dtype), y[index])
                losses += loss * len(index)
                history.step(state.done, loss, state.lr, state.sparsity)
                shown.update()
            now = state.model()
            state.check()
            quality = evaluate(now, data.val) if len(data.val[0]) else None
            val_loss = quality.loss if quality else float("nan")
            accuracy = quality.accuracy if quality else float("nan")
            seconds = time.perf_counter() - start
            train_loss = losses / len(x)
            history.epoch(epoch, train_loss, val_loss, accuracy, state.sparsity, seconds)
            shown.epoch(
                f"epoch {epoch}/{epochs}, loss {train_loss:.4f}, val loss {val_loss:.4f}, "
                f"val accuracy {accuracy:.4f}, sparsity {state.sparsity:.4f}"
            )
            if patience is not None:
                waited += 1
                if val_loss < best_loss:
                    best, best_loss, waited = state.parts(now), val_loss, 0
                if waited >= patience:
                    break
    return state.method.finish(*(best or state.parts(state.model()))), history


def _gather(x: Array, index: Array, dtype: np.dtype[Any]) -> Array:
    """The rows of x at index, batch-last, in the net's dtype."""
    if x.dtype == dtype:
        return kernels.gather_last(x, index)
    return np.ascontiguousarray(np.moveaxis(x[index], 0, -1), dtype)
