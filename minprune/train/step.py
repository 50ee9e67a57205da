"""w_{t+1} = w_t - lr_t step(dL/dw): one update of everything that trains.

Longer than most files: the arrays, the update, and what a method changes in them are read together.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from minprune.arguments import number, shaped
from minprune.autograd import Op, Tensor, Value, grad, value
from minprune.core import Array, Arrays, Seed, stream
from minprune.errors import ArgumentError, NonFiniteError
from minprune.masking.apply import apply
from minprune.nets.counts import sparsity
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.model import Instead, Model, all_finite, blame, check_masks, loss_of, run
from minprune.nets.names import matched
from minprune.nets.net import Net, layer_of
from minprune.train.freezing import frozen
from minprune.train.method import (
    HOOKS,
    Change,
    Context,
    Method,
    Values,
    View,
    changed,
    check_signatures,
    ended,
    started,
)  # fmt: skip
from minprune.train.optim import Optimizer, OptState
from minprune.train.rates import Rate

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
        samples: int = 1, batch_size: int = 1, total: int = 0, freeze: str | Iterable[str] = (),
        updates_of_epoch: int = 1, done: int = 0,
    ) -> None:  # fmt: skip
        check_signatures(method)
        self.optimizer, self.rate, self.method = optimizer, rate, method
        self.samples, self.batch_size, self.total = samples, batch_size, total
        self.updates_of_epoch = updates_of_epoch
        self.uses = {hook: method.uses(hook) for hook in HOOKS}
        self.dropout = stream(seed, "dropout")
        names = (f"method {k}" if k else "method" for k in range(len(method.parts)))
        self.streams = tuple(stream(seed, name) for name in names)
        ends = self.uses["finish"] or self.uses["learned"]
        self.unused = deepcopy(self.streams) if ends else None  # as they were, to repeat the end
        self.done, self.lr, self.penalty, self.state = done, optimizer.lr, 0.0, None
        self.taken = 0  # updates that the optimizer's state is of: a rewound schedule keeps them
        self.net: Net = model.net
        self.masks: Arrays = model.masks
        model, extra, self.state = started(method, model, self._context(ForwardContext()))
        self.net = model.net
        self.frozen = frozen(model.net, freeze)
        goes_by = {node.name: (node.name,) for node in self.net.nodes}
        watches = method.watches(model)
        self.watched = tuple(matched(goes_by, watches, "{} must be a layer of this net"))
        for name in sorted(extra.keys() & model.params.keys()):
            raise ArgumentError(
                f"{name}: an extra array must not have the name of a parameter; rename it"
            )
        self.dense = method.dense
        start = model.params if self.dense else apply(model.params, model.masks)
        self.params: Arrays = {k: w.copy() for k, w in start.items()}
        self.buffers: Arrays = dict(model.buffers)
        self.masks = dict(model.masks)
        self.extra: Arrays = {k: w.copy() for k, w in extra.items()}
        left = (self.params | self.buffers).keys() - self.net.indices.keys() - self.frozen.names
        if self.frozen.names and not left and not extra:
            raise ArgumentError(
                "fit: freeze must leave something to train, and names all layers; leave one out"
            )
        self.factors = _factors(method, extra)
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
        if self.unused is None:
            return model, extra
        ctx = self._context(ForwardContext())._replace(
            net=model.net, masks=model.masks, state=state, step=done, lr=self.rate_at(done - 1),
            streams=deepcopy(self.unused),
        )  # fmt: skip
        last = ended(self.method, model, extra, ctx)
        for k in sorted(self.frozen.names & last.params.keys() & model.params.keys()):
            if not np.array_equal(last.params[k], model.params[k]):
                raise self._must_stay(k)
        return last, self.method.learned(model, extra, ctx)

    def step(self, x: Array, y: Array) -> float:
        """One update on a batch (x batch-last); returns the data loss and sets `penalty`."""
        method, uses = self.method, self.uses
        leaves = {k: Tensor(w) for k, w in self.params.items()}
        extra = {k: Tensor(w) for k, w in self.extra.items()}
        how = self._training()
        self.lr = self.rate_at(self.done)
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
            self.penalty = float(value(penalty))
        if not np.isfinite(result + self.penalty):
            raise self._stopped(result, p, x, instead)
        activations = {k: np.moveaxis(value(seen[k]), -1, 0).copy() for k in wanted}
        seen.clear()
        wrt = leaves | extra
        grads = dict(zip(wrt, grad(loss, list(wrt.values()), free=True), strict=True))
        of_loss = {k: grads[k] for k in leaves}
        if penalty is not None:
            more = grad(penalty, list(wrt.values()), free=True)
            grads = {k: g + m for (k, g), m in zip(grads.items(), more, strict=True)}
        held = self.frozen.names
        self.buffers.update({k: a for k, a in how.buffers.items() if k not in held})
        self.done += 1
        self.taken += 1
        masks = {} if self.dense else self.masks
        for k, w in ((k, w) for k, w in self.params.items() if k not in held):
            self.optimizer.update(k, w, grads[k], self.opt_state, masks.get(k), self.lr, self.taken)
        for k, w in self.extra.items():
            lr = self.lr * self.factors[k]
            self.of_extra.update(k, w, grads[k], self.opt_state, None, lr, self.taken)
        if uses["after"]:
            view = View(
                self._context(how), self.params, self.buffers, of_loss,
                self.extra, self.opt_state, (np.moveaxis(x, -1, 0), y), activations,
                lambda k: self.optimizer.metric(k, self.opt_state, self.taken),
            )  # fmt: skip
            self._take(changed(method, view))
        return result

    def _training(self) -> ForwardContext:
        """A forward pass in training mode, but for frozen layers."""
        return ForwardContext(train=True, rng=self.dropout, still=self.frozen.layers)

    def _context(self, how: ForwardContext) -> Context:
        """What a hook may know now."""
        return Context(
            self.net, self.masks, self.state, self.samples, self.batch_size, self.done, self.total,
            self.lr, self.streams, how, self.updates_of_epoch,
        )  # fmt: skip

    def rate_at(self, t: int) -> float:
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
            now = ctx._replace(forward=ctx.forward.at(name))
            made = self.method.layer(name, layer, x, p, extra, now)
            wanted = (*self.net.shapes[name], *np.shape(value(xs[0]))[-1:])
            if made is not None:
                what = f"{type(self.method).__name__}: the output of {name} that layer gives"
                shaped(what, value(made), wanted, "reshape it, the batch last")
            return made

        return instead

    def _take(self, change: Change | None) -> None:
        if change is None:
            return
        change = self._unfrozen(change)
        masks = change.masks or {}
        self.masks.update(masks)
        new = dict(change.params or {})
        if not self.dense:
            new = {k: self.params[k] for k in masks if k in self.params} | new
        held = {k: self.masks[k] for k in new.keys() | masks.keys() if k in self.masks}
        if self.dense:
            check_masks(held, {k: w.shape for k, w in self.params.items()})
        else:
            masked = apply(self.params | new, held)
            new = {k: masked[k] for k in new}
        _replace(self.params, new, "params")
        _relocate(self.buffers, change.buffers or {}, self.net.indices)
        for layer in sorted(set(map(layer_of, change.buffers or {}))):
            kind = self.net.node(layer).layer
            kind.check(layer, kind.own(layer, self.params | self.buffers))
        _replace(self.extra, change.extra or {}, "extra")
        for slot, arrays in (change.opt_state or {}).items():
            _replace(self.opt_state.get(slot, {}), arrays, f"opt_state[{slot!r}]")
        self.state = change.state if change.state is not None else self.state
        if masks:
            self.sparsity = sparsity(self.net, self.masks)

    def _unfrozen(self, change: Change) -> Change:
        """What is changed besides the frozen; raises ArgumentError where that would lose entries"""
        held = self.frozen.names
        if not held:
            return change
        full = {k: np.ones(w.shape, bool) for k, w in self.params.items()} | self.masks
        before, after = full | self.buffers, (change.masks or {}) | (change.buffers or {})
        for k in sorted(after.keys() & held & before.keys()):
            if not np.array_equal(after[k], before[k]):
                raise self._must_stay(k)
        slots = {s: _without(arrays, held) for s, arrays in (change.opt_state or {}).items()}
        return replace(
            change, params=_without(change.params or {}, held), opt_state=slots,
            masks=_without(change.masks or {}, held), buffers=_without(change.buffers or {}, held),
        )  # fmt: skip

    def _must_stay(self, name: str) -> ArgumentError:
        """The error that names a frozen array which the method changes."""
        return ArgumentError(
            f"{name}: {type(self.method).__name__} must not prune or move what is frozen; leave "
            f"{layer_of(name)} out of freeze"
        )

    def _stopped(self, loss: float, p: Values, x: Array, instead: Instead | None) -> NonFiniteError:
        """The error that names the first layer whose output is not finite."""
        what, found, where = "penalty", self.penalty, "the data loss is finite"
        if not np.isfinite(loss):
            how = self._training()
            what, found, where = "loss", loss, blame(self.net, p, x, how, instead)
        return NonFiniteError(
            f"step {self.done + 1}: the {what} must be finite, not {found}: {where}, at learning "
            f"rate {self.lr:g}; lower the learning rate or check the data"
        )

    def check(self) -> None:
        """Raises NonFiniteError, naming it, where a parameter, buffer or extra is not finite."""
        for name, w in (self.params | self.buffers | self.extra).items():
            check_finite(self.done, name, w, self.lr)


def check_finite(step: int, what: str, a: Array, lr: float) -> None:
    """Raises NonFiniteError where an entry of a is not finite."""
    remedy = f"lower the learning rate, {lr:g}, or check the data"
    all_finite(f"step {step}", what, a, remedy)


def _factors(method: Method, extra: Mapping[str, Array]) -> dict[str, float]:
    """The factor on the learning rate of each extra array, 1 unless given; see Method.extra_lr"""
    owner, found = type(method).__name__, dict.fromkeys(extra, 1.0)
    for name, factor in method.extra_lr.items():
        number(owner, f"extra_lr[{name!r}]", factor)
        hits = [k for k in extra if k == name or fnmatchcase(k, name)]
        found |= dict.fromkeys(hits, float(factor))
        if not hits:
            raise ArgumentError(
                f"{owner}: extra_lr must name extra arrays ({', '.join(extra) or 'there are none'})"
                f", not {name!r}; rename it"
            )
    return found


def _without(arrays: Arrays, names: frozenset[str]) -> Arrays:
    return {k: a for k, a in arrays.items() if k not in names}


def locked(a: Array) -> Array:
    """A read-only copy, which kernels check once."""
    a = np.array(a, order="C")
    a.flags.writeable = False
    return a


def _replace(arrays: Arrays, new: Arrays, kind: str) -> None:
    """arrays[name] = a copy of new[name], in the dtype that was there"""
    for name, a in new.items():
        if name not in arrays:
            raise ArgumentError(
                f"{name}: Change.{kind} must name arrays of View.{kind} that may be replaced, and "
                f"this is none of them; leave it out"
            )
        shaped(f"{name}: Change.{kind}", a, arrays[name].shape, "reshape it")
        arrays[name] = np.array(a, arrays[name].dtype, order="C")


def _relocate(buffers: Arrays, new: Arrays, indices: Mapping[str, str]) -> None:
    """The same for indices of sparse layers, {name: dtype}, which become read-only copies."""
    own = {name: buffers[name] for name in indices}
    _replace(own, new, "buffers")
    for name, a in new.items():
        if np.asarray(a).dtype != indices[name]:
            raise ArgumentError(
                f"{name}: Change.buffers must keep its dtype {indices[name]}, not "
                f"{np.asarray(a).dtype}; convert it with astype"
            )
        buffers[name] = locked(own[name])
