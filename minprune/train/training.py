"""w_{t+1} = w_t - lr_t step(dL/dw): one update of everything that trains."""

from copy import deepcopy
from typing import Any

import numpy as np

from minprune.autograd import Op, Tensor, Value, grad, value
from minprune.core import Array, Arrays, Seed, stream
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.masking.apply import apply
from minprune.nets.counts import sparsity
from minprune.nets.forward import Instead, loss_of, run
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.masks import check_masks
from minprune.nets.model import Model
from minprune.nets.net import Net, layer_of
from minprune.nets.nonfinite import blame, not_finite
from minprune.train.changes import locked, rates, refill, relocate, replace
from minprune.train.fingerprint import described
from minprune.train.method import HOOKS, Change, Context, Method, Values, View, check_signatures
from minprune.train.optim import Optimizer, OptState
from minprune.train.rates import Rate
from minprune.train.tree import Tree

Parts = tuple[Model, Arrays, Any, int]  # what `finish` needs: model, extra, state, updates done


def _masked(w: Array, *, mask: Array) -> Array:
    """m w, with dL/dw = dL/d(m w): the straight-through estimator"""
    return apply({"w": w}, {"w": mask})["w"]


straight_through = Op(_masked, lambda g, output, inputs, need, **mask: (g,))


class Training:
    """What the loop owns and changes: copies of the arrays, the optimizer's state, the counters.

    Not for keeping: `model()` gives an ordinary Model.
    """

    def __init__(
        self, model: Model, optimizer: Optimizer, rate: Rate, method: Method, seed: Seed,
        samples: int = 1, batch_size: int = 1, total: int = 0,
    ) -> None:  # fmt: skip
        check_signatures(method)
        self.optimizer, self.rate, self.method = optimizer, rate, method
        self.samples, self.batch_size, self.total = samples, batch_size, total
        self.uses = {hook: method.uses(hook) for hook in HOOKS}
        self.dropout = stream(seed, "dropout")
        names = ["method", *(f"method {k}" for k in range(1, len(method.parts)))]
        self.streams = tuple(stream(seed, name) for name in names)
        self.unused = deepcopy(self.streams)
        self.done, self.lr, self.penalty, self.state = 0, optimizer.lr, 0.0, None
        self.net: Net = model.net
        self.masks: Arrays = model.masks
        model, extra, self.state = method.start(model, self._context(ForwardContext()))
        self.net = model.net
        self.watched = method.watches(model)
        for name in self.watched:
            self.net.node(name)  # raises where there is none
        for name in sorted(extra.keys() & model.params.keys()):
            raise ArgumentError(
                f"{name}: a method's extra array has the name of a parameter; rename it"
            )
        self.dense = method.dense
        start = model.params if self.dense else apply(model.params, model.masks)
        self.params: Arrays = {k: w.copy() for k, w in start.items()}
        self.buffers: Arrays = dict(model.buffers)
        self.masks = dict(model.masks)
        self.extra: Arrays = {k: w.copy() for k, w in extra.items()}
        self.factors = rates(type(method).__name__, method.extra_lr, extra)
        self.opt_state: OptState = optimizer.start(self.params | self.extra)
        self.of_extra = optimizer.undecayed
        self.sparsity = sparsity(self.net, self.masks)

    def model(self) -> Model:
        """An ordinary Model with copies of the present arrays."""
        copies = {k: w.copy() for k, w in self.params.items()}
        copies = apply(copies, self.masks) if self.dense else copies
        return Model(self.net, copies, dict(self.buffers), dict(self.masks))

    def parts(self) -> Parts:
        """What `finished` needs, in copies."""
        return self.model(), {k: w.copy() for k, w in self.extra.items()}, self.state, self.done

    def finished(self, parts: Parts) -> tuple[Model, Arrays]:
        """(the ordinary model, what was learned) of these parts"""
        model, extra, state, done = parts
        ctx = Context(
            model.net, model.masks, state, self.samples, self.batch_size, done, self.total,
            self._rate(done - 1), deepcopy(self.unused), ForwardContext(),
        )  # fmt: skip
        return self.method.finish(model, extra, ctx), self.method.learned(model, extra, ctx)

    def tree(self) -> Tree:
        """All that the next update depends on, for a checkpoint; the arrays are not copied."""
        return {
            "net": described(self.net),
            "params": self.params, "buffers": self.buffers, "masks": self.masks,
            "extra": self.extra, "opt_state": self.opt_state, "state": self.state,
            "done": self.done,
            "streams": [rng.bit_generator.state for rng in (self.dropout, *self.streams)],
        }  # fmt: skip

    def restore(self, tree: Tree) -> None:
        """Continue from what `tree` gave; raises ShapeError where it is not of this training."""
        for kind in ("params", "buffers", "extra"):
            refill(getattr(self, kind), tree[kind], kind)
        self.buffers.update({k: locked(self.buffers[k]) for k in self.net.indices})
        for slot, arrays in self.opt_state.items():
            refill(arrays, tree["opt_state"][slot], slot)
        check_masks(tree["masks"], self.net.params)
        self.masks = tree["masks"]
        self.state, self.done = tree["state"], int(tree["done"])
        self.lr = self._rate(self.done - 1)
        for rng, state in zip((self.dropout, *self.streams), tree["streams"], strict=True):
            rng.bit_generator.state = state
        self.sparsity = sparsity(self.net, self.masks)

    def step(self, x: Array, y: Array) -> float:
        """One update on a batch (x batch-last); returns the data loss and sets `penalty`."""
        method, uses = self.method, self.uses
        leaves = {k: Tensor(w) for k, w in self.params.items()}
        extra = {k: Tensor(w) for k, w in self.extra.items()}
        how = ForwardContext(train=True, rng=self.dropout)
        self.lr = self._rate(self.done)
        ctx = self._context(how)
        p = self._seen(leaves, extra, ctx) | self.buffers
        instead = self._instead(p, extra, ctx) if uses["layer"] else None
        wanted, seen = self.watched, Values()
        watch = (lambda name, out: seen.update({name: out})) if wanted else None
        out = run(self.net, p, x, how, watch, instead)
        loss = method.loss(out, x, y, p, extra, ctx) if uses["loss"] else None
        loss = loss_of(self.net, out, y) if loss is None else loss
        penalty = method.penalty(dict(leaves), extra, ctx) if uses["penalty"] else None
        result, self.penalty = float(value(loss)), 0.0
        if penalty is not None:
            self.penalty, loss = float(value(penalty)), loss + penalty
        if not np.isfinite(result + self.penalty):
            raise self._stopped(result, p, x, instead)
        activations = {k: np.moveaxis(value(seen[k]), -1, 0).copy() for k in wanted}
        seen.clear()
        wrt = leaves | extra
        grads = dict(zip(wrt, grad(loss, list(wrt.values()), free=True), strict=True))
        self.buffers.update(how.buffers)
        self.done += 1
        masks = {} if self.dense else self.masks
        for k, w in self.params.items():
            self.optimizer.update(k, w, grads[k], self.opt_state, masks.get(k), self.lr, self.done)
        for k, w in self.extra.items():
            lr = self.lr * self.factors[k]
            self.of_extra.update(k, w, grads[k], self.opt_state, None, lr, self.done)
        if uses["after"]:
            view = View(
                self._context(how), self.params, self.buffers, {k: grads[k] for k in leaves},
                self.extra, self.opt_state, (np.moveaxis(x, -1, 0), y), activations,
            )  # fmt: skip
            self._take(method.after(view))
        return result

    def _context(self, how: ForwardContext) -> Context:
        """What a hook may know now."""
        return Context(
            self.net, self.masks, self.state, self.samples, self.batch_size, self.done, self.total,
            self.lr, self.streams, how,
        )  # fmt: skip

    def _rate(self, t: int) -> float:
        """The learning rate of update t + 1; before the first one, the optimizer's."""
        return self.optimizer.lr * self.rate(t, self.total) if t >= 0 else self.optimizer.lr

    def _seen(self, leaves: Values, extra: Values, ctx: Context) -> Any:
        """m weights(params): what the forward pass sees"""
        if not (self.dense or self.uses["weights"]):
            return leaves
        p = self.method.weights(dict(leaves), extra, ctx)
        for name in sorted(p.keys() ^ leaves.keys()):
            raise ArgumentError(
                f"{type(self.method).__name__}: weights must return every parameter and nothing "
                f"else, and {name} is {'absent' if name in leaves else 'none of them'}; "
                f"return params | {{...}}"
            )
        masks = self.masks.items()
        return p | {k: straight_through(p[k], mask=mask) for k, mask in masks}

    def _instead(self, p: Values, extra: Values, ctx: Context) -> Instead:
        """The method's `layer` with all but (name, layer, x) bound, its outputs checked."""

        def instead(name: str, layer: Layer, xs: list[Value]) -> Value | None:
            x = xs[0] if len(xs) == 1 else xs
            made = self.method.layer(name, layer, x, p, extra, ctx)
            wanted = (*self.net.shapes[name], *np.shape(value(xs[0]))[-1:])
            if made is not None and np.shape(value(made)) != wanted:
                raise ShapeError(
                    f"{type(self.method).__name__}: layer must give {name}'s output as {wanted}, "
                    f"batch-last, not {np.shape(value(made))}; reshape it"
                )
            return made

        return instead

    def _take(self, change: Change | None) -> None:
        if change is None:
            return
        masks = change.masks or {}
        self.masks.update(masks)
        new = {k: self.params[k] for k in masks if k in self.params} | (change.params or {})
        held = {k: self.masks[k] for k in new.keys() | masks.keys() if k in self.masks}
        masked = apply(self.params | new, held)
        replace(self.params, new if self.dense else {k: masked[k] for k in new}, "params")
        relocate(self.buffers, change.buffers or {}, self.net.indices)
        for layer in sorted(set(map(layer_of, change.buffers or {}))):
            self.net.node(layer).layer.check(layer, self.params | self.buffers)
        replace(self.extra, change.extra or {}, "extra")
        for slot, arrays in (change.opt_state or {}).items():
            replace(self.opt_state.get(slot, {}), arrays, f"opt_state[{slot!r}]")
        self.state = change.state if change.state is not None else self.state
        if masks:
            self.sparsity = sparsity(self.net, self.masks)

    def _stopped(self, loss: float, p: Values, x: Array, instead: Instead | None) -> NonFiniteError:
        """The error that names the first layer whose output is not finite."""
        what, found = "the loss", loss
        if np.isfinite(loss):
            what, found, where = "the penalty", self.penalty, "the data loss is finite"
        else:
            how = ForwardContext(train=True, rng=self.dropout)
            where = blame(self.net, p, x, how, instead)
        return NonFiniteError(
            f"step {self.done + 1}: {what} is {found}, expected a finite number: {where}, at "
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
