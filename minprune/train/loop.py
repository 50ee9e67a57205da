"""The one training loop: epochs, batches, validation, early stopping; no method by name."""

import os
from itertools import islice
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array, Dataset, Seed, stream
from minprune.data import batches
from minprune.errors import ArgumentError
from minprune.measures.quality import evaluate
from minprune.nets.counts import sparsity
from minprune.nets.model import Model, checked_input, is_model
from minprune.train.checkpoint import Checkpointer, LoopPosition
from minprune.train.fingerprint import data_print, fingerprint, machinery, rate_print
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
    checkpoint: str | os.PathLike[str] | None = None,
    every: int | None = None,
) -> tuple[Model, History]:
    """The model after `epochs` passes over data.train, and its history

    Masked weights get no update and are exactly 0.0 after every step. optimizer: Adam() unless
    given; rate: its learning-rate schedule, constant unless given. patience: stop after that many
    epochs without a lower validation loss, and return the best epoch's model; epochs count once the
    method is settled, such as at its last sparsity. method: what acts during training. progress: on
    stderr. The model given is not changed.

    checkpoint: a file for the state of training, written every `every` updates (each epoch unless
    given), at Ctrl-C and at the end. Where the file exists, training goes on from it, to the same
    bits as if it had never stopped (one BLAS thread). The method's state is saved too: it must be
    None, numbers, text, arrays, or lists, tuples and dicts of them.

    Raises ArgumentError for arguments it cannot use, and for a checkpoint that was made with
    others; NonFiniteError, naming step, layer and learning rate, where the loss is not finite.
    """
    optimizer = Adam() if optimizer is None else optimizer
    rate, method = constant() if rate is None else rate, Method() if method is None else method
    _kinds(model, data, optimizer, method)
    x, y = _checked(model, data, epochs, batch_size, patience, checkpoint, every)
    total = epochs * -(-len(x) // batch_size)
    if total:
        _factor(rate, total)
    asked: dict[str, Any] = {}
    if checkpoint is not None:
        asked = fingerprint({
            "model": model, "epochs": epochs, "batch_size": batch_size, "patience": patience,
            "seed": seed, "optimizer": optimizer, "rate": rate_print(rate, total),
            "method": method, **data_print(data, "train", "val"), **machinery(),
        })  # fmt: skip
    state = Training(model, optimizer, rate, method, seed, len(x), batch_size, total)
    place, history = LoopPosition(stream(seed, "order")), History()
    keeper = Checkpointer(checkpoint, every, asked)
    keeper.hold(state, place, history)
    # What is not finite is looked for below and named; NumPy's warning would come first.
    quiet = np.errstate(over="ignore", invalid="ignore")
    shown_from = show_progress(label, total, progress, state.done)
    with keeper, kernels.lend(), quiet, shown_from as shown:
        while place.epoch <= epochs and not place.stopped:
            for index in islice(batches(len(x), batch_size, place.order), place.batch, None):
                loss = state.step(_gather(x, index, model.dtype), y[index])
                place.batch, place.losses = place.batch + 1, place.losses + loss * len(index)
                history.step(state.done, loss, state.penalty, state.lr, state.sparsity)
                shown.update()
                keeper.updated()
            shown.epoch(_end_epoch(state, data, place, history, epochs, patience))
            place.next_epoch()
            keeper.epoch_ended()
        keeper.write()
    trained, history.extra = state.finished(place.best or state.parts())
    return trained, history


def _end_epoch(
    state: Training, data: Dataset, place: LoopPosition, history: History, epochs: int,
    patience: int | None,
) -> str:  # fmt: skip
    """Validate, write down the epoch, keep the best model if there is patience; a line of text."""
    now = state.parts()
    state.check()
    model, _ = state.finished(now)
    sparse = sparsity(model.net, model.masks)
    quality = evaluate(model, data.val) if len(data.val[0]) else None
    val_loss = quality.loss if quality else float("nan")
    accuracy = quality.accuracy if quality else float("nan")
    seconds, train_loss = perf_counter() - place.began, place.losses / len(data.train[0])
    history.epoch(place.epoch, train_loss, val_loss, accuracy, sparse, seconds)
    if patience is not None and state.method.settled(state.done, state.total):
        place.waited += 1
        if val_loss < place.best_loss:
            place.best, place.best_loss, place.waited = now, val_loss, 0
        place.stopped = place.waited >= patience
    return (
        f"epoch {place.epoch}/{epochs}, loss {train_loss:.4f}, val loss {val_loss:.4f}, "
        f"val accuracy {accuracy:.4f}, sparsity {sparse:.4f}"
    )


def _kinds(model: object, data: object, optimizer: object, method: object) -> None:
    """Raises ArgumentError for a value of another kind than fit asks for."""
    is_model(model, "fit")
    for what, given, kind, instead in (
        ("data", data, Dataset, "mp.Dataset(train, val, test)"),
        ("optimizer", optimizer, Optimizer, "mp.SGD(0.1)"),
        ("method", method, Method, "mp.methods.L1(1e-4), with its brackets"),
    ):
        if not isinstance(given, kind):
            found = given.__name__ if isinstance(given, type) else type(given).__name__
            raise ArgumentError(f"fit: {what} is {found}, expected {kind.__name__}; give {instead}")


def _factor(rate: object, total: int) -> None:
    """Raises ArgumentError unless rate(0, total) is a number."""
    try:
        found = rate(0, total)  # type: ignore[operator]
        said = repr(found)
    except TypeError as e:
        found, said = None, f"an error ({e})"
    if not isinstance(found, Real):
        raise ArgumentError(
            f"fit: rate(0, {total}) is {said}, expected the factor of the learning rate, a "
            f"number; give mp.rates.cosine(), with its brackets, or a function of (t, total)"
        )


def _checked(
    model: Model, data: Dataset, epochs: int, batch_size: int, patience: int | None,
    checkpoint: object, every: int | None,
) -> tuple[Array, Array]:  # fmt: skip
    """data.train as arrays, once every argument of fit is found usable."""
    for what, given, least in (
        ("epochs", epochs, 0), ("batch_size", batch_size, 1),
        ("patience", 1 if patience is None else patience, 1),
        ("every", 1 if every is None else every, 1),
    ):  # fmt: skip
        if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
            raise ArgumentError(
                f"{what} is {given!r}, expected an integer of at least {least}; give another"
            )
    if every is not None and checkpoint is None:
        raise ArgumentError(
            f"every is {every} and checkpoint is None, expected a file to write to; "
            f"give checkpoint, or leave out every"
        )
    x, y = checked_input(model.net, data.train[0]), np.asarray(data.train[1])
    if len(x) == 0:
        raise ArgumentError("data.train has no samples, expected at least one; give a pair (x, y)")
    if patience is not None and not len(data.val[0]):
        raise ArgumentError(
            f"patience is {patience} and data.val has no samples, expected some to stop by; "
            f"give data.val, or patience=None"
        )
    return x, y


def _gather(x: Array, index: Array, dtype: np.dtype[Any]) -> Array:
    """The rows of x at index, batch-last, in the net's dtype."""
    if x.dtype == dtype:
        return kernels.gather_last(x, index)
    return np.ascontiguousarray(np.moveaxis(x[index], 0, -1), dtype)
