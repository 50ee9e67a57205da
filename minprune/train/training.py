"""w_{t+1} = w_t - lr_t step(dL/dw): one update of everything that trains."""

from typing import Any

import numpy as np

from minprune.autograd import Tensor, Value, grad, value
from minprune.core import Array, Arrays, Seed, stream
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.masking.apply import apply
from minprune.nets.counts import sparsity
from minprune.nets.forward import loss_of, run
from minprune.nets.layer import ForwardContext
from minprune.nets.masks import check_masks
from minprune.nets.model import Model
from minprune.nets.net import Net, layer_of
from minprune.nets.nonfinite import blame, not_finite
from minprune.train.fingerprint import described
from minprune.train.method import Change, Method, View, locked, relocate, replace
from minprune.train.optim import Optimizer, OptState
from minprune.train.rates import Rate
from minprune.train.tree import Tree


class Training:
    """What the loop owns and changes: copies of the arrays, the optimizer's state, the counters.

    Not for keeping: `model()` gives an ordinary Model.
    """

    def __init__(
        self, model: Model, optimizer: Optimizer, rate: Rate, method: Method, seed: Seed
    ) -> None:
        self.optimizer, self.rate, self.method = optimizer, rate, method
        self.dropout = stream(seed, "dropout")
        self.rng = stream(seed, "method")
        model, extra, self.memory = method.start(model, self.rng)
        self.net: Net = model.net
        for name in method.activations:
            self.net.node(name)  # raises where there is none
        for name in sorted(extra.keys() & model.params.keys()):
            raise ArgumentError(
                f"{name}: a method's extra array has the name of a parameter; rename it"
            )
        self.params: Arrays = {k: w.copy() for k, w in apply(model.params, model.masks).items()}
        self.buffers: Arrays = dict(model.buffers)
        self.masks: Arrays = dict(model.masks)
        self.extra: Arrays = {k: w.copy() for k, w in extra.items()}
        self.opt_state: OptState = optimizer.start(self.params | self.extra)
        self.of_extra = optimizer.undecayed
        self.done = 0
        self.total = 0
        self.lr = optimizer.lr
        self.sparsity = sparsity(self.net, self.masks)

    def model(self) -> Model:
        """An ordinary Model with copies of the present arrays."""
        copies = {k: w.copy() for k, w in self.params.items()}
        return Model(self.net, copies, dict(self.buffers), dict(self.masks))

    def parts(self) -> tuple[Model, Arrays, Any]:
        """What `finish` gets: the model, and what belongs to it."""
        return self.model(), {k: w.copy() for k, w in self.extra.items()}, self.memory

    def tree(self) -> Tree:
        """All that the next update hangs on, for a checkpoint; the arrays are not copied."""
        return {
            "net": described(self.net),
            "params": self.params, "buffers": self.buffers, "masks": self.masks,
            "extra": self.extra, "opt_state": self.opt_state, "state": self.memory,
            "done": self.done,
            "streams": [self.dropout.bit_generator.state, self.rng.bit_generator.state],
        }  # fmt: skip

    def restore(self, tree: Tree) -> None:
        """Go on from what `tree` gave; raises ShapeError where it is not of this training."""
        for kind in ("params", "buffers", "extra"):
            refill(getattr(self, kind), tree[kind], kind)
        self.buffers.update({k: locked(self.buffers[k]) for k in self.net.indices})
        for slot, arrays in self.opt_state.items():
            refill(arrays, tree["opt_state"][slot], slot)
        check_masks(tree["masks"], self.net.params)
        self.masks = tree["masks"]
        self.memory, self.done = tree["state"], int(tree["done"])
        for rng, state in zip((self.dropout, self.rng), tree["streams"], strict=True):
            rng.bit_generator.state = state
        self.sparsity = sparsity(self.net, self.masks)

    def step(self, x: Array, y: Array) -> float:
        """One update on a batch (x batch-last); returns the loss with its penalty."""
        leaves = {k: Tensor(w) for k, w in self.params.items()}
        extra = {k: Tensor(w) for k, w in self.extra.items()}
        how = ForwardContext(train=True, rng=self.dropout)
        self.lr = self.optimizer.lr * self.rate(self.done, self.total)
        p: dict[str, Value] = self.method.weights(dict(leaves), extra, self.memory, self.rng)
        seen: dict[str, Value] = {}
        wanted = self.method.activations
        watch = (lambda name, out: seen.update({name: out})) if wanted else None
        loss = loss_of(self.net, run(self.net, p | self.buffers, x, how, watch), y)
        penalty = self.method.penalty(dict(leaves), extra, self.memory, self.done)
        if penalty is not None:
            loss = loss + penalty
        result = float(value(loss))
        if not np.isfinite(result):
            raise self._stopped(result, p, x)
        activations = {k: np.moveaxis(value(seen[k]), -1, 0).copy() for k in wanted}
        seen.clear()
        wrt = leaves | extra
        grads = dict(zip(wrt, grad(loss, list(wrt.values()), free=True), strict=True))
        self.buffers.update(how.buffers)
        self.done += 1
        for k, w in (self.params | self.extra).items():
            rule, mask = self.of_extra if k in self.extra else self.optimizer, self.masks.get(k)
            rule.update(k, w, grads[k], self.opt_state, mask, self.lr, self.done)
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
        new = {k: self.params[k] for k in masks if k in self.params} | (change.params or {})
        held = {k: self.masks[k] for k in new.keys() | masks.keys() if k in self.masks}
        masked = apply(self.params | new, held)
        replace(self.params, {k: masked[k] for k in new}, "params")
        relocate(self.buffers, change.buffers or {}, self.net.indices)
        for layer in sorted(set(map(layer_of, change.buffers or {}))):
            self.net.node(layer).layer.check(layer, self.params | self.buffers)
        replace(self.extra, change.extra or {}, "extra")
        for slot, arrays in (change.opt_state or {}).items():
            replace(self.opt_state.get(slot, {}), arrays, f"opt_state[{slot!r}]")
        self.memory = change.state if change.state is not None else self.memory
        if masks:
            self.sparsity = sparsity(self.net, self.masks)

    def _stopped(self, loss: float, p: dict[str, Value], x: Array) -> NonFiniteError:
        """The error that names the first layer whose output is not finite."""
        where = blame(self.net, p | self.buffers, x, ForwardContext(train=True, rng=self.dropout))
        return NonFiniteError(
            f"step {self.done + 1}: the loss is {loss}, expected a finite number: {where}, at "
            f"learning rate {self.lr:g}; lower the learning rate or check the data"
        )

    def check(self) -> None:
        """Raises NonFiniteError, naming it, where a parameter, buffer or extra is not finite."""
        for name, w in (self.params | self.buffers | self.extra).items():
            bad = not_finite(w)
            if bad:
                raise NonFiniteError(
                    f"step {self.done}: {name} has {bad} of {w.size} entries that are not finite, "
                    f"at learning rate {self.lr:g}; lower the learning rate or check the data"
                )


def refill(own: Arrays, found: Arrays, kind: str) -> None:
    """own[name] = found[name] for every name; raises ShapeError unless they fit one another."""
    for name in sorted(own.keys() | found.keys()):
        a, b = own.get(name), found.get(name)
        if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ShapeError(f"{name}: its array in {kind} does not fit this training; begin anew")
        own[name] = b
