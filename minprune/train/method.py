"""The interface of everything that acts during training; every part is optional."""

from __future__ import annotations

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

    New masks are applied to the weights by the loop.
    """

    params: Arrays | None = None
    masks: Arrays | None = None
    extra: Arrays | None = None
    opt_state: OptState | None = None
    state: Any = None


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
        if np.shape(a) != arrays[name].shape:
            raise ShapeError(
                f"{name}: a method changes it in {kind} from {arrays[name].shape} to "
                f"{np.shape(a)}; keep the shape"
            )
        arrays[name] = np.array(a, arrays[name].dtype, order="C")


class Method:
    """The plain method: it changes nothing. Override what the method needs.

    The random generator of `start`, `weights` and `after` is the method's own stream.
    """

    activations: ClassVar[tuple[str, ...]] = ()  # layers whose outputs `after` wants to see

    def start(self, model: Model, rng: np.random.Generator) -> tuple[Model, Arrays, Any]:
        """(model, extra, state): layers may be replaced; extra is trained besides the weights."""
        return model, {}, None

    def weights(
        self, params: dict[str, Value], extra: dict[str, Value], state: Any,
        rng: np.random.Generator,
    ) -> dict[str, Value]:  # fmt: skip
        """What the forward pass of a training step sees in place of the parameters."""
        return params

    def penalty(self, params: dict[str, Value], extra: dict[str, Value], step: int) -> Value | None:
        """A scalar that is added to the loss, or None. step: updates done so far."""
        return None

    def after(self, view: View) -> Change | None:
        """Called after every update."""
        return None

    def finish(self, model: Model, extra: Arrays, state: Any) -> Model:
        """An ordinary model at the end."""
        return model
