"""w_{t+1} = w_t - lr_t step(dL/dw): the one training loop. It knows no method by name."""

import time
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd import Tensor, Value, grad, value
from minprune.core import Array, Arrays, Dataset, Seed, stream
from minprune.data import batches
from minprune.errors import ArgumentError, NonFiniteError
from minprune.masking.apply import apply
from minprune.measures.quality import evaluate
from minprune.nets.counts import counts
from minprune.nets.layer import Pass
from minprune.nets.model import Model, checked_input
from minprune.nets.net import Net, loss_of, run
from minprune.nets.weighted import BatchNorm
from minprune.train.history import History
from minprune.train.method import Change, Method, View
from minprune.train.optim import Adam, Optimizer, OptState
from minprune.train.progress import progress as show_progress
from minprune.train.rates import Rate, constant


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
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            raise ArgumentError(
                f"{what} is {given!r}, expected an integer of at least {least}; give another"
            )
    x, y = checked_input(model.net, data.train[0]), np.asarray(data.train[1])
    if len(x) == 0:
        raise ArgumentError("data.train has no samples, expected at least one; give a pair (x, y)")
    state = _State(model, optimizer or Adam(), rate or constant(), method or Method(), seed)
    state.total = epochs * -(-len(x) // batch_size)
    order = stream(seed, "order")
    history = History()
    best: Model | None = None
    best_loss, waited = np.inf, 0
    with kernels.lend(), show_progress(label, state.total, progress) as shown:
        for epoch in range(1, epochs + 1):
            start, losses = time.perf_counter(), 0.0
            for index in batches(len(x), batch_size, order):
                loss = state.step(_gather(x, index, model.dtype), y[index])
                losses += loss * len(index)
                history.step(state.done, loss, state.lr, state.sparsity)
                shown.update()
            now = state.model()
            _finite_params(now.params, state)
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
                    best, best_loss, waited = now, val_loss, 0
                if waited >= patience:
                    break
    trained = best if best is not None else state.model()
    return state.method.finish(trained, state.extra, state.memory), history


class _State:
    """What the loop owns and changes: copies of the arrays, the optimizer's state, the counters."""

    def __init__(
        self, model: Model, optimizer: Optimizer, rate: Rate, method: Method, seed: Seed
    ) -> None:
        self.optimizer, self.rate, self.method = optimizer, rate, method
        self.dropout = stream(seed, "dropout")
        self.rng = stream(seed, "method")
        model, extra, self.memory = method.start(model, self.rng)
        self.net: Net = model.net
        self.params: Arrays = {k: w.copy() for k, w in apply(model.params, model.masks).items()}
        self.buffers: Arrays = dict(model.buffers)
        self.masks: Arrays = dict(model.masks)
        self.extra: Arrays = {k: w.copy() for k, w in extra.items()}
        self.opt_state: OptState = optimizer.start(self.params | self.extra)
        self.done = 0
        self.total = 0
        self.lr = optimizer.lr
        self.sparsity = self._sparsity()

    def model(self) -> Model:
        """An ordinary Model with copies of the present arrays."""
        copies = {k: w.copy() for k, w in self.params.items()}
        return Model(self.net, copies, dict(self.buffers), dict(self.masks))

    def step(self, x: Array, y: Array) -> float:
        """One update on a batch (x batch-last); returns the loss with its penalty."""
        leaves = {k: Tensor(w) for k, w in self.params.items()}
        extra = {k: Tensor(w) for k, w in self.extra.items()}
        how = Pass(train=True, rng=self.dropout)
        self.lr = self.optimizer.lr * self.rate(self.done, self.total)
        p: dict[str, Value] = self.method.weights(dict(leaves), extra, self.memory, self.rng)
        seen: dict[str, Value] = {}
        wanted = self.method.activations
        watch = (lambda name, out: seen.update({name: out})) if wanted else None
        loss = loss_of(self.net, run(self.net, p | self.buffers, x, how, watch), y)
        penalty = self.method.penalty(dict(leaves), extra, self.done)
        if penalty is not None:
            loss = loss + penalty
        result = float(value(loss))
        if not np.isfinite(result):
            raise self._blame(result, p, x)
        activations = {k: np.moveaxis(value(seen[k]), -1, 0).copy() for k in wanted}
        seen.clear()
        wrt = leaves | extra
        grads = dict(zip(wrt, grad(loss, list(wrt.values()), free=True), strict=True))
        for name, moments in how.moments.items():
            keys = f"{name}.running_mean", f"{name}.running_var"
            moved = BatchNorm.moved((self.buffers[keys[0]], self.buffers[keys[1]]), moments)
            self.buffers.update(zip(keys, moved, strict=True))
        self.done += 1
        for k, w in (self.params | self.extra).items():
            mask = self.masks.get(k)
            self.optimizer.update(k, w, grads[k], self.opt_state, mask, self.lr, self.done)
        if type(self.method).after is not Method.after:
            self._take(self.method.after(self._view(grads, activations, x, y)))
        return result

    def _view(self, grads: Arrays, activations: Arrays, x: Array, y: Array) -> View:
        own = {k: grads[k] for k in self.params}
        batch = (np.moveaxis(x, -1, 0), y)
        return View(
            self.net, self.params, self.buffers, self.masks, own, self.extra, self.opt_state,
            self.memory, self.done, self.total, self.lr, self.rng, batch, activations,
        )  # fmt: skip

    def _take(self, change: Change | None) -> None:
        if change is None:
            return
        masks = change.masks or {}
        self.masks.update(masks)
        new = (change.params or {}) | {k: self.params[k] for k in masks if k in self.params}
        new |= change.params or {}
        held = {k: self.masks[k] for k in new.keys() | masks.keys() if k in self.masks}
        for name, w in apply(self.params | new, held).items():
            if name in new:
                self.params[name] = np.array(w)
        for name, w in (change.extra or {}).items():
            self.extra[name] = np.array(w)
        for slot, arrays in (change.opt_state or {}).items():
            self.opt_state[slot] |= {k: np.array(v) for k, v in arrays.items()}
        self.memory = change.state if change.state is not None else self.memory
        if masks:
            self.sparsity = self._sparsity()

    def _sparsity(self) -> float:
        found = [c for c in counts(self.net, self.masks) if c.name in self.net.weights]
        total = sum(c.total for c in found)
        return 1 - sum(c.live for c in found) / total if total else 0.0

    def _blame(self, loss: float, p: dict[str, Value], x: Array) -> NonFiniteError:
        """The error that names the first layer whose output is not finite."""
        found: list[str] = []

        def watch(name: str, out: Value) -> None:
            a = value(out)
            bad = a.size - int(np.count_nonzero(np.isfinite(a)))
            if bad and not found:
                found.append(f"layer {name} gave {bad} of {a.size} values that are not finite")

        arrays: dict[str, Any] = {k: value(v) for k, v in p.items()} | self.buffers
        with np.errstate(all="ignore"):
            run(self.net, arrays, x, Pass(train=True, rng=self.dropout), watch)
        where = found[0] if found else "all layers gave finite values, the loss overflowed"
        if not np.isfinite(x).all():
            where = "the input itself is not finite"
        return NonFiniteError(
            f"step {self.done + 1}: the loss is {loss}, expected a finite number: {where}, at "
            f"learning rate {self.lr:g}; lower the learning rate or check the data"
        )


def _finite_params(params: Arrays, state: _State) -> None:
    for name, w in params.items():
        bad = w.size - int(np.count_nonzero(np.isfinite(w)))
        if bad:
            raise NonFiniteError(
                f"step {state.done}: {name} has {bad} of {w.size} entries that are not finite, at "
                f"learning rate {state.lr:g}; lower the learning rate or check the data"
            )


def _gather(x: Array, index: Array, dtype: np.dtype[Any]) -> Array:
    """The rows of x at index, batch-last, in the net's dtype."""
    if x.dtype == dtype:
        return kernels.gather_last(x, index)
    return np.ascontiguousarray(np.moveaxis(x[index], 0, -1), dtype)


