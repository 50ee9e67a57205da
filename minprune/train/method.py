"""The interface of everything that acts during training; every part is optional.

Longer than most files: the whole interface is here, and two thirds are its docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import isfunction, signature
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from minprune.arguments import in_name_of
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.train.history import Learned
from minprune.train.optim import OptState

Values = dict[str, Value]  # arrays, or Tensors over them, by name
HOOKS = ("start", "weights", "layer", "loss", "penalty", "after", "finish", "learned", "settled")
NEAR = 0.8  # how alike the names of a method and a hook must be, from 0 to 1, to be refused


class Context(NamedTuple):
    """What every hook of a method may know: the net and its masks, where training is, randomness.

    Parameters
    ----------
    net, masks : the net in training and its masks; read only.
    state : what `start` returned, or the last `Change(state=...)`.
    samples, batch_size : of the training part; the last batch of an epoch may be smaller.
    step, total : updates done, and how many there will be.
    lr : the learning rate of this update; in `start`, the optimizer's own.
    streams : one generator for each part of the method; `rng` is the first. In `finish` and
        `learned`, copies as they were at the start, so that these change nothing.
    forward : of this step's forward pass, for `layer.apply(layer.own(name, params), [x],
        ctx.forward)`.
    updates_of_epoch : how many an epoch has, which depends on `drop_last`.

    Examples
    --------
    >>> import minprune as mp
    >>> class Noting(mp.Method):
    ...     def after(self, view):
    ...         print(view.ctx.step, "of", view.ctx.total, "updates, of", view.ctx.batch_size)
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> how = {"epochs": 1, "batch_size": 500, "progress": False}
    >>> trained, history = mp.fit(model, data, method=Noting(), **how)
    1 of 3 updates, of 500
    2 of 3 updates, of 500
    3 of 3 updates, of 500
    """

    net: Net
    masks: Arrays
    state: Any
    samples: int
    batch_size: int
    step: int
    total: int
    lr: float
    streams: tuple[np.random.Generator, ...]
    forward: ForwardContext
    updates_of_epoch: int = 1

    @property
    def rng(self) -> np.random.Generator:
        """The method's own generator."""
        return self.streams[0]


@dataclass(frozen=True)
class View:
    """What `after` sees when an update is done. The arrays are the loop's: return new ones.

    Parameters
    ----------
    ctx : the Context; ctx.step is 1 after the first update.
    params, buffers, extra : the arrays after the update.
    grads : dL/dw of each parameter, dense: masked entries too; of the data loss, without the
        penalty, on this batch, at the weights before the update.
    opt_state : {"velocity": {"fc1.weight": array, ...}}.
    batch : (x, y) of this update, batch-first.
    activations : {layer: output, batch-first} of the layers that the method names, or matches by
        patterns such as "relu*", from the forward pass of this update.
    metric : parameter -> D, by which the optimizer divides its gradient: w - lr D^-1 g, of Adam
        sqrt(shat) + eps, of SGD 1 - momentum, since the velocity tends to g / (1 - momentum).

    Examples
    --------
    >>> import minprune as mp
    >>> class Noting(mp.Method):
    ...     activations = ("fc1",)
    ...     def after(self, view):
    ...         print(view.grads["fc1.weight"].shape, view.activations["fc1"].shape)
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> how = {"epochs": 1, "batch_size": 1000, "progress": False}
    >>> trained, history = mp.fit(model, data, method=Noting(), **how)
    (4, 64) (1000, 4)
    (4, 64) (197, 4)
    """

    ctx: Context
    params: Arrays
    buffers: Arrays
    grads: Arrays
    extra: Arrays
    opt_state: OptState
    batch: tuple[Array, Array]
    activations: Arrays
    metric: Callable[[str], Array | float] = lambda name: 1.0


@dataclass(frozen=True)
class Change:
    """What `after` replaces; None leaves a part as it is. A dict may hold only what changes.

    Parameters
    ----------
    params, masks, extra, opt_state : new arrays by name. The loop applies the masks to the weights.
    state : the new state of the method.
    buffers : the indices of sparse layers only; the loop keeps read-only copies.

    Examples
    --------
    >>> import minprune as mp
    >>> class Clipped(mp.Method):
    ...     def after(self, view):
    ...         return mp.Change(params={"fc1.weight": view.params["fc1.weight"].clip(-0.1, 0.1)})
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> trained, history = mp.fit(model, data, epochs=1, method=Clipped(), progress=False)
    >>> round(float(abs(trained.params["fc1.weight"]).max()), 3)
    0.1
    """

    params: Arrays | None = None
    masks: Arrays | None = None
    extra: Arrays | None = None
    opt_state: OptState | None = None
    state: Any = None
    buffers: Arrays | None = None


class Method:
    """The plain method: it changes nothing. Override the hooks and the settings that are needed.

    params hold every parameter by full name, extra the arrays that `start` gave. Both are Tensors
    in `weights`, `layer`, `loss` and `penalty`, which return values built from autograd's ops. Of
    one update the order is: weights, the masks, layer (for each layer), loss, penalty, the
    optimizer, after. Then, after each epoch to validate it and at the end: finish and learned.

    Beside the position in training, a hook's ctx gives it three things: ctx.rng, which is the only
    randomness of a method (its state is saved in checkpoints); ctx.forward, with which `layer` runs
    a layer's own forward pass; and ctx.state. A method made of several `parts` has one generator
    for each of them in ctx.streams, so that a part draws the same whatever the others draw.
    `learned` gives what is to be read in `history.extra`, by default the extra arrays; override it
    where something else says more, such as log alpha in place of log sigma. `pictures` says how the
    page of `minprune run --method` draws them; what it does not name has a histogram.

    Examples
    --------
    A gate on every hidden unit, trained with a penalty and multiplied into the weights at the end:

    >>> import numpy as np
    >>> import minprune as mp
    >>> from minprune import autograd as ag
    >>> class Gates(mp.Method):
    ...     extra_lr = {"gate": 10.0}
    ...     def start(self, model, ctx):
    ...         return model, {"gate": np.ones((8, 1), model.dtype)}, None
    ...     def weights(self, params, extra, ctx):
    ...         return params | {"fc1.weight": params["fc1.weight"] * extra["gate"]}
    ...     def penalty(self, params, extra, ctx):
    ...         return ag.total(abs(extra["gate"])) * 1e-3
    ...     def finish(self, model, extra, ctx):
    ...         weight = model.params["fc1.weight"] * extra["gate"]
    ...         return mp.Model(model.net, model.params | {"fc1.weight": weight})
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(8,))
    >>> trained, history = mp.fit(model, data, epochs=1, method=Gates(), progress=False)
    >>> history.extra["gate"].shape
    (8, 1)
    """

    activations: tuple[str, ...] = ()  # the layers whose outputs `after` sees
    dense: bool = False  # whether masked weights keep values and are updated, not stored as 0
    extra_lr: Mapping[str, float] = MappingProxyType({})  # factors on the rate, by name or pattern

    pictures: tuple[Learned, ...] = ()  # how what is learned is drawn; the first that fits
    reads_total: bool | None = None  # whether what it does depends on ctx.total; None: not known

    def watches(self, model: Model) -> tuple[str, ...]:
        """The layers of this model whose outputs `after` sees; by default `activations`."""
        return self.activations

    @property
    def parts(self) -> tuple[Method, ...]:
        """The methods that this one is made of; each has a random stream of its own."""
        return (self,)

    def uses(self, hook: str) -> bool:
        """Whether a part of this method overrides the hook."""
        return any(getattr(type(part), hook) is not getattr(Method, hook) for part in self.parts)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        """(model, extra, state): layers may be replaced; extra is trained besides the weights.

        extra arrays have any shape and no weight decay, and are never counted as weights.
        """
        return model, {}, None

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        """What the forward pass of an update sees in place of the parameters.

        The loop applies the masks afterwards, straight-through: dL/dw is dense.
        """
        return params

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        """The output of a layer in training, in place of its own; None leaves it as it is.

        x and the output are batch-last; x is a list for a layer that reads several. params: what
        the forward pass sees, buffers too.
        """
        return None

    def loss(
        self, outputs: Value, x: Array, y: Array, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        """The data loss of a batch, a scalar, in place of the net's; None leaves it as it is.

        outputs: (outputs, n); x: batch-last. params: what the forward pass saw.
        """
        return None

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        """A scalar to add to the loss, or None."""
        return None

    def after(self, view: View) -> Change | None:
        """What to replace after an update, as mp.Change(params=..., masks=...); None: nothing."""
        return None

    def settled(self, step: int, total: int) -> bool:
        """Whether the net after this update is as sparse as the method will make it.

        With patience, only such epochs may be the best one, and earlier ones are not counted.
        """
        return True

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        """An ordinary model: after each epoch, to validate it, and at the end; changes nothing."""
        return model

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        """What `history.extra` holds at the end; model and extra: as `finish` was given them."""
        return extra

    def unpruned(self, model: Model, learned: Arrays) -> tuple[Model, Arrays] | None:
        """(the model before it was pruned, the scores that it was pruned by), if it learned scores

        model, learned: what training gave, and its `history.extra`. For
        `mp.threshold_curve`.
        """
        return None


def started(method: Method, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
    """What `start` returned; ArgumentError for anything but a model, a dict and a state."""
    with in_name_of(method):
        found: Any = method.start(model, ctx)
    if not isinstance(found, tuple) or len(found) != 3:
        raise _other(method, "start", "(model, extra, state)", found)
    if not isinstance(found[0], Model) or not isinstance(found[1], Mapping):
        raise _other(method, "start", "(model, extra, state)", found)
    return found[0], dict(found[1]), found[2]


def changed(method: Method, view: View) -> Change | None:
    """What `after` returned; ArgumentError for anything but a Change and None"""
    with in_name_of(method):
        found: Any = method.after(view)
    if found is not None and not isinstance(found, Change):
        raise _other(method, "after", "mp.Change(...) or None", found)
    return found


def ended(method: Method, model: Model, extra: Arrays, ctx: Context) -> Model:
    """What `finish` returned; ArgumentError for anything but a model"""
    with in_name_of(method):
        found: Any = method.finish(model, extra, ctx)
    if not isinstance(found, Model):
        raise _other(method, "finish", "the model", found)
    return found


def _other(method: Method, hook: str, wanted: str, found: object) -> ArgumentError:
    """The error for what a hook must not return; a tuple is shown by the classes in it."""
    kind = type(found).__name__
    if isinstance(found, tuple):
        kind = f"({', '.join(type(one).__name__ for one in found)})"
    return ArgumentError(
        f"{type(method).__name__}: {hook} must return {wanted}, not {kind}; "
        f"help(mp.Method.{hook}) says what each is"
    )


def check_names(method: Method) -> None:
    """Raises ArgumentError for a method whose name is nearly that of a hook: nothing calls it."""
    known = [name for name in vars(Method) if not name.startswith("_")]
    for name in (n for n in dir(type(method)) if not n.startswith("_") and n not in known):
        near = get_close_matches(name, known, 1, NEAR)
        if near and isfunction(getattr(type(method), name)):
            raise ArgumentError(
                f"{type(method).__name__}: {name} must not be so like {near[0]} of mp.Method, "
                f"since nothing calls it; name it {near[0]}, or _{name} if it is your own"
            )


def check_signatures(method: Method) -> None:
    """Raises ArgumentError for a hook whose name or parameters are not those of `Method`'s."""
    for part in method.parts:
        check_names(part)
        for hook in filter(part.uses, HOOKS):
            found, wanted = (
                ", ".join(name.lstrip("_") for name in list(signature(fn).parameters)[1:])
                for fn in (getattr(type(part), hook), getattr(Method, hook))
            )
            if found != wanted:
                raise ArgumentError(
                    f"{type(part).__name__}: {hook} must take ({wanted}), not ({found}); since "
                    f"0.2.0 hooks get ctx, which holds state, step and rng"
                )
