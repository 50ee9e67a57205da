"""The interface of everything that acts during training; every part is optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.train.optim import OptState


@dataclass(frozen=True)
class View:
    """What `after` sees once an update is done. The arrays are the loop's: read, return new ones.

    grads are dense (masked entries too). step counts updates: 1 after the first. activations:
    batch-first outputs of the layers that the method names, from the forward pass of this step.
    """

    net: Net
    params: Arrays
    buffers: Arrays
    masks: Arrays
    grads: Arrays
    extra: Arrays
    opt_state: OptState
    state: Any
    step: int
    total: int
    lr: float
    rng: np.random.Generator
    batch: tuple[Array, Array]
    activations: Arrays


@dataclass(frozen=True)
class Change:
    """What `after` replaces; None leaves a part as it is. Dicts may hold only what changes.

    New masks are applied to the weights by the loop. buffers: the indices of sparse layers alone,
    of which the loop installs read-only copies.
    """

    params: Arrays | None = None
    masks: Arrays | None = None
    extra: Arrays | None = None
    opt_state: OptState | None = None
    state: Any = None
    buffers: Arrays | None = None


def replace(arrays: Arrays, new: Arrays, kind: str) -> None:
    """arrays[name] = a copy of new[name], in the dtype that was there

    Raises ArgumentError for a name that arrays does not have, ShapeError for another shape.
    """
    for name, a in new.items():
        if name not in arrays:
            raise ArgumentError(
                f"{name}: a method changes it in {kind}, which has no such array; "
                f"change what View.{kind} holds"
            )
        _fits(name, kind, arrays[name], a)
        arrays[name] = np.array(a, arrays[name].dtype, order="C")


def relocate(buffers: Arrays, new: Arrays, indices: Mapping[str, str]) -> None:
    """buffers[name] = a read-only copy of new[name]      indices: {name: dtype} of what may change

    Raises ArgumentError for a buffer that holds no indices or another dtype, ShapeError for another
    shape.
    """
    for name, a in new.items():
        if name not in indices:
            raise ArgumentError(
                f"{name}: a method changes it in buffers, of which only the indices of sparse "
                f"layers may change ({', '.join(indices) or 'there are none'}); leave it out"
            )
        _fits(name, "buffers", buffers[name], a)
        if np.asarray(a).dtype != indices[name]:
            raise ArgumentError(
                f"{name}: a method changes it in buffers from {indices[name]} to "
                f"{np.asarray(a).dtype}; keep the dtype"
            )
        buffers[name] = locked(a)


def _fits(name: str, kind: str, old: Array, new: Array) -> None:
    if np.shape(new) != old.shape:
        raise ShapeError(
            f"{name}: a method changes it in {kind} from {old.shape} to {np.shape(new)}; "
            f"keep the shape"
        )


def locked(a: Array) -> Array:
    """A read-only copy, which kernels check once."""
    a = np.array(a, order="C")
    a.flags.writeable = False
    return a


class Method:
    """The plain method: it changes nothing. Override what the method needs.

    The random generator of `start`, `weights` and `after` is the method's own stream.
    """

    activations: ClassVar[tuple[str, ...]] = ()  # layers whose outputs `after` wants to see

    def start(self, model: Model, rng: np.random.Generator) -> tuple[Model, Arrays, Any]:
        """(model, extra, state): layers may be replaced; extra is trained besides the weights

        The optimizer's weight decay is of the weights alone: what extra needs, `penalty` says.
        """
        return model, {}, None

    def weights(
        self, params: dict[str, Value], extra: dict[str, Value], state: Any,
        rng: np.random.Generator,
    ) -> dict[str, Value]:  # fmt: skip
        """What the forward pass of a training step sees in place of the parameters."""
        return params

    def penalty(
        self, params: dict[str, Value], extra: dict[str, Value], state: Any, step: int
    ) -> Value | None:
        """A scalar that is added to the loss, or None. step: updates done so far."""
        return None

    def after(self, view: View) -> Change | None:
        """Called after every update."""
        return None

    def settled(self, step: int, total: int) -> bool:
        """Whether the net of this update is of the kind that the method leads to, in its sparsity

        With patience only such epochs may be the best one, and those before are not waited for.
        """
        return True

    def finish(self, model: Model, extra: Arrays, state: Any) -> Model:
        """An ordinary model: after each epoch, to validate it, and at the end; changes nothing."""
        return model
