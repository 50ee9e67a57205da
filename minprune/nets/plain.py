"""Activations: y = f(x), entry by entry."""

from collections.abc import Mapping
from typing import ClassVar

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.nets.layer import ForwardContext, Layer

Params = Mapping[str, Value]


class Activation(Layer):
    """y = act(x), elementwise; may run inside the kernel of the layer before it."""

    kind: ClassVar[str]
    bends: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        cls.fused = getattr(cls, "kind", "")

    def path(self, name: str, p: Params, xs: list[Value]) -> Value:
        """x: SynFlow takes activations as the identity"""
        return xs[0]

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        return ag.act(xs[0], kind=self.kind)


class ReLU(Activation):
    """y = max(x, 0)"""

    kind: ClassVar[str] = "relu"


class LeakyReLU(Activation):
    """y = x where x > 0, 0.01 x elsewhere"""

    kind: ClassVar[str] = "leaky_relu"


class Tanh(Activation):
    """y = tanh x"""

    kind: ClassVar[str] = "tanh"


class Sigmoid(Activation):
    """y = 1 / (1 + e^-x)"""

    kind: ClassVar[str] = "sigmoid"
