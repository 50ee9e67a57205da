"""The one training loop: epochs, batches, validation, early stopping; no method by name.

Longer than most files: a third is the docstring of `fit`.
"""

import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import islice
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from minprune import kernels
from minprune.arguments import only_with
from minprune.core import Array, Dataset, Seed, stream
from minprune.data import batches
from minprune.masking.apply import apply
from minprune.measures.quality import evaluate
from minprune.nets.counts import sparsity
from minprune.nets.model import Model
from minprune.train.checkpoint import Checkpointer, LoopPosition, restore, tree_of
from minprune.train.fingerprint import data_print, fingerprint, machinery
from minprune.train.history import History
from minprune.train.method import Method
from minprune.train.optim import Optimizer
from minprune.train.progress import progress as show_progress
from minprune.train.progress import tell_threads
from minprune.train.rates import Rate
from minprune.train.ready import ready
from minprune.train.state import Tree
from minprune.train.step import Training


def fit(
    model: Model,
    data: Dataset,
    *,
    epochs: int,
    seed: Seed = 0,
    batch_size: int = 64,
    drop_last: bool = False,
    optimizer: Optimizer | None = None,
    rate: Rate | None = None,
    method: Method | None = None,
    patience: int | None = None,
    progress: bool = True,
    label: str = "fit",
    checkpoint: str | os.PathLike[str] | None = None,
    every: int | None = None,
    freeze: str | Iterable[str] = (),
) -> tuple[Model, History]:
    """Train a model: the model after `epochs` passes over data.train, and its history.

    w_{t+1} = m (w_t - lr_t step(dL/dw)): masked weights get no update and are exactly 0.0 after
    every step. The model given is not changed.

    Parameters
    ----------
    model : Model
        Where training starts; its masks are held.
    data : Dataset
        data.train is trained on, data.val validates each epoch.
    epochs : int
        Passes over data.train, at least 0.
    seed : int or numpy Generator
        Of the order of the samples, dropout and the method.
    batch_size : int
        At least 1; the last batch of an epoch may be smaller.
    drop_last : bool
        Whether an epoch leaves out its last batch where that is smaller.
    optimizer : Optimizer, optional
        mp.Adam() by default.
    rate : Callable[[int, int], float], optional
        The schedule of the learning rate, see mp.rates; constant by default.
    method : Method, optional
        What acts during training, see mp.methods and mp.Method.
    patience : int, optional
        Stop after that many epochs without a lower validation loss, and return the best epoch's
        model; epochs count once the method is settled, such as at its last sparsity.
    progress : bool
        Whether to show progress, on stderr.
    label : str
        What the progress is of.
    checkpoint : path, optional
        A file for the state of training, written every `every` updates, at Ctrl-C and at the end.
        If the file exists, training resumes from it, and ends with the same bits as if it had never
        stopped (with one BLAS thread). More epochs than before continue it, with the bits of all
        at once; they are refused where the rate or the method depends on the total. The method's
        state is saved too: it must be None, numbers, text, arrays, or lists, tuples and dicts of
        them.
    every : int, optional
        Updates between two checkpoints; by default, one is written after each epoch.
    freeze : name or names
        Layers, parameters, or patterns of either, such as "bn*", that keep their values: they get
        no updates, also not by momentum, weight decay or the method, which must not prune them. A
        layer whose running statistics are frozen, as they are with the layer, uses these.

    Returns
    -------
    tuple[Model, History]
        The trained model, and what happened.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and a checkpoint that was made with others.
    NonFiniteError
        Where the loss is not finite: step, layer and learning rate.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.lenet_300_100(data, seed=0)
    >>> model, history = mp.fit(model, data, epochs=2, seed=0, progress=False)
    >>> history.epochs["val_loss"][1] < history.epochs["val_loss"][0]
    True
    """
    return fit_part(
        model, data, epochs=epochs, seed=seed, batch_size=batch_size, drop_last=drop_last,
        optimizer=optimizer, rate=rate, method=method, patience=patience, progress=progress,
        label=label, checkpoint=checkpoint, every=every, freeze=freeze,
    )[:2]  # fmt: skip


class Part(NamedTuple):
    """The model after a part of a training, what happened in it, and where training is then

    point: all that the next update depends on, a tree as in train/state.py: "training" holds the
    weights, the optimizer's state, the method's and the generators; "place" the position in the
    data and in the schedule. last(): the model there; with patience `model` is that of the best
    epoch. best: "training" as it was with `model`, where it was kept.
    """

    model: Model
    history: History
    point: Tree
    last: Callable[[], Model]
    best: Tree


