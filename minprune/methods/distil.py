"""loss = (1 - alpha) CE + alpha T^2 KL(teacher_T || student_T): trained by another's outputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.arguments import instance, number, share
from minprune.autograd import Value, cross_entropy, div, mul, softmax, total, value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.methods.during import one_call
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model, run
from minprune.train.method import Context, Method, Values


@dataclass(frozen=True)
class Distil(Method):
    """Distillation: the cross-entropy, and the divergence from a teacher's softened outputs.

    loss = (1 - alpha) CE(z, y) + alpha T^2 KL(softmax(v / T) || softmax(z / T)), means over the
    batch; z: the outputs of the net in training, v: those of the teacher, in evaluation mode. T^2
    keeps the size of the gradients that 1/T makes small. Null setting: alpha = 0.

    Parameters
    ----------
    teacher : Model
        A trained net of the same inputs and outputs, such as the dense one before pruning.
    temperature : float
        T, above 0.
    alpha : float
        The share of the divergence, from 0 to 1.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for a net with another loss than cross_entropy.
        ShapeError, there, for a teacher of other inputs or outputs.

    Examples
    --------
    >>> import minprune as mp
    >>> data, how = mp.data.digits(), {"epochs": 5, "progress": False}
    >>> dense, _ = mp.fit(mp.zoo.mlp(data, hidden=(32,)), data, **how)
    >>> small = mp.prune(dense, mp.score(dense, None, "magnitude"), sparsity=0.8)
    >>> student, history = mp.fit(small, data, method=mp.methods.Distil(dense), **how)
    >>> mp.evaluate(student, data.test).accuracy > mp.evaluate(small, data.test).accuracy
    True

    Source: Hinton, Vinyals, Dean (2015), Distilling the knowledge in a neural network.
    """

    teacher: Model = field(repr=False)
    temperature: float = 4.0
    alpha: float = 0.9
    reads_total = False

    def __post_init__(self) -> None:
        instance("Distil", "teacher", self.teacher, Model, "a trained model")
        number("Distil", "temperature", self.temperature, above=True)
        share("Distil", "alpha", self.alpha)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        self.check(model)
        return model, {}, None

    def check(self, model: Model) -> None:
        """Raises ArgumentError or ShapeError where it cannot teach this model."""
        if not LOSSES[model.net.loss].softmax:
            raise ArgumentError(
                f"Distil: the loss of the net must be 'cross_entropy', not {model.net.loss!r}; "
                f"build it with that"
            )
        (ins, outs), (own_ins, own_outs) = map(_sizes, (self.teacher, model))
        for what, theirs, ours in (("inputs", ins, own_ins), ("outputs", outs, own_outs)):
            if theirs != ours:
                raise ShapeError(
                    f"Distil: the teacher must have the net's {what}, {ours}, not {theirs}; pass "
                    f"another teacher"
                )

    def loss(
        self, outputs: Value, x: Array, y: Array, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        if self.alpha == 0:
            return None
        arrays: Values = {**self.teacher.params, **self.teacher.buffers}
        told = value(run(self.teacher.net, arrays, x.astype(self.teacher.dtype, copy=False)))
        scale = 1 / self.temperature
        apart = divergence(told.astype(value(outputs).dtype) * scale, outputs * scale, y)
        soft = apart * (self.alpha * self.temperature**2)
        return (
            soft if self.alpha == 1 else soft + cross_entropy(outputs, labels=y) * (1 - self.alpha)
        )


def divergence(v: Array, u: Value, y: Array) -> Value:
    """mean over n of sum p (log p - log q), p = softmax(v), q = softmax(u)      (k, n)

    Without a logarithm of q, which may be 0: -sum p log q = CE(u, y) + sum (onehot(y) - p) u.
    """
    n = len(y)
    p = np.asarray(softmax(v))
    low = v - v.max(axis=0)
    log_p = low - np.log(np.exp(low).sum(axis=0))
    onehot = np.zeros_like(p)
    onehot[y, np.arange(n)] = 1
    cross = cross_entropy(u, labels=y) + div(total(mul(u, onehot - p)), n)
    return cross + v.dtype.type((p * log_p).sum() / n)


def _sizes(model: Model) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of its inputs and outputs"""
    net = model.net
    return net.input_shape, net.shapes[net.nodes[-1].name]


distil = one_call(Distil, "distil", "teacher=model")