def fit_part(
    model: Model, data: Dataset, *, epochs: int, seed: Seed = 0, batch_size: int = 64,
    drop_last: bool = False, optimizer: Optimizer | None = None, rate: Rate | None = None,
    method: Method | None = None, patience: int | None = None, progress: bool = True,
    label: str = "fit", checkpoint: str | os.PathLike[str] | None = None, every: int | None = None,
    freeze: str | Iterable[str] = (), begin: Tree | None = None, until: int | None = None,
    beat: float = np.inf, keep_best: bool = False,
) -> Part:  # fmt: skip
    """The updates of `fit` from a point on, and until an update: two parts give the bits of one

    begin: the `point` of another part of the same training: all that it holds, and what `model`
    masks is masked besides. until: the last update; without it, the end. With patience, beat: the
    validation loss that an epoch must be below, as if an epoch before had it; keep_best: whether
    all that the next update depends on is kept of the best epoch too.
    """
    r = ready(
        model, data, epochs=epochs, seed=seed, batch_size=batch_size, drop_last=drop_last,
        optimizer=optimizer, rate=rate, method=method, patience=patience, every=every,
        freeze=freeze, done=0 if begin is None else int(begin["training"]["done"]),
    )  # fmt: skip
    if every is not None and checkpoint is None:
        only_with("fit", "every", "checkpoint='fit.npz'", None)
    x, y, state, updates = r.x, r.y, r.state, r.updates
    total, samples = state.total, updates * batch_size if drop_last else len(x)
    if progress:
        tell_threads()
    asked: dict[str, Any] = {}
    if checkpoint is not None:
        asked = fingerprint({
            **({} if begin is None else {"begin": begin}),
            **({} if until is None else {"until": until}),
            **({} if beat == np.inf else {"beat": beat}),
            **({"freeze": sorted(state.frozen.names)} if state.frozen.names else {}),
            "model": model, "epochs": epochs, "batch_size": batch_size, "patience": patience,
            "drop_last": drop_last, "seed": seed, "optimizer": state.optimizer,
            "method": state.method, **data_print(data, "train", "val"), **machinery(),
        })  # fmt: skip
    place, history = LoopPosition(stream(seed, "order"), best_loss=beat), History()
    if begin is not None:
        tree = deepcopy(begin["training"])
        masks = tree["masks"] | {k: m & tree["masks"].get(k, m) for k, m in state.masks.items()}
        params = tree["params"] if state.dense else apply(tree["params"], masks)
        restore(state, tree | {"params": params, "masks": masks})
        place.restore(deepcopy(begin["place"]), state.net)
    last = total if until is None else min(until, total)
    saver = Checkpointer(checkpoint, every, asked, state, place, history, updates)
    # Values that are not finite are found and named below; NumPy's warning would come first.
    quiet = np.errstate(over="ignore", invalid="ignore")
    with saver, kernels.lend(), quiet, show_progress(label, total, progress, state.done) as shown:
        while place.epoch <= epochs and not place.stopped:
            stop = min(updates, place.batch + last - state.done)
            for index in islice(batches(len(x), batch_size, place.order), place.batch, stop):
                loss = state.step(_gather(x, index, model.dtype), y[index])
                place.batch, place.losses = place.batch + 1, place.losses + loss * len(index)
                history.step(state.done, loss, state.penalty, state.lr, state.sparsity)
                shown.update()
                saver.reached(epoch_end=False)
            if place.batch < updates:  # `until` is reached
                break
            shown.epoch(
                _end_epoch(state, data, place, history, epochs, patience, samples, keep_best)
            )
            place.next_epoch()
            saver.reached(epoch_end=True)
        saver.write()
    trained, history.extra = state.finished(place.best or state.parts())
    point = {"training": tree_of(state), "place": place.tree()}
    return Part(
        trained,
        history,
        point,
        lambda: state.finished(state.parts())[0],
        place.held or point["training"],
    )


def _end_epoch(
    state: Training, data: Dataset, place: LoopPosition, history: History, epochs: int,
    patience: int | None, samples: int, keep_best: bool,
) -> str:  # fmt: skip
    """Validate, note the epoch, keep the best model if there is patience; a line of text

    samples: how many the epoch was trained on. keep_best: whether its state is kept too.
    """
    state.check()
    now = state.parts()
    model, _ = state.finished(now)
    sparse = sparsity(model.net, model.masks)
    quality = evaluate(model, data.val) if len(data.val[0]) else None
    val_loss = quality.loss if quality else np.nan
    accuracy = np.nan if quality is None or quality.accuracy is None else quality.accuracy
    seconds, train_loss = perf_counter() - place.began, place.losses / samples
    history.epoch(place.epoch, train_loss, val_loss, accuracy, sparse, seconds)
    if patience is not None and state.method.settled(state.done, state.total):
        place.waited += 1
        if val_loss < place.best_loss:
            place.best, place.best_loss, place.waited = now, val_loss, 0
            place.held = deepcopy(tree_of(state)) if keep_best else None
        place.stopped = place.waited >= patience
    return (
        f"epoch {place.epoch}/{epochs}, loss {train_loss:.4f}, val loss {val_loss:.4f}, "
        f"val accuracy {accuracy:.4f}, sparsity {sparse:.4f}"
    )


def _gather(x: Array, index: Array, dtype: np.dtype[Any]) -> Array:
    """The rows of x at index, batch-last, in the net's dtype."""
    if x.dtype == dtype:
        return kernels.gather_last(x, index)
    return np.ascontiguousarray(np.moveaxis(x[index], 0, -1), dtype)
